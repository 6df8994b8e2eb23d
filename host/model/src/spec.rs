//! The mapping: entities, their members, fields, column groups and policies.
//!
//! Configuration builds these types and checks them against live schemas; the engine only reads
//! them. Systems, objects, fields and columns have names here; inside the engine a field is a
//! [`FieldIndex`] and a member a [`MemberIndex`].
//! [`Spec::new`] orders entities so that a reference always points backwards.

use std::collections::BTreeMap;

use crate::index::MemberIndex;
use crate::plugin::Schema;
use crate::spec::days::{DayFacts, Days};
use crate::value::Cell;

pub use crate::index::FieldIndex;
pub use function::TransformRef;
pub use meaning::Meanings;
pub use meaning::{is_of_another_entity, makes_more};
pub use policies::{Clear, DeleteGuard, FirstLink, OnCascade, OnDelete, OnMerge, Winner};

mod columns;
pub mod days;
mod function;
mod meaning;
mod policies;
mod positions;
pub mod stopped;
mod table;

/// All entities of the configuration, parents before the entities that refer to them.
#[derive(Debug, Clone)]
pub struct Spec {
    entities: Vec<EntitySpec>,
}

/// A kind of record that several systems have: person, company, deal.
#[derive(Debug, Clone)]
pub struct EntitySpec {
    /// Its name, such as `person`.
    pub name: String,
    /// The objects that hold it. In one system at most one live record per link is active.
    pub members: Vec<MemberSpec>,
    /// Its canonical fields; every [`FieldIndex`] is a position here.
    pub fields: Vec<FieldSpec>,
    /// Ways to match records, tried in order until one finds a counterpart.
    pub match_keys: Vec<MatchKey>,
    /// The rule for values that differ when two records are linked for the first time.
    pub first_link: FirstLink,
    /// The effect on the others when one is deleted or archived and nobody edited them.
    pub on_delete: OnDelete,
    /// The effect on the other systems' records when records of one system are merged.
    pub on_merge: OnMerge,
    /// The guard on deletions: more of them in 24 hours wait for approval.
    pub delete_guard: DeleteGuard,
    /// The rule for an archive that takes other records along in its system.
    pub on_cascade: OnCascade,
    /// The guard on creations: more of them in 24 hours wait for approval (RULES.md P14). `None` is
    /// no guard.
    pub create_guard: Option<u64>,
    /// The interval between two sweeps of each member, ms; `None` is never.
    pub sweep_ms: Option<u64>,
}

/// One object of one system that holds records of an entity.
#[derive(Debug, Clone)]
pub struct MemberSpec {
    /// The system's name in the configuration.
    pub system: String,
    /// The object's name in that system.
    pub object: String,
    /// A record is made here when the link has none in this system. At most one member per system
    /// has it.
    pub create: bool,
    /// Stopped columns that keep records from being made here now, although the mapping has
    /// `create` (`RULES.md` V13).
    pub stops_create: Vec<String>,
    /// The columns and the fields that they stand for. A field stands in at most one group.
    pub groups: Vec<MappingGroup>,
    /// The connector can merge two records of the object, as the live schema says.
    pub mergeable: bool,
    /// Column and value given at creation only, such as `Company` of a Salesforce Lead.
    pub constants: Vec<(String, Cell)>,
    /// Columns given at creation only, from the record that a reference points at; they go before
    /// `constants`.
    pub copies: Vec<CopiedColumn>,
    /// The account's time zone, and the columns that hold moments.
    pub days: Days,
    /// Changes when the mapping changes; a cursor made under another digest starts again from a
    /// backfill.
    pub digest: String,
    /// The largest page to ask for.
    pub read_rows: u32,
    /// The most operations to hand over in one write.
    pub write_rows: u32,
    /// The column that holds the intent of a create (`connector.wit`, schema fact `stamp`), where
    /// the live schema has one. It is read with the others.
    pub stamp: Option<String>,
}

