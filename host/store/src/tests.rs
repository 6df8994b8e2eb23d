//! The same histories on both stores, crashes, full disks, and every failure of opening.

use std::path::Path;

use crate::codec::Layouts;
use renkei_model::reason::Reason;
use renkei_model::spec::{
    Clear, DeleteGuard, EntitySpec, FieldKind, FieldSpec, FirstLink, OnCascade, OnDelete, OnMerge,
    Spec, Winner,
};
use renkei_model::state::{
    Cursor, FieldState, JournalEntry, Link, LinkId, LinkStatus, RecordKey, RecordState,
    RecordStatus, Stream, Truth,
};
use renkei_model::value::Value;

use crate::SqliteStore;

mod backups;
mod conformance;
mod durability;
mod opening;
mod plans;

/// Two entities with two fields each.
fn layouts() -> Layouts {
    let field = |name: &str| FieldSpec {
        name: name.to_owned(),
        kind: FieldKind::Text,
        winner: Winner::Manual,
        clear: Clear::Propagate,
    };
    let entity = |name: &str| EntitySpec {
        name: name.to_owned(),
        members: Vec::new(),
        fields: vec![field("mail"), field("phone")],
        match_keys: Vec::new(),
        first_link: FirstLink::Review,
        on_delete: OnDelete::Review,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    };
    Layouts::from_spec(&Spec::new(vec![entity("company"), entity("person")]).unwrap())
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, layouts()).unwrap()
}

fn key(id: &str) -> RecordKey {
    RecordKey { system: "hubspot".to_owned(), object: "contacts".to_owned(), id: id.to_owned() }
}

fn stream() -> Stream {
    Stream { system: "hubspot".to_owned(), object: "contacts".to_owned() }
}

fn cursor(position: &str) -> Cursor {
    let position = Some(position.as_bytes().to_vec());
    let digest = "d1".to_owned();
    let meanings = [("mail".to_owned(), "m1".to_owned())].into();
    Cursor { position, backfilled: true, more: false, digest, lag_ms: Some(90_000), meanings }
}

fn record(id: &str, link: Option<u64>, status: RecordStatus) -> RecordState {
    let seen = |text: &str| FieldState { seen: Some(text.into()), ..FieldState::default() };
    RecordState {
        key: key(id),
        entity: "person".to_owned(),
        link: link.map(LinkId),
        version: Some("7".to_owned()),
        modified_ms: Some(-1),
        status,
        fields: layouts().per_field(
            "person",
            vec![seen("山田@例え.jp"), FieldState { seen: Some(Value::Null), ..seen("") }],
        ),
        raw: vec![("phone".to_owned(), None), ("email".to_owned(), Some("a".into()))],
        failures: Vec::new(),
    }
}

fn link(number: u64, status: LinkStatus) -> Link {
    let truth = Truth { value: Some("x".into()), flips: 2, ..Truth::default() };
    Link {
        id: LinkId(number),
        entity: "person".to_owned(),
        status,
        version: 3,
        truth: layouts().per_field("person", vec![Truth::default(), truth]),
        failures: Vec::new(),
        restored: number == 2,
    }
}

fn line(at_ms: i64, link: u64, record: &str) -> JournalEntry {
    JournalEntry {
        at_ms,
        entity: "person".to_owned(),
        link: Some(LinkId(link)),
        record: Some(key(record)),
        field: Some("mail".to_owned()),
        intent: None,
        generation: Some("hubspot@0.1.0 abc".to_owned()),
        reason: Reason::Applied,
    }
}
