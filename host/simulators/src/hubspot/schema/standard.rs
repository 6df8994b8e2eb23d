//! The properties that exist without anybody creating them.
//!
//! Three custom ones are there from the start as well: `renkei_id` with unique values on contacts,
//! companies and deals, and on contacts `full_name`, which a form of the account fills, and
//! `interests`, which holds several options.

use super::property::{OptionSource, Property, ValueType};
use crate::hubspot::kinds::ObjectKind;
use crate::rules::FieldOverlay;

type PropertyRow = (&'static str, &'static str, ValueType, &'static str);

use ValueType::{Bool, Date, DateTime, Enumeration, Number, PhoneNumber, String as Text};

const CONTACT: &[PropertyRow] = &[
    ("email", "Email", Text, "text"),
    ("firstname", "First Name", Text, "text"),
    ("lastname", "Last Name", Text, "text"),
    ("phone", "Phone Number", PhoneNumber, "phonenumber"),
    ("mobilephone", "Mobile Phone Number", PhoneNumber, "phonenumber"),
    ("company", "Company Name", Text, "text"),
    ("jobtitle", "Job Title", Text, "text"),
    ("website", "Website URL", Text, "text"),
    ("address", "Street Address", Text, "text"),
    ("city", "City", Text, "text"),
    ("state", "State/Region", Text, "text"),
    ("zip", "Postal Code", Text, "text"),
    ("country", "Country/Region", Text, "text"),
    ("lifecyclestage", "Lifecycle Stage", Enumeration, "radio"),
    ("hs_lead_status", "Lead Status", Enumeration, "radio"),
    ("hubspot_owner_id", "Contact owner", Enumeration, "select"),
    ("hs_email_optout", "Unsubscribed from all email", Bool, "booleancheckbox"),
    ("createdate", "Create Date", DateTime, "date"),
    ("lastmodifieddate", "Last Modified Date", DateTime, "date"),
    ("notes_last_updated", "Last Activity Date", DateTime, "date"),
    ("hs_calculated_merged_vids", "Merged vids with timestamps", Enumeration, "text"),
    ("hs_additional_emails", "Additional email addresses", Enumeration, "checkbox"),
];

const COMPANY: &[PropertyRow] = &[
    ("name", "Company name", Text, "text"),
    ("domain", "Company Domain Name", Text, "text"),
    ("phone", "Phone Number", PhoneNumber, "phonenumber"),
    ("website", "Website URL", Text, "text"),
    ("address", "Street Address", Text, "text"),
    ("city", "City", Text, "text"),
    ("state", "State/Region", Text, "text"),
    ("zip", "Postal Code", Text, "text"),
    ("country", "Country/Region", Text, "text"),
    ("description", "Description", Text, "textarea"),
    ("industry", "Industry", Enumeration, "select"),
    ("annualrevenue", "Annual Revenue", Number, "number"),
    ("numberofemployees", "Number of Employees", Number, "number"),
    ("lifecyclestage", "Lifecycle Stage", Enumeration, "radio"),
    ("hubspot_owner_id", "Company owner", Enumeration, "select"),
    ("createdate", "Create Date", DateTime, "date"),
];

const DEAL: &[PropertyRow] = &[
    ("dealname", "Deal Name", Text, "text"),
    ("amount", "Amount", Number, "number"),
    ("dealstage", "Deal Stage", Enumeration, "radio"),
    ("pipeline", "Pipeline", Enumeration, "select"),
    ("closedate", "Close Date", DateTime, "date"),
    ("dealtype", "Deal Type", Enumeration, "radio"),
    ("description", "Deal Description", Text, "textarea"),
    ("hubspot_owner_id", "Deal owner", Enumeration, "select"),
    ("hs_deal_stage_probability", "Deal probability", Number, "number"),
    ("hs_is_closed", "Is Deal Closed?", Bool, "booleancheckbox"),
    ("hs_is_closed_won", "Is Closed Won", Bool, "booleancheckbox"),
    ("createdate", "Create Date", DateTime, "date"),
];

const TICKET: &[PropertyRow] = &[
    ("subject", "Ticket name", Text, "text"),
    ("content", "Ticket description", Text, "textarea"),
    ("hs_pipeline", "Pipeline", Enumeration, "select"),
    ("hs_pipeline_stage", "Ticket status", Enumeration, "radio"),
    ("hubspot_owner_id", "Ticket owner", Enumeration, "select"),
    ("createdate", "Create date", DateTime, "date"),
];

const PRODUCT: &[PropertyRow] = &[
    ("name", "Name", Text, "text"),
    ("description", "Product description", Text, "textarea"),
    ("price", "Unit price", Number, "number"),
    ("hs_sku", "SKU", Text, "text"),
];

const LINE_ITEM: &[PropertyRow] = &[
    ("name", "Name", Text, "text"),
    ("hs_product_id", "Product ID", Text, "text"),
    ("quantity", "Quantity", Number, "number"),
    ("price", "Unit price", Number, "number"),
    ("hs_discount_percentage", "Discount percentage", Number, "number"),
    ("hs_sku", "SKU", Text, "text"),
    ("recurringbillingfrequency", "Billing frequency", Text, "text"),
    ("hs_recurring_billing_period", "Term", Text, "text"),
];

const NOTE: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_note_body", "Note body", Text, "html"),
    ("hs_body_preview", "Body preview", Text, "textarea"),
    ("hubspot_owner_id", "Activity assigned to", Enumeration, "select"),
];

