//! Real HTTP to a simulator on loopback, with a bearer token, for native tests of connectors.

use ureq::http;
use ureq::{Agent, SendBody};

use crate::http::{Failure, Method, Request, Response};

/// The largest answer that is read, bytes.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// A handler for [`super::with_http`] that sends each request to `base_url`, whatever its slot, with `token` as bearer.
/// Each answer comes back as it is: nothing is renewed or repeated.
pub fn loopback(
    base_url: &str,
    token: &str,
) -> impl FnMut(&Request) -> Result<Response, Failure> + use<> {
    let base_url = base_url.trim_end_matches('/').to_owned();
    let bearer = format!("Bearer {token}");
    let config = Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0);
    let agent = config.build().new_agent();
    move |request| {
        let mut builder = http::Request::builder()
            .method(method(request.method))
            .uri(format!("{base_url}{}", request.path))
            .header("authorization", &bearer);
        for (name, value) in &request.headers {
            builder = builder.header(name, value);
        }
        let body = match request.method {
            Method::Get | Method::Head | Method::Delete if request.body.is_empty() => {
                SendBody::none()
            }
            _ => SendBody::from_owned_reader(std::io::Cursor::new(request.body.clone())),
        };
        let length = request.body.len();
        let builder = if length > 0 { builder.header("content-length", length) } else { builder };
        let ready = builder.body(body).map_err(|fault| Failure::Denied(fault.to_string()))?;
        agent.run(ready).map_err(failure).and_then(received)
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Patch => http::Method::PATCH,
        Method::Delete => http::Method::DELETE,
    }
}

fn received(mut answer: http::Response<ureq::Body>) -> Result<Response, Failure> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    let (status, headers) = (answer.status().as_u16(), headers.collect());
    let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(failure)?;
    Ok(Response { status, headers, body })
}

fn failure(fault: ureq::Error) -> Failure {
    match fault {
        ureq::Error::Timeout(_) => Failure::Timeout,
        ureq::Error::BodyExceedsLimit(bytes) => Failure::TooLarge(bytes),
        other => Failure::NoAnswer(other.to_string()),
    }
}
