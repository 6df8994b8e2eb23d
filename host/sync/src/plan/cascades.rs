//! Cascaded deletions: records that a system deletes together with another one.
//!
//! Some systems delete the records that refer to one that is deleted. A plan must know that before
//! it archives. The tombstones of records that went along with an archive by the engine are no
//! deletions by people: taken as such they would archive the same things everywhere else
//! (`RULES.md` V2).

use std::collections::{BTreeMap, BTreeSet};

use crate::cascades::Cascades;
use crate::cycle_failure::{CycleFailure, CycleStep};
use crate::cycle_state::{CycleState, LinkPause};
use crate::plan::mapping::FieldMappings;
use renkei_model::review;
use renkei_model::spec::{EntitySpec, FieldIndex, FieldKind, MemberSpec};
use renkei_model::state::{
    LinkView, RecordKey, RecordState, RecordStatus, Review, ReviewStatus, ReviewSubject, Stream,
};
use renkei_model::store::port::{Store, StoreError};
use renkei_model::value::Value;

/// More generations of children than any chain of references has.
const GENERATIONS_MAX: usize = 8;

/// The number of records by object, `system.object`.
pub(crate) type TakenAlong = BTreeMap<String, u64>;

/// The records that archiving these takes along, counted by object, and all that go, these among
/// them. Asks systems whose schemas are not known yet; an error of one means that nothing is
/// archived.
pub(crate) async fn taken_along(
    cycle: &mut CycleState<'_>,
    archives: &BTreeSet<RecordKey>,
) -> Result<Result<(TakenAlong, BTreeSet<RecordKey>), CycleFailure>, StoreError> {
    let mut seen = archives.clone();
    let mut parents = archives.clone();
    let mut along = TakenAlong::new();
    for _ in 0..GENERATIONS_MAX {
        let mut objects: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for key in std::mem::take(&mut parents) {
            objects.entry((key.system, key.object)).or_default().push(key.id);
        }
        for ((system, object), ids) in objects {
            let children = children_of(cycle.engine.spec.entities(), &system, &object);
            if children.is_empty() {
                continue;
            }
            if let Err(error) = cycle.fetch_cascades(&system, &object).await {
                return Ok(Err(CycleFailure::of_system(&system, CycleStep::Schema, &error)));
            }
            for child in children.iter().filter(|child| child.goes(&cycle.cascades, &object)) {
                parents.extend(child.referring(cycle.engine.store, &ids).await?);
            }
        }
        parents.retain(|key| seen.insert(key.clone()));
        for key in &parents {
            *along.entry(format!("{}.{}", key.system, key.object)).or_default() += 1;
        }
        if parents.is_empty() {
            break;
        }
    }
    Ok(Ok((along, seen)))
}

/// Leaves the links of records that go along with these archives alone for the rest of the cycle;
/// the next cycle reads their state.
pub(crate) async fn defer_followers(
    cycle: &mut CycleState<'_>,
    archived: &BTreeSet<RecordKey>,
) -> Result<(), StoreError> {
    if archived.is_empty() {
        return Ok(());
    }
    // Without an answer here the archive was not planned either.
    let Ok((_, all)) = taken_along(cycle, archived).await? else { return Ok(()) };
    let followers: Vec<RecordKey> = all.difference(archived).cloned().collect();
    for record in cycle.engine.store.records(&followers).await? {
        if let Some(link) = record.link {
            cycle.defer(link, LinkPause::Cycle);
        }
    }
    Ok(())
}

/// A column that holds ids of another object.
struct Child<'a> {
    entity: &'a EntitySpec,
    member: &'a MemberSpec,
    field: FieldIndex,
    column: &'a str,
}

/// Every mapped column of the system that refers to the object.
fn children_of<'a>(entities: &'a [EntitySpec], system: &str, object: &str) -> Vec<Child<'a>> {
    let mut children = Vec::new();
    for entity in entities {
        for member in entity.members.iter().filter(|member| member.system == system) {
            for group in member.groups.iter().filter(|g| g.target.as_deref() == Some(object)) {
                let place = group.fields.first().zip(group.columns.first());
                children.extend(place.map(|(field, column)| Child {
                    entity,
                    member,
                    field: *field,
                    column,
                }));
            }
        }
    }
    children
}

