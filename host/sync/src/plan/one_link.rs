//! Planning one link: from what is stored to what should be written, with a reason for each.
//!
//! Pure, total and deterministic: the same view gives the same plan in any order of links
//! (`RULES.md` I12, I13). [`plan_link`] marks surplus records and follows merges and deletions of
//! the systems. Then a removal ends the plan, or approved merges do; otherwise it merges each field
//! ([`crate::plan::merge`]) and plans updates and creates. The result holds canonical values;
//! [`crate::plan::render`] turns them into columns.

use std::borrow::Cow;
use std::sync::Arc;

use crate::journal::JournalNote;
use crate::plan::cascades::WentAlong;
use crate::plan::deletion_hold::DeletionHold;
use crate::plan::mapping::{ActiveMember, FieldMapping, FieldMappings};
use crate::plan::merge::answers::MergeAnswers;
use crate::plan::merge::coarse::{self, FinerStates};
use crate::plan::merge::{self, MemberField, MergeRules, MergedField, merge};
use crate::plan::references::{References, WrittenReference, governs, is_many};
use renkei_model::index::{ActiveIndex, FieldIndex, Indexed, MemberFieldIndex, RecordIndex};
use renkei_model::reason::Reason;
use renkei_model::review;
use renkei_model::spec::{FieldKind, FieldSpec};
use renkei_model::state::{
    Awaited, FieldState, LinkStatus, LinkView, RecordKey, RecordState, RecordStatus, Review,
    ReviewChoice, ReviewStatus, ReviewSubject, Truth,
};
use renkei_model::value::{Cell, Value};

mod create;
mod followed_references;
mod merges;
mod planned;
mod removal;
mod succession;
mod update;
mod went_along;

pub use planned::{LinkPlan, MissingRequirement, PlannedWrite, UnreadField};

/// The inputs of a plan besides the link itself.
#[derive(Debug)]
pub struct PlanContext<'a> {
    /// The entity and its mappings.
    pub mappings: &'a FieldMappings<'a>,
    /// References of the whole chunk.
    pub references: &'a References,
    /// The time to note in reviews, ms.
    pub now_ms: i64,
    /// Removed records that went along with an archive of the engine's own.
    pub along: &'a WentAlong,
    /// Deletions wait for approval.
    pub hold: Option<DeletionHold>,
    /// The answers of merge functions about the chunk.
    pub answers: &'a MergeAnswers,
}

/// A link while it is planned.
struct LinkPlanner<'a> {
    context: &'a PlanContext<'a>,
    plan: LinkPlan,
    /// Shared with the view until one is changed.
    records: Indexed<RecordIndex, Arc<RecordState>>,
    reviews: Vec<Review>,
    active: Indexed<ActiveIndex, ActiveMember>,
    /// Records that this plan itself makes surplus: nobody has approved what to do with them.
    new_surplus: Vec<RecordKey>,
    /// By field, ordered; most fields have none. Filled by `merge_fields`.
    merged: Vec<(FieldIndex, FieldOutcome)>,
    create_reason: Reason,
    /// Since the backup that was put back something was taken out of a reference: what is gone may
    /// have gone along with a deletion of the engine's own, which the backup does not know.
    may_have_gone_along: bool,
    /// Nothing waits that was found because the database was put back ([`Link::restored`]).
    recalls: bool,
}

/// A merged field with the active records of its member fields.
struct FieldOutcome {
    merged: MergedField,
    members: Indexed<MemberFieldIndex, ActiveIndex>,
    /// The truth is what a person chose.
    chosen: bool,
}

/// Plans one link.
pub fn plan_link(context: &PlanContext<'_>, view: &LinkView) -> LinkPlan {
    let mut work = LinkPlanner::new(context, view);
    if view.link.status == LinkStatus::Active {
        work.mark_surplus_records();
        work.follow_merges();
        work.follow_deletions();
        if work.plan_removal() {
            work.recalls &= !work.plan.held;
        } else if work.plan_merges() {
            work.recalls = false;
        } else {
            work.merge_fields();
            work.note_unread();
            work.plan_updates();
            work.plan_creates();
        }
    }
    work.finish(view)
}

impl<'a> LinkPlanner<'a> {
    fn new(context: &'a PlanContext<'a>, view: &LinkView) -> Self {
        let entity = context.mappings.entity;
        debug_assert!(view.link.truth.covers(entity), "a truth per field is planned");
        debug_assert!(
            view.records.iter().all(|record| record.fields.covers(entity)),
            "a state per field is planned"
        );
        let records = view.records.clone().into();
        Self {
            context,
            plan: LinkPlan {
                link: Arc::clone(&view.link),
                records: Vec::new(),
                writes: Vec::new(),
                waits: Vec::new(),
                reviews: Vec::new(),
                notes: Vec::new(),
                lacking: Vec::new(),
                unread: Vec::new(),
                news: Vec::new(),
                held: false,
                awaits_answer: false,
                asks: Vec::new(),
            },
            active: context.mappings.active(&records),
            records,
            reviews: view.reviews.clone(),
            new_surplus: Vec::new(),
            merged: Vec::new(),
            create_reason: Reason::NewRecord,
            may_have_gone_along: view.link.restored && has_lost(&view.records),
            recalls: true,
        }
    }

