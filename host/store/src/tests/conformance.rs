//! Any history of commits, on the store in memory and on this one: every query must answer the
//! same.
//!
//! The histories keep to the engine's own: a link's entity never changes. Links are marked and
//! match keys replaced only with or after the link or record itself.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use renkei_model::effect::{Effect, EffectKind};
use renkei_model::spec::FieldIndex;
use renkei_model::state::{
    Awaited, Doubt, Failure, FailureClass, GuardCounts, LinkWork, OutboxEntry, OutboxState, Review,
    ReviewStatus, ReviewSubject, Sweep, SweepStage,
};
use renkei_model::store::memory::MemoryStore;
use renkei_model::store::port::{
    Changes, JournalQuery, OutboxQuery, Restored, ReviewFilter, ReviewQuery, Store,
};

use super::*;

const LINKS: u64 = 6;

fn keys() -> Vec<RecordKey> {
    let key = |system: &str, id: &str| RecordKey { system: system.to_owned(), ..key(id) };
    ["1", "2", "3", "ア"]
        .iter()
        .flat_map(|id| [key("hubspot", id), key("salesforce", id)])
        .collect()
}

fn entity(number: u64) -> String {
    if number.is_multiple_of(3) { "company".to_owned() } else { "person".to_owned() }
}

fn a_key() -> impl Strategy<Value = RecordKey> {
    prop::sample::select(keys())
}

fn a_link_id() -> impl Strategy<Value = LinkId> {
    (1..=LINKS).prop_map(LinkId)
}

fn failures() -> impl Strategy<Value = Vec<Failure>> {
    let class = prop::sample::select(vec![FailureClass::Refused, FailureClass::GivenUp]);
    let failure = (option::of("[mp]"), class, 0..4_i64).prop_map(|(field, class, last_ms)| {
        let key = key("1");
        Failure {
            system: key.system,
            object: key.object,
            id: Some(key.id),
            field,
            class,
            problems: Vec::new(),
            digest: "d".to_owned(),
            values: BTreeMap::new(),
            since_ms: 0,
            last_ms,
            times: 1,
        }
    });
    vec(failure, 0..3)
}

fn a_record() -> impl Strategy<Value = RecordState> {
    let status = prop_oneof![
        4 => Just(RecordStatus::Live),
        1 => Just(RecordStatus::Surplus),
        1 => Just(RecordStatus::Missing),
        1 => Just(RecordStatus::Archived),
        1 => Just(RecordStatus::Withdrawn),
        1 => Just(RecordStatus::Deleted),
        1 => Just(RecordStatus::Replaced),
        1 => Just(RecordStatus::Returned),
        1 => a_key().prop_map(RecordStatus::MergedInto),
        1 => a_key().prop_map(RecordStatus::ConvertedTo),
        1 => a_key().prop_map(RecordStatus::SurplusInto),
    ];
    (a_key(), option::of(1..=LINKS), status, any::<Option<i64>>(), failures()).prop_map(
        |(key, link, status, modified_ms, failures)| {
            let mut record = record("", link, status);
            record.fields[FieldIndex(1)].seen =
                Some(Value::References(vec![key.id.clone().into(), "9".into()]));
            let entity = entity(link.unwrap_or(1));
            RecordState { key, entity, modified_ms, failures, ..record }
        },
    )
}

fn a_link() -> impl Strategy<Value = Link> {
    let status = prop_oneof![
        4 => Just(LinkStatus::Active),
        1 => Just(LinkStatus::Ended),
        1 => a_link_id().prop_map(LinkStatus::MergedInto),
    ];
    (1..=LINKS, status, 0..9_u64, failures()).prop_map(|(number, status, version, failures)| Link {
        entity: entity(number),
        version,
        failures,
        ..link(number, status)
    })
}

fn an_awaited() -> impl Strategy<Value = Awaited> {
    let member = |link| Awaited::Member {
        link,
        system: "hubspot".to_owned(),
        object: "contacts".to_owned(),
    };
    prop_oneof![a_key().prop_map(Awaited::Linked), a_link_id().prop_map(member)]
}

fn an_operation() -> impl Strategy<Value = OutboxEntry> {
    let state = prop_oneof![Just(OutboxState::Planned), Just(OutboxState::Sent)];
    let system = prop_oneof![Just("hubspot"), Just("salesforce")];
    ("[a-d]", a_link_id(), system, state, 0..3_i64).prop_map(
        |(intent, link, system, state, not_before_ms)| OutboxEntry {
            intent,
            entity: entity(link.0),
            link,
            system: system.to_owned(),
            object: "contacts".to_owned(),
            effect: Effect::Create,
            if_version: None,
            if_modified_ms: None,
            columns: Vec::new(),
            fields: Vec::new(),
            reason: Reason::NewRecord,
            state,
            not_before_ms,
            attempts: 1,
            job: None,
        },
    )
}

