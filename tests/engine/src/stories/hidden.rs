//! A column that goes out of the account's sight and comes back while the engine runs: what it
//! holds is not known meanwhile, and is read when it can be had again.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Direction, EntitySpec, FieldIndex, FirstLink, Orientation, Via};
use renkei_model::spec::{MappingGroup, TransformRef, TransformUse};
use renkei_model::state::{Failing, RecordKey};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, references, sales};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::{Place, place};

const OTHER: &str = "z@x";
/// Longer than a record is left alone that lacks a cell.
const WHILE_MS: i64 = 61_000;

/// One person in both systems, in step, and another one whom the stories are not about.
fn pair(spec: EntitySpec) -> (Bench, [(Place, String); 2]) {
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().create(&a(), &[("mail", OTHER.into())]);
    bench.run_to_rest();
    (bench, [(a(), left), (b(), right)])
}

/// Somebody changes what is not mapped, so that no look-back shows the record of a story again.
fn go_on(bench: &Bench) {
    for at in [a(), b()] {
        let mut world = bench.shared.world();
        for id in world.live(&at) {
            if world.cell(&at, &id, "mail") == OTHER.into() {
                world.edit(&at, &id, "note", "x".into());
                world.edit(&at, &id, "note", "y".into());
            }
        }
    }
}

fn hide(bench: &Bench, at: &Place, column: &str) {
    bench.shared.world().table(at).knobs.vanished.insert(column.to_owned());
}

/// The columns are back, and a while passes.
fn show(bench: &Bench, at: &Place) {
    let mut world = bench.shared.world();
    world.table(at).knobs.vanished.clear();
    world.table(at).knobs.absent.clear();
    world.advance(WHILE_MS);
    drop(world);
    bench.run_to_rest();
}

fn edit(bench: &Bench, (at, id): &(Place, String), column: &str, value: impl Into<Value>) {
    bench.shared.world().edit(at, id, column, value.into());
}

fn failures(bench: &Bench) -> Vec<Failing> {
    block_on(bench.store.failures(i64::MIN, 100)).unwrap()
}

/// Cycles while time passes, as under `serve`.
fn serve(bench: &Bench) {
    for _ in 0..3 {
        bench.run_to_rest();
        go_on(bench);
        bench.shared.world().advance(WHILE_MS);
    }
}

/// `RULES.md` V13: nothing is lost, whichever system and field, the whole column or one cell.
#[test]
fn edit_that_nobody_may_read_arrives_when_its_column_is_answered_again() {
    for (hidden, shown) in [(0, 1), (1, 0)] {
        for (column, whole) in [("city", true), ("title", true), ("phone", true), ("city", false)] {
            let (bench, sides) = pair(people());
            let (at, id) = &sides[hidden];
            if whole {
                hide(&bench, at, column);
            } else {
                let cell = (id.clone(), column.to_owned());
                bench.shared.world().table(at).knobs.absent.insert(cell);
            }
            bench.run_to_rest();
            edit(&bench, &sides[hidden], column, "unseen");
            edit(&bench, &sides[hidden], "score", "7");
            serve(&bench);
            let mut failing = failures(&bench);
            failing.retain(|failing| failing.failure.id.as_ref() == Some(id));
            assert_eq!(failing.len(), 1, "{failing:?}");
            assert_eq!(failing[0].failure.codes(), ["not-answered"]);
            let (system, object) = at.clone();
            let subject = WhySubject::Record(RecordKey { system, object, id: id.clone() });
            let told = block_on(why(&bench.store, &bench.spec, &subject, Some(column)));
            let told = told.unwrap().unwrap().to_string();
            assert!(told.contains("the system did not answer it"), "{told}");
            show(&bench, at);
            check_cell(&bench, &sides[shown].0, &sides[shown].1, column, "unseen");
            check_cell(&bench, at, id, column, "unseen");
            assert!(failures(&bench).is_empty(), "{:?}", failures(&bench));
        }
    }
}

/// `RULES.md` V13: what is typed elsewhere meanwhile is no reason to write over it.
#[test]
fn edits_of_both_sides_of_a_hidden_column_are_a_conflict() {
    for (hidden, shown) in [(0, 1), (1, 0)] {
        let (bench, sides) = pair(people());
        hide(&bench, &sides[hidden].0, "city");
        edit(&bench, &sides[hidden], "city", "unseen");
        bench.run_to_rest();
        edit(&bench, &sides[shown], "city", "seen");
        serve(&bench);
        check_cell(&bench, &sides[hidden].0, &sides[hidden].1, "city", "unseen");
        show(&bench, &sides[hidden].0);
        check_cell(&bench, &sides[hidden].0, &sides[hidden].1, "city", "unseen");
        check_cell(&bench, &sides[shown].0, &sides[shown].1, "city", "seen");
        assert_eq!(bench.open_reviews().len(), 1);
    }
}

