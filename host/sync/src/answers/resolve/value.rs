//! Parses a value that a person gives for a field, and refuses one that cannot be written
//! (`RULES.md` V15).

use smol_str::ToSmolStr as _;

use super::ResolveError;
use crate::plan::references::is_many;
use renkei_model::canonical::{composed, fit, plain_text};
use renkei_model::spec::{Clear, EntitySpec, FieldIndex, FieldKind, FieldSpec, MemberSpec, Spec};
use renkei_model::state::{
    LinkId, LinkStatus, RecordKey, RecordStatus, Review, ReviewChoice, ReviewSubject,
};
use renkei_model::store::port::{Store, StoreError};
use renkei_model::value::{SmolStr, Value};

/// Parses text for the field that a review is about. A list of choices has `;` between its items; a
/// reference is a record as `SYSTEM.OBJECT/ID` or a link as `why` shows it.
///
/// # Errors
/// It is no value of the field.
pub async fn parse_given_value(
    store: &dyn Store,
    spec: &Spec,
    review: &Review,
    text: &str,
) -> Result<Value, ResolveError> {
    let Some((_, _, field)) = field_of(spec, review) else {
        return Err(ResolveError::NoField(review.id.clone()));
    };
    if text.trim().is_empty() {
        return Err(ResolveError::Empty(field.name.clone()));
    }
    let typed = match &field.kind {
        FieldKind::Reference { .. } => {
            return ReferenceTarget::new(spec, field).links(store, text).await;
        }
        FieldKind::Choices => {
            Value::Choices(text.split(';').map(|one| one.trim().into()).collect())
        }
        _ => text.into(),
    };
    let misfit = || ResolveError::Misfit { field: field.name.clone(), value: text.to_owned() };
    match fit(&field.kind, Some(typed), None) {
        Ok(Some(Value::Null)) => Err(ResolveError::Empty(field.name.clone())),
        Ok(Some(value)) => Ok(value),
        Ok(None) | Err(_) => Err(misfit()),
    }
}

/// Checks that every table has the value and that a reference points at a live record. A value that
/// a system holds is taken as it is.
pub(super) async fn check(
    store: &dyn Store,
    spec: &Spec,
    review: &Review,
    choice: &ReviewChoice,
) -> Result<(), ResolveError> {
    let ReviewChoice::Value(Some(value)) = choice else { return Ok(()) };
    let Some((entity, index, field)) = field_of(spec, review) else { return Ok(()) };
    if *value == Value::Null {
        return emptied(entity, index, field);
    }
    if is_held(&review.subject, value) {
        return Ok(());
    }
    if matches!(field.kind, FieldKind::Reference { .. }) {
        return ReferenceTarget::new(spec, field).check(store, value).await;
    }
    let Some(possible) = entity.writable_values(index) else { return Ok(()) };
    let items: Vec<String> = match value {
        Value::Choices(items) => items.iter().map(|item| composed(item)).collect(),
        other => plain_text(other).filter(|text| !text.is_empty()).into_iter().collect(),
    };
    match items.into_iter().find(|item| !possible.contains(item.as_str())) {
        None => Ok(()),
        Some(strange) => Err(ResolveError::Strange {
            field: field.name.clone(),
            value: strange,
            possible: possible.into_iter().collect::<Vec<_>>().join(", "),
        }),
    }
}

/// Checks that a person may empty a field. Consent is taken back by its value only; a field that a
/// system requires is not emptied.
fn emptied(entity: &EntitySpec, index: FieldIndex, field: &FieldSpec) -> Result<(), ResolveError> {
    if field.winner.opted_out().is_some() {
        return Err(ResolveError::Consent(field.name.clone()));
    }
    if field.clear == Clear::Ignore {
        return Err(ResolveError::NeverEmptied(field.name.clone()));
    }
    let insists = |member: &&MemberSpec| {
        let group = member.group_of(index);
        group.is_some_and(|group| group.required && group.direction.writes())
    };
    match entity.members.iter().find(insists) {
        None => Ok(()),
        Some(member) => Err(ResolveError::Insists {
            system: member.system.clone(),
            object: member.object.clone(),
            field: field.name.clone(),
        }),
    }
}

fn field_of<'a>(
    spec: &'a Spec,
    review: &Review,
) -> Option<(&'a EntitySpec, FieldIndex, &'a FieldSpec)> {
    let entity = spec.entity(&review.entity)?;
    let (index, field) = entity.field(review.field()?)?;
    Some((entity, index, field))
}

/// True where a system that is asked about holds the value.
fn is_held(subject: &ReviewSubject, value: &Value) -> bool {
    match subject {
        ReviewSubject::Conflict { values, .. } => {
            values.iter().any(|(_, held)| held.as_ref() == Some(value))
        }
        ReviewSubject::Oscillation { values, .. } => values.contains(&Some(value.clone())),
        ReviewSubject::Cleared { value: held, .. } => held.as_ref() == Some(value),
        _ => true,
    }
}

