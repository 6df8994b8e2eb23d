//! The configuration against the live systems: does every mapped column exist, fit its field, and
//! may it be read and written?
//!
//! Pure: takes the specification and the schemas that the connectors discovered. Run before
//! anything is read or written, so that a typing mistake costs one error instead of a half-written
//! system.

use renkei_model::canonical::composed;
use renkei_model::plugin::{Schema, SchemaField};
use renkei_model::spec::{
    EntitySpec, FieldKind, FieldSpec, MappingGroup, MemberSpec, Spec, ValueTable, Via,
};
use renkei_model::times::span;
use renkei_model::value::Value;

mod choices;
mod finding;

pub(crate) use finding::{Finding, FindingScope, Schemas, Severity, Standstill};

/// The distance of a system's clock from the host's that is reported, ms; as a cycle does.
const CLOCK_MS: u64 = 600_000;

/// Everything that does not fit, errors first; nothing of objects that are `silent`.
pub(crate) fn findings(
    spec: &Spec,
    schemas: &Schemas,
    silent: impl Fn(&MemberSpec) -> bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for entity in spec.entities() {
        for member in entity.members.iter().filter(|member| !silent(member)) {
            match schemas.get(&(member.system.clone(), member.object.clone())) {
                Some(schema) => MemberCheck { entity, member, schema, found: &mut found }.run(),
                None => found.push(Finding {
                    severity: Severity::Error,
                    place: entity.name.clone(),
                    member: format!("{}.{}", member.system, member.object),
                    message: "the system has no such object".to_owned(),
                    hint: Some("correct the member's `object`, or make it there".to_owned()),
                    stops: FindingScope::Object,
                }),
            }
        }
        found.extend(choices::findings(entity, schemas));
    }
    found.sort_by_key(|finding| finding.severity);
    found
}

/// A system's clock that is far from the host's (`host/sync/RULES.md` R19).
pub(crate) fn clock_off(system: &str, ahead_ms: i64) -> Option<Finding> {
    let far_ms = ahead_ms.unsigned_abs();
    if far_ms <= CLOCK_MS {
        return None;
    }
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    Some(Finding {
        severity: Severity::Warning,
        place: system.to_owned(),
        member: "its answers".to_owned(),
        message: format!("its clock is {} {way} this host's", span(far_ms)),
        hint: Some("check both clocks".to_owned()),
        stops: FindingScope::Everything,
    })
}

/// A message and a hint.
type MessageAndHint = (String, Option<String>);

struct MemberCheck<'a> {
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    schema: &'a Schema,
    found: &'a mut Vec<Finding>,
}

