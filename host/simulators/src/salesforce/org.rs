//! The org as one state machine: what it holds, and the way of a request through it.
//!
//! Every request first lets time catch up ([`Org::tick`]), then passes session, daily limit and
//! injected faults, then its route, and is noted in the ledger at the end. The order of the gates
//! is the platform's: a bad token is a 401 even where the limit is used up.

use super::auth::OrgSessions;
use super::bulk::job::BulkJobs;
use super::cursors::QueryCursors;
use super::error::ApiFault;
use super::json::{Json, JsonPairs};
use super::reply::{OrgCall, OrgReply};
use super::schema::{OrgSchema, TableNumber};
use super::seed;
use super::store::{FollowedChange, OrgStore};
use super::write::WriteAuthor;
use crate::clock::SimClock;
use crate::control::Origin;
use crate::faults::{EveryNth, Faults};
use crate::http::{SimAnswer, SimRequest};
use crate::ledger::{CallShape, LedgerCall, RequestLedger};
use crate::quota::RollingWindow;
use crate::rules::share;
use crate::simulator::SimOptions;

const DAY_MS: i64 = 86_400_000;
const LIMIT_EXCEEDED: &str = "REQUEST_LIMIT_EXCEEDED";
/// The oldest API version that still answers.
const VERSION_MIN: u32 = 31;
/// The newest version of the list; later ones answer as well.
const VERSION_MAX: u32 = 66;

/// Most bytes of URI and headers together.
const HEAD_LEN_MAX: usize = 16_384;

/// A simulated org.
#[derive(Debug)]
pub(crate) struct Org {
    pub(super) store: OrgStore,
    pub(super) sessions: OrgSessions,
    pub(super) cursors: QueryCursors,
    pub(super) jobs: BulkJobs,
    pub(super) clock: SimClock,
    pub(super) faults: Faults,
    pub(super) ledger: RequestLedger,
    pub(super) tally: CallTally,
    pub(super) pages: EveryNth,
    pub(super) locks: EveryNth,
    /// Time at which the org was made; describe calls it `last-modified`.
    pub(super) born_ms: i64,
    pub(super) late: Vec<LateCommit>,
    errors: EveryNth,
    shared_limit: EveryNth,
    losses: EveryNth,
    not_found: EveryNth,
    daily: RollingWindow,
    pub(super) calls_left: u32,
    seed: u64,
    /// Rows as reads show them where they lag behind writes.
    replica: Option<Box<OrgStore>>,
    /// Changes that the replica does not show yet.
    unseen: Vec<FollowedChange>,
}

/// Entry of the request under way, for the ledger.
#[derive(Debug, Clone)]
pub(super) struct CallTally {
    pub(super) kind: &'static str,
    pub(super) object: String,
    pub(super) shape: CallShape,
    pub(super) rows: usize,
    pub(super) cap: usize,
}

impl CallTally {
    pub(super) fn metadata(kind: &'static str) -> Self {
        Self { kind, object: String::new(), shape: CallShape::Metadata, rows: 0, cap: 1 }
    }

    /// Rows that could travel 200 at a time.
    pub(super) fn batch(kind: &'static str, object: &str, rows: usize) -> Self {
        Self { kind, object: object.to_owned(), shape: CallShape::Batch, rows, cap: 200 }
    }

    /// Rows that are written, 200 at a time. New rows could travel by a job; for changes a job is
    /// not counted as possible, because it takes minutes in which it overwrites what people edit.
    pub(super) fn written(kind: &'static str, object: &str, rows: usize) -> Self {
        let shape = match kind {
            "create" | "upsert" => CallShape::BatchOrJob { steps: JOB_STEPS },
            _ => CallShape::Batch,
        };
        Self { shape, ..Self::batch(kind, object, rows) }
    }
}

/// Requests of an ingest job for any number of rows: create, upload, close, status, results.
const JOB_STEPS: u64 = 5;

/// Another user's transaction that has its stamp but is not yet committed.
#[derive(Debug)]
pub(super) struct LateCommit {
    pub(super) due_ms: i64,
    pub(super) by: WriteAuthor,
    pub(super) change: OrgChange,
}

#[derive(Debug)]
pub(super) enum OrgChange {
    Create(TableNumber, u64, JsonPairs),
    Update(TableNumber, u64, JsonPairs),
    Delete(TableNumber, u64),
}

