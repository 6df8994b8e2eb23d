//! `CONFIG.md` says what the program takes: every key, bound, default and word, no more and no
//! less, and examples that are one good configuration.
//!
//! The keys come from the types in `file.rs` (serde tells them to a deserializer), from the
//! runtime's limits and from the manifests of our connectors; the words from what the checks
//! answer to a wrong one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use renkei_package::{Manifest, SettingValue};
use renkei_runtime::{CompileLimits, GuestLimits, LIMIT_KEYS, LimitChanges};
use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};

use super::file::{
    AuthFile, CompileFile, EntityFile, FieldFile, LimitsFile, MatchFile, MemberFile, RootFile,
    ScheduleFile, SplitFile, SystemFile,
};
use super::fuzz::{loaded, manifests, root};
use super::secrets::SecretSource;
use super::source::{ConfigError, SourceFile};
use super::{limits, mapping, systems};

const TEXT: &str = include_str!("../../CONFIG.md");

/// Takes nothing in and keeps which keys a struct has.
struct Keys<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("only structs have keys"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = keys;
        Err(Error::custom("seen"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn keys<T: for<'de> Deserialize<'de>>() -> BTreeSet<String> {
    let mut keys: &'static [&'static str] = &[];
    assert!(T::deserialize(Keys(&mut keys)).is_err());
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// The text below a heading, up to the next one.
fn section(heading: &str) -> &'static str {
    let (_, rest) = TEXT.split_once(&format!("\n{heading}\n")).expect(heading);
    // A comment of TOML has one `#`, a heading below the title more.
    rest.split("\n##").next().unwrap()
}

/// The cells of the rows that begin with a key.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let lines = section(heading).lines().filter(|line| line.starts_with("| `"));
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn row(heading: &str, key: &str) -> Vec<&'static str> {
    let of = rows(heading).into_iter().find(|row| row[0] == format!("`{key}`"));
    of.unwrap_or_else(|| panic!("`{key}` has no row below {heading}"))
}

fn number(cell: &str) -> Option<u64> {
    cell.replace(',', "").parse().ok()
}

/// `1 to 2,048`.
fn bounds(cell: &str) -> (u64, u64) {
    let (min, max) = cell.split_once(" to ").expect(cell);
    (number(min).unwrap(), number(max).unwrap())
}

#[test]
fn reference_has_a_row_for_every_key() {
    let tables = [
        ("## `renkei.toml`", keys::<RootFile>()),
        ("### `[schedule]`", keys::<ScheduleFile>()),
        ("### `[systems.NAME]`", keys::<SystemFile>()),
        ("### `[systems.NAME.auth]`", keys::<AuthFile>()),
        ("### `[limits]`", keys::<LimitsFile>()),
        ("### A limit", LIMIT_KEYS.iter().map(|knob| knob.key.to_owned()).collect()),
        ("### `[limits.compile]`", keys::<CompileFile>()),
        ("## `entities/NAME.toml`", keys::<EntityFile>()),
        ("### `[[member]]`", keys::<MemberFile>()),
        ("### `[[match]]`", keys::<MatchFile>()),
        ("### `[field.NAME]`", keys::<FieldFile>()),
        ("### `[[split]]`", keys::<SplitFile>()),
    ];
    // All of the configuration's types but `A limit` stand above.
    let types = include_str!("file.rs").matches("deny_unknown_fields").count();
    assert_eq!(types, tables.len() - 1, "a type of file.rs is not compared");
    for (heading, expected) in tables {
        let found: BTreeSet<String> = rows(heading)
            .iter()
            .filter(|row| !row[0].contains(':'))
            .flat_map(|row| row[0].split(", "))
            .map(|key| key.trim_matches('`').to_owned())
            .filter(|key| !is_kind(heading, key))
            .collect();
        assert_eq!(found, expected, "the table below {heading}");
    }
}

/// The section of fields has a second table, of kinds.
fn is_kind(heading: &str, key: &str) -> bool {
    heading == "### `[field.NAME]`" && words("kind").contains(key)
}

#[test]
fn reference_has_the_defaults_and_bounds_of_limits() {
    for knob in LIMIT_KEYS {
        let row = row("### A limit", knob.key);
        assert_eq!(bounds(row[3]), (knob.min, knob.max), "{}", knob.key);
        assert_eq!(number(row[1]).is_some(), knob.transform, "{}", knob.key);
        for (cell, kind) in [(row[1], GuestLimits::transform()), (row[2], GuestLimits::connector())]
        {
            if let Some(default) = number(cell) {
                let mut changes = LimitChanges::default();
                changes.set(knob.key, default).unwrap();
                assert_eq!(changes.apply(&kind), kind, "{default} is no default of {}", knob.key);
            }
        }
    }
    let default = CompileLimits::default();
    for (key, expected, limits) in [
        ("memory_mb", default.memory_bytes >> 20, CompileLimits::MEMORY_MB),
        ("seconds", default.cpu_seconds, CompileLimits::SECONDS),
    ] {
        let row = row("### `[limits.compile]`", key);
        assert_eq!((number(row[2]), bounds(row[3])), (Some(expected), limits), "{key}");
    }
    let guard = row("## `entities/NAME.toml`", "create_guard")[2];
    assert_eq!(number(guard), Some(mapping::CREATE_GUARD), "create_guard");
    let schedule = ScheduleFile::default();
    for (key, expected) in [
        ("interval_seconds", schedule.interval_seconds),
        ("sweep_pages", schedule.sweep_pages.into()),
    ] {
        assert_eq!(number(row("### `[schedule]`", key)[2]), Some(expected), "{key}");
    }
}

/// Rows of settings or secrets as (key, connector, default).
fn offered(manifests: &[Manifest]) -> BTreeSet<[String; 3]> {
    let mut offered = BTreeSet::new();
    for manifest in manifests {
        let Some(connector) = manifest.connector() else { continue };
        for setting in &connector.settings {
            let default = match setting.default.as_ref().unwrap() {
                SettingValue::Text(text) => format!("`{text}`"),
                SettingValue::Integer(number) => number.to_string(),
                SettingValue::Boolean(flag) => flag.to_string(),
            };
            offered.insert([format!("`{}`", setting.name), manifest.title.clone(), default]);
        }
        for secret in &connector.secrets {
            let name = format!("`{}`", secret.name);
            offered.insert([name, manifest.title.clone(), String::new()]);
        }
    }
    offered
}

#[test]
fn reference_has_the_settings_and_secrets_of_the_manifests() {
    let settings = rows("### `[systems.NAME.settings]`").into_iter();
    let settings = settings.map(|row| [row[0], row[1], row[3]].map(str::to_owned));
    let secrets = rows("### `[systems.NAME.secrets]`").into_iter();
    let secrets = secrets.map(|row| [row[0], row[1], ""].map(str::to_owned));
    assert_eq!(settings.chain(secrets).collect::<BTreeSet<_>>(), offered(&manifests()));
}

/// The examples by file, those of one file joined. Each begins with its file's name.
fn examples() -> BTreeMap<&'static str, String> {
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for block in TEXT.split("\n```toml\n").skip(1) {
        let block = block.split("\n```").next().unwrap();
        let file = block.lines().next().and_then(|line| line.strip_prefix("# ")).expect(block);
        files.entry(file).or_default().push_str(&format!("{block}\n"));
    }
    files
}

