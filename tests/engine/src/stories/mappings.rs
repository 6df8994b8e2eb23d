//! A mapping that changes: what a column holds that is another one is nobody's edit.

use futures::executor::block_on;
use renkei_model::spec::{
    Direction, EntitySpec, FieldIndex, FieldKind, FirstLink, MemberSpec, Spec, ValueTable, Via,
    Winner,
};
use renkei_model::state::{ReviewChoice, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;

use super::{bench, check_cell};
use crate::bench::{Bench, direct, field, member};
use crate::scenarios::{a, b, people, world};
use crate::world::{Place, place};

/// Changes the member of system `b`, as an admin who edits the mapping.
fn change(bench: &mut Bench, change: impl Fn(&mut MemberSpec)) {
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        change(member);
        member.digest.push('+');
    }
}

/// People in step, and their records.
fn in_step(spec: EntitySpec) -> (Bench, String, String) {
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    (bench, left, right)
}

fn column_of(member: &mut MemberSpec, position: usize) -> &mut String {
    let groups = member.groups.iter_mut();
    let mut mine = groups.filter(|group| group.fields == [FieldIndex(position)]);
    &mut mine.next().unwrap().columns[0]
}

/// `RULES.md` V13: as at the first link, where the hub is preferred to an empty column, and to a
/// filled one as the entity says.
#[test]
fn field_that_is_given_another_column_is_met_as_at_the_first_link() {
    for (stands, expected) in [(Value::Null, "Oita"), ("Beppu".into(), "Oita")] {
        let mut spec = people();
        spec.first_link = FirstLink::Prefer("a".to_owned());
        let (mut bench, left, right) = in_step(spec);
        bench.shared.world().edit(&b(), &right, "town", stands);
        change(&mut bench, |member| *column_of(member, 3) = "town".to_owned());
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "city", expected);
        check_cell(&bench, &b(), &right, "town", expected);
        // From then on it is a column like any other.
        bench.shared.world().edit(&b(), &right, "town", "Usa".into());
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "city", "Usa");
    }
}

/// `RULES.md` V13 and P5.
#[test]
fn consent_is_not_weakened_by_another_column() {
    let mut spec = people();
    spec.first_link = FirstLink::Prefer("b".to_owned());
    let winner = Winner::OptOut { when: true };
    spec.fields.push(field("no_mail", FieldKind::Boolean, winner));
    spec.members[0].groups.push(direct(5, "no_mail", Direction::Both));
    spec.members[1].groups.push(direct(5, "no_mail", Direction::Both));
    let (mut bench, left, right) = in_step(spec);
    bench.shared.world().edit(&a(), &left, "no_mail", Value::Boolean(true));
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "no_mail", Value::Boolean(true));
    bench.shared.world().edit(&b(), &right, "no_post", Value::Boolean(false));
    change(&mut bench, |member| *column_of(member, 5) = "no_post".to_owned());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "no_mail", Value::Boolean(true));
    check_cell(&bench, &b(), &right, "no_post", Value::Boolean(true));
}

/// `RULES.md` V13: a table that is corrected changes what was read, and nobody has edited it.
#[test]
fn corrected_table_changes_no_record() {
    let mut spec = people();
    spec.first_link = FirstLink::Prefer("a".to_owned());
    let table = |pairs: &[(&str, &str)]| {
        let read = pairs.iter().map(|(remote, ours)| ((*remote).into(), (*ours).into()));
        let write = pairs.iter().map(|(remote, ours)| ((*ours).into(), (*remote).into()));
        Via::Table(ValueTable { read: read.collect(), write: write.collect() })
    };
    let group = |member: &mut MemberSpec, via: Via| {
        let mut groups = member.groups.iter_mut();
        groups.find(|group| group.fields == [FieldIndex(3)]).unwrap().via = via;
    };
    group(&mut spec.members[1], table(&[("1", "Oita"), ("2", "Beppu")]));
    let (mut bench, left, right) = in_step(spec);
    check_cell(&bench, &b(), &right, "city", "1");
    change(&mut bench, |member| group(member, table(&[("1", "Beppu"), ("2", "Oita")])));
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "Oita");
    check_cell(&bench, &b(), &right, "city", "2");
}

/// `RULES.md` V13: what people did elsewhere meanwhile arrives when the field is back.
#[test]
fn edit_made_while_a_field_stood_still_arrives_when_it_is_back() {
    let mut spec = people();
    spec.first_link = FirstLink::Prefer("b".to_owned());
    let (mut bench, left, right) = in_step(spec);
    let whole = bench.spec.clone();
    change(&mut bench, |member| {
        member.stop_columns(&["city".to_owned()], &[FieldIndex(0)]);
    });
    bench.shared.world().edit(&a(), &left, "city", "Beppu".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "city", "Oita");
    bench.spec = whole;
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "city", "Beppu");
    check_cell(&bench, &b(), &right, "city", "Beppu");
}

/// `RULES.md` V13: a record waits where a field is away that it needs, and is made once that is
/// back; likewise where records are made there from now on.
#[test]
fn record_that_could_not_be_made_is_made_once_it_can() {
    for stopped in [true, false] {
        let (mut bench, ..) = in_step(people());
        let whole = bench.spec.clone();
        if stopped {
            change(&mut bench, |member| {
                member.stop_columns(&["mail".to_owned()], &[FieldIndex(0)]);
            });
        } else {
            for (_, member) in bench.spec.members_mut().filter(|(_, one)| one.system == "b") {
                member.create = false;
            }
        }
        bench.run_to_rest();
        bench.shared.world().create(&a(), &[("mail", "new@x".into()), ("title", "CTO".into())]);
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 1, "{stopped}");
        bench.spec = whole;
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&b()).len(), 2, "{stopped}");
    }
}

