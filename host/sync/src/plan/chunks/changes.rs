//! The changes of one chunk of planned links: operations with their intents, failures that the
//! plans found, journal and notes.

use std::sync::Arc;

use crate::cycle_plan::HeldLink;
use crate::cycle_state::CycleState;
use crate::engine::CycleEvent;
use crate::journal::{JournalNote, journal_of};
use crate::link::stamp::{MemberPlaces, origin_of};
use crate::plan::one_link::{LinkPlan, MissingRequirement, PlannedWrite};
use crate::plan::refused_columns::columns::value_of;
use crate::plan::refused_columns::{PlanFindings, is_met, narrow, repeated};
use crate::plan::render::{RenderedWrite, intent};
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::{EntitySpec, MemberSpec};
use renkei_model::state::{
    Failure, FailureClass, FieldWrite, JournalEntry, Link, LinkId, LinkStatus, LinkView,
    OutboxEntry, RecordState, Review, ReviewStatus, ReviewSubject,
};
use renkei_model::store::port::{Changes, Store};

/// The changes of one chunk of links.
pub(super) struct ChunkChanges<'a> {
    entity: &'a EntitySpec,
    now_ms: i64,
    pub(super) changes: Changes,
    /// Links that the plans hold back, and other remarks of theirs, for a dry run.
    pub(super) held: Vec<HeldLink>,
    /// The accounts and objects that stamps of creates name; fetched where a create is planned.
    pub(super) places: Option<MemberPlaces<'a>>,
}

/// The plan of one link while its writes are added.
struct PlannedLink<'v, 's> {
    plan: LinkPlan,
    view: &'v LinkView,
    findings: PlanFindings<'s>,
    notes: Vec<JournalNote>,
    /// An operation is a part of what was refused as a whole: the other parts come after it.
    has_untried_parts: bool,
}

impl<'s> ChunkChanges<'s> {
    pub(super) fn new(entity: &'s EntitySpec, now_ms: i64) -> Self {
        Self { entity, now_ms, changes: Changes::default(), held: Vec::new(), places: None }
    }

    /// Adds the plan of one link with its rendered writes. The link stays dirty while the plan
    /// holds something back, or sends only a part of what was refused as a whole.
    pub(super) fn add_link<'d>(
        &mut self,
        store: &dyn Store,
        mut plan: LinkPlan,
        rendered: impl Iterator<Item = (&'d PlannedWrite, RenderedWrite)>,
        view: &LinkView,
    ) {
        forget_made(&mut plan.link, view);
        let mut findings = self.missing_requirements(&plan);
        findings.unread = std::mem::take(&mut plan.unread);
        let notes = std::mem::take(&mut plan.notes);
        let mut link = PlannedLink { plan, view, findings, notes, has_untried_parts: false };
        for (planned_write, rendered) in rendered {
            self.add_write(store, &mut link, planned_write, rendered);
        }
        let PlannedLink { mut plan, findings, notes, has_untried_parts, .. } = link;
        renew_failures(&mut plan, findings);
        self.close_taken(&mut plan, view);
        let id = plan.link.id;
        let news = std::mem::take(&mut plan.news);
        self.changes.journal.extend(journal_of(&self.entity.name, id, self.now_ms, news));
        self.add_notes(id, notes, plan.held);
        let is_done = !plan.held && !has_untried_parts;
        self.add_state(plan, view);
        if is_done {
            self.changes.clean.push(id);
        }
    }

    /// Adds the operation of one write without the columns that were refused before, and keeps what
    /// fails in it. A write without an operation changes no column.
    fn add_write(
        &mut self,
        store: &dyn Store,
        link: &mut PlannedLink<'_, '_>,
        planned_write: &PlannedWrite,
        rendered: RenderedWrite,
    ) {
        let member = &self.entity[planned_write.member];
        let unrendered = self.unrendered(member, planned_write, &rendered.notes);
        link.findings.failures.extend(unrendered);
        link.notes.extend(rendered.notes);
        for in_step in &rendered.in_step {
            mark_agreed(self.entity, &mut link.plan.records, link.view, (planned_write, in_step));
        }
        let Some(operation) = rendered.entry else { return };
        let known = &link.plan.link.failures;
        if !known.is_empty() {
            link.findings.wanted.push(operation.clone());
        }
        let narrowed = narrow(self.entity, member, known, operation, self.now_ms);
        link.notes.extend(refused_notes(planned_write, member, narrowed.left_out));
        link.has_untried_parts |= narrowed.is_part;
        let Some(operation) = narrowed.entry else { return };
        self.add_operation(store, link, operation);
    }

