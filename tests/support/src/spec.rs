//! Parts of a specification, each with ordinary defaults. A test replaces what it is about.

use renkei_model::spec::days::Days;
use renkei_model::spec::{
    Clear, ColumnRules, DeleteGuard, Direction, EntitySpec, FieldIndex, FieldKind, FieldSpec,
    FirstLink, MappingGroup, MatchKey, MemberSpec, OnCascade, OnDelete, OnMerge, ValueTable, Via,
    Winner,
};

/// A field that a cleared value empties everywhere.
pub fn field(name: &str, kind: FieldKind, winner: Winner) -> FieldSpec {
    FieldSpec { name: name.to_owned(), kind, winner, clear: Clear::Propagate }
}

/// A column that holds the field as it is.
pub fn direct(field: usize, column: &str, direction: Direction) -> MappingGroup {
    MappingGroup {
        fields: vec![FieldIndex(field)],
        columns: vec![column.to_owned()],
        direction,
        via: Via::Direct,
        target: None,
        required: false,
        rules: ColumnRules::default(),
    }
}

/// A column that refers to records of `target`.
pub fn reference(field: usize, column: &str, target: &str, required: bool) -> MappingGroup {
    let target = Some(target.to_owned());
    MappingGroup { target, required, ..direct(field, column, Direction::Both) }
}

/// A column with a value table: pairs for reading and pairs for writing.
pub fn table(
    field: usize,
    column: &str,
    pairs: &[(&str, &str)],
    back: &[(&str, &str)],
) -> MappingGroup {
    let owned = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
    };
    let table = ValueTable { read: owned(pairs), write: owned(back) };
    MappingGroup { via: Via::Table(table), ..direct(field, column, Direction::Both) }
}

/// A member that creates and merges, with the stamp column `stamp`. It reads two rows at a time, so
/// that a few records fill several pages.
pub fn member(system: &str, object: &str, groups: Vec<MappingGroup>) -> MemberSpec {
    MemberSpec {
        system: system.to_owned(),
        object: object.to_owned(),
        create: true,
        groups,
        stops_create: Vec::new(),
        mergeable: true,
        constants: Vec::new(),
        copies: Vec::new(),
        days: Days::default(),
        digest: "1".to_owned(),
        read_rows: 2,
        write_rows: 1000,
        stamp: Some("stamp".to_owned()),
    }
}

/// An entity without match keys. Its first link prefers the system `a`.
pub fn entity(name: &str, fields: Vec<FieldSpec>, members: Vec<MemberSpec>) -> EntitySpec {
    EntitySpec {
        name: name.to_owned(),
        members,
        fields,
        match_keys: Vec::new(),
        first_link: FirstLink::Prefer("a".to_owned()),
        on_delete: OnDelete::Archive,
        on_merge: OnMerge::Review,
        delete_guard: DeleteGuard::default(),
        on_cascade: OnCascade::Ask,
        create_guard: None,
        sweep_ms: None,
    }
}

/// A match key of these fields as they are.
pub fn match_key(name: &str, fields: &[usize], unique: bool) -> MatchKey {
    MatchKey {
        name: name.to_owned(),
        fields: fields.iter().map(|field| FieldIndex(*field)).collect(),
        transform: None,
        unique,
    }
}
