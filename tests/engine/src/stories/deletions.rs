//! Deletions: what they take along in their systems, what went along with one of the engine's own,
//! and how many there are in a day.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{Direction, FieldKind, OnCascade, Spec, Winner};
use renkei_model::state::{RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, companies, deals, leads, references, with_leads};
use crate::bench::{Bench, direct, field, member};
use crate::scenarios::{a, b, people, world};
use crate::world::knobs::{OnRemoval, Referrer};
use crate::world::{Place, World, place};

const DAY_MS: i64 = 24 * 3_600_000;

pub(super) fn accounts() -> Place {
    place("b", "accounts")
}

pub(super) fn opportunities() -> Place {
    place("b", "opportunities")
}

pub(super) fn deals_of_a() -> Place {
    place("a", "deals")
}

/// A company with so many deals in both systems; in `b` an account takes its opportunities along.
/// The company's id in `a`.
pub(super) fn company_with_deals(count: usize, on_cascade: OnCascade) -> (Bench, String) {
    let mut world = world();
    for at in [("a", "companies"), ("b", "accounts"), ("a", "deals"), ("b", "opportunities")] {
        world.table(&place(at.0, at.1)).stamped = true;
    }
    let table = world.table(&accounts());
    let goes = Value::Choices(vec!["opportunities.company".into()]);
    table.facts.push(("cascades".to_owned(), goes));
    table.knobs.referrers.push(Referrer {
        at: opportunities(),
        column: "company".to_owned(),
        on_removal: OnRemoval::Cascade,
    });
    let mut deals = deals();
    for member in &mut deals.members {
        member.groups[1].required = false;
    }
    let mut companies = companies();
    companies.on_cascade = on_cascade;
    let bench = Bench::new(world, Spec::new(vec![deals, people(), companies]).unwrap());
    let company = bench.shared.world().create(&place("a", "companies"), &[("name", "A".into())]);
    for number in 0..count {
        let name = format!("deal {number}");
        let cells = [("name", name.as_str().into()), ("company", references(&[&company]))];
        bench.shared.world().create(&deals_of_a(), &cells);
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&opportunities()).len(), count);
    (bench, company)
}

pub(super) fn only_question(bench: &Bench) -> Review {
    let mut reviews = bench.open_reviews();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    reviews.remove(0)
}

pub(super) fn answer(bench: &Bench, review: &Review, choice: ReviewChoice) {
    block_on(resolve(&bench.store, &bench.spec, &review.id, choice, 1)).unwrap();
}

pub(super) fn delete(bench: &Bench, at: &Place, id: &str) {
    bench.shared.world().remove(at, id, Removal::Deleted);
}

/// The company is deleted in `a`, and a person lets its account and what goes along go.
fn with_approved_cascade() -> (Bench, Review) {
    let (bench, company) = company_with_deals(2, OnCascade::Ask);
    delete(&bench, &place("a", "companies"), &company);
    bench.run_to_rest();
    answer(&bench, &only_question(&bench), ReviewChoice::Approve);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());
    assert!(bench.shared.world().live(&opportunities()).is_empty());
    assert_eq!(bench.shared.world().live(&deals_of_a()).len(), 2, "nobody deleted the deals");
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::TookAlong { .. }), "{question:?}");
    for deal in bench.shared.world().live(&deals_of_a()) {
        assert_eq!(questions_about(&bench, &deals_of_a(), &deal), std::slice::from_ref(&question));
    }
    (bench, question)
}

/// The open questions that `why` names for a record (`RULES.md` I14).
fn questions_about(bench: &Bench, at: &Place, id: &str) -> Vec<Review> {
    let (system, object, id) = (at.0.clone(), at.1.clone(), id.to_owned());
    let subject = WhySubject::Record(RecordKey { system, object, id });
    let answer = block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap();
    answer.reviews.into_iter().filter(|review| review.status == ReviewStatus::Open).collect()
}

