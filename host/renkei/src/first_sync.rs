//! What the first sync waits for, for people, scripts and the log (`host/sync/RULES.md` P15).

use std::path::Path;

use renkei_sync::model::first_sync::FirstSyncWaits;
use serde_json::{Value, json};

use crate::failure::Failure;

/// For scripts.
pub(crate) fn facts(waits: &FirstSyncWaits) -> Value {
    let FirstSyncWaits { question, unread } = waits;
    json!({
        "question": question.as_ref().map(|question| &question.id),
        "status": question.as_ref().map(|question| question.status),
        "left": waits.is_left(),
        "entities": waits.plans(),
        "unread": unread,
    })
}

/// For people: what would be written, and the commands that show it and write it.
pub(crate) fn describe(waits: &FirstSyncWaits, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = String::new();
    if let Some(question) = &waits.question {
        let left = if waits.is_left() { "; somebody has answered to leave it" } else { "" };
        text.push_str(&format!("\nfirst sync: nothing of this is written yet{left}"));
        for plan in waits.plans() {
            text.push_str(&format!("\n  {plan}"));
        }
        text.push_str(&format!(
            "\nsee it whole:  renkei plan --dir {dir}\nwrite it:      renkei sync --yes --dir {dir}\n\
             or answer:     renkei decide {} approve --dir {dir}",
            question.id
        ));
    }
    if !waits.unread.is_empty() {
        text.push_str(&format!("\n{}", describe_unread(waits)));
    }
    text
}

fn describe_unread(waits: &FirstSyncWaits) -> String {
    let unread = waits.unread.join(", ");
    format!("first sync: {unread} not read to the end yet; nothing of that is written before")
}

/// The log's line, and what makes it another one.
pub(crate) fn log_line(waits: &FirstSyncWaits) -> (String, String) {
    let Some(question) = &waits.question else {
        return (waits.unread.join(","), describe_unread(waits));
    };
    let plans: Vec<String> = waits.plans().iter().map(ToString::to_string).collect();
    let line = format!(
        "the first sync waits for an answer, nothing is written before: `renkei decide {} approve` \
         writes it, `renkei status` shows it: {}",
        question.id,
        plans.join("; ")
    );
    (format!("{} {}", question.id, waits.is_left()), line)
}

/// How a command ends that wrote nothing because somebody must answer first.
pub(crate) fn failure(dir: &Path) -> Failure {
    let dir = dir.display();
    Failure::first_sync(format!(
        "the first sync waits for an answer and nothing of it was written; `renkei sync --yes --dir {dir}` writes it"
    ))
}

#[cfg(test)]
mod tests {
    use renkei_sync::model::review::of_first_sync;
    use renkei_sync::model::state::{EntityPlan, Review, ReviewChoice};

    use super::*;

    #[test]
    fn first_sync_names_numbers_and_the_next_command() {
        let plan = EntityPlan { entity: "person".to_owned(), matched: 7, ..EntityPlan::default() };
        let question = of_first_sync(vec![plan], 0);
        let left = Review { choice: Some(ReviewChoice::Leave), ..question.clone() };
        let id = question.id.clone();
        let mut waits = FirstSyncWaits { question: Some(question), unread: Vec::new() };
        let said = describe(&waits, Path::new("crm"));
        assert!(said.contains("person: nothing to write; 7 matched"), "{said}");
        assert!(said.contains("renkei sync --yes --dir crm"), "{said}");
        assert!(said.contains(&format!("renkei decide {id} approve --dir crm")), "{said}");
        assert_eq!(facts(&waits)["entities"][0]["matched"], 7);
        let (before, _) = log_line(&waits);
        waits.question = Some(left);
        assert!(describe(&waits, Path::new("crm")).contains("to leave it"));
        assert_ne!(log_line(&waits).0, before);
    }
}
