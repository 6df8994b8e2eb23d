//! Lists of choices through tables: each item is one of the table, or the field stands still.

use futures::executor::block_on;
use renkei_model::spec::FieldKind;
use renkei_model::state::{FailureClass, LinkId, ReviewChoice, ReviewSubject};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::resolve::{parse_given_value, resolve};
use renkei_sync::answers::why::{WhySubject, why};

use super::bench;
use crate::bench::{Bench, table};
use crate::scenarios::{a, b, people};
use crate::world::Place;

fn list(items: &[&str]) -> Value {
    Value::Choices(items.iter().map(|item| (*item).into()).collect())
}

/// People whose interests are numbers in `a` and letters in `b`, which lacks one of them and has
/// two for another.
fn interests() -> Bench {
    let mut spec = people();
    spec.fields[3].kind = FieldKind::Choices;
    let numbers = [("1", "sales"), ("2", "service"), ("3", "research")];
    let back = numbers.map(|(remote, item)| (item, remote));
    spec.members[0].groups[3] = table(3, "city", &numbers, &back);
    let letters = [("S", "sales"), ("H", "service"), ("Help", "service")];
    let back = [("sales", "S"), ("service", "H")];
    spec.members[1].groups[3] = table(3, "city", &letters, &back);
    bench(spec)
}

/// A person with these interests in `a`, and its counterpart.
fn person(bench: &Bench, items: &[&str]) -> (String, String) {
    let cells = [("mail", "a@x".into()), ("city", list(items))];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    (left, right)
}

fn edit(bench: &Bench, at: &Place, id: &str, items: &[&str]) {
    bench.shared.world().edit(at, id, "city", list(items));
    bench.run_to_rest();
}

fn check_list(bench: &Bench, at: &Place, id: &str, items: &[&str]) {
    assert_eq!(bench.shared.world().cell(at, id, "city"), list(items), "{at:?}");
}

/// Values that are listed as outside the table.
fn outside(bench: &Bench) -> Vec<String> {
    let failures = block_on(bench.store.failures(i64::MIN, 100)).unwrap();
    let said = failures.iter().map(|one| {
        assert_eq!(one.failure.class, FailureClass::Unmapped);
        format!("{} {}", one.failure.object, one.failure.problems[0].message)
    });
    said.collect()
}

/// `RULES.md` V17.
#[test]
fn list_goes_through_its_table_item_by_item() {
    let bench = interests();
    let (left, right) = person(&bench, &["2", "1"]);
    check_list(&bench, &b(), &right, &["S", "H"]);
    edit(&bench, &b(), &right, &["S"]);
    check_list(&bench, &a(), &left, &["1"]);
    // What stands for an item already stays beside what comes.
    edit(&bench, &b(), &right, &["Help"]);
    check_list(&bench, &a(), &left, &["2"]);
    edit(&bench, &a(), &left, &["1", "2"]);
    check_list(&bench, &b(), &right, &["Help", "S"]);
    bench.shared.world().edit(&a(), &left, "city", Value::Null);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&b(), &right, "city"), Value::Null);
    assert_eq!(outside(&bench), [""; 0]);
    assert!(bench.cycle().written.is_empty());
}

/// `RULES.md` V17.
#[test]
fn item_outside_the_table_that_is_read_is_named_and_the_list_is_not_overwritten() {
    let bench = interests();
    let (left, right) = person(&bench, &["1"]);
    edit(&bench, &b(), &right, &["S", "X"]);
    edit(&bench, &a(), &left, &["1", "2"]);
    check_list(&bench, &b(), &right, &["S", "X"]);
    check_list(&bench, &a(), &left, &["1", "2"]);
    let expected = "people of the values of city, the table has not \"X\": [\"S\", \"X\"]";
    assert_eq!(outside(&bench), [expected]);
    let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Link(LinkId(1)), Some("city")));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains("was not read there") && !told.contains("b.people/1: in step"), "{told}");
    edit(&bench, &b(), &right, &["S"]);
    assert_eq!(outside(&bench), [""; 0]);
    check_list(&bench, &b(), &right, &["S", "H"]);
}

/// `RULES.md` V17.
#[test]
fn item_that_the_table_of_the_target_lacks_is_named_and_nothing_is_written() {
    let bench = interests();
    let (left, right) = person(&bench, &["1"]);
    edit(&bench, &a(), &left, &["1", "2", "3"]);
    check_list(&bench, &b(), &right, &["S"]);
    let expected = "people of the values of city, the table has not \"research\"";
    assert_eq!(outside(&bench), [expected]);
    edit(&bench, &a(), &left, &["1", "2"]);
    check_list(&bench, &b(), &right, &["S", "H"]);
    assert_eq!(outside(&bench), [""; 0]);
    // A new record waits for it.
    let cells = [("mail", "b@x".into()), ("city", list(&["1", "9"]))];
    let other = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    edit(&bench, &a(), &other, &["1"]);
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
}

/// `RULES.md` V15: a list that a person gives is one of the table, item by item.
#[test]
fn list_that_a_person_gives_is_read_item_by_item() {
    let mut bench = interests();
    let mut entities = bench.spec.entities().to_vec();
    entities[0].fields[3].clear = renkei_model::spec::Clear::Review;
    bench.spec = renkei_model::spec::Spec::new(entities).unwrap();
    let (left, right) = person(&bench, &["1"]);
    bench.shared.world().edit(&a(), &left, "city", Value::Null);
    bench.run_to_rest();
    let question = bench.open_reviews().remove(0);
    assert!(matches!(question.subject, ReviewSubject::Cleared { .. }), "{question:?}");
    let answer = |text: &str| {
        let value = block_on(parse_given_value(&bench.store, &bench.spec, &question, text))?;
        let choice = ReviewChoice::Value(Some(value));
        block_on(resolve(&bench.store, &bench.spec, &question.id, choice, 1)).map(drop)
    };
    for (text, expected) in [
        (
            "sales; odd",
            ("`odd` is none of the values of `city`", "the values of `city` are sales, service"),
        ),
        (" ; ", ("no value was given for `city`", "`clear` empties `city`")),
    ] {
        let error = answer(text).unwrap_err();
        assert_eq!((&*error.to_string(), error.hint().as_deref().unwrap()), expected);
    }
    answer("service; sales").unwrap();
    bench.run_to_rest();
    check_list(&bench, &a(), &left, &["1", "2"]);
    check_list(&bench, &b(), &right, &["S", "H"]);
}
