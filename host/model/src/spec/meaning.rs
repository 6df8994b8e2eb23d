//! The meaning of a member's values per field: everything that decides how columns become them. A
//! change of it voids the stored state of the field there (RULES.md V13).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::{EntitySpec, FieldKind, FieldSpec, MappingGroup, MemberSpec, Via};
use crate::review::digest;

/// Digests of the meaning of a field's values, by the field's name. Two names that no field has
/// hold the members of the entity in which records are made, and the entity.
pub type Meanings = BTreeMap<String, String>;

/// The entry that lists the members in which records are made, one a line.
const CREATE: &str = "";

/// The entry that holds the name of the entity.
const ENTITY: &str = "=entity";

/// The records were those of another entity before. Databases from before this entry do not know.
pub fn is_of_another_entity(before: &Meanings, now: &Meanings) -> bool {
    before.get(ENTITY).is_some_and(|before| now.get(ENTITY) != Some(before))
}

/// Records are made now in a member in which none were made before. Links without a record there
/// lack it, although no reading shows them. Databases from before this entry list no members.
pub fn makes_more(before: &Meanings, now: &Meanings) -> bool {
    let makes = |meanings: &Meanings| -> BTreeSet<String> {
        meanings.get(CREATE).into_iter().flat_map(|all| all.lines().map(str::to_owned)).collect()
    };
    !makes(now).is_subset(&makes(before))
}

impl MemberSpec {
    /// The meaning of each mapped field, and the members of the entity that make records. A field
    /// whose time zone is not known now is left out.
    pub fn meanings(&self, entity: &EntitySpec) -> Meanings {
        let makes = entity.members.iter().filter(|member| member.create);
        let mut makes: Vec<String> =
            makes.map(|member| format!("{}.{}", member.system, member.object)).collect();
        makes.sort_unstable();
        let create = (CREATE.to_owned(), makes.join("\n"));
        let own = (ENTITY.to_owned(), entity.name.clone());
        let fields = self.groups.iter().flat_map(|group| {
            let kept = group.fields.iter().map(|index| &entity[*index]);
            kept.filter_map(|field| {
                let meaning = self.meaning(entity, group, field)?;
                Some((field.name.clone(), digest(&[&meaning.to_string()])))
            })
        });
        [create, own].into_iter().chain(fields).collect()
    }

    fn meaning(
        &self,
        entity: &EntitySpec,
        group: &MappingGroup,
        field: &FieldSpec,
    ) -> Option<Json> {
        let names = group.fields.iter().map(|index| &entity[*index]);
        let names: Vec<&str> = names.map(|field| field.name.as_str()).collect();
        let via = match &group.via {
            Via::Direct => json!("direct"),
            Via::Table(table) => json!(table.read),
            Via::Transform(via) => {
                let function = &via.function;
                json!([
                    function.plugin,
                    function.function,
                    function.parameters,
                    function.input,
                    function.output,
                    format!("{:?}", via.orientation)
                ])
            }
        };
        let zone = match field.kind {
            FieldKind::Date => json!(self.zone_of(group)?),
            _ => Json::Null,
        };
        let kind = match &field.kind {
            FieldKind::Reference { entity, many } => json!([entity, many]),
            kind => json!(kind.word()),
        };
        let fillers = &group.rules.fillers;
        Some(json!([kind, names, group.columns, via, group.target, fillers, zone]))
    }

    /// The time zone of the days in these columns; empty where they hold no moments, `None` while
    /// that is not known.
    fn zone_of(&self, group: &MappingGroup) -> Option<String> {
        if !self.days.is_known() {
            return None;
        }
        let is_moment = group.columns.iter().any(|column| self.days.is_moment(column));
        if !is_moment {
            return Some(String::new());
        }
        self.days.zone()?.iana_name().map(str::to_owned)
    }
}

impl FieldKind {
    /// The configuration's word for the kind, which never changes: it stands in digests. All
    /// references are `reference`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Mail => "mail",
            Self::Phone => "phone",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Choice => "choice",
            Self::Choices => "choices",
            Self::Reference { .. } => "reference",
        }
    }
}
