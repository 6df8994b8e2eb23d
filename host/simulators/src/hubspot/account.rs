//! One HubSpot account: what it holds, and the way of a request through it.
//!
//! A request passes token, route, quota and faults, then reaches the handler of its area. The
//! handler's result is an answer and the number of rows that the ledger counts.

use axum::http::StatusCode;

use super::auth::{HubSpotTokens, TokenContext};
use super::errors::ApiError;
use super::kinds::ObjectKind;
use super::limits::{AccountQuotas, ExceededWindow};
use super::reply::{HandlerResult, HubSpotReply};
use super::route::{CountedCall, ObjectCall, Route};
use super::search::body::is_first;
use super::seed;
use super::store::{HubSpotStore, RecordAuthor};
use crate::clock::SimClock;
use crate::control::Origin;
use crate::faults::{EveryNth, Faults};
use crate::http::{SimAnswer, SimRequest};
use crate::ledger::{CallShape, LedgerCall, RequestLedger};
use crate::world::SampleWorld;

/// A list with very many `properties` does not fit a URL (the length is from memory).
const TARGET_LEN_MAX: usize = 16_384;

/// A simulated HubSpot account.
#[derive(Debug)]
pub struct HubSpot {
    pub(super) clock: SimClock,
    pub(super) faults: Faults,
    pub(super) ledger: RequestLedger,
    pub(super) auth: HubSpotTokens,
    pub(super) limits: AccountQuotas,
    pub(super) store: HubSpotStore,
    pub(super) base_url: String,
    /// Makes correlation ids.
    requests: u64,
    pub(super) counters: FaultCounters,
}

/// One counter per fault that strikes every n-th time.
#[derive(Debug, Default)]
pub(super) struct FaultCounters {
    server_error: EveryNth,
    shared_limit: EveryNth,
    lock_error: EveryNth,
    lost_reply: EveryNth,
    short_page: EveryNth,
    not_found: EveryNth,
    pub(super) drift: EveryNth,
}

impl HubSpot {
    /// An account with the HubSpot side of `world`; `base_url` appears in paging links.
    pub fn new(
        world: &SampleWorld,
        seed: u64,
        clock: SimClock,
        faults: Faults,
        base_url: &str,
    ) -> Self {
        let clock = clock.own();
        clock.set_offset(faults.clock_offset_ms);
        let now_ms = clock.now_ms();
        let mut store = HubSpotStore::new(now_ms, &faults);
        seed::fill(&mut store, world, now_ms, faults.seed_with_one_stamp);
        let mut limits = AccountQuotas::new();
        limits.set_zone(faults.utc_offset_ms(now_ms));
        Self {
            clock,
            faults,
            ledger: RequestLedger::default(),
            auth: HubSpotTokens::new(seed),
            limits,
            store,
            base_url: base_url.to_owned(),
            requests: 0,
            counters: FaultCounters::default(),
        }
    }

    pub(super) fn answer(&mut self, request: &SimRequest) -> SimAnswer {
        self.requests += 1;
        let correlation_id = format!("{:08x}-0000-4000-8000-000000000000", self.requests);
        let answer = match Route::parse(request) {
            _ if target_len(request) > TARGET_LEN_MAX => SimAnswer::empty(StatusCode::URI_TOO_LONG),
            Ok(Route::Oauth(call)) => {
                self.note(&Route::Oauth(call.clone()).counted(request), 0);
                let now_ms = self.clock.now_ms();
                let at =
                    TokenContext { now_ms, faults: &self.faults, correlation_id: &correlation_id };
                self.auth.answer(&call, request, at)
            }
            Ok(route) => self.guarded(&route, request, &correlation_id),
            Err(error) => error.answer(&correlation_id),
        };
        answer.with_header("x-hubspot-correlation-id", &correlation_id)
    }

    /// Answers a request that needs a token and takes part in quotas.
    fn guarded(&mut self, route: &Route, request: &SimRequest, correlation_id: &str) -> SimAnswer {
        let counted = counted(route, request);
        let now_ms = self.clock.now_ms();
        let app = match self.auth.check(request, now_ms) {
            Ok(app) => app,
            Err(error) => {
                self.note(&counted, 0);
                return error.answer(correlation_id);
            }
        };
        // No breach: a client cannot know what others have used.
        let shared = self.counters.shared_limit.hits(self.faults.limit_shared_every);
        if let Some(exceeded) = ExceededWindow::by_others(route.is_search(), shared, &self.faults) {
            self.note(&counted, 0);
            return exceeded.answer(&mut self.ledger, correlation_id, &self.faults);
        }
        let mut standing = None;
        if self.faults.rate_limits {
            match self.limits.admit(app, route.is_search(), now_ms, &self.faults) {
                Ok(left) => standing = Some(left),
                Err(exceeded) => {
                    self.note(&counted, 0);
                    exceeded.note(&mut self.ledger, now_ms);
                    return exceeded.answer(&mut self.ledger, correlation_id, &self.faults);
                }
            }
        }
        let answer = match self.struck(&counted) {
            Some(answer) => {
                self.note(&counted, 0);
                answer
            }
            None => match self.barred(route) {
                Some(error) => {
                    self.note(&counted, 0);
                    error.answer(correlation_id)
                }
                None => self.handled(route, &counted, request, correlation_id),
            },
        };
        standing.map_or(answer.clone(), |standing| standing.on(answer))
    }

