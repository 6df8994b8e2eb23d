//! Owners of records: people hand records over, owners leave and come back.
//!
//! Salesforce refuses what anybody saves in a Contact or Lead whose owner has left, until it is
//! handed over.

use serde_json::{Map, json};

use crate::history::{OWNERS, Subject};
use crate::people::People;
use crate::systems::{Record, Side, owner_column};

/// Objects whose owner must be there.
const STRICT: [&str; 2] = ["Contact", "Lead"];

impl People {
    /// Somebody leaves both systems, or is back.
    pub(crate) fn leave(&mut self, owner: usize, leaves: bool) -> anyhow::Result<()> {
        // What is saved and not committed yet would be refused without a word.
        if self.commits_late() {
            return Ok(());
        }
        match leaves {
            true => self.absent.insert(owner),
            false => self.absent.remove(&owner),
        };
        let named = |name: fn(&(&'static str, &'static str)) -> &'static str| {
            let absent = self.absent.iter().filter_map(|owner| OWNERS.get(*owner));
            json!({ "absent_owners": absent.map(name).collect::<Vec<_>>() })
        };
        self.systems.hubspot.post("faults", &named(|(id, _)| id))?;
        self.systems.salesforce.post("faults", &named(|(_, name)| name)).map(drop)
    }

    /// Gives a record another owner who is there.
    pub(crate) fn hand(&mut self, who: Subject, side: Side, owner: usize) -> anyhow::Result<()> {
        let Some(record) = self.record_of(who, side)? else { return Ok(()) };
        let Some((id, user)) = OWNERS.get(owner) else { return Ok(()) };
        if self.absent.contains(&owner) {
            return Ok(());
        }
        let id = match side {
            Side::HubSpot => (*id).to_owned(),
            Side::Salesforce => self.user(user)?,
        };
        let column = owner_column(side);
        let mut fields = Map::new();
        fields.insert(column.to_owned(), json!(id));
        self.systems.system(side).edit(&record.object, &record.id, fields)?;
        self.ledger.by_hand.insert((record.object, record.id, column), id);
        Ok(())
    }

    /// True if the system refuses whatever people save in the record.
    pub(crate) fn is_locked(&self, record: &Record) -> anyhow::Result<bool> {
        if !STRICT.contains(&record.object.as_str()) {
            return Ok(false);
        }
        for owner in &self.absent {
            let Some((_, user)) = OWNERS.get(*owner) else { continue };
            if self.user(user)? == record.text(owner_column(Side::Salesforce)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The id of a Salesforce user.
    fn user(&self, name: &str) -> anyhow::Result<String> {
        let users = self.systems.salesforce.records("User")?;
        let user = users.into_iter().find(|user| user.text("Username") == name);
        Ok(user.map(|user| user.id).unwrap_or_default())
    }
}
