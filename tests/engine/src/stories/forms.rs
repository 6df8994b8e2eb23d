//! Values in the form of a system: tables, lenses, what a system cuts off, what may not be read.

use futures::executor::block_on;
use renkei_model::spec::{
    Direction, FieldIndex, FieldKind, MappingGroup, Orientation, TransformRef, TransformUse, Via,
};
use renkei_model::state::{LinkId, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::why::{WhySubject, why};

use super::{always, bench, check_cell, references, sales};
use crate::bench::{direct, entity, field, match_key, member};
use crate::scenarios::{a, b, people};
use crate::world::place;

#[test]
fn a_lossy_table_keeps_the_stage_that_means_the_same() {
    let bench = sales();
    let deal = {
        let mut world = bench.shared.world();
        let company = world.create(&place("a", "companies"), &[("name", "ACME".into())]);
        let cells = [
            ("name", "Big".into()),
            ("company", references(&[&company])),
            ("stage", "warm".into()),
        ];
        world.create(&place("a", "deals"), &cells)
    };
    bench.run_to_rest();
    let opportunities = place("b", "opportunities");
    let opportunity = bench.shared.world().live(&opportunities)[0].clone();
    check_cell(&bench, &opportunities, &opportunity, "stage", "open");
    check_cell(&bench, &place("a", "deals"), &deal, "stage", "warm");
    bench.shared.world().edit(&opportunities, &opportunity, "stage", "won".into());
    bench.run_to_rest();
    check_cell(&bench, &place("a", "deals"), &deal, "stage", "closed");
    // A value without a counterpart is told and written nowhere.
    bench.shared.world().edit(&place("a", "deals"), &deal, "stage", "lost".into());
    bench.run_to_rest();
    check_cell(&bench, &opportunities, &opportunity, "stage", "won");
    let subject = WhySubject::Link(LinkId(2));
    let answer =
        block_on(why(&bench.store, &bench.spec, &subject, Some("stage"))).unwrap().unwrap();
    assert!(answer.to_string().contains("stage is not in the table"), "{answer}");
}

#[test]
fn a_two_way_transform_splits_and_joins() {
    let fields = vec![
        field("mail", FieldKind::Mail, always("a")),
        field("family", FieldKind::Text, always("a")),
        field("given", FieldKind::Text, always("a")),
    ];
    let function = TransformRef {
        plugin: "names".into(),
        function: "full-name".into(),
        parameters: Vec::new(),
        input: vec!["full_name".into()],
        output: vec!["family_name".into(), "given_name".into()],
    };
    let lens = TransformUse { function, orientation: Orientation::ForwardReads };
    let full = MappingGroup {
        fields: vec![FieldIndex(1), FieldIndex(2)],
        via: Via::Transform(lens),
        ..direct(1, "name", Direction::Both)
    };
    let left = vec![
        direct(0, "mail", Direction::Both),
        direct(1, "last", Direction::Both),
        direct(2, "first", Direction::Both),
    ];
    let right = vec![direct(0, "mail", Direction::Both), full];
    let members = vec![member("a", "contacts", left), member("b", "people", right)];
    let mut spec = entity("person", fields, members);
    spec.match_keys.push(match_key("mail", &[0], true));
    let bench = bench(spec);
    let cells = [("mail", "a@x".into()), ("last", "山田".into()), ("first", "太郎".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "name", "山田 太郎");
    bench.shared.world().edit(&b(), &right, "name", "山田 花子".into());
    bench.run_to_rest();
    check_cell(&bench, &a(), &left, "first", "花子");
}

#[test]
fn systems_that_fight_over_a_form_are_stopped() {
    let bench = bench(people());
    // `b` keeps three characters, and a flow of `a` puts the long form back whenever it sees the
    // short one.
    bench.shared.world().table(&b()).cut = Some(3);
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into()), ("title", "x".into())]);
    bench.run_to_rest();
    for _ in 0..20 {
        let title = bench.shared.world().cell(&a(), &left, "title");
        let (back, right) = (title == "x".into(), bench.shared.world().live(&b())[0].clone());
        // A human-looking flow on each side.
        if back {
            bench.shared.world().edit(&a(), &left, "title", "y".into());
        } else {
            bench.shared.world().edit(&b(), &right, "title", "x".into());
        }
        bench.cycle();
        // What was written is read before the other flow acts; else nobody could tell that flow
        // from a write that did not happen.
        bench.cycle();
    }
    let oscillates = |subject: &ReviewSubject| matches!(subject, ReviewSubject::Oscillation { .. });
    assert!(bench.open_reviews().iter().any(|review| oscillates(&review.subject)));
}

/// `RULES.md` V9.
#[test]
fn text_arrives_as_it_was_typed() {
    let bench = bench(people());
    for (number, title) in ["\u{fa10}\u{fa19}", "ＡＢＣ", "か\u{3099}", " Abc "].iter().enumerate()
    {
        let mail = format!("P{number}@X");
        let cells = [("mail", mail.as_str().into()), ("title", (*title).into())];
        let left = bench.shared.world().create(&a(), &cells);
        bench.run_to_rest();
        let live = bench.shared.world().live(&b());
        let is_made =
            |id: &&String| bench.shared.world().cell(&b(), id, "mail") == mail.as_str().into();
        let right = live.iter().find(is_made).expect("the mail as it was typed").clone();
        check_cell(&bench, &b(), &right, "title", *title);
        // A person corrects the form only, on the other side.
        let corrected = "\u{585a}\u{795e}";
        bench.shared.world().edit(&b(), &right, "title", corrected.into());
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "title", corrected);
        bench.shared.world().edit(&b(), &right, "title", "\u{fa10}\u{fa19}".into());
        bench.run_to_rest();
        check_cell(&bench, &a(), &left, "title", "\u{fa10}\u{fa19}");
        assert!(bench.cycle().written.is_empty());
    }
}

#[test]
fn a_systems_own_form_is_not_fought() {
    let bench = bench(people());
    bench.shared.world().table(&b()).cut = Some(5);
    let cells = [("mail", "a@x".into()), ("title", "Chairman".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    check_cell(&bench, &b(), &right, "title", "Chair");
    check_cell(&bench, &a(), &left, "title", "Chairman");
    assert!(bench.cycle().written.is_empty());
}

#[test]
fn field_that_may_not_be_read_is_not_written() {
    let bench = bench(people());
    bench.shared.world().table(&b()).hidden.insert("phone".to_owned());
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "phone", "1".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &right, "phone", Value::Null);
}
