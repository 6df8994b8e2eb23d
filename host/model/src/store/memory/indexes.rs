//! Records, match keys and reviews with the indexes over them, kept in step here alone.

use std::sync::Arc;

use super::State;
use crate::state::{RecordKey, RecordState, Review};

impl State {
    pub(super) fn put_record(&mut self, record: RecordState) {
        let record = Arc::new(record);
        let key = record.key.clone();
        if let Some(former) = self.records.get(&key).and_then(|former| former.link)
            && let Some(records) = self.by_link.get_mut(&former)
        {
            records.retain(|record| record.key != key);
        }
        if let Some(link) = record.link {
            let records = self.by_link.entry(link).or_default();
            let place = records.partition_point(|other| other.key < key);
            records.insert(place, Arc::clone(&record));
        }
        match record.link_work() {
            Some(work) => self.work.insert(key.clone(), work),
            None => self.work.remove(&key),
        };
        self.records.insert(key, record);
    }

    pub(super) fn put_match_keys(&mut self, record: RecordKey, keys: Vec<(String, String)>) {
        for former in self.match_keys.remove(&record).unwrap_or_default() {
            if let Some(records) = self.by_match_key.get_mut(&former) {
                records.remove(&record);
            }
        }
        for key in &keys {
            self.by_match_key.entry(key.clone()).or_default().insert(record.clone());
        }
        if !keys.is_empty() {
            self.match_keys.insert(record, keys);
        }
    }

    pub(super) fn put_review(&mut self, review: Review) {
        let former = self.reviews.get(&review.id).and_then(|former| former.link);
        if let Some(reviews) = former.and_then(|link| self.reviews_by_link.get_mut(&link)) {
            reviews.remove(&review.id);
        }
        if let Some(link) = review.link {
            self.reviews_by_link.entry(link).or_default().insert(review.id.clone());
        }
        self.reviews.insert(review.id.clone(), review);
    }
}
