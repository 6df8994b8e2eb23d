//! One field of a record as last seen: its value, base and agreement.

use serde::{Deserialize, Serialize};

use super::Span;
use crate::canonical::is_same;
use crate::spec::FieldKind;
use crate::value::{Cell, SmolStr, Value};

/// One field of a record as last seen: its value, base and agreement.
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
    /// The span in which the present `seen` came about, as far as modification times prove it.
    pub edited: Span,
    /// A write of this field was never answered and the record has changed since. `seen` may be the
    /// value from before the write, or one that a person put back after it. It is weighed as an
    /// edit, also where it equals `base`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The default of the mapping with which the record was made, as the field reads it. While it
    /// stands there it is read as empty (RULES.md V6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filler: Option<Box<Value>>,
    /// Answered writes of this value that a reading did not show (RULES.md R26).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tries: u32,
    /// The system set the present `seen` when our create made the record: nobody's edit
    /// (RULES.md P4). Without `seen` the field is stopped: it is not mapped now, and `base` is its
    /// state from before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preset: bool,
    /// Ids that a reference named and names no more, until a plan has taken that into account.
    /// Their records may be gone (RULES.md V2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Box<[SmolStr]>>,
    /// The hub's value of the reference when a deletion emptied it there, until the truth changes.
    /// A person who sets it anew had that truth (RULES.md V2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bereft: Option<Box<Value>>,
}

impl FieldState {
    /// A field whose values have got another meaning (RULES.md V13). The next value there is
    /// nobody's edit.
    pub fn forgotten() -> Self {
        Self { preset: true, ..Self::default() }
    }

    /// Prepares the field of a record that becomes surplus in another link. That link has agreed on
    /// nothing with it, so its value is nobody's edit and is weighed once the record is active.
    pub fn become_surplus(&mut self) {
        (self.base, self.agreed, self.bereft) = (None, None, None);
        self.preset |= self.seen.is_some();
    }

    /// Stops the field: the member does not map it now, or its system did not answer it
    /// (RULES.md V13). Its base and agreement stay until it is read.
    pub fn stand_still(&mut self) {
        if *self != Self::default() {
            let Self { base, agreed, bereft, filler, unsure, lost, .. } = std::mem::take(self);
            *self = Self { base, agreed, bereft, filler, unsure, lost, ..Self::forgotten() };
        }
    }

    /// True if the field is stopped.
    pub fn is_still(&self) -> bool {
        self.preset && self.seen.is_none()
    }

    /// Starts the field again when it is read after a stop. An empty cell may belong to a new
    /// property of the same name, so it is nobody's edit.
    pub fn end_standstill(&mut self, cell: &Cell) {
        let is_empty = matches!(cell, Some(Value::Null | Value::Boolean(false)));
        if self.is_still() && is_empty {
            *self = Self { filler: self.filler.take(), ..Self::forgotten() };
        }
    }

    /// Keeps the ids that a reference will name no more; of a single reference only the primary
    /// one.
    pub fn lose(&mut self, kind: &FieldKind, now: &Cell) {
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

    /// True if a cell is the default with which the record was made.
    pub fn is_filler(&self, kind: &FieldKind, cell: &Cell) -> bool {
        let filler = self.filler.as_deref();
        filler.is_some_and(|filler| is_same(kind, &Some(filler.clone()), cell))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