/// `RULES.md` V2, P3.
#[test]
fn deletion_that_takes_others_along_asks_and_counts_them() {
    let (mut bench, company) = company_with_deals(2, OnCascade::Ask);
    delete(&bench, &place("a", "companies"), &company);
    for _ in 0..2 {
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&accounts()).len(), 1);
        assert_eq!(bench.shared.world().live(&opportunities()).len(), 2);
    }
    let question = only_question(&bench);
    let ReviewSubject::Deletions { count: 3, limit: 20, along, .. } = &question.subject else {
        panic!("{question:?}")
    };
    assert_eq!(*along, [("b.opportunities".to_owned(), 2)]);
    let account = bench.shared.world().live(&accounts())[0].clone();
    assert_eq!(questions_about(&bench, &accounts(), &account), std::slice::from_ref(&question));
    let deal = bench.shared.world().live(&deals_of_a())[0].clone();
    assert_eq!(questions_about(&bench, &deals_of_a(), &deal), []);
    bench.options.apply = false;
    let plan = bench.try_cycle().unwrap().plan;
    let said = plan.to_string();
    let expected = "deletions of company: 1, taking along 2 b.opportunities; \
                    0 in the last 24 hours, 20 allowed; waits for approval\n";
    assert!(said.contains(expected), "{said}");
    assert!(plan.operations.is_empty(), "{said}");
}

