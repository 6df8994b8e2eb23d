//! One checked request on its way: quotas, credentials, redirects, repeats, and what the guest sees
//! of the answer. See `egress` for the whole.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use tokio::time::Instant;
use url::Url;

use renkei_package::ConnectorManifest;

use super::client::{Answer, NoAnswer, Outgoing, REQUEST_TIMEOUT};
use super::credentials::Grant;
use super::pause::WAIT_MOST_MS;
use super::quota::Claim;
use super::redirect::{self, Hop};
use super::refusal::{RedirectFault, Refusal};
use super::retry::{self, Attempt, Decision};
use super::traffic::add;
use super::witness::Witness;
use super::{Exit, Failure, Request, Response, Slot, policy};

/// See the module's text.
pub(super) struct Send<'a> {
    pub(super) exit: &'a Exit,
    pub(super) manifest: &'a ConnectorManifest,
    pub(super) witness: &'a Witness,
    pub(super) slot: &'a mut Slot,
    pub(super) request: Request,
    pub(super) claim: Arc<Claim>,
    pub(super) headers: HeaderMap,
    /// What is left of the time that the guest gave: for all attempts, redirects and pauses between
    /// them together, without the waits for quotas.
    pub(super) left: Duration,
    /// Set where an attempt that may have had its effect is followed by another.
    pub(super) broke_off: &'a mut bool,
}

/// The time that a request has where a guest asks for so many ms.
pub(super) fn deadline(asked_ms: Option<u32>) -> Duration {
    let asked = asked_ms.map(|ms| Duration::from_millis(u64::from(ms.max(1))));
    asked.unwrap_or(REQUEST_TIMEOUT).min(REQUEST_TIMEOUT)
}

