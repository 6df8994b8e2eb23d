//! The control API's view of the org: what people do in the user interface, for tests and demo.
//!
//! With `Faults::late_commit_ms` people's changes get their stamp at once and become visible that
//! much later, so a reader that has passed the stamp never sees them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::ApiFault;
use super::ids::Serial;
use super::json::{Json, JsonPairs};
use super::org::{LateCommit, Org, OrgChange};
use super::schema::{OrgField, OrgObject, TableNumber};
use super::soql;
use super::store::OrgRow;
use super::write::WriteAuthor;
use crate::clock::SimClock;
use crate::control::{ControlError, NewRecord, Origin, RecordView, RecordViews, Vendor};
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};
use crate::ledger::RequestLedger;

impl Vendor for Org {
    fn handle(&mut self, request: &SimRequest) -> SimAnswer {
        self.answer(request)
    }

    fn records<'a>(&'a self, object: &str) -> Result<RecordViews<'a>, ControlError> {
        let table = self.named(object)?;
        let object = self.store.object(table).ok_or_else(|| unknown(object))?;
        let master = object.slot("MasterRecordId");
        let merged = move |row: &&OrgRow| master.is_some_and(|slot| !row.cell(slot).is_null());
        let rows = self.store.rows(table).filter(move |row| !merged(row));
        Ok(Box::new(rows.map(move |row| self.view(table, object, row))))
    }

    fn edit(
        &mut self,
        object: &str,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<(), ControlError> {
        let (table, serial) = self.record_named(object, id)?;
        self.do_or_delay(OrgChange::Update(table, serial, pairs(fields)))
    }

    fn create(&mut self, object: &str, new: &NewRecord) -> Result<String, ControlError> {
        let table = self.named(object)?;
        let mut fields = pairs(&new.fields);
        let of = self.store.object(table).ok_or_else(|| unknown(object))?;
        for (target, ids) in &new.references {
            let points = |field: &&OrgField| {
                field.createable
                    && field.reference().is_some_and(|(to, _)| to.contains(&target.as_str()))
            };
            let field = of.fields.iter().find(points);
            let field =
                field.ok_or_else(|| ControlError::Refused(format!("no reference to {target}")))?;
            if let Some(id) = ids.first() {
                fields.push((field.name.into(), id.as_str().into()));
            }
        }
        let serial = self.store.allot(table);
        self.do_or_delay(OrgChange::Create(table, serial, fields))?;
        Ok(self.store.id(table, serial))
    }

    fn delete(&mut self, object: &str, id: &str) -> Result<(), ControlError> {
        let (table, serial) = self.record_named(object, id)?;
        self.do_or_delay(OrgChange::Delete(table, serial))
    }

    fn merge(&mut self, object: &str, winner: &str, loser: &str) -> Result<String, ControlError> {
        let (table, winner) = self.record_named(object, winner)?;
        let (_, loser) = self.record_named(object, loser)?;
        let by = self.person();
        self.store.begin();
        self.store.merge(table, winner, loser, &by).map_err(refused)?;
        Ok(self.store.id(table, winner))
    }

    fn convert(&mut self, id: &str) -> Result<Value, ControlError> {
        let (_, lead) = self.record_named("Lead", id)?;
        let by = self.person();
        let mark = self.store.begin();
        match self.store.convert(lead, &by) {
            Ok(made) => Ok(json!({
                "contact": made.contact,
                "account": made.account,
                "opportunity": null,
            })),
            Err(fault) => {
                self.store.roll_back(mark);
                Err(refused(fault))
            }
        }
    }

    fn restore(&mut self, object: &str, id: &str) -> Result<(), ControlError> {
        let (table, serial) = self.record_named(object, id)?;
        let by = self.person();
        let mark = self.store.begin();
        self.store.undelete(table, serial, &by).map_err(|fault| {
            self.store.roll_back(mark);
            refused(fault)
        })
    }

    fn revoke(&mut self) {
        self.sessions.end_all();
    }

    fn ledger(&mut self) -> &mut RequestLedger {
        &mut self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn set_faults(&mut self, faults: Faults) {
        self.apply(faults);
    }

    fn clock(&self) -> &SimClock {
        &self.clock
    }
}

impl Org {
    fn named(&self, object: &str) -> Result<TableNumber, ControlError> {
        self.store.schema.any_table(object).ok_or_else(|| unknown(object))
    }

    fn record_named(&self, object: &str, id: &str) -> Result<(TableNumber, Serial), ControlError> {
        let table = self.named(object)?;
        let pending = self.late.iter().any(|late| match &late.change {
            OrgChange::Create(of, serial, _) => *of == table && self.store.id(table, *serial) == id,
            _ => false,
        });
        match self.store.locate(id) {
            Some((of, serial))
                if of == table && (pending || self.store.row(of, serial).is_some()) =>
            {
                Ok((table, serial))
            }
            _ => Err(ControlError::UnknownRecord(id.to_owned())),
        }
    }

    /// A person at work now.
    fn person(&mut self) -> WriteAuthor {
        let now_ms = self.clock.now_ms();
        self.store.now_ms = now_ms;
        WriteAuthor { origin: Origin::Human, ..self.client(now_ms) }
    }

    fn do_or_delay(&mut self, change: OrgChange) -> Result<(), ControlError> {
        let by = self.person();
        let delay_ms = self.faults.salesforce.late_commit_ms;
        if delay_ms <= 0 {
            return self.commit(change, &by).map_err(refused);
        }
        self.late.push(LateCommit { due_ms: by.at_ms + delay_ms, by, change });
        Ok(())
    }

    fn view(&self, table: TableNumber, object: &OrgObject, row: &OrgRow) -> RecordView {
        let mut fields = BTreeMap::new();
        let mut references: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (slot, field) in object.fields.iter().enumerate().filter(|(_, f)| !f.hidden) {
            let value = soql::field(row, slot, field.kind);
            let points = field.reference().filter(|(to, _)| field.createable && *to != ["User"]);
            if let (Some(_), Some(id)) = (points, value.as_str()) {
                let target = self.store.locate(id).and_then(|(table, _)| self.store.object(table));
                let name = target.map_or("", |object| object.name).to_owned();
                references.entry(name).or_default().push(id.to_owned());
            }
            fields.insert(field.name.to_owned(), plain(value));
        }
        RecordView {
            id: self.store.id(table, row.serial),
            fields,
            archived: row.deleted(),
            created_by: row.origin,
            references,
            primary: BTreeMap::new(),
        }
    }
}

fn unknown(object: &str) -> ControlError {
    ControlError::UnknownObject(object.to_owned())
}

fn refused(fault: ApiFault) -> ControlError {
    ControlError::Refused(format!("{}: {}", fault.code, fault.message))
}

fn pairs(fields: &Map<String, Value>) -> JsonPairs {
    fields.iter().map(|(name, value)| (name.clone().into(), value.clone().into())).collect()
}

fn plain(value: Json) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}
