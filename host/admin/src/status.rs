//! The status: what is linked, what waits, what fails, what awaits a decision; which systems asked
//! for a pause; and of a running `renkei serve`, its plugins.
//!
//! Reads the database and the record of calls, and asks the serving process, only.

use std::path::Path;
use std::sync::Arc;

use renkei_model::ports::{CallRecords, Clock};
use renkei_model::state::{Stream, Sweep, SweepCounts, SweepStage};
use renkei_model::store::port::{EntityCounts, ReviewFilter, ReviewQuery, Store, StoreCounts};
use serde::Serialize;

use crate::error::RequestError;
use crate::failures::FailureReport;
use crate::plugins::{PausedSystem, PluginReport};
use crate::reviews::ReviewReport;
use crate::socket::served_plugins;
use crate::text::message;

/// The most reviews that are listed; the count is always complete.
const REVIEWS_MAX: usize = 50;
/// The most links, and records, whose failures are listed.
const FAILURES_MAX: usize = 1_000;

/// A request for the status.
#[derive(Debug, Clone, Copy, Default)]
pub struct StatusQuery {
    /// List what rules have decided instead of open reviews.
    pub decided: bool,
}

/// The sources of the status.
pub struct StatusSources<'a> {
    /// The database.
    pub store: &'a dyn Store,
    /// The data directory, in which a serving process listens.
    pub data: &'a Path,
    /// The record of calls, read where nobody serves.
    pub call_records: &'a Arc<dyn CallRecords>,
    /// The clock of the program.
    pub clock: Arc<dyn Clock>,
    /// The systems, each with its plugin.
    pub systems: &'a [(String, String)],
}

/// The status.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    /// Numbers per entity.
    pub entities: Vec<EntityStatus>,
    /// Operations planned.
    pub planned: u64,
    /// Operations sent without a known outcome.
    pub sent: u64,
    /// Links that wait for another.
    pub waiting: u64,
    /// The number of open reviews.
    pub reviews_open: u64,
    /// The number of failures.
    pub failing: u64,
    /// The sweeps of every stream.
    pub sweeps: Vec<SweepStatus>,
    /// The first reviews.
    pub reviews: Vec<ReviewReport>,
    /// The first failures.
    pub failures: Vec<FailureReport>,
    /// The plugins of a serving process; nothing where nobody serves.
    pub plugins: Option<Vec<PluginReport>>,
    /// The systems that asked for a pause.
    pub paused_systems: Vec<PausedSystem>,
}

/// The numbers of an entity.
#[derive(Debug, Clone, Serialize)]
pub struct EntityStatus {
    /// The entity's name.
    pub entity: String,
    /// Active links.
    pub links: u64,
    /// Links to be planned.
    pub dirty: u64,
    /// Live records without a link.
    pub unlinked: u64,
    /// Live records of each object.
    pub records: Vec<LiveRecords>,
}

/// The number of live records of an object.
#[derive(Debug, Clone, Serialize)]
pub struct LiveRecords {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
    /// The number.
    pub live: u64,
}

/// The progress of the sweep of a stream.
#[derive(Debug, Clone, Serialize)]
pub struct SweepStatus {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
    /// A sweep is under way.
    pub under_way: bool,
    /// Records that it has listed.
    pub swept: u64,
    /// When the last one ended, ms.
    pub last_ms: Option<i64>,
    /// The findings of the last one.
    pub last: Option<SweepCounts>,
}

/// Reads the status.
///
/// # Errors
/// The store fails.
pub async fn read_status(
    sources: &StatusSources<'_>,
    query: StatusQuery,
) -> Result<StatusReport, RequestError> {
    let store = sources.store;
    let counts = store.counts().await?;
    let stand = if query.decided { ReviewFilter::Decided } else { ReviewFilter::Stopping };
    let reviews = ReviewQuery { stand, link: None, limit: REVIEWS_MAX };
    let reviews = store.reviews(&reviews).await?;
    let failures = store.failures(i64::MIN, FAILURES_MAX).await?;
    let plugins = find_served_plugins(sources.data).await;
    let paused_systems = match &plugins {
        Some(plugins) => plugins.iter().flat_map(|one| one.paused_systems.clone()).collect(),
        None => read_paused_systems(sources).await,
    };
    Ok(StatusReport {
        reviews: reviews.iter().map(ReviewReport::from).collect(),
        failures: failures.iter().map(FailureReport::from).collect(),
        plugins,
        paused_systems,
        ..StatusReport::from(&counts)
    })
}

impl From<&StoreCounts> for StatusReport {
    /// The numbers, with nothing listed.
    fn from(counts: &StoreCounts) -> Self {
        Self {
            entities: counts.entities.iter().map(EntityStatus::from).collect(),
            planned: counts.planned,
            sent: counts.sent,
            waiting: counts.waiting,
            reviews_open: counts.reviews_open,
            failing: counts.failures,
            sweeps: counts.sweeps.iter().map(SweepStatus::from).collect(),
            reviews: Vec::new(),
            failures: Vec::new(),
            plugins: None,
            paused_systems: Vec::new(),
        }
    }
}

impl From<&EntityCounts> for EntityStatus {
    fn from(counts: &EntityCounts) -> Self {
        let EntityCounts { entity, links, dirty, unlinked, records } = counts;
        let records = records.iter().map(|(system, object, live)| LiveRecords {
            system: system.clone(),
            object: object.clone(),
            live: *live,
        });
        let (links, dirty, unlinked) = (*links, *dirty, *unlinked);
        Self { entity: entity.clone(), links, dirty, unlinked, records: records.collect() }
    }
}

impl From<&(Stream, Sweep)> for SweepStatus {
    fn from((stream, sweep): &(Stream, Sweep)) -> Self {
        Self {
            system: stream.system.clone(),
            object: stream.object.clone(),
            under_way: sweep.stage != SweepStage::Resting,
            swept: sweep.counts.rows,
            last_ms: sweep.last.map(|(ended_ms, _)| ended_ms),
            last: sweep.last.map(|(_, found)| found),
        }
    }
}

/// The plugins of a serving process. Without one nothing is loaded just to be looked at, and what
/// keeps a plugin from work is known only to who serves it.
async fn find_served_plugins(data: &Path) -> Option<Vec<PluginReport>> {
    served_plugins(data).await.unwrap_or_else(|error| {
        let error = message(&error.to_string());
        tracing::warn!(error, "the state of the plugins is not known");
        None
    })
}

/// The systems that asked for a pause that is not over, from the record of calls.
async fn read_paused_systems(sources: &StatusSources<'_>) -> Vec<PausedSystem> {
    let StatusSources { call_records, clock, systems, .. } = sources;
    let paused = renkei_runtime::paused_systems(call_records, Arc::clone(clock), systems).await;
    paused.unwrap_or_else(|error| {
        tracing::warn!(%error, "the systems that asked for a pause are not known");
        Vec::new()
    })
}
