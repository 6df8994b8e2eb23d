//! Matching: a group that could be several things is never picked from.

use super::*;

fn record(system: &str, id: &str) -> RecordKey {
    RecordKey { system: system.into(), object: "contacts".into(), id: id.into() }
}

fn key(unique: bool) -> MatchKey {
    MatchKey { name: "mail".into(), fields: Vec::new(), transform: None, unique }
}

/// `others` are system, id and link number (zero is none); all share the record's key.
fn check(unique: bool, others: &[(&str, &str, u64)], expected: &str) {
    let value = ("mail".to_owned(), "a@b".to_owned());
    let mut known = MatchContext::default();
    let mut candidates =
        vec![Candidate { value: value.1.clone(), record: record("a", "1"), link: None }];
    for (system, id, link) in others {
        let link = (*link > 0).then_some(LinkId(*link));
        if let Some(link) = link {
            known.occupied.insert((link, (*system).to_owned()));
        }
        candidates.push(Candidate { value: value.1.clone(), record: record(system, id), link });
    }
    known.candidates.insert(value.clone(), candidates);
    let said = match judge(&[key(unique)], &record("a", "1"), &[value], &known) {
        MatchVerdict::Join { link, others, .. } => format!("join {link} with {}", others.len()),
        MatchVerdict::Found { others, .. } => format!("found with {}", others.len()),
        MatchVerdict::Held => "held".to_owned(),
        MatchVerdict::Ambiguous { records, .. } => format!("ambiguous among {}", records.len()),
    };
    assert_eq!(said, expected, "{others:?}");
}

#[test]
fn one_counterpart_is_a_match() {
    check(true, &[], "found with 0");
    check(true, &[("b", "1", 0)], "found with 1");
    check(true, &[("b", "1", 7)], "join 7 with 0");
    check(true, &[("b", "1", 7), ("c", "1", 0)], "join 7 with 1");
    check(true, &[("b", "1", 0), ("c", "1", 0)], "found with 2");
}

#[test]
fn several_are_never_picked_from() {
    check(true, &[("b", "1", 0), ("b", "2", 0)], "ambiguous among 3");
    check(true, &[("b", "1", 7), ("c", "1", 8)], "ambiguous among 3");
    check(true, &[("a", "2", 0), ("b", "1", 0)], "ambiguous among 3");
    check(false, &[("a", "2", 0), ("b", "1", 0)], "ambiguous among 3");
}

/// `RULES.md` V15: a person has put the two of `b` together.
#[test]
fn records_of_one_link_are_one_thing() {
    check(false, &[("b", "1", 7), ("b", "2", 7)], "join 7 with 0");
    check(true, &[("b", "1", 7), ("b", "2", 7)], "join 7 with 0");
    check(true, &[("b", "1", 7), ("c", "1", 7), ("d", "1", 0)], "join 7 with 1");
    check(false, &[("b", "1", 7), ("b", "2", 7), ("b", "3", 0)], "ambiguous among 4");
    check(false, &[("b", "1", 7), ("b", "2", 7), ("c", "1", 8)], "ambiguous among 4");
}

#[test]
fn a_repeated_key_makes_separate_links_unless_it_is_unique() {
    check(true, &[("a", "2", 0)], "ambiguous among 2");
    check(false, &[("a", "2", 0)], "found with 0");
    check(true, &[("a", "2", 7), ("b", "1", 7)], "ambiguous among 3");
    check(false, &[("a", "2", 7), ("b", "1", 7)], "found with 0");
}
