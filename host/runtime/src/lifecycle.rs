//! Decides which version of a plugin serves, and records how it does: state across restarts,
//! health, permissions, previews.

pub(crate) mod admin;
pub(crate) mod blame;
pub(crate) mod copies;
pub(crate) mod decide;
pub(crate) mod event;
pub(crate) mod health;
pub(crate) mod plugin_state;
pub(crate) mod preview;
pub(crate) mod registry;
pub(crate) mod samples;
pub(crate) mod stored_permissions;
pub(crate) mod supervised;
pub(crate) mod view;
