//! A reference that a person gives: a record or a link that is there, else it is refused.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{FirstLink, Spec, Winner};
use renkei_model::state::{Review, ReviewChoice, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::{ResolveError, parse_given_value, resolve};

use super::{check_cell, references, sales};
use crate::bench::Bench;
use crate::world::knobs::Lag;
use crate::world::{Place, place};

fn firms() -> Place {
    place("a", "companies")
}

fn accounts() -> Place {
    place("b", "accounts")
}

fn deals() -> Place {
    place("a", "deals")
}

fn opportunities() -> Place {
    place("b", "opportunities")
}

/// Deals in both systems that need no company.
fn loose_deals() -> Bench {
    let mut bench = sales();
    let mut entities = bench.spec.entities().to_vec();
    let deal = entities.iter_mut().find(|one| one.name == "deal").unwrap();
    deal.members.iter_mut().for_each(|member| member.groups[1].required = false);
    bench.spec = Spec::new(entities).unwrap();
    bench
}

/// `RULES.md` E10: a deal that was deleted, unseen, before a person gave it a company elsewhere.
#[test]
fn record_that_never_got_a_reference_outlives_its_deletion() {
    let bench = loose_deals();
    bench.shared.world().create(&firms(), &[("name", "one".into())]);
    let deal = bench.shared.world().create(&deals(), &[("name", "Big".into())]);
    bench.run_to_rest();
    let opportunity = bench.shared.world().live(&opportunities())[0].clone();
    let given = references(&[&account(&bench, "one")]);
    bench.shared.world().table(&deals()).knobs.lag = Lag::of_index(20_000);
    bench.shared.world().remove(&deals(), &deal, Removal::Deleted);
    bench.cycle();
    bench.shared.world().edit(&opportunities(), &opportunity, "company", given);
    for _ in 0..4 {
        bench.cycle();
        bench.shared.world().advance(30_000);
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&opportunities()), [opportunity]);
    let again = bench.shared.world().live(&deals());
    assert_eq!(again.len(), 1);
    assert_ne!(bench.shared.world().cell(&deals(), &again[0], "company"), Value::Null);
}

/// `RULES.md` V2: a deal is deleted in one system while a person gives it a company in the other,
/// which is deleted in the same moment.
#[test]
fn record_that_is_given_what_goes_outlives_its_deletion() {
    let bench = loose_deals();
    let firm = bench.shared.world().create(&firms(), &[("name", "one".into())]);
    let deal = bench.shared.world().create(&deals(), &[("name", "Big".into())]);
    bench.run_to_rest();
    let opportunity = bench.shared.world().live(&opportunities())[0].clone();
    let given = references(&[&account(&bench, "one")]);
    bench.shared.world().remove(&deals(), &deal, Removal::Deleted);
    bench.shared.world().edit(&opportunities(), &opportunity, "company", given);
    bench.shared.world().remove(&firms(), &firm, Removal::Deleted);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()), Vec::<String>::new());
    assert_eq!(bench.shared.world().live(&opportunities()), [opportunity]);
    assert_eq!(bench.shared.world().live(&deals()).len(), 1);
}

/// The id of the account with this name.
fn account(bench: &Bench, name: &str) -> String {
    let world = bench.shared.world();
    let ids = world.live(&accounts());
    ids.into_iter().find(|id| world.cell(&accounts(), id, "name") == name.into()).unwrap()
}

/// A deal whose company was changed to another one in each system, about which a person is asked;
/// and the ids of the three companies, of the deal and of the opportunity.
fn contested() -> (Bench, Review, [String; 3], [String; 2]) {
    let mut bench = sales();
    let mut entities = bench.spec.entities().to_vec();
    let deal = entities.iter_mut().find(|one| one.name == "deal").unwrap();
    (deal.fields[1].winner, deal.first_link) = (Winner::Manual, FirstLink::Review);
    bench.spec = Spec::new(entities).unwrap();
    let names = ["one", "two", "three"];
    let firms = names.map(|name| bench.shared.world().create(&firms(), &[("name", name.into())]));
    let cells = [("name", "Big".into()), ("company", references(&[&firms[0]]))];
    let deal = bench.shared.world().create(&deals(), &cells);
    bench.run_to_rest();
    let opportunity = bench.shared.world().live(&opportunities())[0].clone();
    let other = references(&[&account(&bench, "three")]);
    bench.shared.world().edit(&deals(), &deal, "company", references(&[&firms[1]]));
    bench.shared.world().edit(&opportunities(), &opportunity, "company", other);
    bench.run_to_rest();
    let reviews = bench.open_reviews();
    let [review] = reviews.as_slice() else { panic!("{reviews:?}") };
    assert!(matches!(review.subject, ReviewSubject::Conflict { .. }), "{review:?}");
    (bench, review.clone(), firms, [deal, opportunity])
}

