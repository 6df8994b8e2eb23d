//! Real HTTP to a simulator on loopback, with a bearer token, for native tests of connectors.

use ureq::http;
use ureq::{Agent, SendBody};

use crate::http::{Failure, Method, Request, Response};

/// The largest answer that is read, bytes.
const ANSWER_MAX: u64 = 64 * 1024 * 1024;

/// A handler for [`super::with_http`] that sends each request to `base_url`, whatever its slot,
/// with `token` as bearer. Each answer comes back as it is: nothing is renewed or repeated.
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
            .method(request.method.as_str())
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

fn received(mut answer: http::Response<ureq::Body>) -> Result<Response, Failure> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = answer.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
    let (status, headers) = (answer.status().as_u16(), headers.collect());
    let body = answer.body_mut().with_config().limit(ANSWER_MAX).read_to_vec().map_err(failure)?;
    Ok(Response { headers, ..Response::new(status, body) })
}

fn failure(fault: ureq::Error) -> Failure {
    match fault {
        ureq::Error::Timeout(_) => Failure::Timeout,
        ureq::Error::BodyExceedsLimit(bytes) => Failure::TooLarge(bytes),
        other => Failure::NoAnswer(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::testing::with_http;

    /// Answers one request, once it ends as given, with these bytes; gives back what it read.
    fn serve(
        answer: &'static str,
        end: &'static [u8],
    ) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}/", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut read = Vec::new();
            let mut buffer = [0; 1024];
            while !read.ends_with(end) {
                let count = stream.read(&mut buffer).unwrap();
                assert_ne!(count, 0, "the request ends early");
                read.extend_from_slice(&buffer[..count]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(read).unwrap()
        });
        (base_url, server)
    }

    #[test]
    fn request_goes_out_with_its_token_and_any_answer_comes_back() {
        let answer = "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\n{}";
        let (base_url, server) = serve(answer, b"\r\n\r\n");
        let request = Request::get("/people?limit=1").header("x-version", "2");
        let response = with_http(loopback(&base_url, "t0"), || request.send()).unwrap();
        assert_eq!((response.status, response.header("retry-after")), (429, Some("3")));
        assert_eq!(response.body, b"{}");
        let sent = server.join().unwrap();
        assert!(sent.starts_with("GET /people?limit=1 HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("authorization: Bearer t0\r\n"), "{sent}");
        assert!(sent.contains("x-version: 2\r\n"), "{sent}");
    }

    #[test]
    fn body_is_sent_with_its_length() {
        let answer = "HTTP/1.1 204 No Content\r\n\r\n";
        let (base_url, server) = serve(answer, b"\"}");
        let request =
            Request::patch("/people/1").json(&serde_json::json!({ "name": "x".repeat(99) }));
        let response = with_http(loopback(&base_url, "t0"), || request.send()).unwrap();
        assert_eq!(response.status, 204);
        let sent = server.join().unwrap();
        assert!(sent.contains("content-length: 110\r\n"), "{sent}");
        assert!(!sent.contains("transfer-encoding"), "{sent}");
    }

    #[test]
    fn closed_port_is_no_answer() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let base_url = format!("http://127.0.0.1:{port}");
        let response = with_http(loopback(&base_url, "t0"), || Request::get("/").send());
        assert!(matches!(response, Err(Failure::NoAnswer(_))), "{response:?}");
    }
}