fn c() -> Place {
    place("c", "persons")
}

/// People of three systems.
fn of_three(create_guard: Option<u64>) -> Spec {
    let mut spec = people();
    spec.create_guard = create_guard;
    spec.members.push(member("c", "persons", spec.members[1].groups.clone()));
    Spec::new(vec![spec]).unwrap()
}

/// People in `a` and `b`; then the third system comes, which knows the first of them.
fn with_a_third_system(count: usize, create_guard: Option<u64>) -> Bench {
    let mut bench = bench(people());
    bench.shared.world().table(&c()).stamped = true;
    let person = |at: &Place, name: &str| {
        bench.shared.world().create(at, &[("mail", name.into()), ("title", "CEO".into())]);
    };
    for number in 0..count {
        person(&a(), &format!("{number}@x"));
    }
    bench.run_to_rest();
    person(&c(), "0@x");
    person(&c(), "new@x");
    bench.spec = of_three(create_guard);
    bench
}

/// `RULES.md` V13: what was in step before gets a record in a system that comes later.
#[test]
fn record_is_made_in_a_system_that_comes_later() {
    let mut bench = with_a_third_system(3, None);
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan.to_string();
    assert_eq!(plan.matches("create c.persons/").count(), 2, "{plan}");
    bench.options.apply = true;
    bench.run_to_rest();
    for at in [a(), b(), c()] {
        assert_eq!(bench.shared.world().live(&at).len(), 4, "{at:?}");
    }
    assert!(bench.open_reviews().is_empty());
    // Planned once: nothing is looked at again.
    assert_eq!(bench.cycle().planned, 0);
}

#[test]
fn records_made_in_a_system_that_comes_later_are_guarded() {
    let bench = with_a_third_system(6, Some(2));
    bench.run_to_rest();
    let made = |bench: &Bench| bench.shared.world().live(&c()).len();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Creations { limit: 2, count } = &review.subject else {
        panic!("{review:?}")
    };
    let all = [a(), b(), c()].map(|at| bench.shared.world().live(&at).len());
    assert_eq!(all.iter().sum::<usize>() as u64 + count, 3 * 7, "{all:?}");
    assert!(made(&bench) < 7);
    block_on(resolve(&bench.store, &bench.spec, &review.id, ReviewChoice::Approve, 1)).unwrap();
    bench.run_to_rest();
    assert_eq!(made(&bench), 7);
}

/// It was there before, was taken out of the mapping, and knows nobody who came meanwhile; or
/// another object of its system gets what is new.
#[test]
fn record_is_made_in_a_member_that_comes_again() {
    for other_object in [false, true] {
        let mut bench = with_a_third_system(2, None);
        bench.run_to_rest();
        let without = Spec::new(vec![people()]).unwrap();
        bench.spec = without;
        bench.run_to_rest();
        bench.shared.world().create(&a(), &[("mail", "later@x".into())]);
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&c()).len(), 3);
        bench.spec = of_three(None);
        let others = place("c", "others");
        if other_object {
            let mut spec = bench.spec.entities()[0].clone();
            spec.members[2].create = false;
            spec.members.push(member("c", "others", spec.members[1].groups.clone()));
            bench.spec = Spec::new(vec![spec]).unwrap();
        }
        bench.run_to_rest();
        let made = [c(), others].map(|at| bench.shared.world().live(&at).len());
        assert_eq!(made, if other_object { [3, 1] } else { [4, 0] });
    }
}

/// Nothing is made there before it was read to its end.
#[test]
fn record_waits_for_a_system_that_comes_later_and_does_not_answer() {
    let bench = with_a_third_system(3, None);
    bench.shared.world().failing_calls = 3;
    let report = bench.try_cycle().unwrap().report;
    assert!(!report.failures.is_empty());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&c()).len(), 4);
}

/// State that was stored for fewer fields fits the mapping of today, also where that has moved the
/// object to another entity.
#[test]
fn stored_state_fits_a_mapping_with_more_fields() {
    for name in ["person", "contact"] {
        let mut bench = Bench::in_memory(world(), Spec::new(vec![people()]).unwrap());
        let cells = [("mail", "a@x".into()), ("note", "one".into())];
        let left = bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
        let right = bench.shared.world().live(&b())[0].clone();
        let mut larger = people();
        name.clone_into(&mut larger.name);
        larger.fields.push(field("note", FieldKind::Text, Winner::Newest));
        for member in &mut larger.members {
            member.groups.push(direct(5, "note", Direction::Both));
            member.digest.push('+');
        }
        bench.spec = Spec::new(vec![larger]).unwrap();
        bench.shared.world().edit(&a(), &left, "title", "CEO".into());
        for _ in 0..4 {
            bench.try_cycle().unwrap();
        }
        // Under another name everything is linked anew: by its match key, and nothing is doubled.
        check_cell(&bench, &b(), &right, "note", "one");
        for place in [a(), b()] {
            assert_eq!(bench.shared.world().live(&place).len(), 1, "{name} {place:?}");
        }
    }
}

/// A mapping that names a field which is not there is refused before anything is looked up by it.
#[test]
fn mapping_of_a_field_that_is_not_there_is_refused() {
    let mut spec = people();
    spec.members[0].groups.push(direct(9, "note", Direction::Both));
    let refused = Spec::new(vec![spec]).unwrap_err();
    let expected = "the mapping names field 9 of person, which has 5, counted from 0";
    assert_eq!(refused.to_string(), expected);
}
