//! References that people set anew while the deletion of what they named waits (`RULES.md` V2).

use renkei_model::spec::{OnCascade, OnDelete, Spec, Winner};
use renkei_model::state::{ReviewChoice, ReviewSubject};
use renkei_model::value::Value;

use super::deletions::{accounts, answer, deals_of_a, delete, only_question, opportunities};
use super::{always, companies, deals, references};
use crate::bench::Bench;
use crate::scenarios::{a, people, world};
use crate::world::knobs::{OnRemoval, Referrer};
use crate::world::{Place, place};

/// Policy for deleted companies, and the winner of a deal's company.
struct Setting {
    winner: Winner,
    on_cascade: OnCascade,
    on_delete: OnDelete,
    /// The system in which everything was made.
    origin: &'static str,
}

impl Default for Setting {
    fn default() -> Self {
        let (on_cascade, on_delete) = (OnCascade::Ask, OnDelete::Archive);
        Self { winner: always("b"), on_cascade, on_delete, origin: "b" }
    }
}

/// Two companies in both systems, the first with so many deals.
struct Sales {
    bench: Bench,
    /// The companies in `a` and in `b`.
    first: [String; 2],
    second: [String; 2],
    /// The deals in `a`.
    deals: Vec<String>,
}

fn companies_of(system: &str) -> Place {
    place(system, if system == "a" { "companies" } else { "accounts" })
}

fn deals_of(system: &str) -> Place {
    if system == "a" { deals_of_a() } else { opportunities() }
}

impl Sales {
    /// In `a` a company that is deleted is taken out of its deals; in `b` it takes them along.
    fn new(count: usize, setting: Setting) -> Self {
        let mut world = world();
        for at in [deals_of("a"), deals_of("b"), companies_of("a"), companies_of("b")] {
            world.table(&at).stamped = true;
        }
        for system in ["a", "b"] {
            let does = setting.on_delete == OnDelete::Archive && system == "b";
            let on_removal = if does { OnRemoval::Cascade } else { OnRemoval::Clear };
            let (at, column) = (deals_of(system), "company".to_owned());
            let table = world.table(&companies_of(system));
            table.knobs.referrers.push(Referrer { at, column, on_removal });
            let goes = Value::Choices(vec!["opportunities.company".into()]);
            table.facts.extend(does.then(|| ("cascades".to_owned(), goes)));
        }
        let mut deals = deals();
        deals.fields[1].winner = setting.winner;
        for member in &mut deals.members {
            member.groups[1].required = false;
        }
        let mut companies = companies();
        companies.on_cascade = setting.on_cascade;
        companies.on_delete = setting.on_delete;
        let bench = Bench::new(world, Spec::new(vec![deals, people(), companies]).unwrap());
        let made = |name: &str| {
            let at = companies_of(setting.origin);
            let id = bench.shared.world().create(&at, &[("name", name.into())]);
            bench.run_to_rest();
            let [there] = ["a", "b"]
                .map(|system| {
                    let world = bench.shared.world();
                    world.live(&companies_of(system)).pop().unwrap()
                })
                .iter()
                .filter(|other| **other != id)
                .cloned()
                .collect::<Vec<_>>()
                .try_into()
                .unwrap();
            if setting.origin == "a" { [id, there] } else { [there, id] }
        };
        let (first, second) = (made("A"), made("B"));
        let home = if setting.origin == "a" { &first[0] } else { &first[1] };
        for number in 0..count {
            let name = format!("deal {number}");
            let cells = [("name", name.as_str().into()), ("company", references(&[home]))];
            bench.shared.world().create(&deals_of(setting.origin), &cells);
        }
        bench.run_to_rest();
        let deals = bench.shared.world().live(&deals_of_a());
        assert_eq!(deals.len(), count);
        Self { bench, first, second, deals }
    }

    fn delete(&self, system: &str) {
        let id = &self.first[usize::from(system == "b")];
        delete(&self.bench, &companies_of(system), id);
    }