/// `RULES.md` V13: with a start in between, at which the field stands still.
#[test]
fn edit_that_nobody_may_read_arrives_after_a_start_in_between() {
    for hidden in [0, 1] {
        let (mut bench, sides) = pair(people());
        let (at, _) = &sides[hidden];
        hide(&bench, at, "city");
        edit(&bench, &sides[hidden], "city", "unseen");
        serve(&bench);
        let whole = bench.spec.clone();
        for (_, member) in bench.spec.members_mut().filter(|(_, one)| one.system == at.0) {
            member.stop_columns(&["city".to_owned()], &[FieldIndex(0)]);
        }
        serve(&bench);
        assert!(failures(&bench).is_empty(), "it is a question now: {:?}", failures(&bench));
        bench.spec = whole;
        show(&bench, at);
        for (at, id) in &sides {
            check_cell(&bench, at, id, "city", "unseen");
        }
    }
}

/// `RULES.md` V5, V13: it stays listed, and arrives when the column is back.
#[test]
fn value_of_a_new_record_that_was_refused_is_listed_until_it_is_delivered() {
    for (hidden, shown) in [(a(), b()), (b(), a())] {
        let bench = bench(people());
        bench.run_to_rest();
        hide(&bench, &hidden, "title");
        let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
        bench.shared.world().create(&shown, &cells);
        serve(&bench);
        let made = bench.shared.world().live(&hidden)[0].clone();
        check_cell(&bench, &hidden, &made, "city", "Oita");
        check_cell(&bench, &hidden, &made, "title", Value::Null);
        let refused = |failing: &Failing| failing.failure.codes() != ["not-answered"];
        let failing = failures(&bench);
        assert!(failing.iter().any(refused), "{failing:?}");
        show(&bench, &hidden);
        check_cell(&bench, &hidden, &made, "title", "CEO");
        assert!(failures(&bench).is_empty(), "{:?}", failures(&bench));
    }
}