impl Org {
    /// The org of `options`, filled with its seed's data and served at `base_url`.
    pub(crate) fn new(options: &SimOptions, base_url: &str) -> Self {
        let mut store = OrgStore::new(OrgSchema::standard());
        let clock = options.clock.own();
        clock.set_offset(options.faults.clock_offset_ms);
        let born_ms = clock.now_ms();
        let user = seed::fill(&mut store, options, born_ms);
        let mut org = Self {
            sessions: OrgSessions::new(options.seed, base_url, user),
            store,
            cursors: QueryCursors::default(),
            jobs: BulkJobs::default(),
            clock,
            faults: options.faults.clone(),
            ledger: RequestLedger::default(),
            tally: CallTally::metadata("none"),
            pages: EveryNth::default(),
            locks: EveryNth::default(),
            born_ms,
            late: Vec::new(),
            errors: EveryNth::default(),
            shared_limit: EveryNth::default(),
            losses: EveryNth::default(),
            not_found: EveryNth::default(),
            daily: RollingWindow::new(DAY_MS),
            calls_left: 0,
            seed: options.seed,
            replica: None,
            unseen: Vec::new(),
        };
        org.apply(options.faults.clone());
        org
    }

    /// Takes over other knobs: schema, sharing, users, the org's number and zone, and the clock.
    pub(super) fn apply(&mut self, faults: Faults) {
        self.clock.set_offset(faults.clock_offset_ms);
        self.store.now_ms = self.clock.now_ms();
        self.store.apply(&faults);
        let number = if faults.account_id == 0 { self.seed % 1_000_000 } else { faults.account_id };
        self.sessions.login.org_id = super::ids::render("00D", number);
        seed::set_up(&mut self.store, &faults, number, self.born_ms);
        self.store.rename_options(&faults, self.clock.now_ms());
        if faults.read_lag_ms <= 0 {
            self.replica = None;
            self.unseen.clear();
        } else if self.replica.is_none() {
            let mut replica = self.store.clone();
            replica.keep_journal(false);
            self.replica = Some(Box::new(replica));
        }
        if let Some(replica) = &mut self.replica {
            replica.apply(&faults);
        }
        self.store.keep_journal(self.replica.is_some());
        self.faults = faults;
    }

    /// The rows as reads show them.
    pub(super) fn seen(&self) -> &OrgStore {
        self.replica.as_deref().unwrap_or(&self.store)
    }

    /// Lets reads see the changes whose time has come, those of one row in their order.
    fn follow(&mut self, now_ms: i64) {
        let Some(replica) = &mut self.replica else { return };
        self.unseen.extend(self.store.drain());
        let (lag_ms, spread_ms) = (self.faults.read_lag_ms, self.faults.lag_spread_ms);
        let unseen = std::mem::take(&mut self.unseen);
        for change in unseen {
            if change.at_ms + lag_ms + share(change.serial, spread_ms) > now_ms {
                self.unseen.push(change);
            } else {
                replica.follow(change);
            }
        }
    }

    /// Credentials of clients.
    pub(crate) fn credentials(&self) -> serde_json::Value {
        self.sessions.credentials()
    }

    /// Author of writes by API clients.
    pub(super) fn client(&self, at_ms: i64) -> WriteAuthor {
        WriteAuthor { user: self.sessions.login.user_id.clone(), at_ms, origin: Origin::Api }
    }

    /// Lets happen what is due: late commits, bulk jobs, the emptying of the recycle bin.
    pub(super) fn tick(&mut self, now_ms: i64) {
        self.store.now_ms = now_ms;
        self.commit_late(now_ms);
        self.run_jobs(now_ms);
        self.store.purge(now_ms);
        self.follow(now_ms);
    }

    fn commit_late(&mut self, now_ms: i64) {
        if self.late.iter().all(|late| late.due_ms > now_ms) {
            return;
        }
        let (due, rest) = std::mem::take(&mut self.late)
            .into_iter()
            .partition(|late: &LateCommit| late.due_ms <= now_ms);
        self.late = rest;
        for LateCommit { by, change, .. } in due {
            // A transaction that fails at its commit leaves nothing, as on the platform.
            drop(self.commit(change, &by));
        }
    }

    /// Does another user's change.
    pub(super) fn commit(&mut self, change: OrgChange, by: &WriteAuthor) -> Result<(), ApiFault> {
        let mark = self.store.begin();
        let done = match change {
            OrgChange::Create(table, serial, fields) => {
                self.store.create_as(table, serial, &fields, by)
            }
            OrgChange::Update(table, serial, fields) => {
                self.store.update(table, serial, &fields, by)
            }
            OrgChange::Delete(table, serial) => self.store.delete(table, serial, by),
        };
        if done.is_err() {
            self.store.roll_back(mark);
        }
        done
    }

