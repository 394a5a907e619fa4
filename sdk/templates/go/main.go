// The component's entry: its exports are those of the package export_op_dbus_plugin_state.
package main

import _ "{{name}}/bindings/wit_exports"

func main() {}