/// A column of a new record that gets a value of the record that a reference points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedColumn {
    /// The column of the new record.
    pub column: String,
    /// The reference field that names the other record.
    pub reference: FieldIndex,
    /// The field of the entity that it refers to.
    pub field: FieldIndex,
}

/// Columns of a member and the fields that they stand for.
#[derive(Debug, Clone)]
pub struct MappingGroup {
    /// The canonical fields, in the order of the transform's columns on that side.
    pub fields: Vec<FieldIndex>,
    /// The member's columns, in the order of the transform's columns on that side.
    pub columns: Vec<String>,
    /// The direction in which values travel.
    pub direction: Direction,
    /// The conversion between columns and fields.
    pub via: Via,
    /// For reference fields: the object in this system whose ids the column holds.
    pub target: Option<String>,
    /// A create without a value for it is never sent: it waits for its parent or for a value.
    pub required: bool,
    /// Other rules for the columns.
    pub rules: ColumnRules,
}

/// Rules for columns besides their conversion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnRules {
    /// A field of one reference governs all records that the column holds, and not only the
    /// primary one.
    pub governs_all: bool,
    /// Texts that stand for nothing: read as empty.
    pub fillers: Vec<String>,
}

/// The direction in which values travel between a member and the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the member only: read-only. The hub never writes it.
    Read,
    /// To the member only. A change there is drift: journalled, not copied.
    Write,
    /// Both ways.
    Both,
}

impl Direction {
    /// True if the member's values count.
    pub fn reads(self) -> bool {
        self != Self::Write
    }

    /// True if the member may be written.
    pub fn writes(self) -> bool {
        self != Self::Read
    }
}

/// The conversion of columns to fields and back.
#[derive(Debug, Clone)]
pub enum Via {
    /// One column, one field, no change but the canonical form of the kind.
    Direct,
    /// One column, one field, through a table.
    Table(ValueTable),
    /// Through a function of a transform plugin.
    Transform(TransformUse),
}

/// Pairs of remote and canonical values. A value outside it is a failure, never a silent null
/// (RULES.md V17).
#[derive(Debug, Clone, Default)]
pub struct ValueTable {
    /// From the member: every remote value that may occur, its text trimmed and in NFC as in
    /// [`crate::canonical::composed`]. Several may lead to the same canonical
    /// value.
    pub read: BTreeMap<String, String>,
    /// To the member: the one remote value to write for each canonical value. A present remote
    /// value that already leads to the same canonical value stays (RULES.md V9).
    pub write: BTreeMap<String, String>,
}

/// A transform in a mapping.
#[derive(Debug, Clone)]
pub struct TransformUse {
    /// The function.
    pub function: TransformRef,
    /// The direction of the function's `forward`.
    pub orientation: Orientation,
}

/// The direction of a transform's `forward`; its `backward`, where it has one, goes the other way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orientation {
    /// `forward` takes the member's columns and gives the fields.
    ForwardReads,
    /// `forward` takes the fields and gives the member's columns.
    ForwardWrites,
}

/// One canonical field: a value that several systems hold, each perhaps in a form of its own.
#[derive(Debug, Clone)]
pub struct FieldSpec {
    /// Its name.
    pub name: String,
    /// The kind of its values, which decides their comparison.
    pub kind: FieldKind,
    /// The rule for two members that were edited to different values.
    pub winner: Winner,
    /// The effect of an emptied field on the other members.
    pub clear: Clear,
}

/// The kind of a field's values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// Text, compared trimmed and in Unicode NFC.
    Text,
    /// A mail address, compared in lower case.
    Mail,
    /// A phone number as people write it.
    Phone,
    /// A whole number.
    Integer,
    /// An exact decimal, compared without trailing zeros.
    Decimal,
    /// A truth value.
    Boolean,
    /// A day.
    Date,
    /// A moment, ms.
    Timestamp,
    /// One of a list.
    Choice,
    /// Several of a list, compared as a set.
    Choices,
    /// Links of another entity.
    Reference {
        /// That entity's name.
        entity: String,
        /// There may be several records; several are merged as sets.
        many: bool,
    },
}

