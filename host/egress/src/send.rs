//! Runs one checked request: quotas, credentials, redirects, repeats, and the answer as the guest
//! sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use tokio::time::Instant;
use url::Url;

use renkei_package::ConnectorManifest;

use crate::audit::EgressAudit;
use crate::client::{ExchangeError, OutgoingRequest, ServerAnswer};
use crate::credentials::AuthHeader;
use crate::fixed_credentials;
use crate::http::{HttpRequest, HttpResponse, SendError};
use crate::limits::{QUOTA_WAIT_MAX_MS, REQUEST_TIMEOUT};
use crate::policy;
use crate::quota::QuotaClaim;
use crate::redirect::{self, RedirectHop};
use crate::refusal::{EgressRefusal, RedirectFault};
use crate::retry::{self, AttemptOutcome, RetryDecision};
use crate::slot::ConfiguredSlot;
use crate::system_egress::SystemEgress;
use crate::traffic::add;

/// One request of a guest, checked, with what it needs on its way.
pub(crate) struct RequestRun<'a> {
    pub(crate) system: &'a SystemEgress,
    pub(crate) manifest: &'a ConnectorManifest,
    pub(crate) audit: &'a EgressAudit,
    pub(crate) slot: &'a ConfiguredSlot,
    pub(crate) request: HttpRequest,
    pub(crate) claim: Arc<QuotaClaim>,
    pub(crate) headers: HeaderMap,
    /// The rest of the time that the guest gave: for all attempts, redirects and pauses between
    /// them together, without the waits for quotas.
    pub(crate) left: Duration,
    /// Set where an attempt that may have had its effect is followed by another.
    pub(crate) broke_off: &'a AtomicBool,
}

/// The time that a request has where a guest asks for so many ms.
pub(crate) fn deadline(asked_ms: Option<u32>) -> Duration {
    let asked = asked_ms.map(|ms| Duration::from_millis(u64::from(ms.max(1))));
    asked.unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT)
}

