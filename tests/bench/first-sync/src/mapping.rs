//! Contacts of both systems, column by column: nine fields, recognised by their mail address.

use renkei_model::spec::{
    Direction, EntitySpec, FieldKind, FirstLink, MemberSpec, Spec, SpecError, Winner,
};
use renkei_test_support::example::{EMAIL_OPT_OUT, PERSON_COLUMNS, PersonColumn};
pub use renkei_test_support::example::{HUBSPOT, SALESFORCE};
use renkei_test_support::spec::{direct, entity, field, match_key, member};

/// The mapping.
///
/// # Errors
/// None, unless the mapping is changed into a wrong one.
pub fn spec() -> Result<Spec, SpecError> {
    let columns = columns();
    let fields = columns.iter().map(|column| {
        field(column.field, column.kind.clone(), Winner::Always(SALESFORCE.to_owned()))
    });
    let members = vec![
        contacts(&columns, HUBSPOT, "contacts", 1000, |column| column.hubspot),
        contacts(&columns, SALESFORCE, "Contact", 10_000, |column| column.salesforce),
    ];
    let is_mail = |column: &PersonColumn| column.kind == FieldKind::Mail;
    let mail: Vec<usize> = columns.iter().position(is_mail).into_iter().collect();
    let person = EntitySpec {
        match_keys: vec![match_key("mail", &mail, true)],
        first_link: FirstLink::Prefer(SALESFORCE.to_owned()),
        ..entity("person", fields.collect(), members)
    };
    Spec::new(vec![person])
}

/// The example's columns that both systems write, and the prefecture.
fn columns() -> Vec<PersonColumn> {
    let written = PERSON_COLUMNS.iter().filter(|column| column.field != EMAIL_OPT_OUT).cloned();
    let prefecture = PersonColumn {
        field: "prefecture",
        kind: FieldKind::Text,
        hubspot: "state",
        salesforce: "MailingState",
    };
    written.chain([prefecture]).collect()
}

fn contacts(
    columns: &[PersonColumn],
    system: &str,
    object: &str,
    rows: u32,
    name: impl Fn(&PersonColumn) -> &'static str,
) -> MemberSpec {
    let groups = columns.iter().enumerate().map(|(position, column)| {
        let mut group = direct(position, name(column), Direction::Both);
        // Salesforce refuses a contact without one.
        group.required = name(column) == "LastName";
        group
    });
    MemberSpec {
        read_rows: rows,
        write_rows: rows,
        stamp: None,
        ..member(system, object, groups.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_has_nine_fields_and_a_mail_key() {
        let spec = spec().unwrap();
        let [person] = spec.entities() else { panic!("one entity") };
        assert_eq!(person.fields.len(), 9);
        assert_eq!(person.match_keys[0].fields, [person.field("email").unwrap().0]);
        assert!(person.members[1].groups[0].required);
    }
}
