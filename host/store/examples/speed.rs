//! Measures the store: commits of 1,000 records with their links, match keys and journal lines,
//! then the same again as updates, then queries. Usage: `cargo run --release -p renkei-store
//! --example speed -- [RECORDS] [DIR]`.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measuring tool reads the clock, prints, and stops at the first fault"
)]

use std::path::PathBuf;
use std::time::Instant;

use renkei_model::reason::Reason;
use renkei_model::spec::{
    Clear, DeleteGuard, EntitySpec, FieldKind, FieldSpec, FirstLink, OnCascade, OnDelete, OnMerge,
    Spec, Winner,
};
use renkei_model::state::{
    FieldState, JournalEntry, Link, LinkId, LinkStatus, LinkWork, RecordKey, RecordState,
    RecordStatus, Span, Truth,
};
use renkei_model::store::port::{Changes, Store as _};
use renkei_model::value::Value;
use renkei_store::Layouts;
use renkei_store::SqliteStore;

const FIELDS: usize = 12;
const BATCH: u64 = 1000;

fn layouts() -> Layouts {
    let field = |number: usize| FieldSpec {
        name: format!("field_{number}"),
        kind: FieldKind::Text,
        winner: Winner::Manual,
        clear: Clear::Propagate,
    };
    let person = EntitySpec {
        name: "person".to_owned(),
        members: Vec::new(),
        fields: (0..FIELDS).map(field).collect(),
        match_keys: Vec::new(),
        first_link: FirstLink::Review,
        on_delete: OnDelete::Review,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    };
    Layouts::from_spec(&Spec::new(vec![person]).unwrap())
}

fn key(number: u64) -> RecordKey {
    // Ids as random as a vendor's.
    let id = format!("{:016x}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    RecordKey { system: "hubspot".to_owned(), object: "contacts".to_owned(), id }
}

fn batch(first: u64, version: &str) -> Changes {
    let layouts = layouts();
    let numbers = first..first + BATCH;
    let value = |field: usize| Some(Value::Text(format!("山田 太郎 {version} {field}").into()));
    let field = |field: usize| FieldState {
        seen: value(field),
        base: value(field),
        agreed: value(field),
        edited: Span { after: Some(1_763_800_000_000), until: Some(1_763_800_100_000) },
        ..FieldState::default()
    };
    let truth = |field: usize| Truth { value: value(field), ..Truth::default() };
    Changes {
        links: numbers
            .clone()
            .map(|number| Link {
                id: LinkId(number + 1),
                entity: "person".to_owned(),
                status: LinkStatus::Active,
                version: 1,
                truth: layouts.per_field("person", (0..FIELDS).map(truth).collect()),
                failures: Vec::new(),
                restored: false,
            })
            .collect(),
        records: numbers
            .clone()
            .map(|number| RecordState {
                key: key(number),
                entity: "person".to_owned(),
                link: Some(LinkId(number + 1)),
                version: Some(version.to_owned()),
                modified_ms: Some(1_763_800_000_000),
                status: RecordStatus::Live,
                fields: layouts.per_field("person", (0..FIELDS).map(field).collect()),
                raw: Vec::new(),
                failures: Vec::new(),
            })
            .collect(),
        match_keys: numbers
            .clone()
            .map(|n| (key(n), vec![("mail".to_owned(), format!("taro.{n}@example.jp"))]))
            .collect(),
        journal: numbers
            .map(|number| JournalEntry {
                at_ms: 1_763_800_000_000,
                entity: "person".to_owned(),
                link: Some(LinkId(number + 1)),
                record: Some(key(number)),
                field: None,
                intent: None,
                generation: Some(format!("hubspot@0.1.0 {}", "0".repeat(64))),
                reason: Reason::Founded,
            })
            .collect(),
        ..Changes::default()
    }
}

async fn run(records: u64, dir: PathBuf) {
    let store = SqliteStore::open(&dir, layouts()).unwrap();
    let say = |what: &str, count: u64, start: Instant| {
        let seconds = start.elapsed().as_secs_f64();
        let rate = f64::from(u32::try_from(count).unwrap()) / seconds;
        println!("{what:<44} {seconds:>8.2} s {rate:>10.0} /s");
    };
    for (what, version) in [("insert", "1"), ("update", "2")] {
        let batches: Vec<Changes> =
            (0..records / BATCH).map(|n| batch(n * BATCH, version)).collect();
        let start = Instant::now();
        for changes in batches {
            store.commit(changes).await.unwrap();
        }
        say(&format!("{what}: records with link, key and line"), records, start);
    }
    let keys: Vec<RecordKey> = (0..BATCH).map(|n| key(n * 7 % records)).collect();
    let start = Instant::now();
    assert!(!store.records(&keys).await.unwrap().is_empty());
    say("records by key", BATCH, start);
    let links: Vec<LinkId> = (0..BATCH).map(|n| LinkId(n * 7 % records + 1)).collect();
    let start = Instant::now();
    assert!(!store.links(&links).await.unwrap().is_empty());
    say("links with their records", BATCH, start);
    let mails: Vec<String> = (0..BATCH).map(|n| format!("taro.{n}@example.jp")).collect();
    let start = Instant::now();
    assert!(!store.candidates("person", "mail", &mails).await.unwrap().is_empty());
    say("candidates by match key", BATCH, start);
    let start = Instant::now();
    assert!(store.link_work("person", LinkWork::Unlinked, None, 100).await.unwrap().is_empty());
    say("nothing to link", 1, start);
    let start = Instant::now();
    store.counts().await.unwrap();
    say("counts", 1, start);
    drop(store);
    let bytes = std::fs::metadata(dir.join("renkei.db")).unwrap().len();
    println!("bytes per record {}", bytes / records);
    let start = Instant::now();
    drop(SqliteStore::open(&dir, layouts()).unwrap());
    say("open with its check", 1, start);
    let start = Instant::now();
    drop(SqliteStore::scratch(&dir, layouts()).unwrap());
    say("scratch copy", 1, start);
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let records = arguments.next().map_or(20_000, |text| text.parse().unwrap());
    let scratch = tempfile::tempdir().unwrap();
    let dir = arguments.next().map_or_else(|| scratch.path().to_owned(), PathBuf::from);
    tokio::runtime::Runtime::new().unwrap().block_on(run(records, dir));
}
