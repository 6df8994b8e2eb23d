//! Reading of changes: every stream page by page, each page with its cursor in one commit.

use std::collections::BTreeSet;

use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::DeniedPermissions;
use crate::engine::{BACKFILL_SHARE, CycleCounters, CycleError, CycleEvent, Engine};
use crate::read::ingest::{IngestError, IngestSource};
use crate::read::order::said_lag;
use renkei_model::effect::EffectKind;
use renkei_model::plugin::PluginError;
use renkei_model::ports::Connector;
use renkei_model::record::{Attributes, Page, PageRequest, Scan};
use renkei_model::spec::{EntitySpec, MemberSpec, stopped};
use renkei_model::state::{
    Cursor, LinkId, RecordKey, RecordState, RecordStatus, Stream, Sweep, SweepStage,
};
use renkei_model::store::port::{Changes, StoreError};
use renkei_model::value::Value;

mod anew;
mod due;

/// The distance of a system's clock from the host's that is reported, ms.
const CLOCK_MS: i64 = 600_000;

/// The result of reading the streams.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// Streams with a backfill that this cycle read.
    pub(crate) backfilled: BTreeSet<Stream>,
    /// Streams of which a scan began in this cycle and was read to its end.
    pub(crate) current: BTreeSet<Stream>,
    /// Writes that an admin denied to a connector.
    pub(crate) denied: DeniedPermissions,
}

/// Reads all streams of all systems, the systems side by side.
pub(crate) async fn observe(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
) -> Result<Observed, CycleError> {
    let systems = engine.spec.systems();
    let reads = systems.iter().map(|system| observe_system(engine, counters, system));
    let mut observed = Observed::default();
    for read in futures::future::try_join_all(reads).await? {
        observed.backfilled.extend(read.backfilled);
        observed.current.extend(read.current);
        observed.denied.extend(read.denied);
    }
    Ok(observed)
}

async fn observe_system(
    engine: &Engine<'_>,
    counters: &CycleCounters<'_>,
    system: &str,
) -> Result<Observed, CycleError> {
    let mut observed = Observed::default();
    let connector = match engine.systems.open(system).await {
        Ok(connector) => connector,
        Err(error) => {
            counters.failed(&CycleFailure::of_system(system, CycleStep::Open, &error));
            return Ok(observed);
        }
    };
    for entity in engine.spec.entities() {
        for member in entity.members.iter().filter(|member| member.system == system) {
            if counters.has_failed(system) {
                break;
            }
            observed.denied.extend(denied(connector.as_ref(), member));
            let reader = Reader { engine, counters, connector: connector.as_ref(), entity, member };
            match reader.run().await {
                Ok(backfilled) => {
                    observed.current.insert(reader.stream());
                    observed.backfilled.extend(backfilled.then(|| reader.stream()));
                }
                Err(IngestError::Store(error)) => return Err(error.into()),
                Err(IngestError::Plugin(error)) => {
                    counters.failed(&CycleFailure::of_object(member, CycleStep::Read, &error));
                }
            }
        }
    }
    Ok(observed)
}

/// The effects on the member's object that the host denies to the connector. Without the permission
/// to read, nothing is written anyway, and reading reports it.
fn denied(connector: &dyn Connector, member: &MemberSpec) -> DeniedPermissions {
    let place = |kind| (member.system.clone(), member.object.clone(), kind);
    let refusal = |kind| Some((place(kind), connector.refuses(&member.object, kind)?));
    EffectKind::ALL.into_iter().filter_map(refusal).collect()
}

/// True if the error means that the connector cannot go on from its cursor with other columns.
fn cannot_go_on(error: &PluginError) -> bool {
    use PluginError::{Broken, Invalid, Unsupported};
    matches!(error, Broken { .. } | Invalid { .. } | Unsupported { .. })
}

/// The share of a cycle that reading one stream has taken.
struct Spent {
    pages: u32,
    began_ms: i64,
}

/// A page, or the error, with the host's time of the request.
struct Asked {
    page: Result<Page, PluginError>,
    at_ms: i64,
}

/// A page of a scan, with the cursor after it.
struct Scanned<'a> {
    page: &'a Page,
    at_ms: i64,
    cursor: &'a Cursor,
    is_backfill: bool,
    is_first: bool,
}

/// Records to read because of a page that was kept.
struct Kept {
    successors: Vec<RecordKey>,
    again: Vec<String>,
}

