//! The edits of the demo's people between the first and the second sync, on both sides: the cases
//! that break naive links.
//!
//! Each edit is remembered, so that `verify` can tell whether it was kept, superseded by a rule, or
//! lost.

use std::collections::BTreeMap;

use anyhow::Context as _;
use renkei_model::state::RecordKey;
use serde_json::{Value, json};

use super::simulators::{SimRecord, SimulatorClient, Simulators};

/// One thing a person did.
#[derive(Debug, Clone)]
pub(crate) struct DemoEdit {
    /// The story it belongs to, for the table.
    pub(crate) story: &'static str,
    /// `hubspot` or `salesforce`.
    pub(crate) system: &'static str,
    pub(crate) object: &'static str,
    pub(crate) id: String,
    /// The changed property and its new value (null = cleared); nothing for a deletion, merge or
    /// conversion.
    pub(crate) field: Option<(&'static str, Value)>,
}

impl DemoEdit {
    /// The record; printed as `renkei why` takes it.
    pub(crate) fn key(&self) -> RecordKey {
        let (system, object) = (self.system.to_owned(), self.object.to_owned());
        RecordKey { system, object, id: self.id.clone() }
    }
}

/// A person that exists once on each side.
struct ContactPair {
    contact: String,
    salesforce: String,
}

const TOO_FEW: &str = "the world has too few people for the edits (--people 100 is enough)";

/// Makes all edits.
pub(crate) async fn make(simulators: &Simulators) -> anyhow::Result<Vec<DemoEdit>> {
    let Simulators { hubspot, salesforce, .. } = simulators;
    let contacts = hubspot.records("contacts").await?;
    let mut with_contact = pairs(&contacts, &salesforce.records("Contact").await?).into_iter();
    let mut with_lead = pairs(&contacts, &salesforce.records("Lead").await?).into_iter();
    let mut contact = || with_contact.next().context(TOO_FEW);
    let mut lead = || with_lead.next().context(TOO_FEW);
    let mut done = Vec::new();

    let story = "different fields of one person, on both sides";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "city", json!("鎌倉市")).await?);
    done.push(change(salesforce, story, &pair, "Title", json!("執行役員")).await?);

    let story = "the same field on both sides, one side wins by rule";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "jobtitle", json!("部長代理")).await?);
    done.push(change(salesforce, story, &pair, "Title", json!("営業部長")).await?);

    let story = "the same field on both sides, someone must decide";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "mobilephone", json!("090-1111-2222")).await?);
    done.push(change(salesforce, story, &pair, "MobilePhone", json!("090-3333-4444")).await?);

    let story = "the same new value on both sides";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "phone", json!("03-5555-0001")).await?);
    done.push(change(salesforce, story, &pair, "Phone", json!("03-5555-0001")).await?);

    let story = "a clear stays clear";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "jobtitle", Value::Null).await?);

    let story = "a full name changes on the side that has one field for it";
    let pair = contact()?;
    done.push(change(hubspot, story, &pair, "full_name", json!("高橋　花子")).await?);

    let story = "a deletion is carried over";
    let pair = contact()?;
    hubspot.delete("contacts", &pair.contact).await?;
    done.push(gone(story, "hubspot", "contacts", &pair.contact));

    let story = "a deletion meets an edit: the edit wins";
    let pair = contact()?;
    salesforce.delete("Contact", &pair.salesforce).await?;
    done.push(gone(story, "salesforce", "Contact", &pair.salesforce));
    done.push(change(hubspot, story, &pair, "phone", json!("03-5555-0002")).await?);

    let story = "two HubSpot contacts are merged under a new id";
    let (winner, loser) = (contact()?, contact()?);
    hubspot.merge("contacts", &winner.contact, &loser.contact).await?;
    done.push(gone(story, "hubspot", "contacts", &loser.contact));

    let story = "a Lead is converted while HubSpot edits the person";
    let pair = lead()?;
    salesforce.convert(&pair.salesforce).await?;
    done.push(gone(story, "salesforce", "Lead", &pair.salesforce));
    done.push(change(hubspot, story, &pair, "phone", json!("03-5555-0003")).await?);
    Ok(done)
}

async fn change(
    side: &SimulatorClient,
    story: &'static str,
    pair: &ContactPair,
    field: &'static str,
    value: Value,
) -> anyhow::Result<DemoEdit> {
    let on_hubspot = side.credentials.contains_key("private_app_token");
    let (system, object, id) = if on_hubspot {
        ("hubspot", "contacts", &pair.contact)
    } else {
        ("salesforce", "Contact", &pair.salesforce)
    };
    side.edit(object, id, json!({ field: value })).await?;
    Ok(DemoEdit { story, system, object, id: id.clone(), field: Some((field, value)) })
}

fn gone(story: &'static str, system: &'static str, object: &'static str, id: &str) -> DemoEdit {
    DemoEdit { story, system, object, id: id.to_owned(), field: None }
}

/// People with one live record on each side under the same mail address, in the order of their
/// addresses.
fn pairs(contacts: &[SimRecord], others: &[SimRecord]) -> Vec<ContactPair> {
    let others = by_mail(others, "Email");
    by_mail(contacts, "email")
        .into_iter()
        .filter_map(|(mail, contact)| {
            let (contact, other) = (contact?, others.get(&mail).cloned()??);
            Some(ContactPair { contact, salesforce: other })
        })
        .collect()
}

/// Mail address -> id, or nothing where several records share it.
fn by_mail(records: &[SimRecord], field: &str) -> BTreeMap<String, Option<String>> {
    let mut ids = BTreeMap::new();
    for record in records.iter().filter(|record| !record.archived) {
        let mail = record.text(field).to_lowercase();
        if !mail.is_empty() {
            ids.entry(mail).and_modify(|id| *id = None).or_insert_with(|| Some(record.id.clone()));
        }
    }
    ids
}
