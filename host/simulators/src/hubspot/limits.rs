//! HubSpot's quota windows: 10 s rolling per app, daily per account, 5 searches a second
//! (H-limit-1 to H-limit-4).
//!
//! A search uses the second and the daily window only, and its answer has no limit headers.

use axum::http::StatusCode;
use serde_json::json;

use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::quota::{Daily, Rolling};
use crate::serve::Answer;

/// A public app has a lower limit per account than a private one.
const OAUTH_ROLLING_LIMIT: u32 = 110;
const INTERVAL_MS: i64 = 10_000;

/// Whose quota a request uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    Private,
    Oauth,
}

/// All windows of an account.
#[derive(Debug)]
pub(super) struct Limits {
    private: Rolling,
    oauth: Rolling,
    search: Rolling,
    daily: Daily,
}

/// What is left after an admitted request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    app: App,
    /// Limit and rest of the 10 s window; a search has none.
    rolling: Option<(u32, u32)>,
    daily: (u32, u32),
}

/// The window that refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded {
    policy: &'static str,
    name: &'static str,
    limit: u32,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self {
            private: Rolling::new(INTERVAL_MS),
            oauth: Rolling::new(INTERVAL_MS),
            search: Rolling::new(1_000),
            daily: Daily::new(0),
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
    pub(super) fn take(
        &mut self,
        app: App,
        search: bool,
        now_ms: i64,
        faults: &Faults,
    ) -> Result<Standing, Exceeded> {
        let rolling = if search {
            let limit = faults.search_limit;
            let exceeded = Exceeded { policy: "SECONDLY", name: "secondly", limit };
            self.search.take(now_ms, limit).ok_or(exceeded)?;
            None
        } else {
            let (window, limit) = match app {
                App::Private => (&mut self.private, faults.rolling_limit),
                App::Oauth => (&mut self.oauth, faults.rolling_limit.min(OAUTH_ROLLING_LIMIT)),
            };
            let policy = "TEN_SECONDLY_ROLLING";
            let exceeded = Exceeded { policy, name: "ten_secondly_rolling", limit };
            Some((limit, window.take(now_ms, limit).ok_or(exceeded)?))
        };
        let limit = faults.daily_limit;
        let exceeded = Exceeded { policy: "DAILY", name: "daily", limit };
        let daily = (limit, self.daily.take(now_ms, limit).ok_or(exceeded)?);
        Ok(Standing { app, rolling, daily })
    }
}

impl Standing {
    /// Adds the limit headers; the daily ones are for private apps only.
    pub(super) fn on(self, answer: Answer) -> Answer {
        let Some((max, remaining)) = self.rolling else { return answer };
        let answer = answer
            .with_header("x-hubspot-ratelimit-interval-milliseconds", &INTERVAL_MS.to_string())
            .with_header("x-hubspot-ratelimit-max", &max.to_string())
            .with_header("x-hubspot-ratelimit-remaining", &remaining.to_string())
            .with_header("x-hubspot-ratelimit-secondly", &(max / 10).to_string())
            .with_header("x-hubspot-ratelimit-secondly-remaining", &(max / 10).to_string());
        if self.app == App::Oauth {
            return answer;
        }
        let (max, remaining) = self.daily;
        answer
            .with_header("x-hubspot-ratelimit-daily", &max.to_string())
            .with_header("x-hubspot-ratelimit-daily-remaining", &remaining.to_string())
    }
}

impl Exceeded {
    /// Notes the breach and makes the 429 answer.
    pub(super) fn answer(
        self,
        ledger: &mut Ledger,
        now_ms: i64,
        correlation_id: &str,
        faults: &Faults,
    ) -> Answer {
        ledger.breach(self.policy, self.limit, now_ms);
        ledger.refusal();
        let body = json!({
            "status": "error",
            "message": format!("You have reached your {} limit.", self.name),
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": self.policy,
            "requestId": correlation_id,
        });
        let answer = Answer::json(StatusCode::TOO_MANY_REQUESTS, &body);
        if faults.retry_after_on_429 { answer.with_header("retry-after", "10") } else { answer }
    }
}