impl MemberCheck<'_> {
    fn run(&mut self) {
        for group in &self.member.groups {
            self.group(group);
        }
        if self.member.create {
            self.creation();
        }
    }

    fn report(&mut self, severity: Severity, field: Option<&str>, (message, hint): MessageAndHint) {
        let place = match field {
            Some(field) => format!("{}.{field}", self.entity.name),
            None => self.entity.name.clone(),
        };
        let member = format!("{}.{}", self.member.system, self.member.object);
        let stops = FindingScope::Everything;
        self.found.push(Finding { severity, place, member, message, hint, stops });
    }

    /// An error about one column: it stops the field, if the mapping has served before.
    fn refuse(&mut self, field: &str, column: &str, said: MessageAndHint) {
        self.report(Severity::Error, Some(field), said);
        if let Some(finding) = self.found.last_mut() {
            finding.stops = FindingScope::Field(Standstill {
                entity: self.entity.name.clone(),
                field: field.to_owned(),
                system: self.member.system.clone(),
                object: self.member.object.clone(),
                column: column.to_owned(),
            });
        }
    }

    fn group(&mut self, group: &MappingGroup) {
        let fields: Vec<&FieldSpec> =
            group.fields.iter().filter_map(|index| self.entity.fields.get(index.0)).collect();
        let name = fields.iter().map(|field| field.name.as_str()).collect::<Vec<_>>().join("+");
        for column in &group.columns {
            let Some(live) = self.schema.fields.iter().find(|live| &live.name == column) else {
                let near = nearest(column, &self.schema.fields);
                let message = format!("there is no column `{column}`");
                self.refuse(&name, column, (message, Some(format!("did you mean `{near}`?"))));
                continue;
            };
            self.rights(group, &name, live);
            match (&group.via, fields.as_slice()) {
                (Via::Direct, [field]) => {
                    self.kind(field, live);
                    self.primary(field, group, live);
                }
                (Via::Table(table), fields) => {
                    if let [field] = fields {
                        self.lists(field, group, live);
                    }
                    self.table(&name, table, live);
                }
                _ => {}
            }
        }
    }

    fn rights(&mut self, group: &MappingGroup, name: &str, live: &SchemaField) {
        let column = &live.name;
        if group.direction.reads() && !live.readable {
            let message = format!("missing permission: these credentials may not read `{column}`");
            let hint = "grant the permission in the system, or remove the column";
            self.refuse(name, column, (message, Some(hint.to_owned())));
        }
        if group.direction.writes() && !live.updatable && !live.creatable {
            let hint = "add the member to the field's read_only";
            let message = format!("`{column}` cannot be written");
            self.refuse(name, column, (message, Some(hint.to_owned())));
        }
    }

    fn kind(&mut self, field: &FieldSpec, live: &SchemaField) {
        let is_day = field.kind == FieldKind::Date && live.kind == "timestamp";
        if is_day && self.member.days.zone().is_none() {
            let message = format!(
                "`{}` holds moments, and the account does not say in which time zone",
                live.name
            );
            let hint = format!("set `time_zone` in [systems.{}]", self.member.system);
            self.report(Severity::Error, Some(&field.name), (message, Some(hint)));
        }
        if !fits(&field.kind, &live.kind) {
            let message = format!(
                "`{}` is {} there, which does not fit kind `{}`",
                live.name,
                live.kind,
                field.kind.word()
            );
            let hint = "change the kind or map through a transform".to_owned();
            self.refuse(&field.name, &live.name, (message, Some(hint)));
        }
    }

    /// A table looks up each item of a list: it makes no list of one value, nor the other way.
    fn lists(&mut self, field: &FieldSpec, group: &MappingGroup, live: &SchemaField) {
        let is_list = field.kind == FieldKind::Choices;
        let holds_list = live.kind == "choices";
        if (holds_list && !is_list) || (is_list && !holds_list && group.direction.writes()) {
            let message = format!(
                "`{}` is {} there, which a table of kind `{}` does not fit",
                live.name,
                live.kind,
                field.kind.word()
            );
            let hint = "change the kind".to_owned();
            self.refuse(&field.name, &live.name, (message, Some(hint)));
        }
    }

    /// A field of one reference governs the primary one, so there must be one.
    fn primary(&mut self, field: &FieldSpec, group: &MappingGroup, live: &SchemaField) {
        let primary = ("primary".to_owned(), Value::Boolean(true));
        if live.kind == "references"
            && matches!(field.kind, FieldKind::Reference { many: false, .. })
            && group.direction.writes()
            && !group.rules.governs_all
            && !live.facts.contains(&primary)
        {
            let message = format!("`{}` has no primary one among its records", live.name);
            let hint = "give the field `associations = \"all\"` or the kind `references:ENTITY`";
            self.report(Severity::Error, Some(&field.name), (message, Some(hint.to_owned())));
        }
    }

    fn table(&mut self, name: &str, table: &ValueTable, live: &SchemaField) {
        let known =
            |value: &String| live.choices.iter().any(|(choice, _)| composed(choice) == *value);
        if live.choices.is_empty() {
            return;
        }
        for value in table.read.keys().filter(|value| !known(value)) {
            let message = format!("`{}` has no choice `{value}`, which the table names", live.name);
            let hint = "correct the table, or add the choice there".to_owned();
            self.refuse(name, &live.name, (message, Some(hint)));
        }
        for (choice, _) in
            live.choices.iter().filter(|(choice, _)| !table.read.contains_key(&composed(choice)))
        {
            let message = format!(
                "`{}` may be `{choice}`, which the table does not name: the field of such records is paused, and none is made of them",
                live.name
            );
            let hint = "`renkei status` lists such records".to_owned();
            self.report(Severity::Warning, Some(name), (message, Some(hint)));
        }
    }

    /// Finds columns that a create needs beyond the mapping.
    fn creation(&mut self) {
        let given: Vec<&str> = self
            .member
            .groups
            .iter()
            .filter(|group| group.direction.writes())
            .flat_map(|group| &group.columns)
            .chain(self.member.constants.iter().map(|(column, _)| column))
            .map(String::as_str)
            .collect();
        let missing: Vec<&str> = self
            .schema
            .fields
            .iter()
            .filter(|live| live.required && live.creatable && !given.contains(&live.name.as_str()))
            .map(|live| live.name.as_str())
            .collect();
        for column in missing {
            let hint = "map it or give it in the member's defaults".to_owned();
            let message = format!("a new record needs `{column}`");
            self.report(Severity::Error, None, (message, Some(hint)));
        }
        if !self.schema.facts.iter().any(|(code, value)| code == "stamp" && *value != Value::Null) {
            let message = "there is no unique column for Renkei's stamp: after a crash a create may have to be looked for by its match keys";
            let hint = "make one there, under the name that the system's settings give it";
            self.report(Severity::Warning, None, (message.to_owned(), Some(hint.to_owned())));
        }
    }
}

