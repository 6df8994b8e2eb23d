//! HubSpot's quota windows: 10 s rolling per app, daily per account, 5 searches a second
//! (H-limit-1 to H-limit-4).
//!
//! A search uses the second and the daily window only, and its answer has no limit headers.

use axum::http::StatusCode;
use serde_json::json;

use crate::faults::Faults;
use crate::http::SimAnswer;
use crate::ledger::RequestLedger;
use crate::quota::{DailyWindow, RollingWindow};

/// A public app has a lower limit per account than a private one.
const OAUTH_ROLLING_LIMIT: u32 = 110;
const INTERVAL_MS: i64 = 10_000;

/// App that a request comes from; each has a quota of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClientApp {
    Private,
    Oauth,
}

/// All windows of an account.
#[derive(Debug)]
pub(super) struct AccountQuotas {
    private: RollingWindow,
    oauth: RollingWindow,
    search: RollingWindow,
    daily: DailyWindow,
}

/// Rest of the quotas after an admitted request.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotaStanding {
    app: ClientApp,
    /// Limit and rest of the 10 s window; a search has none.
    rolling: Option<(u32, u32)>,
    daily: (u32, u32),
}

/// The window that refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ExceededWindow {
    policy: &'static str,
    name: &'static str,
    limit: u32,
}

impl AccountQuotas {
    pub(super) fn new() -> Self {
        Self {
            private: RollingWindow::new(INTERVAL_MS),
            oauth: RollingWindow::new(INTERVAL_MS),
            search: RollingWindow::new(1_000),
            daily: DailyWindow::new(0),
        }
    }

    /// Days end at midnight of a zone so far ahead of UTC.
    pub(super) fn set_zone(&mut self, utc_offset_ms: i64) {
        self.daily.set_zone(utc_offset_ms);
    }

    /// Takes one request from the windows that apply to it.
    ///
    /// # Errors
    /// The first window that is full; the caller answers 429.
    pub(super) fn admit(
        &mut self,
        app: ClientApp,
        search: bool,
        now_ms: i64,
        faults: &Faults,
    ) -> Result<QuotaStanding, ExceededWindow> {
        let rolling = if search {
            let limit = faults.hubspot.search_limit;
            let exceeded = ExceededWindow { policy: "SECONDLY", name: "secondly", limit };
            self.search.admit(now_ms, limit).ok_or(exceeded)?;
            None
        } else {
            let (window, limit) = match app {
                ClientApp::Private => (&mut self.private, faults.hubspot.rolling_limit),
                ClientApp::Oauth => {
                    (&mut self.oauth, faults.hubspot.rolling_limit.min(OAUTH_ROLLING_LIMIT))
                }
            };
            let policy = "TEN_SECONDLY_ROLLING";
            let exceeded = ExceededWindow { policy, name: "ten_secondly_rolling", limit };
            Some((limit, window.admit(now_ms, limit).ok_or(exceeded)?))
        };
        let limit = faults.daily_limit;
        let exceeded = ExceededWindow { policy: "DAILY", name: "daily", limit };
        let daily = (limit, self.daily.admit(now_ms, limit).ok_or(exceeded)?);
        Ok(QuotaStanding { app, rolling, daily })
    }
}

impl QuotaStanding {
    /// Adds the limit headers; the daily ones are for private apps only.
    pub(super) fn on(self, answer: SimAnswer) -> SimAnswer {
        let Some((max, remaining)) = self.rolling else { return answer };
        let answer = answer
            .with_header("x-hubspot-ratelimit-interval-milliseconds", &INTERVAL_MS.to_string())
            .with_header("x-hubspot-ratelimit-max", &max.to_string())
            .with_header("x-hubspot-ratelimit-remaining", &remaining.to_string())
            .with_header("x-hubspot-ratelimit-secondly", &(max / 10).to_string())
            .with_header("x-hubspot-ratelimit-secondly-remaining", &(max / 10).to_string());
        if self.app == ClientApp::Oauth {
            return answer;
        }
        let (max, remaining) = self.daily;
        answer
            .with_header("x-hubspot-ratelimit-daily", &max.to_string())
            .with_header("x-hubspot-ratelimit-daily-remaining", &remaining.to_string())
    }
}

impl ExceededWindow {
    /// The window that other clients of the account have filled, if they have: of the day, or,
    /// where `shared` says so, the one that applies to this request.
    pub(super) fn by_others(search: bool, shared: bool, faults: &Faults) -> Option<Self> {
        if faults.day_is_used_up {
            return Some(Self { policy: "DAILY", name: "daily", limit: faults.daily_limit });
        }
        let limits = &faults.hubspot;
        shared.then_some(match search {
            true => Self { policy: "SECONDLY", name: "secondly", limit: limits.search_limit },
            false => Self {
                policy: "TEN_SECONDLY_ROLLING",
                name: "ten_secondly_rolling",
                limit: limits.rolling_limit,
            },
        })
    }

    /// Notes the breach.
    pub(super) fn note(self, ledger: &mut RequestLedger, now_ms: i64) {
        ledger.breach(self.policy, self.limit, now_ms);
    }

    /// The 429 answer.
    pub(super) fn answer(
        self,
        ledger: &mut RequestLedger,
        correlation_id: &str,
        faults: &Faults,
    ) -> SimAnswer {
        ledger.refusal();
        let body = json!({
            "status": "error",
            "message": format!("You have reached your {} limit.", self.name),
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": self.policy,
            "requestId": correlation_id,
        });
        let answer = SimAnswer::json(StatusCode::TOO_MANY_REQUESTS, &body);
        if faults.hubspot.retry_after_on_429 {
            answer.with_header("retry-after", "10")
        } else {
            answer
        }
    }
}
