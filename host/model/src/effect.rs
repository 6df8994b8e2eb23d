//! Effects: everything that the engine can have a system do, as one closed list.
//!
//! Planning, printing, sending, settling, probing and storing all ask this file: for the data of an
//! effect its [`Effect`], for its behaviour the [`EffectTraits`] of its kind. Where the ways
//! differ (the call, the settling) there is one match over all kinds, in
//! `host/sync/src/apply/effects.rs`.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use strum::EnumCount;

use crate::record::{Action, WriteRequest};
use crate::state::RecordStatus;

/// The change that an operation makes in a system, with the records that it is about.
///
/// In JSON and in the database it is spread over `action`, `id` and `loser`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Effect {
    /// Makes a record, stamped with the intent.
    Create,
    /// Changes columns of a record.
    Update {
        /// The record's id.
        id: String,
    },
    /// Archives a record; the system may restore it.
    Archive {
        /// The record's id.
        id: String,
    },
    /// Lets one record absorb another.
    Merge {
        /// The id of the record that stays.
        #[serde(rename = "id")]
        winner: String,
        /// The id of the record that is absorbed.
        loser: String,
    },
}

impl Effect {
    /// Its kind.
    pub fn kind(&self) -> EffectKind {
        match self {
            Self::Create => EffectKind::Create,
            Self::Update { .. } => EffectKind::Update,
            Self::Archive { .. } => EffectKind::Archive,
            Self::Merge { .. } => EffectKind::Merge,
        }
    }

    /// The record that it changes; a create has none yet.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Create => None,
            Self::Update { id } | Self::Archive { id } | Self::Merge { winner: id, .. } => Some(id),
        }
    }

    /// The record that it takes away besides the one that it changes.
    pub fn loser(&self) -> Option<&str> {
        match self {
            Self::Merge { loser, .. } => Some(loser),
            Self::Create | Self::Update { .. } | Self::Archive { .. } => None,
        }
    }

    /// Every record that it is about.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.id().into_iter().chain(self.loser())
    }

    /// The record that tells, once it is read again, whether the effect came about: of a merge the
    /// loser, which is gone then.
    pub fn telling_id(&self) -> Option<&str> {
        self.loser().or(self.id())
    }

    /// The status that each record must have in the link for the effect to be planned.
    pub fn required_statuses(&self) -> Vec<(&str, RecordStatus)> {
        match self {
            Self::Create | Self::Update { .. } | Self::Archive { .. } => Vec::new(),
            Self::Merge { winner, loser } => {
                vec![(winner, RecordStatus::Live), (loser, RecordStatus::Surplus)]
            }
        }
    }

    /// The action and the record of the contract's write; `None` where it has a call of its own.
    pub fn as_write(&self) -> Option<(Action, Option<String>)> {
        match self {
            Self::Create => Some((Action::Create, None)),
            Self::Update { id } => Some((Action::Update, Some(id.clone()))),
            Self::Archive { id } => Some((Action::Archive, Some(id.clone()))),
            Self::Merge { .. } => None,
        }
    }

    /// Prints the effect and its records: `update hubspot.contacts/7`.
    pub fn print(&self, f: &mut fmt::Formatter<'_>, (system, object): (&str, &str)) -> fmt::Result {
        let word = self.kind().word();
        match self {
            Self::Create => write!(f, "{word} {system}.{object}/(new)"),
            Self::Update { id } | Self::Archive { id } => {
                write!(f, "{word} {system}.{object}/{id}")
            }
            Self::Merge { winner, loser } => {
                write!(f, "{word} {system}.{object}/{loser} into /{winner}")
            }
        }
    }
}

/// The kind of an effect.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumCount, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum EffectKind {
    /// [`Effect::Create`].
    Create,
    /// [`Effect::Update`].
    Update,
    /// [`Effect::Archive`].
    Archive,
    /// [`Effect::Merge`].
    Merge,
}

/// The way to find out whether an effect without an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeBy {
    /// Its stamp, its match keys and its values are looked for.
    Stamp,
    /// Its records are read again.
    Record,
}

/// The behaviour of a kind of effect: the rules of planning, sending and settling ask for it.
struct EffectTraits {
    /// Its word in plans, permissions, JSON and the database.
    word: &'static str,
    /// The key of its count in the report of a cycle.
    done: &'static str,
    /// It makes a record: it waits until it is known that there is none, a guard counts it, and its
    /// intent is a stamp.
    makes_record: bool,
    /// It takes a record away: it waits until all was read, and a guard counts it.
    removes_record: bool,
    /// It carries columns, and is nothing without any.
    writes_columns: bool,
    /// Nothing else of its link is planned beside it, and a call carries one of them.
    goes_alone: bool,
    probe: ProbeBy,
}

