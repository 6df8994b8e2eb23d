//! The engine as a program under test: one process after another on one store.

use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use futures::executor::block_on;
use futures::future::{self, Either};
use rand::Rng as _;
use renkei_blackbox::program::{Meanwhile, Program, Service, Synced};
use renkei_model::ports::{Clock, Systems as _};
use renkei_model::spec::Spec;
use renkei_model::state::RecordKey;
use renkei_model::store::port::{ReviewFilter, ReviewQuery, Store as _};
use renkei_simulators::clock::SimClock;
use renkei_store::Layouts;
use renkei_sync::accounts::{OwnAccounts, VerifiedAccounts};
use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::cycle::{CycleResult, run_cycle};
use renkei_sync::engine::{CycleError, CycleOptions, Engine, SilentObserver};
use renkei_sync::read::transforms::TransformCalls;
use renkei_worlds::mirror::{MirrorStore, StoreBackup};
use serde_json::Value;

use super::connectors::{Desk, NativeSystems};
use super::specification::{learn, specification};
use super::transforms::NativeTransforms;
use super::wire::{Event, Fate, Wire};

/// Interval of `renkei serve` between two cycles, ms.
const INTERVAL_MS: u64 = 10_000;

/// Time that a command takes, ms.
const COMMAND_MS: u64 = 1_000;

/// One installation.
pub(crate) struct InProcess {
    wire: Rc<Wire>,
    desk: Rc<Desk>,
    store: MirrorStore,
    verified: VerifiedAccounts,
    backup: Option<StoreBackup>,
    /// Mistake of the engine on its way, judged at the next rest.
    wrong: RefCell<Option<String>>,
}

/// The simulators' clock as the engine's.
struct Virtual(SimClock);

#[async_trait]
impl Clock for Virtual {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.advance(i64::try_from(ms).unwrap_or(i64::MAX));
    }
}

impl InProcess {
    /// An empty database; in memory, or in SQLite as well with every answer compared.
    pub(crate) fn new(wire: Rc<Wire>, is_mirrored: bool) -> Self {
        let store = if is_mirrored {
            MirrorStore::mirrored(Layouts::from_spec(&specification()))
        } else {
            MirrorStore::plain()
        };
        let desk = Desk::place(Rc::clone(&wire));
        let (verified, wrong) = (VerifiedAccounts::default(), RefCell::default());
        Self { wire, desk, store, verified, backup: None, wrong }
    }

    /// A process begins: it knows nothing but the store.
    fn begin(&mut self) {
        self.verified = VerifiedAccounts::default();
        self.wire.revive();
    }

    /// The process is gone with all that it had in memory.
    fn crash(&mut self) {
        self.wire.forget_plans();
        self.store = self.store.copy();
        self.begin();
    }

