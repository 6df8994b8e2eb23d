//! Activities: notes, calls, mails, meetings and tasks at a record (`API.md`, H-activity-1).
//!
//! An activity is an object of its own, associated with the records it belongs to. The stamp
//! property holds its intent, so that a repeated call makes no second one. An activity object
//! without that property is refused, because nothing else tells two notes apart reliably.

use renkei_sdk::{Action, Activity, Operation, Outcome, Problem, Remedy, Value, WriteRequest};

use crate::associations;

/// An activity object: the contract's kind, HubSpot's object, its subject and body properties.
struct ActivityShape {
    kind: &'static str,
    object: &'static str,
    subject: Option<&'static str>,
    body: &'static str,
}

const SHAPES: [ActivityShape; 5] = [
    ActivityShape { kind: "note", object: "notes", subject: None, body: "hs_note_body" },
    ActivityShape { kind: "call", object: "calls", subject: None, body: "hs_call_body" },
    ActivityShape {
        kind: "mail",
        object: "emails",
        subject: Some("hs_email_subject"),
        body: "hs_email_text",
    },
    ActivityShape {
        kind: "meeting",
        object: "meetings",
        subject: Some("hs_meeting_title"),
        body: "hs_meeting_body",
    },
    ActivityShape {
        kind: "task",
        object: "tasks",
        subject: Some("hs_task_subject"),
        body: "hs_task_body",
    },
];

/// Activities that one write makes.
pub(crate) struct ActivityGroup {
    pub(crate) request: WriteRequest,
    /// Places in the caller's list.
    pub(crate) places: Vec<usize>,
}

/// Sorts activities into one write per activity object and object they belong to, and refuses
/// those that HubSpot has no object or association for. Outcomes are in the caller's order.
pub(crate) fn group_activities(
    activities: &[Activity],
) -> (Vec<ActivityGroup>, Vec<Option<Outcome>>) {
    let mut groups: Vec<ActivityGroup> = Vec::new();
    let mut outcomes = Vec::new();
    for (place, activity) in activities.iter().enumerate() {
        match find_shape(activity) {
            Some(shape) => {
                add_to_group(&mut groups, place, shape, activity);
                outcomes.push(None);
            }
            None => {
                let message = format!("no {} at {} in HubSpot", activity.kind, activity.object);
                let problem = Problem::new("unknown-activity", message, Remedy::Admin);
                outcomes.push(Some(Outcome::rejected(problem)));
            }
        }
    }
    (groups, outcomes)
}

fn find_shape(activity: &Activity) -> Option<&'static ActivityShape> {
    let shape = SHAPES.iter().find(|shape| shape.kind == activity.kind)?;
    associations::find_relation(shape.object, &association_column(&activity.object))?;
    Some(shape)
}

fn add_to_group(
    groups: &mut Vec<ActivityGroup>,
    place: usize,
    shape: &ActivityShape,
    activity: &Activity,
) {
    let columns = columns(shape, &activity.object);
    let operation = make_operation(shape, activity);
    let same = |group: &&mut ActivityGroup| {
        group.request.object == shape.object && group.request.columns == columns
    };
    if let Some(group) = groups.iter_mut().find(same) {
        group.request.operations.push(operation);
        group.places.push(place);
        return;
    }
    let request = WriteRequest::new(shape.object, columns, vec![operation]);
    groups.push(ActivityGroup { request, places: vec![place] });
}

/// The outcome of every activity of a group where its intent cannot be kept.
pub(crate) fn refuse_without_stamp(object: &str, stamp: &str) -> Outcome {
    let message = format!("make a text property {stamp} with unique values on {object}");
    Outcome::rejected(Problem::new("stamp-missing", message, Remedy::Admin))
}

fn columns(shape: &ActivityShape, object: &str) -> Vec<String> {
    let names = ["hs_timestamp", shape.body, &association_column(object)].map(str::to_owned);
    names.into_iter().chain(shape.subject.map(str::to_owned)).collect()
}

fn association_column(object: &str) -> String {
    format!("{}{object}", associations::PREFIX)
}

fn make_operation(shape: &ActivityShape, activity: &Activity) -> Operation {
    let body = match shape.subject {
        None if !activity.subject.is_empty() => {
            format!("{}\n{}", activity.subject, activity.body)
        }
        _ => activity.body.clone(),
    };
    let cells =
        [Value::Timestamp(activity.at), Value::Text(body), Value::References(activity.ids.clone())];
    let subject = shape.subject.map(|_| Value::Text(activity.subject.clone()));
    let cells = cells.into_iter().chain(subject).map(Some).collect();
    Operation::new(&activity.intent, Action::Create, None, cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity(kind: &str, object: &str) -> Activity {
        Activity {
            intent: "i-1".into(),
            object: object.into(),
            ids: vec!["7".into()],
            kind: kind.into(),
            at: 5,
            subject: "Estimate".into(),
            body: "sent".into(),
            facts: Vec::new(),
        }
    }

    #[test]
    fn activities_of_one_sort_share_a_write() {
        let all = [
            activity("note", "contacts"),
            activity("task", "deals"),
            activity("note", "contacts"),
            activity("note", "companies"),
        ];
        let (groups, outcomes) = group_activities(&all);
        let places: Vec<&[usize]> = groups.iter().map(|group| &*group.places).collect();
        assert_eq!(places, [&[0, 2][..], &[1], &[3]]);
        assert!(outcomes.iter().all(Option::is_none));
    }

    #[test]
    fn note_has_its_subject_in_the_body() {
        let body = |kind| {
            group_activities(&[activity(kind, "contacts")]).0[0].request.operations[0].cells[1]
                .clone()
        };
        assert_eq!(body("note"), Some(Value::from("Estimate\nsent")));
        assert_eq!(body("task"), Some(Value::from("sent")));
    }

    #[test]
    fn activity_without_object_or_association_is_refused() {
        let check = |kind, object| {
            let (groups, outcomes) = group_activities(&[activity(kind, object)]);
            assert!(groups.is_empty() && outcomes[0].is_some());
        };
        check("fax", "contacts");
        check("note", "owners");
    }
}
