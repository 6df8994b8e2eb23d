//! `renkei why`: why a value was or was not written, from the database alone. Works while a host
//! serves.

use renkei_sync::codec::Layouts;
use renkei_sync::state::{LinkId, RecordKey};
use renkei_sync::why::{Subject, why};

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
    let runtime = host::plugins(dir).await?;
    let spec = host::spec(&config, &runtime)?;
    if let Some(field) = &args.field {
        require_field(&spec, entity.as_deref(), field)?;
    }
    let store = database::open(dir, &config.data, Layouts::of(&spec), Access::Look)?;
    let answer = why(&store, &spec, &subject, args.field.as_deref()).await;
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
fn parse(text: &str) -> Result<(Subject, Option<String>), Failure> {
    let malformed = || {
        Failure::usage(format!(
            "`{text}`: expected entity/number such as person/12, or system.object/id such as hubspot.contacts/501"
        ))
    };
    if let Ok(record) = parse_record(text) {
        return Ok((Subject::Record(record), None));
    }
    let (entity, link) = text.split_once('/').ok_or_else(malformed)?;
    let link = link.parse().map_err(|_| malformed())?;
    Ok((Subject::Link(LinkId(link)), Some(entity.to_owned())))
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

fn require_field(
    spec: &renkei_sync::spec::Spec,
    entity: Option<&str>,
    field: &str,
) -> Result<(), Failure> {
    let entities =
        spec.entities().iter().filter(|one| entity.is_none_or(|entity| one.name == entity));
    let fields: Vec<&str> =
        entities.flat_map(|entity| &entity.fields).map(|field| field.name.as_str()).collect();
    if fields.contains(&field) {
        return Ok(());
    }
    Err(Failure::usage(format!("there is no field `{field}`; there are {}", fields.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Subject>) {
        assert_eq!(parse(text).ok().map(|(subject, _)| subject), expected, "{text}");
    }

    #[test]
    fn links_and_records_are_told_apart() {
        let (system, object) = ("salesforce".to_owned(), "Contact".to_owned());
        check("person/12", Some(Subject::Link(LinkId(12))));
        check(
            "salesforce.Contact/003A",
            Some(Subject::Record(RecordKey { system, object, id: "003A".to_owned() })),
        );
        check("person", None);
        check("person/twelve", None);
    }
}
