//! Numbers of the writes that a plan makes for an entity, as the question about a first sync names
//! them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::effect::EffectKind;

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
    /// Operations by kind; in JSON a key for each kind: `"create": 3`.
    #[serde(flatten)]
    pub counts: BTreeMap<EffectKind, u64>,
}

impl WriteCounts {
    fn none(system: &str, object: &str) -> Self {
        let counts = EffectKind::ALL.into_iter().map(|kind| (kind, 0)).collect();
        Self { system: system.to_owned(), object: object.to_owned(), counts }
    }
}

impl EntityPlan {
    /// Counts one operation.
    pub fn add(&mut self, system: &str, object: &str, kind: EffectKind) {
        let place = |counts: &WriteCounts| {
            (counts.system.as_str(), counts.object.as_str()).cmp(&(system, object))
        };
        let at = self.writes.binary_search_by(place).unwrap_or_else(|at| {
            self.writes.insert(at, WriteCounts::none(system, object));
            at
        });
        if let Some(writes) = self.writes.get_mut(at) {
            *writes.counts.entry(kind).or_default() += 1;
        }
    }

    /// The number of records that would be made.
    pub fn creations(&self) -> u64 {
        let counts = self.writes.iter().flat_map(|writes| &writes.counts);
        counts.filter(|(kind, _)| kind.makes_record()).map(|(_, count)| count).sum()
    }
}

impl fmt::Display for EntityPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entity, matched, single, ambiguous, held, writes } = self;
        write!(f, "{entity}: ")?;
        if writes.is_empty() {
            write!(f, "nothing to write; ")?;
        }
        for WriteCounts { system, object, counts } in writes {
            let counts = counts.iter().filter(|(_, count)| **count > 0);
            let counts: Vec<String> =
                counts.map(|(kind, count)| format!("{} {count}", kind.word())).collect();
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
    fn plan_of_an_entity_counts_by_object_and_kind() {
        let mut plan = EntityPlan { entity: "person".to_owned(), ..EntityPlan::default() };
        plan.matched = 4;
        plan.held = 1;
        assert!(plan.to_string().starts_with("person: nothing to write; 4 matched"), "{plan}");
        for kind in [EffectKind::Create, EffectKind::Create, EffectKind::Update, EffectKind::Merge]
        {
            plan.add("hubspot", "contacts", kind);
        }
        plan.add("acme", "people", EffectKind::Archive);
        plan.add("hubspot", "contacts", EffectKind::Create);
        assert_eq!(plan.creations(), 3);
        assert_eq!(
            plan.to_string(),
            "person: acme.people archive 1; hubspot.contacts create 3, update 1, merge 1; \
             4 matched, 0 in one system only, 0 ambiguous, 1 held back"
        );
    }
}
