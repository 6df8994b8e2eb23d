//! Cost of a guest's calls of the host: one line of the log, and one request over HTTP.
//!
//! The line is the cheapest call there is: a transform that writes as many lines in one call as it
//! may (`guest_log.rs` drops what is more) against the same that writes none. Nobody reads the log
//! here, but text is lifted and escaped. The request is a whole call of a connector that sends one
//! and gives the answer back, against the same request by the HTTP client alone, with the server on
//! loopback in threads of its own.

use anyhow::{Result, ensure};
use renkei_fixtures::{Fixture, Guest, plugin};
use renkei_model::ports::Systems as _;
use renkei_model::record::Batch;

use super::microseconds;
use crate::figures::Figures;
use crate::server::Server;
use crate::stage::{self, Stage};
use crate::swap::{SYSTEM, request, system};
use crate::timing::median;

const ROUNDS: usize = 15;
/// As many as one call may write.
const LINES: u32 = 200;
const CALLS: usize = 1_000;
const REQUESTS: usize = 500;

/// The log, as a module imports it.
const IMPORT: &str = r#"(import "renkei:plugin/log@0.2.0" "write"
    (func $write (param i32 i32 i32 i32 i32)))"#;

/// Runs it.
pub(super) fn run(figures: &mut Figures) -> Result<()> {
    log(figures)?;
    http(figures)
}

/// A transform that writes so many lines and answers without rows.
fn talker(id: &str, lines: u32) -> Vec<u8> {
    let forward = format!(
        "(local $left i32)
        (local.set $left (i32.const {lines}))
        (block $done
          (loop $more
            (br_if $done (i32.eqz (local.get $left)))
            (call $write (i32.const 1) (i32.const 2048) (i32.const 24) (i32.const 0) (i32.const 0))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br $more)))
        (memory.fill (i32.const 1024) (i32.const 0) (i32.const 72))
        (i32.store (i32.const 1032) (local.get 4))
        (i32.store (i32.const 1036) (local.get 5))
        (i32.const 1024)"
    );
    let text = r#"(data (i32.const 2048) "a page of a hundred rows")"#;
    Guest::transform(id).imports(IMPORT).items(text).body("forward", &forward).file()
}

fn log(figures: &mut Figures) -> Result<()> {
    let stage = Stage::new()?;
    for (id, lines) in [("silent", 0), ("talks", LINES)] {
        stage.write_plugin(id, &talker(id, lines))?;
    }
    let runtime = stage.start(Vec::new())?;
    let nothing = Batch { columns: vec!["a".to_owned()], rows: Vec::new() };
    let one = |id| {
        microseconds(CALLS, || {
            stage.block_on(stage::forward(&runtime, id, "once", &nothing))?;
            Ok(())
        })
    };
    let mut each = Vec::new();
    for _ in 0..ROUNDS {
        each.push((one("talks")? - one("silent")?) * 1e3 / f64::from(LINES));
    }
    figures.record("host_import_ns", median(each));
    Ok(())
}

fn http(figures: &mut Figures) -> Result<()> {
    let server = Server::start()?;
    let stage = Stage::new()?;
    stage.write_plugin(Fixture::Courier.id(), &plugin(Fixture::Courier))?;
    let runtime = stage.start(vec![system(&server)])?;
    let job = stage.block_on(runtime.open(SYSTEM))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let (url, asked) = (format!("{}/", server.base_url()), request("/".to_owned()));
    let (mut ratios, mut ours, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let guest = microseconds(REQUESTS, || {
            let page = stage.block_on(job.read_page(&asked))?;
            ensure!(page.cursor == b"{}", "the answer is another's");
            Ok(())
        })?;
        let own = microseconds(REQUESTS, || {
            let answer = stage.block_on(async { client.get(&url).send().await?.bytes().await })?;
            ensure!(*answer == *b"{}", "the answer is another's");
            Ok(())
        })?;
        ratios.push(guest / own);
        ours.push(guest);
        bare.push(own);
    }
    figures.record("request_microseconds", median(ours));
    figures.record("native_request_microseconds", median(bare));
    figures.record("native_requests", median(ratios));
    Ok(())
}