    /// Answers one request of the vendor's API.
    pub(super) fn answer(&mut self, request: &SimRequest) -> SimAnswer {
        let now_ms = self.clock.now_ms();
        self.tick(now_ms);
        self.tally = CallTally::metadata("none");
        let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
        let reply = match segments.as_slice() {
            ["services", "data"] => versions(),
            ["services", "data", version, path @ ..] => {
                return self.data(request, version, path, now_ms);
            }
            ["services", "oauth2", what] => self.oauth(request, what, now_ms),
            ["services", "Soap", "u" | "c", _, ..] => self.soap(request, now_ms),
            ["id", _, _] => self.identity(request, now_ms),
            _ => OrgReply::fault(&ApiFault::not_found()),
        };
        self.note(reply.status);
        reply.into_answer()
    }

    fn data(
        &mut self,
        request: &SimRequest,
        version: &str,
        path: &[&str],
        now_ms: i64,
    ) -> SimAnswer {
        let base = format!("/services/data/{version}");
        let method = match request.query("_HttpMethod") {
            Some(method) if request.method == "POST" => method,
            _ => request.method.as_str(),
        };
        let call = OrgCall { request, method, path, base: &base, now_ms };
        let saves = request.header("sforce-duplicate-rule-header").unwrap_or_default();
        self.store.allow_duplicates =
            saves.to_ascii_lowercase().replace(' ', "").contains("allowsave=true");
        let reply = match self.gates(&call, version) {
            Ok(()) => self.route(&call),
            Err(fault) => Err(fault),
        };
        let mut reply = reply.unwrap_or_else(|fault| OrgReply::fault(&fault));
        self.note(reply.status);
        let changed = method != "GET" && reply.status < 300;
        if changed && self.not_found.hits(self.faults.not_found_after_write) {
            reply = OrgReply::fault(&ApiFault::not_found());
        }
        let lost = changed && self.losses.hits(self.faults.lose_reply_after_write);
        let used = self.faults.daily_limit.saturating_sub(self.calls_left);
        let usage = format!("api-usage={used}/{}", self.faults.daily_limit);
        let mut answer = reply.into_answer().with_header("sforce-limit-info", &usage);
        answer.lost = lost;
        answer
    }

    fn gates(&mut self, call: &OrgCall<'_>, version: &str) -> Result<(), ApiFault> {
        self.guess_tally(call);
        if head_len(call.request) > HEAD_LEN_MAX {
            return Err(ApiFault::new(414, "URI_TOO_LONG", "URI Too Long"));
        }
        if !known_version(version) {
            return Err(ApiFault::not_found());
        }
        if !self.logged_in(call.request, call.now_ms) {
            return Err(ApiFault::session());
        }
        // No breach: a client cannot know what others use.
        if self.faults.day_is_used_up {
            self.calls_left = 0;
            self.ledger.refusal();
            return Err(ApiFault::new(403, LIMIT_EXCEEDED, "TotalRequests Limit exceeded."));
        }
        if self.shared_limit.hits(self.faults.limit_shared_every) {
            self.ledger.refusal();
            let message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded.";
            return Err(ApiFault::new(403, LIMIT_EXCEEDED, message));
        }
        match self.daily.admit(call.now_ms, self.faults.daily_limit) {
            Some(left) => self.calls_left = left,
            None if self.faults.rate_limits => {
                self.calls_left = 0;
                self.ledger.breach("daily", self.faults.daily_limit, call.now_ms);
                self.ledger.refusal();
                let message = "TotalRequests Limit exceeded.";
                return Err(ApiFault::new(403, LIMIT_EXCEEDED, message));
            }
            None => self.calls_left = 0,
        }
        if self.errors.hits(self.faults.server_error_every) {
            let message = "The server is temporarily unavailable";
            return Err(ApiFault::new(503, "SERVER_UNAVAILABLE", message));
        }
        Ok(())
    }

    /// True if the request carries the token of an open session.
    pub(super) fn logged_in(&mut self, request: &SimRequest, now_ms: i64) -> bool {
        let header = request.header("authorization").unwrap_or_default();
        let token = header.strip_prefix("Bearer ").or_else(|| header.strip_prefix("OAuth "));
        let lifetime_ms = self.faults.token_lifetime_ms;
        token.is_some_and(|token| self.sessions.admit(token, now_ms, lifetime_ms))
    }

