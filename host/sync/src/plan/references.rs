//! References between entities: turns remote ids into links and back (`RULES.md` E13).
//!
//! A member's reference column holds ids of its own system. In the hub a reference is a set of link
//! numbers. Everything that a chunk of links needs is fetched in two queries beforehand, so that
//! planning itself stays pure. What one chunk needed is kept for the next ones of the same pass:
//! many refer to the same few (`RULES.md` Q1).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use smol_str::{ToSmolStr as _, format_smolstr};

use crate::plan::mapping::FieldMappings;
use renkei_model::canonical::primary;
use renkei_model::index::FieldIndex;
use renkei_model::spec::{FieldKind, FieldSpec, MemberSpec};
use renkei_model::state::{LinkId, LinkStatus, LinkView, RecordKey, RecordStatus};
use renkei_model::store::port::{Store, StoreError};
use renkei_model::value::{Cell, SmolStr, Value};

mod governs;
mod wanted;

pub use governs::{Governs, governs, is_many};
use wanted::{chosen, losers, remote_ids, removed};

/// The most links that are kept for later chunks; it bounds the memory of a pass over any number of
/// links.
const KEPT_MAX: usize = 50_000;

/// Links for which a dry run would create a record, by system and object. Nothing was planned yet
/// for an object that is not in the map: its records count as created.
pub type PromisedRecords = BTreeMap<(String, String), HashSet<LinkId>>;

/// The references of a chunk of links, resolved.
#[derive(Debug, Default)]
pub struct References {
    /// By system, object and id.
    links: BTreeMap<String, BTreeMap<String, HashMap<String, LinkId>>>,
    members: HashMap<LinkId, Vec<RecordKey>>,
    /// Values of records referred to, for the columns of new records.
    copied: HashMap<(LinkId, FieldIndex), Cell>,
    /// Records that references lost and that are gone or missing.
    gone: HashSet<RecordKey>,
    /// Records that references lost and that are there, as far as known.
    there: BTreeSet<RecordKey>,
    /// Links that are referred to and of which every record is gone.
    over: HashSet<LinkId>,
    /// In a preview, the records that it creates: they are named instead of awaited.
    preview: Option<PromisedRecords>,
}

/// A reference as a member reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadReference {
    /// As link numbers; absent when it has no link yet.
    pub cell: Cell,
    /// Records that have no link yet.
    pub unknown: Vec<RecordKey>,
}

/// A reference as a member is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenReference {
    /// As remote ids; absent when nothing of it can be written.
    pub remote: Cell,
    /// The part of it that is written, as link numbers.
    pub written: Cell,
    /// Links without a record of that object.
    pub missing: Vec<LinkId>,
    /// Records that the member refers to now and no longer afterwards.
    pub removes: Vec<RecordKey>,
}

impl References {
    /// None yet. In a preview, records that it creates are named instead of awaited.
    pub fn empty(preview: Option<PromisedRecords>) -> Self {
        Self { preview, ..Self::default() }
    }

    /// The records that the preview creates.
    pub(crate) fn into_promised(self) -> PromisedRecords {
        self.preview.unwrap_or_default()
    }

    /// Fetches what these links need.
    ///
    /// # Errors
    /// The store failed.
    pub async fn fetch(
        store: &dyn Store,
        mappings: &FieldMappings<'_>,
        views: &[LinkView],
        preview: Option<PromisedRecords>,
    ) -> Result<Self, StoreError> {
        let mut resolved = Self::empty(preview);
        resolved.extend(store, mappings, views).await?;
        Ok(resolved)
    }