/// Answers; a refusal is told with its hint.
fn answer(bench: &Bench, review: &Review, text: &str) -> Result<(), (String, Option<String>)> {
    let told = |error: ResolveError| (error.to_string(), error.hint());
    let value = block_on(parse_given_value(&bench.store, &bench.spec, review, text));
    let choice = ReviewChoice::Value(Some(value.map_err(told)?));
    let resolved = block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1));
    resolved.map(drop).map_err(told)
}

/// `RULES.md` V15.
#[test]
fn reference_takes_a_record_or_a_link() {
    for by in 0..4 {
        let (bench, review, firms, [deal, opportunity]) = contested();
        let text = match by {
            0 => format!("a.companies/{}", firms[0]),
            1 => format!(" b.accounts/{} ", account(&bench, "one")),
            2 => "link 1".to_owned(),
            _ => "1".to_owned(),
        };
        answer(&bench, &review, &text).unwrap();
        bench.run_to_rest();
        check_cell(&bench, &deals(), &deal, "company", references(&[&firms[0]]));
        let one = references(&[&account(&bench, "one")]);
        check_cell(&bench, &opportunities(), &opportunity, "company", one);
        assert!(bench.open_reviews().is_empty());
    }
}

/// `RULES.md` V15: also one that neither system has named.
#[test]
fn reference_takes_a_record_that_nothing_of_the_link_names() {
    let (bench, review, _, [deal, opportunity]) = contested();
    let fourth = bench.shared.world().create(&firms(), &[("name", "four".into())]);
    bench.run_to_rest();
    answer(&bench, &review, &format!("a.companies/{fourth}")).unwrap();
    bench.run_to_rest();
    check_cell(&bench, &deals(), &deal, "company", references(&[&fourth]));
    let four = references(&[&account(&bench, "four")]);
    check_cell(&bench, &opportunities(), &opportunity, "company", four);
}

/// `RULES.md` V15: nothing is emptied by a text that names nothing.
#[test]
fn reference_that_names_nothing_is_refused_with_what_can_be_given() {
    let (bench, review, firms, [deal, opportunity]) = contested();
    let before = |bench: &Bench| {
        let world = bench.shared.world();
        let cell = |at, id: &str| world.cell(at, id, "company");
        [cell(&deals(), &deal), cell(&opportunities(), &opportunity)]
    };
    let held = before(&bench);
    bench.shared.world().remove(&place("a", "companies"), &firms[0], Removal::Deleted);
    bench.run_to_rest();
    let fits = "give a.companies/ID, b.accounts/ID or `link N` as `why` shows it";
    for (text, why) in [
        ("xyz", "it names no record"),
        ("one", "it names no record"),
        ("a.companies/99", "no such record is known"),
        ("a.deals/1", "a.deals is no company"),
        ("c.firms/1", "c.firms is no company"),
        ("link 77", "there is no company with that number"),
        ("link 4", "there is no company with that number"),
        ("link 1", "that company is gone"),
    ] {
        let expected = format!("`{text}` cannot be the value of `company`: {why}");
        assert_eq!(answer(&bench, &review, text), Err((expected, Some(fits.to_owned()))));
    }
    let nothing = ["no value was given for `company`", "`clear` empties `company`"];
    let [nothing, hint] = nothing.map(str::to_owned);
    assert_eq!(answer(&bench, &review, " "), Err((nothing, Some(hint))));
    // Nor is it taken from whoever makes the value itself.
    for value in [references(&["xyz"]), references(&["2", "3"]), "2".into()] {
        let choice = ReviewChoice::Value(Some(value));
        assert!(block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).is_err());
    }
    bench.run_to_rest();
    assert_eq!(before(&bench), held);
    // What a system holds is taken; a deal needs its company.
    for (value, fits) in
        [(references(&["2"]), true), (references(&["3"]), true), (Value::Null, false)]
    {
        let choice = ReviewChoice::Value(Some(value));
        let taken = block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1));
        assert_eq!(taken.is_ok(), fits, "{taken:?}");
    }
}
