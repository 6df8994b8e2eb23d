//! The objects of the org that this user can query (`API.md`, S-describe-8).

use renkei_sdk::http::Request;
use renkei_sdk::{Action, Error, ObjectInfo};
use serde::Deserialize;

use crate::client::{parse, send};
use crate::config::Config;

/// The answer of `/sobjects`.
#[derive(Deserialize)]
struct ObjectList {
    sobjects: Vec<ListedObject>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListedObject {
    name: String,
    label: String,
    custom: bool,
    queryable: bool,
    deprecated_and_hidden: bool,
    createable: bool,
    updateable: bool,
    deletable: bool,
}

/// Lists what this user can query, in one call.
///
/// # Errors
/// `unauthorized`, `forbidden`.
pub(crate) fn list_objects(config: &Config) -> Result<Vec<ObjectInfo>, Error> {
    let answer = send(&Request::get(format!("{}/sobjects", config.root)))?;
    let list: ObjectList = parse(&answer.body)?;
    let seen = list.sobjects.iter();
    let seen = seen.filter(|object| object.queryable && !object.deprecated_and_hidden);
    Ok(seen.map(ListedObject::info).collect())
}

impl ListedObject {
    fn info(&self) -> ObjectInfo {
        let info = ObjectInfo::new(&self.name, &self.label);
        let info = if self.custom { info.custom() } else { info };
        let may = [
            (Action::Create, self.createable),
            (Action::Update, self.updateable),
            (Action::Upsert, self.createable && self.updateable),
            (Action::Archive, self.deletable),
        ];
        may.into_iter().filter(|(_, may)| *may).fold(info, |info, (action, _)| info.action(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_queried_and_only_what_may_be_done_is_listed() {
        let listed: ListedObject = serde_json::from_str(
            r#"{"name":"Invoice__c","label":"Invoice","custom":true,"queryable":true,
                "createable":true,"updateable":false,"deletable":true}"#,
        )
        .unwrap();
        let info = listed.info();
        assert!(info.custom);
        assert_eq!(info.actions, ["create", "archive"]);
    }
}
