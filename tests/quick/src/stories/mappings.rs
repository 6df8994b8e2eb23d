//! A mapping that changes: what a column holds that is another one is nobody's edit.

use renkei_sync::spec::{
    Direction, FieldIndex, FieldKind, FirstLink, MemberSpec, ValueTable, Via, Winner,
};
use renkei_sync::value::Value;

use super::{bench, check_cell};
use crate::bench::{Bench, direct, field};
use crate::scenarios::{a, b, people};

/// Changes the member of system `b`, as an admin who edits the mapping.
fn change(bench: &mut Bench, change: impl Fn(&mut MemberSpec)) {
    for (_, member) in bench.spec.members_mut().filter(|(_, member)| member.system == "b") {
        change(member);
        member.digest.push('+');
    }
}

/// People in step, and their records.
fn in_step(spec: renkei_sync::spec::EntitySpec) -> (Bench, String, String) {
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("title", "CEO".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.settle();
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
        bench.settle();
        check_cell(&bench, &a(), &left, "city", expected);
        check_cell(&bench, &b(), &right, "town", expected);
        // From then on it is a column like any other.
        bench.shared.world().edit(&b(), &right, "town", "Usa".into());
        bench.settle();
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
    bench.settle();
    check_cell(&bench, &b(), &right, "no_mail", Value::Boolean(true));
    bench.shared.world().edit(&b(), &right, "no_post", Value::Boolean(false));
    change(&mut bench, |member| *column_of(member, 5) = "no_post".to_owned());
    bench.settle();
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
    bench.settle();
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
    bench.settle();
    check_cell(&bench, &b(), &right, "city", "Oita");
    bench.spec = whole;
    bench.settle();
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
        bench.settle();
        bench.shared.world().create(&a(), &[("mail", "new@x".into()), ("title", "CTO".into())]);
        bench.settle();
        assert_eq!(bench.shared.world().live(&b()).len(), 1, "{stopped}");
        bench.spec = whole;
        bench.settle();
        assert_eq!(bench.shared.world().live(&b()).len(), 2, "{stopped}");
    }
}
