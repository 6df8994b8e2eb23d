//! A guest that waits: on the host's clock, up to a limit per call, at no cost to its time.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use renkei_fixtures::Fixture;
use renkei_model::plugin::PluginError;
use renkei_model::ports::{Clock, Systems as _};
use renkei_model::record::PageRequest;

use super::{House, page_request};
use crate::tests::stage::system;
use crate::{GuestLimits, RuntimeOptions, SystemAuth};
use renkei_test_support::HandClock;

/// Waits `ms` so many times.
fn waits(ms: u32, times: usize) -> PageRequest {
    let filter = vec![("a".to_owned(), "=".to_owned(), vec![]); times];
    PageRequest { limit: ms, filter, ..page_request("/things") }
}

async fn house(change: impl FnOnce(&mut RuntimeOptions)) -> House {
    let systems = vec![system(Fixture::Waiter, "http://127.0.0.1:9", SystemAuth::None)];
    House::with(&[Fixture::Waiter], systems, change).await
}

#[tokio::test]
async fn a_guest_waits_on_the_hosts_clock() {
    let clock = Arc::<HandClock>::default();
    let shared = Arc::clone(&clock);
    let house = house(|options| options.clock = shared).await;
    let job = house.runtime.open("acme").await.unwrap();
    job.read_page(&waits(60_000, 3)).await.unwrap();
    assert_eq!(clock.now_ms(), 180_000);
}

#[tokio::test]
async fn a_guest_that_waits_too_long_is_told_and_goes_on() {
    let clock = Arc::<HandClock>::default();
    let shared = Arc::clone(&clock);
    let house = house(|options| options.clock = shared).await;
    let job = house.runtime.open("acme").await.unwrap();
    let error = job.read_page(&waits(60_000, 11)).await.unwrap_err();
    assert!(matches!(error, PluginError::Unsupported { .. }), "{error}");
    assert_eq!(clock.now_ms(), 600_000, "the eleventh wait is refused at once");
    job.read_page(&waits(60_000, 10)).await.unwrap();
    assert_eq!(clock.now_ms(), 1_200_000, "the limit is per call");
}

#[tokio::test]
async fn waiting_for_no_time_is_no_way_to_run_for_ever() {
    let house = house(|options| options.connector_limits.requests = 100).await;
    let job = house.runtime.open("acme").await.unwrap();
    let error = job.check().await.unwrap_err().to_string();
    assert!(error.contains("more than its limit of 100 requests"), "{error}");
}

/// Takes as much real time as it is asked for.
struct RealClock;

#[async_trait]
impl Clock for RealClock {
    fn now_ms(&self) -> i64 {
        0
    }

    async fn sleep_ms(&self, ms: u64) {
        let for_ever = std::future::pending::<()>();
        tokio::time::timeout(Duration::from_millis(ms), for_ever).await.ok();
    }
}

#[tokio::test]
async fn waits_eat_neither_the_guests_time_nor_the_calls() {
    let limits = GuestLimits { run_ms: 50, call_ms: 1_000, ..GuestLimits::connector() };
    let house = house(|options| {
        options.clock = Arc::new(RealClock);
        options.connector_limits = limits;
    })
    .await;
    let job = house.runtime.open("acme").await.unwrap();
    job.read_page(&waits(400, 4)).await.unwrap();
}

#[tokio::test]
async fn a_call_can_be_cancelled_while_it_waits() {
    let house = house(|options| options.clock = Arc::new(RealClock)).await;
    let job = house.runtime.open("acme").await.unwrap();
    let page = waits(60_000, 1);
    let cancelled = tokio::time::timeout(Duration::from_millis(50), job.read_page(&page)).await;
    assert!(cancelled.is_err());
    let error = job.check().await.unwrap_err().to_string();
    assert!(error.contains("an earlier call was cancelled"), "{error}");
}
