//! The verdict about a row after a write, one test per branch.

use super::*;
use renkei_model::spec::{
    Clear, DeleteGuard, FieldSpec, FirstLink, OnCascade, OnDelete, OnMerge, Winner,
};
use renkei_model::state::RecordKey;

fn entity() -> EntitySpec {
    let field = |name: &str| FieldSpec {
        name: name.to_owned(),
        kind: FieldKind::Text,
        winner: Winner::Newest,
        clear: Clear::Propagate,
    };
    EntitySpec {
        name: "person".to_owned(),
        members: Vec::new(),
        fields: vec![field("title"), field("city")],
        match_keys: Vec::new(),
        first_link: FirstLink::Review,
        on_delete: OnDelete::Review,
        on_merge: OnMerge::Review,
        on_cascade: OnCascade::Ask,
        delete_guard: DeleteGuard::default(),
        create_guard: None,
        sweep_ms: None,
    }
}

/// A record whose title was written as `new` over `old`, at 10.5 s as version 2.
fn record() -> RecordState {
    let state = |text: &str| FieldState {
        seen: Some(text.into()),
        base: Some(text.into()),
        agreed: Some(text.into()),
        ..FieldState::default()
    };
    RecordState {
        key: RecordKey { system: "b".into(), object: "people".into(), id: "1".into() },
        entity: "person".into(),
        link: None,
        version: Some("2".into()),
        modified_ms: Some(10_500),
        status: RecordStatus::Live,
        fields: PerField::from_fn(&entity(), |_, field| match field.name.as_str() {
            "title" => state("new"),
            _ => state("Oita"),
        }),
        raw: Vec::new(),
        failures: Vec::new(),
    }
}

fn doubt() -> Doubt {
    let mut doubt = Doubt {
        since_ms: 10_000,
        due_ms: 70_000,
        written: true,
        timed: true,
        version: Some("2".into()),
        past: vec!["1".into()],
        ..Doubt::default()
    };
    doubt.remember("title", "old".into());
    doubt
}

fn row(version: Option<&str>, modified_ms: Option<i64>, title: &str) -> (Row, PerField<Cell>) {
    let mut cells = PerField::filled(&entity(), Some("Oita".into()));
    cells[FieldIndex(0)] = Some(title.into());
    let row =
        Row { id: "1".into(), version: version.map(str::to_owned), modified_ms, cells: vec![] };
    (row, cells)
}

fn context(now_ms: i64, by_id: bool) -> ReadingContext {
    ReadingContext { now_ms, lag_ms: 20_000, by_id, read_back: false }
}

fn title(doubt: &Doubt, read: &(Row, PerField<Cell>), context: ReadingContext) -> RowVerdict {
    let row_verdict = compare_row(&entity(), &record(), Some(doubt), (&read.0, &read.1), context);
    match &row_verdict {
        RowVerdict::Fields(verdicts) => is(verdicts[FieldIndex(0)]),
        _ => row_verdict,
    }
}

/// The verdict of [`title`] where the title has this one.
fn is(verdict: FieldVerdict) -> RowVerdict {
    RowVerdict::Fields(PerField::filled(&entity(), verdict))
}

/// RULES.md V1 (a): an older modification time or a version from before the write decides nothing.
#[test]
fn an_older_row_says_nothing() {
    let older = row(Some("9"), Some(10_400), "old");
    assert_eq!(title(&doubt(), &older, context(15_000, false)), RowVerdict::Nothing { ask: false });
    let past = row(Some("1"), None, "old");
    assert_eq!(title(&doubt(), &past, context(15_000, true)), RowVerdict::Nothing { ask: false });
    // Times in whole seconds do not say which of two in one second is the older.
    let same_second = row(Some("9"), Some(10_000), "other");
    assert_eq!(title(&doubt(), &same_second, context(15_000, false)), is(FieldVerdict::Plain));
}

