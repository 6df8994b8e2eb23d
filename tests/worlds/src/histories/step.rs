//! Steps of a history, as data: each stands for itself, so that some can be taken
//! away, and each can be told in words.

use std::fmt;

use renkei_model::value::{DisplayedValue, Value};

use super::stage::{Kind, SYSTEMS};
use crate::world::Fault;
use crate::world::knobs::{Answers, Form, OnRemoval, Refused, Versions};

/// A whole history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub seed: u64,
    /// Number of systems.
    pub sides: usize,
    /// Records that no cursor shows are found by sweeps.
    pub swept: bool,
    pub steps: Vec<Step>,
}

/// A table of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table {
    pub side: usize,
    pub kind: Kind,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A table becomes unpleasant.
    Turn(Table, Knob),
    /// Time passes, ms.
    Wait(i64),
    /// People do something between cycles.
    Act(Act),
    /// People do something in the middle of the next cycle, before a call.
    Meanwhile(u64, Act),
    /// Faults of the next operations.
    Arm(Fault),
    /// A call of the next cycle fails as a whole.
    FailCall(u64),
    /// A cycle.
    Cycle,
    /// A cycle in a process that dies at some commit, and a new process.
    Crash(u64),
    /// The database is copied.
    Backup,
    /// The database is replaced by its copy.
    Restore,
}

/// Acts of people and systems. Records are named by position among those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The same thing is made on these sides, each with a value of its own, where it is not there.
    Appear { kind: Kind, thing: u8, made: Vec<(usize, Value)> },
    /// A person changes a column.
    Edit { at: Table, nth: usize, column: &'static str, value: Value, person: u8 },
    /// A person puts back what stood there before the last change.
    PutBack { at: Table, nth: usize, column: &'static str },
    /// A person chooses companies, the first of them primary.
    Parents { side: usize, nth: usize, companies: Vec<usize> },
    /// A person deletes a record.
    Remove { at: Table, nth: usize },
    /// A person brings a deleted record back.
    Revive { at: Table, nth: usize },
    /// Two records of a table become one, which has a new id where it is `renewed`.
    Merge { at: Table, nth: usize, renewed: bool },
    /// A record is edited and scans of changes do not show it any more.
    Unsee { at: Table, nth: usize, column: &'static str, value: Value },
    /// The account may not see a record any more, or again.
    Hide { at: Table, nth: usize },
    /// A column is gone, or back.
    Column { at: Table, column: &'static str },
    /// The system's clock is set.
    Clock { side: usize, ms: i64 },
}

/// One behaviour of a table. The names are those that `--knobs` takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Knob {
    /// Scans and searches lag, readings by id do not.
    IndexLag {
        ms: i64,
        uneven: bool,
    },
    /// Everything that is read lags.
    Lag(i64),
    Versions(Versions),
    Answers(Answers),
    WholeSeconds,
    Form(&'static str, Form),
    Default(&'static str, Value),
    Refused(&'static str, Refused),
    Rule(&'static str, Refused),
    /// Companies only: what their removal does to people.
    Referrers(OnRemoval),
    Pages(usize),
    RemovalsApart,
    LookBack(i64),
    Unstamped,
}

impl Step {
    /// True if a step is about this system.
    pub fn names(&self, side: usize) -> bool {
        match self {
            Self::Turn(at, _) => at.side == side,
            Self::Act(act) | Self::Meanwhile(_, act) => act.names(side),
            _ => false,
        }
    }
}

impl Act {
    fn names(&self, other: usize) -> bool {
        match self {
            Self::Appear { made, .. } => made.iter().any(|(side, _)| *side == other),
            Self::Parents { side, .. } | Self::Clock { side, .. } => *side == other,
            Self::Edit { at, .. }
            | Self::PutBack { at, .. }
            | Self::Remove { at, .. }
            | Self::Revive { at, .. }
            | Self::Merge { at, .. }
            | Self::Unsee { at, .. }
            | Self::Hide { at, .. }
            | Self::Column { at, .. } => at.side == other,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", SYSTEMS[self.side], self.kind.object())
    }
}

/// A value for people.
struct Said<'a>(&'a Value);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        DisplayedValue(&Some(self.0.clone())).fmt(f)
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Appear { kind, thing, made } => {
                let systems: Vec<_> = made
                    .iter()
                    .map(|(side, value)| format!("{} ({})", SYSTEMS[*side], Said(value)))
                    .collect();
                write!(f, "{kind:?} {thing} is made in {}", systems.join(" and "))
            }
            Self::Edit { at, nth, column, value, person } => {
                let value = Said(value);
                write!(f, "person {person} sets {column} of record {nth} in {at} to {value}")
            }
            Self::PutBack { at, nth, column } => {
                write!(f, "a person puts back {column} of record {nth} in {at}")
            }
            Self::Parents { side, nth, companies } => {
                let system = SYSTEMS[*side];
                write!(f, "a person gives person {nth} in {system} the companies {companies:?}")
            }
            Self::Remove { at, nth } => write!(f, "a person deletes record {nth} in {at}"),
            Self::Revive { at, nth } => {
                write!(f, "a person restores deleted record {nth} in {at}")
            }
            Self::Merge { at, nth, renewed } => {
                let id = if *renewed { "a new id" } else { "its own id" };
                write!(f, "a person merges another record into record {nth} in {at}, with {id}")
            }
            Self::Unsee { at, nth, column, value } => write!(
                f,
                "scans of changes show record {nth} in {at} no more, and its {column} is set to {}",
                Said(value)
            ),
            Self::Hide { at, nth } => {
                write!(f, "the right to see record {nth} in {at} is taken away, or given back")
            }
            Self::Column { at, column } => {
                write!(f, "column {column} of {at} vanishes, or returns")
            }
            Self::Clock { side, ms } => {
                write!(f, "the clock of {} is set {ms} ms ahead", SYSTEMS[*side])
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn(at, knob) => write!(f, "{at} has {knob:?}"),
            Self::Wait(ms) => write!(f, "{ms} ms pass"),
            Self::Act(act) => act.fmt(f),
            Self::Meanwhile(calls, act) => {
                write!(f, "in the next cycle, after {calls} calls: {act}")
            }
            Self::Arm(fault) => write!(f, "of the next operations one meets {fault:?}"),
            Self::FailCall(calls) => write!(f, "in the next cycle call {} fails", calls + 1),
            Self::Cycle => f.write_str("a cycle"),
            Self::Crash(commits) => write!(f, "a cycle dies after {commits} commits"),
            Self::Backup => f.write_str("the database is copied"),
            Self::Restore => f.write_str("the copy replaces the database"),
        }
    }
}

/// The whole story.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let systems = SYSTEMS[..self.sides].join(", ");
        let swept = if self.swept { ", swept" } else { "" };
        writeln!(f, "seed {}, systems {systems}{swept}", self.seed)?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:3}. {step}", number + 1)?;
        }
        f.write_str("     then people stop, faults heal, and cycles run until nothing is written")
    }
}
