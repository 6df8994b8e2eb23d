//! Task, Campaign, CampaignMember and User.

use super::field::{DESCRIPTION, OWNER, OrgFieldKind, field, system};
use super::object::OrgObject;

const TASK_STATUSES: &[&str] =
    &["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"];
const PRIORITIES: &[&str] = &["High", "Normal", "Low"];
const TASK_TYPES: &[&str] = &["Call", "Email", "Meeting", "Other"];
const CAMPAIGN_TYPES: &[&str] = &["Conference", "Webinar", "Trade Show", "Email", "Other"];
const CAMPAIGN_STATUSES: &[&str] = &["Planned", "In Progress", "Completed", "Aborted"];
const MEMBER_STATUSES: &[&str] = &["Sent", "Responded"];

/// The `Task` object; `WhoId` is a Lead or a Contact.
pub(super) fn task() -> OrgObject {
    let own = [
        field("WhoId", "Name ID", OrgFieldKind::Reference(&["Contact", "Lead"], "Who")),
        field(
            "WhatId",
            "Related To ID",
            OrgFieldKind::Reference(&["Account", "Opportunity"], "What"),
        ),
        field("Subject", "Subject", OrgFieldKind::Text(255)),
        field("ActivityDate", "Due Date Only", OrgFieldKind::Date),
        field("Status", "Status", OrgFieldKind::Restricted(TASK_STATUSES)).defaulted("Not Started"),
        field("Priority", "Priority", OrgFieldKind::Restricted(PRIORITIES)).defaulted("Normal"),
        field("Type", "Type", OrgFieldKind::Picklist(TASK_TYPES)),
        system("IsClosed", "Closed", OrgFieldKind::Bool).defaulted("false"),
        DESCRIPTION,
        OWNER,
    ];
    OrgObject::new("Task", "Task", "Tasks", "00T", own)
}

/// The `Campaign` object.
pub(super) fn campaign() -> OrgObject {
    let own = [
        field("Name", "Name", OrgFieldKind::Text(80)).required().names(),
        field("ParentId", "Parent Campaign ID", OrgFieldKind::Reference(&["Campaign"], "Parent")),
        field("Type", "Type", OrgFieldKind::Picklist(CAMPAIGN_TYPES)),
        field("Status", "Status", OrgFieldKind::Picklist(CAMPAIGN_STATUSES)),
        field("StartDate", "Start Date", OrgFieldKind::Date),
        field("EndDate", "End Date", OrgFieldKind::Date),
        field("BudgetedCost", "Budgeted Cost", OrgFieldKind::Currency),
        field("IsActive", "Active", OrgFieldKind::Bool).defaulted("false"),
        DESCRIPTION,
        OWNER,
    ];
    OrgObject::new("Campaign", "Campaign", "Campaigns", "701", own)
}

/// The `CampaignMember` object; a person is in a campaign once.
pub(super) fn campaign_member() -> OrgObject {
    let campaign =
        field("CampaignId", "Campaign ID", OrgFieldKind::Reference(&["Campaign"], "Campaign"));
    let lead = field("LeadId", "Lead ID", OrgFieldKind::Reference(&["Lead"], "Lead"));
    let contact =
        field("ContactId", "Contact ID", OrgFieldKind::Reference(&["Contact"], "Contact"));
    let own = [
        campaign.required().create_only(),
        lead.create_only(),
        contact.create_only(),
        field("Status", "Status", OrgFieldKind::Picklist(MEMBER_STATUSES)),
        system("HasResponded", "Responded", OrgFieldKind::Bool).defaulted("false"),
        system("FirstRespondedDate", "First Responded Date", OrgFieldKind::Date),
    ];
    OrgObject::new("CampaignMember", "Campaign Member", "Campaign Members", "00v", own)
}

/// The `User` object, read-only here.
pub(super) fn user() -> OrgObject {
    let own = [
        system("Username", "Username", OrgFieldKind::Text(80)).lookup(),
        system("LastName", "Last Name", OrgFieldKind::Text(80)),
        system("FirstName", "First Name", OrgFieldKind::Text(40)),
        system("Name", "Full Name", OrgFieldKind::Text(121)).names(),
        system("Email", "Email", OrgFieldKind::Email),
        system("Alias", "Alias", OrgFieldKind::Text(8)),
        system("IsActive", "Active", OrgFieldKind::Bool).defaulted("true"),
        system("UserType", "User Type", OrgFieldKind::Picklist(&["Standard", "Guest"])),
        system("TimeZoneSidKey", "Time Zone", OrgFieldKind::Picklist(&["Asia/Tokyo"])),
        system("LocaleSidKey", "Locale", OrgFieldKind::Picklist(&["ja_JP"])),
        system("LanguageLocaleKey", "Language", OrgFieldKind::Picklist(&["ja"])),
    ];
    let object = OrgObject::new("User", "User", "Users", "005", own);
    OrgObject { replicateable: true, ..object.setup() }
}