/// RULES.md V8 (b): whatever the version of our write holds is the system's own form.
#[test]
fn the_version_of_the_write_holds_a_form() {
    let own = row(Some("2"), Some(10_500), "something else");
    assert_eq!(title(&doubt(), &own, context(15_000, false)), is(FieldVerdict::Form));
    let undone = row(Some("2"), Some(10_500), "old");
    assert_eq!(title(&doubt(), &undone, context(15_000, false)), is(FieldVerdict::NotKept));
}

/// RULES.md V1 (c): the value from before the write, without an order, decides nothing.
#[test]
fn the_value_from_before_is_asked_for_where_no_order_tells() {
    let unordered = Doubt { version: None, timed: false, past: Vec::new(), ..doubt() };
    let old = row(None, None, "old");
    assert_eq!(title(&unordered, &old, context(15_000, false)), RowVerdict::Nothing { ask: true });
    assert_eq!(title(&unordered, &old, context(29_000, true)), RowVerdict::Nothing { ask: true });
}

/// RULES.md V1 (d): read by its id when the lag is over, it proves that the write did not happen.
#[test]
fn the_value_from_before_means_not_written_once_the_lag_is_over() {
    let unordered = Doubt { version: None, timed: false, past: Vec::new(), ..doubt() };
    assert_eq!(
        title(&unordered, &row(None, None, "old"), context(30_000, true)),
        is(FieldVerdict::NotKept)
    );
    // A scan proves nothing: its index may be older than the page's lag.
    let scanned = title(&unordered, &row(None, None, "old"), context(30_000, false));
    assert_eq!(scanned, RowVerdict::Nothing { ask: true });
    // Also where the answer named a version that nobody ever sees (RULES.md R26).
    assert_eq!(
        title(&doubt(), &row(Some("1"), Some(9_000), "old"), context(30_000, true)),
        is(FieldVerdict::NotKept)
    );
}

/// RULES.md V8 (e) and V1 (f): a form of what was written is no edit, anything else is one.
#[test]
fn a_form_is_no_edit_and_another_value_is_one() {
    let later = |title: &str| row(Some("3"), Some(20_500), title);
    assert_eq!(title(&doubt(), &later("NEW"), context(25_000, false)), is(FieldVerdict::Form));
    assert_eq!(title(&doubt(), &later("other"), context(25_000, false)), is(FieldVerdict::Plain));
    assert_eq!(title(&doubt(), &later("new"), context(25_000, false)), is(FieldVerdict::Confirmed));
}

/// RULES.md R26: a later version with the value from before may be an undo or a write that was not
/// kept.
#[test]
fn a_later_version_with_the_value_from_before_is_unsure() {
    let later = row(Some("3"), Some(20_500), "old");
    assert_eq!(title(&doubt(), &later, context(25_000, false)), is(FieldVerdict::Unsure));
    // Another field of the same write proves that it happened: then it is an edit.
    let mut two = doubt();
    two.remember("city", "Beppu".into());
    assert_eq!(title(&two, &later, context(25_000, false)), is(FieldVerdict::Plain));
    let confirmed = Doubt { confirmed: true, ..doubt() };
    assert_eq!(title(&confirmed, &later, context(25_000, false)), is(FieldVerdict::Plain));
}

/// RULES.md V1: a record that is known to be gone does not come back by an old row.
#[test]
fn an_old_row_does_not_bring_a_removed_record_back() {
    let gone = RecordState { status: RecordStatus::Deleted, ..record() };
    let (old, cells) = row(Some("2"), Some(10_500), "new");
    let scanned = compare_row(&entity(), &gone, None, (&old, &cells), context(15_000, false));
    assert_eq!(scanned, RowVerdict::Nothing { ask: false });
    let (back, cells) = row(Some("3"), Some(20_500), "new");
    let scanned = compare_row(&entity(), &gone, None, (&back, &cells), context(25_000, false));
    assert_eq!(scanned, RowVerdict::Plain);
}
