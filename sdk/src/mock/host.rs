//! The simulated host, and the calls that reach it.

use std::cell::{Ref, RefCell, RefMut};
use std::fmt;
use std::rc::Rc;

use super::{Kernel, NetworkManager, Ovsdb, Subscription};
use crate::Failure;
use crate::bindings::op_dbus::plugin::dbus::{MethodCall, Property, Reply, SignalMatch};
use crate::bindings::op_dbus::plugin::log::Level;
use crate::netlink::{Family, LinkSelector, Request, RouteScope};

/// A call that a plugin made, with its arguments.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub enum Call {
    Links(Vec<LinkSelector>),
    Addresses(Vec<String>),
    Routes(RouteScope),
    Rules(Vec<Family>),
    Neighbours(Vec<String>),
    BridgeVlans(Vec<String>),
    /// One request of `netlink.execute`. A batch of ten is ten of these.
    Request(Request),
    Databases,
    Schema(String),
    Transact {
        database: String,
        operations: String,
    },
    Settle(String),
    MethodCall(MethodCall),
    GetProperty(Property),
    HasOwner(String),
    Subscribe(SignalMatch),
}

/// A line that a plugin wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// The text.
    pub message: String,
}

/// How far long work had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Steps done.
    pub done: u32,
    /// Of so many.
    pub total: u32,
}

type Injection = Box<dyn FnMut(&Call) -> Option<Failure>>;
type Responder<Question, Answer> = Box<dyn FnMut(Question) -> Result<Answer, Failure>>;

/// What a test laid down, and what came in.
#[derive(Default)]
pub(super) struct Inner {
    pub(super) kernel: RefCell<Kernel>,
    pub(super) ovsdb: RefCell<Option<Ovsdb>>,
    pub(super) network_manager: RefCell<Option<NetworkManager>>,
    pub(super) log: RefCell<Vec<LogLine>>,
    pub(super) progress: RefCell<Vec<Progress>>,
    pub(super) responders: RefCell<Responders>,
    calls: RefCell<Vec<Call>>,
    kept: RefCell<Vec<Rc<Subscription>>>,
    injections: RefCell<Vec<Injection>>,
}

/// The closures that answer for D-Bus.
#[derive(Default)]
pub(super) struct Responders {
    pub(super) call: Option<Responder<MethodCall, Reply>>,
    pub(super) property: Option<Responder<Property, String>>,
    pub(super) owners: Option<Responder<String, bool>>,
    pub(super) subscribe: Option<Responder<SignalMatch, Subscription>>,
}

/// A simulated host. Clones are the same host.
#[derive(Clone, Default)]
pub struct Host {
    pub(super) inner: Rc<Inner>,
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("kernel", &self.inner.kernel)
            .field("log", &self.inner.log)
            .field("calls", &self.inner.calls)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The hosts that this thread has entered, innermost last.
    static ENTERED: RefCell<Vec<Host>> = const { RefCell::new(Vec::new()) };
}

/// Leaves the host when a test's closure ends, by a panic too.
struct Leave;

impl Drop for Leave {
    fn drop(&mut self) {
        ENTERED.with_borrow_mut(|entered| entered.pop());
    }
}