    /// Fetches what these links need besides, and keeps what others needed: what they refer to is
    /// changed by no plan of this entity, unless it refers to itself.
    ///
    /// # Errors
    /// The store failed.
    pub async fn extend(
        &mut self,
        store: &dyn Store,
        mappings: &FieldMappings<'_>,
        views: &[LinkView],
    ) -> Result<(), StoreError> {
        if mappings.references().is_empty() {
            return Ok(());
        }
        let refers_to_itself =
            mappings.entity.references().any(|other| other == mappings.entity.name);
        if refers_to_itself || self.members.len() > KEPT_MAX {
            (self.links, self.members) = (BTreeMap::new(), HashMap::new());
        }
        self.copied = HashMap::new();
        let mut wanted = BTreeSet::new();
        let mut news = Vec::new();
        for ((system, object), ids) in remote_ids(mappings, views) {
            let known = self.links.get(system).and_then(|objects| objects.get(object));
            for id in ids {
                match known.and_then(|known| known.get(id)) {
                    Some(link) => drop(wanted.insert(*link)),
                    None => news.push(remote_key(system, object, id)),
                }
            }
        }
        if !news.is_empty() {
            for (key, link) in store.resolve(&news).await? {
                wanted.insert(link);
                let objects = self.links.entry(key.system).or_default();
                objects.entry(key.object).or_default().insert(key.id, link);
            }
        }
        for view in views {
            let truths = mappings.references().iter().map(|field| &view.link.truth[*field]);
            wanted.extend(truths.flat_map(|truth| link_ids(&truth.value)));
            wanted.extend(losers(mappings, view).flat_map(|(_, _, state)| link_ids(&state.base)));
            wanted.extend(removed(mappings, view).flat_map(|state| link_ids(&state.agreed)));
            wanted.extend(chosen(view).flat_map(link_ids));
        }
        let named = wanted.clone();
        let is_news = |link: &LinkId| !self.members.contains_key(link);
        let wanted: Vec<LinkId> = wanted.into_iter().filter(is_news).collect();
        if !wanted.is_empty() {
            for (link, record) in store.members(&wanted).await? {
                self.members.entry(link).or_default().push(record);
            }
        }
        let absent = named.into_iter().filter(|link| !self.members.contains_key(link));
        self.judge_absent(store, &absent.collect::<Vec<_>>()).await?;
        self.judge_lost(store, mappings, views).await?;
        self.copy(store, mappings, views).await
    }

    /// Finds the links, of those without a live record, of which every record is gone.
    async fn judge_absent(
        &mut self,
        store: &dyn Store,
        absent: &[LinkId],
    ) -> Result<(), StoreError> {
        self.over.clear();
        if absent.is_empty() {
            return Ok(());
        }
        let is_over = |view: &LinkView| {
            let mut records = view.records.iter();
            let was_left = view.link.status == LinkStatus::Ended || !view.records.is_empty();
            was_left && records.all(|record| record.status.is_gone())
        };
        let views = store.links(absent).await?;
        self.over.extend(views.iter().filter(|view| is_over(view)).map(|view| view.link.id));
        Ok(())
    }

    /// Finds the records that references of these links lost: those that are gone, and those that
    /// are there.
    async fn judge_lost(
        &mut self,
        store: &dyn Store,
        mappings: &FieldMappings<'_>,
        views: &[LinkView],
    ) -> Result<(), StoreError> {
        (self.gone, self.there) = (HashSet::new(), BTreeSet::new());
        let lost: BTreeSet<RecordKey> = views
            .iter()
            .flat_map(|view| losers(mappings, view))
            .flat_map(|(record, target, state)| {
                let ids = state.lost.iter().flatten();
                ids.map(move |id| remote_key(&record.key.system, target, id))
            })
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        for record in store.records(&lost.into_iter().collect::<Vec<_>>()).await? {
            if record.status.is_gone() || record.status == RecordStatus::Missing {
                self.gone.insert(record.key);
            } else if record.status == RecordStatus::Live {
                self.there.insert(record.key);
            }
        }
        Ok(())
    }

    /// Records that references of the chunk lost although they seem to be there.
    pub(crate) fn lost_there(&self) -> &BTreeSet<RecordKey> {
        &self.there
    }

    /// True where a record that a reference lost is gone or missing.
    pub(crate) fn is_gone(&self, record: &RecordKey) -> bool {
        self.gone.contains(record)
    }

    /// True where every record of a link is gone.
    pub(crate) fn is_over(&self, link: LinkId) -> bool {
        self.over.contains(&link)
    }

    /// True where two references name the same things by now. United links stand for each other;
    /// links of which every record is gone do not count.
    pub(crate) fn is_same_by_now(&self, one: &Cell, other: &Cell) -> bool {
        // A united link has the members of the one that it is part of.
        let by_now = |cell: &Cell| -> BTreeSet<(Option<&RecordKey>, Option<LinkId>)> {
            let present = link_ids(cell).filter(|link| !self.is_over(*link));
            let named =
                present.map(|link| match self.members.get(&link).and_then(|all| all.first()) {
                    Some(record) => (Some(record), None),
                    None => (None, Some(link)),
                });
            named.collect()
        };
        by_now(one) == by_now(other)
    }

