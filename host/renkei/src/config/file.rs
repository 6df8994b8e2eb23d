//! The configuration as it is written: `renkei.toml` and one file per entity under `entities/`.
//!
//! These types only say which keys exist; an unknown key is an error with file and line. Names that
//! must refer to something are [`Spanned`], so that an error can point at the line when they do
//! not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::source::SourceFile;

/// `renkei.toml` with its text.
pub(crate) type RootSource = SourceFile<RootFile>;
/// A file of `entities` with its text.
pub(crate) type EntitySource = SourceFile<EntityFile>;

/// `renkei.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RootFile {
    /// The plugin folder, relative to the configuration's directory.
    #[serde(default = "default_plugins")]
    pub(crate) plugins: PathBuf,
    /// The directory of the database, relative to the configuration's directory; `data` by default.
    pub(crate) data: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(crate) schedule: ScheduleFile,
    /// The systems by name.
    #[serde(default)]
    pub(crate) systems: BTreeMap<String, SystemFile>,
    #[serde(default)]
    pub(crate) limits: LimitsFile,
}

fn default_plugins() -> PathBuf {
    "plugins".into()
}

/// `[limits.connector]`, `[limits.transform]`, `[limits.plugin.ID]` and `[limits.compile]`; each
/// limit by its key (`renkei_runtime::LIMIT_KEYS`).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsFile {
    #[serde(default)]
    pub(crate) connector: LimitTable,
    #[serde(default)]
    pub(crate) transform: LimitTable,
    /// By plugin id; on top of those of its kind.
    #[serde(default)]
    pub(crate) plugin: BTreeMap<Spanned<String>, LimitTable>,
    #[serde(default)]
    pub(crate) compile: CompileFile,
}

/// Limits by key.
pub(crate) type LimitTable = BTreeMap<Spanned<String>, Spanned<u64>>;

/// `[limits.compile]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompileFile {
    /// Address space of the process that compiles one plugin.
    pub(crate) memory_mb: Option<Spanned<u64>>,
    /// Its processor time.
    pub(crate) seconds: Option<Spanned<u64>>,
}

/// `[schedule]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleFile {
    /// The pause between two cycles of `renkei serve`.
    #[serde(default = "default_interval")]
    pub(crate) interval_seconds: u64,
    /// Pages that sweeps may read of each system in a cycle.
    #[serde(default = "default_sweep_pages")]
    pub(crate) sweep_pages: u32,
}

impl Default for ScheduleFile {
    fn default() -> Self {
        Self { interval_seconds: default_interval(), sweep_pages: default_sweep_pages() }
    }
}

fn default_sweep_pages() -> u32 {
    20
}

fn default_interval() -> u64 {
    60
}

/// `[systems.NAME]`: one account of a CRM.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SystemFile {
    /// The id of the connector that serves it.
    pub(crate) plugin: Spanned<String>,
    /// Overrides the manifest's base URL.
    pub(crate) base_url: Option<Spanned<String>>,
    /// Overrides the time zone that the account names: `Asia/Tokyo`.
    pub(crate) time_zone: Option<Spanned<String>>,
    pub(crate) auth: Spanned<AuthFile>,
    /// Checked against the manifest's settings.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, Spanned<toml::Value>>,
    /// The manifest's secrets (webhook keys and the like): its name there, its name in the secrets
    /// file.
    #[serde(default)]
    pub(crate) secrets: BTreeMap<String, Spanned<String>>,
}

/// `[systems.NAME.auth]`. Keys that end in `_secret` name a secret; the configuration itself never
/// holds one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuthFile {
    /// `bearer`, `basic`, `header`, `fixed`, `oauth2-client-credentials` or
    /// `oauth2-refresh-token`.
    pub(crate) scheme: Spanned<String>,
    /// For `bearer` and `header`.
    pub(crate) token_secret: Option<Spanned<String>>,
    /// For `header`: its name.
    pub(crate) header: Option<String>,
    /// The text before the token, with its space.
    pub(crate) prefix: Option<Spanned<String>>,
    /// For `basic`.
    pub(crate) username: Option<String>,
    /// For `basic`.
    pub(crate) password_secret: Option<Spanned<String>>,
    /// The fixed credentials of the manifest: its name there, its name in the secrets file.
    #[serde(default)]
    pub(crate) credentials: BTreeMap<String, Spanned<String>>,
    /// For OAuth2.
    pub(crate) client_id: Option<String>,
    /// For OAuth2.
    pub(crate) client_secret: Option<Spanned<String>>,
    /// For `oauth2-refresh-token`: the first one; later ones are kept in `tokens.json`. Without it,
    /// `renkei auth login` stores one.
    pub(crate) refresh_token_secret: Option<Spanned<String>>,
    /// For `oauth2-client-credentials`, where the endpoint wants it, and for a login.
    pub(crate) scope: Option<String>,
    /// For OAuth2: the token endpoint, instead of the manifest's.
    pub(crate) token_url: Option<Spanned<String>>,
    /// For a login: the page where a person consents, instead of the manifest's.
    pub(crate) login_url: Option<Spanned<String>>,
}

