//! `serve` ends within seconds while a system hangs (`host/sync/RULES.md` R21).

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::serving::Serving;
use crate::site::{Simulators, Site, run, run_json};

/// Long enough for a loaded machine; only a failing test waits that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stands before a simulator and hands everything on until it hangs: then it takes requests and
/// answers none.
struct HangingProxy {
    base_url: String,
    hangs: Arc<AtomicBool>,
    /// A request came that gets no answer.
    unanswered: Receiver<()>,
}

impl HangingProxy {
    fn start(target: &str) -> Self {
        let target = target.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let hangs = Arc::<AtomicBool>::default();
        let (tell, unanswered) = channel();
        let state = Arc::clone(&hangs);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (target, hangs, tell) = (target.clone(), Arc::clone(&state), tell.clone());
                std::thread::spawn(move || hand_on(client, &target, &hangs, &tell));
            }
        });
        Self { base_url, hangs, unanswered }
    }

    /// From now on nothing is answered; returns when a request waits.
    fn hang(&self) {
        self.hangs.store(true, Ordering::SeqCst);
        self.unanswered.recv_timeout(PATIENCE).unwrap();
    }
}

fn hand_on(mut client: TcpStream, target: &str, hangs: &AtomicBool, tell: &Sender<()>) {
    let Ok(mut server) = TcpStream::connect(target) else { return };
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        std::io::copy(&mut answers, &mut back).ok();
        back.shutdown(Shutdown::Both).ok();
    });
    let mut piece = [0; 16 << 10];
    while let Ok(read @ 1..) = client.read(&mut piece) {
        if hangs.load(Ordering::SeqCst) {
            tell.send(()).ok();
        } else if server.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    server.shutdown(Shutdown::Both).ok();
}

/// A configuration that reaches HubSpot through the proxy.
fn behind_proxy() -> (Simulators, HangingProxy, Site) {
    let mut simulators = Simulators::start(10);
    let proxy = HangingProxy::start(&simulators.hubspot.base_url);
    let direct = std::mem::replace(&mut simulators.hubspot.base_url, proxy.base_url.clone());
    let site = Site::new(&simulators);
    simulators.hubspot.base_url = direct;
    (simulators, proxy, site)
}

/// A `serve` that has done a cycle and now waits for HubSpot.
fn hung() -> (Simulators, Site, Serving) {
    let (simulators, proxy, site) = behind_proxy();
    let mut host = Serving::start(&site);
    host.event("cycle", |_| true);
    proxy.hang();
    (simulators, site, host)
}

fn has_said(host: &Serving, start: &str) -> bool {
    let mut messages = host.seen.iter().filter_map(|line| line["message"].as_str());
    messages.any(|message| message.starts_with(start))
}

#[test]
fn serve_ends_within_seconds_while_a_system_hangs() {
    let (_simulators, _site, mut host) = hung();
    assert_eq!(host.stop(), Some(0));
    // Not because the request's own time was over.
    assert!(has_said(&host, "the cycle did not end in time"), "{:?}", host.seen);
    assert!(has_said(&host, "stopped"), "{:?}", host.seen);
}

#[test]
fn second_signal_ends_serve_at_once() {
    let (_simulators, _site, mut host) = hung();
    host.signal();
    host.wait_for("draining", |_| true);
    // As a shell reports a process that SIGTERM ended.
    assert_eq!(host.stop(), Some(128 + 15));
    assert!(!has_said(&host, "stopped"), "{:?}", host.seen);
}

/// Its handlers are there before the systems are asked, and so is its socket.
#[test]
fn signal_ends_serve_while_it_begins() {
    let (_simulators, proxy, site) = behind_proxy();
    proxy.hangs.store(true, Ordering::SeqCst);
    let mut host = Serving::start(&site);
    proxy.unanswered.recv_timeout(PATIENCE).unwrap();
    let answer = run(&["decide", "none", "leave", "--dir", site.path()]);
    let said = String::from_utf8(answer.stderr).unwrap();
    assert!(said.contains("there is no review none"), "{said}");
    assert_eq!(host.stop(), Some(0));
    assert!(has_said(&host, "stopped"), "{:?}", host.seen);
}

#[test]
fn decision_does_not_wait_for_a_system_that_hangs() {
    let (_simulators, proxy, site) = behind_proxy();
    let mut host = Serving::start(&site);
    let asks = |line: &Value| line["first_sync"]["question"].is_string();
    let line = host.event("cycle", asks);
    let question = line["first_sync"]["question"].as_str().unwrap();
    proxy.hang();
    let noted = run_json(&["decide", question, "approve", "--dir", site.path()]);
    assert_eq!((&noted["review"], &noted["noted"]), (&json!(question), &json!(true)));
    assert_eq!(host.events("decided").len(), 0);
    assert_eq!(host.stop(), Some(0));
    // What was noted outlives the process that noted it.
    proxy.hangs.store(false, Ordering::SeqCst);
    let mut host = Serving::start(&site);
    host.event("decided", |event| event["review"] == json!(question));
    assert_eq!(host.stop(), Some(0));
}
