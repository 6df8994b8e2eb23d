//! The reasons to refuse a manifest: the key, the value that stands there, what is expected.

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
    #[error("`{key}` is {found}; expected {expected}")]
    Value {
        /// Such as `connection[0].base_url`.
        key: String,
        /// The value that stands there.
        found: String,
        /// The values that may stand there.
        expected: String,
    },
    /// Written for a contract that this host does not bind.
    #[error(
        "built for contract {found}; this host binds {CONTRACT}: \
         rebuild it with SDK {CONTRACT} or update Renkei"
    )]
    Contract {
        /// The contract that the manifest names.
        found: String,
    },
}