/// Reads one stream: an object of a system as a member of an entity.
pub(crate) struct Reader<'a> {
    pub(crate) engine: &'a Engine<'a>,
    pub(crate) counters: &'a CycleCounters<'a>,
    pub(crate) connector: &'a dyn Connector,
    pub(crate) entity: &'a EntitySpec,
    pub(crate) member: &'a MemberSpec,
}

impl Reader<'_> {
    /// Reads the stream to its end; true if that was a backfill. A scan that an earlier cycle began
    /// misses later changes, so another one follows it (RULES.md P13).
    async fn run(&self) -> Result<bool, IngestError> {
        let kept = self.engine.store.cursor(&self.stream()).await?;
        let is_first = kept.is_none();
        let kept = match kept {
            Some(cursor) => Some(self.meet_anew(cursor).await?),
            None => None,
        };
        let mut spent = Spent { pages: 0, began_ms: self.engine.clock.now_ms() };
        let mut cursor = match kept {
            Some(cursor) if cursor.digest == self.member.digest => cursor,
            Some(cursor) => self.leave(cursor, &mut spent).await?,
            None => self.start(),
        };
        let goes_on = cursor.more && cursor.position.is_some();
        let backfilled = self.scan(&mut cursor, is_first, &mut spent).await?;
        if !goes_on {
            return Ok(backfilled);
        }
        Ok(self.scan(&mut cursor, is_first, &mut spent).await? || backfilled)
    }

    /// Reads the changes since the last cursor and starts the stream anew under another mapping. A
    /// backfill shows no deletions, so the changes come first (RULES.md V13).
    async fn leave(&self, kept: Cursor, spent: &mut Spent) -> Result<Cursor, IngestError> {
        // A scan that was cut off ends before the present, so another one follows it.
        let scans = if kept.more { 2 } else { 1 };
        let mut abandoned = Cursor { digest: stopped::mark_abandoned(&kept.digest), ..kept };
        // Kept at once: if the first call fails, the next cycle still sees another mapping.
        self.keep_cursor(&abandoned).await?;
        for _ in 0..if abandoned.backfilled { scans } else { 0 } {
            match self.scan(&mut abandoned, false, spent).await {
                // The cursor was lost, and everything was read anew.
                Ok(true) => return Ok(abandoned),
                Ok(false) => {}
                Err(IngestError::Plugin(error)) if cannot_go_on(&error) => break,
                Err(error) => return Err(error),
            }
        }
        let meanings = abandoned.meanings;
        let start = Cursor { meanings, ..self.start() };
        self.keep_cursor(&start).await?;
        Ok(start)
    }

    async fn keep_cursor(&self, cursor: &Cursor) -> Result<(), StoreError> {
        let cursors = vec![(self.stream(), cursor.clone())];
        self.engine.store.commit(Changes { cursors, ..Changes::default() }).await
    }

    /// Reads one scan to its end; true if that was a backfill.
    async fn scan(
        &self,
        cursor: &mut Cursor,
        is_first: bool,
        spent: &mut Spent,
    ) -> Result<bool, IngestError> {
        let mut ahead = None;
        loop {
            let began = cursor.position.is_none();
            let expected = if began && !is_first { self.known_rows().await? } else { None };
            let Asked { page, at_ms } = match ahead.take() {
                Some(asked) => asked,
                None => self.request_page(cursor, expected).await,
            };
            let page = match page {
                Err(PluginError::CursorLost { .. }) if cursor.position.is_some() => {
                    let meanings = std::mem::take(&mut cursor.meanings);
                    *cursor = Cursor { meanings, ..self.start() };
                    continue;
                }
                page => page?,
            };
            let is_backfill = !cursor.backfilled;
            cursor.position = Some(page.cursor.clone());
            cursor.backfilled |= !page.more;
            cursor.more = page.more;
            cursor.lag_ms = said_lag(&page);
            let scanned = Scanned { page: &page, at_ms, cursor, is_backfill, is_first };
            let reads_ahead = self.reads_ahead(&page, is_backfill, spent);
            let next = async {
                if reads_ahead { Some(self.request_page(cursor, None).await) } else { None }
            };
            // The request begins first: a store that answers without waiting would otherwise keep
            // the page before the next one is asked for, which a slow store never does.
            let (next, kept) = futures::join!(next, self.keep(scanned));
            // A page that was read ahead of a page that could not be kept is dropped here.
            let Kept { successors, again } = kept?;
            // A record that is read by its id now is newer than the page that was read ahead, which
            // is read again.
            ahead = next.filter(|_| successors.is_empty() && again.is_empty());
            self.report_page(&page);
            self.fetch(successors).await?;
            self.read_again(&again).await?;
            self.wait(&page).await;
            if !page.more {
                self.read_due().await?;
                return Ok(is_backfill);
            }
            spent.pages = spent.pages.saturating_add(1);
            if let Some(cut) = self.cut_off(is_backfill, spent) {
                return Err(cut.into());
            }
        }
    }

    async fn request_page(&self, cursor: &Cursor, expected: Option<u64>) -> Asked {
        let at_ms = self.engine.clock.now_ms();
        let page = self.connector.read_page(&self.request(cursor, expected)).await;
        Asked { page, at_ms }
    }

    /// True if the next page is read while this one is kept (RULES.md Q4). False after the last
    /// page, before a pause that the page asks for, and where the scan is to be cut off.
    fn reads_ahead(&self, page: &Page, is_backfill: bool, spent: &Spent) -> bool {
        let Spent { pages, began_ms } = *spent;
        let spent = Spent { pages: pages.saturating_add(1), began_ms };
        page.more && wait_ms(page).is_none() && self.cut_off(is_backfill, &spent).is_none()
    }

    /// Takes in a page and keeps it with its cursor, in one commit.
    async fn keep(&self, scanned: Scanned<'_>) -> Result<Kept, IngestError> {
        let Scanned { page, at_ms, cursor, is_backfill, is_first } = scanned;
        // The page shows the state at the time of its request, however long it has waited.
        let source = IngestSource { now_ms: at_ms, ..self.source() };
        let (mut changes, again) = source.absorb_scan(page).await?;
        if is_backfill && !is_first {
            changes.dirty.extend(self.links_of(page).await?);
        }
        let successors = successors(&changes);
        changes.cursors.push((self.stream(), cursor.clone()));
        if is_backfill && !page.more {
            changes.sweeps.push((self.stream(), self.sweep_after_backfill().await?));
        }
        self.engine.store.commit(changes).await?;
        Ok(Kept { successors, again })
    }

    /// The links of a page's records, which another mapping plans anew though no value has changed.
    async fn links_of(&self, page: &Page) -> Result<Vec<LinkId>, IngestError> {
        let source = self.source();
        let keys = page.batch.rows.iter().map(|row| source.key(&row.id));
        let known = self.engine.store.records(&keys.collect::<Vec<_>>()).await?;
        Ok(known.into_iter().filter_map(|record| record.link).collect())
    }

    /// An error once the scan has taken its share of the cycle. The pages that were read are kept,
    /// and the next cycle goes on there (RULES.md R21).
    fn cut_off(&self, is_backfill: bool, spent: &Spent) -> Option<PluginError> {
        let options = &self.engine.options;
        let Spent { pages, began_ms } = *spent;
        let (share, most_ms) =
            if is_backfill { (BACKFILL_SHARE, options.backfill_ms) } else { (1, options.read_ms) };
        let took_ms = self.engine.clock.now_ms().saturating_sub(began_ms);
        let is_over = pages >= options.read_pages.saturating_mul(share) || took_ms >= most_ms;
        if !is_over {
            return None;
        }
        let reason = format!(
            "reading {} did not end in this cycle after {pages} pages and {} s, and the next cycle \
             goes on where it stopped",
            self.member.object,
            took_ms / 1_000
        );
        Some(PluginError::Host { plugin: self.connector.generation().clone(), reason })
    }

    /// The sweep's state after a backfill. The first backfill has seen everything. A later one
    /// misses deletions from the time without a cursor, so a sweep is due after it.
    async fn sweep_after_backfill(&self) -> Result<Sweep, IngestError> {
        let known = self.engine.store.sweep(&self.stream()).await?;
        Ok(match known {
            None => Sweep { began_ms: self.engine.clock.now_ms(), ..Sweep::default() },
            Some(sweep) => Sweep { stage: SweepStage::Resting, began_ms: i64::MIN, ..sweep },
        })
    }

    /// The number of live records of the stream; `None` for zero.
    pub(crate) async fn known_rows(&self) -> Result<Option<u64>, IngestError> {
        let rows = self.engine.store.count_live(&self.entity.name, &self.stream()).await?;
        Ok((rows > 0).then_some(rows))
    }

    pub(crate) fn stream(&self) -> Stream {
        Stream { system: self.member.system.clone(), object: self.member.object.clone() }
    }

    fn start(&self) -> Cursor {
        let digest = self.member.digest.clone();
        let meanings = self.member.meanings(self.entity);
        Cursor { position: None, backfilled: false, more: false, digest, lag_ms: None, meanings }
    }

    fn request(&self, cursor: &Cursor, expected_rows: Option<u64>) -> PageRequest {
        PageRequest {
            object: self.member.object.clone(),
            columns: self.member.read_columns(),
            scan: if cursor.backfilled { Scan::Changes } else { Scan::Backfill },
            cursor: cursor.position.clone(),
            filter: Vec::new(),
            limit: self.member.read_rows,
            options: options(self.engine.clock.now_ms(), expected_rows),
        }
    }

    pub(crate) fn source(&self) -> IngestSource<'_> {
        IngestSource::new(self.engine, self.entity, self.member, self.connector.generation())
    }

    fn report_page(&self, page: &Page) {
        let now_ms = self.engine.clock.now_ms();
        let ahead_ms = page.server_time_ms.map(|server_ms| server_ms.saturating_sub(now_ms));
        if let Some(ahead_ms) = ahead_ms.filter(|ahead| ahead.saturating_abs() > CLOCK_MS) {
            self.counters.event(&CycleEvent::ClockOff { system: &self.member.system, ahead_ms });
        }
        self.counters.event(&CycleEvent::Read {
            system: &self.member.system,
            object: &self.member.object,
            rows: page.batch.rows.len() as u64,
            removed: page.removed.len() as u64,
            more: page.more,
        });
    }

    /// Reads successors of merged and converted records that were not read yet.
    pub(crate) async fn fetch(&self, successors: Vec<RecordKey>) -> Result<(), IngestError> {
        let known = self.engine.store.records(&successors).await?;
        let unknown = |key: &&RecordKey| !known.iter().any(|record| record.key == **key);
        for key in successors.iter().filter(unknown) {
            let Some((_, member)) = self.entity.member(&key.system, &key.object) else { continue };
            let ids = [key.id.clone()];
            let columns = member.read_columns();
            let page = self.connector.read_records(&member.object, &columns, &ids).await?;
            let source = IngestSource { member, ..self.source() };
            let mut changes = source.absorb(&page).await?;
            changes.records.extend(gone_unseen(&source, key, &page));
            self.engine.store.commit(changes).await?;
        }
        Ok(())
    }

    /// Sleeps for the pause that a page asks for.
    async fn wait(&self, page: &Page) {
        if let Some(ms) = wait_ms(page) {
            self.engine.clock.sleep_ms(u64::try_from(ms).unwrap_or_default()).await;
        }
    }
}

