//! The two-way fields of the example configuration: where each vendor keeps them, and when two
//! values of them are equal.

use renkei_model::spec::days::time_zone;

/// One two-way field: its entity, its name in the mapping, HubSpot's property, and Salesforce's
/// field per object.
pub(super) struct TwoWay {
    pub(super) entity: &'static str,
    pub(super) field: &'static str,
    pub(super) hubspot: &'static str,
    pub(super) salesforce: &'static [(&'static str, &'static str)],
    pub(super) same: fn(&str, &str) -> bool,
}

pub(super) const TWO_WAY: &[TwoWay] = &[
    two_way("company", "name", "name", &[("Account", "Name")], trimmed),
    two_way("company", "website", "website", &[("Account", "Website")], trimmed),
    two_way("company", "phone", "phone", &[("Account", "Phone")], trimmed),
    two_way("company", "city", "city", &[("Account", "BillingCity")], trimmed),
    two_way("company", "postal_code", "zip", &[("Account", "BillingPostalCode")], trimmed),
    two_way(
        "company",
        "employees",
        "numberofemployees",
        &[("Account", "NumberOfEmployees")],
        trimmed,
    ),
    two_way("person", "email", "email", &[("Contact", "Email"), ("Lead", "Email")], folded),
    two_way("person", "phone", "phone", &[("Contact", "Phone"), ("Lead", "Phone")], trimmed),
    two_way(
        "person",
        "mobile",
        "mobilephone",
        &[("Contact", "MobilePhone"), ("Lead", "MobilePhone")],
        trimmed,
    ),
    two_way("person", "title", "jobtitle", &[("Contact", "Title"), ("Lead", "Title")], trimmed),
    two_way("person", "city", "city", &[("Contact", "MailingCity"), ("Lead", "City")], trimmed),
    two_way(
        "person",
        "postal_code",
        "zip",
        &[("Contact", "MailingPostalCode"), ("Lead", "PostalCode")],
        trimmed,
    ),
    two_way("deal", "name", "dealname", &[("Opportunity", "Name")], trimmed),
    two_way("deal", "amount", "amount", &[("Opportunity", "Amount")], number),
    two_way("deal", "close_date", "closedate", &[("Opportunity", "CloseDate")], day),
];

const fn two_way(
    entity: &'static str,
    field: &'static str,
    hubspot: &'static str,
    salesforce: &'static [(&'static str, &'static str)],
    same: fn(&str, &str) -> bool,
) -> TwoWay {
    TwoWay { entity, field, hubspot, salesforce, same }
}

pub(super) fn trimmed(a: &str, b: &str) -> bool {
    a.trim() == b.trim()
}

fn folded(a: &str, b: &str) -> bool {
    a.trim().to_lowercase() == b.trim().to_lowercase()
}

fn number(a: &str, b: &str) -> bool {
    a == b || a.parse::<f64>().ok().is_some_and(|a| b.parse() == Ok(a))
}

/// Equal days in the zone of the simulated accounts, whether written as a date or as a moment.
fn day(a: &str, b: &str) -> bool {
    local_day(a) == local_day(b)
}

fn local_day(text: &str) -> Option<String> {
    let Ok(moment) = text.parse::<jiff::Timestamp>() else {
        return text.get(..10).map(str::to_owned);
    };
    Some(moment.to_zoned(time_zone("Asia/Tokyo")?).date().to_string())
}

/// Returns whether the judge compares this field, or tells records apart by it.
pub(crate) fn looks_at(field: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "full_name",
        "FirstName",
        "LastName",
        "AccountId",
        "IsConverted",
        "renkei_id",
        "Renkei_Id__c",
    ];
    let compared = |two_way: &TwoWay| {
        two_way.hubspot == field || two_way.salesforce.iter().any(|(_, name)| *name == field)
    };
    OTHERS.contains(&field) || TWO_WAY.iter().any(compared)
}

/// The mapping's name of a vendor's field.
pub(crate) fn canonical(field: &str) -> &str {
    let names = |two_way: &&TwoWay| {
        two_way.hubspot == field || two_way.salesforce.iter().any(|(_, name)| *name == field)
    };
    TWO_WAY.iter().find(names).map_or(field, |two_way| two_way.field)
}
