//! From the written manifest to the checked one. Each error names the key and what was expected
//! there.

use std::collections::HashSet;
use std::fmt::Debug;

use url::Url;

use super::raw::{
    RawConnection, RawFunction, RawKind, RawManifest, RawObject, RawQuota, RawSecret, RawSetting,
};
use super::{
    AllowedOrigin, AuthMethod, Connection, ConnectorManifest, Function, FunctionShape, Manifest,
    ManifestError, ManifestKind, ManifestObject, Method, Quota, Retry, Secret, Setting,
    TransformManifest,
};
use crate::invisible_chars::{is_invisible, misleads_in_names};

type Result<T> = std::result::Result<T, ManifestError>;

/// Requests in flight per system where the manifest does not say.
const CONCURRENT_REQUESTS: u32 = 4;
const CONCURRENT_REQUESTS_MAX: u32 = 64;
const NAME_BYTES_MAX: usize = 100;
const VERSION_BYTES_MAX: usize = 64;

pub(super) fn manifest(raw: RawManifest) -> Result<Manifest> {
    id("id", &raw.id)?;
    title("title", &raw.title)?;
    id("publisher", &raw.publisher)?;
    let version = match &raw.version {
        Some(version) => version.clone(),
        None => return fail("version", "missing", "a semantic version such as `1.2.0`"),
    };
    if version.len() > VERSION_BYTES_MAX {
        let short: String = version.chars().take(VERSION_BYTES_MAX).collect();
        return wrong("version", &short, "a semantic version of at most 64 bytes");
    }
    if semver::Version::parse(&version).is_err() {
        return wrong("version", &version, "a semantic version such as `1.2.0`");
    }
    let kind = match raw.kind {
        RawKind::Connector => ManifestKind::Connector(connector(&raw)?),
        RawKind::Transform => ManifestKind::Transform(transform(&raw)?),
    };
    let RawManifest { id, title, publisher, .. } = raw.clone();
    Ok(Manifest { id, title, publisher, version, kind, raw })
}

fn connector(raw: &RawManifest) -> Result<ConnectorManifest> {
    foreign("function", raw.function.is_empty(), "transform")?;
    let limits = raw.limits.as_ref().and_then(|limits| limits.concurrent_requests);
    let concurrent_requests = limits.unwrap_or(CONCURRENT_REQUESTS);
    if !(1..=CONCURRENT_REQUESTS_MAX).contains(&concurrent_requests) {
        return wrong("limits.concurrent_requests", &concurrent_requests, "1 to 64");
    }
    let retry = raw.retry.clone();
    let (quota_status, transient_status) = match retry {
        Some(retry) => (retry.quota_status, retry.transient_status),
        None => (None, None),
    };
    let retry = Retry {
        quota_status: quota_status.unwrap_or_else(|| vec![429]),
        transient_status: transient_status.unwrap_or_else(|| vec![500, 502, 503, 504]),
    };
    statuses("retry.quota_status", &retry.quota_status)?;
    statuses("retry.transient_status", &retry.transient_status)?;
    if let Some(simulator) = &raw.simulator {
        id("simulator", simulator)?;
    }
    some("connection", &raw.connection)?;
    some("object", &raw.object)?;
    unique("connection", "slot", raw.connection.iter().map(|c| &c.slot))?;
    unique("object", "name", raw.object.iter().map(|o| &o.name))?;
    unique("setting", "name", raw.setting.iter().map(|s| &s.name))?;
    unique("secret", "name", raw.secret.iter().map(|s| &s.name))?;
    Ok(ConnectorManifest {
        connections: each("connection", &raw.connection, connection)?,
        quotas: each("quota", &raw.quota, quota)?,
        concurrent_requests,
        retry,
        objects: each("object", &raw.object, object)?,
        settings: each("setting", &raw.setting, setting)?,
        secrets: each("secret", &raw.secret, secret)?,
        simulator: raw.simulator.clone(),
    })
}

fn transform(raw: &RawManifest) -> Result<TransformManifest> {
    foreign("connection", raw.connection.is_empty(), "connector")?;
    foreign("quota", raw.quota.is_empty(), "connector")?;
    foreign("limits", raw.limits.is_none(), "connector")?;
    foreign("retry", raw.retry.is_none(), "connector")?;
    foreign("object", raw.object.is_empty(), "connector")?;
    foreign("setting", raw.setting.is_empty(), "connector")?;
    foreign("secret", raw.secret.is_empty(), "connector")?;
    foreign("simulator", raw.simulator.is_none(), "connector")?;
    some("function", &raw.function)?;
    unique("function", "name", raw.function.iter().map(|f| &f.name))?;
    Ok(TransformManifest { functions: each("function", &raw.function, function)? })
}

