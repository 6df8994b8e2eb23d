//! Implements the imports of a guest: log, http and signing, in the contract's own types.

use reqwest::Method;

use super::guest_log::GuestLogLevel;
use super::guest_state::GuestState;
use super::signing::{self, SigningAlgorithm};
use crate::sandbox::bindings::v1::{http, log, signing as signing_v1, types};
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

impl signing_v1::Host for GuestState {
    fn verify(
        &mut self,
        secret: String,
        algorithm: signing_v1::Algorithm,
        message: Vec<u8>,
        expected: Vec<u8>,
    ) -> wasmtime::Result<bool> {
        let algorithm = match algorithm {
            signing_v1::Algorithm::HmacSha256 => SigningAlgorithm::HmacSha256,
            signing_v1::Algorithm::Sha256Prefixed => SigningAlgorithm::Sha256Prefixed,
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
        // What is refused at once is no wait: a guest that asks for it in a loop runs.
        if !matches!(&outcome, Err(SendError::Refused(refusal)) if !refusal.is_of_answer()) {
            self.meter.waited();
        }
        Ok(outcome.map(response_to_guest).map_err(failure_to_guest))
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
    http::Response { status: response.status, headers: response.headers, body: response.body }
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