    /// A person gives a deal the second company, some time later.
    fn give(&self, system: &str, deal: &str) {
        let second = references(&[&self.second[usize::from(system == "b")]]);
        let mut world = self.bench.shared.world();
        world.advance(5_000);
        world.edit(&deals_of(system), deal, "company", second);
    }

    fn restore(&self, system: &str) {
        let mut world = self.bench.shared.world();
        world.advance(5_000);
        world.restore(&companies_of(system), &self.first[usize::from(system == "b")]);
    }

    /// Numbers of live deals of both systems that have the first company, the second one, and none.
    fn counts(&self) -> [[usize; 3]; 2] {
        ["a", "b"].map(|system| {
            let world = self.bench.shared.world();
            let at = deals_of(system);
            let own = usize::from(system == "b");
            let values =
                [references(&[&self.first[own]]), references(&[&self.second[own]]), Value::Null];
            values.map(|value| {
                let live = world.live(&at);
                live.iter().filter(|id| world.cell(&at, id, "company") == value).count()
            })
        })
    }

    fn live(&self, system: &str) -> usize {
        self.bench.shared.world().live(&companies_of(system)).len()
    }

    /// Nothing is written any more, and nobody is asked.
    fn check_rests(&self) {
        self.bench.run_to_rest();
        assert!(self.bench.open_reviews().is_empty(), "{:?}", self.bench.open_reviews());
        assert!(self.bench.cycle().written.is_empty());
    }
}

#[test]
fn reference_set_while_a_deletion_waits_is_the_only_edit() {
    for origin in ["a", "b"] {
        let winners = [always("a"), always("b"), Winner::UnlessBlank("b".to_owned())];
        for winner in winners.into_iter().chain([Winner::Newest, Winner::Manual]) {
            let told = format!("{origin} {winner:?}");
            let sales = Sales::new(2, Setting { winner, origin, ..Setting::default() });
            sales.delete("a");
            sales.bench.run_to_rest();
            assert_eq!(sales.counts(), [[0, 0, 2], [2, 0, 0]], "{told}");
            only_question(&sales.bench);
            for deal in &sales.deals {
                sales.give("a", deal);
            }
            sales.check_rests();
            assert_eq!(sales.counts(), [[0, 2, 0], [0, 2, 0]], "{told}");
            assert_eq!((sales.live("a"), sales.live("b")), (1, 1), "nothing goes along: {told}");
        }
    }
}

#[test]
fn deal_that_moved_away_does_not_go_along_with_an_approved_deletion() {
    let sales = Sales::new(3, Setting::default());
    sales.delete("a");
    sales.bench.run_to_rest();
    let before = only_question(&sales.bench);
    sales.give("a", &sales.deals[0]);
    sales.bench.run_to_rest();
    let question = only_question(&sales.bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 3, .. }), "{question:?}");
    assert_ne!(question.id, before.id);
    answer(&sales.bench, &question, ReviewChoice::Approve);
    sales.bench.run_to_rest();
    assert_eq!(sales.counts(), [[0, 1, 2], [0, 1, 0]]);
    let question = only_question(&sales.bench);
    assert!(matches!(question.subject, ReviewSubject::TookAlong { .. }), "{question:?}");
    // What went along is made again, with the company that a person gives it then.
    sales.give("a", &sales.deals[1]);
    answer(&sales.bench, &question, ReviewChoice::Separate);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 2, 1], [0, 2, 1]]);
    sales.give("a", &sales.deals[2]);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 3, 0], [0, 3, 0]]);
}