impl Child<'_> {
    fn goes(&self, cascades: &Cascades, parent: &str) -> bool {
        cascades.may_follow(&self.member.system, parent, &self.member.object, self.column)
    }

    async fn referring(
        &self,
        store: &dyn Store,
        ids: &[String],
    ) -> Result<Vec<RecordKey>, StoreError> {
        let MemberSpec { system, object, .. } = self.member;
        let stream = Stream { system: system.clone(), object: object.clone() };
        store.referring(&self.entity.name, &stream, self.field, ids).await
    }
}

/// Removed records of a chunk that went along with one that the engine archived.
#[derive(Debug, Default)]
pub struct WentAlong {
    with: BTreeMap<RecordKey, RecordKey>,
    /// The questions about them, by the record that was archived.
    reviews: BTreeMap<RecordKey, Review>,
}

impl WentAlong {
    pub(crate) async fn fetch(
        cycle: &CycleState<'_>,
        mappings: &FieldMappings<'_>,
        views: &[LinkView],
    ) -> Result<Self, StoreError> {
        let store = cycle.engine.store;
        let mut named: Vec<(RecordKey, RecordKey)> = Vec::new();
        let removed = views.iter().flat_map(|view| &view.records);
        for record in removed.filter(|record| record.status.is_removed()) {
            let parents = parents(mappings, record, &cycle.cascades);
            named.extend(parents.into_iter().map(|parent| (record.key.clone(), parent)));
        }
        let mut went = Self::default();
        if named.is_empty() {
            return Ok(went);
        }
        let keys: BTreeSet<RecordKey> = named.iter().map(|(_, parent)| parent.clone()).collect();
        let mut known = store.records(&keys.into_iter().collect::<Vec<_>>()).await?;
        known.retain(|record| record.status == RecordStatus::Withdrawn);
        named.retain(|(_, parent)| known.iter().any(|record| record.key == *parent));
        went.with.extend(named);
        let roots: BTreeSet<&RecordKey> = went.with.values().collect();
        for root in roots {
            let id = question(mappings.entity, root, 0).id;
            let review = store.review(&id).await?;
            if let Some(review) = review.filter(|known| known.status != ReviewStatus::Closed) {
                went.reviews.insert(root.clone(), review);
            }
        }
        Ok(went)
    }

    /// The record that was archived, if this one went along with it.
    pub(crate) fn with(&self, record: &RecordKey) -> Option<&RecordKey> {
        self.with.get(record)
    }

    /// The question that is open or answered.
    pub(crate) fn review(&self, root: &RecordKey) -> Option<&Review> {
        self.reviews.get(root)
    }

    /// The ids of all questions about these records.
    pub(crate) fn asked(&self, entity: &EntitySpec) -> BTreeSet<String> {
        self.with.values().map(|root| question(entity, root, 0).id).collect()
    }
}

/// The question about all records of an entity that went along with this one.
pub(crate) fn question(entity: &EntitySpec, with: &RecordKey, now_ms: i64) -> Review {
    review::of_entity(&entity.name, ReviewSubject::TookAlong { with: with.clone() }, now_ms)
}

/// The records whose deletion may have taken this one along.
fn parents(
    mappings: &FieldMappings<'_>,
    record: &RecordState,
    cascades: &Cascades,
) -> Vec<RecordKey> {
    let mut parents = Vec::new();
    let Some(member) = mappings.member_of(record) else { return parents };
    let RecordKey { system, object, .. } = &record.key;
    for (position, field) in mappings.entity.indexed_fields() {
        let state = &record.fields[position];
        let FieldKind::Reference { .. } = &field.kind else { continue };
        let Some(mapping) = mappings.mapping(member, position) else { continue };
        let (Some(target), Some(column)) =
            (mapping.target(&field.kind), mapping.group.columns.first())
        else {
            continue;
        };
        if let Some(Value::References(ids)) = &state.seen
            && cascades.may_follow(system, target, object, column)
        {
            parents.extend(ids.iter().map(|id| RecordKey {
                system: system.clone(),
                object: target.to_owned(),
                id: id.to_string(),
            }));
        }
    }
    parents
}