/// One way to recognise the same thing in two systems.
#[derive(Debug, Clone)]
pub struct MatchKey {
    /// Its name, such as `mail`; stored with the values.
    pub name: String,
    /// The fields that must all have values.
    pub fields: Vec<FieldIndex>,
    /// Makes the compare-only key out of the fields; its first output column is the key. Never
    /// written back.
    pub transform: Option<TransformRef>,
    /// No system may hold two things with the same key, as of a mail address, but not of a
    /// company's name. Duplicates inside one system go to review instead of becoming two links.
    pub unique: bool,
}

/// A fault of the mapping that keeps it from being used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// Entities refer to each other in a ring.
    #[error("the references of these entities form a ring: {}", .0.join(", "))]
    Ring(Vec<String>),
    /// A reference names an entity that is not there.
    #[error("field {field} of {entity} refers to the unknown entity {target}")]
    UnknownEntity {
        /// The entity whose field it is.
        entity: String,
        /// The field.
        field: String,
        /// The unknown name.
        target: String,
    },
    /// Two members of one system both want to be created.
    #[error("{entity}: more than one member of {system} has create = true")]
    TwoCreators {
        /// The entity.
        entity: String,
        /// The system.
        system: String,
    },
    /// Two groups of one member write the same column.
    #[error("{entity}: two fields write column {column} of {system}.{object}")]
    WrittenTwice {
        /// The entity.
        entity: String,
        /// The column.
        column: String,
        /// The system.
        system: String,
        /// The object.
        object: String,
    },
    /// A position in the mapping is none of a field of this entity.
    #[error("the mapping names field {position} of {entity}, which has {count}, counted from 0")]
    NoSuchField {
        /// The entity.
        entity: String,
        /// The position.
        position: usize,
        /// The number of fields.
        count: usize,
    },
    /// A field stands in two groups of one member.
    #[error("{entity}: field {field} is mapped twice in {system}.{object}")]
    MappedTwice {
        /// The entity.
        entity: String,
        /// The field.
        field: String,
        /// The system.
        system: String,
        /// The object.
        object: String,
    },
}

impl SpecError {
    /// The next step.
    pub fn hint(&self) -> Option<&'static str> {
        matches!(self, Self::WrittenTwice { .. }).then_some("make one of them read_only")
    }
}

impl Spec {
    /// Checks the entities and orders them so that a reference always points to an earlier one.
    ///
    /// # Errors
    /// A ring of references, an unknown entity, two creators in one system, a field mapped twice.
    pub fn new(entities: Vec<EntitySpec>) -> Result<Self, SpecError> {
        for entity in &entities {
            entity.check(&entities)?;
        }
        let mut waiting = entities;
        let mut ordered: Vec<EntitySpec> = Vec::with_capacity(waiting.len());
        while !waiting.is_empty() {
            let ready = waiting.iter().position(|entity| {
                entity.references().all(|target| {
                    target == entity.name || ordered.iter().any(|done| done.name == target)
                })
            });
            match ready {
                Some(position) => ordered.push(waiting.remove(position)),
                None => {
                    return Err(SpecError::Ring(waiting.into_iter().map(|e| e.name).collect()));
                }
            }
        }
        Ok(Self { entities: ordered })
    }

    /// The entities, parents first.
    pub fn entities(&self) -> &[EntitySpec] {
        &self.entities
    }

    /// The entity with this name.
    pub fn entity(&self, name: &str) -> Option<&EntitySpec> {
        self.entities.iter().find(|entity| entity.name == name)
    }

