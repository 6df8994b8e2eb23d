//! Stories of transforms that fail: one bad row holds one record, a broken plugin is told once.

use std::sync::atomic::Ordering;

use futures::executor::block_on;
use renkei_model::spec::{
    Direction, EntitySpec, FieldIndex, FieldKind, MappingGroup, MatchKey, Orientation, Spec,
    TransformRef, TransformUse, Via, Winner,
};
use renkei_model::state::RecordKey;
use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::cycle_failure::CycleFailure;

use crate::bench::{Bench, direct, entity, field, match_key, member};
use crate::scenarios::{a, b, world};
use crate::world::World;

fn function(plugin: &str, name: &str, input: &[&str], output: &[&str]) -> TransformRef {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (plugin, function) = (plugin.to_owned(), name.to_owned());
    TransformRef {
        plugin,
        function,
        parameters: Vec::new(),
        input: owned(input),
        output: owned(output),
    }
}

/// `a` has the name in two columns, `b` in one.
fn people(plugin: &str) -> EntitySpec {
    let always = || Winner::Always("a".to_owned());
    let fields = vec![
        field("mail", FieldKind::Mail, always()),
        field("family", FieldKind::Text, always()),
        field("given", FieldKind::Text, always()),
        field("phone", FieldKind::Phone, Winner::Newest),
    ];
    let names = function(plugin, "full-name", &["full_name"], &["family_name", "given_name"]);
    let lens = TransformUse { function: names, orientation: Orientation::ForwardReads };
    let full = MappingGroup {
        fields: vec![FieldIndex(1), FieldIndex(2)],
        via: Via::Transform(lens),
        ..direct(1, "name", Direction::Both)
    };
    let plain = |field, column| direct(field, column, Direction::Both);
    let left = vec![plain(0, "mail"), plain(1, "last"), plain(2, "first"), plain(3, "phone")];
    let right = vec![plain(0, "mail"), full, plain(3, "phone")];
    let mut members = vec![member("a", "contacts", left), member("b", "people", right)];
    for member in &mut members {
        member.read_rows = 100;
    }
    let mut people = entity("person", fields, members);
    people.match_keys.push(match_key("mail", &[0], true));
    people
}

fn bench(spec: EntitySpec) -> Bench {
    Bench::new(world(), Spec::new(vec![spec]).unwrap())
}

fn add_to_b(world: &mut World, person: usize, name: &str) -> String {
    let mail = format!("{person}@x");
    world.create(&b(), &[("mail", mail.as_str().into()), ("name", name.into())])
}

fn told(bench: &Bench, object: (&str, &str), id: &str) -> String {
    let key =
        RecordKey { system: object.0.to_owned(), object: object.1.to_owned(), id: id.to_owned() };
    let answer = block_on(why(&bench.store, &bench.spec, &WhySubject::Record(key), None)).unwrap();
    answer.unwrap().to_string()
}

fn is_told(answer: &str, function: &str) {
    let mut lines = answer.lines();
    let told = lines.any(|line| line.contains(function) && line.contains("fails at this record"));
    assert!(told, "{answer}");
}

#[test]
fn one_bad_row_holds_one_record() {
    let bench = bench(people("names"));
    let bad = {
        let mut world = bench.shared.world();
        for person in 0..40 {
            add_to_b(&mut world, person, "Yamada Taro");
        }
        add_to_b(&mut world, 40, "Yamada bad")
    };
    bench.run_to_rest();
    {
        let world = bench.shared.world();
        assert_eq!(world.live(&a()).len(), 41);
        let names = world
            .live(&a())
            .into_iter()
            .filter(|id| world.cell(&a(), id, "last") == "Yamada".into());
        assert_eq!(names.count(), 40, "the others came through");
    }
    let calls = bench.transform_calls.load(Ordering::Relaxed);
    assert!(calls < 60, "{calls}");
    let told = told(&bench, ("b", "people"), &bad);
    is_told(&told, "full-name of names@1");
    assert!(!told.contains("Yamada"), "never a value: {told}");
    // What could not be read is not overwritten.
    let left = {
        let world = bench.shared.world();
        world
            .live(&a())
            .into_iter()
            .find(|id| world.cell(&a(), id, "mail") == "40@x".into())
            .unwrap()
    };
    bench.shared.world().edit(&a(), &left, "last", "Tanaka".into());
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&b(), &bad, "name"), "Yamada bad".into());
    assert_eq!(bench.shared.world().cell(&b(), &bad, "phone"), "1".into());
    bench.shared.world().edit(&b(), &bad, "name", "Suzuki Hana".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().cell(&a(), &left, "first"), "Hana".into());
}

#[test]
fn a_record_that_cannot_be_rendered_is_not_made_and_the_others_are() {
    let bench = bench(people("names"));
    let bad = {
        let mut world = bench.shared.world();
        for person in 0..9 {
            let mail = format!("{person}@x");
            world.create(&a(), &[("mail", mail.as_str().into()), ("last", "Yamada".into())]);
        }
        world.create(&a(), &[("mail", "9@x".into()), ("last", "bad".into())])
    };
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 9);
    let told = told(&bench, ("a", "contacts"), &bad);
    is_told(&told, "full-name of names@1");
    bench.shared.world().edit(&a(), &bad, "last", "Sato".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 10);
}

#[test]
fn a_record_whose_key_cannot_be_made_waits() {
    let mut spec = people("names");
    let transform = Some(function("digits", "digits", &["phone"], &["key"]));
    spec.match_keys = vec![
        MatchKey { transform, ..match_key("phone", &[3], false) },
        match_key("mail", &[0], true),
    ];
    let bench = bench(spec);
    let bad = {
        let mut world = bench.shared.world();
        let cells = [("mail", "a@x".into()), ("phone", "1".into())];
        world.create(&a(), &cells);
        world.create(&a(), &[("mail", "b@x".into()), ("phone", "bad 2".into())])
    };
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1, "nothing is made for it");
    let answer = told(&bench, ("a", "contacts"), &bad);
    is_told(&answer, "digits of digits@1");
    bench.shared.world().edit(&a(), &bad, "phone", "2".into());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 2);
}

#[test]
fn a_broken_plugin_is_told_once_and_stops_its_object() {
    let bench = bench(people("broken"));
    for person in 0..30 {
        add_to_b(&mut bench.shared.world(), person, "Yamada Taro");
    }
    let report = bench.try_cycle().unwrap().report;
    let [CycleFailure { system, object, error, .. }] = report.failures.as_slice() else {
        panic!("{:?}", report.failures)
    };
    assert_eq!((system.as_str(), object.as_deref()), ("b", Some("people")));
    assert!(error.to_string().contains("trap"), "{error}");
    assert!(bench.shared.world().live(&a()).is_empty());
    let alone = Bench::new(world(), Spec::new(vec![people("broken")]).unwrap());
    add_to_b(&mut alone.shared.world(), 0, "Yamada Taro");
    assert_eq!(alone.try_cycle().unwrap().report.failures.len(), 1, "also with a single row");
}

#[test]
fn too_many_bad_rows_are_a_failure_of_the_function() {
    let mut spec = people("names");
    spec.members[1].read_rows = 1000;
    let bench = bench(spec);
    for person in 0..200 {
        let name = if person % 4 == 0 { "Yamada Taro" } else { "bad" };
        add_to_b(&mut bench.shared.world(), person, name);
    }
    let report = bench.try_cycle().unwrap().report;
    assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
    assert!(bench.transform_calls.load(Ordering::Relaxed) < 800);
}
