//! The reasons for writing something or leaving it, in plain words.
//!
//! Every line of the journal, every operation of a plan and every answer of `why` carries one.
//! Reasons name systems, fields and codes, never values.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::state::{LinkId, RecordKey};
use crate::times::span;
use crate::value::SmolStr;

/// The reason for writing something or leaving it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The value changed in this system and the others follow.
    ChangedIn(String),
    /// Two systems changed to the same value: nothing to write.
    SameChange,
    /// The systems differed and a rule chose this system's value.
    Won {
        /// The system whose value counts.
        winner: String,
        /// The rule that chose it.
        policy: String,
    },
    /// The systems differed and a merge function made one value of theirs.
    MergedBy {
        /// Plugin and function, with `/` between them.
        function: String,
    },
    /// The systems differ and a person must decide.
    Undecided {
        /// The rule that could not choose.
        policy: String,
    },
    /// A person decided.
    Chosen,
    /// A person decided, but the values had changed: the answer is not used.
    AnswerOvertaken,
    /// The object is not in the configuration any more, so the operation is forgotten.
    NotConfigured,
    /// First link: the field was empty here and is filled from this system.
    Filled(String),
    /// First link: the systems differed and the preferred system's value counts.
    Preferred(String),
    /// First link: the member is only written, and another value that stood there gives way to this
    /// system's.
    Replaced(String),
    /// The member has no record yet and gets one.
    NewRecord,
    /// The record was deleted while another was edited: the edit wins, so it is made again.
    EditBeatsDelete,
    /// The record was deleted, but this system has values that were never carried over: filled in,
    /// or brought by a conversion or a merge. So it is made again.
    AddedBeatsDelete(String),
    /// The record was deleted or archived in this system and the policy is to archive the others.
    DeletedIn(String),
    /// The record is gone in this system and the policy is to leave the others alone.
    Unlinked(String),
    /// The record is gone everywhere.
    GoneEverywhere,
    /// The record is gone and a person must decide about the others.
    DeleteUndecided(String),
    /// More deletions than the guard allows in a day: all of them wait for approval.
    #[serde(rename = "braked")]
    AboveDeleteGuard {
        /// Deletions that wait.
        count: u64,
        /// Deletions allowed in a day.
        limit: u64,
        /// Deletions among them that follow from another deletion.
        #[serde(default)]
        along: u64,
    },
    /// The record went because the engine archived this one: a person must decide about the others.
    WentAlong(RecordKey),
    /// The record went because the engine archived this one, and a person says to make it again.
    MadeAgain(RecordKey),
    /// More creations than the guard allows in a day: this one waits for approval.
    #[serde(rename = "create-cap")]
    AboveCreateGuard(u64),
    /// The value changed in this system although the mapping only writes it: not copied.
    Drift(String),
    /// Somebody opted out in this system, which is only written: no rule undoes that.
    OptOutStands(String),
    /// The field was emptied in this system and the policy is to ignore that.
    ClearIgnored(String),
    /// The field was emptied in this system and a person must decide.
    ClearUndecided(String),
    /// The field alternated between two values too often and waits for a person.
    Oscillating,
    /// The value is not in the mapping's table.
    Unmapped {
        /// The column without an entry for its value.
        column: String,
        /// Of a list, those of its items that are not there.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        items: Vec<SmolStr>,
    },
    /// The value cannot be read as the field's kind.
    Unreadable {
        /// The column whose value does not fit.
        column: String,
    },
    /// The system did not answer a column that was asked for: nothing is known of it.
    NotAnswered {
        /// The column without an answer.
        column: String,
    },
    /// The day of a moment is not known, because the account's time zone is not.
    ZoneUnknown {
        /// The column that holds a moment.
        column: String,
    },
    /// A transform fails at this record: what it would carry is neither read nor written.
    TransformFailed {
        /// `plugin@version` and digest.
        generation: String,
        /// The function's name.
        function: String,
    },
    /// Waits until this record is linked.
    WaitsForLink(RecordKey),
    /// Waits until the parent has a record there.
    WaitsForParent {
        /// The link of the parent, which a reference names.
        link: LinkId,
        /// The object that is missing.
        object: String,
    },
    /// Waits until this system has been read up to now: it may hold the same thing already.
    NotRead(String),
    /// A create needs a value that is not there.
    RequiredMissing {
        /// The field without a value.
        field: String,
    },
    /// No record is made in this object, because this column of it is stopped (RULES.md V13).
    StandsStill {
        /// The object.
        object: String,
        /// The column.
        column: String,
    },
    /// An admin took the right to it away: it is not sent. The host's own words.
    NotGranted(String),
    /// The system refused it.
    Refused {
        /// The system's codes.
        codes: Vec<String>,
    },
    /// The same write was refused before and nothing has changed since.
    RefusedBefore {
        /// The system's codes.
        codes: Vec<String>,
    },
    /// The system has written it.
    Applied,
    /// Written, and the system keeps it in another form of its own.
    AppliedAltered,
    /// The record was there already and is linked instead.
    AlreadyThere(RecordKey),
    /// The record had changed meanwhile: read again and planned again.
    ChangedMeanwhile,
    /// The record had changed, but no reading shows how yet: the next cycle looks again.
    NotShownYet,
    /// The record was gone when it should be written.
    FoundGone,
    /// The system asked for time.
    PutOff {
        /// The wait, ms.
        after_ms: u64,
    },
    /// The system could not do it now and asks for a retry.
    ToTryAgain {
        /// The system's codes.
        codes: Vec<String>,
    },
    /// Written according to the answer, but a later reading shows what stood there before.
    NotKept,
    /// Sent, no answer: probed before anything is sent again.
    Uncertain,
    /// Accepted by the system, which is still doing it: asked about later.
    BeingDone {
        /// The time until it is asked about, ms.
        after_ms: u64,
    },
    /// A probe found what an interrupted run had sent.
    FoundByProbe,
    /// A probe found nothing of what an interrupted run may have sent: planned again.
    SentAgain,
    /// Sent without an answer, and the record has changed since: weighed as a conflict.
    Unclear,
    /// A create was sent without an answer and nothing proves what became of it: a person must say.
    CreateUndecided,
    /// A person gave up a create that was never answered.
    GivenUp,
    /// Linked by this match key.
    MatchedBy(String),
    /// Matched nothing: a new link.
    Founded,
    /// Several records could be the same thing by this match key.
    AmbiguousBy(String),
    /// Linked by the choice of a person.
    LinkedByChoice,
    /// The two records are one in another system, and a rule or a person says to merge them here.
    MergedElsewhere,
    /// The record was gone and is there again, so its link goes on.
    CameBack,
    /// The merge that had swallowed this record was undone.
    MergeUndone(RecordKey),
    /// This record of the system is the same thing, but the mapping does not have its object.
    HasUnmapped(RecordKey),
    /// A person is asked whether this record is the same thing: none is made beside it.
    MayBe(RecordKey),
    /// Took over the link of the record that was merged into it.
    MergedFrom(RecordKey),
    /// Took over the link of the record that was converted into it.
    ConvertedFrom(RecordKey),
    /// Two links became one.
    LinksUnited(LinkId),
    /// Another record of the same system is the active one of the link.
    SurplusOf(RecordKey),
    /// The surplus record takes the place of the active one, which is gone.
    TookOver(RecordKey),
    /// The active record is gone and a person must say which surplus one takes its place.
    SuccessorUndecided(RecordKey),
    /// Missing: neither listed nor answered by its id, and no tombstone. It is neither read nor
    /// written.
    OutOfSight,
    /// The reference was emptied there because this record is gone: nobody's edit. It follows from
    /// what becomes of the deletion.
    FollowsDeletion(RecordKey),
}

