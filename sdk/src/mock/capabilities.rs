//! The functions of the capabilities, as they are when compiled natively: same names and signatures as the imports, answered by the
//! thread's [`Host`](super::Host).

/// `op-dbus:plugin/netlink`.
pub mod netlink {
    use crate::Failure;
    use crate::mock::{Call, Host};
    use crate::netlink::{
        Address, BridgeVlan, Family, Link, LinkSelector, Neighbour, Request, Route, RouteScope,
        Rule,
    };

    /// Links that match one of the selectors; all, when there is none. One that does not exist is left out.
    pub fn links(selectors: &[LinkSelector]) -> Result<Vec<Link>, Failure> {
        let host = Host::current();
        host.note(Call::Links(selectors.to_vec()))?;
        Ok(host.kernel().links(selectors))
    }

    /// Addresses of these links, or of all.
    pub fn addresses(links: &[String]) -> Result<Vec<Address>, Failure> {
        let host = Host::current();
        host.note(Call::Addresses(links.to_vec()))?;
        Ok(host.kernel().addresses(links))
    }

    /// Routes within a scope.
    pub fn routes(within: &RouteScope) -> Result<Vec<Route>, Failure> {
        let host = Host::current();
        host.note(Call::Routes(within.clone()))?;
        Ok(host.kernel().routes(within))
    }

    /// Rules of these families, or of both.
    pub fn rules(families: &[Family]) -> Result<Vec<Rule>, Failure> {
        let host = Host::current();
        host.note(Call::Rules(families.to_vec()))?;
        Ok(host.kernel().rules(families))
    }

    /// Entries of the neighbour table on these links, or on all.
    pub fn neighbours(links: &[String]) -> Result<Vec<Neighbour>, Failure> {
        let host = Host::current();
        host.note(Call::Neighbours(links.to_vec()))?;
        Ok(host.kernel().neighbours(links))
    }

    /// VLANs on these bridges and ports, or on all.
    pub fn bridge_vlans(links: &[String]) -> Result<Vec<BridgeVlan>, Failure> {
        let host = Host::current();
        host.note(Call::BridgeVlans(links.to_vec()))?;
        Ok(host.kernel().bridge_vlans(links))
    }

    /// Carries the requests out in order; an answer for each, and one that failed does not stop the others.
    pub fn execute(requests: &[Request]) -> Vec<Result<(), Failure>> {
        let host = Host::current();
        let answers = requests.iter().map(|request| {
            host.note(Call::Request(request.clone()))?;
            host.kernel().execute(request)
        });
        answers.collect()
    }
}

/// `op-dbus:plugin/log`.
pub mod log {
    use crate::bindings::op_dbus::plugin::log::Level;
    use crate::mock::{Host, LogLine, Progress};

    /// Writes one line.
    pub fn write(level: Level, message: &str) {
        let message = message.to_owned();
        let host = Host::current();
        host.inner.log.borrow_mut().push(LogLine { level, message });
    }

    /// Tells how far long work has come: `done` of `total` steps.
    pub fn progress(done: u32, total: u32) {
        let host = Host::current();
        host.inner
            .progress
            .borrow_mut()
            .push(Progress { done, total });
    }
}

/// `op-dbus:plugin/ovsdb`.
pub mod ovsdb {
    use super::unavailable;
    use crate::Failure;
    use crate::mock::{Call, Host, Ovsdb};

    fn on_server<T>(
        host: &Host,
        work: impl FnOnce(&mut Ovsdb) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut ovsdb = host.inner.ovsdb.borrow_mut();
        work(
            ovsdb
                .as_mut()
                .ok_or_else(|| unavailable("the OVSDB server"))?,
        )
    }

    /// The names of the databases that the plugin may see.
    pub fn databases() -> Result<Vec<String>, Failure> {
        let host = Host::current();
        host.note(Call::Databases)?;
        on_server(&host, |ovsdb| Ok(ovsdb.databases()))
    }

    /// The schema of a database.
    pub fn schema(database: &str) -> Result<String, Failure> {
        let host = Host::current();
        host.note(Call::Schema(database.to_owned()))?;
        on_server(&host, |ovsdb| ovsdb.schema(database))
    }

    /// Runs operations and returns the array of their results.
    pub fn transact(database: &str, operations: &str) -> Result<String, Failure> {
        let host = Host::current();
        host.note(Call::Transact {
            database: database.to_owned(),
            operations: operations.to_owned(),
        })?;
        on_server(&host, |ovsdb| ovsdb.transact(database, operations))
    }

    /// Waits until ovs-vswitchd has carried out what was committed.
    pub fn settle(database: &str) -> Result<(), Failure> {
        let host = Host::current();
        host.note(Call::Settle(database.to_owned()))?;
        on_server(&host, |ovsdb| ovsdb.settle(database, &mut host.kernel()))
    }
}

/// `op-dbus:plugin/dbus`.
pub mod dbus {
    use super::unavailable;
    use crate::Failure;
    use crate::bindings::op_dbus::plugin::dbus::{MethodCall, Property, Reply, SignalMatch};
    use crate::mock::{Call, Host, Subscription};

    const BUS: &str = "the message bus";

    /// Calls a method and waits for its reply.
    pub fn call(message: &MethodCall) -> Result<Reply, Failure> {
        let host = Host::current();
        host.note(Call::MethodCall(message.clone()))?;
        if let Some(there) = host.inner.network_manager.borrow_mut().as_mut() {
            return there.call(message);
        }
        let answer = &mut host.inner.responders.borrow_mut().call;
        answer.as_mut().ok_or_else(|| unavailable(BUS))?(message.clone())
    }

    /// Sends all calls at once; the answers stand in the order of the calls.
    pub fn call_all(messages: &[MethodCall]) -> Vec<Result<Reply, Failure>> {
        messages.iter().map(call).collect()
    }

    /// Reads a property: its value as a variant.
    pub fn get_property(of: &Property) -> Result<String, Failure> {
        let host = Host::current();
        host.note(Call::GetProperty(of.clone()))?;
        let answer = &mut host.inner.responders.borrow_mut().property;
        answer.as_mut().ok_or_else(|| unavailable(BUS))?(of.clone())
    }

    /// Whether somebody owns the name now.
    pub fn has_owner(name: &str) -> Result<bool, Failure> {
        let host = Host::current();
        host.note(Call::HasOwner(name.to_owned()))?;
        if host.inner.network_manager.borrow().is_some() {
            return Ok(name == "org.freedesktop.NetworkManager");
        }
        let answer = &mut host.inner.responders.borrow_mut().owners;
        answer.as_mut().ok_or_else(|| unavailable(BUS))?(name.to_owned())
    }

    /// Subscribes before the call whose signals matter.
    pub fn subscribe(to: &SignalMatch) -> Result<Subscription, Failure> {
        let host = Host::current();
        host.note(Call::Subscribe(to.clone()))?;
        if let Some(there) = host.inner.network_manager.borrow().as_ref() {
            return Ok(there.subscribe());
        }
        let answer = &mut host.inner.responders.borrow_mut().subscribe;
        answer.as_mut().ok_or_else(|| unavailable(BUS))?(to.clone())
    }
}

fn unavailable(backend: &str) -> crate::Failure {
    let message = format!("{backend} is not running; a test lays its answers down on mock::Host");
    crate::Failure::new(crate::FailureCode::Unavailable, message)
}
