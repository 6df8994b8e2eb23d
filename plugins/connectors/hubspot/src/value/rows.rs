//! The columns of a request, and rows made of records.
//!
//! A cell is absent where HubSpot does not answer the property, because it does not exist or the
//! token may not read it (`API.md`, H-record-4). A cell is null where the property is empty.

use std::collections::BTreeMap;

use renkei_sdk::{Batch, Cell, Error, Kind, Removal, Row, Tombstone, time};

use crate::associations::{self, Links, Relation};
use crate::client::wire::Record;
use crate::schema::Properties;
use crate::value;

/// Properties that name the records merged into this one; the second has `id:time` pairs
/// (H-merge-3).
const MERGED: [&str; 2] = ["hs_merged_object_ids", "hs_calculated_merged_vids"];

/// The content of one column.
#[derive(Debug)]
enum Column {
    Property(String, Kind),
    Association(&'static Relation),
    Unknown,
}

/// The columns of one request.
#[derive(Debug)]
pub(crate) struct Selection<'a> {
    pub(crate) object: &'a str,
    names: &'a [String],
    columns: Vec<Column>,
}

/// The place where the associations of records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkSource {
    /// In the records, as lists answer them.
    Listed,
    /// To be read apart.
    Apart,
}

impl<'a> Selection<'a> {
    pub(crate) fn new(object: &'a str, names: &'a [String], properties: &Properties) -> Self {
        let column = |name: &String| match associations::find_relation(object, name) {
            Some(relation) => Column::Association(relation),
            None => properties
                .kind(name)
                .map_or(Column::Unknown, |kind| Column::Property(name.clone(), kind)),
        };
        Self { object, names, columns: names.iter().map(column).collect() }
    }

    /// The properties to ask for: the wanted ones, and those that tell of merges.
    pub(crate) fn properties(&self) -> Vec<String> {
        let wanted = self.columns.iter().filter_map(|column| match column {
            Column::Property(name, _) => Some(name.clone()),
            _ => None,
        });
        let mut properties: Vec<String> = wanted.chain(self.merge_properties()).collect();
        properties.dedup();
        properties
    }

    /// The properties that tell of merges.
    pub(crate) fn merge_properties(&self) -> Vec<String> {
        let merged = if self.object == "contacts" { &MERGED[..] } else { &MERGED[..1] };
        merged.iter().map(|name| (*name).to_owned()).collect()
    }

    /// The association columns.
    pub(crate) fn relations(&self) -> impl Iterator<Item = &'static Relation> {
        self.columns.iter().filter_map(|column| match column {
            Column::Association(relation) => Some(*relation),
            _ => None,
        })
    }

    /// Rows with exactly the wanted columns, in the order of the records.
    ///
    /// # Errors
    /// Whatever stops reading the associations.
    pub(crate) fn make_batch(
        &self,
        records: &[Record],
        source: LinkSource,
    ) -> Result<Batch, Error> {
        let mut links: BTreeMap<&str, Links> = BTreeMap::new();
        for relation in self.relations() {
            links.insert(relation.to, read_links(relation, records, source)?);
        }
        let rows = records.iter().map(|record| self.make_row(record, &links)).collect();
        Ok(Batch { columns: self.names.to_vec(), rows })
    }

    fn make_row(&self, record: &Record, links: &BTreeMap<&str, Links>) -> Row {
        let cell = |column: &Column| match column {
            Column::Property(name, kind) => read_cell(record, name, *kind),
            Column::Association(relation) => {
                let of = links.get(relation.to).and_then(|links| links.get(&record.id));
                Some(relation.make_cell(of.map_or(&[], Vec::as_slice)))
            }
            Column::Unknown => None,
        };
        let modified = record.modified_ms();
        let cells = self.columns.iter().map(cell).collect();
        Row { id: record.id.clone(), version: record.updated_at.clone(), modified, cells }
    }

    /// The cells that HubSpot holds after a write; associations are known to the writer only.
    pub(crate) fn cells_after_write(&self, record: &Record) -> Vec<Cell> {
        let cell = |column: &Column| match column {
            Column::Property(name, kind) => read_cell(record, name, *kind),
            _ => None,
        };
        self.columns.iter().map(cell).collect()
    }
}

