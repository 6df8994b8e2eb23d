//! Looks for creates without an answer by stamp, match keys and values.
//! [`crate::unanswered::evidence::judge`] decides what the findings mean; a person's answer goes
//! before that.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{ProbeStage, Prober};
use crate::apply::refusals::remember_create;
use crate::apply::settle::BatchSettler;
use crate::link::pending_creates::questions;
use crate::plan::render::given_up;
use crate::read::ingest::IngestError;
use crate::unanswered::evidence::{CreateEvidence, CreateLikeness, CreateVerdict, judge, likeness};
use crate::unanswered::sent_cells::{sent_cell, sent_cells, written_columns};
use renkei_model::index::PerField;
use renkei_model::plugin::PluginError;
use renkei_model::reason::Reason;
use renkei_model::record::{Applied, Outcome, Problem, Remedy};
use renkei_model::review;
use renkei_model::state::{
    Failure, FailureClass, LinkId, LinkStatus, LinkWork, OutboxEntry, RecordKey, RecordState,
    Review, ReviewChoice, ReviewStatus, ReviewSubject, SKEW_MS, VISIBLE_AFTER_MS,
};
use renkei_model::store::fetch::work_for;
use renkei_model::store::port::{Changes, ReviewFilter, ReviewQuery, StoreError};
use renkei_model::value::{Cell, Value};

/// Records of which nobody has spoken yet, asked for at once.
const WORK_ROWS: usize = 1000;

/// The column that creates of an object are stamped in.
struct StampColumn {
    column: String,
    /// The delay after which a search by it shows a record, ms.
    lag_ms: i64,
}

/// The facts about the object whose creates are looked for.
struct ProbedObject {
    /// The delay after which a search by the stamp shows a record, ms; none where creates leave no
    /// stamp.
    stamp_lag_ms: Option<i64>,
    now_ms: i64,
    /// Live records without a link that no question is about yet.
    unlinked: Vec<RecordState>,
    /// Records that went before they were ever read, with the link of what they became.
    gone_unread: Vec<(RecordState, Option<LinkId>)>,
    /// By intent: questions that are open, and those that are answered.
    questions: BTreeMap<String, Review>,
    /// By intent: the records that a search by a match key found.
    alike: BTreeMap<String, Vec<RecordKey>>,
}

impl ProbedObject {
    /// True where a search would show by now what a create has made.
    fn would_show(&self, entry: &OutboxEntry) -> bool {
        let lag_ms = self.stamp_lag_ms.unwrap_or(VISIBLE_AFTER_MS);
        entry.sent_ms().saturating_add(lag_ms) <= self.now_ms
    }
}

