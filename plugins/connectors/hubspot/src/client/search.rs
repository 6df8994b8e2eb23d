//! Bodies of searches (`API.md`, H-search-1, H-search-3). Pure.
//!
//! A search answers 10,000 results at most, however they are paged. So nothing here pages by
//! offset: every search sorts by id and asks for ids above the last one seen. Neither the cap nor
//! equal stamps nor rows that move while they are read can disturb that (H-search-8).

use renkei_sdk::http::Request;
use serde_json::{Value as Json, json};

/// The time by which the index of searches may lag behind writes, ms (H-search-4).
pub(crate) const LAG_MS: i64 = 60_000;
/// Rows per page.
pub(crate) const PAGE_MAX: u32 = 200;
/// Values of one `IN`, and the characters in them (H-search-9).
const VALUES_MAX: usize = 100;
const CHARACTERS_MAX: usize = 2_500;

/// The most groups of a search, filters of a group, and filters in all (H-search-2).
const GROUPS_MAX: usize = 5;
const GROUP_LEN_MAX: usize = 6;
const FILTERS_MAX: usize = 18;

/// The filters of a search: all of one group must hold, of any group.
pub(crate) type Groups = Vec<Vec<Json>>;

/// The property that moves with every change of a record (H-search-6).
pub(crate) fn modified_property(object: &str) -> &'static str {
    if object == "contacts" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

/// Records modified at `from_ms` or later.
pub(crate) fn filter_modified_since(object: &str, from_ms: i64) -> Json {
    let property = modified_property(object);
    json!({ "propertyName": property, "operator": "GTE", "value": from_ms.to_string() })
}

/// Records with one of these values.
pub(crate) fn filter_one_of(property: &str, values: &[String]) -> Json {
    json!({ "propertyName": property, "operator": "IN", "values": values })
}

/// The page after `last_id` of the records that one of the groups lets through.
pub(crate) fn request_page(
    object: &str,
    groups: &[Vec<Json>],
    last_id: Option<&str>,
    properties: &[String],
    limit: u32,
) -> Request {
    let behind = |id| json!({ "propertyName": "hs_object_id", "operator": "GT", "value": id });
    let group = |filters: &Vec<Json>| {
        let filters: Vec<Json> = filters.iter().cloned().chain(last_id.map(behind)).collect();
        json!({ "filters": filters })
    };
    let body = json!({
        "filterGroups": groups.iter().map(group).collect::<Vec<Json>>(),
        "sorts": [{ "propertyName": "hs_object_id", "direction": "ASCENDING" }],
        "properties": properties,
        "limit": limit.clamp(1, PAGE_MAX),
    });
    Request::post(format!("/crm/v3/objects/{object}/search"))
        .json(&body)
        .quota("search")
        .repeatable()
}

/// The searches for records of which all `keys` equal one of the lists, a group for each list; none
/// where a group would be too long. Every group has room for the id of the last record seen.
pub(crate) fn group_by_keys(keys: &[String], lists: Vec<Vec<String>>) -> Option<Vec<Groups>> {
    let group_len = keys.len() + 1;
    if group_len > GROUP_LEN_MAX {
        return None;
    }
    let group = |list: &Vec<String>| -> Vec<Json> {
        let both = keys.iter().zip(list);
        both.map(|(key, text)| filter_one_of(key, std::slice::from_ref(text))).collect()
    };
    let groups = GROUPS_MAX.min(FILTERS_MAX / group_len);
    Some(lists.chunks(groups).map(|part| part.iter().map(group).collect()).collect())
}

/// Splits values into lists that one `IN` takes.
pub(crate) fn split_values(values: Vec<String>) -> Vec<Vec<String>> {
    let mut chunks: Vec<Vec<String>> = Vec::new();
    let mut characters = 0;
    for value in values {
        characters += value.chars().count();
        match chunks.last_mut() {
            Some(last) if last.len() < VALUES_MAX && characters <= CHARACTERS_MAX => {
                last.push(value)
            }
            _ => {
                characters = value.chars().count();
                chunks.push(vec![value]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(request: &Request) -> Json {
        serde_json::from_slice(&request.body).unwrap()
    }

    #[test]
    fn first_page_filters_by_time_and_sorts_by_id() {
        let filter = filter_modified_since("contacts", 1_773_309_857_969);
        let groups = [vec![filter]];
        let request = request_page("contacts", &groups, None, &["email".into()], 500);
        assert_eq!(
            body(&request),
            json!({
                "filterGroups": [{ "filters": [{
                    "propertyName": "lastmodifieddate", "operator": "GTE", "value": "1773309857969"
                }] }],
                "sorts": [{ "propertyName": "hs_object_id", "direction": "ASCENDING" }],
                "properties": ["email"],
                "limit": 200
            })
        );
        assert_eq!(request.quotas, ["search"]);
        assert!(request.repeatable);
    }

    #[test]
    fn next_page_asks_for_ids_above_the_last() {
        let groups = [vec![filter_modified_since("deals", 5)], vec![json!({})]];
        let request = request_page("deals", &groups, Some("77"), &[], 10);
        let body = body(&request);
        let filters = &body["filterGroups"][0]["filters"];
        assert_eq!(filters[0]["propertyName"], "hs_lastmodifieddate");
        assert_eq!(
            filters[1],
            json!({ "propertyName": "hs_object_id", "operator": "GT", "value": "77" })
        );
        assert_eq!(body["filterGroups"][1]["filters"][1], filters[1], "in each group");
        assert!(body.get("after").is_none());
    }

    #[test]
    fn several_properties_are_a_group_and_searches_keep_their_limits() {
        let texts = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let sizes = |keys: usize| {
            let searches = group_by_keys(&texts(keys), vec![texts(keys); 7])?;
            Some(searches.iter().map(Vec::len).collect::<Vec<_>>())
        };
        assert_eq!(sizes(2), Some(vec![5, 2]));
        assert_eq!(sizes(3), Some(vec![4, 3]));
        assert_eq!(sizes(5), Some(vec![3, 3, 1]));
        assert_eq!(sizes(6), None);
        let searches = group_by_keys(&texts(2), vec![vec!["a".into(), "b".into()]]).unwrap();
        let filter = |name, text| filter_one_of(name, &[String::from(text)]);
        assert_eq!(searches, [[[filter("0", "a"), filter("1", "b")]]]);
    }

    #[test]
    fn values_are_split_by_number_and_by_length() {
        let check = |values: Vec<String>, expected: &[usize]| {
            let lengths: Vec<usize> = split_values(values).iter().map(Vec::len).collect();
            assert_eq!(lengths, expected);
        };
        check(vec!["a".into(); 250], &[100, 100, 50]);
        check(vec!["x".repeat(1_000); 5], &[2, 2, 1]);
        check(vec!["x".repeat(9_000), "y".into()], &[1, 1]);
        check(Vec::new(), &[]);
    }
}
