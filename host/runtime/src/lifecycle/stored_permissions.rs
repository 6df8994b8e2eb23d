//! Permissions as a recorded state of a plugin holds them: a list of texts.
//!
//! A state of an older version can hold texts that are no permission any more, such as a host
//! without its slot. They allow and deny nothing, and they stay in the state for a version that
//! knows them.

use std::collections::BTreeSet;

use renkei_package::Permission;
use serde::{Deserialize, Serialize};

/// Permissions of a state, and the texts in it that are none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeSet<String>", into = "BTreeSet<String>")]
pub(crate) struct StoredPermissions {
    pub(crate) known: BTreeSet<Permission>,
    unknown: BTreeSet<String>,
}

impl From<BTreeSet<String>> for StoredPermissions {
    fn from(texts: BTreeSet<String>) -> Self {
        let mut stored = Self::default();
        for text in texts {
            match text.parse() {
                Ok(permission) => drop(stored.known.insert(permission)),
                Err(_) => drop(stored.unknown.insert(text)),
            }
        }
        stored
    }
}

impl FromIterator<Permission> for StoredPermissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self { known: permissions.into_iter().collect(), unknown: BTreeSet::new() }
    }
}

impl From<StoredPermissions> for BTreeSet<String> {
    fn from(stored: StoredPermissions) -> Self {
        let known = stored.known.into_iter().map(String::from);
        known.chain(stored.unknown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_texts_stay_as_they_are() {
        let json = r#"["host:https://api.example.com","read:*","slot:primary","write:things"]"#;
        let stored: StoredPermissions = serde_json::from_str(json).unwrap();
        let known: Vec<String> = stored.known.iter().map(ToString::to_string).collect();
        assert_eq!(known, ["read:*", "slot:primary"]);
        assert_eq!(serde_json::to_string(&stored).unwrap(), json);
    }
}
