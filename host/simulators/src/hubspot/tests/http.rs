//! The account behind a real socket.
//!
//! One test for what only a socket shows: header names, whole answers, lost ones, and a port that
//! closes.

use std::io::{Read, Write};
use std::net::TcpStream;

use tokio::net::TcpListener;

use super::*;
use crate::simulator::SimOptions;

/// Sends one request and reads until the server closes.
fn raw(base_url: &str, method: &str, path: &str, token: &str, body: &str) -> String {
    let address = base_url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A broken connection still leaves what was read before.
    drop(stream.read_to_end(&mut answer));
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_served_account_answers_in_title_case_loses_replies_and_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = SimOptions {
        seed: 1,
        people: 10,
        clock: SimClock::manual(START_MS),
        faults: Faults::none(),
    };
    let running = crate::hubspot::serve(listener, options).unwrap();
    let base_url = running.base_url.clone();
    let token = running.credentials["private_app_token"].as_str().unwrap().to_owned();
    let asked = tokio::task::spawn_blocking(move || {
        let whole = raw(&base_url, "GET", CONTACTS, &token, "");
        assert!(whole.starts_with("HTTP/1.1 200"), "{whole}");
        // RULES.md S8: some clients read header names as HTTP/1.1 servers of old wrote them.
        assert!(whole.contains("\r\nX-Hubspot-Correlation-Id: "), "{whole}");
        assert!(whole.contains("\r\nContent-Type: "), "{whole}");
        assert!(whole.ends_with('}'), "{whole}");
        raw(&base_url, "POST", "/_sim/faults", "", r#"{"lose_reply_after_write":1}"#);
        let lost = raw(&base_url, "POST", CONTACTS, &token, r#"{"properties":{"city":"here"}}"#);
        assert!(!lost.contains("here"), "{lost}");
        let records = raw(&base_url, "GET", "/_sim/records?object=contacts", "", "");
        assert!(records.contains("here"), "the write was done");
        base_url
    });
    let base_url = asked.await.unwrap();
    running.stop().await;
    assert!(TcpStream::connect(base_url.trim_start_matches("http://")).is_err());
}
