//! Replaces plugins while they serve: one task looks at the plugin folder.
//!
//! - A notice of the operating system only means "look again", and a poll each second looks anyway;
//!   the content's digest decides. So partial writes, renames and lost notices all end well: a file
//!   that does not parse is looked at again with the next change.
//! - A bad file never disturbs the generation that serves; it is reported once per content, and
//!   kept for `list`. Nor does a folder that cannot be read, or a file that is gone for a moment:
//!   a folder may be deleted and made again.
//! - A new content is loaded beside the task (`load`): a file that takes its time keeps neither
//!   other files nor an admin waiting.
//! - `lifecycle::decide` decides which version serves; `reconcile` carries it out.

mod admin;
mod deferred;
mod file_state;
mod load;
mod loads;
mod reconcile;
mod rejection;
mod reloader;
mod scan;
mod show;
mod task;
mod versions;
mod watch;

pub(crate) use reloader::Reloader;
pub(crate) use task::{LookSchedule, ReloadOrder};
