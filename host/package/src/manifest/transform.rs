//! The transform's part of a manifest: its functions.

use serde::{Deserialize, Serialize};

use super::setting::Setting;

/// The functions that a transform offers.
#[derive(Debug, Clone)]
pub struct TransformManifest {
    /// At least one; names are unique.
    pub functions: Vec<Function>,
}

/// The columns that a merge function works on: the value that all systems had, and those of two
/// that changed it.
pub const MERGE_INPUT: [&str; 3] = ["base", "left", "right"];
/// The column that a merge function makes.
pub const MERGE_OUTPUT: [&str; 1] = ["merged"];

/// One function of a transform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Such as `full-name`.
    pub name: String,
    /// The calls that it takes.
    pub shape: FunctionShape,
    /// Columns that it reads; [`MERGE_INPUT`] for a merge.
    pub input: Vec<String>,
    /// Columns that it makes; [`MERGE_OUTPUT`] for a merge.
    pub output: Vec<String>,
    /// Parameters that a mapping may set.
    pub parameters: Vec<Setting>,
    /// For people.
    pub help: String,
}

/// The calls that a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FunctionShape {
    /// `forward` only.
    OneWay,
    /// `forward` and `backward`, which obey the laws in `wit/v0.2/transform.wit`.
    TwoWay,
    /// `merge` only.
    Merge,
}
