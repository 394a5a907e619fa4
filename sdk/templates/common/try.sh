#!/bin/sh
# Applies example.yaml in a network namespace of its own, shows what came of it, and rolls it back. Nothing of this machine changes.
set -eu

op_dbus=${OP_DBUS:-op-dbus}
space="try-$$"
directory=$(mktemp -d)
trap 'ip netns delete "$space"; rm -rf "$directory"' EXIT

ip netns add "$space"
ip -n "$space" link add eth0 type veth peer name eth1
ip -n "$space" link set eth0 up

# Which component it is, to the byte, and what it may reach: nothing but this.
cat > "$directory/op-dbus.toml" <<END
[plugins.{{name}}]
component = "$PWD/{{name}}.wasm"
digest = "sha256:$(sha256sum < {{name}}.wasm | cut -d ' ' -f 1)"
grant.netlink = { see = ["eth*"], change = ["eth0"], networks = ["192.0.2.0/24"] }
END

run() {
    echo "+ op-dbus $*"
    "$op_dbus" --config "$directory/op-dbus.toml" --netns "$space" \
        --state-dir "$directory/state" --cache-dir "${CACHE_DIR:-$directory/cache}" "$@"
}

run apply example.yaml
ip -n "$space" neighbour show
run verify example.yaml
run rollback
ip -n "$space" neighbour show