    /// Adds an operation with its intent. A create without an answer is repeated under its own
    /// intent; any other operation gets one of the link's next version.
    fn add_operation(
        &mut self,
        store: &dyn Store,
        link: &mut PlannedLink<'_, '_>,
        mut operation: OutboxEntry,
    ) {
        let version = link.view.link.version + 1;
        if let Some(before) = repeated(&link.plan.link.failures, &operation) {
            (operation.attempts, operation.not_before_ms) = (before.times, before.last_ms);
            operation.intent.clone_from(&before.digest);
        } else {
            operation.intent = self.intent(store, &operation, version, link.view);
        }
        Arc::make_mut(&mut link.plan.link).version = version;
        self.add_journal_entries(&operation);
        self.changes.outbox.push(operation);
    }

    /// Adds what changes of a link beside its operations.
    fn add_state(&mut self, plan: LinkPlan, view: &LinkView) {
        let id = plan.link.id;
        if !Arc::ptr_eq(&plan.link, &view.link) && plan.link != view.link {
            self.changes.links.push(Arc::unwrap_or_clone(plan.link));
        }
        self.changes.records.extend(plan.records.into_iter().map(Arc::unwrap_or_clone));
        self.changes.reviews.extend(plan.reviews);
        self.changes.waits.push((id, plan.waits));
    }

    fn intent(
        &self,
        store: &dyn Store,
        entry: &OutboxEntry,
        version: u64,
        view: &LinkView,
    ) -> String {
        match &self.places {
            Some(places) if entry.effect.kind().makes_record() => {
                let records = view.records.iter().map(Arc::as_ref);
                places.intent(store, entry, version, origin_of(records))
            }
            _ => intent((store.identity(), store.epoch()), entry, version),
        }
    }

    /// Closes questions about a write that met a record of another link, once that write is due no
    /// more.
    fn close_taken(&self, plan: &mut LinkPlan, view: &LinkView) {
        let is_met = is_met(&plan.link.failures);
        let taken =
            view.reviews.iter().filter(|one| matches!(one.subject, ReviewSubject::Taken { .. }));
        let over = taken.filter(|_| !is_met).map(|known| review::closed(known, self.now_ms));
        plan.reviews.extend(over);
    }

    /// The failures of creates that lack a requirement.
    fn missing_requirements(&self, plan: &LinkPlan) -> PlanFindings<'s> {
        let failure = |lacking: &MissingRequirement| {
            let member = &self.entity[lacking.member];
            let (field, class) = (lacking.field.clone(), FailureClass::Required);
            let said = (lacking.column.clone(), lacking.reason.to_string());
            Failure::of_member(member, None, field, class, said, self.now_ms)
        };
        let failures = plan.lacking.iter().map(failure).collect();
        PlanFindings { entity: self.entity, wanted: Vec::new(), failures, unread: Vec::new() }
    }

    /// The failures of values that a member's columns have no counterpart for.
    fn unrendered(
        &self,
        member: &MemberSpec,
        planned_write: &PlannedWrite,
        notes: &[JournalNote],
    ) -> Vec<Failure> {
        let failure = |note: &JournalNote| {
            let (class, column) = match &note.reason {
                Reason::Unmapped { column, .. } => (FailureClass::Unmapped, Some(column.clone())),
                Reason::ZoneUnknown { column } => (FailureClass::Unreadable, Some(column.clone())),
                Reason::TransformFailed { .. } => (FailureClass::Transform, None),
                _ => return None,
            };
            let said = (column, note.reason.to_string());
            let record = note.record.as_ref();
            let mut failure =
                Failure::of_member(member, record, note.field.clone(), class, said, self.now_ms);
            let writes = planned_write
                .fields
                .iter()
                .filter(|write| failure.field.as_ref() == Some(&write.field));
            failure.values = writes.map(value_of).collect();
            Some(failure)
        };
        notes.iter().filter_map(failure).collect()
    }

    /// Notes go to the journal; those of a held link would come again in every cycle.
    fn add_notes(&mut self, link: LinkId, notes: Vec<JournalNote>, held: bool) {
        let name = &self.entity.name;
        self.held.extend(notes.iter().map(|note| HeldLink {
            entity: name.clone(),
            link,
            record: note.record.clone(),
            field: note.field.clone(),
            reason: note.reason.clone(),
        }));
        if !held {
            self.changes.journal.extend(journal_of(name, link, self.now_ms, notes));
        }
    }

    fn add_journal_entries(&mut self, entry: &OutboxEntry) {
        let record = entry.record();
        let line = |field: Option<String>, reason: &Reason| JournalEntry {
            at_ms: self.now_ms,
            entity: self.entity.name.clone(),
            link: Some(entry.link),
            record: record.clone(),
            field,
            intent: Some(entry.intent.clone()),
            generation: None,
            reason: reason.clone(),
        };
        if entry.effect.kind().changes_record() {
            let fields = entry.fields.iter();
            let lines = fields.map(|write| line(Some(write.field.clone()), &write.reason));
            self.changes.journal.extend(lines);
        } else {
            self.changes.journal.push(line(None, &entry.reason));
        }
    }

    pub(super) fn report_events(&self, cycle: &CycleState<'_>, links: u64) {
        let count = |status| {
            let reviews = self.changes.reviews.iter();
            reviews.filter(|review: &&Review| review.status == status).count() as u64
        };
        cycle.counters.event(&CycleEvent::Planned {
            entity: &self.entity.name,
            links,
            operations: self.changes.outbox.len() as u64,
            questions: count(ReviewStatus::Open),
            decided: count(ReviewStatus::Decided),
        });
    }
}