    /// True where two references that name something name the same by now.
    pub(crate) fn is_renamed(&self, before: &Cell, now: &Cell) -> bool {
        let is_left = |link| !self.is_over(link);
        link_ids(before).next().is_some()
            && link_ids(before).chain(link_ids(now)).all(is_left)
            && self.is_same_by_now(before, now)
    }

    /// True where a reference names links and every record of all of them is gone.
    pub(crate) fn are_over(&self, field: &FieldSpec, cell: &Cell) -> bool {
        matches!(field.kind, FieldKind::Reference { .. })
            && link_ids(cell).next().is_some()
            && link_ids(cell).all(|link| self.is_over(link))
    }

    /// The link of a record of a system.
    pub(crate) fn link_of(&self, record: &RecordKey) -> Option<LinkId> {
        self.link(&record.system, &record.object, &record.id)
    }

    /// Fetches the values that new records copy from those that they refer to.
    async fn copy(
        &mut self,
        store: &dyn Store,
        mappings: &FieldMappings<'_>,
        views: &[LinkView],
    ) -> Result<(), StoreError> {
        let members = mappings.entity.members.iter();
        let creators: Vec<&MemberSpec> =
            members.filter(|member| member.create && !member.copies.is_empty()).collect();
        let mut wanted: BTreeMap<LinkId, BTreeSet<FieldIndex>> = BTreeMap::new();
        for (view, member) in views.iter().flat_map(|view| creators.iter().map(move |m| (view, m)))
        {
            let mut mine = view.records.iter().filter(|record| record.key.system == member.system);
            if mine.any(|record| !record.status.is_gone()) {
                continue;
            }
            for copy in &member.copies {
                for link in self.referred(mappings, view, copy.reference) {
                    wanted.entry(link).or_default().insert(copy.field);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let ids: Vec<LinkId> = wanted.keys().copied().collect();
        for view in store.links(&ids).await? {
            for field in wanted.get(&view.link.id).into_iter().flatten() {
                // A link of another entity, which the one that is referred to should be.
                let cell = view.link.truth.find(*field).map(|truth| truth.value.clone());
                let filled = cell.filter(|cell| cell.as_ref().is_some_and(|one| !one.is_null()));
                self.copied.extend(filled.map(|cell| ((view.link.id, *field), cell)));
            }
        }
        Ok(())
    }

    /// The links that a field of a link may refer to, as its truth or one of its records says.
    fn referred(
        &self,
        mappings: &FieldMappings<'_>,
        view: &LinkView,
        field: FieldIndex,
    ) -> Vec<LinkId> {
        let mut links: Vec<LinkId> = link_ids(&view.link.truth[field].value).collect();
        for record in &view.records {
            let mapping =
                mappings.member_of(record).and_then(|member| mappings.mapping(member, field));
            let target = mapping.and_then(|mapping| mapping.group.target.as_deref());
            let seen = record.fields[field].seen.as_ref();
            if let (Some(target), Some(id)) = (target, seen.and_then(primary)) {
                links.extend(self.link(&record.key.system, target, id));
            }
        }
        links
    }

    /// A value of a record referred to, for a column of a new record.
    pub fn copied(&self, link: LinkId, field: FieldIndex) -> Option<&Cell> {
        self.copied.get(&(link, field))
    }

    /// The link of a remote record.
    fn link(&self, system: &str, object: &str, id: &str) -> Option<LinkId> {
        self.links.get(system)?.get(object)?.get(id).copied()
    }

    /// A member's reference as link numbers. A single one is the primary one and absent while it
    /// has no link; of several, those with a link count.
    pub fn inward(&self, many: bool, system: &str, object: &str, cell: &Cell) -> ReadReference {
        let Some(value @ Value::References(ids)) = cell else {
            return ReadReference { cell: cell.clone(), unknown: Vec::new() };
        };
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        let counted = if many { ids.as_slice() } else { ids.get(..1).unwrap_or_default() };
        if !many && primary(value).is_none() {
            return ReadReference { cell: Some(Value::Null), unknown };
        }
        for id in counted.iter().filter(|id| !id.is_empty()) {
            match self.link(system, object, id) {
                Some(link) => known.push(link.0.to_smolstr()),
                None => unknown.push(remote_key(system, object, id)),
            }
        }
        known.sort_unstable();
        known.dedup();
        let cell = match (known.is_empty(), many) {
            (false, _) => Some(Value::References(known)),
            (true, true) => Some(Value::Null),
            (true, false) => None,
        };
        ReadReference { cell, unknown }
    }

    /// Link numbers as ids of `object` in `system`. What `present` holds besides stays, unless the
    /// field governs it: of several, ids without a link stay untouched (`RULES.md` I7). A link of
    /// which every record is gone is neither written nor awaited (`RULES.md` V2).
    pub fn outward(
        &self,
        governs: Governs,
        system: &str,
        object: &str,
        cell: &Cell,
        present: &Cell,
    ) -> WrittenReference {
        let mut remote = Vec::new();
        let mut written = Vec::new();
        let mut missing = Vec::new();
        let mut names_nothing = false;
        for link in link_ids(cell) {
            match self.remote_id(link, system, object, present) {
                Some(id) => {
                    remote.push(id);
                    written.push(link.0.to_smolstr());
                }
                None if self.is_over(link) => names_nothing = true,
                None => missing.push(link),
            }
        }
        let held = match present {
            Some(Value::References(ids)) => ids.as_slice(),
            _ => &[],
        };
        if governs == Governs::Set {
            let unlinked = held.iter().filter(|id| self.link(system, object, id).is_none());
            remote.extend(unlinked.filter(|id| !id.is_empty()).cloned());
            // A record that stays keeps its place, so that the primary one stays the primary one.
            remote.sort_by_key(|id| held.iter().position(|held| held == id).unwrap_or(held.len()));
        }
        if remote.is_empty() && (names_nothing || !missing.is_empty()) {
            return WrittenReference { remote: None, written: None, missing, removes: Vec::new() };
        }
        let governed = match governs {
            Governs::Primary => held.get(..1).unwrap_or_default(),
            Governs::One | Governs::Set => held,
        };
        let goes = governed.iter().filter(|id| !id.is_empty() && !remote.contains(id));
        let removes = goes.map(|id| remote_key(system, object, id)).collect();
        WrittenReference {
            remote: references(remote),
            written: references(written),
            missing,
            removes,
        }
    }

    /// A present id that stands for the link already is kept; else its live record's.
    fn remote_id(
        &self,
        link: LinkId,
        system: &str,
        object: &str,
        present: &Cell,
    ) -> Option<SmolStr> {
        if let Some(Value::References(ids)) = present {
            let same = |id: &&SmolStr| self.link(system, object, id) == Some(link);
            if let Some(id) = ids.iter().find(same) {
                return Some(id.clone());
            }
        }
        let records = self.members.get(&link).map(Vec::as_slice).unwrap_or_default();
        let record = records.iter().find(|key| key.system == system && key.object == object);
        match record {
            Some(record) => Some(record.id.as_str().into()),
            None if self.is_promised(link, system, object) => {
                Some(format_smolstr!("(new {object} of link {link})"))
            }
            None => None,
        }
    }

    /// True where the preview itself creates the record.
    fn is_promised(&self, link: LinkId, system: &str, object: &str) -> bool {
        let Some(promised) = &self.preview else { return false };
        let place = (system.to_owned(), object.to_owned());
        !self.is_over(link) && promised.get(&place).is_none_or(|links| links.contains(&link))
    }
}

/// The link numbers in a canonical reference.
pub fn link_ids(cell: &Cell) -> impl Iterator<Item = LinkId> {
    let ids = match cell {
        Some(Value::References(ids)) => ids.as_slice(),
        _ => &[],
    };
    ids.iter().filter_map(|id| id.parse().ok().map(LinkId))
}

fn references(ids: Vec<SmolStr>) -> Cell {
    Some(if ids.is_empty() { Value::Null } else { Value::References(ids) })
}

fn remote_key(system: &str, object: &str, id: &str) -> RecordKey {
    RecordKey { system: system.to_owned(), object: object.to_owned(), id: id.to_owned() }
}
