//! The netlink backend against the real kernel, each test in a network namespace of its own.

#[path = "netlink/exchange.rs"]
mod exchange;
#[path = "netlink/kinds_of_a_full_kernel.rs"]
mod kinds_of_a_full_kernel;
#[path = "netlink/links.rs"]
mod links;
#[path = "netlink/nameless.rs"]
mod nameless;
#[path = "netlink/routing.rs"]
mod routing;
#[path = "netlink/support.rs"]
mod support;
#[path = "netlink/tunnels.rs"]
mod tunnels;
