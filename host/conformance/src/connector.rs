//! Checks of a connector against a simulator: reading, writing, and trouble.
//!
//! Each scan and each write opens a job of its own, as a host that was restarted in between would.
//! Records that the kit makes begin with `Renkei kit`; it archives them where the object allows it.

mod fields;
mod reading;
mod trouble;
mod writing;

pub use fields::{Chosen, choose};

use std::collections::BTreeSet;

use renkei_package::{ConnectorManifest, Object};
use renkei_sync::model::plugin::{PluginError, Schema};
use renkei_sync::model::record::{Page, PageRequest, Scan};
use renkei_sync::model::value::Value;
use renkei_sync::ports::{Clock, Connector, Systems};

use crate::report::{Outcome, Report, Stop, none_of};
use crate::rules;
use crate::simulator_control::Control;

/// A scan with more pages does not end.
const PAGES_MAX: usize = 2_000;
/// Kinds of fields that the contract has.
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

/// A connector, the system that it is tried on, and what the kit knows of that system.
#[derive(Clone, Copy)]
pub struct Trial<'a> {
    /// Opens jobs.
    pub systems: &'a dyn Systems,
    /// The same plugin under small limits, if it starts there; the error says why not.
    pub small: Result<&'a dyn Systems, &'a str>,
    /// The system's name there.
    pub system: &'a str,
    /// The same system with credentials that are no good, if it has any.
    pub refused: Option<&'a str>,
    /// What the connector says of itself.
    pub manifest: &'a ConnectorManifest,
    /// The simulator's other side.
    pub control: &'a dyn Control,
    /// The clock that simulator and host share.
    pub clock: &'a dyn Clock,
    /// Unique for this run: the beginning of every intent.
    pub run: &'a str,
    /// Longer waits for a quota are not waited out, ms of the clock.
    pub patience_ms: u64,
}

impl Trial<'_> {
    /// Runs all checks into the report; `step` is told what is tried now.
    pub async fn check(&self, report: &mut Report, step: &mut dyn FnMut(&str)) {
        step("account");
        let account = self.account().await;
        let works = account.is_ok();
        report.add(&rules::ACCOUNT, "", account);
        if !works {
            let reason = "`account` failed, so nothing else can be tried";
            return report.add(&rules::SCHEMA, "", Err(Stop::not_applicable(reason)));
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
        object: &Object,
        schema: &Schema,
        report: &mut Report,
        step: &mut dyn FnMut(&str),
    ) {
        let name = &object.name;
        step(&format!("reading {name}"));
        let since = reading::Reading { trial: self, object, schema }.check(report).await;
        step(&format!("writing {name}"));
        writing::check(self, object, schema, since, report).await;
    }

    async fn account(&self) -> Outcome {
        let account = self.open().await?.check().await?;
        if account.id.is_empty() {
            return Err(Stop::failed("the account has no id"));
        }
        Ok(format!("account {}", account.id))
    }

    async fn unknown_object(&self) -> Outcome {
        let unknown = ["renkei_kit_no_such_object".to_owned()];
        match self.open().await?.discover(&unknown).await {
            Err(PluginError::NotFound { .. }) => Ok("an unknown object is not found".to_owned()),
            Err(error) => {
                Err(Stop::failed(format!("an unknown object is not `not-found`: {error}")))
            }
            Ok(_) => Err(Stop::failed("an unknown object has a schema")),
        }
    }

    async fn schema(&self, object: &str) -> Result<Schema, Stop> {
        let found = match self.open().await?.discover(&[object.to_owned()]).await {
            Ok(found) => found,
            Err(PluginError::NotFound { .. } | PluginError::Forbidden { .. }) => {
                return Err(Stop::not_applicable("the simulator does not have this object"));
            }
            Err(error) => return Err(error.into()),
        };
        let schema = found.into_iter().find(|schema| schema.object == object);
        schema.ok_or_else(|| Stop::failed("no schema of the object asked for"))
    }

    pub(crate) async fn open(&self) -> Result<Box<dyn Connector>, PluginError> {
        self.systems.open(self.system).await
    }

    /// All pages of a scan from a cursor, read by one fresh job.
    pub(crate) async fn scan(&self, wanted: PageRequest) -> Result<Vec<Page>, Stop> {
        let job = self.open().await?;
        let mut wanted = wanted;
        let mut pages = Vec::new();
        while pages.len() < PAGES_MAX {
            let page = job.read_page(&wanted).await?;
            let more = page.more;
            let wait = page.facts.iter().find(|(code, _)| code == "wait-ms");
            if let Some((_, Value::Integer(ms))) = wait {
                self.clock.sleep_ms(ms.unsigned_abs()).await;
            }
            wanted.cursor = Some(page.cursor.clone());
            pages.push(page);
            if !more {
                return Ok(pages);
            }
        }
        Err(Stop::failed(format!("the scan does not end within {PAGES_MAX} pages")))
    }
}

/// What to ask for a page.
pub(crate) fn page_request(
    object: &str,
    scan: Scan,
    columns: &[String],
    limit: u32,
) -> PageRequest {
    PageRequest {
        object: object.to_owned(),
        columns: columns.to_vec(),
        scan,
        cursor: None,
        filter: Vec::new(),
        limit,
        options: Vec::new(),
    }
}

/// The ids of the rows of pages, in their order.
pub(crate) fn ids(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| &page.batch.rows).map(|row| row.id.clone()).collect()
}

/// Whether a schema can be used.
fn judge(schema: &Schema) -> Outcome {
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
