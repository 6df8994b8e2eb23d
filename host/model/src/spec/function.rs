//! Functions of transform plugins, as mappings, match keys and winners name them.

use crate::record::Attributes;

/// A function of a transform plugin, with the column names of its manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransformRef {
    /// The plugin's id.
    pub plugin: String,
    /// The function's name.
    pub function: String,
    /// Its parameters.
    pub parameters: Attributes,
    /// Its input columns.
    pub input: Vec<String>,
    /// Its output columns.
    pub output: Vec<String>,
}
