//! Task, Campaign, CampaignMember and User.

use super::{DESCRIPTION, Kind, OWNER, Object, field, system};

const TASK_STATUSES: &[&str] =
    &["Not Started", "In Progress", "Completed", "Waiting on someone else", "Deferred"];
const PRIORITIES: &[&str] = &["High", "Normal", "Low"];
const TASK_TYPES: &[&str] = &["Call", "Email", "Meeting", "Other"];
const CAMPAIGN_TYPES: &[&str] = &["Conference", "Webinar", "Trade Show", "Email", "Other"];
const CAMPAIGN_STATUSES: &[&str] = &["Planned", "In Progress", "Completed", "Aborted"];
const MEMBER_STATUSES: &[&str] = &["Sent", "Responded"];

/// The `Task` object; `WhoId` is a Lead or a Contact.
pub(super) fn task() -> Object {
    let own = [
        field("WhoId", "Name ID", Kind::Reference(&["Contact", "Lead"], "Who")),
        field("WhatId", "Related To ID", Kind::Reference(&["Account", "Opportunity"], "What")),
        field("Subject", "Subject", Kind::Text(255)),
        field("ActivityDate", "Due Date Only", Kind::Date),
        field("Status", "Status", Kind::Restricted(TASK_STATUSES)).defaulted("Not Started"),
        field("Priority", "Priority", Kind::Restricted(PRIORITIES)).defaulted("Normal"),
        field("Type", "Type", Kind::Picklist(TASK_TYPES)),
        system("IsClosed", "Closed", Kind::Bool).defaulted("false"),
        DESCRIPTION,
        OWNER,
    ];
    Object::new("Task", "Task", "Tasks", "00T", own)
}

/// The `Campaign` object.
pub(super) fn campaign() -> Object {
    let own = [
        field("Name", "Name", Kind::Text(80)).required().names(),
        field("ParentId", "Parent Campaign ID", Kind::Reference(&["Campaign"], "Parent")),
        field("Type", "Type", Kind::Picklist(CAMPAIGN_TYPES)),
        field("Status", "Status", Kind::Picklist(CAMPAIGN_STATUSES)),
        field("StartDate", "Start Date", Kind::Date),
        field("EndDate", "End Date", Kind::Date),
        field("BudgetedCost", "Budgeted Cost", Kind::Currency),
        field("IsActive", "Active", Kind::Bool).defaulted("false"),
        DESCRIPTION,
        OWNER,
    ];
    Object::new("Campaign", "Campaign", "Campaigns", "701", own)
}

/// The `CampaignMember` object; a person is in a campaign once.
pub(super) fn campaign_member() -> Object {
    let campaign = field("CampaignId", "Campaign ID", Kind::Reference(&["Campaign"], "Campaign"));
    let lead = field("LeadId", "Lead ID", Kind::Reference(&["Lead"], "Lead"));
    let contact = field("ContactId", "Contact ID", Kind::Reference(&["Contact"], "Contact"));
    let own = [
        campaign.required().create_only(),
        lead.create_only(),
        contact.create_only(),
        field("Status", "Status", Kind::Picklist(MEMBER_STATUSES)),
        system("HasResponded", "Responded", Kind::Bool).defaulted("false"),
        system("FirstRespondedDate", "First Responded Date", Kind::Date),
    ];
    Object::new("CampaignMember", "Campaign Member", "Campaign Members", "00v", own)
}

/// The `User` object, read-only here.
pub(super) fn user() -> Object {
    let own = [
        system("Username", "Username", Kind::Text(80)).lookup(),
        system("LastName", "Last Name", Kind::Text(80)),
        system("FirstName", "First Name", Kind::Text(40)),
        system("Name", "Full Name", Kind::Text(121)).names(),
        system("Email", "Email", Kind::Email),
        system("Alias", "Alias", Kind::Text(8)),
        system("IsActive", "Active", Kind::Bool).defaulted("true"),
        system("UserType", "User Type", Kind::Picklist(&["Standard", "Guest"])),
        system("TimeZoneSidKey", "Time Zone", Kind::Picklist(&["Asia/Tokyo"])),
        system("LocaleSidKey", "Locale", Kind::Picklist(&["ja_JP"])),
        system("LanguageLocaleKey", "Language", Kind::Picklist(&["ja"])),
    ];
    let object = Object::new("User", "User", "Users", "005", own);
    Object { replicateable: true, ..object.setup() }
}
