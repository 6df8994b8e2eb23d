//! What is known of one field in one record.

use serde::{Deserialize, Serialize};

use super::Span;
use crate::model::spec::FieldKind;
use crate::model::value::{Cell, SmolStr, Value};
use crate::read::canonical::is_same;

/// What the engine knows of one field in one record.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FieldState {
    /// The value last observed. A reference holds the ids of its own system. `None` was never read.
    pub seen: Cell,
    /// The member's value that the hub has taken into account. `seen != base` is an edit. A
    /// reference holds link ids.
    pub base: Cell,
    /// The hub's value that this member last agreed to, so that a system's own rounding is not
    /// fought: a write is due when the truth is another.
    pub agreed: Cell,
    /// When the present `seen` came about, as far as stamps prove it.
    pub edited: Span,
    /// A write of this field was never answered and the record has changed since: `seen` may be
    /// what stood there before the write, or what a person put back after it. It is weighed as an
    /// edit, also where it equals `base`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The record was made with this default of the mapping, as the field reads it. As long as it
    /// stands there it is read as empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filler: Option<Box<Value>>,
    /// How often a write of this value was answered and not found there (RULES.md R26).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// The system put the present `seen` there when our create made the record: nobody's edit
    /// (RULES.md P4). Without `seen` the field stands still: it is not mapped now, and `base` is
    /// what was known before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preset: bool,
    /// Ids that a reference named and names no more, until that is taken into account: what they
    /// stand for may be gone (RULES.md V2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Box<[SmolStr]>>,
    /// What the field named by the hub's account when a deletion emptied it there, until the truth
    /// moves: whoever sets it anew had that truth (RULES.md V2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bereft: Option<Box<Value>>,
}

impl FieldState {
    /// A field whose values have come to mean something else (RULES.md V13): whatever is met there
    /// next is nobody's edit.
    pub(crate) fn forgotten() -> Self {
        Self { preset: true, ..Self::default() }
    }

    /// The record stands aside in another link now, which does not know what it agreed on with the
    /// earlier one. What it holds is nobody's edit there, and is weighed once it has a place.
    pub(crate) fn stand_aside(&mut self) {
        (self.base, self.agreed, self.bereft) = (None, None, None);
        self.preset |= self.seen.is_some();
    }

    /// The member does not map the field now, or its system did not answer it (RULES.md V13): what
    /// was known stands until it is read.
    pub(crate) fn stand_still(&mut self) {
        if *self != Self::default() {
            let Self { base, agreed, bereft, filler, unsure, lost, .. } = std::mem::take(self);
            *self = Self { base, agreed, bereft, filler, unsure, lost, ..Self::forgotten() };
        }
    }

    /// Whether it stands still.
    pub(crate) fn is_still(&self) -> bool {
        self.preset && self.seen.is_none()
    }

    /// The field is read again after it stood still. One that is empty there may be another one of
    /// the same name, which nobody has emptied.
    pub(crate) fn wake(&mut self, cell: &Cell) {
        let is_empty = matches!(cell, Some(Value::Null | Value::Boolean(false)));
        if self.is_still() && is_empty {
            *self = Self { filler: self.filler.take(), ..Self::forgotten() };
        }
    }

    /// Remembers what a reference will name no more, of a single one the primary record.
    pub(crate) fn lose(&mut self, kind: &FieldKind, now: &Cell) {
        let FieldKind::Reference { many, .. } = kind else { return };
        fn named(cell: &Cell, many: bool) -> impl Iterator<Item = &SmolStr> {
            let ids = match cell {
                Some(Value::References(ids)) => ids.as_slice(),
                _ => &[],
            };
            let most = if many { ids.len() } else { 1 };
            ids.iter().take(most).filter(|id| !id.is_empty())
        }
        let kept: Vec<&SmolStr> = named(now, *many).collect();
        let known = self.lost.as_deref().unwrap_or_default();
        let gone = named(&self.seen, *many).chain(known).filter(|id| !kept.contains(id));
        let mut lost: Vec<SmolStr> = gone.cloned().collect();
        lost.sort_unstable();
        lost.dedup();
        self.lost = (!lost.is_empty()).then(|| lost.into_boxed_slice());
    }

    /// Whether a cell is the default that the record was made with.
    pub fn is_filler(&self, kind: &FieldKind, cell: &Cell) -> bool {
        let filler = self.filler.as_deref();
        filler.is_some_and(|filler| is_same(kind, &Some(filler.clone()), cell))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
