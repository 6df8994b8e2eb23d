//! A surplus record of a link: it is converted, merged, deleted or
//! restored, or takes the place of the active one.

use futures::executor::block_on;
use renkei_model::record::Removal;
use renkei_model::spec::{FirstLink, OnDelete};
use renkei_model::state::{RecordKey, Review, ReviewChoice, ReviewStatus, ReviewSubject};
use renkei_model::value::Value;
use renkei_sync::answers::resolve::resolve;
use renkei_sync::answers::why::{WhySubject, why};

use super::{bench, check_cell, leads, with_leads};
use crate::bench::Bench;
use crate::scenarios::{a, b, people};
use crate::world::Place;

fn key(at: &Place, id: &str) -> RecordKey {
    RecordKey { system: at.0.clone(), object: at.1.clone(), id: id.to_owned() }
}

fn told(bench: &Bench, at: &Place, id: &str) -> String {
    let subject = WhySubject::Record(key(at, id));
    block_on(why(&bench.store, &bench.spec, &subject, None)).unwrap().unwrap().to_string()
}

fn only_question(bench: &Bench) -> Review {
    let mut reviews = bench.open_reviews();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    reviews.remove(0)
}

/// The only question is about these two.
fn check_asked(bench: &Bench, (active, surplus): (RecordKey, RecordKey)) {
    let question = only_question(bench);
    let ReviewSubject::Surplus { active: now, surplus: beside, .. } = &question.subject else {
        panic!("{question:?}")
    };
    assert_eq!((now, beside), (&active, &surplus));
}

fn person(bench: &Bench, at: &Place, mail: Option<&str>, [title, city]: [&str; 2]) -> String {
    let mut cells = vec![("title", Value::from(title))];
    cells.extend(mail.map(|mail| ("mail", mail.into())));
    cells.extend((*at != leads()).then(|| ("city", city.into())));
    let id = bench.shared.world().create(at, &cells);
    bench.run_to_rest();
    id
}

/// Two Leads of one person without mail, each with a contact in `a`, and these contacts.
fn two_leads() -> (Bench, [String; 2], [String; 2]) {
    let bench = with_leads();
    let made = ["one", "two"].map(|title| {
        let lead = person(&bench, &leads(), None, [title, ""]);
        let world = bench.shared.world();
        let is_its = |id: &String| world.cell(&a(), id, "title") == title.into();
        let contact = world.live(&a()).into_iter().find(is_its).unwrap();
        (lead, contact)
    });
    let [(one, left), (two, right)] = made;
    (bench, [one, two], [left, right])
}

/// The contacts of `two_leads` are one; their id.
fn merge_contacts(bench: &Bench, contacts: &[String; 2]) -> String {
    bench.shared.world().merge(&a(), &contacts[0], &[&contacts[1]], true)
}

/// `RULES.md` P7: also where both are read in the same cycle.
#[test]
fn surplus_lead_that_is_converted_stays_in_its_link() {
    for at_once in [false, true] {
        let (bench, [one, two], contacts) = two_leads();
        let merged = merge_contacts(&bench, &contacts);
        if !at_once {
            bench.run_to_rest();
            check_asked(&bench, (key(&leads(), &one), key(&leads(), &two)));
        }
        let contact = bench.shared.world().convert(&leads(), &two, &b());
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&a()), std::slice::from_ref(&merged), "{at_once}");
        check_asked(&bench, (key(&leads(), &one), key(&b(), &contact)));
        check_cell(&bench, &leads(), &one, "title", "one");
        check_cell(&bench, &b(), &contact, "title", "two");
        // The active one goes: the person lives on as the Contact.
        bench.shared.world().remove(&leads(), &one, Removal::Deleted);
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&a()), std::slice::from_ref(&merged), "{at_once}");
        assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
        bench.shared.world().edit(&a(), &merged, "phone", "1".into());
        bench.run_to_rest();
        check_cell(&bench, &b(), &contact, "phone", "1");
    }
}

/// `RULES.md` P7: whoever was content with two of them is not asked again.
#[test]
fn surplus_lead_that_is_left_alone_and_converted_is_not_asked_about_again() {
    let (bench, [_, two], contacts) = two_leads();
    let merged = merge_contacts(&bench, &contacts);
    bench.run_to_rest();
    let question = only_question(&bench);
    block_on(resolve(&bench.store, &bench.spec, &question.id, ReviewChoice::Leave, 1)).unwrap();
    bench.run_to_rest();
    bench.shared.world().convert(&leads(), &two, &b());
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&a()), [merged]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
}

