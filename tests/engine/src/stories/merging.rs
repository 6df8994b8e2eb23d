//! Conflicts that a merge function of a transform decides (`RULES.md` E6).

use renkei_model::spec::{Direction, Spec, TransformRef, Winner};
use renkei_model::state::{ReviewStatus, ReviewSubject};
use renkei_model::value::Value;

use super::{bench, check_cell};
use crate::bench::{BAD, Bench, direct, member};
use crate::scenarios::{a, b, people};
use crate::world::place;

/// People whose title is merged by this plugin.
fn merged_by(plugin: &str) -> Bench {
    let mut people = people();
    people.fields[1].winner = Winner::Merge(TransformRef {
        plugin: plugin.to_owned(),
        function: "text".to_owned(),
        parameters: Vec::new(),
        input: ["base", "left", "right"].map(str::to_owned).to_vec(),
        output: vec!["merged".to_owned()],
    });
    bench(people)
}

/// A person in step, whose title is then typed in each system.
fn contested(bench: &Bench, titles: [&str; 2]) -> [String; 2] {
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let right = bench.shared.world().live(&b())[0].clone();
    bench.shared.world().edit(&a(), &left, "title", titles[0].into());
    bench.shared.world().edit(&b(), &right, "title", titles[1].into());
    bench.run_to_rest();
    [left, right]
}

#[test]
fn function_makes_one_value_of_two() {
    for titles in [["Chief", "Chief of staff"], ["Chief of staff", "Chief"]] {
        let bench = merged_by("longer");
        let [left, right] = contested(&bench, titles);
        check_cell(&bench, &a(), &left, "title", "Chief of staff");
        check_cell(&bench, &b(), &right, "title", "Chief of staff");
        let reviews = bench.reviews();
        let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
        assert_eq!(review.status, ReviewStatus::Decided);
        let ReviewSubject::Conflict { values, policy, chosen, .. } = &review.subject else {
            panic!("{review:?}")
        };
        assert_eq!(values.len(), 2, "what was overruled can be read");
        assert_eq!(
            (policy.as_str(), chosen),
            ("longer/text merges", &Some(Some("Chief of staff".into())))
        );
        assert!(bench.cycle().written.is_empty());
    }
}

/// A person decides where the plugin fails at the values, or as a whole.
#[test]
fn function_that_fails_decides_nothing() {
    let bench = merged_by("longer");
    let bad = format!("{BAD} title");
    let [left, right] = contested(&bench, [&bad, "Chief"]);
    check_cell(&bench, &a(), &left, "title", bad.as_str());
    check_cell(&bench, &b(), &right, "title", "Chief");
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    let ReviewSubject::Conflict { policy, .. } = &review.subject else { panic!("{review:?}") };
    assert_eq!(policy, "by hand, because longer/text failed");
}

/// Of three systems the function is asked again with what it made of the first two.
#[test]
fn function_merges_three_values_in_turn() {
    let mut bench = merged_by("longer");
    let mut entities = bench.spec.entities().to_vec();
    let groups = || vec![direct(0, "mail", Direction::Both), direct(1, "title", Direction::Both)];
    entities[0].members.push(member("c", "persons", groups()));
    bench.spec = Spec::new(entities).unwrap();
    let third = place("c", "persons");
    bench.shared.world().table(&third).stamped = true;
    let cells = [("mail", "a@x".into()), ("title", "CEO".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.run_to_rest();
    let ids = [&b(), &third].map(|at| bench.shared.world().live(at)[0].clone());
    let typed: [Value; 3] = ["one".into(), "three words here".into(), "two words".into()];
    let at = [(a(), left), (b(), ids[0].clone()), (third, ids[1].clone())];
    for ((place, id), value) in at.iter().zip(typed) {
        bench.shared.world().edit(place, id, "title", value);
    }
    bench.run_to_rest();
    for (place, id) in &at {
        check_cell(&bench, place, id, "title", "three words here");
    }
    assert!(bench.open_reviews().is_empty());
}
