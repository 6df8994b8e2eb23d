//! Associations as reference columns (`API.md`, H-link-2, H-link-6).
//!
//! A column `associations.companies` holds the ids of the associated companies: the primary one
//! first, the others by age; the first id is empty where none of them is the primary one. A write
//! adds what it lists, makes the first one the primary one and removes what the option `removes`
//! names; everything else stays. Only default and primary associations are ever made or removed; a
//! pair that people gave a label of their own stays.

use std::collections::{BTreeMap, BTreeSet};

use renkei_sdk::Value;
use renkei_sdk::http::Request;
use serde_json::{Value as Json, json};

use crate::client::wire::{AssociatedPair, AssociationList, AssociationsOf, Results};
use crate::client::{call, send};
use crate::error::{ApiError, CallFailure};

/// The most records or pairs that one call takes (H-link-3).
const INPUTS_MAX: usize = 1000;
/// The beginning of the names of association columns.
pub(crate) const PREFIX: &str = "associations.";

/// A direction in which two objects are associated, with HubSpot's own type ids (H-link-1).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
    default_type: u32,
    /// The type of the primary association, where one of the associated records is the primary one.
    primary_type: Option<u32>,
    /// The name of the primary association in a v3 list, or of the only one.
    listed_as: &'static str,
}

const RELATIONS: [Relation; 17] = [
    relation("contacts", "companies", 279, Some(1), "contact_to_company"),
    relation("contacts", "deals", 4, None, "contact_to_deal"),
    relation("companies", "contacts", 280, None, "company_to_contact"),
    relation("companies", "deals", 342, None, "company_to_deal"),
    relation("deals", "companies", 341, Some(5), "deal_to_company"),
    relation("deals", "contacts", 3, None, "deal_to_contact"),
    relation("deals", "line_items", 19, None, "deal_to_line_item"),
    relation("line_items", "deals", 20, None, "line_item_to_deal"),
    relation("notes", "contacts", 202, None, "note_to_contact"),
    relation("notes", "companies", 190, None, "note_to_company"),
    relation("notes", "deals", 214, None, "note_to_deal"),
    relation("tasks", "contacts", 204, None, "task_to_contact"),
    relation("tasks", "companies", 192, None, "task_to_company"),
    relation("tasks", "deals", 216, None, "task_to_deal"),
    relation("calls", "contacts", 194, None, "call_to_contact"),
    relation("emails", "contacts", 198, None, "email_to_contact"),
    relation("meetings", "contacts", 200, None, "meeting_to_contact"),
];

/// The primary company of the other direction; made along with it, not a label.
const PRIMARY_BACK: [u32; 2] = [2, 6];

const fn relation(
    from: &'static str,
    to: &'static str,
    default_type: u32,
    primary_type: Option<u32>,
    listed_as: &'static str,
) -> Relation {
    Relation { from, to, default_type, primary_type, listed_as }
}

/// True for a column that holds associations.
pub(crate) fn is_column(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// The relation behind a column, if it is one.
pub(crate) fn find_relation(object: &str, column: &str) -> Option<&'static Relation> {
    let to = column.strip_prefix(PREFIX)?;
    list_relations(object).find(|relation| relation.to == to)
}

/// The relations that an object has columns for.
pub(crate) fn list_relations(object: &str) -> impl Iterator<Item = &'static Relation> {
    RELATIONS.iter().filter(move |relation| relation.from == object)
}

/// One associated record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) to: String,
    primary: bool,
    /// Somebody gave the pair a label.
    labelled: bool,
}

/// Associated records by the id of the record they belong to.
pub(crate) type Links = BTreeMap<String, Vec<Link>>;

impl Relation {
    /// Ids as a cell, the primary one first; null where there are none. An empty first id says that
    /// one could be the primary one and none is.
    pub(crate) fn make_cell(&self, links: &[Link]) -> Value {
        let leaderless = self.has_primary() && !links.iter().any(|link| link.primary);
        match order_links(links) {
            Value::References(mut ids) if leaderless => {
                ids.insert(0, String::new());
                Value::References(ids)
            }
            cell => cell,
        }
    }

