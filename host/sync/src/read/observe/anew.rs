//! A mapping under which values mean something else: what was known of these fields is forgotten
//! before anything is read, so that no value of another column passes for an edit by a person
//! (RULES.md V13).

use super::Reader;
use crate::model::spec::{makes_more, stopped};
use crate::model::state::{Cursor, FieldState, RecordState};
use crate::store::port::{Changes, StoreError};

/// Records that are changed in one commit.
const CHUNK: usize = 1_000;

impl Reader<'_> {
    /// The cursor with what values mean now. What it was made under stays in its digest, so that
    /// another mapping is still noticed; where a field means something else, it is another one.
    pub(super) async fn meet_anew(&self, kept: Cursor) -> Result<Cursor, StoreError> {
        let meanings = self.member.meanings(self.entity);
        let other = kept.other(&meanings);
        let fields = self.entity.fields.iter().enumerate();
        let fields = fields.filter(|(_, field)| other.contains(&field.name.as_str()));
        let fields: Vec<usize> = fields.map(|(position, _)| position).collect();
        // Whichever member it is: the new one has no cursor yet, and may have one from long ago.
        let makes_more = makes_more(&kept.meanings, &meanings);
        let mut cursor = kept;
        if !fields.is_empty() {
            self.forget(&fields).await?;
            cursor.digest = stopped::left(&cursor.digest);
        }
        cursor.meanings.extend(meanings);
        if !fields.is_empty() || makes_more {
            let entity = self.entity.name.clone();
            let changes = Changes {
                cursors: vec![(self.stream(), cursor.clone())],
                // What has no record there shows in no reading.
                dirty_entities: makes_more.then_some(entity).into_iter().collect(),
                ..Changes::default()
            };
            self.engine.store.commit(changes).await?;
        }
        Ok(cursor)
    }

    /// Forgets what is known of these fields in every record of the stream.
    async fn forget(&self, fields: &[usize]) -> Result<(), StoreError> {
        let store = self.engine.store;
        let mut after: Option<String> = None;
        loop {
            let keys = store.stream_records(&self.stream(), after.as_deref(), CHUNK).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.id.clone());
            let known = store.records(&keys).await?;
            let records = known.into_iter().filter_map(|record| forgetting(record, fields));
            let changes = Changes { records: records.collect(), ..Changes::default() };
            if !changes.is_empty() {
                store.commit(changes).await?;
            }
        }
    }
}

/// The record without what is known of these fields; nothing where nothing is.
fn forgetting(mut record: RecordState, fields: &[usize]) -> Option<RecordState> {
    let mut is_other = false;
    for position in fields {
        if let Some(state) = record.fields.get_mut(*position)
            && *state != FieldState::default()
            && *state != FieldState::forgotten()
        {
            *state = FieldState::forgotten();
            is_other = true;
        }
    }
    is_other.then_some(record)
}