fn connection(at: &str, raw: &RawConnection) -> Result<Connection> {
    id(&format!("{at}.slot"), &raw.slot)?;
    some(&format!("{at}.allow"), &raw.allow)?;
    some(&format!("{at}.auth"), &raw.auth)?;
    let allow = each(&format!("{at}.allow"), &raw.allow, |at, pattern| {
        AllowedOrigin::parse(pattern).or_else(|expected| wrong(at, pattern, expected))
    })?;
    let methods = raw.methods.clone().unwrap_or_else(|| Method::ALL.to_vec());
    some(&format!("{at}.methods"), &methods)?;
    let paths = raw.paths.clone().unwrap_or_else(|| vec!["/".to_owned()]);
    some(&format!("{at}.paths"), &paths)?;
    each(&format!("{at}.paths"), &paths, |at, path| prefix(at, path))?;
    let base_url = match &raw.base_url {
        Some(url) => Some(base_url(&format!("{at}.base_url"), url, &allow)?),
        None => None,
    };
    let oauth2 = raw.auth.iter().any(|way| !matches!(way, AuthMethod::Bearer | AuthMethod::Header));
    let key = format!("{at}.token_path");
    match &raw.token_path {
        Some(path) if !is_token_path(path) => {
            return wrong(&key, path, "a path such as `/token`");
        }
        None if oauth2 => return fail(&key, "missing", "the path of the token endpoint"),
        _ => {}
    }
    if let Some(field) = &raw.base_url_field {
        name(&format!("{at}.base_url_field"), field)?;
    }
    statuses(&format!("{at}.refused_status"), &raw.refused_status)?;
    Ok(Connection {
        slot: raw.slot.clone(),
        base_url,
        base_url_field: raw.base_url_field.clone(),
        allow,
        methods,
        paths,
        auth: raw.auth.clone(),
        token_path: raw.token_path.clone(),
        token_style: raw.token_style,
        refused_status: raw.refused_status.clone(),
    })
}

fn base_url(key: &str, written: &str, allow: &[AllowedOrigin]) -> Result<String> {
    let Ok(url) = Url::parse(written) else {
        return wrong(key, written, "a URL such as `https://api.example.com`");
    };
    if url.query().is_some() || url.fragment().is_some() {
        return wrong(key, written, "a URL without query and fragment");
    }
    if !allow.iter().any(|origin| origin.allows(&url)) {
        return wrong(key, written, "a URL that the connection's `allow` covers");
    }
    // Not as it is written: a URL has many spellings, and this one is shown and compared.
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// What a request may be sent to; the way out checks it again where it is joined.
fn is_token_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A beginning of paths, in the one spelling that requests are compared in.
fn prefix(key: &str, path: &str) -> Result<()> {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\%;".contains(&byte));
    let steps = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if path.starts_with('/') && !path.contains("//") && plain && !steps {
        return Ok(());
    }
    wrong(key, path, "the beginning of a path such as `/crm/v3`")
}

fn quota(at: &str, raw: &RawQuota) -> Result<Quota> {
    id(&format!("{at}.name"), &raw.name)?;
    at_least_one(&format!("{at}.calls"), u64::from(raw.calls))?;
    at_least_one(&format!("{at}.per_ms"), raw.per_ms)?;
    Ok(Quota { name: raw.name.clone(), calls: raw.calls, per_ms: raw.per_ms })
}

fn object(at: &str, raw: &RawObject) -> Result<ManifestObject> {
    let key = format!("{at}.name");
    name(&key, &raw.name)?;
    // Grants are listed with commas between them (`read:contacts, read:deals`).
    if raw.name.contains(',') {
        return wrong(&key, &raw.name, "a name without `,`");
    }
    at_least_one(&format!("{at}.read_rows"), u64::from(raw.read_rows))?;
    at_least_one(&format!("{at}.write_rows"), u64::from(raw.write_rows))?;
    Ok(ManifestObject {
        name: raw.name.clone(),
        actions: raw.actions.clone(),
        read_rows: raw.read_rows,
        write_rows: raw.write_rows,
    })
}

fn setting(at: &str, raw: &RawSetting) -> Result<Setting> {
    word(&format!("{at}.name"), &raw.name)?;
    let key = format!("{at}.default");
    match &raw.default {
        Some(default) if raw.required => {
            return wrong(&key, default, "no default where `required` is true");
        }
        Some(default) if default.kind() != raw.kind => {
            let expected = format!("a value of kind {:?}", raw.kind).to_lowercase();
            return wrong(&key, default, &expected);
        }
        _ => {}
    }
    Ok(Setting {
        name: raw.name.clone(),
        kind: raw.kind,
        required: raw.required,
        default: raw.default.clone(),
        help: raw.help.clone(),
    })
}

fn secret(at: &str, raw: &RawSecret) -> Result<Secret> {
    word(&format!("{at}.name"), &raw.name)?;
    Ok(Secret { name: raw.name.clone(), help: raw.help.clone() })
}

fn function(at: &str, raw: &RawFunction) -> Result<Function> {
    id(&format!("{at}.name"), &raw.name)?;
    for (key, columns) in [("input", &raw.input), ("output", &raw.output)] {
        let key = format!("{at}.{key}");
        match raw.shape {
            FunctionShape::OneWay | FunctionShape::TwoWay => some(&key, columns)?,
            FunctionShape::Merge if columns.is_empty() => {}
            FunctionShape::Merge => {
                return wrong(&key, columns, "nothing: a merge works on one field");
            }
        }
        each(&key, columns, |at, column| name(at, column))?;
        unique(&key, "column", columns.iter())?;
    }
    let parameters = format!("{at}.parameter");
    unique(&parameters, "name", raw.parameter.iter().map(|p| &p.name))?;
    Ok(Function {
        name: raw.name.clone(),
        shape: raw.shape,
        input: raw.input.clone(),
        output: raw.output.clone(),
        parameters: each(&parameters, &raw.parameter, setting)?,
        help: raw.help.clone(),
    })
}

fn each<R, T>(key: &str, items: &[R], check: impl Fn(&str, &R) -> Result<T>) -> Result<Vec<T>> {
    items.iter().enumerate().map(|(i, item)| check(&format!("{key}[{i}]"), item)).collect()
}

fn unique<'a>(key: &str, part: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return wrong(key, name, &format!("each {part} only once"));
        }
    }
    Ok(())
}

