//! `discover`: each object is an app, its fields those of the app's form.

use crate::bindings::exports::renkei::plugin::connector::{Field, Schema};
use crate::bindings::renkei::plugin::types::{Error, Value};
use crate::client::Job;
use crate::client::form::{FieldKind, Form, FormField, STAMP};

/// The live schema of these objects, in order.
///
/// # Errors
/// `not-found` for an object without an app.
pub(crate) fn discover(job: &Job, objects: &[String]) -> Result<Vec<Schema>, Error> {
    objects
        .iter()
        .map(|object| {
            let app = job.config.app(object)?;
            Ok(make_schema(object, &*job.form(app)?))
        })
        .collect()
}

fn make_schema(object: &str, form: &Form) -> Schema {
    let mut facts = vec![
        ("creatable".to_owned(), Value::Boolean(true)),
        // An archived record is deleted for good (K-write-5).
        ("archivable".to_owned(), Value::Boolean(true)),
    ];
    if form.has_stamp() {
        facts.push(("stamp".to_owned(), Value::Text(STAMP.to_owned())));
    }
    let fields = form.fields.iter().map(make_field).collect();
    let (object, label) = (object.to_owned(), object.to_owned());
    Schema { object, label, fields, memo: None, facts }
}

fn make_field(field: &FormField) -> Field {
    // Seconds are dropped (K-value-3).
    let is_moment = field.kind.name() == "timestamp";
    let minute = || ("resolution".to_owned(), Value::Text("minute".to_owned()));
    let facts = is_moment.then(minute).into_iter();
    let choices = field.choices.iter().map(|name| (name.clone(), name.clone()));
    Field {
        name: field.code.clone(),
        label: field.label.clone(),
        kind: field.kind.name().to_owned(),
        readable: true,
        creatable: field.writable,
        updatable: field.writable,
        required: field.required,
        unique: field.unique,
        nullable: !field.required && field.kind != FieldKind::Radio,
        max_length: field.max_length,
        choices: choices.collect(),
        targets: Vec::new(),
        facts: facts.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, make_schema};
    use crate::client::form::tests::form;

    #[test]
    fn schema_names_the_stamp_and_what_is_read_only() {
        let schema = make_schema("customers", &form());
        let stamp = ("stamp".to_owned(), Value::Text("renkei_key".to_owned()));
        assert!(schema.facts.contains(&stamp));
        let field = |name| schema.fields.iter().find(|field| field.name == name).unwrap();
        assert!(!field("更新日時").updatable && field("更新日時").readable);
        assert!(field("mail").unique && field("mail").creatable);
        assert!(!field("degree").nullable);
        assert_eq!(field("tags").kind, "choices");
        let minute = ("resolution".to_owned(), Value::Text("minute".to_owned()));
        assert_eq!(field("更新日時").facts, [minute]);
    }
}
