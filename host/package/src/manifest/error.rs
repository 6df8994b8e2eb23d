//! The reasons to refuse a manifest: the key and the value that stands there; what the key takes is
//! the hint.

use super::CONTRACT;

/// A reason to refuse a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not TOML or not JSON, an unknown key, a missing key or a value of the wrong type; with the
    /// place.
    #[error("{0}")]
    Syntax(String),
    /// A value that the key does not take.
    #[error("`{key}` is {found}")]
    Value {
        /// Such as `connection[0].base_url`.
        key: String,
        /// The value that stands there.
        found: String,
        /// The values that may stand there.
        expected: String,
    },
    /// Written for a contract that this host does not bind.
    #[error("built for contract {found}, and this host binds {CONTRACT}")]
    Contract {
        /// The contract that the manifest names.
        found: String,
    },
}

impl ManifestError {
    /// The next step.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax(_) => None,
            Self::Value { key, expected, .. } => Some(format!("`{key}` takes {expected}")),
            Self::Contract { found } => Some(contract_hint(found)),
        }
    }
}

/// The next step for a plugin of another contract: a plugin of an older one must be moved, one of a
/// newer one needs a newer host.
fn contract_hint(found: &str) -> String {
    let number = |version: &str| {
        let mut parts = version.split('.').map(str::parse::<u32>);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    };
    if number(found) < number(CONTRACT) {
        format!(
            "move it to contract {CONTRACT} as wit/README.md says and rebuild it, or ask its \
             publisher for a newer version"
        )
    } else {
        "update Renkei".to_owned()
    }
}
