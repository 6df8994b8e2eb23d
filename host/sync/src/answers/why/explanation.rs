//! The answer to `why`, and its words for people.

use std::fmt;

use serde::Serialize;

use renkei_model::reason::Reason;
use renkei_model::review::standing as standing_of;
use renkei_model::state::{
    Awaited, Failure, JournalEntry, LinkId, LinkStatus, RecordKey, RecordStatus, Review,
    ReviewSubject,
};
use renkei_model::times::moment;
use renkei_model::value::{Cell, DisplayedValue, SmolStr, Value};

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// The entity's name.
    pub entity: String,
    /// The link, if there is one.
    pub link: Option<LinkId>,
    /// The link's status: kept in step, ended or united with another.
    pub status: Option<LinkStatus>,
    /// The records of the link.
    pub records: Vec<(RecordKey, RecordStatus)>,
    /// The fields asked for.
    pub fields: Vec<FieldExplanation>,
    /// Records and links that it waits for.
    pub waits: Vec<Awaited>,
    /// Failed readings and writes.
    pub failures: Vec<Failure>,
    /// Questions that a person may answer, and what rules have decided.
    pub reviews: Vec<Review>,
    /// Lines of the journal, the newest first.
    pub journal: Vec<JournalEntry>,
}

/// The answer about one field.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldExplanation {
    /// The field's name.
    pub field: String,
    /// The hub's value.
    pub truth: Cell,
    /// The system that it came from.
    pub from: Option<String>,
    /// Each member's value and standing.
    pub members: Vec<MemberExplanation>,
}

/// The standing of a field in one record.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MemberExplanation {
    /// The record.
    pub record: RecordKey,
    /// The value as last seen; a reference holds ids of that system.
    pub seen: Cell,
    /// The standing in plain words, as "in step" or "a write is due".
    pub standing: String,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.link, self.status) {
            (Some(link), Some(LinkStatus::Active)) => writeln!(f, "{} link {link}", self.entity)?,
            (Some(link), Some(LinkStatus::Ended)) => {
                writeln!(f, "{} link {link}, no longer kept in step", self.entity)?;
            }
            (Some(link), Some(LinkStatus::MergedInto(other))) => {
                writeln!(f, "{} link {link}, united with link {other}", self.entity)?;
            }
            _ => writeln!(f, "{} without a link", self.entity)?,
        }
        for (record, status) in &self.records {
            let remark = if *status == RecordStatus::Live { "" } else { "; not kept in step" };
            writeln!(f, "  {record}: {}{remark}", describe(status))?;
        }
        for field in &self.fields {
            self.field(f, field)?;
        }
        for awaited in &self.waits {
            writeln!(f, "  {}", waiting(awaited))?;
        }
        for failure in &self.failures {
            writeln!(f, "  {}", describe_failure(failure))?;
        }
        for review in &self.reviews {
            let about = review.field().unwrap_or(match &review.subject {
                ReviewSubject::FirstSync { .. } => "the first sync",
                _ => "records",
            });
            writeln!(f, "  review {} about {about}: {}", review.id, standing_of(review))?;
            if let ReviewSubject::FirstSync { .. } = &review.subject {
                writeln!(f, "    nothing is written of {} before it is approved", self.entity)?;
                writeln!(f, "    to write it: renkei decide {} approve", review.id)?;
            }
            if let ReviewSubject::Conflict { values, .. } = &review.subject {
                for (system, value) in values {
                    writeln!(f, "    {system} had {}", DisplayedValue(value))?;
                }
                writeln!(f, "    to change it: renkei decide {} take SYSTEM", review.id)?;
            }
            if let ReviewSubject::Uncertain { records, .. } = &review.subject {
                writeln!(f, "    {}", Reason::CreateUndecided)?;
                for record in records {
                    writeln!(f, "    {record} may be what it made")?;
                }
            }
        }
        for line in &self.journal {
            let field = line.field.as_ref().map(|field| format!(" {field}"));
            let (at, field) = (self.place(line), field.unwrap_or_default());
            writeln!(f, "  {}{at}{field}: {}", moment(line.at_ms), line.reason)?;
        }
        Ok(())
    }
}

