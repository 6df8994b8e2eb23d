//! The org itself as an object, and the objects that only some orgs have.

use super::field::{DESCRIPTION, OWNER, OrgFieldKind, RENKEI_ID, field, system};
use super::object::OrgObject;
use super::people::INDUSTRIES;

const TOPICS: &[&str] = &["Sales", "Service", "Research"];

/// The one row of `Organization` is the org itself.
pub(super) fn organization() -> OrgObject {
    let own = [
        system("Name", "Name", OrgFieldKind::Text(80)).names(),
        system("TimeZoneSidKey", "Time Zone", OrgFieldKind::Picklist(&["Asia/Tokyo"])),
        system("OrganizationType", "Edition", OrgFieldKind::Picklist(&["Developer Edition"])),
        system("InstanceName", "Instance Name", OrgFieldKind::Text(5)),
        system("IsSandbox", "Is Sandbox", OrgFieldKind::Bool).defaulted("false"),
        system("DefaultLocaleSidKey", "Locale", OrgFieldKind::Picklist(&["ja_JP"])),
        system("LanguageLocaleKey", "Language", OrgFieldKind::Picklist(&["ja"])),
    ];
    OrgObject::new("Organization", "Organization", "Organizations", "00D", own).setup()
}

/// The record types of all objects.
pub(super) fn record_type() -> OrgObject {
    let own = [
        system("Name", "Name", OrgFieldKind::Text(80)).names(),
        system("DeveloperName", "Record Type Name", OrgFieldKind::Text(80)),
        system("SobjectType", "Sobject Type Name", OrgFieldKind::Text(40)),
        system("IsActive", "Active", OrgFieldKind::Bool).defaulted("true"),
        system("IsPersonType", "Is Person Type", OrgFieldKind::Bool).defaulted("false"),
    ];
    OrgObject::new("RecordType", "Record Type", "Record Types", "012", own).setup()
}

/// The org's own object.
pub(super) fn project() -> OrgObject {
    let own = [
        field("Name", "Project Name", OrgFieldKind::Text(80)).names(),
        field("Account__c", "Account", OrgFieldKind::Reference(&["Account"], "Account__r")),
        field("Contact__c", "Contact", OrgFieldKind::Reference(&["Contact"], "Contact__r")),
        field("Budget__c", "Budget", OrgFieldKind::Currency),
        field("Due__c", "Due", OrgFieldKind::Date),
        field("Industry__c", "Industry", OrgFieldKind::Picklist(INDUSTRIES)),
        field("Topics__c", "Topics", OrgFieldKind::Multi(TOPICS)),
        DESCRIPTION,
        OWNER,
        RENKEI_ID,
    ];
    OrgObject::new("Project__c", "Project", "Projects", "a01", own)
}