/// Replaces the failures of a link by what this plan found. They stay as they are where the plan
/// does not show all that is due at the link: something of it is held, waits for an answer, or
/// comes after a merge.
fn renew_failures(plan: &mut LinkPlan, mut findings: PlanFindings<'_>) {
    let waits_for_merge = findings.wanted.iter().any(|one| one.effect.kind().goes_alone());
    let shows_all = !plan.held && !plan.awaits_answer && !waits_for_merge;
    let has_failures = !plan.link.failures.is_empty() || !findings.failures.is_empty();
    if !shows_all || !has_failures {
        return;
    }
    // Nothing is due at a link that is not kept in step any more.
    if plan.link.status != LinkStatus::Active {
        findings.wanted.clear();
        findings.failures.clear();
        findings.unread.clear();
    }
    let failures = findings.renew(&plan.link.failures);
    if failures != plan.link.failures {
        Arc::make_mut(&mut plan.link).failures = failures;
    }
}

/// Forgets creates without an answer in systems where the link has had a record since.
fn forget_made(link: &mut Arc<Link>, view: &LinkView) {
    let is_made = |failure: &Failure| {
        failure.class == FailureClass::Unanswered
            && view.records.iter().any(|record| record.key.system == failure.system)
    };
    if link.failures.iter().any(is_made) {
        Arc::make_mut(link).failures.retain(|failure| !is_made(failure));
    }
}

/// A note for each field that is left out, or one for the record as a whole.
fn refused_notes(
    planned_write: &PlannedWrite,
    member: &MemberSpec,
    left_out: Vec<(Option<String>, Vec<String>)>,
) -> Vec<JournalNote> {
    let record = planned_write.record(member);
    let note = |(field, codes)| JournalNote {
        record: record.clone(),
        field,
        reason: Reason::RefusedBefore { codes },
    };
    left_out.into_iter().map(note).collect()
}

/// Notes that a member has agreed to the truth: its columns hold it already, in a form of its own.
fn mark_agreed(
    entity: &EntitySpec,
    records: &mut Vec<Arc<RecordState>>,
    view: &LinkView,
    (planned_write, in_step): (&PlannedWrite, &FieldWrite),
) {
    let is_target = |record: &RecordState| {
        Some(record.key.id.as_str()) == planned_write.effect.id()
            && entity.member(&record.key.system, &record.key.object).map(|(position, _)| position)
                == Some(planned_write.member)
    };
    let Some((position, _)) = entity.field(&in_step.field) else { return };
    let mut record = match records.iter().position(|record| is_target(record)) {
        Some(index) => records.swap_remove(index),
        None => match view.records.iter().find(|record| is_target(record)) {
            Some(record) => Arc::clone(record),
            None => return,
        },
    };
    Arc::make_mut(&mut record).fields[position].agreed.clone_from(&in_step.after);
    records.push(record);
}