/// An approved deletion is carried out after people's earlier acts.
#[test]
fn deal_that_moves_away_as_the_deletion_is_approved_does_not_go_along() {
    let sales = Sales::new(2, Setting::default());
    sales.delete("a");
    sales.bench.run_to_rest();
    let question = only_question(&sales.bench);
    sales.give("a", &sales.deals[0]);
    answer(&sales.bench, &question, ReviewChoice::Approve);
    sales.bench.run_to_rest();
    assert_eq!(sales.counts(), [[0, 1, 1], [1, 1, 0]]);
    let again = only_question(&sales.bench);
    assert!(matches!(again.subject, ReviewSubject::Deletions { count: 2, .. }), "{again:?}");
    sales.give("a", &sales.deals[1]);
    answer(&sales.bench, &again, ReviewChoice::Approve);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 2, 0], [0, 2, 0]]);
    assert_eq!((sales.live("a"), sales.live("b")), (1, 1));

    // The admin asks no questions.
    let on_cascade = OnCascade::Allow;
    let sales = Sales::new(2, Setting { on_cascade, ..Setting::default() });
    sales.delete("a");
    sales.give("a", &sales.deals[0]);
    sales.bench.run_to_rest();
    assert_eq!(sales.counts()[1], [0, 1, 0]);
    assert_eq!(sales.live("b"), 1);
}

#[test]
fn reference_set_while_a_deletion_waits_stays_when_the_record_comes_back() {
    for in_between in [true, false] {
        let sales = Sales::new(2, Setting::default());
        sales.delete("a");
        sales.bench.run_to_rest();
        sales.give("a", &sales.deals[0]);
        if in_between {
            sales.bench.run_to_rest();
        }
        sales.restore("a");
        sales.check_rests();
        assert_eq!(sales.counts(), [[1, 1, 0], [1, 1, 0]]);
        assert_eq!((sales.live("a"), sales.live("b")), (2, 2));
    }
}

#[test]
fn reference_set_after_a_deletion_was_left_is_carried_over() {
    let sales = Sales::new(2, Setting::default());
    sales.delete("a");
    sales.bench.run_to_rest();
    sales.give("a", &sales.deals[0]);
    sales.bench.run_to_rest();
    answer(&sales.bench, &only_question(&sales.bench), ReviewChoice::Leave);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 1, 1], [1, 1, 0]]);
    sales.give("a", &sales.deals[1]);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 2, 0], [0, 2, 0]]);
    assert_eq!((sales.live("a"), sales.live("b")), (1, 2), "the others were left");
}

/// The other system's reference still names the record; there, too, a person may set it anew.
#[test]
fn reference_set_anew_where_the_record_is_left_is_carried_over() {
    let sales = Sales::new(2, Setting { winner: always("a"), origin: "a", ..Setting::default() });
    sales.delete("a");
    sales.bench.run_to_rest();
    let there = sales.bench.shared.world().live(&opportunities());
    sales.give("b", &there[0]);
    sales.bench.run_to_rest();
    assert_eq!(sales.counts(), [[0, 1, 1], [1, 1, 0]]);
    sales.restore("a");
    sales.check_rests();
    assert_eq!(sales.counts(), [[1, 1, 0], [1, 1, 0]]);
}

/// A person is asked about the deletion itself; nothing goes along.
#[test]
fn reference_set_while_a_person_is_asked_is_the_only_edit_in_both_directions() {
    for system in ["a", "b"] {
        for choice in [ReviewChoice::Approve, ReviewChoice::Leave] {
            let other = if system == "a" { "b" } else { "a" };
            let told = format!("{system} {choice:?}");
            let winner = always(other);
            let on_delete = OnDelete::Review;
            let sales =
                Sales::new(2, Setting { winner, on_delete, origin: other, ..Setting::default() });
            sales.delete(system);
            sales.bench.run_to_rest();
            let question = only_question(&sales.bench);
            let live = sales.bench.shared.world().live(&deals_of(system));
            sales.give(system, &live[0]);
            sales.bench.run_to_rest();
            answer(&sales.bench, &question, choice.clone());
            // At the moment of the answer, and after it.
            sales.bench.cycle();
            sales.give(system, &live[1]);
            sales.check_rests();
            assert_eq!(sales.counts(), [[0, 2, 0], [0, 2, 0]], "{told}");
            let left = 1 + usize::from(choice == ReviewChoice::Leave);
            assert_eq!(sales.live(other), left, "{told}");
        }
    }
}