fn a_review() -> impl Strategy<Value = Review> {
    let status = prop_oneof![
        Just(ReviewStatus::Open),
        Just(ReviewStatus::Decided),
        Just(ReviewStatus::Chosen),
        Just(ReviewStatus::Closed),
    ];
    ("[a-d]", option::of(a_link_id()), status, 0..3_i64).prop_map(|(id, link, status, at_ms)| {
        let subject = ReviewSubject::Deletions {
            count: 3,
            limit: 2,
            along: Vec::new(),
            digest: String::new(),
        };
        let entity = "person".to_owned();
        Review { id, entity, link, record: None, subject, status, choice: None, at_ms }
    })
}

fn a_line() -> impl Strategy<Value = JournalEntry> {
    (0..9_i64, option::of(a_link_id()), option::of(a_key()))
        .prop_map(|(at_ms, link, record)| JournalEntry { link, record, ..line(at_ms, 1, "") })
}

fn a_commit() -> impl Strategy<Value = Changes> {
    let pair = ("[kl]", "[vw]").prop_map(|(name, value)| (name, value));
    let tables = (
        vec(a_link(), 0..4),
        vec((a_record(), vec(pair, 0..3)), 0..4),
        vec((a_key(), a_key()), 0..2),
        vec(a_link_id(), 0..2),
        vec((a_link_id(), vec(an_awaited(), 0..3)), 0..3),
    );
    let rows = (
        vec(an_operation(), 0..3),
        vec("[a-d]", 0..2),
        vec(a_review(), 0..2),
        vec(a_line(), 0..3),
        option::of("[a-z]"),
        option::of(prop_oneof![(0..9_i64).prop_map(Restored::Noticed), Just(Restored::ReadAgain)]),
    );
    (tables, rows).prop_map(|(tables, rows)| {
        let (links, records, aliases, clean, waits) = tables;
        let (outbox, outbox_done, reviews, journal, position, restored) = rows;
        Changes {
            cursors: position.iter().map(|position| (stream(), cursor(position))).collect(),
            dirty: links.iter().map(|link| link.id).collect(),
            dirty_entities: links.iter().skip(1).map(|link| link.entity.clone()).collect(),
            links,
            match_keys: records.iter().map(|(r, pairs)| (r.key.clone(), pairs.clone())).collect(),
            sweeps: records
                .first()
                .map(|(record, _)| (stream(), sweep(record)))
                .into_iter()
                .collect(),
            doubts: records.iter().skip(1).map(doubted).collect(),
            swept: records.iter().take(2).map(|(r, _)| (r.key.clone(), 1)).collect(),
            unaliased: records.iter().skip(1).map(|(r, _)| r.key.clone()).collect(),
            records: records.into_iter().map(|(record, _)| record).collect(),
            aliases,
            clean,
            waits,
            outbox,
            outbox_done,
            guards: reviews
                .iter()
                .map(|review| (review.entity.clone(), review.at_ms, counts(review.at_ms)))
                .collect(),
            begun: reviews
                .iter()
                .map(|review| {
                    let covered = review.at_ms.unsigned_abs();
                    (review.entity.clone(), (!covered.is_multiple_of(5)).then_some(covered))
                })
                .collect(),
            reviews,
            journal,
            accounts: position.iter().map(|id| ("hubspot".to_owned(), id.clone())).collect(),
            epoch: position,
            restored,
        }
    })
}

/// A new doubt about a record, or the end of one.
fn doubted(record: &(RecordState, Vec<(String, String)>)) -> (RecordKey, Option<Doubt>) {
    let (record, pairs) = record;
    let doubt =
        Doubt { due_ms: record.modified_ms.unwrap_or(2), written: true, ..Doubt::default() };
    (record.key.clone(), (pairs.len() < 2).then_some(doubt))
}

fn counts(hour: i64) -> GuardCounts {
    GuardCounts { deleted: hour.unsigned_abs() + 1, created: 1, may_delete: 0, may_create: 3 }
}

fn sweep(record: &RecordState) -> Sweep {
    let stage = SweepStage::Scanning(Some(record.key.id.clone().into_bytes()));
    let began_ms = record.modified_ms.unwrap_or(i64::MIN);
    Sweep { round: 1, stage, began_ms, ..Sweep::default() }
}

/// The facts of the store itself.
async fn identity(store: &dyn Store) -> (Vec<String>, Option<i64>, Option<String>, Vec<String>) {
    let (epochs, restored_ms) = (store.epochs().await, store.restored_ms().await);
    let account = store.account("hubspot").await;
    let names = store.systems_of("a").await;
    (epochs.unwrap(), restored_ms.unwrap(), account.unwrap(), names.unwrap())
}

/// Every kind of query of the outbox.
fn outbox_queries() -> Vec<OutboxQuery> {
    let mut queries = Vec::new();
    for state in [OutboxState::Planned, OutboxState::Sent] {
        for entity in [None, Some("person".to_owned())] {
            for system in [None, Some("hubspot".to_owned())] {
                for kind in [None, Some(EffectKind::Create), Some(EffectKind::Update)] {
                    let kind = kind.map(|kind| ("contacts".to_owned(), kind));
                    let (entity, system, due_ms) = (entity.clone(), system.clone(), 1);
                    let query = OutboxQuery { state, entity, system, kind, due_ms, limit: 2 };
                    queries.push(query);
                }
            }
        }
    }
    queries
}

