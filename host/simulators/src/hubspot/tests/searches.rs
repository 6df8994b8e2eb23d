//! Search: lag, caps and comparison quirks (H-search-2, H-search-5, H-search-7,
//! H-search-10).
//!
//! Tests that need no lag use an account without it, so that a write is found at once.

use super::*;

const SEARCH: &str = "/crm/v3/objects/contacts/search";

fn filter(name: &str, operator: &str, more: Value) -> Value {
    let mut filter = json!({"propertyName": name, "operator": operator});
    filter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"filterGroups": [{"filters": [filter]}], "limit": 200})
}

#[test]
fn the_index_lags_behind_and_keeps_old_values_meanwhile() {
    let mut account = Account::with(0, Faults { rate_limits: false, ..Faults::default() });
    let id = account.create("contacts", json!({"city": "港区"}));
    let all = json!({"properties": ["city"]});
    let seen = |account: &mut Account| {
        let (_, page) = account.post(SEARCH, all.clone());
        page["results"][0]["properties"]["city"].as_str().map(str::to_owned)
    };
    assert_eq!(seen(&mut account), None);
    account.clock.advance(15_000);
    account.patch(&format!("{CONTACTS}/{id}"), json!({"properties": {"city": "渋谷区"}}));
    account.clock.advance(5_000);
    assert_eq!(seen(&mut account).as_deref(), Some("港区"));
    account.clock.advance(15_000);
    assert_eq!(seen(&mut account).as_deref(), Some("渋谷区"));
    account.delete(&format!("{CONTACTS}/{id}"));
    assert_eq!(seen(&mut account), None, "archived rows go at once");
}

#[test]
fn operators_compare_by_type() {
    let mut account = Account::empty();
    account.create("contacts", json!({"email": "a@example.jp", "city": "Tokyo Minato"}));
    account.create("contacts", json!({"email": "b@example.jp"}));
    let mut check = |name: &str, operator: &str, more: Value, total: usize| {
        let (status, page) = account.post(SEARCH, filter(name, operator, more));
        assert_eq!((status, &page["total"]), (200, &json!(total)), "{name} {operator}");
    };
    check("email", "EQ", json!({"value": "A@example.jp"}), 1);
    check("email", "NEQ", json!({"value": "a@example.jp"}), 1);
    check("email", "IN", json!({"values": ["a@example.jp", "b@example.jp"]}), 2);
    check("city", "IN", json!({"values": ["tokyo minato"]}), 1);
    check("city", "IN", json!({"values": ["Tokyo Minato"]}), 0);
    check("city", "NOT_IN", json!({"values": ["tokyo minato"]}), 1);
    check("city", "HAS_PROPERTY", json!({}), 1);
    check("city", "NOT_HAS_PROPERTY", json!({}), 1);
    check("city", "CONTAINS_TOKEN", json!({"value": "minato"}), 1);
    check("city", "CONTAINS_TOKEN", json!({"value": "min*"}), 1);
    check("city", "CONTAINS_TOKEN", json!({"value": "nat"}), 0);
    check("city", "NOT_CONTAINS_TOKEN", json!({"value": "minato"}), 1);
    check("email", "GT", json!({"value": "a@example.jp"}), 1);
    let at = START_MS.to_string();
    check("lastmodifieddate", "GTE", json!({"value": at}), 2);
    check("lastmodifieddate", "GT", json!({"value": at}), 0);
    check("lastmodifieddate", "LT", json!({"value": "2026-03-12T10:04:17.970Z"}), 2);
    check("lastmodifieddate", "BETWEEN", json!({"value": at, "highValue": at}), 2);
    check("hs_object_id", "GT", json!({"value": "100000000001"}), 1);
    check("hs_object_id", "IN", json!({"values": ["100000000001", "5"]}), 1);
    account.hubspot.faults.hubspot.in_needs_lower_case = false;
    let (_, page) = account.post(SEARCH, filter("city", "IN", json!({"values": ["Tokyo Minato"]})));
    assert_eq!(page["total"], 1);
}

#[test]
fn malformed_searches_are_refused() {
    let mut account = Account::empty();
    let group = |count: usize| {
        let filter = json!({"propertyName": "city", "operator": "HAS_PROPERTY"});
        json!({"filters": vec![filter; count]})
    };
    let mut check = |body: Value, status: u16| {
        assert_eq!(account.post(SEARCH, body.clone()).0, status, "{body}");
    };
    check(json!({"limit": 200}), 200);
    check(json!({"limit": 201}), 400);
    check(json!({"after": "9999"}), 200);
    check(json!({"after": "10000"}), 400);
    check(json!({"sorts": [{"propertyName": "city", "direction": "DESCENDING"}]}), 200);
    check(json!({"sorts": ["city", "email"]}), 400);
    check(json!({"query": "a".repeat(3_001)}), 400);
    check(json!({"filterGroups": vec![group(3); 5]}), 200);
    check(json!({"filterGroups": vec![group(1); 6]}), 400);
    check(json!({"filterGroups": [group(7)]}), 400);
    check(json!({"filterGroups": vec![group(5); 4]}), 400);
    check(filter("nonsense", "HAS_PROPERTY", json!({})), 400);
    check(filter("city", "LIKE", json!({"value": "x"})), 400);
}

#[test]
fn equal_stamps_beyond_ten_thousand_can_only_be_reached_by_id() {
    let faults = Faults { seed_with_one_stamp: true, ..Faults::none() };
    let mut account = Account::with(14_000, faults);
    let page = |after: &str, id: &str| {
        json!({
            "filterGroups": [{"filters": [
                {"propertyName": "lastmodifieddate", "operator": "GTE", "value": "0"},
                {"propertyName": "hs_object_id", "operator": "GT", "value": id},
            ]}],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": 200, "after": after,
        })
    };
    let (_, last) = account.post(SEARCH, page("9800", "0"));
    assert_eq!(last["total"], 10_500, "the total counts beyond the cap");
    assert_eq!(last["paging"]["next"]["after"], "10000");
    assert_eq!(account.post(SEARCH, page("10000", "0")).0, 400);
    let last_id = last["results"][199]["id"].as_str().unwrap().to_owned();
    let (_, rest) = account.post(SEARCH, page("0", &last_id));
    assert_eq!(rest["total"], 500);
}

#[test]
fn five_searches_a_second_and_no_limit_headers() {
    let mut account = Account::with(0, Faults::default());
    for _ in 0..5 {
        let (status, headers, _) = account.send("POST", SEARCH, json!({}));
        assert_eq!(status, 200);
        assert!(!headers.contains_key("x-hubspot-ratelimit-max"));
    }
    let (status, error) = account.post(SEARCH, json!({}));
    assert_eq!((status, &error["policyName"]), (429, &json!("SECONDLY")));
    assert_eq!(error["errorType"], "RATE_LIMIT");
    account.clock.advance(1_000);
    assert_eq!(account.post(SEARCH, json!({})).0, 200);
}
