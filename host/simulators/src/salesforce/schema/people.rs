//! Contact and Lead.

use super::features::record_type_id;
use super::field::{DESCRIPTION, OWNER, OrgField, OrgFieldKind, RENKEI_ID, field, system};
use super::object::OrgObject;

pub(super) const SOURCES: &[&str] =
    &["Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other"];
pub(super) const INDUSTRIES: &[&str] = &[
    "Agriculture",
    "Apparel",
    "Banking",
    "Chemicals",
    "Communications",
    "Construction",
    "Consulting",
    "Education",
    "Electronics",
    "Energy",
    "Engineering",
    "Finance",
    "Food & Beverage",
    "Healthcare",
    "Insurance",
    "Machinery",
    "Manufacturing",
    "Media",
    "Retail",
    "Technology",
    "Telecommunications",
    "Transportation",
    "Other",
];
pub(super) const RATINGS: &[&str] = &["Hot", "Warm", "Cold"];
const SALUTATIONS: &[&str] = &["Mr.", "Ms.", "Mrs.", "Dr.", "Prof."];
const INTERESTS: &[&str] = &["Sales", "Service", "Research"];
const LEAD_STATUSES: &[&str] = &[
    "Open - Not Contacted",
    "Working - Contacted",
    "Closed - Converted",
    "Closed - Not Converted",
];

/// The four parts of a person's name and the whole, which the platform composes.
fn name() -> [OrgField; 4] {
    [
        field("LastName", "Last Name", OrgFieldKind::Text(80)).required().part_of("Name"),
        field("FirstName", "First Name", OrgFieldKind::Text(40)).part_of("Name"),
        field("Salutation", "Salutation", OrgFieldKind::Picklist(SALUTATIONS)).part_of("Name"),
        OrgField { nillable: false, ..system("Name", "Full Name", OrgFieldKind::Text(121)) }
            .names(),
    ]
}

/// Street, city, state, postal code and country with the compound that shows them together.
pub(super) fn address(names: [&'static str; 6], labels: [&'static str; 6]) -> [OrgField; 6] {
    let [whole, street, city, state, postal, country] = names;
    let [whole_label, street_label, city_label, state_label, postal_label, country_label] = labels;
    [
        field(street, street_label, OrgFieldKind::Street).part_of(whole),
        field(city, city_label, OrgFieldKind::Text(40)).part_of(whole),
        field(state, state_label, OrgFieldKind::Text(80)).part_of(whole),
        field(postal, postal_label, OrgFieldKind::Text(20)).part_of(whole),
        field(country, country_label, OrgFieldKind::Text(80)).part_of(whole),
        system(whole, whole_label, OrgFieldKind::Address),
    ]
}

/// The `Contact` object; mail addresses are a lookup key but not unique.
pub(super) fn contact() -> OrgObject {
    let own = [
        field("AccountId", "Account ID", OrgFieldKind::Reference(&["Account"], "Account")),
        field("Phone", "Business Phone", OrgFieldKind::Phone(40)),
        field("Fax", "Business Fax", OrgFieldKind::Phone(40)),
        field("MobilePhone", "Mobile Phone", OrgFieldKind::Phone(40)),
        field("Email", "Email", OrgFieldKind::Email).lookup(),
        field("Title", "Title", OrgFieldKind::Text(128)),
        field("Department", "Department", OrgFieldKind::Text(80)),
        field("ReportsToId", "Reports To ID", OrgFieldKind::Reference(&["Contact"], "ReportsTo")),
        field("LeadSource", "Lead Source", OrgFieldKind::Picklist(SOURCES)),
        field("Birthdate", "Birthdate", OrgFieldKind::Date),
        DESCRIPTION,
        OWNER,
        field("HasOptedOutOfEmail", "Email Opt Out", OrgFieldKind::Bool).defaulted("false"),
        system("EmailBouncedReason", "Email Bounced Reason", OrgFieldKind::Text(255)),
        system("EmailBouncedDate", "Email Bounced Date", OrgFieldKind::Time),
        system(
            "MasterRecordId",
            "Master Record ID",
            OrgFieldKind::Reference(&["Contact"], "MasterRecord"),
        ),
        RENKEI_ID,
        field("Interests__c", "Interests", OrgFieldKind::Multi(INTERESTS)),
        record_type_id(),
    ];
    let mailing = address(
        [
            "MailingAddress",
            "MailingStreet",
            "MailingCity",
            "MailingState",
            "MailingPostalCode",
            "MailingCountry",
        ],
        [
            "Mailing Address",
            "Mailing Street",
            "Mailing City",
            "Mailing State/Province",
            "Mailing Zip/Postal Code",
            "Mailing Country",
        ],
    );
    let fields = name().into_iter().chain(own).chain(mailing);
    OrgObject::new("Contact", "Contact", "Contacts", "003", fields)
}

/// The `Lead` object with the marks of conversion.
pub(super) fn lead() -> OrgObject {
    let converted = |name, label, to, rel| system(name, label, OrgFieldKind::Reference(to, rel));
    let own = [
        field("Title", "Title", OrgFieldKind::Text(128)),
        field("Company", "Company", OrgFieldKind::Text(255)).required(),
        field("Phone", "Phone", OrgFieldKind::Phone(40)),
        field("MobilePhone", "Mobile Phone", OrgFieldKind::Phone(40)),
        field("Fax", "Fax", OrgFieldKind::Phone(40)),
        field("Email", "Email", OrgFieldKind::Email).lookup(),
        field("Website", "Website", OrgFieldKind::Url),
        field("LeadSource", "Lead Source", OrgFieldKind::Picklist(SOURCES)),
        field("Status", "Status", OrgFieldKind::Restricted(LEAD_STATUSES))
            .defaulted("Open - Not Contacted"),
        field("Industry", "Industry", OrgFieldKind::Picklist(INDUSTRIES)),
        field("Rating", "Rating", OrgFieldKind::Restricted(RATINGS)),
        field("AnnualRevenue", "Annual Revenue", OrgFieldKind::Currency),
        field("NumberOfEmployees", "Employees", OrgFieldKind::Int),
        DESCRIPTION,
        OWNER,
        field("HasOptedOutOfEmail", "Email Opt Out", OrgFieldKind::Bool).defaulted("false"),
        system("IsConverted", "Converted", OrgFieldKind::Bool).defaulted("false"),
        system("ConvertedDate", "Converted Date", OrgFieldKind::Date),
        converted("ConvertedAccountId", "Converted Account ID", &["Account"], "ConvertedAccount"),
        converted("ConvertedContactId", "Converted Contact ID", &["Contact"], "ConvertedContact"),
        converted(
            "ConvertedOpportunityId",
            "Converted Opportunity ID",
            &["Opportunity"],
            "ConvertedOpportunity",
        ),
        system("EmailBouncedReason", "Email Bounced Reason", OrgFieldKind::Text(255)),
        system("EmailBouncedDate", "Email Bounced Date", OrgFieldKind::Time),
        system(
            "MasterRecordId",
            "Master Record ID",
            OrgFieldKind::Reference(&["Lead"], "MasterRecord"),
        ),
        RENKEI_ID,
        field("Interests__c", "Interests", OrgFieldKind::Multi(INTERESTS)),
        record_type_id(),
    ];
    let address = address(
        ["Address", "Street", "City", "State", "PostalCode", "Country"],
        ["Address", "Street", "City", "State/Province", "Zip/Postal Code", "Country"],
    );
    let fields = name().into_iter().chain(own).chain(address);
    OrgObject::new("Lead", "Lead", "Leads", "00Q", fields)
}