async fn doubts(store: &dyn Store, keys: &[RecordKey]) -> Vec<Vec<(RecordKey, Doubt)>> {
    let mut found = vec![store.doubts(keys).await.unwrap()];
    for (now_ms, limit) in [(1, 100), (5, 100), (i64::MAX, 2)] {
        found.push(store.due_doubts(&stream(), now_ms, limit).await.unwrap());
    }
    found
}

fn awaited(keys: &[RecordKey]) -> Vec<Awaited> {
    keys.iter().cloned().map(Awaited::Linked).collect()
}

async fn guarded(store: &dyn Store, entity: &str, say: &mut impl FnMut(&dyn std::fmt::Debug)) {
    say(&store.pending_deletions(entity, LinkId(0), 100).await.unwrap());
    say(&store.pending_deletions(entity, LinkId(1), 2).await.unwrap());
    say(&store.active_links(entity).await.unwrap());
    let ids = ["1".to_owned(), "2".to_owned()];
    say(&store.referring(entity, &stream(), FieldIndex(1), &ids).await.unwrap());
    for hour in [0, 2] {
        say(&store.guard_counts(entity, hour).await.unwrap());
    }
    say(&store.begun(entity).await.unwrap());
}

/// The answers to every query, as text.
async fn answers(store: &dyn Store) -> Vec<String> {
    let mut answers = Vec::new();
    let keys = keys();
    let links: Vec<LinkId> = (0..=LINKS).map(LinkId).collect();
    let mut say = |what: &dyn std::fmt::Debug| answers.push(format!("{what:?}"));

    say(&store.cursor(&stream()).await.unwrap());
    say(&store.sweep(&stream()).await.unwrap());
    say(&store.count_live("person", &stream()).await.unwrap());
    for (round, after, limit) in [(1, None, 100), (1, Some("1"), 1), (2, None, 100)] {
        say(&store.unswept(&stream(), round, after, limit).await.unwrap());
    }
    for (after, limit) in [(None, 100), (Some("1"), 2)] {
        say(&store.stream_records(&stream(), after, limit).await.unwrap());
    }
    say(&store.records(&keys).await.unwrap());
    say(&doubts(store, &keys).await);
    say(&store.match_keys(&keys).await.unwrap());
    say(&store.aliases(&keys).await.unwrap());
    say(&store.resolve(&keys).await.unwrap());
    say(&store.members(&links).await.unwrap());
    say(&store.last_link().await.unwrap());
    say(&store.links(&links).await.unwrap());
    say(&store.counts().await.unwrap());
    say(&identity(store).await);
    for (ms, limit) in [(i64::MIN, 100), (2, 2), (9, 100)] {
        say(&store.failures(ms, limit).await.unwrap());
        say(&store.failing_links(ms, limit).await.unwrap());
    }
    for id in &links {
        say(&store.awaited_by(*id).await.unwrap());
    }
    say(&store.links_waiting_for(&awaited(&keys)).await.unwrap());
    for entity in ["person", "company"] {
        guarded(store, entity, &mut say).await;
        say(&store.dirty(entity, LinkId(0), 100).await.unwrap());
        say(&store.dirty(entity, LinkId(1), 2).await.unwrap());
        for work in [LinkWork::Moved, LinkWork::Returned, LinkWork::Unlinked] {
            say(&store.link_work(entity, work, None, 100).await.unwrap());
            say(&store.link_work(entity, work, keys.first(), 2).await.unwrap());
        }
        let values = ["v".to_owned(), "w".to_owned()];
        say(&store.candidates(entity, "k", &values).await.unwrap());
    }
    for query in outbox_queries() {
        say(&store.outbox(&query).await.unwrap());
    }
    for (filter, link, limit) in [
        (ReviewFilter::All, None, 0),
        (ReviewFilter::Stopping, None, 2),
        (ReviewFilter::Stopping, Some(LinkId(1)), 0),
        (ReviewFilter::All, Some(LinkId(2)), 1),
        (ReviewFilter::Decided, None, 0),
    ] {
        say(&store.reviews(&ReviewQuery { filter, link, limit }).await.unwrap());
    }
    say(&store.review("a").await.unwrap());
    for (link, record) in [
        (Some(LinkId(1)), None),
        (None, keys.first()),
        (Some(LinkId(2)), keys.last()),
        (None, None),
    ] {
        let query = JournalQuery { link, record: record.cloned(), limit: 3 };
        say(&store.journal(&query).await.unwrap());
    }
    answers
}

async fn compare(sqlite: &dyn Store, memory: &dyn Store) {
    for (found, expected) in answers(sqlite).await.iter().zip(answers(memory).await) {
        assert_eq!(*found, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_stores_answer_the_same(history in vec(a_commit(), 1..8)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let sqlite = open(dir.path());
            let memory = MemoryStore::new("memory");
            for changes in history {
                sqlite.commit(changes.clone()).await.unwrap();
                memory.commit(changes).await.unwrap();
                compare(&sqlite, &memory).await;
            }
            // The answers hold after opening the file again, too.
            drop(sqlite);
            compare(&open(dir.path()), &memory).await;
        });
    }
}