/// `RULES.md` V2: the question is over when nothing goes along any more.
#[test]
fn deletion_goes_on_when_nothing_goes_along_any_more() {
    let (bench, company) = company_with_deals(1, OnCascade::Ask);
    delete(&bench, &place("a", "companies"), &company);
    bench.run_to_rest();
    assert_eq!(bench.open_reviews().len(), 1);
    let deal = bench.shared.world().live(&opportunities())[0].clone();
    bench.shared.world().edit(&opportunities(), &deal, "company", Value::Null);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());
    assert_eq!(bench.shared.world().live(&opportunities()), [deal]);
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` V2: an admin may allow it, within the guard.
#[test]
fn deletion_that_takes_others_along_is_counted_where_it_is_allowed() {
    let (bench, company) = company_with_deals(19, OnCascade::Allow);
    delete(&bench, &place("a", "companies"), &company);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&accounts()).is_empty());

    let (bench, company) = company_with_deals(20, OnCascade::Allow);
    delete(&bench, &place("a", "companies"), &company);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&accounts()).len(), 1);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 21, .. }), "{question:?}");
}

/// `RULES.md` V2, P3: what went along is no deletion by a person.
#[test]
fn record_that_went_along_deletes_nothing_elsewhere() {
    let (bench, question) = with_approved_cascade();
    let ReviewSubject::TookAlong { with } = &question.subject else { panic!("{question:?}") };
    let deal = bench.shared.world().live(&deals_of_a())[0].clone();
    let key = RecordKey { system: "a".into(), object: "deals".into(), id: deal };
    let told = block_on(why(&bench.store, &bench.spec, &WhySubject::Record(key), None));
    let told = told.unwrap().unwrap().to_string();
    assert!(told.contains(&format!("went along when {with} was archived")), "{told}");
    for _ in 0..2 {
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&deals_of_a()).len(), 2);
        assert_eq!(only_question(&bench).id, question.id);
    }
    answer(&bench, &question, ReviewChoice::Approve);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&deals_of_a()).is_empty());
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` V2.
#[test]
fn record_that_went_along_is_made_again_when_a_person_says_so() {
    let (bench, question) = with_approved_cascade();
    answer(&bench, &question, ReviewChoice::Separate);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&deals_of_a()).len(), 2);
    assert_eq!(bench.shared.world().live(&opportunities()).len(), 2);
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` V2: an edit made since is kept, as after any deletion.
#[test]
fn record_that_went_along_is_made_again_for_an_edit() {
    let (bench, _) = with_approved_cascade();
    let deal = bench.shared.world().live(&deals_of_a())[0].clone();
    bench.shared.world().edit(&deals_of_a(), &deal, "name", "edited".into());
    bench.run_to_rest();
    let world = bench.shared.world();
    let made = world.live(&opportunities());
    assert_eq!(made.len(), 1);
    assert_eq!(world.cell(&opportunities(), &made[0], "name"), "edited".into());
}

/// `RULES.md` V2: a person's own deletion may take many along in one system.
#[test]
fn deletions_that_follow_from_a_persons_own_count_against_the_guard() {
    let (bench, _) = company_with_deals(21, OnCascade::Ask);
    let account = bench.shared.world().live(&accounts())[0].clone();
    delete(&bench, &accounts(), &account);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&opportunities()).is_empty());
    assert_eq!(bench.shared.world().live(&deals_of_a()).len(), 21);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 21, .. }), "{question:?}");
}

/// So many people in both systems.
fn with_people(count: usize) -> Bench {
    let bench = bench(people());
    for person in 0..count {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
    }
    bench.run_to_rest();
    bench
}

fn delete_some(bench: &Bench, count: usize) {
    let ids = bench.shared.world().live(&a());
    for id in ids.iter().take(count) {
        delete(bench, &a(), id);
    }
    bench.run_to_rest();
}

/// `RULES.md` P14.
#[test]
fn deletions_in_slices_count_together_for_a_day() {
    let bench = with_people(61);
    delete_some(&bench, 20);
    assert_eq!(bench.shared.world().live(&b()).len(), 41);
    delete_some(&bench, 20);
    delete_some(&bench, 20);
    assert_eq!(bench.shared.world().live(&b()).len(), 41, "20 a day without a question");
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 40, .. }), "{question:?}");
    answer(&bench, &question, ReviewChoice::Approve);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    // What a person has approved uses nothing up, but the day's own share is used.
    delete_some(&bench, 1);
    assert_eq!(bench.shared.world().live(&b()).len(), 1);
    bench.shared.world().advance(DAY_MS);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&b()).is_empty());
    assert!(bench.open_reviews().is_empty());
}

/// `RULES.md` V2: an answer is about the records that were asked about.
#[test]
fn approval_of_deletions_is_about_these_and_no_others() {
    let bench = with_people(60);
    delete_some(&bench, 21);
    answer(&bench, &only_question(&bench), ReviewChoice::Approve);
    let others = bench.shared.world().live(&a());
    {
        let mut world = bench.shared.world();
        for id in others.iter().take(5) {
            world.remove(&a(), id, Removal::Deleted);
        }
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 60);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deletions { count: 26, .. }), "{question:?}");
}

/// `RULES.md` P14.
#[test]
fn creations_in_slices_count_together_for_a_day() {
    let mut spec = people();
    spec.create_guard = Some(3);
    let bench = bench(spec);
    for person in 0..4 {
        let mail = format!("{person}@x");
        bench.shared.world().create(&a(), &[("mail", mail.as_str().into())]);
        bench.run_to_rest();
    }
    assert_eq!(bench.shared.world().live(&b()).len(), 3);
    answer(&bench, &only_question(&bench), ReviewChoice::Approve);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 4);
    bench.shared.world().advance(DAY_MS);
    bench.shared.world().create(&a(), &[("mail", "5@x".into())]);
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&b()).len(), 5);
    assert!(bench.open_reviews().is_empty());
}

/// A person of `a` who is a Lead in `b`; the Lead is converted, and what it became is gone before
/// anybody read it.
fn converted_and_gone(trace: bool) -> (Bench, String) {
    let bench = with_leads();
    let left = bench.shared.world().create(&a(), &[("mail", "a@x".into())]);
    bench.run_to_rest();
    {
        let mut world = bench.shared.world();
        let lead = world.live(&leads())[0].clone();
        let contact = world.convert(&leads(), &lead, &b());
        if trace {
            world.remove(&b(), &contact, Removal::Deleted);
        } else {
            world.vanish(&b(), &contact);
        }
    }
    bench.run_to_rest();
    (bench, left)
}

/// `RULES.md` V12, P11.
#[test]
fn contact_that_is_gone_before_it_was_read_is_asked_about() {
    let (bench, _) = converted_and_gone(true);
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Deleted { .. }), "{question:?}");
    answer(&bench, &question, ReviewChoice::Approve);
    bench.run_to_rest();
    assert!(bench.shared.world().live(&a()).is_empty());
    assert!(bench.open_reviews().is_empty());
}

/// A person of `a` who has opted out or not, and has a city; a Lead in `b`, whose Contact has a
/// city that no Lead has. The Lead is converted, and `last` happens before anybody reads that.
fn opted_out_and_gone(opt_out: bool, last: impl Fn(&mut World, &str)) -> Bench {
    let mut spec = people();
    let winner = Winner::OptOut { when: true };
    spec.fields.push(field("no_mail", FieldKind::Boolean, winner));
    for member in &mut spec.members {
        member.groups.push(direct(5, "no_mail", Direction::Both));
    }
    spec.members[1].create = false;
    let groups = spec.members[1].groups.iter();
    let groups = groups.filter(|group| group.columns != ["city"]).cloned().collect();
    spec.members.push(member("b", "leads", groups));
    let bench = bench(spec);
    bench.shared.world().table(&leads()).stamped = true;
    let cells = [("mail", "a@x".into()), ("city", "Oita".into())];
    let left = bench.shared.world().create(&a(), &cells);
    bench.shared.world().edit(&a(), &left, "no_mail", Value::Boolean(opt_out));
    bench.run_to_rest();
    {
        let mut world = bench.shared.world();
        let lead = world.live(&leads())[0].clone();
        assert_eq!(world.cell(&leads(), &lead, "no_mail"), Value::Boolean(opt_out));
        let contact = world.convert(&leads(), &lead, &b());
        world.remove(&b(), &contact, Removal::Deleted);
        last(&mut world, &left);
    }
    bench.run_to_rest();
    bench
}

/// `RULES.md` V12, P11: neither an opt-out nor a field that no Lead has is anybody's edit.
#[test]
fn contact_that_is_gone_before_it_was_read_is_asked_about_whatever_it_had() {
    for opt_out in [true, false] {
        let bench = opted_out_and_gone(opt_out, |_, _| {});
        assert!(bench.shared.world().live(&leads()).is_empty(), "{opt_out}: nobody edited it");
        let question = only_question(&bench);
        assert!(
            matches!(question.subject, ReviewSubject::Deleted { .. }),
            "{opt_out}: {question:?}"
        );
        answer(&bench, &question, ReviewChoice::Leave);
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&a()).len(), 1);
        assert!(bench.shared.world().live(&leads()).is_empty());
        assert!(bench.open_reviews().is_empty());
    }
}

/// `RULES.md` V12, P11: one who opts out, or takes that back, at that time has edited something.
#[test]
fn contact_that_is_gone_before_it_was_read_is_made_again_for_an_opt_out() {
    for before in [true, false] {
        let bench = opted_out_and_gone(before, |world, left| {
            world.edit(&a(), left, "no_mail", Value::Boolean(!before));
        });
        let made = bench.shared.world().live(&leads());
        assert_eq!(made.len(), 1, "{before}");
        let holds = bench.shared.world().cell(&leads(), &made[0], "no_mail");
        assert_eq!(holds, Value::Boolean(!before));
    }
}

/// `RULES.md` V12, P5: an opt-out outlives a Contact that comes back without it.
#[test]
fn contact_that_comes_back_unread_takes_no_opt_out_back() {
    let bench = opted_out_and_gone(true, |_, _| {});
    {
        let mut world = bench.shared.world();
        let contact = world.gone(&b())[0].clone();
        world.advance(60_000);
        world.restore(&b(), &contact);
        world.edit(&b(), &contact, "no_mail", Value::Boolean(false));
        world.advance(60_000);
    }
    bench.run_to_rest();
    let world = bench.shared.world();
    let (left, right) = (world.live(&a())[0].clone(), world.live(&b())[0].clone());
    assert_eq!(world.cell(&a(), &left, "no_mail"), Value::Boolean(true));
    assert_eq!(world.cell(&b(), &right, "no_mail"), Value::Boolean(true));
}

/// `RULES.md` V12, P11: an edit does not go nowhere.
#[test]
fn contact_that_is_gone_before_it_was_read_is_made_again_for_an_edit() {
    let (bench, left) = converted_and_gone(true);
    bench.shared.world().edit(&a(), &left, "title", "CTO".into());
    bench.run_to_rest();
    let made = bench.shared.world().live(&leads());
    assert_eq!(made.len(), 1);
    assert_eq!(bench.shared.world().cell(&leads(), &made[0], "title"), "CTO".into());
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` V12, P11.
#[test]
fn contact_that_nobody_shows_is_reviewed_as_missing() {
    let (bench, _) = converted_and_gone(false);
    assert_eq!(bench.shared.world().live(&a()).len(), 1);
    let question = only_question(&bench);
    assert!(matches!(question.subject, ReviewSubject::Missing { .. }), "{question:?}");
}

/// `RULES.md` V2: with all that went along, or without.
#[test]
fn records_that_went_along_and_come_back_end_the_question() {
    for whole in [true, false] {
        let (bench, _) = with_approved_cascade();
        {
            let mut world = bench.shared.world();
            world.advance(60_000);
            let gone = |world: &World, at: &Place| -> Vec<String> {
                world.tables[at].records.keys().cloned().collect()
            };
            for id in gone(&world, &accounts()) {
                world.restore(&accounts(), &id);
            }
            for id in if whole { gone(&world, &opportunities()) } else { Vec::new() } {
                world.restore(&opportunities(), &id);
            }
            world.advance(60_000);
        }
        bench.run_to_rest();
        assert!(bench.open_reviews().is_empty(), "{whole}: {:?}", bench.open_reviews());
        let world = bench.shared.world();
        assert_eq!(world.live(&place("a", "companies")).len(), 1, "{whole}");
        assert_eq!(world.live(&accounts()).len(), 1, "{whole}");
        assert_eq!(world.live(&deals_of_a()).len(), 2, "{whole}");
        assert_eq!(world.live(&opportunities()).len(), 2, "{whole}");
    }
}
