//! The lines of the journal that answer a question.

use std::collections::BTreeMap;

use renkei_model::state::{JournalEntry, LinkView};
use renkei_model::store::port::{JournalQuery, Store, StoreError};

/// Lines among which those about one field are looked for.
pub(super) const JOURNAL_READ: usize = 1000;

/// Adds journal lines of the link's records from before they had a link, whichever of them was
/// asked about.
pub(super) async fn add_lines_before_link(
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
pub(super) fn lines_about(field: &str, journal: Vec<JournalEntry>) -> Vec<JournalEntry> {
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use renkei_model::reason::Reason;
    use renkei_model::state::LinkId;

    pub(in crate::answers::why) fn line(
        field: Option<&str>,
        intent: Option<&str>,
        reason: Reason,
    ) -> JournalEntry {
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
        assert_eq!(lines_about("title", journal), title);
    }
}
