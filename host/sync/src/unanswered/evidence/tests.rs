//! Every rule as a table.

use super::*;
use renkei_model::effect::Effect;
use renkei_model::reason::Reason;
use renkei_model::spec::{
    DeleteGuard, FieldKind, FieldSpec, FirstLink, MatchKey, OnCascade, OnDelete, OnMerge, Winner,
};
use renkei_model::state::{FieldState, FieldWrite, LinkId, OutboxState, RecordStatus};

fn text(value: &str) -> Cell {
    Some(Value::Text(value.into()))
}

fn trace<'a>(plain: bool, cells: &'a [Cell; 3]) -> SentField<'a> {
    let [before, sent, now] = cells;
    static REFERENCE: FieldKind = FieldKind::Reference { entity: String::new(), many: false };
    let kind = if plain { &FieldKind::Text } else { &REFERENCE };
    SentField { kind, before, sent, now }
}

#[test]
fn the_record_says_what_became_of_an_update() {
    let (old, new, other) = (text("old"), text("new"), text("other"));
    let cells = |now: &Cell| [old.clone(), new.clone(), now.clone()];
    let single = |untouched, now: &Cell| field_outcomes(untouched, &[trace(true, &cells(now))]);
    assert_eq!(single(true, &old), [SentFieldOutcome::Pending]);
    assert_eq!(single(false, &new), [SentFieldOutcome::Held]);
    assert_eq!(single(false, &old), [SentFieldOutcome::Unsure], "undone, or never written");
    assert_eq!(single(false, &other), [SentFieldOutcome::Unsure]);
    assert_eq!(single(false, &None), [SentFieldOutcome::Pending], "not read: nothing is known");
}

#[test]
fn one_value_that_arrived_proves_the_others_of_its_call() {
    let (old, new) = (text("old"), text("new"));
    let arrived = [old.clone(), new.clone(), new.clone()];
    let undone = [old.clone(), new.clone(), old.clone()];
    let both = |plain| field_outcomes(false, &[trace(true, &arrived), trace(plain, &undone)]);
    assert_eq!(both(true), [SentFieldOutcome::Held, SentFieldOutcome::Edited]);
    assert_eq!(
        both(false),
        [SentFieldOutcome::Held, SentFieldOutcome::Pending],
        "references go in a call of their own"
    );
    // A value that was there before proves nothing.
    let same = [new.clone(), new.clone(), new];
    assert_eq!(
        field_outcomes(false, &[trace(true, &same), trace(true, &undone)])[1],
        SentFieldOutcome::Unsure
    );
}

/// RULES.md V8: a system that spells our value otherwise has taken it.
#[test]
fn a_form_of_what_was_sent_is_held() {
    let outcome = |before: &str, now: &str| {
        field_outcomes(false, &[trace(true, &[text(before), text("Hot lead"), text(now)])])
    };
    assert_eq!(outcome("cold", "HOT LEAD"), [SentFieldOutcome::Held]);
    assert_eq!(outcome("cold", "Hot"), [SentFieldOutcome::Held], "cut");
    assert_eq!(outcome("HOT LEAD", "HOT LEAD"), [SentFieldOutcome::Unsure], "it was there before");
    assert_eq!(outcome("cold", "warm"), [SentFieldOutcome::Unsure]);
}

#[test]
fn a_version_or_else_a_modification_time_says_that_nothing_happened() {
    assert!(is_untouched((Some("1"), None), (Some("1"), None)));
    assert!(!is_untouched((Some("1"), Some(5)), (Some("2"), Some(5))));
    assert!(is_untouched((None, Some(5)), (None, Some(5))));
    assert!(!is_untouched((None, Some(5)), (Some("2"), Some(6))));
    assert!(!is_untouched((None, None), (None, None)), "nothing says so");
}

fn key(id: &str) -> RecordKey {
    RecordKey { system: "b".to_owned(), object: "people".to_owned(), id: id.to_owned() }
}

