//! Days and moments in the time zone of an account.

use renkei_model::record::Removal;
use renkei_model::spec::days::{DayFacts, Days, time_zone};
use renkei_model::spec::{Direction, FieldKind, FirstLink, Winner};
use renkei_model::value::Value;

use super::{always, bench, check_cell};
use crate::bench::{Bench, direct, entity, field, match_key, member};
use crate::scenarios::{a, b};
use crate::world::knobs::Form;

/// `a` keeps moments in this zone, `b` days.
fn with_moments(zone: Option<&str>) -> Bench {
    let days = Days::unknown();
    if let Some(zone) = zone {
        let moments = [("closes".to_owned(), 1)].into();
        days.set_facts(DayFacts { zone: time_zone(zone), moments });
    }
    let fields = vec![
        field("mail", FieldKind::Mail, always("a")),
        field("closes", FieldKind::Date, always("a")),
    ];
    let groups = || vec![direct(0, "mail", Direction::Both), direct(1, "closes", Direction::Both)];
    let mut members = vec![member("a", "contacts", groups()), member("b", "people", groups())];
    members[0].days = days;
    let mut spec = entity("person", fields, members);
    spec.match_keys.push(match_key("mail", &[0], true));
    bench(spec)
}

fn moment(text: &str) -> Value {
    let (day, hour) = text.split_once(' ').unwrap();
    let start = |day: &str| {
        let days = Days::unknown();
        let moments = [("at".to_owned(), 1)].into();
        days.set_facts(DayFacts { zone: time_zone("UTC"), moments });
        days.outward("at", Some(Value::Date(day.into()))).unwrap().unwrap()
    };
    let Value::Timestamp(midnight) = start(day) else { panic!("{text}") };
    Value::Timestamp(midnight + hour.parse::<i64>().unwrap() * 3_600_000)
}

fn day(text: &str) -> Value {
    Value::Date(text.into())
}

/// `RULES.md` V7.
#[test]
fn moment_is_a_day_in_the_zone_of_its_account() {
    let bench = with_moments(Some("Asia/Tokyo"));
    let cells = [("mail", "a@x".into()), ("closes", moment("2026-03-31 23"))];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "closes", day("2026-04-01"));
    check_cell(&bench, &a(), &left, "closes", moment("2026-03-31 23"));
    bench.shared.world().edit(&b(), &right, "closes", day("2026-12-25"));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "closes", moment("2026-12-24 15"));
    // Another hour of the same day is no change, and stays.
    bench.shared.world().edit(&a(), &left, "closes", moment("2026-12-25 9"));
    assert!(bench.cycle().written.is_empty());
    check_cell(&bench, &a(), &left, "closes", moment("2026-12-25 9"));
}

/// `a` keeps moments in ms, `b` in whole minutes.
fn with_minutes(winner: Winner, first_link: FirstLink) -> Bench {
    let fields = vec![
        field("mail", FieldKind::Mail, always("a")),
        field("starts", FieldKind::Timestamp, winner),
        field("title", FieldKind::Text, always("a")),
    ];
    let groups = || {
        ["mail", "starts", "title"]
            .into_iter()
            .enumerate()
            .map(|(number, column)| direct(number, column, Direction::Both))
            .collect()
    };
    let mut members = vec![member("a", "contacts", groups()), member("b", "people", groups())];
    for (member, unit_ms) in members.iter_mut().zip([1, 60_000]) {
        member.days = Days::unknown();
        let moments = [("starts".to_owned(), unit_ms)].into();
        member.days.set_facts(DayFacts { zone: None, moments });
    }
    let mut spec = entity("person", fields, members);
    spec.first_link = first_link;
    spec.match_keys.push(match_key("mail", &[0], true));
    let bench = bench(spec);
    let forms = [("starts".to_owned(), Form::Coarse(60_000))];
    bench.shared.world().table(&b()).knobs.forms.extend(forms);
    bench
}

/// The moment that is so many seconds after a full hour.
fn second(seconds: i64) -> Value {
    Value::Timestamp(1_795_392_000_000 + seconds * 1_000)
}