impl Send<'_> {
    pub(super) async fn run(mut self) -> Result<Response, Failure> {
        let mut renewed = false;
        let mut sent = 0;
        loop {
            let grant = self.slot.credentials.grant(self.slot.endpoint.as_ref()).await?;
            self.slot.serial = grant.serial;
            sent += 1;
            if sent > 1 {
                add(&self.exit.counters.repeats, 1);
            }
            let outcome = self.once(&grant).await?;
            self.heed(&outcome).await?;
            if let Ok(answer) = &outcome
                && self.slot.connection.refused_status.contains(&answer.status)
                && self.slot.credentials.can_renew()
                && !self.left.is_zero()
                && !std::mem::replace(&mut renewed, true)
            {
                self.slot.credentials.renew(grant.serial, self.slot.endpoint.as_ref()).await?;
                continue;
            }
            match self.decide(&outcome, sent) {
                Decision::Settle => return self.settle(outcome),
                Decision::QuotaFor(ms) => return Err(Failure::Quota(ms)),
                Decision::Again(ms) => match self.pause_ms(&outcome, ms) {
                    Some(ms) => {
                        *self.broke_off |= self.may_have_done(&outcome);
                        self.exit.clock.sleep_ms(ms).await;
                    }
                    None => return self.settle(outcome),
                },
            }
        }
    }

    /// The pause before the next attempt; none where no time would be left for it. A pause that a
    /// quota asks for is a wait for the quota and takes none of the guest's time.
    fn pause_ms(&mut self, outcome: &Result<Answer, NoAnswer>, ms: u64) -> Option<u64> {
        let quota = &self.manifest.retry.quota_status;
        if !matches!(outcome, Ok(answer) if quota.contains(&answer.status)) {
            self.left = self.left.saturating_sub(Duration::from_millis(ms));
        }
        (!self.left.is_zero()).then_some(ms)
    }

    /// One attempt with the redirects that it leads to.
    async fn once(&mut self, grant: &Grant) -> Result<Result<Answer, NoAnswer>, Failure> {
        let mut outgoing = self.first(grant)?;
        let mut hops = 0;
        loop {
            let (method, url) = (outgoing.method.clone(), outgoing.url.clone());
            let headers = outgoing.headers.clone();
            let answer = match self.exchange(outgoing).await? {
                Err(NoAnswer::Refused(refusal)) if hops > 0 && !refusal.is_of_answer() => {
                    return Err(self.astray(RedirectFault::Place(Box::new(refusal))));
                }
                Ok(answer) => answer,
                outcome => return Ok(outcome),
            };
            let location = answer.headers.get(LOCATION).map(|value| value.as_bytes());
            let told = (answer.status, location);
            let hop = redirect::next(&self.slot.reach, (&method, &url), told, hops);
            let Some(hop) = hop.map_err(|fault| self.astray(fault))? else {
                return Ok(Ok(answer));
            };
            if self.left.is_zero() {
                return Ok(Err(NoAnswer::Timeout));
            }
            hops += 1;
            add(&self.exit.counters.redirects, 1);
            outgoing = self.led(hop, headers);
        }
    }

    /// The request as the guest states it, with the slot's credentials.
    fn first(&self, grant: &Grant) -> Result<Outgoing, Failure> {
        let base = grant.base.as_ref().unwrap_or(&self.slot.base);
        let url = policy::join(base, &self.request.path)?;
        self.slot.reach.check(&self.request.method, &url)?;
        let mut headers = self.headers.clone();
        if let Some((name, value)) = &grant.header {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Failure::Unauthorized("the configured header is no name".into()))?;
            headers.insert(name, value.clone());
        }
        let method = self.request.method.clone();
        let body = self.request.body.clone();
        Ok(Outgoing { method, url, headers, body, timeout: self.left })
    }

    /// The request that a redirect leads to. Once the origin changes, neither the credentials nor
    /// the guest's own headers come along, and they do not come back with a later redirect.
    fn led(&self, hop: Hop, headers: HeaderMap) -> Outgoing {
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
        Outgoing { method: hop.method, url: hop.url, headers, body, timeout: self.left }
    }

    /// A redirect that is not followed although it should be.
    fn astray(&self, fault: RedirectFault) -> Failure {
        redirect::refused(fault, !self.is_repeatable()).into()
    }

    async fn exchange(&mut self, outgoing: Outgoing) -> Result<Result<Answer, NoAnswer>, Failure> {
        let pass = self.exit.gate.pass(&self.claim, WAIT_MOST_MS).await?;
        let counters = &self.exit.counters;
        add(&counters.requests, 1);
        add(&counters.bytes_out, outgoing.body.len());
        let chosen = target_bytes(&outgoing.url, &self.headers);
        add(&counters.target_bytes, chosen);
        if let Some(unusual) = self.exit.notice(&outgoing.url, chosen) {
            self.witness.wonders_at(unusual);
        }
        let began = Instant::now();
        let outcome = self.exit.client.exchange(outgoing).await;
        self.left = self.left.saturating_sub(began.elapsed());
        drop(pass);
        match &outcome {
            Ok(answer) => {
                counters.answered(answer.status, answer.wire);
                let date = answer.headers.get(DATE).and_then(|date| date.to_str().ok());
                if let Some(at_ms) = date.and_then(retry::date_ms) {
                    counters.clock(at_ms.saturating_sub(self.exit.clock.now_ms()));
                }
            }
            Err(_) => add(&counters.unanswered, 1),
        }
        Ok(outcome)
    }

    /// A quota status with a time is the server's word to everybody who sends for this account.
    async fn heed(&self, outcome: &Result<Answer, NoAnswer>) -> Result<(), Failure> {
        let Ok(answer) = outcome else { return Ok(()) };
        let told = self.retry_after_ms(answer);
        let Some(ms) = told.filter(|_| self.manifest.retry.quota_status.contains(&answer.status))
        else {
            return Ok(());
        };
        self.exit.pause(&self.claim, ms).await
    }

    fn retry_after_ms(&self, answer: &Answer) -> Option<u64> {
        let told = answer.headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry::retry_after_ms(told, self.exit.clock.now_ms())
    }

    /// Whether the attempt may have had its effect although it is made again: it broke off, or the
    /// server failed, and neither says that nothing was done.
    fn may_have_done(&self, outcome: &Result<Answer, NoAnswer>) -> bool {
        match outcome {
            Ok(answer) => !self.manifest.retry.quota_status.contains(&answer.status),
            Err(NoAnswer::NotSent(_)) => false,
            Err(_) => !self.request.method.is_safe(),
        }
    }

    fn is_repeatable(&self) -> bool {
        self.request.repeatable || self.request.method.is_idempotent()
    }

    fn decide(&self, outcome: &Result<Answer, NoAnswer>, sent: u32) -> Decision {
        let attempt = match outcome {
            Ok(answer) => Attempt::Answer {
                status: answer.status,
                retry_after_ms: self.retry_after_ms(answer),
            },
            Err(NoAnswer::NotSent(_)) => Attempt::NotSent,
            Err(NoAnswer::Broken(_) | NoAnswer::Timeout | NoAnswer::Slow) => Attempt::Broken,
            Err(NoAnswer::Refused(_) | NoAnswer::BreakerOpen { .. }) => return Decision::Settle,
        };
        retry::decide(
            attempt,
            sent,
            self.exit.client.connects(),
            self.is_repeatable(),
            &self.manifest.retry,
            self.exit.roll(),
            WAIT_MOST_MS,
        )
    }

    fn settle(&self, outcome: Result<Answer, NoAnswer>) -> Result<Response, Failure> {
        // The system's whole list, whatever the slot: a server may know more than it was sent.
        let redactor = self.exit.credentials.redactor();
        match outcome {
            Ok(answer) => {
                let own = self.slot.credentials.header_name();
                let seen = |name: &str| policy::shows(name, own) && !redactor.finds(name);
                let headers = answer.headers.iter().filter(|(name, _)| seen(name.as_str()));
                Ok(Response {
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
            Err(unsent @ NoAnswer::NotSent(_)) => {
                self.exit.client.give_up();
                Err(Failure::NoAnswer(redactor.text(unsent.to_string())))
            }
            Err(unasked @ NoAnswer::BreakerOpen { .. }) => {
                Err(Failure::NoAnswer(redactor.text(unasked.to_string())))
            }
            Err(NoAnswer::Broken(reason)) => Err(Failure::NoAnswer(redactor.text(reason))),
            Err(NoAnswer::Timeout) => Err(Failure::Timeout),
            Err(NoAnswer::Slow) => Err(Refusal::Deadline.into()),
            Err(NoAnswer::Refused(refusal)) => Err(refusal.into()),
        }
    }
}

/// What of a request's head a guest can choose.
fn target_bytes(url: &Url, headers: &HeaderMap) -> usize {
    let headers = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    url.path().len() + url.query().map_or(0, str::len) + headers.sum::<usize>()
}
