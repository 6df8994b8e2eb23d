//! Explains a value that is there or not there, from state and journal (`RULES.md` I14).

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::model::index::FieldIndex;
use crate::model::reason::Reason;
use crate::model::review::standing as standing_of;
use crate::model::spec::{FieldKind, FieldSpec, Spec};
use crate::model::state::{
    Awaited, Failure, JournalEntry, Link, LinkId, LinkStatus, LinkView, RecordKey, RecordState,
    RecordStatus, Review, ReviewStatus, ReviewSubject,
};
use crate::model::value::{Cell, DisplayedValue, SmolStr, Value};
use crate::plan::mapping::FieldMappings;
use crate::plan::references::References;
use crate::read::unreadable::was_not_answered;
use crate::store::fetch;
use crate::store::port::{JournalQuery, ReviewFilter, ReviewQuery, Store, StoreError};

mod times;

pub use times::{moment, span};

/// Lines of the journal that an answer shows.
const JOURNAL_MAX: usize = 50;
/// Lines among which those about one field are looked for.
const JOURNAL_READ: usize = 1000;

/// The subject of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhySubject {
    /// A link by its number.
    Link(LinkId),
    /// A record by its system, object and id.
    Record(RecordKey),
}

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

/// Explains a subject; `None` where nothing is known of it.
///
/// # Errors
/// The store failed.
pub async fn why(
    store: &dyn Store,
    spec: &Spec,
    subject: &WhySubject,
    field: Option<&str>,
) -> Result<Option<Explanation>, StoreError> {
    let link = match subject {
        WhySubject::Link(link) => Some(*link),
        WhySubject::Record(key) => {
            let keys = std::slice::from_ref(key);
            store.resolve(keys).await?.first().map(|(_, link)| *link)
        }
    };
    let view = match link {
        Some(link) => store.links(&[link]).await?.into_iter().next(),
        None => None,
    };
    match (view, subject) {
        (Some(view), subject) => linked(store, spec, view, subject, field).await.map(Some),
        (None, WhySubject::Record(key)) => unlinked(store, key).await,
        (None, WhySubject::Link(_)) => Ok(None),
    }
}

async fn linked(
    store: &dyn Store,
    spec: &Spec,
    mut view: LinkView,
    subject: &WhySubject,
    field: Option<&str>,
) -> Result<Explanation, StoreError> {
    // The journal of the record from before it had a link belongs to the answer, too.
    let record = match subject {
        WhySubject::Record(record) => Some(record.clone()),
        WhySubject::Link(_) => None,
    };
    let query = JournalQuery { link: Some(view.link.id), record, limit: JOURNAL_READ };
    let mut journal = store.journal(&query).await?;
    before_link(store, &view, &mut journal).await?;
    if let Some(field) = field {
        journal = about(field, journal);
    }
    journal.truncate(JOURNAL_MAX);
    let asked = ReviewQuery { link: Some(view.link.id), ..ReviewQuery::default() };
    let mut reviews = store.reviews(&asked).await?;
    reviews.extend(first_syncs(store, &view.link.entity).await?);
    reviews.extend(possible(store, &view).await?);
    reviews.retain(|review| {
        let wanted = field.is_none_or(|field| review.field().is_none_or(|name| name == field));
        wanted && review.status != ReviewStatus::Closed
    });
    let entity = spec.entity(&view.link.entity);
    let fields = match entity {
        Some(entity) => {
            fetch::cover(&mut view, entity);
            let (mappings, views) = (FieldMappings::new(entity), std::slice::from_ref(&view));
            let references = References::fetch(store, &mappings, views, None).await?;
            fields((&mappings, &references), &view, field)
        }
        None => Vec::new(),
    };
    Ok(Explanation {
        entity: view.link.entity.clone(),
        link: Some(view.link.id),
        status: Some(view.link.status),
        records: view.records.iter().map(|r| (r.key.clone(), r.status.clone())).collect(),
        fields,
        waits: store.awaited_by(view.link.id).await?,
        failures: failures(&view, field),
        reviews,
        journal,
    })
}