/// `entities/NAME.toml`: one entity, its members and its fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntityFile {
    /// The entity's name.
    pub(crate) entity: Spanned<String>,
    /// A system's name (its value wins where both sides hold different values at the first link) or
    /// `review`.
    pub(crate) first_link: Spanned<String>,
    /// `archive`, `unlink` or `review`.
    pub(crate) on_delete: Spanned<String>,
    /// `review` or `follow`.
    pub(crate) on_merge: Spanned<String>,
    /// Ask before more than this many records of this entity are created in 24 hours.
    pub(crate) create_guard: Option<u64>,
    /// Ask before more than this many are archived in 24 hours, with what goes along.
    pub(crate) delete_guard: Option<u64>,
    /// `ask` (the default) or `allow`.
    pub(crate) on_cascade: Option<Spanned<String>>,
    /// The time between two comparisons of all ids and versions with what is known: `24h` (the
    /// default), `7d`, `90m`, or `off`.
    pub(crate) sweep: Option<Spanned<String>>,
    /// The objects that play the entity.
    #[serde(default)]
    pub(crate) member: Vec<MemberFile>,
    /// Match keys, tried in this order.
    #[serde(default)]
    pub(crate) r#match: Vec<MatchFile>,
    /// The fields by name.
    #[serde(default)]
    pub(crate) field: BTreeMap<Spanned<String>, FieldFile>,
    /// Columns that a transform maps to several fields.
    #[serde(default)]
    pub(crate) split: Vec<SplitFile>,
    /// Value tables by name: canonical value -> member -> the member's values, the first of which
    /// is written.
    #[serde(default)]
    pub(crate) table: BTreeMap<String, TableFile>,
}

/// `[table.NAME.VALUE]`.
pub(crate) type TableFile = BTreeMap<String, BTreeMap<Spanned<String>, Vec<String>>>;

/// `[[member]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MemberFile {
    pub(crate) system: Spanned<String>,
    pub(crate) object: Spanned<String>,
    /// A link that has no record in this system gets one here.
    #[serde(default)]
    pub(crate) create: bool,
    /// Columns given only at creation.
    #[serde(default)]
    pub(crate) defaults: BTreeMap<String, String>,
    /// Columns given only at creation from what a reference points at: `REFERENCE.FIELD`.
    #[serde(default)]
    pub(crate) copies: BTreeMap<String, Spanned<String>>,
}

/// `[[match]]`: one way to recognise the same thing in two systems.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MatchFile {
    /// For `why` and reviews, such as `mail`.
    pub(crate) name: Spanned<String>,
    /// All of them must have values.
    pub(crate) fields: Vec<Spanned<String>>,
    /// A one-way transform, `plugin/function`, that takes these fields in this order; its output is
    /// compared and never written back.
    pub(crate) via: Option<Spanned<String>>,
    /// No system may hold two things with the same key.
    #[serde(default)]
    pub(crate) unique: bool,
}

/// `[field.NAME]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FieldFile {
    /// `text`, `mail`, `phone`, `integer`, `decimal`, `boolean`, `date`, `timestamp`, `choice`,
    /// `choices`, `reference:ENTITY` or `references:ENTITY`.
    pub(crate) kind: Spanned<String>,
    /// `always:SYSTEM`, `unless-blank:SYSTEM`, `newest`, `manual`, `merge:PLUGIN/FUNCTION`,
    /// `opt-out` or `opt-in`.
    pub(crate) winner: Spanned<String>,
    /// `propagate` (the default), `ignore` or `review`.
    pub(crate) clear: Option<Spanned<String>>,
    /// Member -> column.
    #[serde(default)]
    pub(crate) columns: BTreeMap<Spanned<String>, String>,
    /// Members where the field is read and never written.
    #[serde(default)]
    pub(crate) read_only: Vec<Spanned<String>>,
    /// Members where the field is written and never read.
    #[serde(default)]
    pub(crate) write_only: Vec<Spanned<String>>,
    /// Members where a record is not made without a value.
    #[serde(default)]
    pub(crate) required: Vec<Spanned<String>>,
    /// Texts that stand for nothing: read as empty.
    #[serde(default)]
    pub(crate) fillers: Vec<String>,
    /// For `reference:ENTITY`: `primary` (the default) or `all`.
    pub(crate) associations: Option<Spanned<String>>,
    /// A value table of this file.
    pub(crate) table: Option<Spanned<String>>,
}

/// `[[split]]`: `fields` are made from `columns` of `member` by a two-way transform.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SplitFile {
    pub(crate) member: Spanned<String>,
    pub(crate) columns: Vec<String>,
    pub(crate) fields: Vec<Spanned<String>>,
    /// `plugin/function`.
    pub(crate) via: Spanned<String>,
    #[serde(default)]
    pub(crate) parameters: BTreeMap<String, toml::Value>,
    /// `both` (the default), `read` or `write`.
    pub(crate) direction: Option<Spanned<String>>,
}
