//! Fetches stored state for the entity that it is used for: every field of that has an entry.
//!
//! A store decodes state by the specification that it was opened with. A record may have been
//! stored for another entity, because the mapping has moved its object, or because a record of that
//! object became it. Whatever the engine looks into by position comes from here.

use std::sync::Arc;

use crate::spec::EntitySpec;
use crate::state::{LinkId, LinkView, LinkWork, RecordKey, RecordState};
use crate::store::port::{Store, StoreError};

/// These links with all that belongs to them ([`Store::links`]).
///
/// # Errors
/// The store failed.
pub async fn links_for(
    store: &dyn Store,
    entity: &EntitySpec,
    ids: &[LinkId],
) -> Result<Vec<LinkView>, StoreError> {
    let mut views = store.links(ids).await?;
    views.iter_mut().for_each(|view| cover(view, entity));
    Ok(views)
}

/// The known ones of these records ([`Store::records`]).
pub async fn records_for(
    store: &dyn Store,
    entity: &EntitySpec,
    keys: &[RecordKey],
) -> Result<Vec<RecordState>, StoreError> {
    let mut records = store.records(keys).await?;
    records.iter_mut().for_each(|record| record.fields.cover(entity));
    Ok(records)
}

/// Records of the entity with a task of the linking step ([`Store::link_work`]).
pub async fn work_for(
    store: &dyn Store,
    entity: &EntitySpec,
    work: LinkWork,
    after: Option<&RecordKey>,
    limit: usize,
) -> Result<Vec<RecordState>, StoreError> {
    let mut records = store.link_work(&entity.name, work, after, limit).await?;
    records.iter_mut().for_each(|record| record.fields.cover(entity));
    Ok(records)
}

/// Gives every field of the entity an entry; copies what is shared only where one is missing.
pub fn cover(view: &mut LinkView, entity: &EntitySpec) {
    if !view.link.truth.covers(entity) {
        Arc::make_mut(&mut view.link).truth.cover(entity);
    }
    for record in view.records.iter_mut().filter(|record| !record.fields.covers(entity)) {
        Arc::make_mut(record).fields.cover(entity);
    }
}