impl Reason {
    /// True if the reason keeps something from being written that a person might expect. False for
    /// a reason that only tells which value stands.
    pub fn holds_back(&self) -> bool {
        matches!(
            self,
            Self::Undecided { .. }
                | Self::DeleteUndecided(_)
                | Self::SuccessorUndecided(_)
                | Self::OutOfSight
                | Self::AboveDeleteGuard { .. }
                | Self::WentAlong(_)
                | Self::AboveCreateGuard(_)
                | Self::Drift(_)
                | Self::OptOutStands(_)
                | Self::ClearIgnored(_)
                | Self::ClearUndecided(_)
                | Self::Oscillating
                | Self::Unmapped { .. }
                | Self::Unreadable { .. }
                | Self::NotAnswered { .. }
                | Self::ZoneUnknown { .. }
                | Self::TransformFailed { .. }
                | Self::WaitsForLink(_)
                | Self::WaitsForParent { .. }
                | Self::NotRead(_)
                | Self::RequiredMissing { .. }
                | Self::StandsStill { .. }
                | Self::NotGranted(_)
                | Self::RefusedBefore { .. }
                | Self::CreateUndecided
                | Self::FollowsDeletion(_)
                | Self::HasUnmapped(_)
                | Self::MayBe(_)
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ChangedIn(system) => write!(f, "changed in {system}"),
            Self::SameChange => write!(f, "changed to the same value in several systems"),
            Self::Won { winner, policy } => {
                write!(f, "changed in several systems; {winner} wins ({policy})")
            }
            Self::MergedBy { function } => write!(f, "differed; {function} merged the values"),
            Self::Undecided { policy } => {
                write!(f, "systems differ and someone must decide ({policy})")
            }
            Self::Chosen => write!(f, "someone decided"),
            Self::AnswerOvertaken => {
                write!(f, "someone decided about values that had changed; not used")
            }
            Self::Filled(system) => write!(f, "was empty at the first link; filled from {system}"),
            Self::Preferred(system) => {
                write!(f, "differed at the first link; {system} is preferred")
            }
            Self::Replaced(system) => {
                write!(f, "only written there: another value stood there; {system}'s replaces it")
            }
            Self::NewRecord => write!(f, "has no record there yet"),
            Self::EditBeatsDelete => write!(f, "deleted there but edited elsewhere; the edit wins"),
            Self::DeletedIn(system) => write!(f, "deleted in {system}"),
            Self::Unlinked(system) => write!(f, "gone in {system}; the others are left alone"),
            Self::GoneEverywhere => write!(f, "gone everywhere"),
            Self::DeleteUndecided(system) => write!(f, "gone in {system}; someone must decide"),
            Self::AboveCreateGuard(limit) => {
                write!(f, "more than {limit} creations in 24 hours; waits for approval")
            }
            Self::Drift(system) => {
                write!(f, "changed in {system} against the direction; not copied")
            }
            Self::OptOutStands(system) => {
                write!(f, "opted out in {system}; no rule takes that back")
            }
            Self::ClearIgnored(system) => write!(f, "emptied in {system}; the policy ignores that"),
            Self::ClearUndecided(system) => write!(f, "emptied in {system}; someone must decide"),
            Self::Oscillating => {
                write!(f, "changed back and forth too often; paused until someone decides")
            }
            Self::Unmapped { column, items } if items.is_empty() => {
                write!(f, "the value of {column} is not in the table")
            }
            Self::Unreadable { column } => {
                write!(f, "the value of {column} does not fit the field")
            }
            Self::WaitsForLink(key) => write!(f, "waits until {key} is linked"),
            Self::WaitsForParent { link, object } => {
                write!(f, "waits until link {link} has a {object}")
            }
            Self::NotRead(system) => {
                write!(f, "waits until {system} has been read up to now")
            }
            Self::RequiredMissing { field } => write!(f, "a record cannot be made without {field}"),
            Self::MatchedBy(key) => write!(f, "matched by {key}"),
            Self::Founded => write!(f, "matched nothing; a new link"),
            Self::AmbiguousBy(key) => {
                write!(f, "several records match by {key}; someone must decide")
            }
            Self::LinkedByChoice => write!(f, "linked because someone decided so"),
            Self::MergedElsewhere => write!(f, "merged elsewhere and approved to be merged here"),
            Self::MergedFrom(key) => write!(f, "took over from {key}, merged into it"),
            Self::ConvertedFrom(key) => write!(f, "took over from {key}, converted into it"),
            Self::LinksUnited(link) => write!(f, "united with link {link} after a merge"),
            other => other.fmt_standing(f),
        }
    }
}