/// `RULES.md` V21: at the first link, in an edit of the finer system, in one of the coarser one.
#[test]
fn system_that_keeps_minutes_takes_no_seconds_away() {
    let bench = with_minutes(Winner::Manual, FirstLink::Review);
    let mail = ("mail", Value::from("a@x"));
    let left = bench.shared.world().create(&a(), &[mail.clone(), ("starts", second(34))]);
    let right = bench.shared.world().create(&b(), &[mail, ("starts", second(0))]);
    bench.run_to_rest();
    assert!(bench.reviews().is_empty(), "{:?}", bench.reviews());
    check_cell(&bench, &a(), &left, "starts", second(34));
    // Another second of the same minute is nothing that the other system could keep.
    bench.shared.world().edit(&a(), &left, "starts", second(50));
    assert!(bench.cycle().written.is_empty());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "starts", second(50));
    // Another minute is.
    bench.shared.world().edit(&a(), &left, "starts", second(95));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "starts", second(60));
    check_cell(&bench, &a(), &left, "starts", second(95));
    // Whoever changes something else there changes no moment.
    bench.shared.world().edit(&b(), &right, "title", "CEO".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "starts", second(95));
    check_cell(&bench, &a(), &left, "title", "CEO");
    bench.shared.world().edit(&b(), &right, "starts", second(300));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "starts", second(300));
    assert!(bench.reviews().is_empty(), "{:?}", bench.reviews());
}

/// `RULES.md` V21: the same minute in both is no conflict, another one is; and a moment is no edit
/// that outlives a deletion only because one system keeps less of it.
#[test]
fn minutes_are_compared_as_minutes() {
    let bench = with_minutes(Winner::Manual, FirstLink::Review);
    let cells = [("mail", "a@x".into()), ("starts", second(34))];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "starts", second(0));
    bench.shared.world().edit(&a(), &left, "starts", second(629));
    bench.shared.world().edit(&b(), &right, "starts", second(600));
    bench.run_to_rest();
    assert!(bench.reviews().is_empty(), "{:?}", bench.reviews());
    check_cell(&bench, &a(), &left, "starts", second(629));
    bench.shared.world().edit(&a(), &left, "starts", second(1_229));
    bench.shared.world().edit(&b(), &right, "starts", second(1_800));
    bench.run_to_rest();
    assert_eq!(bench.open_reviews().len(), 1);
    let bench = with_minutes(Winner::Manual, FirstLink::Review);
    let mail = ("mail", Value::from("a@x"));
    let left = bench.shared.world().create(&a(), &[mail.clone(), ("starts", second(34))]);
    bench.shared.world().create(&b(), &[mail, ("starts", second(0))]);
    bench.run_to_rest();
    bench.shared.world().remove(&a(), &left, Removal::Deleted);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()), Vec::<String>::new());
}

/// `RULES.md` V7: the zone is one whose clock changes.
#[test]
fn day_is_written_as_its_first_moment_in_summer_and_winter() {
    let bench = with_moments(Some("America/New_York"));
    for (number, (text, expected)) in
        [("2026-01-15", "2026-01-15 5"), ("2026-07-15", "2026-07-15 4")].into_iter().enumerate()
    {
        let mail = format!("p{number}@x");
        let cells = [("mail", mail.as_str().into()), ("closes", day(text))];
        let right = bench.shared.world().create(&b(), &cells);
        bench.run_to_rest();
        let left = bench.shared.world().live(&a())[number].clone();
        check_cell(&bench, &a(), &left, "closes", moment(expected));
        check_cell(&bench, &b(), &right, "closes", day(text));
    }
}

/// `RULES.md` V7: a system that has not said which zone its account has.
#[test]
fn no_day_is_guessed_while_the_zone_is_not_known() {
    let bench = with_moments(None);
    let cells = [("mail", "a@x".into()), ("closes", moment("2026-03-31 23"))];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "mail", "a@x");
    check_cell(&bench, &b(), &right, "closes", Value::Null);
    bench.shared.world().edit(&b(), &right, "closes", day("2026-12-25"));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "closes", moment("2026-03-31 23"));
}
