//! Checks of a connector against a simulator: reading, writing, and refusals.
//!
//! Each scan and each write opens a job of its own, as if the host had been restarted in between.
//! The records of the kit begin with `Renkei kit`; it archives them where the object allows that.

mod fields;
mod reading;
mod refusals;
mod requests;
mod trial;
mod writing;

pub use fields::{ChosenFields, choose_fields};
pub use trial::ConnectorTrial;

use std::collections::BTreeSet;

use renkei_model::plugin::{PluginError, Schema};
use renkei_package::ManifestObject;

use crate::report::{CheckResult, ConformanceReport, NotPassed, none_of};
use crate::rules;

/// The kinds of fields in the contract.
const KINDS: [&str; 10] = [
    "boolean",
    "integer",
    "decimal",
    "text",
    "date",
    "timestamp",
    "choice",
    "choices",
    "reference",
    "references",
];

impl ConnectorTrial<'_> {
    /// Runs all checks into the report; `step` gets the name of the current step.
    pub async fn check(&self, report: &mut ConformanceReport, step: &mut dyn FnMut(&str)) {
        step("account");
        let account = self.account().await;
        let works = account.is_ok();
        report.add(&rules::ACCOUNT, "", account);
        if !works {
            let reason = "`account` failed, so nothing else can be tried";
            return report.add(&rules::SCHEMA, "", Err(NotPassed::not_applicable(reason)));
        }
        step("schema");
        report.add(&rules::SCHEMA, "", self.unknown_object().await);
        for object in &self.manifest.objects {
            match self.schema(&object.name).await {
                Err(stop) => report.add(&rules::SCHEMA, &object.name, Err(stop)),
                Ok(schema) => {
                    report.add(&rules::SCHEMA, &object.name, judge(&schema));
                    self.object(object, &schema, report, step).await;
                }
            }
        }
        step("refused credentials");
        report.add(&rules::REFUSED, "", self.refused_credentials().await);
        step("small limits");
        report.add(&rules::LIMITS, "", self.small_limits().await);
        step("quota");
        report.add(&rules::QUOTA, "", self.quota().await);
    }

    async fn object(
        &self,
        object: &ManifestObject,
        schema: &Schema,
        report: &mut ConformanceReport,
        step: &mut dyn FnMut(&str),
    ) {
        let name = &object.name;
        step(&format!("reading {name}"));
        let since = reading::ReadChecks { trial: self, object, schema }.check(report).await;
        step(&format!("writing {name}"));
        writing::check(self, object, schema, since, report).await;
    }

    async fn account(&self) -> CheckResult {
        let account = self.open().await?.check().await?;
        if account.id.is_empty() {
            return Err(NotPassed::failed("the account has no id"));
        }
        Ok(format!("account {}", account.id))
    }

    async fn unknown_object(&self) -> CheckResult {
        let unknown = ["renkei_kit_no_such_object".to_owned()];
        match self.open().await?.discover(&unknown).await {
            Err(PluginError::NotFound { .. }) => Ok("an unknown object is not found".to_owned()),
            Err(error) => {
                Err(NotPassed::failed(format!("an unknown object is not `not-found`: {error}")))
            }
            Ok(_) => Err(NotPassed::failed("an unknown object has a schema")),
        }
    }
}

/// Accepts a schema that can be used.
fn judge(schema: &Schema) -> CheckResult {
    let mut found = Vec::new();
    let mut names = BTreeSet::new();
    for field in &schema.fields {
        let name = &field.name;
        if name.is_empty() || !names.insert(name) {
            found.push(format!("field {name:?} is there twice or has no name"));
        }
        if !KINDS.contains(&field.kind.as_str()) {
            found.push(format!("field {name} is of the unknown kind {:?}", field.kind));
        }
        if matches!(field.kind.as_str(), "reference" | "references") && field.targets.is_empty() {
            found.push(format!("field {name} refers to nothing: `targets` is empty"));
        }
    }
    if !schema.fields.iter().any(|field| field.readable) {
        found.push("no field can be read".to_owned());
    }
    if let Some((_, stamp)) = schema.facts.iter().find(|(code, _)| code == "stamp") {
        let named = schema.fields.iter().find(|field| stamp.as_text() == Some(&field.name));
        if !named.is_some_and(|field| field.unique && field.creatable && field.kind == "text") {
            found
                .push("the fact `stamp` names no unique text field that can be created".to_owned());
        }
    }
    none_of(found, format!("{} fields", schema.fields.len()))
}