    /// The answer of a fault that strikes before anything is done.
    fn struck(&mut self, counted: &CountedCall) -> Option<SimAnswer> {
        if self.faults.hubspot.migrating {
            let status = StatusCode::from_u16(477).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Some(SimAnswer::empty(status).with_header("retry-after", "3600"));
        }
        if self.counters.server_error.hits(self.faults.server_error_every) {
            return Some(SimAnswer::empty(StatusCode::BAD_GATEWAY));
        }
        if counted.writes && self.counters.lock_error.hits(self.faults.lock_error_every) {
            return Some(SimAnswer::empty(StatusCode::LOCKED));
        }
        None
    }

    /// The answer about an object that fails as a whole or that the client may not see.
    fn barred(&self, route: &Route) -> Option<ApiError> {
        let names = |kind: ObjectKind| [kind.plural(), kind.singular(), kind.type_id()];
        let among = |set, kind: &ObjectKind| Faults::names(set, &names(*kind));
        let kinds = route.kinds();
        if kinds.contains(&ObjectKind::Project) && !self.faults.custom_objects {
            return Some(ApiError::unknown_kind(ObjectKind::Project.plural()));
        }
        if kinds.iter().any(|kind| among(&self.faults.failing_objects, kind)) {
            let message = "There was an unknown server error";
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Some(ApiError::new(status, "INTERNAL_ERROR", message));
        }
        let kind = kinds.iter().find(|kind| among(&self.faults.forbidden_objects, kind))?;
        let scope = format!("crm.objects.{}.read", kind.plural());
        Some(ApiError::forbidden("One or more of the following scopes are required.", &scope))
    }

    fn handled(
        &mut self,
        route: &Route,
        counted: &CountedCall,
        request: &SimRequest,
        correlation_id: &str,
    ) -> SimAnswer {
        // Before every request, so that versions the index has passed are not kept.
        self.store.catch_up(self.clock.now_ms());
        let outcome = self.dispatch(route, request);
        self.store.take_back_ignored();
        match outcome {
            Ok(HubSpotReply { mut answer, rows }) => {
                self.note(counted, rows);
                let every = self.faults.not_found_after_write;
                if counted.writes && self.counters.not_found.hits(every) {
                    return ApiError::not_found("resource not found").answer(correlation_id);
                }
                let lost = self.faults.lose_reply_after_write;
                answer.lost = counted.writes && self.counters.lost_reply.hits(lost);
                answer
            }
            Err(error) => {
                self.note(counted, 0);
                error.answer(correlation_id)
            }
        }
    }

    fn dispatch(&mut self, route: &Route, request: &SimRequest) -> HandlerResult {
        match route {
            Route::Oauth(_) => Err(ApiError::not_found("resource not found")),
            Route::Account => self.account(),
            Route::Owners { id } => self.owners(id.as_deref(), request),
            Route::Schemas { id } => self.schemas(id.as_deref()),
            Route::Pipelines { kind, id, stages } => self.pipelines(*kind, id.as_deref(), stages),
            Route::Properties { kind, call } => self.properties(*kind, call, request),
            Route::Labels { from, to, call } => self.labels(*from, *to, call, request),
            Route::Links { from, to, call } => self.links(*from, *to, call, request),
            Route::Object { kind, call } => {
                let kind = *kind;
                match call {
                    ObjectCall::List => self.list(kind, request),
                    ObjectCall::Create => self.create_one(kind, request),
                    ObjectCall::Search => self.search(kind, request),
                    ObjectCall::Get(id) => self.get(kind, id, request),
                    ObjectCall::Update(id) => self.update_one(kind, id, request),
                    ObjectCall::Archive(id) => self.archive_one(kind, id),
                    ObjectCall::BatchRead => self.batch_read(kind, request),
                    ObjectCall::BatchCreate => self.batch_create(kind, request),
                    ObjectCall::BatchUpdate => self.batch_update(kind, request),
                    ObjectCall::BatchUpsert => self.batch_upsert(kind, request),
                    ObjectCall::BatchArchive => self.batch_archive(kind, request),
                    ObjectCall::Merge => self.merge_request(kind, request),
                    ObjectCall::GdprDelete => self.gdpr_delete(kind, request),
                }
            }
        }
    }

    fn note(&mut self, counted: &CountedCall, rows: usize) {
        let CountedCall { kind, object, shape, cap, .. } = counted;
        self.ledger.note(LedgerCall { kind, object, shape: *shape, rows, cap: *cap });
    }

    pub(super) fn author(&self) -> RecordAuthor {
        RecordAuthor { origin: Origin::Api, now_ms: self.clock.now_ms() }
    }

    /// The page size after the fault that makes some pages short.
    pub(super) fn shortened(&mut self, limit: usize) -> usize {
        let short = self.counters.short_page.hits(self.faults.short_pages_every);
        if short { limit.div_ceil(2) } else { limit }
    }
}

fn target_len(request: &SimRequest) -> usize {
    let parameters = request.parameters.iter().map(|(name, value)| name.len() + value.len() + 2);
    request.path.len() + parameters.sum::<usize>()
}

/// Entry of a request in the ledger; only the body of a search tells if it has a cursor.
fn counted(route: &Route, request: &SimRequest) -> CountedCall {
    let mut counted = route.counted(request);
    if route.is_search() {
        counted.shape = CallShape::Page { first: is_first(request) };
    }
    counted
}