fn read_cell(record: &Record, name: &str, kind: Kind) -> Cell {
    record.properties.get(name).map(|text| value::read_text(kind, text.as_deref()))
}

fn read_links(
    relation: &'static Relation,
    records: &[Record],
    source: LinkSource,
) -> Result<Links, Error> {
    let mut links = Links::new();
    let mut apart = Vec::new();
    for record in records {
        let listed = match source {
            LinkSource::Listed => relation.read_listed(record.listed(relation.to)),
            LinkSource::Apart => None,
        };
        match listed {
            Some(list) => drop(links.insert(record.id.clone(), list)),
            None => apart.push(record.id.clone()),
        }
    }
    links.extend(relation.read_links(&apart)?);
    Ok(links)
}

/// The records that were merged into these.
pub(crate) fn merged_tombstones(records: &[Record]) -> Vec<Tombstone> {
    let merged = |record: &Record| {
        let mut losers: Vec<String> = MERGED
            .iter()
            .filter_map(|name| record.text(name))
            .flat_map(value::split_choices)
            .map(|part| part.split(':').next().unwrap_or(part).to_owned())
            .filter(|id| *id != record.id)
            .collect();
        losers.sort();
        losers.dedup();
        let survivor = record.id.clone();
        losers.into_iter().map(move |id| Tombstone {
            id,
            removal: Removal::MergedInto(survivor.clone()),
            at: None,
        })
    };
    records.iter().flat_map(merged).collect()
}

/// Archived records as tombstones, after those that were merged into them: a survivor may be
/// archived before anybody has read it (H-list-3).
pub(crate) fn archived_tombstones(records: &[Record]) -> Vec<Tombstone> {
    let tombstone = |record: &Record| Tombstone {
        id: record.id.clone(),
        removal: Removal::Archived,
        at: record.archived_at.as_deref().and_then(time::parse),
    };
    let mut told = merged_tombstones(records);
    told.extend(records.iter().map(tombstone));
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(json: &str) -> Record {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn merged_ids_are_tombstones_once_and_never_the_survivor_itself() {
        let survivor = record(
            r#"{"id":"9","properties":{"hs_merged_object_ids":"7; 8","hs_calculated_merged_vids":
                "8:1700000000000;9:1700000000000;6:1"}}"#,
        );
        let told: Vec<String> =
            merged_tombstones(&[survivor, record(r#"{"id":"5","properties":{}}"#)])
                .into_iter()
                .map(|tombstone| {
                    assert_eq!(tombstone.removal, Removal::MergedInto("9".into()));
                    tombstone.id
                })
                .collect();
        assert_eq!(told, ["6", "7", "8"]);
    }

    #[test]
    fn archived_survivor_tells_of_the_records_in_it() {
        let survivor =
            record(r#"{"id":"9","archived":true,"properties":{"hs_merged_object_ids":"7;8"}}"#);
        let told: Vec<(String, Removal)> = archived_tombstones(&[survivor])
            .into_iter()
            .map(|tombstone| (tombstone.id, tombstone.removal))
            .collect();
        let merged = |id: &str| (id.to_owned(), Removal::MergedInto("9".into()));
        assert_eq!(told, [merged("7"), merged("8"), ("9".into(), Removal::Archived)]);
    }

    #[test]
    fn archived_record_has_its_time() {
        let tombstones = archived_tombstones(&[record(
            r#"{"id":"5","archived":true,"archivedAt":"1970-01-01T00:00:01Z"}"#,
        )]);
        assert_eq!((tombstones[0].at, &tombstones[0].removal), (Some(1_000), &Removal::Archived));
    }
}