/// Everything that a host checks of these files.
fn check(files: &BTreeMap<&str, String>) -> Result<(), ConfigError> {
    let manifests = manifests();
    let loaded = loaded(&manifests);
    let root = root(&files["renkei.toml"])?;
    limits::resolve(&root)?;
    systems::check(&root, &loaded)?;
    let dir = tempfile::tempdir().unwrap();
    let secrets = dir.path().join("secrets.toml");
    std::fs::write(&secrets, &files["secrets.toml"]).unwrap();
    std::fs::set_permissions(&secrets, std::fs::Permissions::from_mode(0o600)).unwrap();
    systems::resolve(&root, &SecretSource::open(dir.path()).unwrap())?;
    let entities = files.iter().filter(|(name, _)| name.starts_with("entities/"));
    let entities: Vec<SourceFile<EntityFile>> = entities
        .map(|(name, text)| SourceFile::parse(Path::new(name), text.clone()))
        .collect::<Result<_, _>>()?;
    mapping::resolve(&root, &entities, &loaded).map(drop)
}

#[test]
fn examples_of_the_reference_are_accepted() {
    let files = examples();
    assert_eq!(files.len(), 4, "{:?}", files.keys());
    check(&files).unwrap();
}

/// The error when the first value of this key in the examples is another word.
fn refused(key: &str, value: &str) -> String {
    let mut files = examples();
    let line = format!("\n{key} = ");
    let (_, text) = files.iter_mut().find(|(_, text)| text.contains(&line)).expect(key);
    let (head, tail) = text.split_once(&line).unwrap();
    let (_, tail) = tail.split_once('\n').unwrap();
    *text = format!("{head}{line}{value}\n{tail}");
    check(&files).unwrap_err().to_string()
}

/// The words that a key takes, as its error lists them.
fn words(key: &str) -> BTreeSet<String> {
    let said = refused(key, "\"nonsense\"");
    let (_, list) = said.split_once("expected ").unwrap_or_else(|| panic!("{key}: {said}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn reference_lists_every_word_that_a_key_takes() {
    for (heading, key) in [
        ("### `[systems.NAME.auth]`", "scheme"),
        ("## `entities/NAME.toml`", "first_link"),
        ("## `entities/NAME.toml`", "on_delete"),
        ("## `entities/NAME.toml`", "on_merge"),
        ("### `[field.NAME]`", "winner"),
        ("### `[field.NAME]`", "clear"),
        ("### `[[split]]`", "direction"),
    ] {
        let told = row(heading, key).join(" ");
        for word in words(key) {
            assert!(told.contains(&format!("`{word}`")), "{key} may be `{word}`: {told}");
        }
    }
    for kind in words("kind") {
        assert!(section("### `[field.NAME]`").contains(&format!("`{kind}`")), "kind `{kind}`");
    }
}

#[test]
fn entity_or_object_that_stands_twice_is_refused() {
    let mut files = examples();
    let text = files["entities/person.toml"].clone();
    let text = text.replace("entity = \"person\"", "entity = \"company\"");
    files.insert("entities/second.toml", text);
    let said = check(&files).unwrap_err().to_string();
    assert!(said.contains("another file of entities/ has the entity `company` too"), "{said}");

    let mut files = examples();
    let text =
        files["entities/person.toml"].replace("object = \"Contact\"", "object = \"Account\"");
    files.insert("entities/person.toml", text);
    let said = check(&files).unwrap_err().to_string();
    assert!(said.contains("salesforce.Account is a member of an entity already"), "{said}");
    let line = said.split(':').nth(1).unwrap();
    assert!(line.parse::<u32>().is_ok_and(|line| line > 1), "{said}");
}