/// Fields `mail`, `title` and `city`; mail is the match key.
fn entity() -> EntitySpec {
    let field = |name: &str| FieldSpec {
        name: name.to_owned(),
        kind: FieldKind::Text,
        winner: Winner::Manual,
        clear: renkei_model::spec::Clear::Propagate,
    };
    EntitySpec {
        name: "person".to_owned(),
        members: Vec::new(),
        fields: ["mail", "title", "city"].map(field).to_vec(),
        match_keys: vec![MatchKey {
            name: "mail".to_owned(),
            fields: vec![FieldIndex(0)],
            transform: None,
            unique: true,
        }],
        first_link: FirstLink::Review,
        on_delete: OnDelete::Archive,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    }
}

fn compare(sent: [Cell; 3], seen: [Cell; 3]) -> CreateLikeness {
    likeness(&entity(), &per_field(sent), &record(seen))
}

fn per_field<T: Clone>(items: [T; 3]) -> PerField<T> {
    PerField::from_fn(&entity(), |field, _| items[field.0].clone())
}

fn record(seen: [Cell; 3]) -> RecordState {
    let state = |seen| FieldState { seen, ..FieldState::default() };
    RecordState {
        key: key("1"),
        entity: "person".to_owned(),
        link: None,
        version: None,
        modified_ms: None,
        status: RecordStatus::Live,
        fields: per_field(seen.map(state)),
        raw: Vec::new(),
        failures: Vec::new(),
    }
}

#[test]
fn likeness_counts_what_was_sent() {
    let null = || Some(Value::Null);
    let ceo = || [None, text("CEO"), text("Oita")];
    assert_eq!(compare(ceo(), [text("a@x"), text("CEO"), text("Oita")]), CreateLikeness::Same);
    assert_eq!(compare(ceo(), [null(), text("CTO"), text("Oita")]), CreateLikeness::Partly);
    assert_eq!(compare(ceo(), [null(), text("CTO"), text("Usa")]), CreateLikeness::Other);
    assert_eq!(compare([None, null(), None], ceo()), CreateLikeness::Partly, "nothing to compare");
    // With another match key it is the same thing only if half of the rest says so.
    let mail = || [text("a@x"), text("CEO"), None];
    assert_eq!(compare(mail(), [text("b@x"), text("CEO"), null()]), CreateLikeness::Partly);
    assert_eq!(compare(mail(), [text("b@x"), text("CTO"), null()]), CreateLikeness::Other);
    let full = || [text("a@x"), text("CEO"), text("Oita")];
    assert_eq!(compare(full(), [text("b@x"), text("CEO"), text("Usa")]), CreateLikeness::Partly);
    assert_eq!(compare(full(), [text("b@x"), null(), text("Usa")]), CreateLikeness::Other);
    assert_eq!(
        compare([text("a@x"), None, None], full().map(|_| text("b@x"))),
        CreateLikeness::Other
    );
    assert_eq!(compare(mail(), [null(), text("CEO"), null()]), CreateLikeness::Partly);
}

/// The outcome of `title` in a record found by its mail, where a create sent CEO and Oita.
fn weighed(title: Cell, city: Cell) -> FieldState {
    weighed_in(&entity(), title, city)
}

fn weighed_in(entity: &EntitySpec, title: Cell, city: Cell) -> FieldState {
    let sent = [text("a@x"), text("CEO"), text("Oita")];
    let write = |(name, value): (&str, &Cell)| FieldWrite {
        field: name.to_owned(),
        before: None,
        after: value.clone(),
        removes: Vec::new(),
        reason: Reason::Founded,
    };
    let entry = OutboxEntry {
        intent: "1".to_owned(),
        entity: "person".to_owned(),
        link: LinkId(1),
        system: "b".to_owned(),
        object: "people".to_owned(),
        effect: Effect::Create,
        if_version: None,
        if_modified_ms: None,
        columns: Vec::new(),
        fields: ["mail", "title", "city"].into_iter().zip(&sent).map(write).collect(),
        reason: Reason::Founded,
        state: OutboxState::Sent,
        not_before_ms: 0,
        attempts: 0,
        job: None,
    };
    let mut record = record([text("a@x"), title, city]);
    weigh_found_record(entity, &entry, &per_field(sent), &mut record);
    record.fields[FieldIndex(1)].clone()
}

