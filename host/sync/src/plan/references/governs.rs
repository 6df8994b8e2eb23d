//! The part of a reference column that a field governs: the primary record, one alone, or a set.

use crate::plan::mapping::FieldMapping;
use renkei_model::spec::FieldKind;

/// The part of a column's records that a reference field governs; the others stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Governs {
    /// The primary one; the others stay (`RULES.md` V3).
    Primary,
    /// One, beside which no other stays.
    One,
    /// All of them that have a link, as a set.
    Set,
}

/// True where a field refers to several links.
pub fn is_many(kind: &FieldKind) -> bool {
    matches!(kind, FieldKind::Reference { many: true, .. })
}

/// The part that a field governs in a mapping.
pub fn governs(kind: &FieldKind, mapping: FieldMapping<'_>) -> Governs {
    match (is_many(kind), mapping.group.rules.governs_all) {
        (true, _) => Governs::Set,
        (false, true) => Governs::One,
        (false, false) => Governs::Primary,
    }
}
