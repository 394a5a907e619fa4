//! A client of the Open vSwitch Database Management Protocol (RFC 7047).
