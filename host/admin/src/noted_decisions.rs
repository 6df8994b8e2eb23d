//! Noted decisions: while a cycle runs nothing may come between its reading of a review and its
//! writing, and a person does not wait for a cycle that waits for a system.
//!
//! `noted` in the data directory, a file per decision, for this user alone. Each cycle acts on them
//! before it does anything else and when it is done, in the order in which they were noted. Whoever
//! notes has found out that the review takes that answer; where it does not any more when its turn
//! comes, the log says so. A crash between acting and removing does no harm: the same answer
//! is given twice.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use renkei_model::spec::Spec;
use renkei_model::store::port::Store;

use crate::decisions::{Decided, ReviewDecision, check_decision, decide_review};
use crate::error::{FailureKind, RequestError};
use crate::text::message;

/// Makes the names of one process different.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Notes a decision if the review takes that answer now; the note is on disk when this returns.
///
/// # Errors
/// The review does not take the answer, or the file cannot be written.
pub async fn note_decision(
    data: &Path,
    store: &dyn Store,
    spec: &Spec,
    now_ms: i64,
    decision: &ReviewDecision,
) -> Result<Decided, RequestError> {
    let decided = check_decision(store, spec, decision).await?;
    let folder = folder(data);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{now_ms:020}-{}-{number}.json", std::process::id());
    // By its whole id: what is asked later may begin in the same way.
    let decision =
        ReviewDecision { review: decided.review.clone(), answer: decision.answer.clone() };
    let write = || {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        renkei_files::replace(&folder.join(name), &serde_json::to_vec(&decision)?)
    };
    write().map_err(|source| RequestError::File { path: folder.clone(), source })?;
    tracing::info!(review = decided.review, "a decision is noted for the next cycle");
    Ok(decided)
}

/// Acts on noted decisions; returns the reviews that they decide. In a copy of the database
/// (`is_copy`) they stay noted.
///
/// # Errors
/// The store fails, or a note cannot be removed.
pub async fn apply_noted_decisions(
    data: &Path,
    store: &dyn Store,
    spec: &Spec,
    now_ms: i64,
    is_copy: bool,
) -> Result<Vec<String>, RequestError> {
    let mut reviews = Vec::new();
    for path in files(data) {
        let Some(decision) = read(&path) else { continue };
        match decide_review(store, spec, now_ms, &decision).await {
            Ok(decided) => {
                tracing::info!(review = decided.review, "decided as noted");
                reviews.push(decided.review);
            }
            Err(error) if error.kind() == FailureKind::Database => return Err(error),
            Err(error) => {
                let review = decision.review;
                let error = message(&error.to_string());
                tracing::warn!(review, error, "a noted decision has no effect");
            }
        }
        if !is_copy {
            std::fs::remove_file(&path)
                .map_err(|source| RequestError::File { path: path.clone(), source })?;
        }
    }
    Ok(reviews)
}

/// The noted decisions, the oldest first.
fn files(data: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(data)).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
}

fn read(path: &Path) -> Option<ReviewDecision> {
    let decision = renkei_files::read(path)
        .and_then(|bytes| serde_json::from_slice(&bytes).map_err(std::io::Error::from));
    let unreadable = |error: &std::io::Error| {
        let path = path.display();
        tracing::warn!(%path, %error, "a noted decision cannot be read; remove it, decide again");
    };
    decision.inspect_err(unreadable).ok()
}

fn folder(data: &Path) -> PathBuf {
    data.join("noted")
}

#[cfg(test)]
mod tests {
    use renkei_model::state::{Review, ReviewChoice, ReviewStatus, ReviewSubject};
    use renkei_model::store::port::Changes;
    use renkei_store::Layouts;
    use renkei_store::SqliteStore;

    use super::*;
    use crate::decisions::ReviewAnswer as Answer;

    fn review(id: &str) -> Review {
        let (along, digest) = (Vec::new(), String::new());
        let subject = ReviewSubject::Deletions { count: 9, limit: 1, along, digest };
        Review {
            id: id.to_owned(),
            entity: "person".to_owned(),
            link: None,
            record: None,
            status: ReviewStatus::Open,
            subject,
            choice: None,
            at_ms: 1,
        }
    }

    /// `RULES.md R21`.
    #[tokio::test]
    async fn noted_decisions_are_applied_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let spec = Spec::new(Vec::new()).unwrap();
        let store = SqliteStore::open(dir.path(), Layouts::from_spec(&spec)).unwrap();
        let reviews = vec![review("aa"), review("bb")];
        store.commit(Changes { reviews, ..Changes::default() }).await.unwrap();
        let decision = |review: &str, answer| ReviewDecision { review: review.to_owned(), answer };
        let note = async |decision: ReviewDecision| {
            note_decision(dir.path(), &store, &spec, 5, &decision).await
        };
        note(decision("cc", Answer::Approve)).await.unwrap_err();
        note(decision("aa", Answer::Separate)).await.unwrap_err();
        assert!(files(dir.path()).is_empty(), "what does not fit is said at once");
        let noted = note(decision("a", Answer::Approve)).await.unwrap();
        assert!(noted.noted && noted.review == "aa" && noted.status == ReviewStatus::Open);
        note(decision("bb", Answer::Approve)).await.unwrap();
        let known = async |id: &str| store.review(id).await.unwrap().unwrap();
        assert_eq!(known("aa").await.status, ReviewStatus::Open);
        // A pipe is no decision, and nothing to wait for.
        let pipe = folder(dir.path()).join("0.json");
        assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
        let reviews = apply_noted_decisions(dir.path(), &store, &spec, 6, true).await.unwrap();
        assert_eq!(reviews, ["aa", "bb"]);
        assert_eq!(files(dir.path()).len(), 3, "a copy leaves them");
        // A cycle has closed one meanwhile.
        let reviews = vec![Review { status: ReviewStatus::Closed, ..review("bb") }];
        store.commit(Changes { reviews, ..Changes::default() }).await.unwrap();
        assert_eq!(
            apply_noted_decisions(dir.path(), &store, &spec, 7, false).await.unwrap(),
            ["aa"]
        );
        let done = known("aa").await;
        assert_eq!((done.status, done.choice), (ReviewStatus::Chosen, Some(ReviewChoice::Approve)));
        assert_eq!(known("bb").await.status, ReviewStatus::Closed);
        assert_eq!(files(dir.path()).len(), 1);
    }
}