/// `RULES.md` P7: the Contact shows a while after its Lead has gone, or before.
#[test]
fn surplus_lead_and_its_contact_may_be_read_one_after_the_other() {
    for contact_first in [false, true] {
        let (bench, [one, two], contacts) = two_leads();
        let merged = merge_contacts(&bench, &contacts);
        bench.run_to_rest();
        let contact = bench.shared.world().create(&b(), &[("title", "two".into())]);
        let unread = match contact_first {
            true => None,
            false => Some(bench.shared.world().vanish(&b(), &contact)),
        };
        if contact_first {
            bench.run_to_rest();
        }
        let became = vec![("people".to_owned(), contact.clone())];
        bench.shared.world().remove(&leads(), &two, Removal::ConvertedTo(became));
        if let Some(record) = unread {
            bench.run_to_rest();
            only_question(&bench);
            let mut world = bench.shared.world();
            world.table(&b()).records.insert(contact.clone(), record);
            world.edit(&b(), &contact, "city", "Usa".into());
        }
        bench.run_to_rest();
        let asked = bench.open_reviews();
        let is_about = |place: Place, ids: [&str; 2]| {
            asked.iter().any(|one| match &one.subject {
                ReviewSubject::Surplus { active, surplus, .. } => {
                    let at = (active.system.as_str(), surplus.system.as_str());
                    at == (&place.0, &place.0)
                        && ids.contains(&active.id.as_str())
                        && ids.contains(&surplus.id.as_str())
                }
                _ => false,
            })
        };
        assert!(is_about(b(), [&one, &contact]), "{contact_first}: {asked:?}");
        // What was made for the Contact before it was known whose it is stands twice, and is asked
        // about; else there is nothing besides.
        let live = bench.shared.world().live(&a());
        assert_eq!(live.len(), 1 + usize::from(contact_first), "{live:?}");
        assert_eq!(asked.len(), live.len(), "{asked:?}");
        if contact_first {
            let other = live.iter().find(|id| **id != merged).unwrap();
            assert!(is_about(a(), [&merged, other]), "{asked:?}");
        }
    }
}

/// Two persons in both systems, in step, and their ids in the place `first` and in the other one.
fn two_persons(first: &Place, prefer: FirstLink) -> (Bench, [String; 2], [String; 2]) {
    let mut spec = people();
    spec.first_link = prefer;
    let bench = bench(spec);
    let other = if *first == a() { b() } else { a() };
    let values = [("1@x", ["one", "Oita"]), ("2@x", ["two", "Usa"])];
    let ones = values.map(|(mail, values)| person(&bench, first, Some(mail), values));
    let others = ["1@x", "2@x"].map(|mail| {
        let world = bench.shared.world();
        let is_its = |id: &String| world.cell(&other, id, "mail") == mail.into();
        world.live(&other).into_iter().find(is_its).unwrap()
    });
    (bench, ones, others)
}

/// Way in which the second one of the surplus pair comes to stand alone.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Stays {
    /// The first one is merged into it.
    Merged,
    /// Both become a new one that has its values.
    Renewed,
    /// The first one is deleted.
    Alone,
}

/// The only record of a place.
fn only(bench: &Bench, at: &Place) -> String {
    let mut live = bench.shared.world().live(at);
    assert_eq!(live.len(), 1, "{live:?}");
    live.remove(0)
}

/// Conflicts of a field: the values of each conflict, open or decided by a rule.
fn conflicts(bench: &Bench, name: &str) -> Vec<Vec<(String, Value)>> {
    let values = |review: &Review| match &review.subject {
        ReviewSubject::Conflict { field, values, .. }
            if field == name && review.status != ReviewStatus::Closed =>
        {
            let values = values.iter().filter_map(|(system, cell)| Some((system, cell.clone()?)));
            Some(values.map(|(system, value)| (system.clone(), value)).collect())
        }
        _ => None,
    };
    bench.reviews().iter().filter_map(values).collect()
}