    fn merge_fields(&mut self) {
        let mappings = self.context.mappings;
        for (position, field) in mappings.entity.indexed_fields() {
            if !self.is_quiet(position, field) {
                let outcome = self.merge_field(position, field);
                self.add_field_outcome(position, field, &outcome);
                self.merged.push((position, outcome));
            }
        }
    }

    /// True where the field needs no merge. Most fields of most links need none, so this allocates
    /// nothing; awaited references are noted all the same.
    fn is_quiet(&mut self, position: FieldIndex, field: &FieldSpec) -> bool {
        let Self { context, records, active, plan, reviews, .. } = self;
        let truth = &plan.link.truth[position];
        let waits = &mut plan.waits;
        let mut quiet = !reviews.iter().any(|review| review::is_about(review, &field.name));
        for active in active.values() {
            let member = member_field(context, records, *active, (position, field), waits);
            quiet &= member.is_none_or(|member| merge::is_quiet(field, &member, truth));
        }
        quiet
    }

    fn merge_field(&mut self, position: FieldIndex, field: &FieldSpec) -> FieldOutcome {
        let mappings = self.context.mappings;
        let mut positions = Vec::with_capacity(self.active.len());
        let mut members = Vec::with_capacity(self.active.len());
        let waits = &mut self.plan.waits;
        for (index, active) in self.active.iter() {
            let field = (position, field);
            if let Some(member) = member_field(self.context, &self.records, *active, field, waits) {
                positions.push(index);
                members.push(member);
            }
        }
        let members: Indexed<MemberFieldIndex, MemberField<'_>> = members.into();
        let finer = self.finer_states(position, field, &positions, &members);
        let finer_members = finer.as_ref().map(|finer| coarse::with_finer(&members, finer));
        let weighed = finer_members.as_ref().unwrap_or(&members);
        let truth = &self.plan.link.truth[position];
        let review = self.reviews.iter().find(|review| review::is_about(review, &field.name));
        let rules = MergeRules {
            field,
            first_link: &mappings.entity.first_link,
            // Nobody knows which of two edits since the backup is older and was overruled long ago.
            by_hand: self.plan.link.restored,
            is_over: self.context.references.are_over(field, &truth.value),
            position,
            answers: self.context.answers,
        };
        let choice = review
            .filter(|review| review.status == ReviewStatus::Chosen)
            .filter(|review| was_seen(review, rules, truth, weighed))
            .and_then(|review| review.choice.as_ref());
        let mut merged = merge(rules, truth, weighed, choice);
        if let Some(finer) = &finer {
            coarse::coarsen(&mut merged.results, &members, finer);
        }
        self.recalls &= merged.question.is_none();
        self.plan.asks.extend(merged.asks.take());
        FieldOutcome { merged, members: positions.into(), chosen: choice.is_some() }
    }

    /// Finer moments for members that keep less of them than others (`RULES.md` V21).
    fn finer_states(
        &self,
        position: FieldIndex,
        field: &FieldSpec,
        actives: &[ActiveIndex],
        members: &Indexed<MemberFieldIndex, MemberField<'_>>,
    ) -> Option<FinerStates> {
        if field.kind != FieldKind::Timestamp {
            return None;
        }
        let mappings = self.context.mappings;
        let unit_ms = |active: &ActiveIndex| {
            let mapping = mappings.mapping(self.active[*active].member, position);
            mapping.map_or(1, |mapping| mapping.unit_ms)
        };
        let units: Indexed<MemberFieldIndex, i64> = actives.iter().map(unit_ms).collect();
        let truth = &self.plan.link.truth[position].value;
        let is_coarse = units.values().any(|unit_ms| *unit_ms > 1);
        is_coarse.then(|| coarse::finer_states(members, &units, truth))
    }

