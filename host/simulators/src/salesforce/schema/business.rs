//! Account, Opportunity and the stages of opportunities.

use super::features::{person_fields, record_type_id};
use super::field::{DESCRIPTION, OWNER, OrgFieldKind, RENKEI_ID, field, system};
use super::object::OrgObject;
use super::people::{INDUSTRIES, SOURCES, address};

const ACCOUNT_TYPES: &[&str] = &["Prospect", "Customer - Direct", "Customer - Channel", "Other"];
const DEAL_TYPES: &[&str] =
    &["Existing Customer - Upgrade", "Existing Customer - Replacement", "New Customer"];
const FORECASTS: &[&str] = &["Omitted", "Pipeline", "Best Case", "Commit", "Closed"];

/// A stage of the sales process, as `OpportunityStage` rows list it.
pub(crate) struct OpportunityStage {
    pub(crate) name: &'static str,
    pub(crate) probability: f64,
    pub(crate) closed: bool,
    pub(crate) won: bool,
    pub(crate) forecast: &'static str,
}

const fn stage(name: &'static str, probability: f64, forecast: &'static str) -> OpportunityStage {
    OpportunityStage { name, probability, closed: false, won: false, forecast }
}

/// The stages of a new org, in order.
pub(crate) const STAGES: &[OpportunityStage] = &[
    stage("Prospecting", 10.0, "Pipeline"),
    stage("Qualification", 10.0, "Pipeline"),
    stage("Needs Analysis", 20.0, "Pipeline"),
    stage("Value Proposition", 50.0, "Pipeline"),
    stage("Id. Decision Makers", 60.0, "Pipeline"),
    stage("Perception Analysis", 70.0, "Pipeline"),
    stage("Proposal/Price Quote", 75.0, "Pipeline"),
    stage("Negotiation/Review", 90.0, "Pipeline"),
    OpportunityStage { closed: true, won: true, ..stage("Closed Won", 100.0, "Closed") },
    OpportunityStage { closed: true, ..stage("Closed Lost", 0.0, "Omitted") },
];

const STAGE_NAMES: &[&str] = &[
    "Prospecting",
    "Qualification",
    "Needs Analysis",
    "Value Proposition",
    "Id. Decision Makers",
    "Perception Analysis",
    "Proposal/Price Quote",
    "Negotiation/Review",
    "Closed Won",
    "Closed Lost",
];

/// The `Account` object.
pub(super) fn account() -> OrgObject {
    let own = [
        field("Name", "Account Name", OrgFieldKind::Text(255)).required().names(),
        field("Type", "Account Type", OrgFieldKind::Picklist(ACCOUNT_TYPES)),
        field("ParentId", "Parent Account ID", OrgFieldKind::Reference(&["Account"], "Parent")),
        field("Phone", "Account Phone", OrgFieldKind::Phone(40)),
        field("Fax", "Account Fax", OrgFieldKind::Phone(40)),
        field("AccountNumber", "Account Number", OrgFieldKind::Text(40)),
        field("Website", "Website", OrgFieldKind::Url),
        field("Industry", "Industry", OrgFieldKind::Picklist(INDUSTRIES)),
        field("AnnualRevenue", "Annual Revenue", OrgFieldKind::Currency),
        field("NumberOfEmployees", "Employees", OrgFieldKind::Int),
        DESCRIPTION,
        OWNER,
        system(
            "MasterRecordId",
            "Master Record ID",
            OrgFieldKind::Reference(&["Account"], "MasterRecord"),
        ),
        RENKEI_ID,
    ];
    let billing = address(
        [
            "BillingAddress",
            "BillingStreet",
            "BillingCity",
            "BillingState",
            "BillingPostalCode",
            "BillingCountry",
        ],
        [
            "Billing Address",
            "Billing Street",
            "Billing City",
            "Billing State/Province",
            "Billing Zip/Postal Code",
            "Billing Country",
        ],
    );
    let shipping = address(
        [
            "ShippingAddress",
            "ShippingStreet",
            "ShippingCity",
            "ShippingState",
            "ShippingPostalCode",
            "ShippingCountry",
        ],
        [
            "Shipping Address",
            "Shipping Street",
            "Shipping City",
            "Shipping State/Province",
            "Shipping Zip/Postal Code",
            "Shipping Country",
        ],
    );
    let featured = person_fields().into_iter().chain([record_type_id()]);
    let fields = own.into_iter().chain(billing).chain(shipping).chain(featured);
    OrgObject::new("Account", "Account", "Accounts", "001", fields)
}

/// The `Opportunity` object; its stage decides probability, closed and won.
pub(super) fn opportunity() -> OrgObject {
    let own = [
        field("Name", "Name", OrgFieldKind::Text(120)).required().names(),
        field("AccountId", "Account ID", OrgFieldKind::Reference(&["Account"], "Account")),
        field("StageName", "Stage", OrgFieldKind::Restricted(STAGE_NAMES)).required(),
        field("CloseDate", "Close Date", OrgFieldKind::Date).required(),
        field("Amount", "Amount", OrgFieldKind::Currency),
        field("Probability", "Probability (%)", OrgFieldKind::Percent),
        field("Type", "Opportunity Type", OrgFieldKind::Picklist(DEAL_TYPES)),
        field("NextStep", "Next Step", OrgFieldKind::Text(255)),
        field("LeadSource", "Lead Source", OrgFieldKind::Picklist(SOURCES)),
        field("CampaignId", "Campaign ID", OrgFieldKind::Reference(&["Campaign"], "Campaign")),
        field("ForecastCategoryName", "Forecast Category", OrgFieldKind::Restricted(FORECASTS)),
        system("IsClosed", "Closed", OrgFieldKind::Bool).defaulted("false"),
        system("IsWon", "Won", OrgFieldKind::Bool).defaulted("false"),
        system("HasOpportunityLineItem", "Has Line Item", OrgFieldKind::Bool).defaulted("false"),
        DESCRIPTION,
        OWNER,
        RENKEI_ID,
        record_type_id(),
    ];
    OrgObject::new("Opportunity", "Opportunity", "Opportunities", "006", own)
}

/// The stage master `OpportunityStage`, which clients only read.
pub(super) fn opportunity_stage() -> OrgObject {
    let own = [
        system("MasterLabel", "Master Label", OrgFieldKind::Text(255)).names(),
        system("ApiName", "API Name", OrgFieldKind::Text(120)),
        system("IsActive", "Is Active", OrgFieldKind::Bool).defaulted("true"),
        system("SortOrder", "Sort Order", OrgFieldKind::Int),
        system("IsClosed", "Closed", OrgFieldKind::Bool).defaulted("false"),
        system("IsWon", "Won", OrgFieldKind::Bool).defaulted("false"),
        system("ForecastCategoryName", "Forecast Category Name", OrgFieldKind::Text(40)),
        system("DefaultProbability", "Probability (%)", OrgFieldKind::Percent),
        system("Description", "Description", OrgFieldKind::Text(255)),
    ];
    let fields =
        OrgObject::new("OpportunityStage", "Opportunity Stage", "Opportunity Stages", "01J", own);
    fields.setup()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picklist_of_stages_is_the_stage_master() {
        let master: Vec<_> = STAGES.iter().map(|stage| stage.name).collect();
        assert_eq!(master, STAGE_NAMES);
    }
}
