//! What only some orgs have: record types, person accounts, a custom object, and the org itself.

use super::people::INDUSTRIES;
use super::{DESCRIPTION, Kind, OWNER, Object, RENKEI_ID, field, system};
use crate::faults::Faults;

const TOPICS: &[&str] = &["Sales", "Service", "Research"];

/// Objects with record types.
pub(crate) const TYPED: [&str; 4] = ["Account", "Contact", "Lead", "Opportunity"];

/// Fields of an account that is a person.
pub(crate) const PERSON_FIELDS: [&str; 8] = [
    "IsPersonAccount",
    "PersonContactId",
    "LastName",
    "FirstName",
    "Salutation",
    "PersonEmail",
    "PersonTitle",
    "PersonMobilePhone",
];

/// Whether the org is without an object.
pub(super) fn lacks_object(knobs: &Faults, object: &str) -> bool {
    match object {
        "Project__c" => !knobs.custom_objects,
        "RecordType" => !knobs.record_types && !knobs.person_accounts,
        _ => false,
    }
}

/// Whether the org is without a field.
pub(super) fn lacks_field(knobs: &Faults, object: &str, field: &str) -> bool {
    match (object, field) {
        ("Account", "RecordTypeId") => !knobs.record_types && !knobs.person_accounts,
        (_, "RecordTypeId") => !knobs.record_types,
        ("Account", name) if PERSON_FIELDS.contains(&name) => !knobs.person_accounts,
        _ => false,
    }
}

/// The field that says which kind of record this is.
pub(super) fn record_type_id() -> super::Field {
    field("RecordTypeId", "Record Type ID", Kind::Reference(&["RecordType"], "RecordType"))
}

/// What an account has where it can be a person.
pub(super) fn person_fields() -> [super::Field; 8] {
    [
        system("IsPersonAccount", "Is Person Account", Kind::Bool).defaulted("false"),
        system("PersonContactId", "Contact ID", Kind::Reference(&["Contact"], "PersonContact")),
        field("LastName", "Last Name", Kind::Text(80)),
        field("FirstName", "First Name", Kind::Text(40)),
        field("Salutation", "Salutation", Kind::Picklist(&["Mr.", "Ms.", "Mrs.", "Dr."])),
        field("PersonEmail", "Email", Kind::Email),
        field("PersonTitle", "Title", Kind::Text(80)),
        field("PersonMobilePhone", "Mobile", Kind::Phone(40)),
    ]
}

/// The one row of `Organization` is the org itself.
pub(super) fn organization() -> Object {
    let own = [
        system("Name", "Name", Kind::Text(80)).names(),
        system("TimeZoneSidKey", "Time Zone", Kind::Picklist(&["Asia/Tokyo"])),
        system("OrganizationType", "Edition", Kind::Picklist(&["Developer Edition"])),
        system("InstanceName", "Instance Name", Kind::Text(5)),
        system("IsSandbox", "Is Sandbox", Kind::Bool).defaulted("false"),
        system("DefaultLocaleSidKey", "Locale", Kind::Picklist(&["ja_JP"])),
        system("LanguageLocaleKey", "Language", Kind::Picklist(&["ja"])),
    ];
    Object::new("Organization", "Organization", "Organizations", "00D", own).setup()
}

/// The record types of all objects.
pub(super) fn record_type() -> Object {
    let own = [
        system("Name", "Name", Kind::Text(80)).names(),
        system("DeveloperName", "Record Type Name", Kind::Text(80)),
        system("SobjectType", "Sobject Type Name", Kind::Text(40)),
        system("IsActive", "Active", Kind::Bool).defaulted("true"),
        system("IsPersonType", "Is Person Type", Kind::Bool).defaulted("false"),
    ];
    Object::new("RecordType", "Record Type", "Record Types", "012", own).setup()
}

/// The org's own object.
pub(super) fn project() -> Object {
    let own = [
        field("Name", "Project Name", Kind::Text(80)).names(),
        field("Account__c", "Account", Kind::Reference(&["Account"], "Account__r")),
        field("Contact__c", "Contact", Kind::Reference(&["Contact"], "Contact__r")),
        field("Budget__c", "Budget", Kind::Currency),
        field("Due__c", "Due", Kind::Date),
        field("Industry__c", "Industry", Kind::Picklist(INDUSTRIES)),
        field("Topics__c", "Topics", Kind::Multi(TOPICS)),
        DESCRIPTION,
        OWNER,
        RENKEI_ID,
    ];
    Object::new("Project__c", "Project", "Projects", "a01", own)
}
