//! Implements the imports of a guest: log, http and signing, in the contract's own types.

use reqwest::Method;

use super::guest_log::GuestLogLevel;
use super::guest_state::GuestState;
use super::signing::{self, SigningAlgorithm};
use crate::sandbox::bindings::v0_2::{http, log, signing as signing_world, types};
use renkei_egress::{
    DECODED_BYTES_MAX, EgressRefusal, HttpRequest, HttpResponse, SendError, WIRE_BYTES_MAX,
};

impl types::Host for GuestState {}

impl log::Host for GuestState {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        attributes: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => GuestLogLevel::Debug,
            log::Level::Info => GuestLogLevel::Info,
            log::Level::Warn => GuestLogLevel::Warn,
            log::Level::Error => GuestLogLevel::Error,
        };
        self.guest_log.write(level, &message, &attributes);
        Ok(())
    }
}

impl signing_world::Host for GuestState {
    fn verify(
        &mut self,
        secret: String,
        algorithm: signing_world::Algorithm,
        message: Vec<u8>,
        expected: Vec<u8>,
    ) -> wasmtime::Result<bool> {
        let algorithm = match algorithm {
            signing_world::Algorithm::HmacSha256 => SigningAlgorithm::HmacSha256,
            signing_world::Algorithm::Sha256Prefixed => SigningAlgorithm::Sha256Prefixed,
            // No other name is known yet.
            signing_world::Algorithm::Other(_) => return Ok(false),
        };
        Ok(signing::verify(&self.secrets, &secret, algorithm, &message, &expected))
    }
}

impl http::Host for GuestState {
    async fn send(
        &mut self,
        request: http::Request,
    ) -> wasmtime::Result<Result<http::Response, http::Failure>> {
        self.meter.request()?;
        let Some(egress) = &mut self.egress else { return Ok(Err(no_way_out())) };
        let outcome = egress.send(request_from_guest(request)).await;
        if is_wait(&outcome) {
            self.meter.waited();
        }
        Ok(outcome.map(response_to_guest).map_err(failure_to_guest))
    }

    async fn send_all(
        &mut self,
        requests: Vec<http::Request>,
    ) -> wasmtime::Result<Vec<Result<http::Response, http::Failure>>> {
        for _ in &requests {
            self.meter.request()?;
        }
        let Some(egress) = &mut self.egress else {
            return Ok(requests.iter().map(|_| Err(no_way_out())).collect());
        };
        let outcomes =
            egress.send_all(requests.into_iter().map(request_from_guest).collect()).await;
        if outcomes.iter().any(is_wait) {
            self.meter.waited();
        }
        let answer = |outcome: Result<HttpResponse, SendError>| {
            outcome.map(response_to_guest).map_err(failure_to_guest)
        };
        Ok(outcomes.into_iter().map(answer).collect())
    }

    async fn throttled(
        &mut self,
        slot: String,
        quota: String,
        ms: u64,
    ) -> wasmtime::Result<Result<(), http::Failure>> {
        self.meter.request()?;
        let Some(egress) = &mut self.egress else { return Ok(Err(no_way_out())) };
        Ok(egress.report_throttled(&slot, &quota, ms).await.map_err(failure_to_guest))
    }

    async fn time_left(&mut self) -> wasmtime::Result<u64> {
        Ok(self.timer.left_ms())
    }

    async fn refused(&mut self, slot: String) -> wasmtime::Result<Result<(), http::Failure>> {
        self.meter.request()?;
        let Some(egress) = &mut self.egress else { return Ok(Err(no_way_out())) };
        Ok(egress.report_refused(&slot).await.map_err(failure_to_guest))
    }

    async fn wait(&mut self, ms: u64) -> wasmtime::Result<Result<(), http::Failure>> {
        // Counted, or a guest that waits for no time at all would never be found running.
        self.meter.request()?;
        let Some(egress) = &mut self.egress else { return Ok(Err(no_way_out())) };
        if !self.meter.may_wait(ms) {
            if self.meter.could_wait(ms) {
                egress.record_wait_in_vain();
            }
            return Ok(Err(http::Failure::Timeout));
        }
        let waiting = self.timer.wait();
        egress.wait(ms).await;
        drop(waiting);
        self.meter.waited();
        Ok(Ok(()))
    }
}

/// True where the guest waited for somebody. What is refused at once is no wait: a guest that asks
/// for it in a loop runs.
fn is_wait(outcome: &Result<HttpResponse, SendError>) -> bool {
    !matches!(outcome, Err(SendError::Refused(refusal)) if !refusal.is_of_answer())
}

fn no_way_out() -> http::Failure {
    http::Failure::Denied("this instance has no way out".to_owned())
}

fn request_from_guest(request: http::Request) -> HttpRequest {
    HttpRequest {
        slot: request.slot,
        method: match request.method {
            http::Method::Get => Method::GET,
            http::Method::Head => Method::HEAD,
            http::Method::Post => Method::POST,
            http::Method::Put => Method::PUT,
            http::Method::Patch => Method::PATCH,
            http::Method::Delete => Method::DELETE,
        },
        path: request.path,
        headers: request.headers,
        body: request.body,
        repeatable: request.repeatable,
        quotas: request.quotas,
        timeout_ms: request.timeout_ms,
    }
}

fn response_to_guest(response: HttpResponse) -> http::Response {
    let HttpResponse { status, headers, body } = response;
    http::Response { status, headers, body, facts: Vec::new() }
}

fn failure_to_guest(failure: SendError) -> http::Failure {
    match failure {
        SendError::Quota(ms) => http::Failure::Quota(ms),
        SendError::NoAnswer(reason) => http::Failure::NoAnswer(reason),
        SendError::Refused(refusal) => refusal_to_guest(&refusal),
        SendError::Timeout => http::Failure::Timeout,
        SendError::Unauthorized(reason) => http::Failure::Unauthorized(reason),
        SendError::Unfit(reason) => http::Failure::Denied(reason),
    }
}

/// A guest must be able to tell what never left from what may have been done all the same.
fn refusal_to_guest(refusal: &EgressRefusal) -> http::Failure {
    let bytes = |cap: usize| http::Failure::TooLarge(u64::try_from(cap).unwrap_or(u64::MAX));
    match refusal {
        EgressRefusal::WireBytes => bytes(WIRE_BYTES_MAX),
        EgressRefusal::DecodedBytes => bytes(DECODED_BYTES_MAX),
        EgressRefusal::Deadline => http::Failure::Timeout,
        EgressRefusal::Redirect { unsure: false, .. } => http::Failure::Denied(refusal.to_string()),
        refusal if refusal.is_of_answer() => http::Failure::NoAnswer(refusal.to_string()),
        refusal => http::Failure::Denied(refusal.to_string()),
    }
}