    /// True if one of the associated records can be the primary one.
    pub(crate) fn has_primary(&self) -> bool {
        self.primary_type.is_some()
    }
}

fn order_links(links: &[Link]) -> Value {
    let mut links: Vec<&Link> = links.iter().collect();
    // Ids grow with time; comparing lengths first compares them as numbers.
    links.sort_by_key(|link| (!link.primary, link.to.len(), link.to.clone()));
    links.dedup_by(|one, other| one.to == other.to);
    let ids: Vec<String> = links.into_iter().map(|link| link.to.clone()).collect();
    if ids.is_empty() { Value::Null } else { Value::References(ids) }
}

impl Relation {
    /// The column's name.
    pub(crate) fn column(&self) -> String {
        format!("{PREFIX}{}", self.to)
    }

    /// The associations of one record in a v3 list; nothing if the list is not complete.
    pub(crate) fn read_listed(&self, list: Option<&AssociationList>) -> Option<Vec<Link>> {
        let Some(list) = list else { return Some(Vec::new()) };
        if list.paging.as_ref().is_some_and(|paging| paging.next.is_some()) {
            return None;
        }
        let mut primary: BTreeMap<&str, bool> = BTreeMap::new();
        for one in &list.results {
            *primary.entry(&one.id).or_default() |= one.label == self.listed_as;
        }
        let link = |(id, primary): (&str, bool)| Link { to: id.into(), primary, labelled: false };
        Some(primary.into_iter().map(link).collect())
    }

    /// Reads the associations of these records, a thousand at a time. A record without any has
    /// no entry.
    pub(crate) fn read_links(&self, ids: &[String]) -> Result<Links, CallFailure> {
        let mut links = Links::new();
        for chunk in ids.chunks(INPUTS_MAX) {
            let mut inputs: Vec<Json> = chunk.iter().map(|id| json!({ "id": id })).collect();
            while !inputs.is_empty() {
                let request =
                    self.make_request("read").json(&json!({ "inputs": inputs })).repeatable();
                let answer = call::<Results<AssociationsOf>>(&request)?.body;
                if let Some(refusal) = answer.errors.iter().find(|one| !says_none(one)) {
                    return Err(CallFailure::Refused(207, Box::new(refusal.clone())));
                }
                inputs = Vec::new();
                for of in answer.results {
                    if let Some(next) = of.paging.as_ref().and_then(|paging| paging.next.as_ref()) {
                        inputs.push(json!({ "id": of.from.id, "after": next.after }));
                    }
                    let to = of.to.iter().map(|one| self.read_link(one));
                    links.entry(of.from.id).or_default().extend(to);
                }
            }
        }
        Ok(links)
    }

    fn read_link(&self, one: &crate::client::wire::AssociatedObject) -> Link {
        let types = || one.association_types.iter().map(|one| one.type_id);
        let own = |id: u32| id == self.default_type || Some(id) == self.primary_type;
        Link {
            to: one.to_object_id.clone(),
            primary: types().any(|id| Some(id) == self.primary_type),
            labelled: types().any(|id| !own(id) && !PRIMARY_BACK.contains(&id)),
        }
    }

