//! Contact and Lead.

use super::features::record_type_id;
use super::{DESCRIPTION, Field, Kind, OWNER, Object, RENKEI_ID, field, system};

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
fn name() -> [Field; 4] {
    [
        field("LastName", "Last Name", Kind::Text(80)).required().part_of("Name"),
        field("FirstName", "First Name", Kind::Text(40)).part_of("Name"),
        field("Salutation", "Salutation", Kind::Picklist(SALUTATIONS)).part_of("Name"),
        Field { nillable: false, ..system("Name", "Full Name", Kind::Text(121)) }.names(),
    ]
}

/// Street, city, state, postal code and country with the compound that shows them together.
pub(super) fn address(names: [&'static str; 6], labels: [&'static str; 6]) -> [Field; 6] {
    let [whole, street, city, state, postal, country] = names;
    let [whole_label, street_label, city_label, state_label, postal_label, country_label] = labels;
    [
        field(street, street_label, Kind::Street).part_of(whole),
        field(city, city_label, Kind::Text(40)).part_of(whole),
        field(state, state_label, Kind::Text(80)).part_of(whole),
        field(postal, postal_label, Kind::Text(20)).part_of(whole),
        field(country, country_label, Kind::Text(80)).part_of(whole),
        system(whole, whole_label, Kind::Address),
    ]
}

/// The `Contact` object; mail addresses are a lookup key but not unique.
pub(super) fn contact() -> Object {
    let own = [
        field("AccountId", "Account ID", Kind::Reference(&["Account"], "Account")),
        field("Phone", "Business Phone", Kind::Phone(40)),
        field("Fax", "Business Fax", Kind::Phone(40)),
        field("MobilePhone", "Mobile Phone", Kind::Phone(40)),
        field("Email", "Email", Kind::Email).lookup(),
        field("Title", "Title", Kind::Text(128)),
        field("Department", "Department", Kind::Text(80)),
        field("ReportsToId", "Reports To ID", Kind::Reference(&["Contact"], "ReportsTo")),
        field("LeadSource", "Lead Source", Kind::Picklist(SOURCES)),
        field("Birthdate", "Birthdate", Kind::Date),
        DESCRIPTION,
        OWNER,
        field("HasOptedOutOfEmail", "Email Opt Out", Kind::Bool).defaulted("false"),
        system("EmailBouncedReason", "Email Bounced Reason", Kind::Text(255)),
        system("EmailBouncedDate", "Email Bounced Date", Kind::Time),
        system("MasterRecordId", "Master Record ID", Kind::Reference(&["Contact"], "MasterRecord")),
        RENKEI_ID,
        field("Interests__c", "Interests", Kind::Multi(INTERESTS)),
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
    Object::new("Contact", "Contact", "Contacts", "003", fields)
}

/// The `Lead` object with the marks of conversion.
pub(super) fn lead() -> Object {
    let converted = |name, label, to, rel| system(name, label, Kind::Reference(to, rel));
    let own = [
        field("Title", "Title", Kind::Text(128)),
        field("Company", "Company", Kind::Text(255)).required(),
        field("Phone", "Phone", Kind::Phone(40)),
        field("MobilePhone", "Mobile Phone", Kind::Phone(40)),
        field("Fax", "Fax", Kind::Phone(40)),
        field("Email", "Email", Kind::Email).lookup(),
        field("Website", "Website", Kind::Url),
        field("LeadSource", "Lead Source", Kind::Picklist(SOURCES)),
        field("Status", "Status", Kind::Restricted(LEAD_STATUSES))
            .defaulted("Open - Not Contacted"),
        field("Industry", "Industry", Kind::Picklist(INDUSTRIES)),
        field("Rating", "Rating", Kind::Restricted(RATINGS)),
        field("AnnualRevenue", "Annual Revenue", Kind::Currency),
        field("NumberOfEmployees", "Employees", Kind::Int),
        DESCRIPTION,
        OWNER,
        field("HasOptedOutOfEmail", "Email Opt Out", Kind::Bool).defaulted("false"),
        system("IsConverted", "Converted", Kind::Bool).defaulted("false"),
        system("ConvertedDate", "Converted Date", Kind::Date),
        converted("ConvertedAccountId", "Converted Account ID", &["Account"], "ConvertedAccount"),
        converted("ConvertedContactId", "Converted Contact ID", &["Contact"], "ConvertedContact"),
        converted(
            "ConvertedOpportunityId",
            "Converted Opportunity ID",
            &["Opportunity"],
            "ConvertedOpportunity",
        ),
        system("EmailBouncedReason", "Email Bounced Reason", Kind::Text(255)),
        system("EmailBouncedDate", "Email Bounced Date", Kind::Time),
        system("MasterRecordId", "Master Record ID", Kind::Reference(&["Lead"], "MasterRecord")),
        RENKEI_ID,
        field("Interests__c", "Interests", Kind::Multi(INTERESTS)),
        record_type_id(),
    ];
    let address = address(
        ["Address", "Street", "City", "State", "PostalCode", "Country"],
        ["Address", "Street", "City", "State/Province", "Zip/Postal Code", "Country"],
    );
    let fields = name().into_iter().chain(own).chain(address);
    Object::new("Lead", "Lead", "Leads", "00Q", fields)
}