fn wait_ms(page: &Page) -> Option<i64> {
    match page.facts.iter().find(|(code, _)| code == "wait-ms") {
        Some((_, Value::Integer(ms))) => Some(*ms),
        _ => None,
    }
}

/// A successor that went before it was ever read: removed where the system says so, else missing.
/// Its link must know it (RULES.md V12).
fn gone_unseen(source: &IngestSource<'_>, key: &RecordKey, page: &Page) -> Option<RecordState> {
    if page.batch.rows.iter().any(|row| row.id == key.id) {
        return None;
    }
    let tombstone = page.removed.iter().find(|gone| gone.id == key.id);
    let status = tombstone.map_or(RecordStatus::Missing, |gone| source.status_of(gone));
    let modified_ms = tombstone.and_then(|gone| gone.at_ms);
    Some(RecordState { status, modified_ms, ..source.blank(&key.id) })
}

/// The facts about a scan that a connector gets with each page request (`connector.wit`,
/// page-request).
pub(crate) fn options(now_ms: i64, expected_rows: Option<u64>) -> Attributes {
    let rows = expected_rows.and_then(|rows| i64::try_from(rows).ok());
    let rows = rows.map(|rows| ("expected-rows".to_owned(), Value::Integer(rows)));
    let now = ("now-ms".to_owned(), Value::Integer(now_ms));
    rows.into_iter().chain([now]).collect()
}

/// The successors of the records that this page reports as merged or converted.
pub(crate) fn successors(changes: &Changes) -> Vec<RecordKey> {
    let named = changes.records.iter().filter_map(|record| record.status.successor());
    let mut keys: Vec<RecordKey> = named.cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}
