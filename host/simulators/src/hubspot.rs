//! HubSpot CRM: a state machine in the vendor's wire shape.
//!
//! Facts of the wire, such as H-search-3, stand in `plugins/connectors/hubspot/API.md`.
//!
//! One request runs through: token, route, quota, faults, then the handler of its area, whose
//! result is an answer with a count of rows for the ledger. Handlers change the [`store`] only
//! after every check has passed. [`human`] is what people do behind the API's back.

mod auth;
mod limits;
mod route;

mod kinds;
mod schema;
mod stamp;
mod table;

mod associations;
mod store;

mod batch;
mod errors;
mod labels;
mod links;
mod merge;
mod metadata;
mod objects;
mod search;
mod view;

mod human;
mod seed;
pub mod webhooks;

use std::io;

use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use tokio::net::TcpListener;

use self::auth::{At, Auth};
use self::errors::ApiError;
use self::kinds::Kind;
use self::limits::Limits;
use self::route::{Counted, ObjectCall, Route};
use self::store::{Author, Store};
use crate::clock::Clock;
use crate::control::Origin;
use crate::faults::{Every, Faults};
use crate::ledger::{Call, Ledger, Shape};
use crate::serve::{self, Answer, Options, Request, Running};
use crate::simulator::Simulator;
use crate::world::World;

/// The account number of every simulated HubSpot, unless `Faults::account_id` names another.
pub const PORTAL_ID: u64 = 62_515;

/// The account number under these knobs.
fn portal_id(faults: &Faults) -> u64 {
    if faults.account_id == 0 { PORTAL_ID } else { faults.account_id }
}

/// A list with very many `properties` does not fit a URL (the length is from memory).
const TARGET_LEN_MAX: usize = 16_384;

/// A simulated HubSpot account.
#[derive(Debug)]
pub struct HubSpot {
    clock: Clock,
    faults: Faults,
    ledger: Ledger,
    auth: Auth,
    limits: Limits,
    store: Store,
    base_url: String,
    /// Makes correlation ids.
    requests: u64,
    counters: Counters,
}

/// One counter per fault that strikes every n-th time.
#[derive(Debug, Default)]
struct Counters {
    server_error: Every,
    lock_error: Every,
    lost_reply: Every,
    short_page: Every,
    not_found: Every,
    drift: Every,
}

/// What a handler did: its answer, and how many rows the ledger counts.
struct Reply {
    answer: Answer,
    rows: usize,
}

type Outcome = Result<Reply, ApiError>;

/// Serves a seeded account; credentials are those of [`Auth`].
///
/// # Errors
/// The listener has no local address.
pub fn serve(listener: TcpListener, options: Options) -> io::Result<Running> {
    serve::start(listener, |base_url| seeded(options, base_url))
}

/// A seeded account without a socket; `base_url` appears in paging links.
pub fn simulator(options: Options, base_url: &str) -> Simulator {
    let (hubspot, credentials) = seeded(options, base_url);
    Simulator::new(hubspot, credentials)
}

fn seeded(options: Options, base_url: &str) -> (HubSpot, serde_json::Value) {
    let seed = options.seed;
    let world = World::generate(seed, options.people);
    let hubspot = HubSpot::new(&world, seed, options.clock, options.faults, base_url);
    let credentials = hubspot.auth.credentials();
    (hubspot, credentials)
}