    /// A first idea of what a call is, for calls that fail before their route knows better.
    fn guess_tally(&mut self, call: &OrgCall<'_>) {
        let known = |name: &str| {
            let table = self.store.schema.table(name);
            table.and_then(|table| self.store.object(table)).map(|object| object.name)
        };
        let (kind, object) = match call.path {
            ["query" | "queryAll", ..] => ("query", ""),
            ["jobs", ..] => ("job", ""),
            ["composite", ..] => ("composite", ""),
            ["sobjects", _, "describe"] | ["sobjects"] | ["limits"] | [] => {
                self.tally = CallTally::metadata("metadata");
                return;
            }
            ["sobjects", name, ..] => ("record", known(name).unwrap_or("")),
            _ => ("other", ""),
        };
        self.tally = CallTally::batch(kind, object, 0);
    }

    fn note(&mut self, status: u16) {
        let CallTally { kind, object, shape, rows, cap } = &self.tally;
        // A failed request is made but needed by nobody.
        let counted = matches!(shape, CallShape::Metadata | CallShape::Token);
        let (shape, rows) =
            if status < 400 || counted { (*shape, *rows) } else { (CallShape::Batch, 0) };
        self.ledger.note(LedgerCall { kind, object, shape, rows, cap: *cap });
    }

    /// Runs the route of a call; composite resources come back here for each part.
    pub(super) fn route(&mut self, call: &OrgCall<'_>) -> Result<OrgReply, ApiFault> {
        match call.path {
            [] => Ok(self.resources(call.base)),
            ["limits"] => Ok(self.limits()),
            ["sobjects", path @ ..] => self.sobjects(call, path),
            ["query", path @ ..] => self.query(call, path, false),
            ["queryAll", path @ ..] => self.query(call, path, true),
            ["composite", path @ ..] => self.composite(call, path),
            ["jobs", kind, path @ ..] => self.jobs(call, kind, path),
            _ => Err(ApiFault::not_found()),
        }
    }

    /// `GET /services/data/vNN.0`: the resources below it, and where the client's identity is.
    fn resources(&self, base: &str) -> OrgReply {
        let names = ["composite", "jobs", "limits", "query", "queryAll", "sobjects"];
        let pairs = names.into_iter().map(|name| (name.into(), format!("{base}/{name}").into()));
        let identity = ("identity".into(), self.identity_url().into());
        OrgReply::ok(Json::Object(pairs.chain([identity]).collect()))
    }

    /// The table of an object named in a path.
    pub(super) fn table(&self, name: &str) -> Result<TableNumber, ApiFault> {
        let table = self.store.schema.table(name).ok_or_else(ApiFault::not_found)?;
        self.check_failing(table)?;
        Ok(table)
    }

    /// Refuses what concerns an object whose every request fails.
    pub(super) fn check_failing(&self, table: TableNumber) -> Result<(), ApiFault> {
        let name = self.store.object(table).map_or("", |object| object.name);
        if Faults::names(&self.faults.failing_objects, &[name]) {
            let message = "An unexpected error occurred";
            return Err(ApiFault::new(500, "UNKNOWN_EXCEPTION", message));
        }
        Ok(())
    }
}

/// Bytes of the URI, as a form encodes it, and of the headers.
fn head_len(request: &SimRequest) -> usize {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&request.parameters);
    let headers = request.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    request.path.len() + query.finish().len() + headers.sum::<usize>()
}

fn known_version(version: &str) -> bool {
    let number = version.strip_prefix('v').and_then(|number| number.strip_suffix(".0"));
    number.and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number >= VERSION_MIN)
}

/// `GET /services/data`: no token, no limit header.
fn versions() -> OrgReply {
    const SEASONS: [&str; 3] = ["Spring", "Summer", "Winter"];
    let versions = (VERSION_MIN..=VERSION_MAX).map(|version| {
        // Version 31 was Summer '14, and every year has three.
        let since = version - VERSION_MIN + 1;
        let season = SEASONS.get((since % 3) as usize).copied().unwrap_or_default();
        let year = 14 + since / 3 + u32::from(season == "Winter");
        Json::object([
            ("label", format!("{season} '{year}").into()),
            ("url", format!("/services/data/v{version}.0").into()),
            ("version", format!("{version}.0").into()),
        ])
    });
    OrgReply::ok(Json::List(versions.collect()))
}
