//! Merges that break a rule are refused.

use std::sync::Arc;

use super::*;
use renkei_model::effect::Effect;
use renkei_model::index::PerField;
use renkei_model::reason::Reason;
use renkei_model::spec::days::Days;
use renkei_model::spec::{DeleteGuard, FirstLink, OnCascade, OnDelete, OnMerge};
use renkei_model::state::{ColumnWrite, Link, LinkId, LinkStatus, OutboxState, RecordState};

fn key(id: &str) -> RecordKey {
    RecordKey { system: "b".to_owned(), object: "people".to_owned(), id: id.to_owned() }
}

fn entity() -> EntitySpec {
    EntitySpec {
        name: "person".to_owned(),
        members: vec![MemberSpec {
            system: "b".to_owned(),
            object: "people".to_owned(),
            create: true,
            groups: Vec::new(),
            stops_create: Vec::new(),
            mergeable: true,
            constants: Vec::new(),
            copies: Vec::new(),
            days: Days::default(),
            digest: "1".to_owned(),
            read_rows: 100,
            write_rows: 100,
            stamp: None,
        }],
        fields: Vec::new(),
        match_keys: Vec::new(),
        first_link: FirstLink::Review,
        on_delete: OnDelete::Review,
        on_merge: OnMerge::Follow,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    }
}

/// A link with the live record 1, the surplus record 2 and the archived record 3.
fn view() -> LinkView {
    let record = |id: &str, status| {
        Arc::new(RecordState {
            key: key(id),
            entity: "person".to_owned(),
            link: Some(LinkId(1)),
            version: None,
            modified_ms: None,
            status,
            fields: PerField::defaults(0),
            raw: Vec::new(),
            failures: Vec::new(),
        })
    };
    LinkView {
        link: Arc::new(Link {
            id: LinkId(1),
            entity: "person".to_owned(),
            status: LinkStatus::Active,
            version: 0,
            truth: PerField::defaults(0),
            failures: Vec::new(),
            restored: false,
        }),
        records: vec![
            record("1", RecordStatus::Live),
            record("2", RecordStatus::Surplus),
            record("3", RecordStatus::Archived),
        ],
        reviews: Vec::new(),
        busy: false,
    }
}

fn merge(winner: &str, loser: &str) -> OutboxEntry {
    OutboxEntry {
        intent: "1".to_owned(),
        entity: "person".to_owned(),
        link: LinkId(1),
        system: "b".to_owned(),
        object: "people".to_owned(),
        effect: Effect::Merge { winner: winner.to_owned(), loser: loser.to_owned() },
        if_version: None,
        if_modified_ms: None,
        columns: Vec::new(),
        fields: Vec::new(),
        reason: Reason::MergedElsewhere,
        state: OutboxState::Planned,
        not_before_ms: 0,
        attempts: 0,
        job: None,
    }
}

fn broken(entry: OutboxEntry) -> String {
    check(&entity(), &[entry], &[view()], false).unwrap_err()
}

#[test]
fn only_a_surplus_record_is_merged_into_the_live_one() {
    assert_eq!(check(&entity(), &[merge("1", "2")], &[view()], false), Ok(()));
    assert!(broken(merge("1", "1")).contains("1 is no Surplus record"), "itself");
    assert!(broken(merge("1", "3")).contains("3 is no Surplus record"));
    assert!(broken(merge("1", "4")).contains("4 is no Surplus record"), "elsewhere");
    assert!(broken(merge("2", "2")).contains("2 is no Live record"));
    let elsewhere = OutboxEntry { object: "leads".to_owned(), ..merge("1", "2") };
    assert!(broken(elsewhere).contains("no member"));
    let columns = vec![ColumnWrite { column: "mail".to_owned(), cell: None }];
    assert!(broken(OutboxEntry { columns, ..merge("1", "2") }).contains("merge with fields"));
}
