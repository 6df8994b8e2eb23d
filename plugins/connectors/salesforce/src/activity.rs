//! Activities as completed tasks, each at most once per intent (`API.md`, S-task-1).
//!
//! With the stamp field on Task a repeat is harmless. Without it the intent stands at the end of
//! the description and is looked for before a task is made. A description cannot be filtered by
//! (S-query-8), so the tasks of the same record are read.

use std::collections::BTreeMap;

use renkei_sdk::{
    Action, Activity, Applied, Error, FindRequest, Operation, Outcome, Problem, Remedy, Value,
    WriteRequest,
};

use crate::Salesforce;
use crate::schema::ObjectShape;
use crate::value::format_moment;

const TASK: &str = "Task";
/// Longest subject and description, in characters.
const SUBJECT_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 32_000;

impl Salesforce {
    /// One task for each activity, at the first record it belongs to: a task has one.
    pub(crate) fn add_tasks(&mut self, activities: &[Activity]) -> Result<Vec<Outcome>, Error> {
        let shape = self.get_shape(TASK, &[])?;
        let there = if shape.stamped { BTreeMap::new() } else { self.tasks_there(activities)? };
        let mut outcomes = BTreeMap::new();
        let (mut operations, mut sent) = (Vec::new(), Vec::new());
        for (index, activity) in activities.iter().enumerate() {
            if let Some(id) = there.get(&activity.intent) {
                outcomes.insert(index, Applied::updated(id).into());
            } else if let Some(cells) = make_cells(activity, &shape) {
                operations.push(Operation::new(&activity.intent, Action::Create, None, cells));
                sent.push(index);
            } else {
                let problem =
                    Problem::new("id-missing", "an activity names a record", Remedy::Plugin);
                outcomes.insert(index, Outcome::rejected(problem));
            }
        }
        let request = WriteRequest::new(TASK, columns(), operations);
        outcomes.extend(sent.into_iter().zip(self.write_operations(&request)?));
        Ok(outcomes.into_values().collect())
    }

    /// Ids of the tasks that carry the intent of one of these activities.
    fn tasks_there(&mut self, activities: &[Activity]) -> Result<BTreeMap<String, String>, Error> {
        let columns = ["WhoId", "WhatId", "Description"];
        let mut there = BTreeMap::new();
        for key in ["WhoId", "WhatId"] {
            let of_key = activities.iter().filter(|activity| column_of(activity) == key);
            let ids: Vec<Value> =
                of_key.filter_map(|activity| Some(activity.ids.first()?.clone().into())).collect();
            if ids.is_empty() {
                continue;
            }
            let tasks = self.find_records(&FindRequest::new(TASK, columns, key, ids))?;
            for task in tasks.iter() {
                let marked = task.text("Description").unwrap_or_default();
                let found = activities.iter().find(|found| marked.ends_with(&marker(found)));
                there.extend(found.map(|found| (found.intent.clone(), task.row.id.clone())));
            }
        }
        Ok(there)
    }
}

fn columns() -> Vec<String> {
    ["WhoId", "WhatId", "Subject", "Description", "ActivityDate", "Status", "Priority"]
        .map(str::to_owned)
        .to_vec()
}

/// People are `WhoId`, everything else is `WhatId`.
fn column_of(activity: &Activity) -> &'static str {
    if matches!(activity.object.as_str(), "Contact" | "Lead") { "WhoId" } else { "WhatId" }
}

fn marker(activity: &Activity) -> String {
    format!("[renkei:{}]", activity.intent)
}

/// In the order of [`columns`]; nothing for an activity without a record.
fn make_cells(activity: &Activity, shape: &ObjectShape) -> Option<Vec<Option<Value>>> {
    let id = activity.ids.first()?;
    let of = |column| (column_of(activity) == column).then(|| id.as_str().into());
    let mut description: String = activity.body.chars().take(DESCRIPTION_MAX).collect();
    if !shape.stamped {
        let marker = marker(activity);
        let room = DESCRIPTION_MAX.saturating_sub(marker.chars().count() + 1);
        description = description.chars().take(room).collect();
        description = format!("{description}\n{marker}");
    }
    let day = format_moment(activity.at).split_once('T').map(|(day, _)| day.to_owned());
    Some(vec![
        of("WhoId"),
        of("WhatId"),
        Some(activity.subject.chars().take(SUBJECT_MAX).collect::<String>().into()),
        Some(Value::text_or_null(&description)),
        day.map(Value::Date),
        Some("Completed".into()),
        Some("Normal".into()),
    ])
}
