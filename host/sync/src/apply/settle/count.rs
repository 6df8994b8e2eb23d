//! Counts creations and deletions of a batch for the guards.

use super::BatchSettler;
use renkei_model::effect::EffectKind;
use renkei_model::state::{GuardCounts, hour_of};

impl BatchSettler<'_> {
    /// Counts what was archived and what was made. Creations that a person saw and approved in the
    /// plan of the first sync use up that approval and nothing of the day (`RULES.md` P15).
    pub(super) fn count(&mut self, kind: EffectKind) {
        let (deleted, created) = (kind.removes_record(), kind.makes_record());
        if !deleted && !created {
            return;
        }
        let name = &self.entity.name;
        if let Some(covered) = self.covered.as_mut().filter(|covered| created && **covered > 0) {
            *covered -= 1;
            self.changes.begun = vec![(name.clone(), Some(*covered))];
            return;
        }
        if self.changes.guards.is_empty() {
            let hour = hour_of(self.now_ms);
            self.changes.guards.push((name.clone(), hour, GuardCounts::default()));
        }
        if let Some((_, _, counts)) = self.changes.guards.first_mut() {
            counts.deleted += u64::from(deleted);
            counts.created += u64::from(created);
        }
    }
}
