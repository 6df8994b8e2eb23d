//! The objects of an account (`API.md`, H-schema-8, H-schema-9).
//!
//! No call lists the objects that HubSpot makes, so each is asked for one record: what the scopes
//! or the edition do not include is refused. The account's own objects have a list.

use renkei_sdk::http::{self, Request};
use renkei_sdk::{Action, Error, ObjectInfo};
use serde::Deserialize;

use super::MERGEABLE;
use crate::client::wire::Results;
use crate::client::{call, check_answer};
use crate::error::CallFailure;

/// Objects that HubSpot makes, with their labels.
const STANDARD: [(&str, &str); 15] = [
    ("contacts", "Contacts"),
    ("companies", "Companies"),
    ("deals", "Deals"),
    ("tickets", "Tickets"),
    ("products", "Products"),
    ("line_items", "Line items"),
    ("quotes", "Quotes"),
    ("leads", "Leads"),
    ("notes", "Notes"),
    ("tasks", "Tasks"),
    ("calls", "Calls"),
    ("emails", "Emails"),
    ("meetings", "Meetings"),
    ("communications", "Communications"),
    ("postal_mail", "Postal mail"),
];

/// An object that the account's people made.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CustomObject {
    fully_qualified_name: String,
    labels: Labels,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Labels {
    plural: Option<String>,
}

/// Every object that the token may read.
///
/// # Errors
/// `unauthorized`, and whatever else is no refusal of one object.
pub(crate) fn list_objects() -> Result<Vec<ObjectInfo>, Error> {
    let mut listed = Vec::with_capacity(STANDARD.len());
    let ask =
        |(object, _): &(&str, &str)| Request::get(format!("/crm/v3/objects/{object}?limit=1"));
    let answers = http::send_all(STANDARD.iter().map(ask).collect());
    for ((name, label), answer) in STANDARD.into_iter().zip(answers) {
        if unless_refused(check_answer(answer))?.is_none() {
            continue;
        }
        let object = with_actions(ObjectInfo::new(name, label));
        listed.push(match name {
            "line_items" => object.part_of("deals"),
            name if MERGEABLE.contains(&name) => object.merges(),
            _ => object,
        });
    }
    let own = call::<Results<CustomObject>>(&Request::get("/crm/v3/schemas"));
    for own in unless_refused(own)?.into_iter().flat_map(|answer| answer.body.results) {
        let label = own.labels.plural.unwrap_or_else(|| own.fully_qualified_name.clone());
        listed.push(with_actions(ObjectInfo::new(own.fully_qualified_name, label).custom()));
    }
    Ok(listed)
}

/// HubSpot does not say which scopes for writing there are (H-auth-5), so this is what the API can
/// do.
fn with_actions(object: ObjectInfo) -> ObjectInfo {
    let actions = [Action::Create, Action::Update, Action::Upsert, Action::Archive];
    actions.into_iter().fold(object, ObjectInfo::action)
}

/// Nothing where a scope is missing or the account has no such object.
fn unless_refused<T>(answer: Result<T, CallFailure>) -> Result<Option<T>, Error> {
    match answer.map_err(Error::from) {
        Ok(answer) => Ok(Some(answer)),
        Err(Error::Forbidden(_) | Error::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
