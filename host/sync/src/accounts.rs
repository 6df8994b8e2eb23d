//! The accounts that a database belongs to. A system with another account, or a new name for the
//! account of a renamed system, is not opened (RULES.md V4).
//!
//! The account's id is kept at the first use. It is asked for once by each process and again when
//! another generation of the plugin serves, before anything is read or written. A system whose
//! connector reports no id is taken as it is.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use renkei_model::plugin::{Generation, PluginError};
use renkei_model::ports::{Connector, Systems};
use renkei_model::spec::Spec;
use renkei_model::store::port::{Changes, Store, StoreError};

/// The systems whose accounts this process has compared, with the plugin's digest.
#[derive(Debug, Default)]
pub struct VerifiedAccounts(Mutex<BTreeMap<String, String>>);

impl VerifiedAccounts {
    /// True if this process has compared the system's account with the store's.
    pub fn has(&self, system: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(system)
    }

    fn holds(&self, system: &str, generation: &Generation) -> bool {
        // A panic elsewhere cannot leave half an entry.
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(system).is_some_and(|digest| *digest == generation.digest)
    }

    /// Compares the account that a system reports with the one that the store belongs to, and keeps
    /// it at the first use. An empty id is taken as it is.
    ///
    /// # Errors
    /// [`PluginError::OtherAccount`], [`PluginError::RenamedAccount`]; [`PluginError::Host`] where
    /// the store failed.
    pub async fn compare(
        &self,
        store: &dyn Store,
        spec: &Spec,
        system: &str,
        found: &str,
        generation: &Generation,
    ) -> Result<(), PluginError> {
        let failed = |error: StoreError| PluginError::Host {
            plugin: generation.clone(),
            reason: error.to_string(),
        };
        match store.account(system).await.map_err(failed)? {
            Some(known) if known != found => {
                return Err(PluginError::OtherAccount {
                    plugin: generation.clone(),
                    system: system.to_owned(),
                    known,
                    found: found.to_owned(),
                });
            }
            Some(_) => {}
            None if found.is_empty() => {}
            None => {
                // Two systems may be one account as long as both are configured.
                let configured = spec.systems();
                let names = store.systems_of(found).await.map_err(failed)?;
                let former = names.into_iter().find(|name| !configured.contains(&name.as_str()));
                if let Some(known) = former {
                    return Err(PluginError::RenamedAccount {
                        plugin: generation.clone(),
                        system: system.to_owned(),
                        known,
                        account: found.to_owned(),
                    });
                }
                let accounts = vec![(system.to_owned(), found.to_owned())];
                let changes = Changes { accounts, ..Changes::default() };
                store.commit(changes).await.map_err(failed)?;
            }
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(system.to_owned(), generation.digest.clone());
        Ok(())
    }
}

/// Opens jobs on the accounts that a store belongs to, and on no others.
pub struct OwnAccounts<'a> {
    /// The configured systems.
    pub systems: &'a dyn Systems,
    /// The mapping of these systems.
    pub spec: &'a Spec,
    /// The store that belongs to the accounts.
    pub store: &'a dyn Store,
    /// The accounts that were compared before.
    pub verified: &'a VerifiedAccounts,
}

#[async_trait]
impl Systems for OwnAccounts<'_> {
    async fn open(&self, system: &str) -> Result<Box<dyn Connector>, PluginError> {
        let connector = self.systems.open(system).await?;
        let generation = connector.generation();
        if !self.verified.holds(system, generation) {
            let found = connector.check().await?.id;
            self.verified.compare(self.store, self.spec, system, &found, generation).await?;
        }
        Ok(connector)
    }
}