impl RequestRun<'_> {
    pub(crate) async fn run(mut self) -> Result<HttpResponse, SendError> {
        let mut renewed = false;
        let mut sent = 0;
        loop {
            let auth = self.authorize().await?;
            self.slot.serial.store(auth.serial, Ordering::Relaxed);
            sent += 1;
            if sent > 1 {
                add(&self.system.counters.repeats, 1);
            }
            let outcome = self.once(&auth).await?;
            self.keep_pause(&outcome).await?;
            if let Ok(answer) = &outcome
                && self.slot.connection.refused_status.contains(&answer.status)
                && self.slot.credentials.can_renew()
                && !self.left.is_zero()
                && !std::mem::replace(&mut renewed, true)
            {
                let (endpoint, prefix) = (self.slot.endpoint.as_ref(), &self.slot.prefix);
                self.slot.credentials.renew(auth.serial, endpoint, prefix).await?;
                continue;
            }
            match self.decide(&outcome, sent) {
                RetryDecision::Finish => return self.finish(outcome),
                RetryDecision::QuotaUsedUp(ms) => return Err(SendError::Quota(ms)),
                RetryDecision::Repeat(ms) => match self.pause_ms(&outcome, ms) {
                    Some(ms) => {
                        self.broke_off.fetch_or(self.may_have_done(&outcome), Ordering::Relaxed);
                        self.system.clock.sleep_ms(ms).await;
                    }
                    None => return self.finish(outcome),
                },
            }
        }
    }

    async fn authorize(&self) -> Result<AuthHeader, SendError> {
        let (endpoint, prefix) = (self.slot.endpoint.as_ref(), &self.slot.prefix);
        self.slot.credentials.current(endpoint, prefix).await
    }

    /// The pause before the next attempt; none where no time would be left for it. A pause that a
    /// quota asks for is a wait for the quota and takes none of the guest's time.
    fn pause_ms(&mut self, outcome: &Result<ServerAnswer, ExchangeError>, ms: u64) -> Option<u64> {
        let quota = &self.manifest.retry.quota_status;
        if !matches!(outcome, Ok(answer) if quota.contains(&answer.status)) {
            self.left = self.left.saturating_sub(Duration::from_millis(ms));
        }
        (!self.left.is_zero()).then_some(ms)
    }

    /// One attempt with the redirects that it leads to.
    async fn once(
        &mut self,
        auth: &AuthHeader,
    ) -> Result<Result<ServerAnswer, ExchangeError>, SendError> {
        let mut outgoing = self.first(auth)?;
        let (mut hops, mut at_home) = (0, true);
        loop {
            let (method, url) = (outgoing.method.clone(), outgoing.url.clone());
            let headers = outgoing.headers.clone();
            let answer = match self.exchange(outgoing).await? {
                Err(ExchangeError::Refused(refusal)) if hops > 0 && !refusal.is_of_answer() => {
                    return Err(self.redirect_refused(RedirectFault::Place(Box::new(refusal))));
                }
                Ok(answer) => answer,
                outcome => return Ok(outcome),
            };
            let location = answer.headers.get(LOCATION).map(|value| value.as_bytes());
            let told = (answer.status, location);
            let hop = redirect::next(&self.slot.allowlist, (&method, &url), told, hops);
            let Some(hop) = hop.map_err(|fault| self.redirect_refused(fault))? else {
                return Ok(Ok(answer));
            };
            if self.left.is_zero() {
                return Ok(Err(ExchangeError::Timeout));
            }
            hops += 1;
            add(&self.system.counters.redirects, 1);
            at_home &= hop.same_origin;
            outgoing = self.redirected(hop, headers, at_home)?;
        }
    }

    /// The request as the guest states it, with the slot's credentials.
    fn first(&self, auth: &AuthHeader) -> Result<OutgoingRequest, SendError> {
        let base = auth.base.as_ref().unwrap_or(&self.slot.base);
        let url = policy::join(base, &self.request.path)?;
        self.slot.allowlist.check(&self.request.method, &url)?;
        let mut headers = self.headers.clone();
        if let Some((name, value)) = &auth.header {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| SendError::Unauthorized("the configured header is no name".into()))?;
            headers.insert(name, value.clone());
        }
        let method = self.request.method.clone();
        let body = self.request.body.clone();
        let mut outgoing = OutgoingRequest { method, url, headers, body, timeout: self.left };
        fixed_credentials::write(&self.slot.fixed, &mut outgoing)?;
        Ok(outgoing)
    }

    /// The request that a redirect leads to. Once the origin changes, neither the credentials nor
    /// the guest's own headers come along, and they do not come back with a later redirect.
    fn redirected(
        &self,
        hop: RedirectHop,
        headers: HeaderMap,
        at_home: bool,
    ) -> Result<OutgoingRequest, SendError> {
        let takes_credentials = self.system.credentials.redactor().finds(hop.url.as_str());
        if !at_home && takes_credentials {
            return Err(self.redirect_refused(RedirectFault::Credentials));
        }
        let headers = match (hop.same_origin, hop.keep_body) {
            (true, true) => headers,
            (true, false) => {
                let mut headers = headers;
                headers.remove(reqwest::header::CONTENT_TYPE);
                headers
            }
            (false, keep_body) => redirect::harmless(&headers, keep_body),
        };
        let body = if hop.keep_body { self.request.body.clone() } else { Vec::new() };
        let (method, url) = (hop.method, hop.url);
        let mut outgoing = OutgoingRequest { method, url, headers, body, timeout: self.left };
        if at_home {
            fixed_credentials::write(&self.slot.fixed, &mut outgoing)?;
        }
        Ok(outgoing)
    }

    /// A redirect that is not followed although it should be.
    fn redirect_refused(&self, fault: RedirectFault) -> SendError {
        redirect::refused(fault, !self.is_repeatable()).into()
    }

    async fn exchange(
        &mut self,
        outgoing: OutgoingRequest,
    ) -> Result<Result<ServerAnswer, ExchangeError>, SendError> {
        let permit = self.system.gate.acquire(&self.claim, QUOTA_WAIT_MAX_MS).await?;
        let counters = &self.system.counters;
        add(&counters.requests, 1);
        add(&counters.bytes_out, outgoing.body.len());
        let chosen = target_bytes(&outgoing.url, &self.headers);
        add(&counters.target_bytes, chosen);
        if let Some(anomaly) = self.system.note_request(&outgoing.url, chosen) {
            self.audit.record_anomaly(anomaly);
        }
        let began = Instant::now();
        let outcome = self.system.client.exchange(outgoing).await;
        self.left = self.left.saturating_sub(began.elapsed());
        drop(permit);
        match &outcome {
            Ok(answer) => {
                counters.answered(answer.status, answer.wire);
                let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
                if let Some(at_ms) = date.and_then(retry::date_ms) {
                    counters.clock(at_ms.saturating_sub(self.system.clock.now_ms()));
                }
            }
            Err(_) => add(&counters.unanswered, 1),
        }
        Ok(outcome)
    }

    /// A quota status with a time is the server's word to everybody who sends for this account.
    async fn keep_pause(
        &self,
        outcome: &Result<ServerAnswer, ExchangeError>,
    ) -> Result<(), SendError> {
        let Ok(answer) = outcome else { return Ok(()) };
        let told = self.retry_after_ms(answer);
        let Some(ms) = told.filter(|_| self.manifest.retry.quota_status.contains(&answer.status))
        else {
            return Ok(());
        };
        self.system.pause(&self.claim, ms).await
    }

    fn retry_after_ms(&self, answer: &ServerAnswer) -> Option<u64> {
        let told = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry::retry_after_ms(told, self.system.clock.now_ms())
    }

    /// True where the attempt may have had its effect although it is made again: it broke off, or
    /// the server failed, and neither says that nothing was done.
    fn may_have_done(&self, outcome: &Result<ServerAnswer, ExchangeError>) -> bool {
        match outcome {
            Ok(answer) => !self.manifest.retry.quota_status.contains(&answer.status),
            Err(ExchangeError::NotSent(_)) => false,
            Err(_) => !self.request.method.is_safe(),
        }
    }

    fn is_repeatable(&self) -> bool {
        self.request.repeatable || self.request.method.is_idempotent()
    }

    fn decide(&self, outcome: &Result<ServerAnswer, ExchangeError>, sent: u32) -> RetryDecision {
        let attempt = match outcome {
            Ok(answer) => AttemptOutcome::Answer {
                status: answer.status,
                retry_after_ms: self.retry_after_ms(answer),
            },
            Err(ExchangeError::NotSent(_)) => AttemptOutcome::NotSent,
            Err(ExchangeError::Broken(_) | ExchangeError::Timeout | ExchangeError::Slow) => {
                AttemptOutcome::Broken
            }
            Err(ExchangeError::Refused(_) | ExchangeError::BreakerOpen { .. }) => {
                return RetryDecision::Finish;
            }
        };
        retry::decide(
            attempt,
            sent,
            self.system.client.connects(),
            self.is_repeatable(),
            &self.manifest.retry,
            self.system.draw(),
            QUOTA_WAIT_MAX_MS,
        )
    }

    fn finish(
        &self,
        outcome: Result<ServerAnswer, ExchangeError>,
    ) -> Result<HttpResponse, SendError> {
        // The system's whole list, whatever the slot: a server may know more than it was sent.
        let redactor = self.system.credentials.redactor();
        match outcome {
            Ok(answer) => {
                let own = self.slot.own_headers();
                let seen = |name: &str| policy::shows(name, &own) && !redactor.finds(name);
                let headers = answer.headers.iter().filter(|(name, _)| seen(name.as_str()));
                Ok(HttpResponse {
                    status: answer.status,
                    headers: headers
                        .map(|(name, value)| {
                            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                            (name.as_str().to_owned(), redactor.text(value))
                        })
                        .collect(),
                    body: redactor.bytes(answer.body),
                })
            }
            Err(unsent @ ExchangeError::NotSent(_)) => {
                self.system.client.give_up();
                Err(SendError::NoAnswer(redactor.text(unsent.to_string())))
            }
            Err(unasked @ ExchangeError::BreakerOpen { .. }) => {
                Err(SendError::NoAnswer(redactor.text(unasked.to_string())))
            }
            Err(ExchangeError::Broken(reason)) => Err(SendError::NoAnswer(redactor.text(reason))),
            Err(ExchangeError::Timeout) => Err(SendError::Timeout),
            Err(ExchangeError::Slow) => Err(EgressRefusal::Deadline.into()),
            Err(ExchangeError::Refused(refusal)) => Err(refusal.into()),
        }
    }
}

/// The bytes of a request's head that a guest can choose.
fn target_bytes(url: &Url, headers: &HeaderMap) -> usize {
    let headers = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    url.path().len() + url.query().map_or(0, str::len) + headers.sum::<usize>()
}