    /// Gives the members of a system their time zone and moment columns, before anything is read.
    pub fn set_days(&self, system: &str, zone: Option<&jiff::tz::TimeZone>, schemas: &[Schema]) {
        let members = self.entities.iter().flat_map(|entity| &entity.members);
        for member in members.filter(|member| member.system == system) {
            if let Some(schema) = schemas.iter().find(|schema| schema.object == member.object) {
                member.days.set_facts(DayFacts::new(zone.cloned(), schema));
            }
        }
    }

    /// Systems with a member whose time zone and moment columns are not learned yet.
    pub fn unlearned(&self) -> Vec<&str> {
        let is_unlearned = |system: &&str| {
            let mut members = self.entities.iter().flat_map(|entity| &entity.members);
            members.any(|member| member.system == *system && !member.days.is_known())
        };
        self.systems().into_iter().filter(is_unlearned).collect()
    }

    /// Every system of the mapping, in order of first mention.
    pub fn systems(&self) -> Vec<&str> {
        let mut systems = Vec::new();
        for member in self.entities.iter().flat_map(|entity| &entity.members) {
            if !systems.contains(&member.system.as_str()) {
                systems.push(member.system.as_str());
            }
        }
        systems
    }
}

impl EntitySpec {
    /// The member that is this object of this system, with its position.
    pub fn member(&self, system: &str, object: &str) -> Option<(MemberIndex, &MemberSpec)> {
        self.indexed_members()
            .find(|(_, member)| member.system == system && member.object == object)
    }

    /// The field with this name, with its position.
    pub fn field(&self, name: &str) -> Option<(FieldIndex, &FieldSpec)> {
        self.indexed_fields().find(|(_, field)| field.name == name)
    }

    /// Entities that this one refers to.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().filter_map(|field| match &field.kind {
            FieldKind::Reference { entity, .. } => Some(entity.as_str()),
            _ => None,
        })
    }

    fn check(&self, all: &[Self]) -> Result<(), SpecError> {
        self.check_positions(all)?;
        for field in &self.fields {
            if let FieldKind::Reference { entity, .. } = &field.kind
                && !all.iter().any(|other| &other.name == entity)
            {
                return Err(SpecError::UnknownEntity {
                    entity: self.name.clone(),
                    field: field.name.clone(),
                    target: entity.clone(),
                });
            }
        }
        for member in &self.members {
            let creators =
                self.members.iter().filter(|other| other.create && other.system == member.system);
            if creators.count() > 1 {
                return Err(SpecError::TwoCreators {
                    entity: self.name.clone(),
                    system: member.system.clone(),
                });
            }
            self.check_groups(member)?;
        }
        Ok(())
    }

    fn check_groups(&self, member: &MemberSpec) -> Result<(), SpecError> {
        let writing = member.groups.iter().filter(|group| group.direction.writes());
        let mut written: Vec<&String> = writing.flat_map(|group| &group.columns).collect();
        written.sort_unstable();
        if let Some([column, _]) = written.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(SpecError::WrittenTwice {
                entity: self.name.clone(),
                column: (*column).clone(),
                system: member.system.clone(),
                object: member.object.clone(),
            });
        }
        let mut mapped: Vec<FieldIndex> =
            member.groups.iter().flat_map(|group| group.fields.iter().copied()).collect();
        mapped.sort_unstable();
        match mapped.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[_]>::first) {
            None => Ok(()),
            Some(twice) => Err(SpecError::MappedTwice {
                entity: self.name.clone(),
                field: self[*twice].name.clone(),
                system: member.system.clone(),
                object: member.object.clone(),
            }),
        }
    }
}

impl Spec {
    /// Sets the column that holds the stamps of an object's creates; `None` where the schema has
    /// none.
    pub fn set_stamp(&mut self, system: &str, object: &str, column: Option<&str>) {
        let members = self.entities.iter_mut().flat_map(|entity| &mut entity.members);
        for member in members.filter(|one| one.system == system && one.object == object) {
            member.stamp = column.map(str::to_owned);
        }
    }
}