/// Returns whether values of a live kind can be read and written as a field of this kind without a
/// converter.
fn fits(kind: &FieldKind, live: &str) -> bool {
    match kind {
        FieldKind::Text => matches!(live, "text" | "choice"),
        FieldKind::Mail | FieldKind::Phone => live == "text",
        FieldKind::Integer | FieldKind::Decimal => matches!(live, "integer" | "decimal"),
        FieldKind::Boolean => live == "boolean",
        FieldKind::Date => matches!(live, "date" | "timestamp"),
        FieldKind::Timestamp => live == "timestamp",
        FieldKind::Choice => matches!(live, "choice" | "text"),
        FieldKind::Choices => live == "choices",
        FieldKind::Reference { .. } => matches!(live, "reference" | "references"),
    }
}

/// The live column whose name is most like the mistyped one.
fn nearest(column: &str, fields: &[SchemaField]) -> String {
    let likeness = |field: &&SchemaField| strsim::jaro_winkler(&field.name, column);
    let nearest = fields.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    nearest.map(|field| field.name.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `RULES.md R19`.
    #[test]
    fn a_clock_that_is_far_off_is_named() {
        assert!(clock_off("crm", 600_000).is_none() && clock_off("crm", -600_000).is_none());
        let said = |ahead_ms| clock_off("crm", ahead_ms).unwrap().to_string();
        assert!(said(7_200_000).contains("its clock is 2 h ahead of this host's"));
        assert!(said(-660_000).contains("its clock is 11 min behind this host's"));
    }

    fn check(kind: &FieldKind, live: &str, expected: bool) {
        assert_eq!(fits(kind, live), expected, "{kind:?} {live}");
    }

    #[test]
    fn number_column_does_not_fit_a_text_field() {
        check(&FieldKind::Text, "decimal", false);
        check(&FieldKind::Decimal, "text", false);
        check(&FieldKind::Integer, "decimal", true);
        check(&FieldKind::Date, "timestamp", true);
        check(&FieldKind::Timestamp, "date", false);
        check(&FieldKind::Boolean, "choice", false);
    }
}