impl Reason {
    /// The text of a reason about a record's standing, apart from any operation.
    fn fmt_standing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SurplusOf(key) => {
                write!(f, "{key} is the active record of the link in this system")
            }
            Self::Unmapped { column, items } => {
                let items: Vec<String> = items.iter().map(|item| format!("{item:?}")).collect();
                write!(f, "of the values of {column}, the table has not {}", items.join(", "))
            }
            Self::TookOver(key) => write!(f, "took the place of {key}, which is gone"),
            Self::SuccessorUndecided(key) => {
                write!(f, "{key} is gone; someone must decide which record takes its place")
            }
            Self::AddedBeatsDelete(system) => write!(
                f,
                "deleted there, but {system} has values that it never got (filled in, or brought by \
                 a conversion or a merge); made again with them"
            ),
            Self::AboveDeleteGuard { count, along: 0, limit } => write!(
                f,
                "{count} deletions with those of the last 24 hours are more than the {limit} \
                 allowed; waits for approval"
            ),
            Self::AboveDeleteGuard { count, along, .. } => {
                write!(f, "{count} deletions, {along} of which go along; waits for approval")
            }
            Self::WentAlong(key) => write!(
                f,
                "went along when {key} was archived for a deletion elsewhere; someone must decide"
            ),
            Self::MadeAgain(key) => {
                write!(f, "went along when {key} was archived; someone decided to make it again")
            }
            Self::CameBack => write!(f, "is there again; its link goes on"),
            Self::MergeUndone(key) => write!(f, "the merge of {key} was undone"),
            Self::HasUnmapped(key) => write!(
                f,
                "{key} is the same thing there, though the mapping does not have its object; no \
                 other is made beside it"
            ),
            Self::MayBe(key) => {
                write!(f, "waits until someone decides whether {key} is the same thing")
            }
            Self::OutOfSight => write!(
                f,
                "missing: neither listed nor answered by its id, but not reported as deleted; \
                 paused until someone decides"
            ),
            Self::FollowsDeletion(key) => write!(
                f,
                "emptied there because {key} is gone; nobody's edit, it waits for what becomes of that"
            ),
            Self::NotAnswered { column } => write!(
                f,
                "the system did not answer {column}: it is gone there, or may not be read; read again \
                 until it is answered"
            ),
            Self::StandsStill { object, column } => {
                write!(f, "no {object} is made while {column} is paused there")
            }
            Self::NotGranted(words) => write!(f, "not sent: {words}"),
            Self::ZoneUnknown { column } => {
                write!(f, "{column} is not carried: the account's time zone is not known yet")
            }
            Self::TransformFailed { generation, function } => {
                write!(f, "{function} of {generation} fails at this record")
            }
            other => other.fmt_outcome(f),
        }
    }

    /// The text of a reason about the result of an operation or the fate of a record.
    fn fmt_outcome(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied => write!(f, "written"),
            Self::AppliedAltered => write!(f, "written; the system keeps it in its own form"),
            Self::AlreadyThere(key) => write!(f, "{key} was there already"),
            Self::ChangedMeanwhile => write!(f, "had changed meanwhile; read again"),
            Self::NotShownYet => {
                write!(f, "had changed, but no reading shows how yet; the next cycle looks again")
            }
            Self::FoundGone => write!(f, "was gone when it should be written"),
            Self::PutOff { after_ms } => write!(f, "the system asked for {}", span(*after_ms)),
            Self::ToTryAgain { codes } => {
                write!(f, "the system says to try again: {}", codes.join(", "))
            }
            Self::NotKept => {
                write!(f, "answered as written, but not found there; due again")
            }
            Self::BeingDone { after_ms } => {
                write!(f, "accepted by the system, which is not done; asked in {}", span(*after_ms))
            }
            Self::Uncertain => write!(f, "sent without an answer; probed before sending again"),
            Self::FoundByProbe => write!(f, "found as sent by an interrupted run"),
            Self::SentAgain => write!(f, "not found after an interrupted run; planned again"),
            Self::Unclear => {
                write!(f, "sent without an answer and changed since; weighed as a conflict")
            }
            Self::CreateUndecided => write!(
                f,
                "sent without an answer, and it may or may not be there; someone must decide"
            ),
            Self::NotConfigured => {
                write!(f, "forgotten: its object is not in the configuration any more")
            }
            Self::GivenUp => write!(f, "someone decided not to make it after all"),
            Self::Refused { codes } => write!(f, "refused: {}", codes.join(", ")),
            Self::RefusedBefore { codes } => {
                write!(f, "refused before, unchanged since: {}", codes.join(", "))
            }
            // A reason without words shows its name and is not silent.
            other => write!(f, "{other:?}"),
        }
    }
}