/// A reference field with the entity that it points at.
struct ReferenceTarget<'a> {
    field: &'a FieldSpec,
    /// The entity's name.
    target: &'a str,
    /// Nothing if the mapping has it no longer.
    entity: Option<&'a EntitySpec>,
}

impl<'a> ReferenceTarget<'a> {
    fn new(spec: &'a Spec, field: &'a FieldSpec) -> Self {
        let target = match &field.kind {
            FieldKind::Reference { entity, .. } => entity.as_str(),
            _ => "",
        };
        Self { field, target, entity: spec.entity(target) }
    }

    /// The links that a person named.
    async fn links(&self, store: &dyn Store, text: &str) -> Result<Value, ResolveError> {
        let items: Vec<&str> = match is_many(&self.field.kind) {
            true => text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect(),
            false => vec![text.trim()],
        };
        let mut links: Vec<SmolStr> = Vec::with_capacity(items.len());
        for item in items {
            let link = match numbered(item) {
                Some(link) => link,
                None => self.link_of(store, item).await?,
            };
            if let Some(why) = self.flaw(store, link).await? {
                return Err(self.pointless(item, why));
            }
            links.push(link.0.to_smolstr());
        }
        links.sort_unstable();
        links.dedup();
        match links.is_empty() {
            true => Err(ResolveError::Empty(self.field.name.clone())),
            false => Ok(Value::References(links)),
        }
    }

    /// The link of a record that a person named.
    async fn link_of(&self, store: &dyn Store, item: &str) -> Result<LinkId, ResolveError> {
        let target = self.target;
        let parts = item.split_once('/').and_then(|(place, id)| Some((place.split_once('.')?, id)));
        let Some(((system, object), id)) = parts else {
            return Err(self.pointless(item, "it names no record".to_owned()));
        };
        if self.entity.is_none_or(|entity| entity.member(system, object).is_none()) {
            return Err(self.pointless(item, format!("{system}.{object} is no {target}")));
        }
        let key =
            RecordKey { system: system.to_owned(), object: object.to_owned(), id: id.to_owned() };
        let keys = std::slice::from_ref(&key);
        if let Some((_, link)) = store.resolve(keys).await?.pop() {
            return Ok(link);
        }
        let why = match store.records(keys).await?.is_empty() {
            true => "no such record is known",
            false => "the record is not linked yet",
        };
        Err(self.pointless(item, why.to_owned()))
    }

    /// Checks that a reference can point at every link of a value.
    async fn check(&self, store: &dyn Store, value: &Value) -> Result<(), ResolveError> {
        let items = match value {
            Value::References(items) => items.as_slice(),
            _ => &[],
        };
        if items.is_empty() || (items.len() > 1 && !is_many(&self.field.kind)) {
            let why = "it takes one record".to_owned();
            return Err(self.pointless(&items.join(", "), why));
        }
        for item in items {
            let why = match numbered(item) {
                Some(link) => self.flaw(store, link).await?,
                None => Some("it names no record".to_owned()),
            };
            if let Some(why) = why {
                return Err(self.pointless(item, why));
            }
        }
        Ok(())
    }

    /// The reason for which a reference cannot point at a link, if there is one.
    async fn flaw(&self, store: &dyn Store, link: LinkId) -> Result<Option<String>, StoreError> {
        let target = self.target;
        let view = store.links(&[link]).await?.pop();
        let Some(view) = view.filter(|view| view.link.entity == *target) else {
            return Ok(Some(format!("there is no {target} with that number")));
        };
        let is_there = view.link.status == LinkStatus::Active
            && view.records.iter().any(|record| record.status == RecordStatus::Live);
        Ok((!is_there).then(|| format!("that {target} is gone")))
    }

    fn pointless(&self, value: &str, why: String) -> ResolveError {
        let members = self.entity.map(|entity| entity.members.as_slice()).unwrap_or_default();
        let places: Vec<String> = members
            .iter()
            .map(|member| format!("{}.{}/ID", member.system, member.object))
            .collect();
        let several = if is_many(&self.field.kind) { ", several with commas between" } else { "" };
        ResolveError::Pointless {
            field: self.field.name.clone(),
            value: value.to_owned(),
            why,
            possible: format!("{} or `link N` as `why` shows it{several}", places.join(", ")),
        }
    }
}

/// A link by its number, as `why` shows it or bare.
fn numbered(item: &str) -> Option<LinkId> {
    item.strip_prefix("link ").unwrap_or(item).trim().parse().ok().map(LinkId)
}