/// `b` never got the company that is gone: what a person sets there is no conflict with it.
#[test]
fn reference_to_what_is_gone_everywhere_contests_nothing() {
    let mut setting = Setting { winner: always("a"), origin: "a", ..Setting::default() };
    setting.on_delete = OnDelete::Review;
    let mut sales = Sales::new(0, setting);
    let mut entities = sales.bench.spec.entities().to_vec();
    for entity in &mut entities {
        let company = entity.name == "company";
        entity.members.iter_mut().for_each(|one| one.create &= !company);
    }
    sales.bench.spec = Spec::new(entities).unwrap();
    let third = {
        let mut world = sales.bench.shared.world();
        let third = world.create(&companies_of("a"), &[("name", "C".into())]);
        let cells = [("name", "deal".into()), ("company", references(&[&third]))];
        world.create(&deals_of_a(), &cells);
        third
    };
    sales.bench.run_to_rest();
    assert_eq!(sales.counts()[1], [0, 0, 1]);
    let there = sales.bench.shared.world().live(&opportunities());
    delete(&sales.bench, &companies_of("a"), &third);
    sales.give("b", &there[0]);
    sales.check_rests();
    assert_eq!(sales.counts(), [[0, 1, 0], [0, 1, 0]]);
}

#[test]
fn set_of_references_changes_while_the_deletion_of_one_waits() {
    let mut sales = Sales::new(0, Setting::default());
    let mut entities = sales.bench.spec.entities().to_vec();
    for entity in &mut entities {
        entity.on_delete = OnDelete::Review;
        entity.fields.iter_mut().for_each(|field| field.winner = always("b"));
    }
    sales.bench.spec = Spec::new(entities).unwrap();
    let (deal, ids) = {
        let mut world = sales.bench.shared.world();
        let (at, column) = (deals_of_a(), "persons".to_owned());
        let on_removal = OnRemoval::Clear;
        world.table(&a()).knobs.referrers.push(Referrer { at, column, on_removal });
        let ids = ["1@x", "2@x", "3@x"].map(|mail| world.create(&a(), &[("mail", mail.into())]));
        let cells = [("name", "deal".into()), ("persons", references(&[&ids[0], &ids[1]]))];
        (world.create(&deals_of_a(), &cells), ids)
    };
    sales.bench.run_to_rest();
    let persons = |system: &str| {
        let world = sales.bench.shared.world();
        let at = deals_of(system);
        let Value::References(ids) = world.cell(&at, &world.live(&at)[0], "persons") else {
            return Vec::new();
        };
        let home = if system == "a" { a() } else { crate::scenarios::b() };
        let mails = ids.iter().map(|id| world.cell(&home, id, "mail"));
        let mut mails: Vec<_> =
            mails.filter_map(|mail| mail.as_text().map(str::to_owned)).collect();
        mails.sort();
        mails
    };
    delete(&sales.bench, &a(), &ids[0]);
    sales.bench.run_to_rest();
    assert_eq!(persons("b"), ["1@x", "2@x"]);
    sales.bench.shared.world().edit(&deals_of_a(), &deal, "persons", references(&[&ids[2]]));
    sales.bench.run_to_rest();
    assert_eq!(persons("b"), ["1@x", "3@x"], "the deletion waits, the edit does not");
    {
        let mut world = sales.bench.shared.world();
        world.advance(5_000);
        world.restore(&a(), &ids[0]);
    }
    sales.check_rests();
    assert_eq!(persons("a"), ["1@x", "3@x"]);
    assert_eq!(persons("b"), ["1@x", "3@x"]);
    let account = accounts();
    assert_eq!(sales.bench.shared.world().live(&account).len(), 2);
}