impl Host {
    /// A host with a kernel that has nothing but `lo`, down, and with no OVSDB server and no bus.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` with this host as the one that the capabilities of this thread reach.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        ENTERED.with_borrow_mut(|entered| entered.push(self.clone()));
        let _leave = Leave;
        work()
    }

    /// The host that this thread is in.
    pub(super) fn current() -> Self {
        ENTERED
            .with_borrow(|entered| entered.last().cloned())
            .expect("a capability was called outside `mock::Host::enter`")
    }

    /// The kernel, to seed and to look at. Do not hold it across a call of a capability.
    pub fn kernel(&self) -> RefMut<'_, Kernel> {
        self.inner.kernel.borrow_mut()
    }

    /// The calls so far, those that were made to fail included. Log lines are not among them.
    pub fn calls(&self) -> Ref<'_, Vec<Call>> {
        self.inner.calls.borrow()
    }

    /// The write requests so far, in order, those that failed included.
    pub fn requests(&self) -> Vec<Request> {
        let calls = self.inner.calls.borrow();
        let requests = calls.iter().filter_map(|call| match call {
            Call::Request(request) => Some(request.clone()),
            _ => None,
        });
        requests.collect()
    }

    /// Forgets the calls so far.
    pub fn forget_calls(&self) {
        self.inner.calls.borrow_mut().clear();
    }

    /// What was logged.
    pub fn log(&self) -> Ref<'_, Vec<LogLine>> {
        self.inner.log.borrow()
    }

    /// What progress was told.
    pub fn progress(&self) -> Ref<'_, Vec<Progress>> {
        self.inner.progress.borrow()
    }

    /// Makes the calls fail for which `failure` has an answer; nothing of such a call takes effect. Of several, the first one that answers
    /// counts.
    pub fn fail_when(&self, failure: impl FnMut(&Call) -> Option<Failure> + 'static) {
        self.inner.injections.borrow_mut().push(Box::new(failure));
    }

    /// Makes the `n`-th write request from now on fail, counted from 1 across batches.
    pub fn fail_request(&self, n: usize, failure: Failure) {
        let mut seen = 0;
        self.fail_when(move |call| {
            seen += usize::from(matches!(call, Call::Request(_)));
            (matches!(call, Call::Request(_)) && seen == n).then(|| failure.clone())
        });
    }

    /// Makes every call fail, reads and writes.
    pub fn fail_every_call(&self, failure: Failure) {
        self.fail_when(move |_| Some(failure.clone()));
    }

    /// Takes back all that `fail_when`, `fail_request` and `fail_every_call` laid down.
    pub fn stop_failing(&self) {
        self.inner.injections.borrow_mut().clear();
    }

    /// Starts Open vSwitch: an empty database and its daemon. Until then `ovsdb` answers `unavailable`.
    pub fn with_ovs(&self) -> &Self {
        *self.inner.ovsdb.borrow_mut() = Some(Ovsdb::new());
        self
    }

    /// Stops Open vSwitch. What it made in the kernel stays.
    pub fn without_ovs(&self) -> &Self {
        *self.inner.ovsdb.borrow_mut() = None;
        self
    }

    /// Open vSwitch's database, to seed and to look at. Do not hold it across a call of a capability.
    ///
    /// # Panics
    /// Before [`Host::with_ovs`].
    pub fn ovs(&self) -> RefMut<'_, Ovsdb> {
        RefMut::map(self.inner.ovsdb.borrow_mut(), |ovsdb| {
            ovsdb.as_mut().expect("with_ovs starts it")
        })
    }

    /// Lets ovs-vswitchd carry out what the database says, as it does soon after any change.
    ///
    /// # Panics
    /// Where it does not run.
    pub fn settle(&self) -> &Self {
        let settled = self.ovs().settle("Open_vSwitch", &mut self.kernel());
        settled.expect("ovs-vswitchd runs");
        self
    }

    /// Starts a NetworkManager on the bus. Until then, and where a test answers for itself, there is none.
    pub fn with_network_manager(&self) -> &Self {
        *self.inner.network_manager.borrow_mut() = Some(NetworkManager::new());
        self
    }

    /// NetworkManager, to seed and to look at. Do not hold it across a call of a capability.
    ///
    /// # Panics
    /// Before [`Host::with_network_manager`].
    pub fn network_manager(&self) -> RefMut<'_, NetworkManager> {
        RefMut::map(self.inner.network_manager.borrow_mut(), |it| {
            it.as_mut().expect("with_network_manager starts it")
        })
    }

    /// Answers `dbus.call`, and each item of `dbus.call-all`.
    pub fn on_method_call(
        &self,
        answer: impl FnMut(MethodCall) -> Result<Reply, Failure> + 'static,
    ) -> &Self {
        self.inner.responders.borrow_mut().call = Some(Box::new(answer));
        self
    }

    /// Answers `dbus.get-property`, as JSON.
    pub fn on_get_property(
        &self,
        answer: impl FnMut(Property) -> Result<String, Failure> + 'static,
    ) -> &Self {
        self.inner.responders.borrow_mut().property = Some(Box::new(answer));
        self
    }

    /// Answers `dbus.has-owner`.
    pub fn on_has_owner(
        &self,
        answer: impl FnMut(String) -> Result<bool, Failure> + 'static,
    ) -> &Self {
        self.inner.responders.borrow_mut().owners = Some(Box::new(answer));
        self
    }

    /// Answers `dbus.subscribe`.
    pub fn on_subscribe(
        &self,
        answer: impl FnMut(SignalMatch) -> Result<Subscription, Failure> + 'static,
    ) -> &Self {
        self.inner.responders.borrow_mut().subscribe = Some(Box::new(answer));
        self
    }

    /// Keeps a subscription for somebody who cannot hold it, and says by which number [`Self::kept`] finds it.
    pub fn keep(&self, subscription: Subscription) -> usize {
        let mut kept = self.inner.kept.borrow_mut();
        kept.push(Rc::new(subscription));
        kept.len() - 1
    }

    /// A subscription that was kept.
    ///
    /// # Panics
    /// Where none has this number.
    pub fn kept(&self, number: usize) -> Rc<Subscription> {
        self.inner.kept.borrow()[number].clone()
    }

    /// Notes a call, and lets what was laid down make it fail.
    pub(super) fn note(&self, call: Call) -> Result<(), Failure> {
        let mut injections = self.inner.injections.borrow_mut();
        let answers: Vec<_> = injections.iter_mut().map(|inject| inject(&call)).collect();
        self.inner.calls.borrow_mut().push(call);
        answers.into_iter().flatten().next().map_or(Ok(()), Err)
    }
}