    /// One cycle of a process; nothing where it died on its way.
    fn cycle(&self) -> Option<Result<CycleResult, CycleError>> {
        let clock = Virtual(self.wire.clock.clone());
        let run = async {
            let spec = self.fitted().await;
            let systems = OwnAccounts {
                systems: &NativeSystems,
                spec: &spec,
                store: &self.store,
                verified: &self.verified,
            };
            let engine = Engine {
                spec: &spec,
                systems: &systems,
                transforms: TransformCalls::new(&NativeTransforms),
                store: &self.store,
                clock: &clock,
                observer: &SilentObserver,
                options: CycleOptions { chunk_links: 3, ..CycleOptions::default() },
            };
            run_cycle(&engine).await
        };
        let death = future::poll_fn(|context| {
            if self.wire.fate() == Fate::Dead {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        match block_on(future::select(Box::pin(run), death)) {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    }

    /// The specification with what the live systems say; one that does not answer adds nothing.
    async fn fitted(&self) -> Spec {
        let mut spec = specification();
        let systems: Vec<String> = spec.systems().into_iter().map(str::to_owned).collect();
        for system in systems {
            let members = spec.entities().iter().flat_map(|entity| &entity.members);
            let own = members.filter(|member| member.system == system);
            let objects: Vec<String> = own.map(|member| member.object.clone()).collect();
            let Ok(connector) = NativeSystems.open(&system).await else { continue };
            let Ok(account) = connector.check().await else { continue };
            let Ok(schemas) = connector.discover(&objects).await else { continue };
            learn(&mut spec, &system, &account, &schemas);
        }
        spec
    }

    fn told(&self, result: Option<Result<CycleResult, CycleError>>) -> Synced {
        let report = match result {
            Some(Ok(result)) => result.report,
            Some(Err(CycleError::Store(_))) | None => return Synced::default(),
            Some(Err(error)) => {
                self.wrong.borrow_mut().get_or_insert(error.to_string());
                return Synced::default();
            }
        };
        let quiet = report.written.is_empty() && report.failures.is_empty();
        Synced { quiet, told: format!("{:?} {:?}", report.written, report.failures) }
    }
}

impl Program for InProcess {
    fn sync(&mut self) -> anyhow::Result<Synced> {
        self.begin();
        self.wire.keep_line(|| "== a cycle".to_owned());
        let result = self.cycle();
        let synced = self.told(result);
        self.wire.keep_line(|| format!("== {}", synced.told));
        if let Some(wrong) = self.wrong.borrow().as_ref() {
            return Ok(Synced { quiet: false, told: wrong.clone() });
        }
        Ok(synced)
    }

    fn sync_while(&mut self, calls: u64, meanwhile: Meanwhile) -> anyhow::Result<()> {
        self.wire.plan(calls, Event::Act(meanwhile));
        self.sync()?;
        self.act_now();
        Ok(())
    }

    fn sync_killed(&mut self, calls: u64) -> anyhow::Result<()> {
        self.begin();
        let way = self.wire.dice.borrow_mut().random_range(0..4);
        match way {
            0 => self.wire.plan(calls, Event::Die { after: false }),
            1 => self.wire.plan(calls, Event::Die { after: true }),
            2 => self.wire.plan(calls, Event::Trap),
            _ => self.store.stop_after(calls),
        }
        let result = self.cycle();
        self.told(result);
        self.crash();
        Ok(())
    }

    /// The second one is refused by the host's lock, which is not here.
    fn sync_twice(&mut self) -> anyhow::Result<()> {
        self.sync().map(drop)
    }

    fn serve(&mut self, service: &Service) -> anyhow::Result<()> {
        self.begin();
        let until_ms = self.wire.clock.now_ms() + i64::try_from(service.ms)?;
        let half_ms = until_ms - i64::try_from(service.ms / 2)?;
        let mut meanwhile = service.meanwhile.clone();
        let mut swap = service.swap;
        while self.wire.clock.now_ms() < until_ms {
            let is_late = self.wire.clock.now_ms() >= half_ms;
            if is_late && let Some(act) = meanwhile.take() {
                let calls = self.wire.dice.borrow_mut().random_range(0..12);
                self.wire.plan(calls, Event::Act(act));
            }
            if is_late && std::mem::take(&mut swap) {
                self.desk.swap();
            }
            let result = self.cycle();
            self.told(result);
            self.act_now();
            self.wire.advance(INTERVAL_MS);
        }
        if let Some(act) = meanwhile {
            act()?;
        }
        if service.kill {
            let calls = self.wire.dice.borrow_mut().random_range(0..14);
            self.sync_killed(calls)?;
        }
        Ok(())
    }

    fn wait(&mut self, ms: u64) {
        self.wire.advance(ms);
    }

    fn back_up(&mut self) -> anyhow::Result<()> {
        self.backup = Some(self.store.back_up());
        Ok(())
    }

    fn restore(&mut self) -> anyhow::Result<Option<String>> {
        let Some(backup) = &self.backup else { return Ok(None) };
        // What is replaced is kept aside under this time.
        self.wire.advance(COMMAND_MS);
        match block_on(self.store.restore(backup, self.wire.clock.now_ms())) {
            Ok(store) => self.store = store,
            Err(refused) => return Ok(Some(refused)),
        }
        Ok(None)
    }

    /// Pauses are the host's, which is not here.
    fn lift_pauses(&mut self) -> anyhow::Result<()> {
        Ok(())
    }

    fn why(&self, key: &str) -> anyhow::Result<Value> {
        let parts = key.split_once('/').and_then(|(place, id)| Some((place.split_once('.')?, id)));
        let Some(((system, object), id)) = parts else { return Ok(Value::Null) };
        let (system, object, id) = (system.to_owned(), object.to_owned(), id.to_owned());
        let subject = WhySubject::Record(RecordKey { system, object, id });
        let answer = block_on(why(&self.store, &specification(), &subject, None))?;
        Ok(serde_json::to_value(answer)?)
    }

    fn questions(&self) -> anyhow::Result<Vec<String>> {
        let query = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
        let open = block_on(self.store.reviews(&query))?;
        open.iter().map(|review| Ok(serde_json::to_string(review)?)).collect()
    }
}

impl InProcess {
    /// Acts of people for the middle of a cycle that had fewer requests.
    fn act_now(&self) {
        for event in self.wire.forget_plans() {
            if let Event::Act(act) = event {
                // A person who cannot do it does nothing.
                drop(act());
            }
        }
    }
}
