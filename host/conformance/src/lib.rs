//! The conformance kit: tests any plugin file against the contract, without its source.
//!
//! ```text
//! file -> run (read, judge the manifest, start in a runtime of its own)
//!           |-> settings: malformed configurations and parameters
//!           |-> limits: the same call with a fraction of memory and time
//!           |-> transform: equal answers to equal input, any data, lens laws
//!           '-> connector: a run against a simulator, through `simulator_control`
//!                 each check -> one line of the report
//! ```
//!
//! Every rule stands in `rules.rs` with its promise and its advice. A check that cannot fail is
//! worth nothing. So checks see a plugin only through the engine's ports, and `tests/kit` runs each
//! of them on a double that breaks its rule.

mod report;
pub use report::{CheckResult, CheckVerdict, ConformanceReport, NotPassed, ReportLine};

mod failure_advice;
pub use failure_advice::FailureCause;

mod guest_output;

mod rules;
pub use rules::{ContractRule, RULES};

mod run;
pub use run::{KitError, KitOptions, SimulatorAccess, test_plugin};

mod simulator_control;
pub use simulator_control::{LoopbackControl, NoControl, SimulatorControl};

pub mod connector;
pub mod data;
pub mod manifest;
pub mod settings;
pub mod transform;

mod limits;