/// `RULES.md` P7: one of two persons wins in one system, and the other one in the other: neither
/// choice is undone silently, whichever system is first, and whether or not both are read at once.
#[test]
fn record_that_was_surplus_and_stays_is_weighed() {
    for (first, renewed) in [(a(), true), (a(), false), (b(), true), (b(), false)] {
        for stays in [Stays::Merged, Stays::Renewed, Stays::Alone] {
            for at_once in [false, true] {
                for preferred in ["a", "b"] {
                    let second = if first == a() { b() } else { a() };
                    let prefer = FirstLink::Prefer(preferred.to_owned());
                    let (bench, ones, others) = two_persons(&first, prefer);
                    let told = format!("{first:?} {renewed} {stays:?} {at_once} {preferred}");
                    bench.shared.world().merge(&first, &ones[0], &[&ones[1]], renewed);
                    if !at_once {
                        bench.run_to_rest();
                    }
                    {
                        let mut world = bench.shared.world();
                        let [loser, winner] = &others;
                        match stays {
                            Stays::Merged => drop(world.merge(&second, winner, &[loser], false)),
                            Stays::Renewed => drop(world.merge(&second, winner, &[loser], true)),
                            Stays::Alone => world.remove(&second, loser, Removal::Deleted),
                        }
                    }
                    bench.run_to_rest();
                    check_weighed(&bench, (&first, &second), preferred, &told);
                }
            }
        }
    }
}

/// The one of `first` had `one` and `Oita`, the other one `two` and `Usa`.
fn check_weighed(bench: &Bench, (first, second): (&Place, &Place), preferred: &str, told: &str) {
    let (left, right) = (only(bench, first), only(bench, second));
    let cells = |column: &str| {
        let world = bench.shared.world();
        [world.cell(first, &left, column), world.cell(second, &right, column)]
    };
    for (column, values) in [("title", ["one", "two"]), ("city", ["Oita", "Usa"])] {
        let values = values.map(Value::from);
        let known = conflicts(bench, column);
        let shown = [(first, &values[0]), (second, &values[1])];
        let shown = shown.map(|(at, value)| (at.0.clone(), value.clone()));
        let on_record = known.iter().any(|known| shown.iter().all(|one| known.contains(one)));
        let now = cells(column);
        assert!(on_record, "{told}: {now:?} {known:?}");
        let wins = usize::from(second.0 == preferred);
        assert_eq!(now, [values[wins].clone(), values[wins].clone()], "{told}: {known:?}");
    }
    let surplus = bench.open_reviews();
    assert!(surplus.is_empty(), "{told}: {surplus:?}");
}

/// `RULES.md` P7: the person was deleted where the surplus record is not: it makes nobody again,
/// unless somebody has edited it since it became surplus.
#[test]
fn record_that_was_surplus_undoes_no_deletion_by_what_it_held() {
    for edited in [false, true] {
        let (bench, [one, two], contacts) = two_leads();
        let merged = merge_contacts(&bench, &contacts);
        bench.run_to_rest();
        let contact = bench.shared.world().convert(&leads(), &two, &b());
        bench.run_to_rest();
        if edited {
            bench.shared.world().edit(&b(), &contact, "phone", "1".into());
        }
        {
            let mut world = bench.shared.world();
            world.remove(&a(), &merged, Removal::Deleted);
            world.remove(&leads(), &one, Removal::Deleted);
        }
        bench.run_to_rest();
        assert!(bench.shared.world().live(&leads()).is_empty());
        let stays = usize::from(edited);
        assert_eq!(bench.shared.world().live(&b()).len(), stays);
        assert_eq!(bench.shared.world().live(&a()).len(), stays);
    }
}

