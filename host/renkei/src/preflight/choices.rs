//! Two lists of choices that one field joins without a table (`host/sync/RULES.md` V19).

use renkei_model::plugin::SchemaField;
use renkei_model::spec::{EntitySpec, FieldIndex, MemberSpec, Via};

use super::finding::{Finding, FindingScope, Schemas, Severity, Standstill};

/// Choices that a message names.
const NAMED_MAX: usize = 3;

/// A member that has a list of choices for a field that it maps as it is.
struct Listed<'a> {
    member: &'a MemberSpec,
    live: &'a SchemaField,
    reads: bool,
    writes: bool,
}

/// Lists of one entity's fields that do not agree: an error where no value of the one is in the
/// other, so that every write would be refused, else a warning.
pub(super) fn findings(entity: &EntitySpec, schemas: &Schemas) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, field) in entity.fields.iter().enumerate() {
        let lists: Vec<Listed<'_>> = entity
            .members
            .iter()
            .filter_map(|member| listed(member, FieldIndex(index), schemas))
            .collect();
        for to in lists.iter().filter(|to| to.writes) {
            let sources = lists.iter().filter(|from| from.reads);
            for from in sources.filter(|from| from.member.system != to.member.system) {
                found.extend(compare(entity, &field.name, from, to));
            }
        }
    }
    found
}

fn listed<'a>(
    member: &'a MemberSpec,
    field: FieldIndex,
    schemas: &'a Schemas,
) -> Option<Listed<'a>> {
    let group = member.group_of(field)?;
    let schema = schemas.get(&(member.system.clone(), member.object.clone()))?;
    let column = group.columns.first()?;
    let live = schema.fields.iter().find(|live| &live.name == column)?;
    let is_plain = matches!(group.via, Via::Direct) && !live.choices.is_empty();
    let (reads, writes) = (group.direction.reads(), group.direction.writes());
    is_plain.then_some(Listed { member, live, reads, writes })
}

fn compare(
    entity: &EntitySpec,
    field: &str,
    from: &Listed<'_>,
    to: &Listed<'_>,
) -> Option<Finding> {
    let takes = |value: &str| to.live.choices.iter().any(|(choice, _)| choice == value);
    let values = from.live.choices.iter().map(|(choice, _)| choice.as_str());
    let strange: Vec<&str> = values.filter(|value| !takes(value)).collect();
    if strange.is_empty() {
        return None;
    }
    let named: Vec<String> =
        strange.iter().take(NAMED_MAX).map(|value| format!("`{value}`")).collect();
    let more = strange.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let place = |one: &Listed<'_>| format!("{}.{}", one.member.system, one.member.object);
    let message = format!(
        "`{}` of {} may be {}{more}, which `{}` does not list",
        from.live.name,
        place(from),
        named.join(", "),
        to.live.name
    );
    let all = strange.len() == from.live.choices.len();
    let stops = FindingScope::Field(Standstill {
        entity: entity.name.clone(),
        field: field.to_owned(),
        system: to.member.system.clone(),
        object: to.member.object.clone(),
        column: to.live.name.clone(),
    });
    Some(Finding {
        severity: if all { Severity::Error } else { Severity::Warning },
        place: format!("{}.{field}", entity.name),
        member: place(to),
        message,
        hint: Some("give the field a table".to_owned()),
        stops,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use renkei_model::plugin::Schema;
    use renkei_model::spec::days::Days;
    use renkei_model::spec::{
        Clear, ColumnRules, DeleteGuard, Direction, FieldKind, FieldSpec, FirstLink, MappingGroup,
        OnCascade, OnDelete, OnMerge, Winner,
    };

    use super::*;

    fn member(system: &str) -> MemberSpec {
        let group = MappingGroup {
            fields: vec![FieldIndex(0)],
            columns: vec!["rating".to_owned()],
            direction: Direction::Both,
            via: Via::Direct,
            target: None,
            required: false,
            rules: ColumnRules::default(),
        };
        MemberSpec {
            system: system.to_owned(),
            object: "things".to_owned(),
            create: true,
            groups: vec![group],
            stops_create: Vec::new(),
            mergeable: false,
            constants: Vec::new(),
            copies: Vec::new(),
            days: Days::default(),
            stamp: None,
            digest: String::new(),
            read_rows: 1,
            write_rows: 1,
        }
    }

    fn entity() -> EntitySpec {
        EntitySpec {
            name: "thing".to_owned(),
            members: vec![member("a"), member("b")],
            fields: vec![FieldSpec {
                name: "rating".to_owned(),
                kind: FieldKind::Choice,
                winner: Winner::Manual,
                clear: Clear::Propagate,
            }],
            match_keys: Vec::new(),
            first_link: FirstLink::Review,
            on_delete: OnDelete::Review,
            on_merge: OnMerge::Review,
            delete_guard: DeleteGuard::default(),
            on_cascade: OnCascade::Ask,
            create_guard: None,
            sweep_ms: None,
        }
    }

    fn schema(choices: &[&str]) -> Schema {
        let field = SchemaField {
            name: "rating".to_owned(),
            label: String::new(),
            kind: "choice".to_owned(),
            readable: true,
            creatable: true,
            updatable: true,
            required: false,
            unique: false,
            nullable: true,
            max_length: None,
            choices: choices.iter().map(|one| ((*one).to_owned(), String::new())).collect(),
            targets: Vec::new(),
            facts: Vec::new(),
        };
        let (object, label) = ("things".to_owned(), String::new());
        Schema { object, label, fields: vec![field], facts: Vec::new() }
    }

    /// `host/sync/RULES.md` V19.
    #[test]
    fn lists_without_a_common_value_are_an_error() {
        let check = |a: &[&str], b: &[&str], expected: &[Severity]| {
            let place = |system: &str| (system.to_owned(), "things".to_owned());
            let schemas = HashMap::from([(place("a"), schema(a)), (place("b"), schema(b))]);
            let found = findings(&entity(), &schemas);
            let severities: Vec<Severity> = found.iter().map(|one| one.severity).collect();
            assert_eq!(severities, expected, "{found:?}");
        };
        check(&["Hot", "Cold"], &["Hot", "Cold"], &[]);
        check(&["Hot", "Cold"], &["Hot"], &[Severity::Warning]);
        check(&["Hot"], &["hot"], &[Severity::Error, Severity::Error]);
        check(&["Hot"], &[], &[]);
    }
}
