//! The specification fitted to what the live systems say: which records can be merged, and which
//! fields are paused.
//!
//! A mapping that has served and no longer fits has not been mistyped: the system has changed, by a
//! property that vanished or an option that was renamed. Its field is paused in that member, in
//! both directions, and all else goes on (`host/sync/RULES.md` V13). A mapping that is new or was
//! changed is refused, so that a typing mistake costs one error.

use std::collections::BTreeMap;

use renkei_model::ports::Clock as _;
use renkei_model::spec::FieldIndex;
use renkei_model::state::{ReviewSubject, Stream};
use renkei_model::store::port::Store as _;
use renkei_model::value::Value;
use renkei_sync::answers::standstill;

use crate::command_error::CommandError;
use crate::host::{Host, Preflight};
use crate::preflight::{Finding, FindingScope, Severity, Standstill};

/// Refuses a configuration that does not fit, and fits the specification to the live systems. What
/// does not answer is not refused here: its cycle fails and the others' work goes on.
pub(crate) async fn require_fit(host: &mut Host) -> Result<(), CommandError> {
    let preflight = host.preflight().await;
    require_fit_of(host, &preflight).await
}

/// As [`require_fit`], of what the live systems have said.
pub(crate) async fn require_fit_of(
    host: &mut Host,
    preflight: &Preflight,
) -> Result<(), CommandError> {
    let errors = fit(host, preflight).await?;
    if errors.is_empty() {
        return Ok(());
    }
    let errors = errors.join("\n  ");
    let error =
        CommandError::usage(format!("the configuration does not fit the systems:\n  {errors}"));
    Err(error.hint("`renkei check` says more"))
}

/// Fits the specification; returns the errors that refuse it.
async fn fit(host: &mut Host, preflight: &Preflight) -> Result<Vec<String>, CommandError> {
    let mut errors = Vec::new();
    let mut stopped: Vec<(Standstill, String)> = Vec::new();
    let found = preflight.findings.iter().filter(|one| one.severity == Severity::Error);
    for finding in found {
        match &finding.stops {
            FindingScope::Object => log_object(finding),
            FindingScope::Field(still) => match has_served(host, still).await? {
                true => stopped.push((still.clone(), finding.message.clone())),
                false => errors.extend(finding.lines()),
            },
            FindingScope::Everything => errors.extend(finding.lines()),
        }
    }
    if errors.is_empty() {
        stop(host, &stopped);
        record(host, stopped).await?;
        note_merges(host, preflight);
    }
    Ok(errors)
}

fn log_object(finding: &Finding) {
    let Finding { place, member, message, .. } = finding;
    tracing::error!(entity = place, object = member, "{message}; its records wait");
}

/// Returns whether the member was read with this mapping before.
async fn has_served(host: &Host, still: &Standstill) -> Result<bool, CommandError> {
    let (system, object) = (still.system.clone(), still.object.clone());
    let cursor =
        host.store.cursor(&Stream { system, object }).await.map_err(CommandError::database)?;
    let entity = host.spec.entity(&still.entity);
    let member = entity.and_then(|entity| entity.member(&still.system, &still.object));
    Ok(cursor.zip(member).is_some_and(|(cursor, (_, member))| member.has_served(&cursor.digest)))
}

fn stop(host: &mut Host, stopped: &[(Standstill, String)]) {
    let mut columns: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for (still, _) in stopped {
        let mine = columns.entry((still.system.clone(), still.object.clone())).or_default();
        mine.push(still.column.clone());
    }
    let keys: BTreeMap<String, Vec<FieldIndex>> = host
        .spec
        .entities()
        .iter()
        .map(|entity| {
            let fields = entity.match_keys.iter().flat_map(|key| key.fields.iter().copied());
            (entity.name.clone(), fields.collect())
        })
        .collect();
    for (entity, member) in host.spec.members_mut() {
        if let Some(columns) = columns.get_mut(&(member.system.clone(), member.object.clone())) {
            columns.sort_unstable();
            columns.dedup();
            member.stop_columns(columns, keys.get(entity).map_or(&[], Vec::as_slice));
        }
    }
}

/// Shows people which fields are paused: in the log now, in `status` as long as it lasts.
async fn record(host: &Host, stopped: Vec<(Standstill, String)>) -> Result<(), CommandError> {
    let mut questions = Vec::new();
    for (Standstill { entity, field, system, object, column }, missing) in stopped {
        tracing::warn!(entity, field, system, object, column, "the field is paused: {missing}");
        questions.push((entity, ReviewSubject::Stopped { field, system, object, missing }));
    }
    let now_ms = host.clock.now_ms();
    standstill::record(host.store.as_ref(), &questions, now_ms)
        .await
        .map_err(CommandError::database)
}

/// Notes what the connectors can merge: nothing else is offered to a person
/// (`host/sync/RULES.md` V15).
fn note_merges(host: &mut Host, preflight: &Preflight) {
    for (_, member) in host.spec.members_mut() {
        let key = (member.system.clone(), member.object.clone());
        let facts = preflight.schemas.get(&key).map(|schema| &schema.facts);
        let mut facts = facts.into_iter().flatten();
        member.mergeable =
            facts.any(|(code, value)| code == "mergeable" && *value == Value::Boolean(true));
    }
}
