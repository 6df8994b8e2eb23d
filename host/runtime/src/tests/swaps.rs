//! Hundreds of swaps under load, in every way in which files are replaced:
//! no failed, lost or doubled record, each under a digest that was current during its unit of work,
//! and nothing left over afterwards.
//!
//! The issue swaps every 100 ms for one minute; here each swap waits for the one before to serve
//! and for work to have been done under it, so that 600 swaps prove as much on any machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::sync::broadcast::Receiver;
use tokio::time::{MissedTickBehavior, interval};

use renkei_fixtures::{Fixture, assemble, plugin_version};
use renkei_model::ports::Systems as _;
use renkei_package::Package;

use super::{House, batch, forward, page_request, replace_file};
use crate::tests::stage::system;
use crate::{Pooling, ReloadEvent, Runtime, SystemAuth};
use renkei_test_servers::{Server, reply};

/// Swaps of each of the two plugins.
const SWAPS: usize = 300;

/// Versions that take turns: more than are kept, so that each is new when it comes.
const VERSIONS: usize = 6;

/// Long enough for a loaded machine; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// One plugin under load.
struct Act {
    fixture: Fixture,
    /// The bytes of its versions.
    versions: Vec<Vec<u8>>,
    /// The versions that served or were put there to serve, oldest first.
    order: Mutex<Vec<String>>,
    /// Units of work done.
    done: AtomicU64,
    worked: Notify,
}

impl Act {
    fn new(fixture: Fixture) -> Arc<Self> {
        let versions = (0..VERSIONS).map(|n| bytes(fixture, n)).collect();
        let order = Mutex::new(vec!["1.0.0".to_owned()]);
        Arc::new(Self { fixture, versions, order, done: AtomicU64::new(0), worked: Notify::new() })
    }

    fn file(&self) -> String {
        format!("{}.wasm", self.fixture.id())
    }

    fn work_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
        self.worked.notify_one();
    }

    /// Waits until another unit of work is done than those that were.
    async fn work_after(&self, done: u64) {
        while self.done.load(Ordering::Relaxed) <= done {
            self.worked.notified().await;
        }
    }

    fn swaps(&self) -> usize {
        self.order.lock().unwrap().len()
    }

    /// True where `version` was current at some time since there were `swaps` of them: the last one
    /// of those may not have served yet.
    fn was_current(&self, version: &str, swaps: usize) -> bool {
        let order = self.order.lock().unwrap();
        order.iter().skip(swaps.saturating_sub(2)).any(|known| known == version)
    }
}

/// A version without a quota, because a quota would be waited for.
fn bytes(fixture: Fixture, n: usize) -> Vec<u8> {
    let plugin = plugin_version(fixture, &format!("2.{n}.0"));
    if fixture != Fixture::Courier {
        return plugin;
    }
    let manifest = Package::read("x", plugin).unwrap().manifest.to_json().to_string();
    let manifest = manifest.replace("\"calls\":100,", "\"calls\":100000000,");
    let wat = include_str!("../../../../tests/fixtures/wat/courier.wat");
    assemble(wat, "connector-plugin", &manifest)
}

/// Puts `bytes` at `name` in the way that the number says.
fn replace(folder: &Path, name: &str, bytes: &[u8], way: usize) {
    let place = folder.join(name);
    match way % 5 {
        0 => replace_file(folder, name, bytes),
        1 => fs::write(&place, bytes).unwrap(),
        2 => {
            // As Kubernetes mounts do: the bytes under a name of their own, and a link to them.
            let hidden = format!(".{name}.{way}");
            fs::write(folder.join(&hidden), bytes).unwrap();
            let link = folder.join(format!("{name}.link.tmp"));
            std::os::unix::fs::symlink(&hidden, &link).unwrap();
            fs::rename(link, &place).unwrap();
        }
        3 => {
            // In parts, each of which may be looked at.
            fs::remove_file(&place).ok();
            let half = bytes.len() / 2;
            fs::write(&place, &bytes[..half]).unwrap();
            std::thread::yield_now();
            fs::write(&place, bytes).unwrap();
        }
        _ => {
            let others: Vec<_> = fs::read_dir(folder)
                .unwrap()
                .flatten()
                .filter(|entry| entry.file_name() != *name)
                .filter_map(|entry| Some((entry.file_name(), fs::read(entry.path()).ok()?)))
                .collect();
            fs::remove_dir_all(folder).unwrap();
            fs::create_dir(folder).unwrap();
            for (other, content) in others {
                fs::write(folder.join(other), content).unwrap();
            }
            replace_file(folder, name, bytes);
        }
    }
}

/// Runs batches through the transform until told to stop; each comes back whole.
async fn transform(runtime: Arc<Runtime>, act: Arc<Act>, stop: Arc<AtomicBool>) {
    let mut rate = rate(2);
    while !stop.load(Ordering::Relaxed) {
        let answer = forward(&runtime, act.fixture.id(), "same", 5).await;
        assert_eq!(answer.unwrap(), batch(5));
        act.work_done();
        rate.tick().await;
    }
}

