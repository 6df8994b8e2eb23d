//! The example configuration (`host/renkei/example`), as tests without the program need it: the
//! columns of its people, and its `renkei.toml` pointed at simulators.

use renkei_model::spec::FieldKind;

/// The system HubSpot, and its plugin.
pub const HUBSPOT: &str = "hubspot";
/// The system Salesforce, and its plugin.
pub const SALESFORCE: &str = "salesforce";

/// A field of a person with its columns in both systems.
#[derive(Debug, Clone)]
pub struct PersonColumn {
    pub field: &'static str,
    pub kind: FieldKind,
    /// Column of a HubSpot contact.
    pub hubspot: &'static str,
    /// Column of a Salesforce contact.
    pub salesforce: &'static str,
}

const fn column(
    field: &'static str,
    kind: FieldKind,
    hubspot: &'static str,
    salesforce: &'static str,
) -> PersonColumn {
    PersonColumn { field, kind, hubspot, salesforce }
}

/// The fields of a person that are one column in each system, in the order of the entity.
pub static PERSON_COLUMNS: [PersonColumn; 9] = [
    column("family_name", FieldKind::Text, "lastname", "LastName"),
    column("given_name", FieldKind::Text, "firstname", "FirstName"),
    column("email", FieldKind::Mail, "email", "Email"),
    column(EMAIL_OPT_OUT, FieldKind::Boolean, "hs_email_optout", "HasOptedOutOfEmail"),
    column("phone", FieldKind::Phone, "phone", "Phone"),
    column("mobile", FieldKind::Phone, "mobilephone", "MobilePhone"),
    column("title", FieldKind::Text, "jobtitle", "Title"),
    column("city", FieldKind::Text, "city", "MailingCity"),
    column("postal_code", FieldKind::Text, "zip", "MailingPostalCode"),
];

/// The field that HubSpot's contacts only read.
pub const EMAIL_OPT_OUT: &str = "email_opt_out";

/// A stage of a deal with each system's word; of Salesforce's the first is written.
pub type Stage = (&'static str, &'static str, &'static [&'static str]);

/// The table of stages.
pub const STAGES: [Stage; 7] = [
    ("appointment", "appointmentscheduled", &["Prospecting"]),
    ("qualified", "qualifiedtobuy", &["Qualification", "Needs Analysis"]),
    ("presentation", "presentationscheduled", &["Value Proposition", "Id. Decision Makers"]),
    ("decision", "decisionmakerboughtin", &["Perception Analysis", "Proposal/Price Quote"]),
    ("contract", "contractsent", &["Negotiation/Review"]),
    ("won", "closedwon", &["Closed Won"]),
    ("lost", "closedlost", &["Closed Lost"]),
];

/// `renkei.toml` for simulators at these URLs, with a cycle every so many seconds.
pub fn root_file(
    interval_seconds: u32,
    hubspot_url: &str,
    salesforce_url: &str,
    client_id: &str,
) -> String {
    format!(
        "[schedule]\ninterval_seconds = {interval_seconds}\n\
         [systems.hubspot]\nplugin = \"hubspot\"\nbase_url = \"{hubspot_url}\"\n\
         [systems.hubspot.auth]\nscheme = \"bearer\"\ntoken_secret = \"hubspot_token\"\n\
         [systems.salesforce]\nplugin = \"salesforce\"\nbase_url = \"{salesforce_url}\"\n\
         [systems.salesforce.auth]\nscheme = \"oauth2-client-credentials\"\n\
         client_id = \"{client_id}\"\nclient_secret = \"salesforce_client_secret\"\n"
    )
}

/// `secrets.toml` beside it.
pub fn secrets_file(hubspot_token: &str, client_secret: &str) -> String {
    format!("hubspot_token = \"{hubspot_token}\"\nsalesforce_client_secret = \"{client_secret}\"\n")
}