/// The question about a first sync that an entity waits for.
async fn first_syncs(store: &dyn Store, entity: &str) -> Result<Vec<Review>, StoreError> {
    let asked = ReviewQuery { stand: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = store.reviews(&asked).await?;
    reviews.retain(|review| match &review.matter {
        ReviewSubject::FirstSync { entities } => entities.iter().any(|plan| plan.entity == entity),
        _ => false,
    });
    Ok(reviews)
}

/// Questions about records without a link that may be the same thing as this link's.
async fn possible(store: &dyn Store, view: &LinkView) -> Result<Vec<Review>, StoreError> {
    let asked = ReviewQuery { stand: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = store.reviews(&asked).await?;
    let is_ours = |key: &RecordKey| view.records.iter().any(|record| record.key == *key);
    reviews.retain(|review| {
        matches!(review.matter, ReviewSubject::Ambiguous { .. })
            && review.asks_about().iter().any(is_ours)
    });
    Ok(reviews)
}

/// Adds journal lines of the link's records from before they had a link, whichever of them was
/// asked about.
async fn before_link(
    store: &dyn Store,
    view: &LinkView,
    journal: &mut Vec<JournalEntry>,
) -> Result<(), StoreError> {
    for record in &view.records {
        let key = Some(record.key.clone());
        let query = JournalQuery { link: None, record: key, limit: JOURNAL_READ };
        let lines = store.journal(&query).await?;
        let news: Vec<JournalEntry> =
            lines.into_iter().filter(|line| line.link.is_none()).collect();
        journal.extend(news.into_iter().filter(|line| !journal.contains(line)).collect::<Vec<_>>());
    }
    journal.sort_by_key(|line| std::cmp::Reverse(line.at_ms));
    Ok(())
}

/// The lines about a field, and those about a record as a whole. The outcome of an operation names
/// no field. It counts where the operation wrote this field, or names no fields at all (a create,
/// an archive, a merge).
fn about(field: &str, journal: Vec<JournalEntry>) -> Vec<JournalEntry> {
    let mut named: BTreeMap<String, bool> = BTreeMap::new();
    for line in &journal {
        if let (Some(intent), Some(name)) = (&line.intent, &line.field) {
            *named.entry(intent.clone()).or_default() |= name == field;
        }
    }
    let is_about = |line: &JournalEntry| match (&line.field, &line.intent) {
        (Some(name), _) => name == field,
        (None, Some(intent)) => named.get(intent).copied().unwrap_or(true),
        (None, None) => true,
    };
    journal.into_iter().filter(is_about).collect()
}

/// A record without a link: what the journal says of it, mostly an ambiguous match.
async fn unlinked(store: &dyn Store, key: &RecordKey) -> Result<Option<Explanation>, StoreError> {
    let Some(record) = store.records(std::slice::from_ref(key)).await?.into_iter().next() else {
        return Ok(None);
    };
    let query = JournalQuery { link: None, record: Some(key.clone()), limit: JOURNAL_MAX };
    let asked = ReviewQuery { stand: ReviewFilter::Stopping, ..ReviewQuery::default() };
    let mut reviews = store.reviews(&asked).await?;
    reviews.retain(|review| match &review.matter {
        ReviewSubject::Uncertain { records, .. } => records.contains(key),
        ReviewSubject::FirstSync { .. } => false,
        _ => review.asks_about().contains(key),
    });
    reviews.extend(first_syncs(store, &record.entity).await?);
    Ok(Some(Explanation {
        entity: record.entity,
        link: None,
        status: None,
        records: vec![(record.key, record.status)],
        fields: Vec::new(),
        waits: Vec::new(),
        failures: record.failures,
        reviews,
        journal: store.journal(&query).await?,
    }))
}

/// The failures of the link and of its live records, about one field or all.
fn failures(view: &LinkView, field: Option<&str>) -> Vec<Failure> {
    let records = view.records.iter().filter(|record| record.status == RecordStatus::Live);
    let all = records.flat_map(|record| &record.failures).chain(&view.link.failures);
    let is_asked = |failure: &&Failure| {
        let about = failure.field.as_deref();
        field.is_none() || about.is_none() || about == field
    };
    all.filter(is_asked).cloned().collect()
}

fn fields(
    (mappings, references): (&FieldMappings<'_>, &References),
    view: &LinkView,
    wanted: Option<&str>,
) -> Vec<FieldExplanation> {
    let fields = mappings.entity.indexed_fields();
    let wanted = fields.filter(|(_, field)| wanted.is_none_or(|name| field.name == name));
    let answer = |(position, field): (FieldIndex, &FieldSpec)| {
        let truth = &view.link.truth[position];
        let members = view.records.iter().filter_map(|record| {
            Some(MemberExplanation {
                record: record.key.clone(),
                seen: record.fields[position].seen.clone(),
                standing: standing((mappings, references), position, record, &view.link)?,
            })
        });
        FieldExplanation {
            field: field.name.clone(),
            truth: truth.value.clone(),
            from: truth.from.clone(),
            members: members.collect(),
        }
    };
    wanted.map(answer).collect()
}

/// The standing of a record's field to the truth, in plain words.
fn standing(
    (mappings, references): (&FieldMappings<'_>, &References),
    position: FieldIndex,
    record: &RecordState,
    link: &Link,
) -> Option<String> {
    let truth = &link.truth[position].value;
    let member = mappings.member_of(record)?;
    let member_of = (&record.key.system, &record.key.object);
    let state = &record.fields[position];
    let Some(mapping) = mappings.mapping(member, position) else {
        return Some("not mapped there".to_owned());
    };
    let direction = mapping.group.direction;
    // A reference is seen as ids of its system and kept as links, so the two do not compare.
    let FieldSpec { name, kind, .. } = &mappings.entity[position];
    let comparable = !matches!(kind, FieldKind::Reference { .. });
    let stands = if comparable { state.seen == *truth } else { state.base == *truth };
    let fails = |failures: &[Failure]| {
        let here = |one: &&Failure| one.system == *member_of.0 && one.object == *member_of.1;
        failures.iter().filter(here).any(|one| one.field.as_ref() == Some(name))
    };
    let words = if record.status != RecordStatus::Live {
        "the record is not the one that is kept in step"
    } else if state.seen.is_none() && was_not_answered(&record.failures, name) {
        "was not read there: the system did not answer it; see the failure"
    } else if state.seen.is_none() && fails(&record.failures) {
        "was not read there: it holds what cannot be used; see the failure"
    } else if state.seen.is_none() {
        "was not read there"
    } else if stands && state.tries > 0 {
        "written, but not kept before; no reading has confirmed it yet"
    } else if stands {
        "in step"
    } else if comparable && direction.reads() && state.seen != state.base {
        "edited there; not taken over yet, or a person must decide"
    } else if fails(&link.failures) {
        "differs: what should stand there cannot be written; see the failure"
    } else if !comparable && !is_empty(truth) && references.is_same_by_now(truth, &None) {
        "differs: what it refers to is gone everywhere, so nothing is written"
    } else if !direction.writes() {
        "differs: the mapping only reads it there"
    } else if !direction.reads() && state.agreed == *truth && truth.is_some() {
        "differs: it has a form of its own or was changed there, and the mapping only writes it"
    } else if state.agreed == *truth && truth.is_some() && is_empty(&state.seen) {
        "differs: it is empty there and left so"
    } else if state.agreed == *truth && truth.is_some() {
        "in step, in the system's own form"
    } else if state.base.is_none() {
        "not compared yet, or a person must decide"
    } else {
        "a write is due"
    };
    Some(words.to_owned())
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
            let aside = if *status == RecordStatus::Live { "" } else { "; not kept in step" };
            writeln!(f, "  {record}: {}{aside}", describe(status))?;
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
            let about = review.field().unwrap_or(match &review.matter {
                ReviewSubject::FirstSync { .. } => "the first sync",
                _ => "records",
            });
            writeln!(f, "  review {} about {about}: {}", review.id, standing_of(review))?;
            if let ReviewSubject::FirstSync { .. } = &review.matter {
                writeln!(f, "    nothing is written of {} before it is approved", self.entity)?;
                writeln!(f, "    to write it: renkei decide {} approve", review.id)?;
            }
            if let ReviewSubject::Conflict { values, .. } = &review.matter {
                for (system, value) in values {
                    writeln!(f, "    {system} had {}", DisplayedValue(value))?;
                }
                writeln!(f, "    to change it: renkei decide {} take SYSTEM", review.id)?;
            }
            if let ReviewSubject::Uncertain { records, .. } = &review.matter {
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

fn is_empty(cell: &Cell) -> bool {
    cell.as_ref().is_none_or(Value::is_null)
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
        RecordStatus::Missing => "out of sight, not reported as deleted".to_owned(),
        RecordStatus::Archived => "archived".to_owned(),
        RecordStatus::Withdrawn => {
            "archived by Renkei, or gone along with such a record".to_owned()
        }
        RecordStatus::Deleted => "deleted".to_owned(),
        RecordStatus::Replaced => "gone; the link goes on without it".to_owned(),
        RecordStatus::Returned => "came back; the next cycle links it".to_owned(),
        RecordStatus::MergedInto(key) => format!("merged into {key}"),
        RecordStatus::ConvertedTo(key) => format!("converted into {key}"),
        RecordStatus::SurplusInto(key) => format!("stood aside; merged or converted into {key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(field: Option<&str>, intent: Option<&str>, reason: Reason) -> JournalEntry {
        JournalEntry {
            at_ms: 0,
            entity: "person".to_owned(),
            link: Some(LinkId(1)),
            record: None,
            field: field.map(str::to_owned),
            intent: intent.map(str::to_owned),
            generation: None,
            reason,
        }
    }

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

    #[test]
    fn only_lines_about_the_field_or_the_record_are_shown() {
        let change = || Reason::ChangedIn("a".to_owned());
        let title = [
            line(Some("title"), None, Reason::Drift("b".to_owned())),
            line(None, Some("titles"), Reason::Applied),
            line(Some("title"), Some("titles"), change()),
            line(None, Some("create"), Reason::Applied),
            line(None, None, Reason::Founded),
        ];
        let phone = [
            line(None, Some("phones"), Reason::Applied),
            line(Some("phone"), Some("phones"), change()),
        ];
        let journal: Vec<JournalEntry> = phone.iter().chain(&title).cloned().collect();
        assert_eq!(about("title", journal), title);
    }
}
