//! Explains a value that is there or not there, from state and journal (`RULES.md` I14).

use crate::plan::mapping::FieldMappings;
use crate::plan::references::References;
use renkei_model::index::FieldIndex;
use renkei_model::spec::{FieldSpec, Spec};
use renkei_model::state::{
    Failure, LinkId, LinkView, RecordKey, RecordStatus, Review, ReviewStatus, ReviewSubject,
};
use renkei_model::store::fetch;
use renkei_model::store::port::{JournalQuery, ReviewFilter, ReviewQuery, Store, StoreError};

mod explanation;
mod journal;
mod shared;
mod standing;

pub use explanation::{Explanation, FieldExplanation, MemberExplanation, describe_failure};
use journal::{JOURNAL_READ, add_lines_before_link, lines_about};
use standing::standing;

/// Lines of the journal that an answer shows.
const JOURNAL_MAX: usize = 50;

/// The subject of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhySubject {
    /// A link by its number.
    Link(LinkId),
    /// A record by its system, object and id.
    Record(RecordKey),
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
    add_lines_before_link(store, &view, &mut journal).await?;
    if let Some(field) = field {
        journal = lines_about(field, journal);
    }
    journal.truncate(JOURNAL_MAX);
    let asked = ReviewQuery { link: Some(view.link.id), ..ReviewQuery::default() };
    let mut reviews = store.reviews(&asked).await?;
    let others = stopping(store).await?.into_iter();
    reviews.extend(others.filter(|review| shared::is_about(review, spec, &view)));
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
    let mut reviews = stopping(store).await?;
    reviews.retain(|review| match &review.subject {
        ReviewSubject::FirstSync { entities } => entities.iter().any(|plan| plan.entity == entity),
        _ => false,
    });
    Ok(reviews)
}

async fn stopping(store: &dyn Store) -> Result<Vec<Review>, StoreError> {
    let asked = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
    store.reviews(&asked).await
}

/// A record without a link: what the journal says of it, mostly an ambiguous match.
async fn unlinked(store: &dyn Store, key: &RecordKey) -> Result<Option<Explanation>, StoreError> {
    let Some(record) = store.records(std::slice::from_ref(key)).await?.into_iter().next() else {
        return Ok(None);
    };
    let query = JournalQuery { link: None, record: Some(key.clone()), limit: JOURNAL_MAX };
    let mut reviews = stopping(store).await?;
    reviews.retain(|review| match &review.subject {
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