/// At most so often, so that the load leaves room for what is tested.
fn rate(ms: u64) -> tokio::time::Interval {
    let mut rate = interval(Duration::from_millis(ms));
    rate.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rate
}

/// Runs jobs of three requests until told to stop; each keeps the version it began with, which was
/// current then.
async fn sync(
    runtime: Arc<Runtime>,
    act: Arc<Act>,
    stop: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<String>>>,
    me: usize,
) {
    let (mut round, mut rate) = (0, rate(20));
    while !stop.load(Ordering::Relaxed) {
        let swaps = act.swaps();
        let job = runtime.open("acme").await.unwrap();
        let own = job.generation().version.clone();
        assert!(act.was_current(&own, swaps), "{own} was not current");
        for request in 0..3 {
            let path = format!("/{me}/{round}/{request}");
            assert_eq!(job.read_page(&page_request(&path)).await.unwrap().cursor, b"here");
            assert_eq!(job.generation().version, own);
            sent.lock().unwrap().push(path);
        }
        act.work_done();
        round += 1;
        rate.tick().await;
    }
}

/// Waits for the version to serve.
async fn loaded(events: &mut Receiver<ReloadEvent>, id: &str, version: &str) {
    loop {
        if let Ok(ReloadEvent::Loaded { generation, .. }) = events.recv().await
            && (generation.plugin.as_str(), generation.version.as_str()) == (id, version)
        {
            return;
        }
    }
}

/// Fails loudly instead of hanging.
async fn patiently(what: &str, waiting: impl Future<Output = ()>) {
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.unwrap_or_else(|_| panic!("never {what}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_record_fails_is_lost_or_doubled_while_files_are_swapped() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let acme = system(Fixture::Courier, &server.base, SystemAuth::Bearer("fixed-token-1".into()));
    let house = House::with(&[Fixture::Echo, Fixture::Courier], vec![acme], |options| {
        options.watch = true;
        options.debounce = Duration::from_millis(5);
        options.pooling = Pooling::On;
    })
    .await;
    house.runtime.rescan().await;
    let mut events = house.runtime.events();
    let acts = [Act::new(Fixture::Echo), Act::new(Fixture::Courier)];
    let (stop, sent) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Vec<String>>>::default());
    let mut load = Vec::new();
    for me in 0..2 {
        let runtime = || Arc::clone(&house.runtime);
        let stop = || Arc::clone(&stop);
        load.push(tokio::spawn(transform(runtime(), Arc::clone(&acts[0]), stop())));
        let job = sync(runtime(), Arc::clone(&acts[1]), stop(), Arc::clone(&sent), me);
        load.push(tokio::spawn(job));
    }
    for swap in 0..SWAPS {
        for act in &acts {
            let wanted = format!("2.{}.0", swap % VERSIONS);
            act.order.lock().unwrap().push(wanted.clone());
            replace(&house.plugins(), &act.file(), &act.versions[swap % VERSIONS], swap);
            let id = act.fixture.id();
            patiently(&wanted, loaded(&mut events, id, &wanted)).await;
            let done = act.done.load(Ordering::Relaxed);
            patiently("worked", act.work_after(done)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    let sent = sent.lock().unwrap().clone();
    assert_eq!(sent.iter().collect::<BTreeSet<_>>().len(), sent.len());
    let mut arrived = server.paths();
    arrived.sort();
    let mut expected = sent;
    expected.sort();
    assert_eq!(arrived, expected, "each request arrived once");
    nothing_is_left(&house).await;
}

/// Old generations are gone, with their private copies, once the last probation is over.
async fn nothing_is_left(house: &House) {
    // A probation begins with its first call, and the last version may have had none.
    forward(&house.runtime, Fixture::Echo.id(), "same", 1).await.unwrap();
    let job = house.runtime.open("acme").await.unwrap();
    job.read_page(&page_request("/last")).await.unwrap();
    drop(job);
    house.clock.advance(600_000);
    // The watcher may be looking at the folder just now, and holds what it looks at.
    let is_settled = || {
        house.runtime.registry.all().values().all(|served| {
            let (_, on_probation) = served.state(600_000);
            !on_probation
                && Arc::strong_count(&served.plugin) == 1
                && Arc::strong_count(served) == 1
        })
    };
    let settled = async {
        house.runtime.rescan().await;
        while !is_settled() {
            tokio::task::yield_now().await;
            house.runtime.rescan().await;
        }
    };
    patiently("over, probation and work", settled).await;
    if let Some(metrics) = house.runtime.shared.engine.pooling_allocator_metrics() {
        assert_eq!(metrics.component_instances(), 0);
        assert_eq!(metrics.memories(), 0);
    }
    let count = |folder: &str, ending: &str| {
        let files = fs::read_dir(house.folder.path().join(folder)).unwrap().flatten();
        files.filter(|file| file.file_name().to_string_lossy().ends_with(ending)).count()
    };
    assert_eq!(count("cache/home/versions", ""), 6, "three versions of each plugin");
    assert_eq!(count("cache", ".cwasm"), 6, "and what was compiled of them");
}
