//! Merging and erasing records (H-merge-1 to H-merge-4, H-merge-6).
//!
//! The primary's values win, the other's fill the gaps. By default the survivor is a third record
//! with a new id; either way the old ids lead to it for ever, and it lists them.

use std::sync::Arc;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Map;

use super::account::HubSpot;
use super::errors::ApiError;
use super::kinds::ObjectKind;
use super::reply::{HandlerResult, HubSpotReply, body};
use super::schema::LIFE_CYCLE;
use super::table::{HubSpotRecord, HubSpotRow};
use super::view::id_text;
use crate::control::Origin;
use crate::http::{SimAnswer, SimRequest};

/// A record that took part in more merges takes no more.
const MERGES_MAX: usize = 250;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MergeBody {
    #[serde(deserialize_with = "id_text")]
    primary_object_id: String,
    #[serde(deserialize_with = "id_text")]
    object_id_to_merge: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EraseBody {
    #[serde(deserialize_with = "id_text")]
    object_id: String,
    #[serde(default)]
    id_property: Option<String>,
}

impl HubSpot {
    pub(super) fn merge_request(
        &mut self,
        kind: ObjectKind,
        request: &SimRequest,
    ) -> HandlerResult {
        let asked: MergeBody = body(request)?;
        if !matches!(
            kind,
            ObjectKind::Contact | ObjectKind::Company | ObjectKind::Deal | ObjectKind::Ticket
        ) {
            return Err(ApiError::invalid(format!("{} cannot be merged", kind.plural())));
        }
        let id =
            self.merge(kind, &asked.primary_object_id, &asked.object_id_to_merge, Origin::Api)?;
        self.shown(StatusCode::OK, kind, id, &Map::new())
    }

    /// Merges `loser` into `winner`; returns the id of the survivor.
    pub(super) fn merge(
        &mut self,
        kind: ObjectKind,
        winner: &str,
        loser: &str,
        by: Origin,
    ) -> Result<u64, ApiError> {
        let (winner, loser) = (self.mergeable(kind, winner)?, self.mergeable(kind, loser)?);
        let (winner_id, loser_id) = (winner.row.id, loser.row.id);
        if winner_id == loser_id {
            return Err(ApiError::invalid("Cannot merge a record with itself"));
        }
        let old_ids = merged_ids(&[&winner.row, &loser.row]);
        if old_ids.len() > MERGES_MAX {
            return Err(ApiError::invalid(format!("More than {MERGES_MAX} merges of one record")));
        }
        let now_ms = self.clock.now_ms();
        let new_id = self.faults.hubspot.merge_makes_new_id;
        let id = if new_id { self.store.take_id() } else { winner_id };
        let gone: &[u64] = if new_id { &[winner_id, loser_id] } else { &[loser_id] };
        let survivor = self.survivor(kind, id, &winner, &loser, &old_ids, by);
        let unique = self.store.unique_properties(kind);
        if let Some(table) = self.store.table_mut(kind) {
            for old in gone {
                table.erase(*old, &unique, now_ms);
                table.alias(*old, id);
            }
        }
        self.store.store_record(kind, survivor, now_ms);
        if let Some(table) = self.store.table_mut(kind) {
            // All addresses of both lead to the survivor.
            for mail in mails(&winner.row).chain(mails(&loser.row)) {
                table.claim(&"email".into(), mail, id);
            }
        }
        for old in gone {
            self.store.associations.hand_over(kind, *old, id);
        }
        Ok(id)
    }

    fn mergeable(&self, kind: ObjectKind, id: &str) -> Result<HubSpotRecord, ApiError> {
        let found = self.store.find(kind, id, None).and_then(|id| self.store.live(kind, id));
        found.cloned().ok_or_else(|| ApiError::missing_ids(kind, vec![id.to_owned()]))
    }

    fn survivor(
        &self,
        kind: ObjectKind,
        id: u64,
        winner: &HubSpotRecord,
        loser: &HubSpotRecord,
        old_ids: &[String],
        by: Origin,
    ) -> HubSpotRecord {
        let now_ms = self.clock.now_ms();
        let mut values = loser.row.values.clone();
        values.extend(winner.row.values.clone());
        values.insert("hs_merged_object_ids".into(), old_ids.join(";").into());
        if kind == ObjectKind::Contact {
            let vids: Vec<String> = old_ids.iter().map(|id| format!("{id}:{now_ms}")).collect();
            values.insert("hs_calculated_merged_vids".into(), vids.join(";").into());
            let primary = values.get("email").cloned();
            let mut further: Vec<&str> = Vec::new();
            for mail in mails(&winner.row).chain(mails(&loser.row)) {
                if Some(mail) != primary.as_deref() && !further.contains(&mail) {
                    further.push(mail);
                }
            }
            if !further.is_empty() {
                values.insert("hs_additional_emails".into(), further.join(";").into());
            }
        }
        let stage = [&winner.row, &loser.row].map(|row| row.value("lifecyclestage"));
        let place = |value: &&str| LIFE_CYCLE.iter().position(|stage| stage == value);
        if let Some(furthest) = stage.into_iter().flatten().max_by_key(place) {
            values.insert("lifecyclestage".into(), furthest.into());
        }
        let created_ms = winner.row.created_ms.min(loser.row.created_ms);
        let mut row = HubSpotRow { id, created_ms, modified_ms: now_ms, values };
        self.store.derive(kind, &mut row);
        HubSpotRecord {
            row: Arc::new(row),
            archived_ms: None,
            origin: if by == Origin::Human { by } else { winner.origin },
            history: winner.history.clone(),
        }
    }

    /// Erases a contact for good; nothing tells later that it was there.
    pub(super) fn gdpr_delete(&mut self, kind: ObjectKind, request: &SimRequest) -> HandlerResult {
        let asked: EraseBody = body(request)?;
        let id_property = asked.id_property.as_deref();
        self.check_id_property(kind, id_property)?;
        let now_ms = self.clock.now_ms();
        if let Some(id) = self.store.find(kind, &asked.object_id, id_property) {
            let unique = self.store.unique_properties(kind);
            if let Some(table) = self.store.table_mut(kind) {
                table.erase(id, &unique, now_ms);
            }
            self.store.associations.forget(kind, id);
        }
        Ok(HubSpotReply { answer: SimAnswer::empty(StatusCode::NO_CONTENT), rows: 1 })
    }
}

/// The address of a contact and its further ones.
fn mails(row: &HubSpotRow) -> impl Iterator<Item = &str> {
    let further = row.value("hs_additional_emails").unwrap_or_default().split(';');
    row.value("email").into_iter().chain(further.filter(|mail| !mail.is_empty()))
}

/// Ids of all records that went into these, themselves included.
fn merged_ids(rows: &[&HubSpotRow]) -> Vec<String> {
    let mut ids = Vec::new();
    for row in rows {
        let earlier = row.value("hs_merged_object_ids").unwrap_or_default();
        ids.extend(earlier.split(';').filter(|id| !id.is_empty()).map(str::to_owned));
        ids.push(row.id.to_string());
    }
    ids.dedup();
    ids
}