const TASK: &[PropertyRow] = &[
    ("hs_timestamp", "Due date", DateTime, "date"),
    ("hs_task_subject", "Task Title", Text, "text"),
    ("hs_task_body", "Task Notes", Text, "html"),
    ("hs_task_status", "Task Status", Enumeration, "radio"),
    ("hs_task_priority", "Priority", Enumeration, "radio"),
    ("hubspot_owner_id", "Assigned to", Enumeration, "select"),
];

const CALL: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_call_body", "Call notes", Text, "html"),
    ("hs_call_duration", "Call duration", Number, "number"),
    ("hs_call_direction", "Call direction", Text, "text"),
];

const EMAIL: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_email_subject", "Email subject", Text, "text"),
    ("hs_email_text", "Text body", Text, "textarea"),
    ("hs_email_direction", "Email direction", Text, "text"),
];

const MEETING: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_meeting_title", "Meeting name", Text, "text"),
    ("hs_meeting_start_time", "Meeting start time", DateTime, "date"),
];

const QUOTE: &[PropertyRow] = &[("hs_title", "Quote title", Text, "text")];

const LEAD: &[PropertyRow] = &[("hs_lead_name", "Lead name", Text, "text")];

const COMMUNICATION: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_communication_channel_type", "Channel type", Text, "text"),
    ("hs_communication_body", "Body", Text, "html"),
];

const POSTAL_MAIL: &[PropertyRow] = &[
    ("hs_timestamp", "Activity date", DateTime, "date"),
    ("hs_postal_mail_body", "Body", Text, "html"),
];

const GOAL_TARGET: &[PropertyRow] = &[
    ("hs_goal_name", "Goal name", Text, "text"),
    ("hs_target_amount", "Target amount", Number, "number"),
];

/// The account's own object.
const PROJECT: &[PropertyRow] = &[
    ("project_name", "Project name", Text, "text"),
    ("budget", "Budget", Number, "number"),
    ("due", "Due", Date, "date"),
    ("topics", "Topics", Enumeration, "checkbox"),
];

/// Every object type has these; the modified time has another name for contacts.
const COMMON: &[PropertyRow] = &[
    ("hs_object_id", "Record ID", Number, "number"),
    ("hs_merged_object_ids", "Merged record IDs", Enumeration, "checkbox"),
];

const RENKEI: PropertyRow = ("renkei_id", "Renkei ID", Text, "text");

/// A form of this account captures it; Japanese forms have one field for the whole name.
const FULL_NAME: PropertyRow = ("full_name", "氏名", Text, "text");

/// Several options at once.
const INTERESTS: PropertyRow = ("interests", "Interests", Enumeration, "checkbox");

const READ_ONLY: &[&str] = &[
    "createdate",
    "hs_createdate",
    "lastmodifieddate",
    "hs_lastmodifieddate",
    "notes_last_updated",
    "hs_object_id",
    "hs_merged_object_ids",
    "hs_calculated_merged_vids",
    "hs_additional_emails",
    "hs_deal_stage_probability",
    "hs_is_closed",
    "hs_is_closed_won",
    "hs_body_preview",
];

/// Stages of a customer's life in their order.
pub(crate) const LIFE_CYCLE: [&str; 8] = [
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
];