impl Prober<'_> {
    /// Looks for the records that creates made. The number of creates that are known now.
    pub(super) async fn find_creates(&self, entries: &[OutboxEntry]) -> Result<u64, IngestError> {
        if entries.is_empty() {
            return Ok(0);
        }
        let stamp = self.stamp().await?;
        let missing = match &stamp {
            Some(stamp) => self.find_stamped(entries, &stamp.column).await?,
            None => entries.to_vec(),
        };
        let known = (entries.len() - missing.len()) as u64;
        let read_since =
            |entry: &OutboxEntry| self.before.contains(&(entry.intent.clone(), entry.attempts));
        let missing: Vec<OutboxEntry> = missing.into_iter().filter(read_since).collect();
        if self.stage == ProbeStage::Start || missing.is_empty() {
            return Ok(known);
        }
        let (alike, news) = match &stamp {
            Some(_) => (BTreeMap::new(), 0),
            None => self.search(&missing).await?,
        };
        if news > 0 {
            // The linking step looks at them first.
            return Ok(known + news);
        }
        let scene = ProbedObject {
            stamp_lag_ms: stamp.map(|stamp| stamp.lag_ms),
            now_ms: self.engine.clock.now_ms(),
            questions: questions(self.engine.store, &self.entity.name).await?,
            unlinked: self.work(LinkWork::Unlinked).await?,
            gone_unread: self.fetch_gone_unread().await?,
            alike,
        };
        Ok(known + self.decide(scene, &missing).await?)
    }

    async fn stamp(&self) -> Result<Option<StampColumn>, PluginError> {
        let objects = [self.member.object.clone()];
        let schemas = self.connector.discover(&objects).await?;
        let fact = |wanted: &str| {
            let mut facts = schemas.iter().flat_map(|schema| &schema.facts);
            facts.find(|(code, _)| code == wanted).map(|(_, value)| value)
        };
        let lag_ms = match fact("stamp-lag-ms") {
            // Where a connector says nonsense, what may be wrong is only late.
            Some(Value::Integer(ms)) => (*ms).clamp(0, VISIBLE_AFTER_MS),
            _ => 0,
        };
        let column = fact("stamp").and_then(Value::as_text).map(str::to_owned);
        Ok(column.map(|column| StampColumn { column, lag_ms }))
    }

    /// Settles the creates whose stamp is found, and returns the others.
    async fn find_stamped(
        &self,
        entries: &[OutboxEntry],
        stamp: &str,
    ) -> Result<Vec<OutboxEntry>, IngestError> {
        let columns = [stamp.to_owned()];
        let intents: Vec<Value> =
            entries.iter().map(|entry| Value::from(entry.intent.as_str())).collect();
        let found = self.connector.find(&self.member.object, &columns, stamp, &intents).await?;
        let by_stamp: BTreeMap<&str, &str> = found
            .rows
            .iter()
            .filter_map(|row| {
                let stamp = row.cells.first()?.as_ref()?.as_text()?;
                Some((stamp, row.id.as_str()))
            })
            .collect();
        let id = |entry: &OutboxEntry| by_stamp.get(entry.intent.as_str()).copied();
        let taken: Vec<(OutboxEntry, String)> = entries
            .iter()
            .filter_map(|entry| Some((entry.clone(), id(entry)?.to_owned())))
            .collect();
        self.settle_as_made(&taken).await?;
        Ok(entries.iter().filter(|entry| id(entry).is_none()).cloned().collect())
    }

    /// These creates got through. The records are read first, so that what somebody changed since
    /// shows as an edit of what was sent.
    async fn settle_as_made(&self, found: &[(OutboxEntry, String)]) -> Result<(), IngestError> {
        if found.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = found.iter().map(|(_, id)| id.clone()).collect();
        self.source().read_again(self.connector, &ids).await?;
        let batch: Vec<OutboxEntry> = found.iter().map(|(entry, _)| entry.clone()).collect();
        let applied = |id| Applied { id, created: true, ..Applied::default() };
        let outcomes = ids.into_iter().map(|id| Outcome::Applied(applied(id))).collect();
        BatchSettler::new(self.engine, self.entity, self.member, self.connector)
            .found_by_probe()
            .settle_batch(&written_columns(&batch), &batch, outcomes)
            .await
            .map(drop)
    }

    /// Asks the system for records with the same match keys and reads those that are new; what was
    /// found for each create that has one, and how many are new.
    async fn search(
        &self,
        entries: &[OutboxEntry],
    ) -> Result<(BTreeMap<String, Vec<RecordKey>>, u64), IngestError> {
        let keys = self.entity.match_keys.iter().flat_map(|key| key.fields.first());
        let columns = keys.filter_map(|field| self.member.group_of(*field)?.columns.first());
        let columns: BTreeSet<&String> = columns.collect();
        let mut alike: BTreeMap<String, Vec<RecordKey>> = BTreeMap::new();
        for column in columns {
            let value =
                |entry: &OutboxEntry| sent_cell(entry, column).filter(|value| !value.is_null());
            let wanted: Vec<(&OutboxEntry, Value)> =
                entries.iter().filter_map(|entry| Some((entry, value(entry)?))).collect();
            let values: Vec<Value> = wanted.iter().map(|(_, value)| value.clone()).collect();
            if values.is_empty() {
                continue;
            }
            let names = [column.clone()];
            let found = self.connector.find(&self.member.object, &names, column, &values).await?;
            for (entry, value) in wanted {
                let same = found.rows.iter().filter(|row| is_same(row.cells.first(), &value));
                let keys = same.map(|row| self.source().key(&row.id));
                alike.entry(entry.intent.clone()).or_default().extend(keys);
            }
        }
        let found: BTreeSet<&RecordKey> = alike.values().flatten().collect();
        let found: Vec<RecordKey> = found.into_iter().cloned().collect();
        let known = self.engine.store.records(&found).await?;
        let known: BTreeSet<&RecordKey> = known.iter().map(|record| &record.key).collect();
        let news = found.iter().filter(|key| !known.contains(key));
        let news: Vec<String> = news.map(|key| key.id.clone()).collect();
        self.source().read_again(self.connector, &news).await?;
        Ok((alike, news.len() as u64))
    }

    /// Records of this object that the linking step has not placed, or that it never will.
    async fn work(&self, work: LinkWork) -> Result<Vec<RecordState>, StoreError> {
        let asked = ReviewQuery { filter: ReviewFilter::Stopping, ..ReviewQuery::default() };
        let asked = self.engine.store.reviews(&asked).await?;
        let asked: BTreeSet<&RecordKey> = asked.iter().flat_map(Review::asks_about).collect();
        let mut found = Vec::new();
        let mut after: Option<RecordKey> = None;
        loop {
            let store = self.engine.store;
            let rows = work_for(store, self.entity, work, after.as_ref(), WORK_ROWS).await?;
            let Some(last) = rows.last() else { return Ok(found) };
            after = Some(last.key.clone());
            found.extend(rows.into_iter().filter(|record| {
                record.key == self.source().key(&record.key.id) && !asked.contains(&record.key)
            }));
        }
    }

    /// A record that became another of somebody else's link, as a Lead that was converted, is not
    /// what a create for this link made.
    async fn fetch_gone_unread(&self) -> Result<Vec<(RecordState, Option<LinkId>)>, StoreError> {
        let gone_unread = self.work(LinkWork::GoneUnread).await?;
        let store = self.engine.store;
        let gone: Vec<RecordKey> = gone_unread.iter().map(|record| record.key.clone()).collect();
        let aliases: BTreeMap<RecordKey, RecordKey> =
            store.aliases(&gone).await?.into_iter().collect();
        let heir = |record: &RecordState| {
            aliases.get(&record.key).or_else(|| record.status.successor()).cloned()
        };
        let heirs: Vec<RecordKey> = gone_unread.iter().filter_map(heir).collect();
        let heirs = store.records(&heirs).await?;
        let links: BTreeMap<&RecordKey, Option<LinkId>> =
            heirs.iter().map(|record| (&record.key, record.link)).collect();
        let of = |record: &RecordState| links.get(&heir(record)?).copied().flatten();
        Ok(gone_unread.iter().map(|record| (record.clone(), of(record))).collect())
    }

    /// Decides about each create that was not found. The number of those that are known now.
    async fn decide(
        &self,
        scene: ProbedObject,
        entries: &[OutboxEntry],
    ) -> Result<u64, IngestError> {
        let transforms = &self.engine.transforms;
        let sent = sent_cells(transforms, self.entity, self.member, entries).await?;
        let alike = |cells: &PerField<Cell>, wanted| {
            let like = scene
                .unlinked
                .iter()
                .filter(move |record| likeness(self.entity, cells, record) == wanted);
            like.map(|record| record.key.clone()).collect::<Vec<RecordKey>>()
        };
        let same: Vec<Vec<RecordKey>> =
            sent.iter().map(|cells| alike(cells, CreateLikeness::Same)).collect();
        let mut known = 0;
        for (index, ((entry, cells), own)) in entries.iter().zip(&sent).zip(&same).enumerate() {
            if self.is_linked(entry).await? {
                self.join(&scene, entry).await?;
                known += 1;
                continue;
            }
            let others = same.iter().enumerate().filter(|(other, _)| *other != index);
            let taken: BTreeSet<&RecordKey> = others.flat_map(|(_, keys)| keys).collect();
            let is_mine = |(record, heir): &&(RecordState, Option<LinkId>)| {
                let since = entry.sent_ms().saturating_sub(SKEW_MS);
                record.modified_ms.is_none_or(|gone_ms| gone_ms >= since)
                    && heir.is_none_or(|link| link == entry.link)
            };
            let gone_unread = scene.gone_unread.iter().filter(is_mine);
            let found = scene.alike.get(&entry.intent);
            let evidence = CreateEvidence {
                stamped: scene.stamp_lag_ms.is_some(),
                searched: found.is_some(),
                would_show: scene.would_show(entry),
                alike: found.cloned().unwrap_or_default(),
                contested: own.iter().any(|key| taken.contains(key)),
                same: own.clone(),
                // A record that agrees with another create on everything belongs to that one.
                partly: alike(cells, CreateLikeness::Partly)
                    .into_iter()
                    .filter(|key| !taken.contains(key))
                    .collect(),
                gone_unread: gone_unread.map(|(record, _)| record.key.clone()).collect(),
            };
            known += self.apply_verdict(&scene, entry, judge(&evidence)).await?;
        }
        Ok(known)
    }

    /// True where the linking step has found a record of that system by other means; it may be gone
    /// again.
    async fn is_linked(&self, entry: &OutboxEntry) -> Result<bool, StoreError> {
        let members = self.engine.store.members(&[entry.link]).await?;
        let views = self.engine.store.links(&[entry.link]).await?;
        let gone = views.iter().flat_map(|view| &view.records).map(|record| &record.key);
        let mut records = members.iter().map(|(_, record)| record).chain(gone);
        Ok(records.any(|record| record.system == entry.system))
    }

    async fn join(&self, scene: &ProbedObject, entry: &OutboxEntry) -> Result<(), IngestError> {
        let changes = Changes {
            dirty: vec![entry.link],
            outbox_done: vec![entry.intent.clone()],
            reviews: self.closed(scene, entry),
            journal: vec![self.line(entry, Reason::FoundByProbe)],
            ..Changes::default()
        };
        Ok(self.engine.store.commit(changes).await?)
    }

    /// Carries out the verdict or a person's answer. 1 where the create is known now, else 0.
    async fn apply_verdict(
        &self,
        scene: &ProbedObject,
        entry: &OutboxEntry,
        verdict: CreateVerdict,
    ) -> Result<u64, IngestError> {
        let choice = scene.questions.get(&entry.intent).and_then(|known| known.choice.as_ref());
        let verdict = match choice {
            Some(ReviewChoice::LinkWith(record)) if self.is_there(record).await? => {
                CreateVerdict::Take(record.clone())
            }
            Some(ReviewChoice::LinkWith(_)) => return self.ask_again(scene, entry).await,
            Some(ReviewChoice::Separate) => CreateVerdict::SendAgain,
            Some(ReviewChoice::Leave) => return self.give_up(scene, entry).await,
            _ => verdict,
        };
        match verdict {
            CreateVerdict::Wait => Ok(0),
            CreateVerdict::Take(record) => {
                self.settle_as_made(&[(entry.clone(), record.id)]).await?;
                self.close(scene, entry).await
            }
            CreateVerdict::SendAgain => self.plan_again(scene, entry).await,
            CreateVerdict::Ask(records) => self.add_review(scene, entry, records).await,
        }
    }

    /// Plans a create again that made nothing, from today's mapping and values. The intent stays,
    /// so that a create which arrives after all and the next one make one record.
    async fn plan_again(
        &self,
        scene: &ProbedObject,
        entry: &OutboxEntry,
    ) -> Result<u64, IngestError> {
        let mut changes = Changes {
            dirty: vec![entry.link],
            outbox_done: vec![entry.intent.clone()],
            reviews: self.closed(scene, entry),
            journal: vec![self.line(entry, Reason::SentAgain)],
            ..Changes::default()
        };
        for view in self.engine.store.links(&[entry.link]).await? {
            let mut link = Arc::unwrap_or_clone(view.link);
            if let LinkStatus::MergedInto(other) = link.status {
                changes.dirty.push(other);
            }
            remember_create(&mut link.failures, entry, scene.now_ms);
            changes.links.push(link);
        }
        self.engine.store.commit(changes).await?;
        Ok(1)
    }

    /// Asks a person, once: a question that is open stands until it is answered or over.
    async fn add_review(
        &self,
        scene: &ProbedObject,
        entry: &OutboxEntry,
        records: Vec<RecordKey>,
    ) -> Result<u64, IngestError> {
        if scene.questions.contains_key(&entry.intent) {
            return Ok(0);
        }
        let subject = ReviewSubject::Uncertain { intent: entry.intent.clone(), records };
        let review = Review {
            link: Some(entry.link),
            ..review::of_entity(&entry.entity, subject, scene.now_ms)
        };
        let changes = Changes {
            reviews: vec![review],
            journal: vec![self.line(entry, Reason::CreateUndecided)],
            ..Changes::default()
        };
        self.engine.store.commit(changes).await?;
        Ok(0)
    }

    /// True where the system knows a record that a person has named.
    async fn is_there(&self, record: &RecordKey) -> Result<bool, IngestError> {
        if *record != self.source().key(&record.id) {
            return Ok(false);
        }
        self.source().read_again(self.connector, std::slice::from_ref(&record.id)).await?;
        Ok(!self.engine.store.records(std::slice::from_ref(record)).await?.is_empty())
    }

    /// The answer names no record of that object.
    async fn ask_again(
        &self,
        scene: &ProbedObject,
        entry: &OutboxEntry,
    ) -> Result<u64, IngestError> {
        let known = scene.questions.get(&entry.intent).cloned();
        let open = |known| Review { status: ReviewStatus::Open, choice: None, ..known };
        let changes =
            Changes { reviews: known.map(open).into_iter().collect(), ..Changes::default() };
        self.engine.store.commit(changes).await?;
        Ok(0)
    }

    /// A person wants no record there: the link remembers that like a refusal.
    async fn give_up(&self, scene: &ProbedObject, entry: &OutboxEntry) -> Result<u64, IngestError> {
        let mut changes = Changes {
            dirty: vec![entry.link],
            outbox_done: vec![entry.intent.clone()],
            reviews: self.closed(scene, entry),
            journal: vec![self.line(entry, Reason::GivenUp)],
            ..Changes::default()
        };
        for view in self.engine.store.links(&[entry.link]).await? {
            let mut link = Arc::unwrap_or_clone(view.link);
            link.failures.push(Failure {
                system: entry.system.clone(),
                object: entry.object.clone(),
                id: None,
                field: None,
                class: FailureClass::GivenUp,
                digest: given_up(entry),
                values: BTreeMap::new(),
                since_ms: scene.now_ms,
                last_ms: scene.now_ms,
                times: 1,
                problems: vec![Problem {
                    code: "given-up".to_owned(),
                    message: Reason::GivenUp.to_string(),
                    field: None,
                    remedy: Remedy::Nobody,
                }],
            });
            changes.links.push(link);
        }
        self.engine.store.commit(changes).await?;
        Ok(1)
    }

    async fn close(&self, scene: &ProbedObject, entry: &OutboxEntry) -> Result<u64, IngestError> {
        let changes = Changes { reviews: self.closed(scene, entry), ..Changes::default() };
        if !changes.is_empty() {
            self.engine.store.commit(changes).await?;
        }
        Ok(1)
    }

    /// The question about a create, over.
    fn closed(&self, scene: &ProbedObject, entry: &OutboxEntry) -> Vec<Review> {
        let known = scene.questions.get(&entry.intent);
        known.map(|known| review::closed(known, scene.now_ms)).into_iter().collect()
    }
}

/// True where a cell holds a value, whatever the case.
fn is_same(cell: Option<&Cell>, value: &Value) -> bool {
    match (cell.and_then(Option::as_ref), value) {
        (Some(Value::Text(cell)), Value::Text(value)) => {
            cell.to_lowercase() == value.to_lowercase()
        }
        (cell, value) => cell == Some(value),
    }
}