impl EffectKind {
    /// Every kind.
    pub const ALL: [Self; Self::COUNT] = [Self::Create, Self::Update, Self::Archive, Self::Merge];

    fn traits(self) -> EffectTraits {
        match self {
            Self::Create => EffectTraits {
                word: "create",
                done: "created",
                makes_record: true,
                removes_record: false,
                writes_columns: true,
                goes_alone: false,
                probe: ProbeBy::Stamp,
            },
            Self::Update => EffectTraits {
                word: "update",
                done: "updated",
                makes_record: false,
                removes_record: false,
                writes_columns: true,
                goes_alone: false,
                probe: ProbeBy::Record,
            },
            Self::Archive => EffectTraits {
                word: "archive",
                done: "archived",
                makes_record: false,
                removes_record: true,
                writes_columns: false,
                goes_alone: false,
                probe: ProbeBy::Record,
            },
            Self::Merge => EffectTraits {
                word: "merge",
                done: "merged",
                makes_record: false,
                removes_record: false,
                writes_columns: false,
                goes_alone: true,
                probe: ProbeBy::Record,
            },
        }
    }

    /// Its word in plans, permissions, JSON and the database: `create`.
    pub fn word(self) -> &'static str {
        self.traits().word
    }

    /// The key of its count in the report of a cycle: `created`.
    pub fn done_word(self) -> &'static str {
        self.traits().done
    }

    /// True where it makes a record. Such an effect waits until it is known that there is none yet,
    /// a guard counts it, and its intent is a stamp on the record.
    pub fn makes_record(self) -> bool {
        self.traits().makes_record
    }

    /// True where it takes a record away. Such an effect waits until everything was read, and a
    /// guard counts it.
    pub fn removes_record(self) -> bool {
        self.traits().removes_record
    }

    /// True where it carries columns, and is nothing without any.
    pub fn writes_columns(self) -> bool {
        self.traits().writes_columns
    }

    /// True where it writes columns of a record that is there: it may be sent in parts.
    pub fn changes_record(self) -> bool {
        self.writes_columns() && !self.makes_record()
    }

    /// True where nothing else of its link is planned beside it, and a call carries one of them.
    pub fn goes_alone(self) -> bool {
        self.traits().goes_alone
    }

    /// The way to find out whether it came about where the answer is missing.
    pub fn probe_by(self) -> ProbeBy {
        self.traits().probe
    }
}

/// One call that has a system carry effects out.
#[derive(Debug, Clone, Copy)]
pub enum EffectCall<'a> {
    /// Writes to one object: an outcome per operation, in order.
    Write(&'a WriteRequest),
    /// Lets `winner` absorb `losers`: one outcome.
    Merge {
        /// The object's name in its system.
        object: &'a str,
        /// The id of the record that stays.
        winner: &'a str,
        /// The ids of the records that are absorbed.
        losers: &'a [String],
        /// The host's own key of this intent.
        intent: &'a str,
    },
}

impl EffectCall<'_> {
    /// The object that it is about.
    pub fn object(&self) -> &str {
        match self {
            Self::Write(request) => &request.object,
            Self::Merge { object, .. } => object,
        }
    }

    /// The words of what it does, each once: the permissions that it needs on its object.
    pub fn words(&self) -> BTreeSet<&'static str> {
        match self {
            Self::Write(request) => {
                request.operations.iter().map(|one| one.action.word()).collect()
            }
            Self::Merge { .. } => [EffectKind::Merge.word()].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_of_its_own() {
        let words: BTreeSet<&str> = EffectKind::ALL.into_iter().map(EffectKind::word).collect();
        let done: BTreeSet<&str> = EffectKind::ALL.into_iter().map(EffectKind::done_word).collect();
        assert_eq!((words.len(), done.len()), (EffectKind::ALL.len(), EffectKind::ALL.len()));
    }

    /// The words are those of the database and of `plan --json`.
    #[test]
    fn effect_is_spread_over_action_id_and_loser() {
        let text = |effect: &Effect| serde_json::to_string(effect).unwrap();
        let (one, two) = ("1".to_owned(), "2".to_owned());
        let merge = Effect::Merge { winner: one.clone(), loser: two };
        assert_eq!(text(&Effect::Create), r#"{"action":"create"}"#);
        assert_eq!(text(&merge), r#"{"action":"merge","id":"1","loser":"2"}"#);
        for effect in
            [Effect::Create, Effect::Update { id: one.clone() }, Effect::Archive { id: one }, merge]
        {
            assert!(text(&effect).contains(&format!(r#""action":"{}""#, effect.kind().word())));
            assert_eq!(serde_json::from_str::<Effect>(&text(&effect)).unwrap(), effect);
        }
    }
}