fn own_rows(kind: ObjectKind) -> &'static [PropertyRow] {
    match kind {
        ObjectKind::Contact => CONTACT,
        ObjectKind::Company => COMPANY,
        ObjectKind::Deal => DEAL,
        ObjectKind::Ticket => TICKET,
        ObjectKind::Product => PRODUCT,
        ObjectKind::LineItem => LINE_ITEM,
        ObjectKind::Quote => QUOTE,
        ObjectKind::Note => NOTE,
        ObjectKind::Task => TASK,
        ObjectKind::Call => CALL,
        ObjectKind::Email => EMAIL,
        ObjectKind::Meeting => MEETING,
        ObjectKind::Lead => LEAD,
        ObjectKind::Communication => COMMUNICATION,
        ObjectKind::PostalMail => POSTAL_MAIL,
        ObjectKind::GoalTarget => GOAL_TARGET,
        ObjectKind::Project => PROJECT,
    }
}

/// All properties of a type.
pub(super) fn properties(kind: ObjectKind, now_ms: i64) -> Vec<Property> {
    let mut rows: Vec<PropertyRow> = own_rows(kind).iter().chain(COMMON).copied().collect();
    if kind != ObjectKind::Contact {
        rows.push(("hs_lastmodifieddate", "Last modified date", DateTime, "date"));
    }
    if kind.created_property() == "hs_createdate" {
        rows.push(("hs_createdate", "Create date", DateTime, "date"));
    }
    let mut all: Vec<Property> = rows.into_iter().map(|row| property(kind, row, now_ms)).collect();
    let custom = |row| Property { hubspot_defined: false, ..property(kind, row, now_ms) };
    if matches!(
        kind,
        ObjectKind::Contact | ObjectKind::Company | ObjectKind::Deal | ObjectKind::Project
    ) {
        all.push(Property { unique: true, ..custom(RENKEI) });
    }
    if kind == ObjectKind::Contact {
        all.push(Property { in_use: true, ..custom(FULL_NAME) });
        all.push(custom(INTERESTS));
    }
    all
}

fn property(
    kind: ObjectKind,
    (name, label, value_type, field_type): PropertyRow,
    now_ms: i64,
) -> Property {
    Property {
        name: name.into(),
        label: label.to_owned(),
        value_type,
        field_type: field_type.to_owned(),
        description: String::new(),
        group: format!("{}information", kind.singular()),
        options: options(name),
        external: external(name),
        unique: name == "email" && kind == ObjectKind::Contact,
        read_only: READ_ONLY.contains(&name),
        hubspot_defined: true,
        in_use: true,
        created_ms: now_ms,
        updated_ms: now_ms,
        overlay: FieldOverlay::default(),
    }
}

fn external(name: &str) -> Option<OptionSource> {
    match name {
        "hubspot_owner_id" => Some(OptionSource::Owners),
        "pipeline" => Some(OptionSource::DealPipelines),
        "dealstage" => Some(OptionSource::DealStages),
        "hs_pipeline" => Some(OptionSource::TicketPipelines),
        "hs_pipeline_stage" => Some(OptionSource::TicketStages),
        _ => None,
    }
}

fn options(name: &str) -> Vec<(String, String)> {
    let values: &[&str] = match name {
        "lifecyclestage" => &LIFE_CYCLE,
        "hs_lead_status" => &[
            "NEW",
            "OPEN",
            "IN_PROGRESS",
            "OPEN_DEAL",
            "UNQUALIFIED",
            "ATTEMPTED_TO_CONTACT",
            "CONNECTED",
            "BAD_TIMING",
        ],
        "industry" => &[
            "COMPUTER_SOFTWARE",
            "CONSTRUCTION",
            "FOOD_PRODUCTION",
            "MACHINERY",
            "PRINTING",
            "REAL_ESTATE",
            "RETAIL",
            "TEXTILES",
        ],
        "dealtype" => &["newbusiness", "existingbusiness"],
        "topics" | "interests" => &["sales", "service", "research"],
        "hs_task_status" => &["NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"],
        "hs_task_priority" => &["NONE", "LOW", "MEDIUM", "HIGH"],
        "hs_is_closed" | "hs_is_closed_won" | "hs_email_optout" => &["true", "false"],
        _ => &[],
    };
    values.iter().map(|value| ((*value).to_owned(), (*value).to_owned())).collect()
}
