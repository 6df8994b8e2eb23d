//! A first sync that awaits a decision, in words for people and the log (`host/sync/RULES.md` P15).

use std::path::Path;

use renkei_admin::first_sync::FirstSyncReport;

use crate::command_error::CommandError;

/// For people: what would be written, and the commands that show it and write it.
pub(crate) fn describe(waits: &FirstSyncReport, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = String::new();
    if let Some(review) = &waits.question {
        let left = if waits.left { "; someone has answered to leave it" } else { "" };
        text.push_str(&format!("\nfirst sync: nothing of this is written yet{left}"));
        for plan in &waits.entities {
            text.push_str(&format!("\n  {plan}"));
        }
        text.push_str(&format!(
            "\nsee it whole:  renkei plan --dir {dir}\nwrite it:      renkei sync --yes --dir {dir}\n\
             or answer:     renkei decide {review} approve --dir {dir}"
        ));
    }
    if !waits.unread.is_empty() {
        text.push_str(&format!("\n{}", describe_unread(waits)));
    }
    text
}

fn describe_unread(waits: &FirstSyncReport) -> String {
    let unread = waits.unread.join(", ");
    format!("first sync: {unread} not read to the end yet; nothing of that is written before")
}

/// The log's line, and what makes it another one.
pub(crate) fn log_line(waits: &FirstSyncReport) -> (String, String) {
    let Some(review) = &waits.question else {
        return (waits.unread.join(","), describe_unread(waits));
    };
    let plans: Vec<String> = waits.entities.iter().map(ToString::to_string).collect();
    let line = format!(
        "the first sync waits for an answer, nothing is written before: `renkei decide {review} approve` \
         writes it, `renkei status` shows it: {}",
        plans.join("; ")
    );
    (format!("{review} {}", waits.left), line)
}

/// The failure of a command that wrote nothing because somebody must answer first.
pub(crate) fn failure(dir: &Path) -> CommandError {
    let error = "the first sync waits for an answer and nothing of it was written";
    let dir = dir.display();
    CommandError::first_sync(error).hint(format!("`renkei sync --yes --dir {dir}` writes it"))
}

#[cfg(test)]
mod tests {
    use renkei_model::review::of_first_sync;
    use renkei_model::state::{EntityPlan, Review, ReviewChoice};
    use renkei_sync::first_sync_waits::FirstSyncWaits;

    use super::*;

    #[test]
    fn first_sync_names_numbers_and_the_next_command() {
        let plan = EntityPlan { entity: "person".to_owned(), matched: 7, ..EntityPlan::default() };
        let question = of_first_sync(vec![plan], 0);
        let left = Review { choice: Some(ReviewChoice::Leave), ..question.clone() };
        let id = question.id.clone();
        let mut waits = FirstSyncWaits { question: Some(question), unread: Vec::new() };
        let report = FirstSyncReport::from(&waits);
        let said = describe(&report, Path::new("crm"));
        assert!(said.contains("person: nothing to write; 7 matched"), "{said}");
        assert!(said.contains("renkei sync --yes --dir crm"), "{said}");
        assert!(said.contains(&format!("renkei decide {id} approve --dir crm")), "{said}");
        assert_eq!(report.entities[0].matched, 7);
        let (before, _) = log_line(&report);
        waits.question = Some(left);
        let report = FirstSyncReport::from(&waits);
        assert!(describe(&report, Path::new("crm")).contains("to leave it"));
        assert_ne!(log_line(&report).0, before);
    }
}