/// `RULES.md` P7: whichever of a surplus record and a third one is left, and under which id, the
/// person that both stand for is one, and nothing is made or changed for the others.
#[test]
fn surplus_record_that_is_merged_with_a_third_one_makes_nothing_twice() {
    for (surplus_wins, renewed) in [(true, true), (true, false), (false, true), (false, false)] {
        let (bench, ones, others) = two_persons(&a(), FirstLink::Prefer("a".to_owned()));
        bench.shared.world().merge(&a(), &ones[0], &[&ones[1]], true);
        bench.run_to_rest();
        let third = person(&bench, &b(), Some("3@x"), ["three", "Beppu"]);
        let pair = if surplus_wins { [&others[1], &third] } else { [&third, &others[1]] };
        bench.shared.world().merge(&b(), pair[0], &[pair[1]], renewed);
        bench.run_to_rest();
        let told = format!("{surplus_wins} {renewed}");
        let titles = |at: &Place| {
            let world = bench.shared.world();
            let mut titles: Vec<Value> =
                world.live(at).iter().map(|id| world.cell(at, id, "title")).collect();
            titles.sort();
            titles
        };
        assert_eq!(titles(&a()), ["one".into(), "three".into()], "{told}");
        let kept = if surplus_wins { "two" } else { "three" };
        let mut expected = vec![Value::from("one"), kept.into()];
        expected.sort();
        assert_eq!(titles(&b()), expected, "{told}");
        // In each system two stand for one person.
        let asked = bench.open_reviews();
        let systems: Vec<&str> = asked
            .iter()
            .filter_map(|one| match &one.subject {
                ReviewSubject::Surplus { active, .. } => Some(active.system.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(systems.len(), 2, "{told}: {asked:?}");
        assert!(systems.contains(&"a") && systems.contains(&"b"), "{told}: {asked:?}");
    }
}

/// `RULES.md` P7: what a surplus record became belongs to the merge as that did.
#[test]
fn merge_that_is_undone_after_a_surplus_lead_was_converted_gives_the_contact_its_counterpart() {
    let (bench, [one, two], contacts) = two_leads();
    let merged = bench.shared.world().merge(&a(), &contacts[0], &[&contacts[1]], false);
    assert_eq!(merged, contacts[0]);
    bench.run_to_rest();
    let contact = bench.shared.world().convert(&leads(), &two, &b());
    bench.run_to_rest();
    {
        let mut world = bench.shared.world();
        world.advance(60_000);
        world.restore(&a(), &contacts[1]);
        world.advance(60_000);
    }
    bench.run_to_rest();
    assert_eq!(bench.shared.world().live(&a()), contacts);
    assert_eq!(bench.shared.world().live(&leads()), [one]);
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    bench.shared.world().edit(&a(), &contacts[1], "phone", "1".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &contact, "phone", "1");
    assert!(told(&bench, &a(), &contacts[1]).contains("was undone"));
}

/// `RULES.md` P7: an empty field of a record that takes a place empties nothing.
#[test]
fn record_that_takes_a_place_is_filled_and_empties_nothing() {
    for stays in [Stays::Merged, Stays::Alone] {
        for at_once in [false, true] {
            let (bench, ones, others) = two_persons(&a(), FirstLink::Prefer("b".to_owned()));
            bench.shared.world().edit(&b(), &others[0], "phone", "1".into());
            bench.run_to_rest();
            let merged = bench.shared.world().merge(&a(), &ones[0], &[&ones[1]], true);
            if !at_once {
                bench.run_to_rest();
            }
            {
                let mut world = bench.shared.world();
                if stays == Stays::Merged {
                    // The system leaves what is empty.
                    let became = Removal::MergedInto(others[1].clone());
                    world.remove(&b(), &others[0], became);
                } else {
                    world.remove(&b(), &others[0], Removal::Deleted);
                }
            }
            bench.run_to_rest();
            check_cell(&bench, &a(), &merged, "phone", "1");
            check_cell(&bench, &b(), &others[1], "phone", "1");
        }
    }
}

/// `RULES.md` P7: the program dies after any commit.
#[test]
fn surplus_lead_that_is_converted_stays_in_its_link_after_a_crash() {
    for commits in 1..16 {
        let (mut bench, [one, two], contacts) = two_leads();
        let merged = merge_contacts(&bench, &contacts);
        let contact = bench.shared.world().convert(&leads(), &two, &b());
        bench.store.stop_after(commits);
        drop(bench.try_cycle());
        bench.store = bench.store.copy();
        bench.run_to_rest();
        assert_eq!(bench.shared.world().live(&a()), [merged], "{commits}");
        check_asked(&bench, (key(&leads(), &one), key(&b(), &contact)));
    }
}

/// `RULES.md` P7: the other link is no longer kept in step, and stops nothing.
#[test]
fn surplus_record_that_is_merged_into_one_that_is_left_alone_stops_nothing() {
    let mut spec = people();
    spec.on_delete = OnDelete::Unlink;
    let bench = bench(spec);
    let [one, two, three] = ["one", "two", "three"].map(|title| {
        let id = person(&bench, &b(), Some(&format!("{title}@x")), [title, "Oita"]);
        let world = bench.shared.world();
        let is_its = |id: &String| world.cell(&a(), id, "title") == title.into();
        (world.live(&a()).into_iter().find(is_its).unwrap(), id)
    });
    bench.shared.world().remove(&a(), &three.0, Removal::Deleted);
    let merged = bench.shared.world().merge(&a(), &one.0, &[&two.0], false);
    bench.run_to_rest();
    only_question(&bench);
    bench.shared.world().merge(&b(), &three.1, &[&two.1], false);
    bench.run_to_rest();
    assert!(bench.open_reviews().is_empty(), "{:?}", bench.open_reviews());
    bench.shared.world().edit(&a(), &merged, "title", "CEO".into());
    bench.run_to_rest();
    check_cell(&bench, &b(), &one.1, "title", "CEO");
    check_cell(&bench, &b(), &three.1, "title", "three");
    assert_eq!(bench.shared.world().live(&a()), [merged]);
}