fn some<T>(key: &str, items: &[T]) -> Result<()> {
    if items.is_empty() { fail(key, "missing or empty", "at least one") } else { Ok(()) }
}

fn foreign(key: &str, absent: bool, kind: &str) -> Result<()> {
    if absent { Ok(()) } else { fail(key, "given", &format!("nothing: only a {kind} has it")) }
}

fn at_least_one(key: &str, number: u64) -> Result<()> {
    if number == 0 { wrong(key, &number, "at least 1") } else { Ok(()) }
}

fn statuses(key: &str, statuses: &[u16]) -> Result<()> {
    match statuses.iter().find(|status| !(400..=599).contains(*status)) {
        Some(status) => wrong(key, status, "HTTP statuses from 400 to 599"),
        None => Ok(()),
    }
}

/// Ids, publishers, slots, quotas and functions.
fn id(key: &str, name: &str) -> Result<()> {
    if is_id(name) { Ok(()) } else { wrong(key, name, ID_FORM) }
}

/// What [`is_id`] accepts, in words.
pub(crate) const ID_FORM: &str = "2 to 41 of a-z, 0-9 and `-`, the first one a letter";

/// Whether a plugin may be called so.
pub(crate) fn is_id(name: &str) -> bool {
    name.len() >= 2 && is_name(name, b'-')
}

/// Settings, parameters and secrets: they are keys in the configuration, so with `_`.
fn word(key: &str, name: &str) -> Result<()> {
    let expected = "1 to 41 of a-z, 0-9 and `_`, the first one a letter";
    if is_name(name, b'_') { Ok(()) } else { wrong(key, name, expected) }
}

fn is_name(name: &str, joint: u8) -> bool {
    name.len() <= 41
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == joint)
}

/// Titles, for people: what reorders or hides other text on the line is none.
fn title(key: &str, title: &str) -> Result<()> {
    text(key, title)?;
    match title.chars().find(|&c| is_invisible(c)) {
        Some(_) => {
            let expected = "a title without direction marks and invisible characters";
            fail(key, &format!("\"{}\"", revealed(title)), expected)
        }
        None => Ok(()),
    }
}

fn text(key: &str, text: &str) -> Result<()> {
    let fits = (1..=NAME_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
    if fits { Ok(()) } else { wrong(key, text, "1 to 100 bytes without control characters") }
}

/// Objects, columns and fields: the vendor's own names, so nearly anything that a person who
/// approves it can see.
fn name(key: &str, name: &str) -> Result<()> {
    text(key, name)?;
    if name.trim() != name {
        return wrong(key, name, "a name without a space before or after it");
    }
    match name.chars().find(|&c| misleads_in_names(c)) {
        Some(c) => {
            let expected =
                format!("a name without invisible characters such as `{}`", c.escape_unicode());
            fail(key, &format!("\"{}\"", revealed(name)), &expected)
        }
        None => Ok(()),
    }
}

/// The name with what misleads escaped.
fn revealed(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars() {
        if misleads_in_names(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

fn wrong<T>(key: &str, found: &(impl Debug + ?Sized), expected: &str) -> Result<T> {
    fail(key, &format!("{found:?}"), expected)
}

fn fail<T>(key: &str, found: &str, expected: &str) -> Result<T> {
    let (key, found, expected) = (key.to_owned(), found.to_owned(), expected.to_owned());
    Err(ManifestError::Value { key, found, expected })
}
