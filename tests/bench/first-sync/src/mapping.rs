//! Contacts of both systems, column by column: nine fields, recognised by their mail address.

use renkei_sync::model::spec::days::Days;
use renkei_sync::model::spec::{
    Clear, ColumnRules, DeleteGuard, Direction, EntitySpec, FieldIndex, FieldKind, FieldSpec,
    FirstLink, MappingGroup, MatchKey, MemberSpec, OnCascade, OnDelete, OnMerge, Spec, SpecError,
    Via, Winner,
};

/// One system's name, and its plugin's.
pub const HUBSPOT: &str = "hubspot";
/// The other's.
pub const SALESFORCE: &str = "salesforce";

/// Field, kind, HubSpot's column, Salesforce's column.
const FIELDS: [(&str, FieldKind, &str, &str); 9] = [
    ("family_name", FieldKind::Text, "lastname", "LastName"),
    ("given_name", FieldKind::Text, "firstname", "FirstName"),
    ("mail", FieldKind::Mail, "email", "Email"),
    ("phone", FieldKind::Phone, "phone", "Phone"),
    ("mobile", FieldKind::Phone, "mobilephone", "MobilePhone"),
    ("title", FieldKind::Text, "jobtitle", "Title"),
    ("prefecture", FieldKind::Text, "state", "MailingState"),
    ("city", FieldKind::Text, "city", "MailingCity"),
    ("postal_code", FieldKind::Text, "zip", "MailingPostalCode"),
];
/// Salesforce refuses a contact without one.
const FAMILY_NAME: FieldIndex = FieldIndex(0);
const MAIL: FieldIndex = FieldIndex(2);

/// The mapping.
///
/// # Errors
/// None, unless the mapping is changed into a wrong one.
pub fn spec() -> Result<Spec, SpecError> {
    let field = |(name, kind, ..): &(&str, FieldKind, &str, &str)| FieldSpec {
        name: (*name).to_owned(),
        kind: kind.clone(),
        winner: Winner::Always(SALESFORCE.to_owned()),
        clear: Clear::Propagate,
    };
    let mail =
        MatchKey { name: "mail".to_owned(), fields: vec![MAIL], transform: None, unique: true };
    let person = EntitySpec {
        name: "person".to_owned(),
        members: vec![
            member(HUBSPOT, "contacts", 1000, |(_, _, column, _)| column),
            member(SALESFORCE, "Contact", 10_000, |(.., column)| column),
        ],
        fields: FIELDS.iter().map(field).collect(),
        match_keys: vec![mail],
        first_link: FirstLink::Prefer(SALESFORCE.to_owned()),
        on_delete: OnDelete::Archive,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    };
    Spec::new(vec![person])
}

fn member(
    system: &str,
    object: &str,
    rows: u32,
    column: impl Fn(&(&'static str, FieldKind, &'static str, &'static str)) -> &'static str,
) -> MemberSpec {
    let group = |(position, field)| MappingGroup {
        fields: vec![FieldIndex(position)],
        columns: vec![column(field).to_owned()],
        direction: Direction::Both,
        via: Via::Direct,
        target: None,
        required: system == SALESFORCE && FieldIndex(position) == FAMILY_NAME,
        rules: ColumnRules::default(),
    };
    MemberSpec {
        system: system.to_owned(),
        object: object.to_owned(),
        create: true,
        groups: FIELDS.iter().enumerate().map(group).collect(),
        stops_create: Vec::new(),
        mergeable: true,
        constants: Vec::new(),
        copies: Vec::new(),
        days: Days::default(),
        digest: "1".to_owned(),
        read_rows: rows,
        write_rows: rows,
        stamp: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mapping_is_one() {
        let spec = spec().unwrap();
        let [person] = spec.entities() else { panic!("one entity") };
        assert_eq!(person.field("mail").unwrap().0, MAIL);
        assert!(person.members[1].groups[0].required);
    }
}
