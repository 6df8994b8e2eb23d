//! The recycle bin: what a deletion takes along, what it is blocked by, and what comes back.

use std::sync::Arc;

use super::super::error::ApiFault;
use super::super::ids::Serial;
use super::super::schema::{SLOT_DELETED, SLOT_STAMP, TableNumber};
use super::super::store::{BinnedRows, OrgStore};
use super::super::value::{OrgValue, whole_second};
use super::{WriteAuthor, touch, unsupported};

/// True if deleting the parent deletes the children that point to it by this field.
pub(crate) fn cascades(parent: &str, child: &str, field: &str) -> bool {
    matches!(
        (parent, child, field),
        ("Account", "Contact" | "Opportunity", "AccountId")
            | ("Account", "Task", "WhatId")
            | ("Campaign" | "Contact" | "Lead", "CampaignMember", _)
    )
}

impl OrgStore {
    /// Moves a row into the recycle bin, with the rows that cannot be without it, and empties the
    /// other lookups to it.
    pub(crate) fn delete(
        &mut self,
        table: TableNumber,
        serial: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let row = self.row(table, serial).ok_or_else(ApiFault::not_found)?;
        if row.deleted() {
            return Err(ApiFault::deleted());
        }
        let schema = Arc::clone(&self.schema);
        let object = schema.object(table).ok_or_else(ApiFault::not_found)?;
        if !object.writable {
            return Err(unsupported(object.label, "delete"));
        }
        self.check_shared(table, serial, by)?;
        self.check_blocked(table, serial)?;
        let mut row = row.clone();
        let (id, parent) = (self.id(table, serial), object.name);
        row.set(SLOT_DELETED, OrgValue::Bool(true));
        touch(&mut row, by);
        self.put_row(table, row);
        let mut binned = BinnedRows::default();
        for (of, child) in schema.objects() {
            let fields = child.fields.iter().enumerate().filter(|(_, f)| f.createable);
            for (slot, field) in fields {
                let points = field.reference().is_some_and(|(to, _)| to.contains(&parent));
                if !points {
                    continue;
                }
                for serial in self.live(of, slot, &id) {
                    if cascades(parent, child.name, field.name) {
                        self.delete(of, serial, by)?;
                        self.quiet.insert((of, serial));
                        binned.along.push((of, serial));
                    } else {
                        self.point(of, serial, slot, OrgValue::Null, by);
                        binned.emptied.push((of, serial, slot));
                    }
                }
            }
        }
        self.bin.insert((table, serial), binned);
        Ok(())
    }

    /// An account with won opportunities stays; describe says nothing of it.
    fn check_blocked(&self, table: TableNumber, serial: Serial) -> Result<(), ApiFault> {
        let is =
            |table: TableNumber, name: &str| self.object(table).is_some_and(|o| o.name == name);
        if !self.knobs.salesforce.won_deals_block_deletion || !is(table, "Account") {
            return Ok(());
        }
        let Some(deals) = self.schema.any_table("Opportunity") else { return Ok(()) };
        let Some(object) = self.object(deals) else { return Ok(()) };
        let slot = |name: &str| object.any_field(name).map_or(0, |(slot, _)| slot);
        let (account, won, name) = (slot("AccountId"), slot("IsWon"), slot("Name"));
        let rows = self.live(deals, account, &self.id(table, serial));
        let rows = rows.into_iter().filter_map(|serial| self.row(deals, serial));
        let won: Vec<&str> = rows
            .filter(|row| row.cell(won).is_true())
            .filter_map(|row| row.cell(name).as_text())
            .collect();
        if won.is_empty() {
            return Ok(());
        }
        let own = self.object(table).and_then(|object| object.any_field("Name"));
        let own = own.and_then(|(slot, _)| self.row(table, serial)?.cell(slot).as_text());
        let message = format!(
            "Your attempt to delete {} could not be completed because some opportunities in that \
             account were closed won. The opportunities that could not be deleted are shown \
             below.: {}\n",
            own.unwrap_or_default(),
            won.join(", ")
        );
        Err(ApiFault::on("DELETE_FAILED", message, &[]))
    }

    /// Changes a lookup as the platform does by itself: only `SystemModstamp` moves.
    fn point(
        &mut self,
        table: TableNumber,
        serial: Serial,
        slot: usize,
        to: OrgValue,
        by: &WriteAuthor,
    ) {
        let Some(mut row) = self.row(table, serial).cloned() else { return };
        row.set(slot, to);
        row.set(SLOT_STAMP, OrgValue::Time(whole_second(by.at_ms)));
        self.put_row(table, row);
    }

    /// Takes a row out of the bin with the rows that went along, and lookups that nobody replaced.
    pub(crate) fn undelete(
        &mut self,
        table: TableNumber,
        serial: Serial,
        by: &WriteAuthor,
    ) -> Result<(), ApiFault> {
        let row = self.row(table, serial).filter(|row| row.deleted());
        let mut row = row.cloned().ok_or_else(|| {
            ApiFault::on("UNDELETE_FAILED", "Record is not in the recycle bin", &[])
        })?;
        if self.object(table).is_some_and(|object| object.name == "CampaignMember") {
            let message = "Entity type is not undeletable";
            return Err(ApiFault::on("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message, &[]));
        }
        row.set(SLOT_DELETED, OrgValue::Bool(false));
        touch(&mut row, by);
        let id = OrgValue::Text(self.id(table, serial));
        self.put_row(table, row);
        let binned = self.bin.remove(&(table, serial)).unwrap_or_default();
        self.quiet.remove(&(table, serial));
        for (of, serial) in binned.along {
            // A child that was deleted again or restored by itself stays as it is.
            if self.row(of, serial).is_some_and(|row| row.deleted()) {
                drop(self.undelete(of, serial, by));
            }
        }
        for (of, serial, slot) in binned.emptied {
            if self.row(of, serial).is_some_and(|row| row.cell(slot).is_null()) {
                self.point(of, serial, slot, id.clone(), by);
            }
        }
        Ok(())
    }
}
