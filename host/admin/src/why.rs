//! The reason why a value was or was not written, from the database alone.

use std::collections::BTreeSet;

use renkei_model::spec::{EntitySpec, Spec};
use renkei_model::state::{LinkId, RecordKey};
use renkei_model::store::port::Store;
use renkei_sync::answers::why::{Explanation, WhySubject, why};
use serde::{Deserialize, Serialize};

use crate::error::RequestError;

/// A record or a link, and a field of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WhyQuery {
    /// `entity/link` such as `person/12`, or `system.object/id` of a record.
    pub record: String,
    /// A field by its name in the mapping or by its column in a system; without, all fields.
    pub field: Option<String>,
}

impl WhyQuery {
    /// Refuses a query whose record cannot be one.
    ///
    /// # Errors
    /// The text names neither a link nor a record.
    pub fn check(&self) -> Result<(), RequestError> {
        parse_subject(&self.record).map(drop)
    }
}

/// Explains a record or a link.
///
/// # Errors
/// The query is malformed, the field is unknown, or nothing is known of the record.
pub async fn explain(
    store: &dyn Store,
    spec: &Spec,
    query: &WhyQuery,
) -> Result<Explanation, RequestError> {
    let (subject, entity) = parse_subject(&query.record)?;
    let field = query.field.as_deref();
    let field = field.map(|field| find_field(spec, &subject, entity.as_deref(), field));
    let answer = why(store, spec, &subject, field.transpose()?).await?;
    let answer =
        answer.filter(|answer| entity.as_ref().is_none_or(|entity| *entity == answer.entity));
    answer.ok_or_else(|| RequestError::UnknownRecord(query.record.clone()))
}

/// Parses `entity/link` or `system.object/id`; returns the entity where it was named.
fn parse_subject(text: &str) -> Result<(WhySubject, Option<String>), RequestError> {
    let malformed = || RequestError::NoSubject(text.to_owned());
    if let Ok(record) = parse_record(text) {
        return Ok((WhySubject::Record(record), None));
    }
    let (entity, link) = text.split_once('/').ok_or_else(malformed)?;
    let link = link.parse().map_err(|_| malformed())?;
    Ok((WhySubject::Link(LinkId(link)), Some(entity.to_owned())))
}

/// Parses `system.object/id`.
///
/// # Errors
/// The text has another form.
pub fn parse_record(text: &str) -> Result<RecordKey, RequestError> {
    let parts = text.split_once('/').and_then(|(place, id)| Some((place.split_once('.')?, id)));
    let ((system, object), id) = parts.ok_or_else(|| RequestError::NoRecord(text.to_owned()))?;
    let (system, object, id) = (system.to_owned(), object.to_owned(), id.to_owned());
    Ok(RecordKey { system, object, id })
}

/// The field of the entities in question that is named so, or that alone is kept in a column of
/// that name.
fn find_field<'a>(
    spec: &'a Spec,
    subject: &WhySubject,
    entity: Option<&str>,
    name: &str,
) -> Result<&'a str, RequestError> {
    let is_asked = |one: &&EntitySpec| match (subject, entity) {
        (WhySubject::Record(key), _) => one.member(&key.system, &key.object).is_some(),
        (_, entity) => entity.is_none_or(|entity| one.name == entity),
    };
    let entities: Vec<&EntitySpec> = spec.entities().iter().filter(is_asked).collect();
    let fields: BTreeSet<&str> =
        entities.iter().flat_map(|one| &one.fields).map(|field| field.name.as_str()).collect();
    if let Some(field) = fields.get(name) {
        return Ok(field);
    }
    let kept: BTreeSet<&str> =
        entities.iter().flat_map(|one| fields_in_column(one, name)).collect();
    let mut kept = kept.into_iter();
    if let (Some(field), None) = (kept.next(), kept.next()) {
        return Ok(field);
    }
    let fields = fields.into_iter().map(str::to_owned).collect();
    Err(RequestError::UnknownField { name: name.to_owned(), fields })
}

/// The fields that members keep in this column, several where a transform makes them of it.
fn fields_in_column<'a>(entity: &'a EntitySpec, column: &str) -> Vec<&'a str> {
    let groups = entity.members.iter().flat_map(|member| &member.groups);
    let groups = groups.filter(|group| group.columns.iter().any(|one| one == column));
    let fields = groups.flat_map(|group| &group.fields);
    fields.filter_map(|index| Some(entity.fields.get(index.0)?.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<WhySubject>) {
        assert_eq!(parse_subject(text).ok().map(|(subject, _)| subject), expected, "{text}");
    }

    #[test]
    fn subject_is_parsed_as_a_link_or_a_record() {
        let (system, object) = ("salesforce".to_owned(), "Contact".to_owned());
        check("person/12", Some(WhySubject::Link(LinkId(12))));
        check(
            "salesforce.Contact/003A",
            Some(WhySubject::Record(RecordKey { system, object, id: "003A".to_owned() })),
        );
        check("person", None);
        check("person/twelve", None);
    }
}