    /// Stores truth, bases, questions and notes of a merge in the plan.
    fn add_field_outcome(
        &mut self,
        position: FieldIndex,
        field: &FieldSpec,
        outcome: &FieldOutcome,
    ) {
        let truth = &outcome.merged.truth;
        let known = &self.plan.link.truth[position];
        let is_same_truth = known.value == truth.value;
        if known != truth {
            Arc::make_mut(&mut self.plan.link).truth[position].clone_from(truth);
        }
        for (index, result) in outcome.members.values().zip(outcome.merged.results.values()) {
            let record = &mut self.records[self.active[*index].record];
            let has_question = outcome.merged.question.is_some();
            let changes = |state: &FieldState| {
                let ends_doubt = (state.unsure || state.lost.is_some()) && !has_question;
                let ends_bereft = !is_same_truth && state.bereft.is_some();
                let is_new = state.base != result.base || state.agreed != result.agreed;
                ends_doubt || ends_bereft || is_new
            };
            if changes(&record.fields[position]) {
                let state = &mut Arc::make_mut(record).fields[position];
                let stays_bereft = is_same_truth && state.base == result.base;
                state.bereft = state.bereft.take().filter(|_| stays_bereft);
                state.base.clone_from(&result.base);
                state.agreed.clone_from(&result.agreed);
                state.unsure &= has_question;
                state.lost = state.lost.take().filter(|_| has_question);
            }
        }
        for (member, reason) in &outcome.merged.notes {
            let record = self.key_of(outcome.members[*member]);
            self.note(Some(record), Some(&field.name), reason.clone());
        }
        self.add_review(field, &outcome.merged, outcome.chosen);
    }

    /// Opens the field's question, and closes the one that is answered or has changed.
    fn add_review(&mut self, field: &FieldSpec, merged: &MergedField, chosen: bool) {
        let now_ms = self.context.now_ms;
        let link = &self.plan.link;
        let open = merged
            .question
            .as_ref()
            .map(|subject| review::of_link(link, subject.clone(), ReviewStatus::Open, now_ms));
        let decided = merged
            .decided
            .as_ref()
            .map(|subject| review::of_link(link, subject.clone(), ReviewStatus::Decided, now_ms));
        for known in self.reviews.iter().filter(|known| review::is_about(known, &field.name)) {
            if open.as_ref().is_none_or(|open| open.id != known.id) {
                self.plan.reviews.push(review::closed(known, now_ms));
            }
            let unused = known.choice.is_some() && !chosen;
            self.plan.notes.extend(unused.then(|| JournalNote {
                record: None,
                field: Some(field.name.clone()),
                reason: Reason::AnswerOvertaken,
            }));
        }
        if let Some(open) = open
            && !self.reviews.iter().any(|known| known.id == open.id)
        {
            let reason = undecided(&open.subject);
            self.note(None, Some(&field.name), reason);
            self.plan.reviews.push(open);
        }
        self.plan.reviews.extend(decided);
    }

    fn outcome(&self, field: FieldIndex) -> Option<&FieldOutcome> {
        self.merged.iter().find(|(merged, _)| *merged == field).map(|(_, outcome)| outcome)
    }

    fn is_frozen(&self, field: FieldIndex) -> bool {
        self.outcome(field).is_some_and(|outcome| outcome.merged.question.is_some())
    }

    fn truth(&self, field: FieldIndex) -> Cell {
        self.plan.link.truth[field].value.clone()
    }

    /// The record of an active member.
    fn record(&self, active: ActiveMember) -> &RecordState {
        &self.records[active.record]
    }

    fn key_of(&self, active: ActiveIndex) -> RecordKey {
        self.record(self.active[active]).key.clone()
    }

    fn note(&mut self, record: Option<RecordKey>, field: Option<&str>, reason: Reason) {
        self.plan.notes.push(JournalNote { record, field: field.map(str::to_owned), reason });
    }

    /// A reference as the member is to be written, noting what it waits for.
    fn outward(
        &mut self,
        field: &FieldSpec,
        mapping: FieldMapping<'_>,
        system: &str,
        cell: &Cell,
        present: &Cell,
    ) -> WrittenReference {
        let Some(target) = mapping.target(&field.kind) else {
            let (remote, written) = (cell.clone(), cell.clone());
            return WrittenReference { remote, written, missing: Vec::new(), removes: Vec::new() };
        };
        let governs = governs(&field.kind, mapping);
        let mut outward = self.context.references.outward(governs, system, target, cell, present);
        for link in std::mem::take(&mut outward.missing) {
            let object = target.to_owned();
            let reason = Reason::WaitsForParent { link, object: object.clone() };
            self.note(None, Some(&field.name), reason);
            self.plan.waits.push(Awaited::Member { link, system: system.to_owned(), object });
        }
        outward
    }

