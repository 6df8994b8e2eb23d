//! The plan of a cycle, with everything that it holds back: an immutable value that prints as text.

use std::collections::BTreeMap;
use std::fmt;

use renkei_model::reason::Reason;
use renkei_model::state::{EntityPlan, LinkId, OutboxEntry, RecordKey};
use renkei_model::value::DisplayedValue;

/// The writes of a cycle. Immutable; prints one line per operation with its reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct CyclePlan {
    /// Operations in the order in which they would be sent.
    pub operations: Vec<OutboxEntry>,
    /// Operations beyond the number that is listed.
    pub omitted: u64,
    /// Links that are not written, or not whole, with the reason.
    pub held: Vec<HeldLink>,
    /// Entries of `held` beyond the number that is listed.
    pub held_omitted: u64,
    /// Deletions with what they take along, per entity.
    pub deletions: Vec<PlannedDeletions>,
    /// Planned writes per entity, for entities with something to plan. Ambiguous matches have no
    /// link and are not counted.
    pub entities: Vec<EntityPlan>,
}

impl CyclePlan {
    /// Adds a chunk of links of one entity and what is planned for them.
    pub fn count(&mut self, counts: EntityPlan, operations: &[OutboxEntry]) {
        let known = self.entities.iter().position(|known| known.entity == counts.entity);
        let at = known.unwrap_or(self.entities.len());
        if known.is_none() {
            let entity = counts.entity.clone();
            self.entities.push(EntityPlan { entity, ..EntityPlan::default() });
        }
        let Some(plan) = self.entities.get_mut(at) else { return };
        plan.matched += counts.matched;
        plan.single += counts.single;
        plan.held += counts.held;
        for OutboxEntry { system, object, effect, .. } in operations {
            plan.add(system, object, effect.kind());
        }
    }
}

/// The deletions of an entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PlannedDeletions {
    /// The entity's name.
    pub entity: String,
    /// Records that the plan archives itself.
    pub records: u64,
    /// Records that go along in their systems: `system.object`, and how many.
    pub along: BTreeMap<String, u64>,
    /// Deletions of the last 24 hours.
    pub today: u64,
    /// Deletions allowed in 24 hours.
    pub limit: u64,
    /// The deletions wait for a person.
    pub waits: bool,
}

impl fmt::Display for PlannedDeletions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, records, along, today, limit, waits } = self;
        write!(f, "deletions of {entity}: {records}")?;
        for (number, (object, count)) in along.iter().enumerate() {
            let lead = if number == 0 { ", taking along" } else { "," };
            write!(f, "{lead} {count} {object}")?;
        }
        write!(f, "; {today} in the last 24 hours, {limit} allowed")?;
        if *waits { write!(f, "; waits for approval") } else { Ok(()) }
    }
}

/// A write that a plan holds back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct HeldLink {
    /// The entity's name.
    pub entity: String,
    /// The link that is not written, or not whole.
    pub link: LinkId,
    /// The record, where the reason is about one.
    pub record: Option<RecordKey>,
    /// The field's name, where the reason is about one.
    pub field: Option<String>,
    /// The reason.
    pub reason: Reason,
}

impl fmt::Display for CyclePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for operation in &self.operations {
            let OutboxEntry { entity, link, system, object, effect, reason, .. } = operation;
            effect.print(f, (system, object))?;
            writeln!(f, "  {entity} link {link}: {reason}")?;
            for write in &operation.fields {
                let (before, after) = (DisplayedValue(&write.before), DisplayedValue(&write.after));
                match effect.kind().makes_record() {
                    true => writeln!(f, "    {} = {after}", write.field)?,
                    false => {
                        writeln!(f, "    {}: {before} -> {after}  ({})", write.field, write.reason)?
                    }
                }
                for record in &write.removes {
                    writeln!(f, "      no longer refers to {record}")?;
                }
            }
        }
        for held in self.held.iter().filter(|held| held.reason.holds_back()) {
            let HeldLink { entity, link, record, field, reason } = held;
            write!(f, "hold {entity} link {link}")?;
            if let Some(record) = record {
                write!(f, " {record}")?;
            }
            if let Some(field) = field {
                write!(f, " {field}")?;
            }
            writeln!(f, ": {reason}")?;
        }
        if self.held_omitted > 0 {
            writeln!(f, "... and {} more held back", self.held_omitted)?;
        }
        for deletions in &self.deletions {
            writeln!(f, "{deletions}")?;
        }
        match self.omitted {
            0 => Ok(()),
            omitted => writeln!(f, "... and {omitted} more operations"),
        }
    }
}
