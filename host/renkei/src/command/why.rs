//! `renkei why`: why a value was or was not written, from the database alone. Works while a host
//! serves.

use std::collections::BTreeSet;

use renkei_sync::answers::why::{WhySubject, why};
use renkei_sync::model::spec::{EntitySpec, Spec};
use renkei_sync::model::state::{LinkId, RecordKey};
use renkei_sync::store::codec::Layouts;

use crate::cli::WhyArgs;
use crate::config::Config;
use crate::database::{self, Access};
use crate::failure::Failure;
use crate::host;
use crate::output::Output;

/// Exit code 2 when nothing is known of the record.
pub(crate) async fn run(args: &WhyArgs, output: Output) -> Result<(), Failure> {
    let dir = &args.dir.dir;
    let (subject, entity) = parse(&args.record)?;
    let config = Config::read(dir).map_err(Failure::usage)?;
    let runtime = host::plugins(dir, Access::Look).await?;
    let spec = host::spec(&config, &runtime)?;
    let field = match &args.field {
        Some(field) => Some(field_of(&spec, &subject, entity.as_deref(), field)?),
        None => None,
    };
    let store = database::open(dir, &config.data, Layouts::from_spec(&spec), Access::Look)?;
    let answer = why(&store, &spec, &subject, field).await;
    let answer = answer
        .map_err(Failure::store)?
        .filter(|answer| entity.as_ref().is_none_or(|entity| *entity == answer.entity));
    let answer = answer.ok_or_else(|| {
        Failure::usage(format!(
            "nothing is known of {}; `renkei status --dir {}` shows what is linked",
            args.record,
            dir.display()
        ))
    })?;
    output.result(&answer, || answer.to_string())?;
    Ok(())
}

/// `entity/link` or `system.object/id`; the entity where it was named.
fn parse(text: &str) -> Result<(WhySubject, Option<String>), Failure> {
    let malformed = || {
        Failure::usage(format!(
            "`{text}`: expected entity/number such as person/12, or system.object/id such as hubspot.contacts/501"
        ))
    };
    if let Ok(record) = parse_record(text) {
        return Ok((WhySubject::Record(record), None));
    }
    let (entity, link) = text.split_once('/').ok_or_else(malformed)?;
    let link = link.parse().map_err(|_| malformed())?;
    Ok((WhySubject::Link(LinkId(link)), Some(entity.to_owned())))
}

/// `system.object/id`.
pub(crate) fn parse_record(text: &str) -> Result<RecordKey, Failure> {
    let parts = text.split_once('/').and_then(|(place, id)| Some((place.split_once('.')?, id)));
    let ((system, object), id) = parts.ok_or_else(|| {
        Failure::usage(format!("`{text}`: expected system.object/id such as hubspot.contacts/501"))
    })?;
    let (system, object, id) = (system.to_owned(), object.to_owned(), id.to_owned());
    Ok(RecordKey { system, object, id })
}

/// The field of the entities in question that is named so, or that alone is kept in a column of
/// that name.
fn field_of<'a>(
    spec: &'a Spec,
    subject: &WhySubject,
    entity: Option<&str>,
    name: &str,
) -> Result<&'a str, Failure> {
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
    let kept: BTreeSet<&str> = entities.iter().flat_map(|one| in_column(one, name)).collect();
    let mut kept = kept.into_iter();
    if let (Some(field), None) = (kept.next(), kept.next()) {
        return Ok(field);
    }
    let fields: Vec<&str> = fields.into_iter().collect();
    Err(Failure::usage(format!("there is no field `{name}`; there are {}", fields.join(", "))))
}

/// The fields that members keep in this column, several where a transform makes them of it.
fn in_column<'a>(entity: &'a EntitySpec, column: &str) -> Vec<&'a str> {
    let groups = entity.members.iter().flat_map(|member| &member.groups);
    let groups = groups.filter(|group| group.columns.iter().any(|one| one == column));
    let fields = groups.flat_map(|group| &group.fields);
    fields.filter_map(|index| Some(entity.fields.get(index.0)?.name.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<WhySubject>) {
        assert_eq!(parse(text).ok().map(|(subject, _)| subject), expected, "{text}");
    }

    #[test]
    fn links_and_records_are_told_apart() {
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
