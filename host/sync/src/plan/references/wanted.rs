//! Collects the records and links that a chunk refers to, so that they are fetched before planning.

use std::collections::{BTreeMap, BTreeSet};

use crate::plan::mapping::FieldMappings;
use renkei_model::state::{FieldState, LinkView, RecordState, RecordStatus, ReviewChoice};
use renkei_model::value::{Cell, SmolStr, Value};

/// References of a link's live records that lost something which is not taken into account yet,
/// with the object that they refer to.
pub(super) fn losers<'v>(
    mappings: &FieldMappings<'v>,
    view: &'v LinkView,
) -> impl Iterator<Item = (&'v RecordState, &'v str, &'v FieldState)> {
    let live = view.records.iter().filter(|record| record.status == RecordStatus::Live);
    live.flat_map(move |record| {
        let member = mappings.member_of(record);
        mappings.references().iter().filter_map(move |&position| {
            let state = Some(&record.fields[position]).filter(|state| state.lost.is_some())?;
            let target = mappings.mapping(member?, position)?.group.target.as_deref()?;
            Some((record.as_ref(), target, state))
        })
    })
}

/// The values that people chose for fields of a link.
pub(super) fn chosen(view: &LinkView) -> impl Iterator<Item = &Cell> {
    view.reviews.iter().filter_map(|review| match &review.choice {
        Some(ReviewChoice::Value(cell)) => Some(cell),
        _ => None,
    })
}

/// The reference fields of a link's removed records.
pub(super) fn removed<'v>(
    mappings: &FieldMappings<'v>,
    view: &'v LinkView,
) -> impl Iterator<Item = &'v FieldState> {
    let removed = view.records.iter().filter(|record| record.status.is_removed());
    let positions = mappings.references().to_vec();
    removed.flat_map(move |record| {
        positions.clone().into_iter().map(|position| &record.fields[position])
    })
}

/// Every remote id in a reference column of these links' records that are there, by system and
/// object.
pub(super) fn remote_ids<'v>(
    mappings: &FieldMappings<'v>,
    views: &'v [LinkView],
) -> BTreeMap<(&'v str, &'v str), BTreeSet<&'v str>> {
    let mut keys: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for record in views.iter().flat_map(|view| &view.records) {
        // A surplus record may get the place while its link is planned.
        if !matches!(record.status, RecordStatus::Live | RecordStatus::Surplus) {
            continue;
        }
        let Some(member) = mappings.member_of(record) else { continue };
        for &position in mappings.references() {
            let state = &record.fields[position];
            let mapping = mappings.mapping(member, position);
            let target = mapping.and_then(|mapping| mapping.group.target.as_deref());
            if let (Some(target), Some(Value::References(ids))) = (target, &state.seen) {
                let place = keys.entry((&record.key.system, target)).or_default();
                place.extend(ids.iter().map(SmolStr::as_str).filter(|id| !id.is_empty()));
            }
            if let (Some(target), Some(lost)) = (target, state.lost.as_deref()) {
                let place = keys.entry((&record.key.system, target)).or_default();
                place.extend(lost.iter().map(SmolStr::as_str));
            }
        }
    }
    keys
}