    fn finish(mut self, view: &LinkView) -> LinkPlan {
        self.drop_failures();
        let is_active = self.plan.link.status == LinkStatus::Active;
        // The planner does nothing more about these questions.
        let idle = |review: &&Review| match &review.subject {
            // A create without an answer is looked for all the same.
            ReviewSubject::Uncertain { .. } => review.status == ReviewStatus::Chosen,
            // Nothing is planned any more, whatever a person says (`RULES.md` V20).
            _ if !is_active => true,
            ReviewSubject::Surplus { active, surplus, .. } => {
                review.choice == Some(ReviewChoice::Leave)
                    || !self.still_asks(review, active, surplus)
            }
            ReviewSubject::Deleted { gone } => !self.records.values().any(|record| {
                record.key == *gone && record.link.is_some() && record.status.is_removed()
            }),
            ReviewSubject::Taken { .. } => review.status == ReviewStatus::Chosen,
            _ => false,
        };
        let now_ms = self.context.now_ms;
        let over: Vec<&Review> = self.reviews.iter().filter(idle).collect();
        let again = over.iter().filter(|_| is_active);
        let again = again.filter_map(|known| self.asked_again(known));
        let over = over.iter().map(|known| review::closed(known, now_ms));
        let reviews: Vec<Review> = over.chain(again).collect();
        self.plan.reviews.extend(reviews);
        if self.plan.link.restored && self.recalls {
            Arc::make_mut(&mut self.plan.link).restored = false;
        }
        let is_news = |now: &Arc<RecordState>, before| !Arc::ptr_eq(now, before) && now != before;
        let records = self.records.into_values().zip(&view.records);
        let changed = records.filter(|(now, before)| is_news(now, before));
        self.plan.records = changed.map(|(now, _)| now).collect();
        self.plan.waits.sort_unstable();
        self.plan.waits.dedup();
        self.plan
    }
}

/// A live record's view of a field, with its position; nothing where its member does not map it.
fn member_field<'a>(
    context: &'a PlanContext<'_>,
    records: &'a Indexed<RecordIndex, Arc<RecordState>>,
    active: ActiveMember,
    (position, field): (FieldIndex, &FieldSpec),
    waits: &mut Vec<Awaited>,
) -> Option<MemberField<'a>> {
    let mapping = context.mappings.mapping(active.member, position)?;
    let record = &records[active.record];
    let state = &record.fields[position];
    Some(MemberField {
        system: &record.key.system,
        reads: mapping.group.direction.reads(),
        writes: mapping.group.direction.writes(),
        state,
        seen: seen(context.references, field, mapping, record, state, waits),
    })
}

/// A member's value with references as link numbers; a reference that has none yet is awaited.
fn seen<'a>(
    references: &References,
    field: &FieldSpec,
    mapping: FieldMapping<'_>,
    record: &RecordState,
    state: &'a FieldState,
    waits: &mut Vec<Awaited>,
) -> Cow<'a, Cell> {
    let Some(target) = mapping.target(&field.kind) else {
        return Cow::Borrowed(&state.seen);
    };
    let many = is_many(&field.kind);
    let inward = references.inward(many, &record.key.system, target, &state.seen);
    waits.extend(inward.unknown.into_iter().map(Awaited::Linked));
    Cow::Owned(inward.cell)
}

/// True where something was taken out of a reference of a live record.
fn has_lost(records: &[Arc<RecordState>]) -> bool {
    let mut live = records.iter().filter(|record| record.status == RecordStatus::Live);
    live.any(|record| record.fields.values().any(|state| state.lost.is_some()))
}

fn undecided(subject: &ReviewSubject) -> Reason {
    match subject {
        ReviewSubject::Oscillation { .. } => Reason::Oscillating,
        ReviewSubject::Cleared { system, .. } => Reason::ClearUndecided(system.clone()),
        ReviewSubject::Conflict { policy, .. } => Reason::Undecided { policy: policy.clone() },
        _ => Reason::Undecided { policy: String::new() },
    }
}

/// True where this record of the link has this status.
fn is_now(
    records: &Indexed<RecordIndex, Arc<RecordState>>,
    key: &RecordKey,
    status: &RecordStatus,
) -> bool {
    records.values().any(|record| record.key == *key && record.status == *status)
}

/// Neither absent nor null.
fn is_filled(cell: &Cell) -> bool {
    cell.as_ref().is_some_and(|value| *value != Value::Null)
}

/// True where the members still hold the values that the person saw. An edit after the answer is a
/// new conflict, which the answer does not overrule.
fn was_seen(
    review: &Review,
    rules: MergeRules<'_>,
    truth: &Truth,
    members: &Indexed<MemberFieldIndex, MemberField<'_>>,
) -> bool {
    let ReviewSubject::Conflict { values, chosen: Some(chosen), .. } = &review.subject else {
        // The same question would be asked now.
        return merge(rules, truth, members, None).question.as_ref() == Some(&review.subject);
    };
    // A rule's decision was taken back while its value stood.
    let holds_shown = |member: &MemberField<'_>| {
        let unedited = member.state.base.is_none() || *member.seen == member.state.base;
        let shown =
            |(system, cell): &(String, Cell)| system == member.system && *cell == *member.seen;
        unedited || values.iter().any(shown) || *member.seen == truth.value
    };
    truth.value == *chosen && members.values().filter(|member| member.reads).all(holds_shown)
}