#[test]
fn what_a_match_key_finds_again_is_weighed_against_what_was_sent() {
    let null = || Some(Value::Null);
    let sent = || text("CEO");
    for (title, city, base, agreed, unsure) in [
        // It holds what was sent.
        (text("CEO"), text("Usa"), sent(), sent(), false),
        // The city proves that it is what was made: an edit.
        (text("CTO"), text("Oita"), sent(), sent(), false),
        // The key alone does not: somebody else may have typed it.
        (text("CTO"), text("Usa"), sent(), None, true),
        (text("CTO"), null(), sent(), None, true),
        // Emptied, or never filled.
        (null(), text("Oita"), sent(), None, true),
        (null(), text("Usa"), None, None, false),
        // Not read.
        (None, text("Oita"), None, None, false),
    ] {
        let state = weighed(title.clone(), city.clone());
        let found = (&state.base, &state.agreed, state.unsure);
        assert_eq!(found, (&base, &agreed, unsure), "{title:?} {city:?}");
    }
    // A field of a key that did not find it is as good a proof as any other.
    let mut spec = entity();
    let fields = vec![FieldIndex(1), FieldIndex(2)];
    spec.match_keys.push(MatchKey {
        name: "both".to_owned(),
        fields,
        ..spec.match_keys[0].clone()
    });
    assert!(!weighed_in(&spec, text("CTO"), text("Oita")).unsure);
}

#[test]
fn a_create_with_a_stamp_is_sent_again_unless_something_went() {
    let early = CreateEvidence { stamped: true, ..CreateEvidence::default() };
    assert_eq!(judge(&early), CreateVerdict::Wait, "a search may not show it yet");
    let stamped = CreateEvidence { would_show: true, ..early };
    assert_eq!(judge(&stamped), CreateVerdict::SendAgain);
    // Its twin without the stamp is not it.
    assert_eq!(
        judge(&CreateEvidence { same: vec![key("1")], ..stamped.clone() }),
        CreateVerdict::SendAgain
    );
    let gone = CreateEvidence { gone_unread: vec![key("2")], ..stamped };
    assert_eq!(judge(&gone), CreateVerdict::Ask(vec![key("2")]));
}

#[test]
fn a_create_without_a_stamp_is_never_sent_again_by_itself() {
    let would_show = CreateEvidence { would_show: true, ..CreateEvidence::default() };
    assert_eq!(judge(&CreateEvidence::default()), CreateVerdict::Wait);
    assert_eq!(judge(&would_show), CreateVerdict::Ask(vec![]));
    // A match key that finds nobody proves that nobody is there.
    let searched = CreateEvidence { searched: true, ..would_show.clone() };
    assert_eq!(judge(&searched), CreateVerdict::SendAgain);
    assert_eq!(
        judge(&CreateEvidence { gone_unread: vec![key("2")], ..searched.clone() }),
        CreateVerdict::Ask(vec![key("2")])
    );
    assert_eq!(
        judge(&CreateEvidence { alike: vec![key("3")], ..searched }),
        CreateVerdict::Ask(vec![key("3")])
    );
    let partly = CreateEvidence { partly: vec![key("4")], ..would_show };
    assert_eq!(judge(&partly), CreateVerdict::Ask(vec![key("4")]));
}

#[test]
fn exactly_one_record_that_agrees_is_taken() {
    let one = CreateEvidence {
        same: vec![key("1")],
        partly: vec![key("4")],
        ..CreateEvidence::default()
    };
    assert_eq!(judge(&one), CreateVerdict::Take(key("1")), "at once");
    let contested = CreateEvidence { contested: true, ..one.clone() };
    assert_eq!(judge(&contested), CreateVerdict::Ask(vec![key("1"), key("4")]));
    let two = CreateEvidence { same: vec![key("2"), key("1")], ..CreateEvidence::default() };
    assert_eq!(judge(&two), CreateVerdict::Ask(vec![key("1"), key("2")]));
}
