//! Several requests in one call of the guest, and quotas that only the guest can read.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use renkei_egress::{CallEvidence, EgressRefusal, SendError};
use renkei_model::ports::Clock as _;

use super::*;

#[tokio::test]
async fn answers_come_in_the_order_of_the_requests() {
    let server = Server::start(|_, seen, _| match seen.path.as_str() {
        "/bad" => reply(404, "none"),
        path => reply(200, path.to_owned()),
    })
    .await;
    let system = open_bearer(&server.base, &Arc::default());
    let mut job = open_job(&system);
    let strange = HttpRequest { slot: "other".to_owned(), ..get("/1") };
    let requests = vec![get("/1"), strange, get("/bad"), get("/2"), get("/3"), get("/4")];
    let answers = job.send_all(requests).await;
    let told = |answer: &Result<renkei_egress::HttpResponse, SendError>| match answer {
        Ok(answer) => format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)),
        Err(SendError::Refused(EgressRefusal::Slot(name))) => format!("no slot {name}"),
        Err(other) => format!("{other:?}"),
    };
    let told: Vec<String> = answers.iter().map(told).collect();
    assert_eq!(told, ["200 /1", "no slot other", "404 none", "200 /2", "200 /3", "200 /4"]);
    assert_eq!(job.evidence(), CallEvidence::Answered);
    assert_eq!(system.traffic().requests, 5, "each is counted");
}

/// As many as the manifest says, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn requests_are_on_the_way_at_the_same_time() {
    static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let all_here = Arc::new(std::sync::Barrier::new(4));
    let server = Server::start(move |_, _, _| {
        MOST.fetch_max(UNDER_WAY.fetch_add(1, SeqCst) + 1, SeqCst);
        // Nobody is answered before four have come.
        let all_here = Arc::clone(&all_here);
        tokio::task::block_in_place(move || all_here.wait());
        UNDER_WAY.fetch_sub(1, SeqCst);
        reply(200, "")
    })
    .await;
    let system = open_bearer(&server.base, &Arc::default());
    let answers = open_job(&system).send_all((0..8).map(|_| get("/things")).collect()).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(MOST.load(SeqCst), 4);
}

#[tokio::test]
async fn requests_behind_answers_that_are_too_large_together_are_not_sent() {
    let large = vec![b'x'; 9 << 20];
    let server = Server::start(move |_, _, _| {
        reply(200, String::from_utf8(large.clone()).unwrap_or_default())
    })
    .await;
    let system = open_bearer(&server.base, &Arc::default());
    let answers = open_job(&system).send_all((0..20).map(|_| get("/things")).collect()).await;
    let sent = answers.iter().filter(|answer| answer.is_ok()).count();
    assert!((4..=8).contains(&sent), "{sent}");
    assert_eq!(server.seen("/things").len(), sent);
    let refused = Err(SendError::Refused(EgressRefusal::AnswersTogether));
    assert!(answers.iter().skip(8).all(|answer| *answer == refused));
}

#[tokio::test]
async fn a_quota_that_the_guest_read_holds_its_requests_back() {
    let server = Server::start(|_, _, _| reply(200, r#"{"error":"606"}"#)).await;
    let clock = Arc::<HandClock>::default();
    let system = open_bearer(&server.base, &clock);
    let mut job = open_job(&system);
    let search = || HttpRequest { quotas: vec!["search".to_owned()], ..get("/search") };
    let unread = Err(SendError::Refused(EgressRefusal::NothingRead));
    assert_eq!(job.report_throttled("primary", "search", 30_000).await, unread);
    job.send(search()).await.unwrap();
    assert_eq!(job.report_throttled("primary", "search", 30_000).await, Ok(()));
    let strange = Err(SendError::Refused(EgressRefusal::Quota("other".to_owned())));
    assert_eq!(job.report_throttled("primary", "other", 30_000).await, strange);

    let before_ms = clock.now_ms();
    job.send(get("/things")).await.unwrap();
    assert_eq!(clock.now_ms(), before_ms, "other requests go on");
    job.send(search()).await.unwrap();
    assert!(clock.now_ms() >= before_ms + 30_000, "{}", clock.now_ms());

    assert_eq!(job.report_throttled("primary", "all", 600_000).await, Ok(()));
    let held = job.send(get("/things")).await;
    assert!(matches!(held, Err(SendError::Quota(ms)) if ms > 500_000), "{held:?}");
}
