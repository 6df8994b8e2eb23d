//! A guest that misbehaves gets a typed error and harms nobody (`SECURITY.md`).

use renkei_fixtures::Fixture;
use renkei_model::plugin::PluginError;
use renkei_model::ports::{Systems as _, TransformCall, Transforms as _, Way};

use super::{House, batch, forward, nothing, page_request};
use crate::tests::stage::{client_credentials, system};
use crate::{SystemAuth, SystemConfig};
use renkei_test_servers::{Server, reply, token};

fn systems(fixtures: &[Fixture], base: &str) -> Vec<SystemConfig> {
    let named = |fixture: &Fixture| SystemConfig {
        name: fixture.id().to_owned(),
        ..system(*fixture, base, SystemAuth::Bearer("fixed-token-1".into()))
    };
    fixtures.iter().map(named).collect()
}

async fn check(house: &House, fixture: Fixture, expected: &str) {
    let job = house.runtime.open(fixture.id()).await.unwrap();
    let error = job.read_page(&page_request("/things")).await.unwrap_err();
    let shown = error.to_string();
    assert!(shown.starts_with(&format!("{}@1.0.0: ", fixture.id())), "{shown}");
    assert!(shown.contains(expected), "{shown}");
    let stopped = !matches!(fixture, Fixture::Stranger | Fixture::Malformed);
    let again = job.read_page(&page_request("/things")).await.unwrap_err().to_string();
    assert_eq!(again.contains("earlier in this job"), stopped, "{again}");
}

#[tokio::test]
async fn a_hostile_connector_is_stopped_and_its_neighbour_goes_on() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let fixtures = [
        Fixture::Loops,
        Fixture::Hog,
        Fixture::Traps,
        Fixture::Deep,
        Fixture::Stranger,
        Fixture::Malformed,
        Fixture::Courier,
    ];
    let house = House::new(&fixtures, systems(&fixtures, &server.base)).await;
    let neighbour = house.runtime.open("courier").await.unwrap();
    for (fixture, expected) in [
        (Fixture::Loops, "ran longer than its limit of 500 ms"),
        (Fixture::Hog, "wanted more than its memory limit of 32 MiB"),
        (Fixture::Traps, "trapped"),
        (Fixture::Deep, "ran out of stack"),
        (Fixture::Stranger, "absolute URLs are not taken"),
        (Fixture::Malformed, "broke the contract: row 0 has 0 cells for 1 columns"),
    ] {
        check(&house, fixture, expected).await;
        let page = neighbour.read_page(&page_request("/things")).await.unwrap();
        assert_eq!((page.cursor.as_slice(), page.server_time_ms), (b"here".as_slice(), Some(200)));
    }
    assert_eq!(house.runtime.traffic("stranger").unwrap().requests, 0);
    assert_eq!(house.runtime.traffic("courier").unwrap().requests, 6);
}

#[tokio::test]
async fn a_busy_guest_does_not_starve_the_others() {
    let server = Server::start(|_, _, _| reply(200, "here")).await;
    let fixtures = [Fixture::Loops, Fixture::Courier];
    let house = House::new(&fixtures, systems(&fixtures, &server.base)).await;
    let (busy, neighbour) =
        (house.runtime.open("loops").await.unwrap(), house.runtime.open("courier").await.unwrap());
    // One thread for both: the loop must yield for the neighbour to get its answer first.
    let (things, loops) = (page_request("/things"), page_request("/things"));
    let first = tokio::select! {
        biased;
        outcome = busy.read_page(&loops) => outcome.map(|_| "loops"),
        outcome = neighbour.read_page(&things) => outcome.map(|_| "courier"),
    };
    assert_eq!(first.unwrap(), "courier");
}

#[tokio::test]
async fn a_cancelled_call_ends_the_job() {
    let fixtures = [Fixture::Loops];
    let house = House::new(&fixtures, systems(&fixtures, "http://127.0.0.1:9")).await;
    let job = house.runtime.open("loops").await.unwrap();
    let cancelled = tokio::time::timeout(std::time::Duration::from_millis(20), job.check()).await;
    assert!(cancelled.is_err());
    let error = job.check().await.unwrap_err().to_string();
    assert!(error.contains("an earlier call was cancelled"), "{error}");
}

#[tokio::test]
async fn no_guest_sees_a_credential() {
    let server = Server::start(|base, seen, _| match seen.path.as_str() {
        "/token" => token(base, "access-token-1", r#","refresh_token":"refresh-token-2""#),
        _ => reply(200, format!("{} {}", seen.authorization, seen.body)),
    })
    .await;
    let system = system(Fixture::Courier, &server.base, client_credentials());
    let house = House::new(&[Fixture::Courier], vec![system]).await;
    let job = house.runtime.open("acme").await.unwrap();
    let page = job.read_page(&page_request("/echo")).await.unwrap();
    assert_eq!(server.seen("/echo")[0].authorization, "Bearer access-token-1");
    assert_eq!(String::from_utf8(page.cursor).unwrap(), "Bearer [redacted] ");
}

#[tokio::test]
async fn transforms_are_held_to_their_contract() {
    let fixtures = [Fixture::Echo, Fixture::Loses, Fixture::Spins, Fixture::Forgetful];
    let house = House::new(&fixtures, vec![]).await;
    let run =
        async |plugin: &str, function: &str| forward(&house.runtime, plugin, function, 3).await;
    assert_eq!(run("echo", "same").await.unwrap(), batch(3));
    for (plugin, function, expected) in [
        ("loses", "same", "broke the contract: it answered with 2 rows for 3 rows"),
        ("spins", "same", "ran longer than its limit of 60 ms"),
        ("echo", "once", "broke the contract: it answered with the columns"),
        ("echo", "other", "no function `other`"),
        ("absent", "same", "no such plugin is loaded"),
    ] {
        let error = run(plugin, function).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{plugin}: {error}");
    }
    let parameters = vec![("x".to_owned(), "y".into())];
    let (input, old) = (batch(3), nothing());
    let call = TransformCall {
        plugin: "echo",
        function: "same",
        way: Way::Forward,
        parameters: &parameters,
        input: &input,
        old: &old,
    };
    let refused = house.runtime.run(call).await;
    assert!(matches!(refused, Err(PluginError::Invalid { .. })), "{refused:?}");

    let back = async |plugin: &str, function: &str| {
        let (way, parameters, old) = (Way::Backward, &vec![], &input);
        house
            .runtime
            .run(TransformCall { plugin, function, way, parameters, input: &input, old })
            .await
    };
    assert_eq!(back("echo", "same").await.unwrap(), batch(3));
    let error = back("echo", "once").await.unwrap_err().to_string();
    assert!(error.contains("`once` is one-way"), "{error}");
    let error = back("forgetful", "same").await.unwrap_err().to_string();
    assert!(error.contains("runs one-way only: forward of backward"), "{error}");
}

#[tokio::test]
async fn a_connector_is_no_transform() {
    let server = Server::start(|_, _, _| reply(200, "")).await;
    let fixtures = [Fixture::Courier, Fixture::Echo];
    let house = House::new(&fixtures, systems(&fixtures, &server.base)).await;
    let error = house.runtime.open("echo").await.err().unwrap().to_string();
    assert!(error.contains("it is not a connector"), "{error}");
    let error = forward(&house.runtime, "courier", "same", 1).await.unwrap_err().to_string();
    assert!(error.contains("it is not a transform"), "{error}");
}