impl Explanation {
    /// A field with its standing in each record that is kept in step; of the others it is said
    /// once.
    fn field(&self, f: &mut fmt::Formatter<'_>, field: &FieldExplanation) -> fmt::Result {
        let from = field.from.as_ref().map(|from| format!(" (from {from})"));
        let (name, truth) = (&field.field, DisplayedValue(&field.truth));
        writeln!(f, "  {name}: {truth}{}", from.unwrap_or_default())?;
        let live = |record: &RecordKey| {
            self.records.iter().any(|(key, status)| key == record && *status == RecordStatus::Live)
        };
        for member in field.members.iter().filter(|member| live(&member.record)) {
            write!(f, "    {}: {}", member.record, member.standing)?;
            match &member.seen {
                // A system holds an id of its own; the hub's value is a link number.
                Some(Value::References(ids)) => {
                    let ids: Vec<&str> =
                        ids.iter().map(SmolStr::as_str).filter(|id| !id.is_empty()).collect();
                    writeln!(f, "; it holds id {}", ids.join(", "))?;
                }
                Some(_) if member.seen != field.truth => {
                    writeln!(f, "; it holds {}", DisplayedValue(&member.seen))?
                }
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }

    /// The place of a journal line: its record, or the object in which it was made later.
    fn place(&self, line: &JournalEntry) -> String {
        if let Some(record) = &line.record {
            return format!(" {record}");
        }
        let made = self.journal.iter().filter(|other| other.intent == line.intent);
        let made = line.intent.is_some().then_some(made).into_iter().flatten();
        let record = made.filter_map(|other| other.record.as_ref()).next();
        record.map(|record| format!(" {}.{}", record.system, record.object)).unwrap_or_default()
    }
}

/// A failure in plain words, with the system's sentence.
pub fn describe_failure(failure: &Failure) -> String {
    let Failure { system, object, id, field, class, since_ms, times, .. } = failure;
    let record = id.as_ref().map(|id| format!("/{id}")).unwrap_or_default();
    let field = field.as_ref().map(|field| format!(" {field}")).unwrap_or_default();
    let (mut codes, message) = (failure.codes(), failure.message());
    codes.dedup();
    codes.retain(|code| code != class.word());
    let codes = if codes.is_empty() { String::new() } else { format!(" ({})", codes.join(", ")) };
    let often = if *times > 1 { format!(", {times} times") } else { String::new() };
    let (class, since) = (class.word(), moment(*since_ms));
    format!("{system}.{object}{record}{field}: {class}{codes}: {message} (since {since}{often})")
}

fn waiting(awaited: &Awaited) -> Reason {
    match awaited {
        Awaited::Linked(record) => Reason::WaitsForLink(record.clone()),
        Awaited::Member { link, object, .. } => {
            Reason::WaitsForParent { link: *link, object: object.clone() }
        }
    }
}

fn describe(status: &RecordStatus) -> String {
    match status {
        RecordStatus::Live => "live".to_owned(),
        RecordStatus::Surplus => "another record of this system is the active one".to_owned(),
        RecordStatus::Missing => "missing, not reported as deleted".to_owned(),
        RecordStatus::Archived => "archived".to_owned(),
        RecordStatus::Withdrawn => {
            "archived by Renkei, or gone along with such a record".to_owned()
        }
        RecordStatus::Deleted => "deleted".to_owned(),
        RecordStatus::Replaced => "gone; the link goes on without it".to_owned(),
        RecordStatus::Returned => "came back; the next cycle links it".to_owned(),
        RecordStatus::MergedInto(key) => format!("merged into {key}"),
        RecordStatus::ConvertedTo(key) => format!("converted into {key}"),
        RecordStatus::SurplusInto(key) => {
            format!("not the active one; merged or converted into {key}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::journal::tests::line;
    use super::*;

    fn key(id: &str) -> RecordKey {
        RecordKey { system: "b".to_owned(), object: "people".to_owned(), id: id.to_owned() }
    }

    #[test]
    fn words_for_people_say_where_and_only_once() {
        let links = |id: &str| Some(Value::References(vec![id.into()]));
        let member = |id: &str, seen: Cell, standing: &str| MemberExplanation {
            record: key(id),
            seen,
            standing: standing.to_owned(),
        };
        let members = vec![
            member("1", links("500"), "in step"),
            member("2", links("600"), "the record is not the one that is kept in step"),
        ];
        let company = FieldExplanation {
            field: "company".to_owned(),
            truth: links("4"),
            from: Some("a".to_owned()),
            members,
        };
        let made = line(None, Some("create"), Reason::Applied);
        let why = Explanation {
            entity: "person".to_owned(),
            link: Some(LinkId(7)),
            status: Some(LinkStatus::Active),
            records: vec![(key("1"), RecordStatus::Live), (key("2"), RecordStatus::Deleted)],
            fields: vec![company],
            waits: Vec::new(),
            failures: Vec::new(),
            reviews: Vec::new(),
            journal: vec![
                JournalEntry { record: Some(key("1")), ..made },
                line(None, Some("create"), Reason::NewRecord),
                line(None, None, Reason::Founded),
            ],
        };
        let expected = "\
person link 7
  b.people/1: live
  b.people/2: deleted; not kept in step
  company: link 4 (from a)
    b.people/1: in step; it holds id 500
  1970-01-01T00:00:00Z b.people/1: written
  1970-01-01T00:00:00Z b.people: has no record there yet
  1970-01-01T00:00:00Z: matched nothing; a new link
";
        assert_eq!(why.to_string(), expected);
    }
}
