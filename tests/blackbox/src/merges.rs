//! Merges, as people do them in the systems' own screens.

use serde_json::json;

use crate::forms;
use crate::history::Subject;
use crate::ledger::Deed;
use crate::people::People;
use crate::systems::{Record, Side};

impl People {
    /// Makes one record of two. What the merge leaves in the winner's record counts as typed there.
    pub(crate) fn merge(
        &mut self,
        winner: Subject,
        loser: Subject,
        side: Side,
    ) -> anyhow::Result<()> {
        // Nobody merges what is not there yet, and Salesforce merges no opportunities.
        let is_deal = matches!(winner, Subject::Deal(_));
        if self.commits_late() || is_deal && side == Side::Salesforce {
            return Ok(());
        }
        let records = (self.record_of(winner, side)?, self.record_of(loser, side)?);
        let (Some(won), Some(lost)) = records else { return Ok(()) };
        if won.object != lost.object || self.is_locked(&won)? || self.is_locked(&lost)? {
            return Ok(());
        }
        let body = json!({ "object": won.object, "winner": won.id, "loser": lost.id });
        let merged = self.systems.system(side).post("merge", &body)?;
        let survivor = merged["id"].as_str().unwrap_or_default();
        self.ledger.hand_over((&won.object, &won.id, &lost.id), survivor);
        self.note(winner, side, Deed::Merged { lost: false });
        self.note(loser, side, Deed::Merged { lost: true });
        self.ledger.merged.push((winner, loser));
        self.forget_primary()?;
        if self.ledger.consent.people.contains(&loser) {
            self.ledger.consent.people.insert(winner);
        }
        let records = self.systems.system(side).records(&won.object)?;
        let survivor = records.iter().find(|record| record.id == survivor);
        survivor.into_iter().for_each(|survivor| self.note_values(winner, side, &won, survivor));
        Ok(())
    }

    /// Notes as typed the values that a merge put into empty fields.
    fn note_values(&mut self, who: Subject, side: Side, before: &Record, after: &Record) {
        for field in who.fields() {
            let values = [before, after].map(|record| forms::meaning(field, record));
            let [before, after] = values;
            if before != after {
                self.note(who, side, Deed::Typed { field: *field, before, after });
            }
        }
        if !before.is_opted_out() && after.is_opted_out() {
            self.note(
                who,
                side,
                Deed::OptedOut { out: true, key: (after.object.clone(), after.id.clone()) },
            );
        }
    }

    /// Forgets further companies that a merge made primary ones: those belong to the mapping.
    fn forget_primary(&mut self) -> anyhow::Result<()> {
        for contact in self.systems.hubspot.records("contacts")? {
            if let Some(primary) = contact.primary.get("companies") {
                self.ledger.further.remove(&(contact.id, primary.clone()));
            }
        }
        Ok(())
    }
}
