//! The connector world: the trait that a connector implements and the macro that exports it.
//!
//! One component instance serves one job on one system. `configure` makes the connector, which then
//! lives as long as the instance; a call before it is answered with `bug`. Whatever must outlive
//! the job is in the cursor, in a token, or in the memo of an object's schema.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::thread::LocalKey;

use crate::bindings::connector::exports::renkei::plugin::connector as world;
use crate::{Attributes, Error};

pub use world::{
    Account, Action, Activity, Applied, Field, FindRequest, FinishRequest, Found, Hint, Hook, Job,
    MergeRequest, ObjectInfo, Operation, Outcome, Page, PageRequest, RecordsRequest, Reply, Scan,
    Schema, Subscription, SubscriptionRequest, WriteRequest,
};

/// The functions of a connector. `wit/v0.2/connector.wit` says what every argument and result
/// means.
pub trait Connector: Sized + 'static {
    /// Makes the connector from the system's settings, which the host checked against the manifest.
    ///
    /// # Errors
    /// `invalid` where the settings contradict each other.
    fn configure(configuration: &Attributes) -> Result<Self, Error>;

    /// The account behind the credentials, its permissions, and the quota that is left. One cheap
    /// request.
    ///
    /// # Errors
    /// `unauthorized`, `forbidden`.
    fn check(&mut self) -> Result<Account, Error>;

    /// Every object of the account that can be read, those of the manifest or not.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn objects(&mut self) -> Result<Vec<ObjectInfo>, Error> {
        Err(Error::unsupported("objects"))
    }

    /// The live schema of these objects, in order.
    ///
    /// # Errors
    /// `not-found` for an object that the account does not have.
    fn discover(&mut self, objects: &[String]) -> Result<Vec<Schema>, Error>;

    /// The next page of a scan. Repeated records are fine, missed ones are not.
    ///
    /// # Errors
    /// `cursor-lost` where the cursor can no longer be continued.
    fn read_page(&mut self, request: &PageRequest) -> Result<Page, Error>;

    /// These records as they are now, in as few requests as possible; what is gone is in `removed`.
    ///
    /// # Errors
    /// Only what stops the whole call: a missing record is no error.
    fn read_records(&mut self, request: &RecordsRequest) -> Result<Page, Error>;

    /// All records whose keys equal one of the values. Most often there is one key
    /// ([`FindRequest::key`]).
    ///
    /// # Errors
    /// `invalid` where a column cannot be searched by, `unsupported` for more keys than the API can
    /// compare at once.
    fn find(&mut self, request: &FindRequest) -> Result<Found, Error>;

    /// Writes, in as few requests as the API allows; one outcome per operation, in order.
    ///
    /// # Errors
    /// Only where nothing at all was written; after the first request that had an effect, report
    /// outcomes.
    fn write(&mut self, request: &WriteRequest) -> Result<Vec<Outcome>, Error>;

    /// Makes the winner absorb the losers.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn merge(&mut self, request: &MergeRequest) -> Result<Outcome, Error> {
        Err(Error::unsupported(format!("merge of {}", request.object)))
    }

    /// The outcomes of jobs that were [`pending`](Outcome::pending), one per token, in order;
    /// pending again for one that is not done. A connector that never answers `pending` needs none.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn finish(&mut self, request: &FinishRequest) -> Result<Vec<Outcome>, Error> {
        Err(Error::unsupported(format!("finish of {}", request.object)))
    }

    /// Adds activities, each at most once per intent; one outcome each, in order.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn add_activities(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        let _ = activities;
        Err(Error::unsupported("add-activities"))
    }

    /// Verifies a call from the vendor and says which records to read again.
    ///
    /// # Errors
    /// `unauthorized` for a bad signature; `unsupported` unless the connector says otherwise.
    fn webhook(&mut self, hook: &Hook) -> Result<Reply, Error> {
        let _ = hook;
        Err(Error::unsupported("webhook"))
    }

    /// Has the vendor call the host when records of these objects change.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn subscribe(&mut self, request: &SubscriptionRequest) -> Result<Subscription, Error> {
        let _ = request;
        Err(Error::unsupported("subscribe"))
    }

    /// Prolongs a subscription.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn renew(&mut self, token: &str) -> Result<Subscription, Error> {
        let _ = token;
        Err(Error::unsupported("renew"))
    }

    /// Ends a subscription; one that is no more is no error.
    ///
    /// # Errors
    /// `unsupported` unless the connector says otherwise.
    fn unsubscribe(&mut self, token: &str) -> Result<(), Error> {
        let _ = token;
        Err(Error::unsupported("unsubscribe"))
    }
}

/// A connector that the export macro keeps in a slot of this instance.
#[doc(hidden)]
pub trait ExportedConnector: Connector {
    /// The one slot of this type.
    fn slot() -> &'static LocalKey<RefCell<Option<Self>>>;
}

/// Joins the generated trait, which has no state, to a [`Connector`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Exported<C>(PhantomData<C>);

fn with_connector<C: ExportedConnector, T>(
    call: impl FnOnce(&mut C) -> Result<T, Error>,
) -> Result<T, Error> {
    C::slot().with_borrow_mut(|slot| match slot {
        Some(connector) => call(connector),
        None => Err(Error::bug("called before configure")),
    })
}

impl<C: ExportedConnector> world::Guest for Exported<C> {
    fn configure(configuration: Attributes) -> Result<(), Error> {
        crate::panics::report();
        let connector = C::configure(&configuration)?;
        C::slot().set(Some(connector));
        Ok(())
    }

    fn check() -> Result<Account, Error> {
        with_connector(C::check)
    }

