//! Where a plugin is tried: each time on a host as if nobody had been there before.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;

use super::simulation::{Mock, Services, SimulatedBus, SimulatedKernel, SimulatedServer};
use crate::gate::Backends;
use crate::secrets::SecretStore;

/// A host that is set up anew for each trial.
#[async_trait]
pub trait Stage: Send + Sync {
    /// Sets one up.
    ///
    /// # Errors
    /// When it cannot be had.
    async fn stand(&self) -> anyhow::Result<Standing>;

    /// What it is, for a person.
    fn shown(&self) -> String;

    /// Whether things happen on it by themselves, and take their time.
    fn is_live(&self) -> bool;
}

/// A host as it stands. What holds it up goes with it.
pub struct Standing {
    /// Where calls of plugins go.
    pub backends: Backends,
    /// Kept until the trial is over.
    pub holds: Box<dyn Any + Send + Sync>,
}

/// Simulated hosts.
pub struct Simulated {
    /// What is on the bus in NetworkManager's place.
    pub services: Option<Arc<Services>>,
    /// Where references to secrets lead.
    pub secrets: Arc<SecretStore>,
}

impl Default for Simulated {
    fn default() -> Self {
        let secrets = SecretStore::open(Vec::new(), None).expect("random(4) gives a key");
        Self {
            services: None,
            secrets: Arc::new(secrets),
        }
    }
}

#[async_trait]
impl Stage for Simulated {
    async fn stand(&self) -> anyhow::Result<Standing> {
        let mock = Mock::start(self.services.clone());
        let names = match &self.services {
            Some(services) => services.names(),
            None => vec!["org.freedesktop.NetworkManager".to_owned()],
        };
        Ok(Standing {
            backends: Backends {
                kernel: Arc::new(SimulatedKernel(mock.clone())),
                ovsdb: Arc::new(SimulatedServer(mock.clone())),
                bus: Arc::new(SimulatedBus {
                    mock: mock.clone(),
                    names,
                }),
                secrets: self.secrets.clone(),
                is_tenant: false,
            },
            holds: Box::new(mock),
        })
    }

    fn shown(&self) -> String {
        match &self.services {
            None => "a simulated host".into(),
            Some(_) => "a simulated host with stand-ins on its bus".into(),
        }
    }

    fn is_live(&self) -> bool {
        false
    }
}