impl HubSpot {
    /// An account with the HubSpot side of `world`; `base_url` appears in paging links.
    pub fn new(world: &World, seed: u64, clock: Clock, faults: Faults, base_url: &str) -> Self {
        let clock = clock.own();
        clock.set_offset(faults.clock_offset_ms);
        let now_ms = clock.now_ms();
        let mut store = Store::new(now_ms, &faults);
        seed::fill(&mut store, world, now_ms, faults.seed_with_one_stamp);
        let mut limits = Limits::new();
        limits.set_zone(faults.utc_offset_ms(now_ms));
        Self {
            clock,
            faults,
            ledger: Ledger::default(),
            auth: Auth::new(seed),
            limits,
            store,
            base_url: base_url.to_owned(),
            requests: 0,
            counters: Counters::default(),
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        self.requests += 1;
        let correlation_id = format!("{:08x}-0000-4000-8000-000000000000", self.requests);
        let answer = match Route::of(request) {
            _ if target_len(request) > TARGET_LEN_MAX => Answer::empty(StatusCode::URI_TOO_LONG),
            Ok(Route::Oauth(call)) => {
                self.note(&Route::Oauth(call.clone()).counted(request), 0);
                let now_ms = self.clock.now_ms();
                let at = At { now_ms, faults: &self.faults, correlation_id: &correlation_id };
                self.auth.answer(&call, request, at)
            }
            Ok(route) => self.guarded(&route, request, &correlation_id),
            Err(error) => error.answer(&correlation_id),
        };
        answer.with_header("x-hubspot-correlation-id", &correlation_id)
    }

    /// Answers a request that needs a token and takes part in quotas.
    fn guarded(&mut self, route: &Route, request: &Request, correlation_id: &str) -> Answer {
        let counted = counted(route, request);
        let now_ms = self.clock.now_ms();
        let app = match self.auth.check(request, now_ms) {
            Ok(app) => app,
            Err(error) => {
                self.note(&counted, 0);
                return error.answer(correlation_id);
            }
        };
        let mut standing = None;
        if self.faults.rate_limits {
            match self.limits.take(app, route.is_search(), now_ms, &self.faults) {
                Ok(left) => standing = Some(left),
                Err(exceeded) => {
                    self.note(&counted, 0);
                    let faults = &self.faults;
                    return exceeded.answer(&mut self.ledger, now_ms, correlation_id, faults);
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
    fn struck(&mut self, counted: &Counted) -> Option<Answer> {
        if self.faults.migrating {
            let status = StatusCode::from_u16(477).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Some(Answer::empty(status).with_header("retry-after", "3600"));
        }
        if self.counters.server_error.hits(self.faults.server_error_every) {
            return Some(Answer::empty(StatusCode::BAD_GATEWAY));
        }
        if counted.writes && self.counters.lock_error.hits(self.faults.lock_error_every) {
            return Some(Answer::empty(StatusCode::LOCKED));
        }
        None
    }

    /// The answer about an object that fails as a whole or that the client may not see.
    fn barred(&self, route: &Route) -> Option<ApiError> {
        let names = |kind: Kind| [kind.plural(), kind.singular(), kind.type_id()];
        let among = |set, kind: &Kind| Faults::names(set, &names(*kind));
        let kinds = route.kinds();
        if kinds.contains(&Kind::Project) && !self.faults.custom_objects {
            return Some(ApiError::unknown_kind(Kind::Project.plural()));
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
        counted: &Counted,
        request: &Request,
        correlation_id: &str,
    ) -> Answer {
        // Before every request, so that versions the index has passed are not kept.
        self.store.catch_up(self.clock.now_ms());
        let outcome = self.dispatch(route, request);
        self.store.take_back_ignored();
        match outcome {
            Ok(Reply { mut answer, rows }) => {
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

    fn dispatch(&mut self, route: &Route, request: &Request) -> Outcome {
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

    fn note(&mut self, counted: &Counted, rows: usize) {
        let Counted { kind, object, shape, cap, .. } = counted;
        self.ledger.note(Call { kind, object, shape: *shape, rows, cap: *cap });
    }

    fn author(&self) -> Author {
        Author { origin: Origin::Api, now_ms: self.clock.now_ms() }
    }

    /// The page size after the fault that makes some pages short.
    fn shortened(&mut self, limit: usize) -> usize {
        let short = self.counters.short_page.hits(self.faults.short_pages_every);
        if short { limit.div_ceil(2) } else { limit }
    }
}

fn target_len(request: &Request) -> usize {
    let parameters = request.parameters.iter().map(|(name, value)| name.len() + value.len() + 2);
    request.path.len() + parameters.sum::<usize>()
}

/// How the ledger counts a request; whether a search has a cursor only its body tells.
fn counted(route: &Route, request: &Request) -> Counted {
    let mut counted = route.counted(request);
    if route.is_search() {
        counted.shape = Shape::Page { first: search::is_first(request) };
    }
    counted
}

/// Reads a JSON body.
fn body<T: DeserializeOwned>(request: &Request) -> Result<T, ApiError> {
    serde_json::from_slice(&request.body)
        .map_err(|error| ApiError::invalid(format!("Invalid input JSON: {error}")))
}

#[cfg(test)]
mod tests;