    fn objects() -> Result<Vec<ObjectInfo>, Error> {
        with_connector(C::objects)
    }

    fn discover(objects: Vec<String>) -> Result<Vec<Schema>, Error> {
        with_connector(|connector: &mut C| connector.discover(&objects))
    }

    fn read_page(request: PageRequest) -> Result<Page, Error> {
        with_connector(|connector: &mut C| connector.read_page(&request))
    }

    fn read_records(request: RecordsRequest) -> Result<Page, Error> {
        with_connector(|connector: &mut C| connector.read_records(&request))
    }

    fn find(request: FindRequest) -> Result<Found, Error> {
        with_connector(|connector: &mut C| connector.find(&request))
    }

    fn write(request: WriteRequest) -> Result<Vec<Outcome>, Error> {
        with_connector(|connector: &mut C| connector.write(&request))
    }

    fn merge(request: MergeRequest) -> Result<Outcome, Error> {
        with_connector(|connector: &mut C| connector.merge(&request))
    }

    fn finish(request: FinishRequest) -> Result<Vec<Outcome>, Error> {
        with_connector(|connector: &mut C| connector.finish(&request))
    }

    fn add_activities(activities: Vec<Activity>) -> Result<Vec<Outcome>, Error> {
        with_connector(|connector: &mut C| connector.add_activities(&activities))
    }

    fn webhook(hook: Hook) -> Result<Reply, Error> {
        with_connector(|connector: &mut C| connector.webhook(&hook))
    }

    fn subscribe(request: SubscriptionRequest) -> Result<Subscription, Error> {
        with_connector(|connector: &mut C| connector.subscribe(&request))
    }

    fn renew(token: String) -> Result<Subscription, Error> {
        with_connector(|connector: &mut C| connector.renew(&token))
    }

    fn unsubscribe(token: String) -> Result<(), Error> {
        with_connector(|connector: &mut C| connector.unsubscribe(&token))
    }
}

/// Exports a [`Connector`] as the component's connector world. Once per crate; natively it only
/// checks the type.
#[macro_export]
macro_rules! export_connector {
    ($connector:ty) => {
        const _: () = {
            ::std::thread_local! {
                static CONNECTOR: ::std::cell::RefCell<::std::option::Option<$connector>> =
                    const { ::std::cell::RefCell::new(::std::option::Option::None) };
            }

            impl $crate::connector::ExportedConnector for $connector {
                fn slot() -> &'static ::std::thread::LocalKey<
                    ::std::cell::RefCell<::std::option::Option<Self>>,
                > {
                    &CONNECTOR
                }
            }

            #[cfg(target_family = "wasm")]
            #[expect(unsafe_code, reason = "the canonical ABI's entry points")]
            const _: () = {
                type Exported = $crate::connector::Exported<$connector>;
                $crate::bindings::connector::export_connector_world!(
                    Exported with_types_in $crate::bindings::connector
                );
            };
        };
    };
}

#[cfg(test)]
mod tests {
    use world::Guest;

    use super::*;
    use crate::Batch;

    struct Counter(u32);

    impl Connector for Counter {
        fn configure(_: &Attributes) -> Result<Self, Error> {
            Ok(Self(0))
        }

        fn check(&mut self) -> Result<Account, Error> {
            self.0 += 1;
            Ok(Account::new(self.0.to_string(), ""))
        }

        fn discover(&mut self, _: &[String]) -> Result<Vec<Schema>, Error> {
            Ok(Vec::new())
        }

        fn read_page(&mut self, _: &PageRequest) -> Result<Page, Error> {
            Ok(Page::last(Batch::default(), Vec::new()))
        }

        fn read_records(&mut self, _: &RecordsRequest) -> Result<Page, Error> {
            Ok(Page::last(Batch::default(), Vec::new()))
        }

        fn find(&mut self, _: &FindRequest) -> Result<Found, Error> {
            Ok(Found::all(Batch::default()))
        }

        fn write(&mut self, _: &WriteRequest) -> Result<Vec<Outcome>, Error> {
            Ok(Vec::new())
        }
    }

    export_connector!(Counter);

    #[test]
    fn configure_makes_the_connector_that_later_calls_use() {
        let id = || Exported::<Counter>::check().map(|account| account.id);
        assert_eq!(id(), Err(Error::bug("called before configure")));
        assert_eq!(Exported::<Counter>::configure(Vec::new()), Ok(()));
        assert_eq!((id(), id()), (Ok("1".into()), Ok("2".into())));
        let merged = Exported::<Counter>::merge(MergeRequest::new("people", "1", ["2"]));
        assert_eq!(merged, Err(Error::unsupported("merge of people")));
    }

    #[test]
    fn calls_that_a_connector_leaves_out_are_unsupported() {
        assert_eq!(Exported::<Counter>::configure(Vec::new()), Ok(()));
        let refused = |what: &str| Error::unsupported(what);
        let request = FinishRequest::new("people", ["name"], ["job-1"]);
        assert_eq!(Exported::<Counter>::finish(request), Err(refused("finish of people")));
        assert_eq!(Exported::<Counter>::objects(), Err(refused("objects")));
        let (url, token) = ("https://renkei.example".to_owned(), "s-1".to_owned());
        let request = SubscriptionRequest { url, objects: Vec::new(), options: Vec::new() };
        assert_eq!(Exported::<Counter>::subscribe(request), Err(refused("subscribe")));
        assert_eq!(Exported::<Counter>::renew(token.clone()), Err(refused("renew")));
        assert_eq!(Exported::<Counter>::unsubscribe(token), Err(refused("unsubscribe")));
    }
}
