//! Numbers of the writes of an entity's first sync, for the question to a person.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::record::Action;

/// Numbers of the writes that a plan makes for an entity.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityPlan {
    /// The entity's name.
    pub entity: String,
    /// Links with records of several systems.
    pub matched: u64,
    /// Links with records of one system only.
    pub single: u64,
    /// Questions about records that match several others.
    pub ambiguous: u64,
    /// Links with something held back.
    pub held: u64,
    /// Writes per object, ordered by system and object.
    pub writes: Vec<WriteCounts>,
}

/// Numbers of the operations that one object gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteCounts {
    /// The system.
    pub system: String,
    /// The object.
    pub object: String,
    /// Records that would be made.
    pub create: u64,
    /// Records that would be changed.
    pub update: u64,
    /// Records that would be archived.
    pub archive: u64,
    /// Records that would be merged into others.
    pub merge: u64,
}

impl EntityPlan {
    /// Counts one operation.
    pub fn add(&mut self, system: &str, object: &str, action: Action) {
        let place = |counts: &WriteCounts| {
            (counts.system.as_str(), counts.object.as_str()).cmp(&(system, object))
        };
        let at = self.writes.binary_search_by(place).unwrap_or_else(|at| {
            let (system, object) = (system.to_owned(), object.to_owned());
            self.writes.insert(at, WriteCounts { system, object, ..WriteCounts::default() });
            at
        });
        let Some(counts) = self.writes.get_mut(at) else { return };
        match action {
            Action::Create => counts.create += 1,
            Action::Update | Action::Upsert | Action::Restore => counts.update += 1,
            Action::Archive => counts.archive += 1,
            Action::Merge => counts.merge += 1,
        }
    }

    /// The number of records that would be made.
    pub fn creations(&self) -> u64 {
        self.writes.iter().map(|counts| counts.create).sum()
    }
}

impl fmt::Display for EntityPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, matched, single, ambiguous, held, writes } = self;
        write!(f, "{entity}: ")?;
        if writes.is_empty() {
            write!(f, "nothing to write; ")?;
        }
        for WriteCounts { system, object, create, update, archive, merge } in writes {
            let counts =
                [("create", create), ("update", update), ("archive", archive), ("merge", merge)];
            let counts = counts.into_iter().filter(|(_, count)| **count > 0);
            let counts: Vec<String> = counts.map(|(word, n)| format!("{word} {n}")).collect();
            write!(f, "{system}.{object} {}; ", counts.join(", "))?;
        }
        write!(f, "{matched} matched, {single} in one system only, {ambiguous} ambiguous")?;
        write!(f, ", {held} held back")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plan_of_an_entity_counts_by_object_and_action() {
        let mut plan = EntityPlan { entity: "person".to_owned(), ..EntityPlan::default() };
        plan.matched = 4;
        plan.held = 1;
        assert!(plan.to_string().starts_with("person: nothing to write; 4 matched"), "{plan}");
        for action in [Action::Create, Action::Create, Action::Update, Action::Merge] {
            plan.add("hubspot", "contacts", action);
        }
        plan.add("acme", "people", Action::Archive);
        plan.add("hubspot", "contacts", Action::Create);
        assert_eq!(plan.creations(), 3);
        assert_eq!(
            plan.to_string(),
            "person: acme.people archive 1; hubspot.contacts create 3, update 1, merge 1; \
             4 matched, 0 in one system only, 0 ambiguous, 1 held back"
        );
    }
}
