//! The control API's view of an account: what people do in HubSpot's own user interface.
//!
//! People pass the same checks and leave the same stamps as the API; what they make is marked as
//! theirs.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::account::HubSpot;
use super::errors::{ApiError, WriteRefusal};
use super::kinds::{KindPair, ObjectKind};
use super::store::RecordAuthor;
use super::table::HubSpotRecord;
use crate::clock::SimClock;
use crate::control::{
    ControlError, NewRecord, Origin, RecordLink, RecordView, RecordViews, Vendor,
};
use crate::faults::Faults;
use crate::http::{SimAnswer, SimRequest};
use crate::ledger::RequestLedger;

impl Vendor for HubSpot {
    fn handle(&mut self, request: &SimRequest) -> SimAnswer {
        self.answer(request)
    }

    fn records<'a>(&'a self, object: &str) -> Result<RecordViews<'a>, ControlError> {
        let kind = kind(object)?;
        let records = self.store.table(kind).into_iter().flat_map(|table| table.after(0));
        Ok(Box::new(records.map(move |record| self.seen(kind, record))))
    }

    fn edit(
        &mut self,
        object: &str,
        id: &str,
        fields: &Map<String, Value>,
    ) -> Result<(), ControlError> {
        let kind = kind(object)?;
        let fields = cleared(fields);
        self.as_person(|hubspot| {
            let id = hubspot.id_of(kind, id)?;
            let human = hubspot.human();
            hubspot.store.update(kind, id, &fields, human).map_err(|r| refused(kind, r))
        })
    }

    fn create(&mut self, object: &str, new: &NewRecord) -> Result<String, ControlError> {
        self.as_person(|hubspot| hubspot.create_by_person(object, new))
    }

    fn delete(&mut self, object: &str, id: &str) -> Result<(), ControlError> {
        let kind = kind(object)?;
        self.as_person(|hubspot| {
            let id = hubspot.id_of(kind, id)?;
            hubspot.store.archive(kind, id, hubspot.clock.now_ms());
            Ok(())
        })
    }

    fn merge(&mut self, object: &str, winner: &str, loser: &str) -> Result<String, ControlError> {
        let kind = kind(object)?;
        self.as_person(|hubspot| {
            let survivor = HubSpot::merge(hubspot, kind, winner, loser, Origin::Human);
            survivor.map(|id| id.to_string()).map_err(|e| ControlError::Refused(e.message))
        })
    }

    fn restore(&mut self, object: &str, id: &str) -> Result<(), ControlError> {
        let kind = kind(object)?;
        let number = id.parse().map_err(|_| ControlError::UnknownRecord(id.to_owned()))?;
        let now_ms = self.clock.now_ms();
        self.store.restore(kind, number, now_ms).map_err(ControlError::Refused)
    }

    fn link(&mut self, link: &RecordLink) -> Result<(), ControlError> {
        let (pair, from, to) = self.ends(link)?;
        HubSpot::link(self, pair, from, to, link.primary);
        match &link.label {
            Some(label) => self.change_label(pair, (from, to), label, true),
            None => Ok(()),
        }
    }

    fn unlink(&mut self, link: &RecordLink) -> Result<(), ControlError> {
        let (pair, from, to) = self.ends(link)?;
        match &link.label {
            Some(label) => return self.change_label(pair, (from, to), label, false),
            None if link.primary => drop(self.store.associations.demote_one(pair, from, to)),
            None => drop(self.store.associations.unlink(pair, from, to)),
        }
        self.touch_ends(pair, from, to);
        Ok(())
    }

    fn revoke(&mut self) {
        self.auth.revoke();
    }

    fn ledger(&mut self) -> &mut RequestLedger {
        &mut self.ledger
    }

    fn faults(&self) -> &Faults {
        &self.faults
    }

    fn set_faults(&mut self, faults: Faults) {
        self.clock.set_offset(faults.clock_offset_ms);
        self.limits.set_zone(faults.utc_offset_ms(self.clock.now_ms()));
        self.store.apply(&faults);
        self.faults = faults;
    }

    fn clock(&self) -> &SimClock {
        &self.clock
    }
}

impl HubSpot {
    /// Does something with the rights of a person at the screen.
    fn as_person<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        self.store.viewer = Origin::Human;
        let done = act(self);
        self.store.viewer = Origin::Api;
        done
    }

    fn ends(&self, link: &RecordLink) -> Result<(KindPair, u64, u64), ControlError> {
        let (from, to) = (kind(&link.object)?, kind(&link.to_object)?);
        let pair = KindPair::between(from, to).ok_or(ControlError::Unsupported("relate these"))?;
        Ok((pair, self.id_of(from, &link.id)?, self.id_of(to, &link.to_id)?))
    }

    fn create_by_person(&mut self, object: &str, new: &NewRecord) -> Result<String, ControlError> {
        let kind = kind(object)?;
        let mut links = Vec::new();
        for (to, ids) in &new.references {
            let to = self::kind(to)?;
            let pair =
                KindPair::between(kind, to).ok_or(ControlError::Unsupported("relate these"))?;
            for id in ids {
                links.push((pair, self.id_of(to, id)?));
            }
        }
        let id = self
            .store
            .create(kind, &cleared(&new.fields), self.human())
            .map_err(|refusal| refused(kind, refusal))?;
        for (pair, other) in links {
            HubSpot::link(self, pair, id, other, false);
        }
        Ok(id.to_string())
    }

    fn human(&self) -> RecordAuthor {
        RecordAuthor { origin: Origin::Human, now_ms: self.clock.now_ms() }
    }

    fn id_of(&self, kind: ObjectKind, id: &str) -> Result<u64, ControlError> {
        let unknown = || ControlError::UnknownRecord(id.to_owned());
        self.store.find(kind, id, None).ok_or_else(unknown)
    }

    fn seen(&self, kind: ObjectKind, record: &HubSpotRecord) -> RecordView {
        let names = self.store.schema(kind).into_iter().flat_map(|schema| schema.live.keys());
        let fields = names
            .map(|name| (name.to_string(), record.row.value(name).map_or(Value::Null, Value::from)))
            .collect();
        let (mut references, mut primary) = (BTreeMap::new(), BTreeMap::new());
        for to in KindPair::referred_from(kind) {
            let partners = self.store.associations.list_partners((kind, record.row.id), to);
            let mark = KindPair::between(kind, to).and_then(|pair| pair.primary);
            let mut ids = Vec::new();
            for (id, types) in partners {
                if mark.is_some_and(|mark| types.contains(&mark)) {
                    primary.insert(to.plural().to_owned(), id.to_string());
                }
                ids.push(id.to_string());
            }
            if !ids.is_empty() {
                references.insert(to.plural().to_owned(), ids);
            }
        }
        RecordView {
            id: record.row.id.to_string(),
            fields,
            archived: record.archived_ms.is_some(),
            created_by: record.origin,
            references,
            primary,
        }
    }
}

fn kind(object: &str) -> Result<ObjectKind, ControlError> {
    ObjectKind::parse(object).ok_or_else(|| ControlError::UnknownObject(object.to_owned()))
}

/// A person who empties a field writes what the API writes as an empty string.
fn cleared(fields: &Map<String, Value>) -> Map<String, Value> {
    let text = |value: &Value| if value.is_null() { Value::from("") } else { value.clone() };
    fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

fn refused(kind: ObjectKind, refusal: WriteRefusal) -> ControlError {
    let ApiError { message, .. } = refusal.single(kind);
    ControlError::Refused(message)
}
