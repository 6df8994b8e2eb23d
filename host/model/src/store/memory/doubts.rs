//! The doubts of the store in memory: by record, and by when they are due.

use std::collections::{BTreeMap, BTreeSet};

use crate::state::{Doubt, RecordKey, Stream};

/// Stream, due time and id: the doubts in the order in which they are due.
type Place = (Stream, i64, String);

/// Doubts by record, with an index by stream and due time.
#[derive(Debug, Clone, Default)]
pub(super) struct Doubts {
    by_record: BTreeMap<RecordKey, Doubt>,
    due: BTreeSet<Place>,
}

fn place(key: &RecordKey, doubt: &Doubt) -> Place {
    let stream = Stream { system: key.system.clone(), object: key.object.clone() };
    (stream, doubt.due_ms, key.id.clone())
}

impl Doubts {
    pub(super) fn replace(&mut self, key: RecordKey, doubt: Option<Doubt>) {
        if let Some(former) = self.by_record.remove(&key) {
            self.due.remove(&place(&key, &former));
        }
        if let Some(doubt) = doubt {
            self.due.insert(place(&key, &doubt));
            self.by_record.insert(key, doubt);
        }
    }

    pub(super) fn find(&self, keys: &[RecordKey]) -> Vec<(RecordKey, Doubt)> {
        let doubt = |key: &RecordKey| Some((key.clone(), self.by_record.get(key)?.clone()));
        keys.iter().filter_map(doubt).collect()
    }

    pub(super) fn due(
        &self,
        stream: &Stream,
        now_ms: i64,
        limit: usize,
    ) -> Vec<(RecordKey, Doubt)> {
        let from = (stream.clone(), i64::MIN, String::new());
        let due = self.due.range(from..);
        let due = due.take_while(|(of, due_ms, _)| of == stream && *due_ms <= now_ms);
        let doubt = |(of, _, id): &Place| {
            let (system, object) = (of.system.clone(), of.object.clone());
            let key = RecordKey { system, object, id: id.clone() };
            let doubt = self.by_record.get(&key)?.clone();
            Some((key, doubt))
        };
        due.take(limit).filter_map(doubt).collect()
    }
}