/// `RULES.md` V5, V13: nobody edited what was only refused there.
#[test]
fn record_that_was_made_without_a_hidden_column_is_deleted_like_others() {
    let bench = bench(people());
    bench.run_to_rest();
    hide(&bench, &b(), "title");
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    bench.shared.world().create(&a(), &cells);
    serve(&bench);
    let made = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().remove(&b(), &made, Removal::Deleted);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert!(bench.shared.world().live(&a()).is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` V13: a property that was made anew is empty, and nobody has emptied it.
#[test]
fn column_that_comes_back_empty_is_filled_again() {
    let (bench, sides) = pair(people());
    hide(&bench, &b(), "city");
    edit(&bench, &sides[1], "city", Value::Null);
    serve(&bench);
    show(&bench, &b());
    for (at, id) in &sides {
        check_cell(&bench, at, id, "city", "Oita");
    }
}

/// `RULES.md` V13: without its match key nobody knows what it is.
#[test]
fn new_record_whose_match_key_is_not_answered_waits() {
    for (hidden, shown) in [(a(), b()), (b(), a())] {
        let (bench, _) = pair(people());
        let cells = [("mail", "late@x".into()), ("title", "CFO".into())];
        bench.shared.world().create(&shown, &cells);
        hide(&bench, &hidden, "mail");
        let cells = [("mail", "new@x".into()), ("title", "CTO".into())];
        bench.shared.world().create(&hidden, &cells);
        serve(&bench);
        assert_eq!(bench.shared.world().live(&shown).len(), 3, "no twin without a mail");
        show(&bench, &hidden);
        for at in [&hidden, &shown] {
            let world = bench.shared.world();
            let mails: Vec<Value> =
                world.live(at).iter().map(|id| world.cell(at, id, "mail")).collect();
            assert_eq!(mails.len(), 4, "{mails:?}");
            assert!(["a@x", "late@x", "new@x"].iter().all(|one| mails.contains(&(*one).into())));
        }
    }
}

/// `RULES.md` V13: part of a name is no name.
#[test]
fn field_of_two_columns_is_read_from_both_or_not_at_all() {
    let mut spec = people();
    spec.first_link = FirstLink::Prefer("a".to_owned());
    let function = TransformRef {
        plugin: "names".to_owned(),
        function: "names".to_owned(),
        parameters: Vec::new(),
        input: vec!["full_name".to_owned()],
        output: vec!["family_name".to_owned(), "given_name".to_owned()],
    };
    let orientation = Orientation::ForwardWrites;
    let city = spec.members[0].groups[3].clone();
    spec.members[0].groups[3] = MappingGroup {
        columns: vec!["family".to_owned(), "given".to_owned()],
        direction: Direction::Both,
        via: Via::Transform(TransformUse { function, orientation }),
        ..city
    };
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("family", "Abe".into()), ("given", "Aya".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "city", "Abe Aya");
    hide(&bench, &a(), "given");
    bench.shared.world().edit(&a(), &left, "family", "Ito".into());
    serve(&bench);
    check_cell(&bench, &b(), &right, "city", "Abe Aya");
    show(&bench, &a());
    check_cell(&bench, &b(), &right, "city", "Ito Aya");
    check_cell(&bench, &a(), &left, "given", "Aya");
}

/// `RULES.md` V13: an edit that nobody could read beats a deletion, and no other cell does.
#[test]
fn deletion_waits_until_an_edited_record_is_answered_whole() {
    for (hidden, shown) in [(0, 1), (1, 0)] {
        for is_edited in [true, false] {
            let (bench, sides) = pair(people());
            let (at, id) = &sides[hidden];
            hide(&bench, at, "city");
            let column = if is_edited { "city" } else { "note" };
            edit(&bench, &sides[hidden], column, "unseen");
            bench.run_to_rest();
            bench.shared.world().advance(WHILE_MS);
            let (other, twin) = &sides[shown];
            bench.shared.world().remove(other, twin, Removal::Deleted);
            serve(&bench);
            assert!(bench.shared.world().live(at).contains(id));
            assert!(bench.open_reviews().is_empty());
            show(&bench, at);
            assert_eq!(bench.shared.world().live(at).contains(id), is_edited);
            assert_eq!(bench.shared.world().live(other).len(), 1 + usize::from(is_edited));
        }
    }
}

/// `RULES.md` V13: a reference likewise, the other way, of a record that needs one.
#[test]
fn reference_that_nobody_may_read_arrives_when_it_is_answered_again() {
    for to_b in [true, false] {
        let bench = sales();
        let companies = [("a", "companies"), ("b", "accounts")].map(|at| place(at.0, at.1));
        let deals = [("a", "deals"), ("b", "opportunities")].map(|at| place(at.0, at.1));
        for name in ["ACME", "Bungo"] {
            bench.shared.world().create(&companies[0], &[("name", name.into())]);
        }
        bench.run_to_rest();
        let ids = companies.each_ref().map(|at| bench.shared.world().live(at));
        let cells = [("name", "Big".into()), ("company", references(&[&ids[0][0]]))];
        bench.shared.world().create(&deals[0], &cells);
        bench.run_to_rest();
        let (hidden, shown) = if to_b { (0, 1) } else { (1, 0) };
        let deal = deals.each_ref().map(|at| bench.shared.world().live(at)[0].clone());
        hide(&bench, &deals[hidden], "company");
        let other = references(&[&ids[hidden][1]]);
        bench.shared.world().edit(&deals[hidden], &deal[hidden], "company", other);
        serve(&bench);
        check_cell(&bench, &deals[shown], &deal[shown], "company", references(&[&ids[shown][0]]));
        show(&bench, &deals[hidden]);
        check_cell(&bench, &deals[shown], &deal[shown], "company", references(&[&ids[shown][1]]));
        assert!(failures(&bench).is_empty(), "{:?}", failures(&bench));
    }
}

/// `RULES.md` V13: a column that stays away costs a call in a while.
#[test]
fn records_that_lack_a_cell_are_asked_for_once_in_a_while() {
    let (bench, sides) = pair(people());
    hide(&bench, &b(), "city");
    edit(&bench, &sides[1], "city", "unseen");
    bench.run_to_rest();
    let calls = |bench: &Bench| {
        let before = bench.shared.world().calls;
        bench.run_to_rest();
        bench.shared.world().calls - before
    };
    let usual = calls(&bench);
    bench.shared.world().advance(WHILE_MS);
    assert_eq!(calls(&bench), usual + 1);
    assert_eq!(calls(&bench), usual);
}
