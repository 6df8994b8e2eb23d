-- The state of a plugin, as the runtime writes it (`host/runtime`, `lifecycle/plugin_state.rs`): JSON text.
CREATE TABLE plugin (id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT;
