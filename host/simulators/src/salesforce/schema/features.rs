//! Features that only some orgs have: record types, person accounts, a custom object.

use super::field::{OrgField, OrgFieldKind, field, system};
use crate::faults::Faults;

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

/// True if the org is without an object.
pub(super) fn lacks_object(knobs: &Faults, object: &str) -> bool {
    match object {
        "Project__c" => !knobs.custom_objects,
        "RecordType" => !knobs.salesforce.record_types && !knobs.salesforce.person_accounts,
        _ => false,
    }
}

/// True if the org is without a field.
pub(super) fn lacks_field(knobs: &Faults, object: &str, field: &str) -> bool {
    match (object, field) {
        ("Account", "RecordTypeId") => {
            !knobs.salesforce.record_types && !knobs.salesforce.person_accounts
        }
        (_, "RecordTypeId") => !knobs.salesforce.record_types,
        ("Account", name) if PERSON_FIELDS.contains(&name) => !knobs.salesforce.person_accounts,
        _ => false,
    }
}

/// The field that says which kind of record this is.
pub(super) fn record_type_id() -> OrgField {
    field("RecordTypeId", "Record Type ID", OrgFieldKind::Reference(&["RecordType"], "RecordType"))
}

/// Fields of an account that can be a person.
pub(super) fn person_fields() -> [OrgField; 8] {
    [
        system("IsPersonAccount", "Is Person Account", OrgFieldKind::Bool).defaulted("false"),
        system(
            "PersonContactId",
            "Contact ID",
            OrgFieldKind::Reference(&["Contact"], "PersonContact"),
        ),
        field("LastName", "Last Name", OrgFieldKind::Text(80)),
        field("FirstName", "First Name", OrgFieldKind::Text(40)),
        field("Salutation", "Salutation", OrgFieldKind::Picklist(&["Mr.", "Ms.", "Mrs.", "Dr."])),
        field("PersonEmail", "Email", OrgFieldKind::Email),
        field("PersonTitle", "Title", OrgFieldKind::Text(80)),
        field("PersonMobilePhone", "Mobile", OrgFieldKind::Phone(40)),
    ]
}
