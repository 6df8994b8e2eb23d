//! Mappings under which values have another meaning. The stored state of these fields is forgotten
//! before anything is read, so that no value of another column passes for an edit (RULES.md V13).

use super::Reader;
use renkei_model::index::FieldIndex;
use renkei_model::spec::{is_of_another_entity, makes_more, stopped};
use renkei_model::state::{Cursor, FieldState, RecordState};
use renkei_model::store::fetch::records_for;
use renkei_model::store::port::{Changes, StoreError};

/// Records changed in one commit.
const CHUNK: usize = 1_000;

impl Reader<'_> {
    /// The cursor with the present meanings. Its digest stays, so that another mapping is still
    /// noticed; it is marked as left where a field has another meaning.
    pub(super) async fn meet_anew(&self, kept: Cursor) -> Result<Cursor, StoreError> {
        let meanings = self.member.meanings(self.entity);
        let other = kept.other(&meanings);
        let fields = self.entity.indexed_fields();
        let fields = fields.filter(|(_, field)| other.contains(&field.name.as_str()));
        let fields: Vec<FieldIndex> = fields.map(|(position, _)| position).collect();
        // The entity is planned whichever member makes more: a new member has no cursor, or an old
        // one.
        let makes_more = makes_more(&kept.meanings, &meanings);
        // Its links are another entity's, so nobody has seen what its first sync would do.
        let is_moved = is_of_another_entity(&kept.meanings, &meanings);
        let mut cursor = kept;
        if !fields.is_empty() {
            self.forget(&fields).await?;
            cursor.digest = stopped::mark_abandoned(&cursor.digest);
        }
        cursor.meanings.extend(meanings);
        if !fields.is_empty() || makes_more || is_moved {
            let entity = self.entity.name.clone();
            let begun = is_moved.then(|| (entity.clone(), None)).into_iter().collect();
            let changes = Changes {
                cursors: vec![(self.stream(), cursor.clone())],
                // A link without a record there shows in no reading.
                dirty_entities: makes_more.then_some(entity).into_iter().collect(),
                begun,
                ..Changes::default()
            };
            self.engine.store.commit(changes).await?;
        }
        Ok(cursor)
    }

    /// Forgets the stored state of these fields in every record of the stream.
    async fn forget(&self, fields: &[FieldIndex]) -> Result<(), StoreError> {
        let store = self.engine.store;
        let mut after: Option<String> = None;
        loop {
            let keys = store.stream_records(&self.stream(), after.as_deref(), CHUNK).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.id.clone());
            let known = records_for(store, self.entity, &keys).await?;
            let records = known.into_iter().filter_map(|record| forgetting(record, fields));
            let changes = Changes { records: records.collect(), ..Changes::default() };
            if !changes.is_empty() {
                store.commit(changes).await?;
            }
        }
    }
}

/// The record without the state of these fields; `None` where nothing changes.
fn forgetting(mut record: RecordState, fields: &[FieldIndex]) -> Option<RecordState> {
    let mut is_other = false;
    for position in fields {
        let state = &mut record.fields[*position];
        if *state != FieldState::default() && *state != FieldState::forgotten() {
            *state = FieldState::forgotten();
            is_other = true;
        }
    }
    is_other.then_some(record)
}