    /// Associates pairs; answers those that HubSpot did not associate.
    pub(crate) fn create_pairs(
        &self,
        pairs: &[NewPair],
    ) -> Result<BTreeSet<(String, String)>, CallFailure> {
        let mut missing: BTreeSet<(String, String)> =
            pairs.iter().map(|pair| (pair.from.clone(), pair.to.clone())).collect();
        let mut queue: Vec<&[NewPair]> = pairs.chunks(INPUTS_MAX).collect();
        while let Some(chunk) = queue.pop() {
            let inputs: Vec<Json> = chunk.iter().map(|pair| self.make_input(pair)).collect();
            let request =
                self.make_request("create").json(&json!({ "inputs": inputs })).repeatable();
            match call::<Results<AssociatedPair>>(&request) {
                Ok(answer) => {
                    for made in answer.body.results {
                        missing.remove(&(made.from_object_id, made.to_object_id));
                    }
                }
                // One bad pair fails them all, and the answer need not say which.
                Err(CallFailure::Refused(..)) if chunk.len() > 1 => {
                    let (left, right) = chunk.split_at(chunk.len() / 2);
                    queue.extend([right, left]);
                }
                Err(CallFailure::Refused(..)) => {}
                Err(other) => return Err(other),
            }
        }
        Ok(missing)
    }

    fn make_input(&self, pair: &NewPair) -> Json {
        // HubSpot adds the default association to a primary one by itself.
        let primary = self.primary_type.filter(|_| pair.primary);
        let type_id = primary.unwrap_or(self.default_type);
        json!({
            "from": { "id": pair.from },
            "to": { "id": pair.to },
            "types": [{ "associationCategory": "HUBSPOT_DEFINED", "associationTypeId": type_id }],
        })
    }

    /// Removes pairs, given as the record and the records it loses.
    pub(crate) fn archive_pairs(&self, lost: &[(String, Vec<String>)]) -> Result<(), CallFailure> {
        for chunk in lost.chunks(INPUTS_MAX) {
            let ids = |ids: &[String]| ids.iter().map(|id| json!({ "id": id })).collect::<Json>();
            let inputs: Vec<Json> = chunk
                .iter()
                .map(|(from, to)| json!({ "from": { "id": from }, "to": ids(to) }))
                .collect();
            send(&self.make_request("archive").json(&json!({ "inputs": inputs })).repeatable())?;
        }
        Ok(())
    }

    fn make_request(&self, verb: &str) -> Request {
        Request::post(format!("/crm/v4/associations/{}/{}/batch/{verb}", self.from, self.to))
    }
}

/// A pair to associate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewPair {
    pub(crate) from: String,
    pub(crate) to: String,
    primary: bool,
}

/// The changes after which a record has the wanted associations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkChange {
    pub(crate) add: Vec<NewPair>,
    pub(crate) remove: Vec<String>,
    /// The associations that the record has afterwards.
    pub(crate) after: Vec<Link>,
}

impl Relation {
    /// Compares what a record has with what it should have, the primary one first, and what goes.
    pub(crate) fn plan_change(
        &self,
        from: &str,
        has: &[Link],
        wanted: &[String],
        goes: impl Fn(&str) -> bool,
    ) -> LinkChange {
        let mut change = LinkChange::default();
        for (position, to) in wanted.iter().enumerate().filter(|(_, to)| !to.is_empty()) {
            let primary = position == 0 && self.has_primary();
            let known = has.iter().find(|link| link.to == *to);
            if known.is_none_or(|link| primary && !link.primary) {
                change.add.push(NewPair { from: from.to_owned(), to: to.clone(), primary });
            }
            let labelled = known.is_some_and(|link| link.labelled);
            change.after.push(Link { to: to.clone(), primary, labelled });
        }
        let has_new_primary = change.after.iter().any(|link| link.primary);
        for link in has.iter().filter(|link| !wanted.contains(&link.to)) {
            if goes(&link.to) && !link.labelled {
                change.remove.push(link.to.clone());
            } else {
                let primary = link.primary && !has_new_primary;
                change.after.push(Link { primary, ..link.clone() });
            }
        }
        change
    }
}

/// HubSpot reports a record without associations as an error (H-link-4).
fn says_none(refusal: &ApiError) -> bool {
    refusal.is_not_found()
        || refusal.sub_category.as_deref() == Some("crm.associations.NO_ASSOCIATIONS_FOUND")
}

#[cfg(test)]
mod tests;
