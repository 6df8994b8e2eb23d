//! The step from the written manifest to the checked one. Each error names the key, the value that
//! stands there and what is expected.

use url::Url;

use super::check_credential::{TOKEN_PREFIX, check_credentials, check_endpoint, check_prefix};
use super::names::{
    Result, check_each, check_id, check_key, check_name, check_title, reject, reject_value,
    require_unique,
};
use super::raw::{
    RawConnection, RawFunction, RawKind, RawManifest, RawObject, RawQuota, RawSecret, RawSetting,
};
use super::{
    AllowedOrigin, AuthMethod, Connection, ConnectorManifest, Function, FunctionShape, MERGE_INPUT,
    MERGE_OUTPUT, Manifest, ManifestKind, ManifestObject, Method, Quota, Retry, Secret, Setting,
    TransformManifest,
};

/// Requests in flight per system where the manifest does not say.
const CONCURRENT_REQUESTS: u32 = 4;
const CONCURRENT_REQUESTS_MAX: u32 = 64;
const VERSION_BYTES_MAX: usize = 64;

/// Checks every value of a written manifest and fills in the defaults.
pub(super) fn check_manifest(raw: RawManifest) -> Result<Manifest> {
    check_id("id", &raw.id)?;
    check_title("title", &raw.title)?;
    check_id("publisher", &raw.publisher)?;
    let version = match &raw.version {
        Some(version) => version.clone(),
        None => return reject("version", "missing", "a semantic version such as `1.2.0`"),
    };
    if version.len() > VERSION_BYTES_MAX {
        let short: String = version.chars().take(VERSION_BYTES_MAX).collect();
        return reject_value("version", &short, "a semantic version of at most 64 bytes");
    }
    if semver::Version::parse(&version).is_err() {
        return reject_value("version", &version, "a semantic version such as `1.2.0`");
    }
    let kind = match raw.kind {
        RawKind::Connector => ManifestKind::Connector(check_connector(&raw)?),
        RawKind::Transform => ManifestKind::Transform(check_transform(&raw)?),
    };
    let RawManifest { id, title, publisher, .. } = raw.clone();
    Ok(Manifest { id, title, publisher, version, kind, raw })
}

fn check_connector(raw: &RawManifest) -> Result<ConnectorManifest> {
    refuse_other_kind("function", raw.function.is_empty(), "transform")?;
    let limits = raw.limits.as_ref().and_then(|limits| limits.concurrent_requests);
    let concurrent_requests = limits.unwrap_or(CONCURRENT_REQUESTS);
    if !(1..=CONCURRENT_REQUESTS_MAX).contains(&concurrent_requests) {
        return reject_value("limits.concurrent_requests", &concurrent_requests, "1 to 64");
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
    check_statuses("retry.quota_status", &retry.quota_status)?;
    check_statuses("retry.transient_status", &retry.transient_status)?;
    if let Some(simulator) = &raw.simulator {
        check_id("simulator", simulator)?;
    }
    require_some("connection", &raw.connection)?;
    require_some("object", &raw.object)?;
    require_unique("connection", "slot", raw.connection.iter().map(|c| &c.slot))?;
    require_unique("object", "name", raw.object.iter().map(|o| &o.name))?;
    require_unique("setting", "name", raw.setting.iter().map(|s| &s.name))?;
    require_unique("secret", "name", raw.secret.iter().map(|s| &s.name))?;
    Ok(ConnectorManifest {
        connections: check_each("connection", &raw.connection, check_connection)?,
        quotas: check_each("quota", &raw.quota, check_quota)?,
        concurrent_requests,
        retry,
        objects: check_each("object", &raw.object, check_object)?,
        settings: check_each("setting", &raw.setting, check_setting)?,
        secrets: check_each("secret", &raw.secret, check_secret)?,
        simulator: raw.simulator.clone(),
    })
}

fn check_transform(raw: &RawManifest) -> Result<TransformManifest> {
    refuse_other_kind("connection", raw.connection.is_empty(), "connector")?;
    refuse_other_kind("quota", raw.quota.is_empty(), "connector")?;
    refuse_other_kind("limits", raw.limits.is_none(), "connector")?;
    refuse_other_kind("retry", raw.retry.is_none(), "connector")?;
    refuse_other_kind("object", raw.object.is_empty(), "connector")?;
    refuse_other_kind("setting", raw.setting.is_empty(), "connector")?;
    refuse_other_kind("secret", raw.secret.is_empty(), "connector")?;
    refuse_other_kind("simulator", raw.simulator.is_none(), "connector")?;
    require_some("function", &raw.function)?;
    require_unique("function", "name", raw.function.iter().map(|f| &f.name))?;
    Ok(TransformManifest { functions: check_each("function", &raw.function, check_function)? })
}

fn check_connection(at: &str, raw: &RawConnection) -> Result<Connection> {
    check_id(&format!("{at}.slot"), &raw.slot)?;
    require_some(&format!("{at}.allow"), &raw.allow)?;
    require_some(&format!("{at}.auth"), &raw.auth)?;
    let allow = check_each(&format!("{at}.allow"), &raw.allow, |at, pattern| {
        AllowedOrigin::parse(pattern).or_else(|expected| reject_value(at, pattern, expected))
    })?;
    let methods = raw.methods.clone().unwrap_or_else(|| Method::ALL.to_vec());
    require_some(&format!("{at}.methods"), &methods)?;
    let paths = raw.paths.clone().unwrap_or_else(|| vec!["/".to_owned()]);
    require_some(&format!("{at}.paths"), &paths)?;
    check_each(&format!("{at}.paths"), &paths, |at, path| check_path_prefix(at, path))?;
    let base_url = match &raw.base_url {
        Some(url) => Some(check_base_url(&format!("{at}.base_url"), url, &allow)?),
        None => None,
    };
    let token_url = check_token_endpoint(at, raw)?;
    check_login(at, raw)?;
    if let Some(field) = &raw.base_url_field {
        check_name(&format!("{at}.base_url_field"), field)?;
    }
    check_statuses(&format!("{at}.refused_status"), &raw.refused_status)?;
    Ok(Connection {
        slot: raw.slot.clone(),
        base_url,
        base_url_field: raw.base_url_field.clone(),
        allow,
        methods,
        paths,
        auth: raw.auth.clone(),
        credentials: check_credentials(at, raw)?,
        token_prefix: check_prefix(
            &format!("{at}.token_prefix"),
            raw.token_prefix.as_deref().unwrap_or(TOKEN_PREFIX),
        )?,
        token_url,
        token_style: raw.token_style,
        login_url: raw.login_url.clone(),
        login_scopes: raw.login_scopes.clone(),
        refused_status: raw.refused_status.clone(),
    })
}

fn check_base_url(key: &str, written: &str, allow: &[AllowedOrigin]) -> Result<String> {
    let Ok(url) = Url::parse(written) else {
        return reject_value(key, written, "a URL such as `https://api.example.com`");
    };
    if url.query().is_some() || url.fragment().is_some() {
        return reject_value(key, written, "a URL without query and fragment");
    }
    if !allow.iter().any(|origin| origin.allows(&url)) {
        return reject_value(key, written, "a URL that the connection's `allow` covers");
    }
    // A URL has many spellings. An admin compares this one, so it is always the parser's.
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The token endpoint: a path below the base URL, or a URL. Egress checks it once more.
fn check_token_endpoint(at: &str, raw: &RawConnection) -> Result<Option<String>> {
    let key = format!("{at}.token_path");
    let needed = raw.auth.iter().any(|way| way.needs_token_endpoint());
    match (&raw.token_path, &raw.token_url) {
        (Some(_), Some(_)) => reject(&key, "given beside `token_url`", "one of the two"),
        (Some(path), None) if is_token_path(path) => Ok(Some(path.clone())),
        (Some(path), None) => reject_value(&key, path, "a path such as `/token`"),
        (None, Some(url)) => {
            check_endpoint(&format!("{at}.token_url"), url)?;
            Ok(Some(url.clone()))
        }
        (None, None) if needed => reject(&key, "missing", "the path of the token endpoint"),
        (None, None) => Ok(None),
    }
}

fn is_token_path(path: &str) -> bool {
    path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The page where a person consents, and the scopes that it shows.
fn check_login(at: &str, raw: &RawConnection) -> Result<()> {
    let key = format!("{at}.login_url");
    let Some(url) = &raw.login_url else {
        return match raw.login_scopes.is_empty() {
            true => Ok(()),
            false => reject(&key, "missing", "the page of the login, where there are scopes"),
        };
    };
    check_endpoint(&key, url)?;
    if !raw.auth.contains(&AuthMethod::Oauth2RefreshToken) {
        return reject_value(&key, url, "nothing where `auth` has no `oauth2-refresh-token`");
    }
    check_each(&format!("{at}.login_scopes"), &raw.login_scopes, |key, scope| {
        let plain = scope.bytes().all(|byte| byte.is_ascii_graphic());
        if plain && !scope.is_empty() { Ok(()) } else { reject_value(key, scope, "a scope's name") }
    })?;
    Ok(())
}

/// Accepts a beginning of paths only in the spelling that egress compares requests in.
fn check_path_prefix(key: &str, path: &str) -> Result<()> {
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\%;".contains(&byte));
    let steps = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if path.starts_with('/') && !path.contains("//") && plain && !steps {
        return Ok(());
    }
    reject_value(key, path, "the beginning of a path such as `/crm/v3`")
}

fn check_quota(at: &str, raw: &RawQuota) -> Result<Quota> {
    check_id(&format!("{at}.name"), &raw.name)?;
    require_positive(&format!("{at}.calls"), u64::from(raw.calls))?;
    require_positive(&format!("{at}.per_ms"), raw.per_ms)?;
    Ok(Quota { name: raw.name.clone(), calls: raw.calls, per_ms: raw.per_ms })
}

fn check_object(at: &str, raw: &RawObject) -> Result<ManifestObject> {
    let key = format!("{at}.name");
    check_name(&key, &raw.name)?;
    // Permissions are listed with commas between them (`read:contacts, read:deals`).
    if raw.name.contains(',') {
        return reject_value(&key, &raw.name, "a name without `,`");
    }
    require_positive(&format!("{at}.read_rows"), u64::from(raw.read_rows))?;
    require_positive(&format!("{at}.write_rows"), u64::from(raw.write_rows))?;
    Ok(ManifestObject {
        name: raw.name.clone(),
        actions: raw.actions.clone(),
        read_rows: raw.read_rows,
        write_rows: raw.write_rows,
    })
}

fn check_setting(at: &str, raw: &RawSetting) -> Result<Setting> {
    check_key(&format!("{at}.name"), &raw.name)?;
    let key = format!("{at}.default");
    match &raw.default {
        Some(default) if raw.required => {
            return reject_value(&key, default, "no default where `required` is true");
        }
        Some(default) if default.kind() != raw.kind => {
            let expected = format!("a value of kind {:?}", raw.kind).to_lowercase();
            return reject_value(&key, default, &expected);
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

fn check_secret(at: &str, raw: &RawSecret) -> Result<Secret> {
    check_key(&format!("{at}.name"), &raw.name)?;
    Ok(Secret { name: raw.name.clone(), help: raw.help.clone() })
}

fn check_function(at: &str, raw: &RawFunction) -> Result<Function> {
    check_id(&format!("{at}.name"), &raw.name)?;
    for (key, columns) in [("input", &raw.input), ("output", &raw.output)] {
        let key = format!("{at}.{key}");
        match raw.shape {
            FunctionShape::OneWay | FunctionShape::TwoWay => require_some(&key, columns)?,
            FunctionShape::Merge if columns.is_empty() => {}
            FunctionShape::Merge => {
                return reject_value(&key, columns, "nothing: a merge works on one field");
            }
        }
        check_each(&key, columns, |at, column| check_name(at, column))?;
        require_unique(&key, "column", columns.iter())?;
    }
    let parameters = format!("{at}.parameter");
    require_unique(&parameters, "name", raw.parameter.iter().map(|p| &p.name))?;
    let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (input, output) = match raw.shape {
        FunctionShape::OneWay | FunctionShape::TwoWay => (raw.input.clone(), raw.output.clone()),
        FunctionShape::Merge => (columns(&MERGE_INPUT), columns(&MERGE_OUTPUT)),
    };
    Ok(Function {
        name: raw.name.clone(),
        shape: raw.shape,
        input,
        output,
        parameters: check_each(&parameters, &raw.parameter, check_setting)?,
        help: raw.help.clone(),
    })
}

fn require_some<T>(key: &str, items: &[T]) -> Result<()> {
    if items.is_empty() { reject(key, "missing or empty", "at least one") } else { Ok(()) }
}

fn refuse_other_kind(key: &str, absent: bool, kind: &str) -> Result<()> {
    if absent { Ok(()) } else { reject(key, "given", &format!("nothing: only a {kind} has it")) }
}

fn require_positive(key: &str, number: u64) -> Result<()> {
    if number == 0 { reject_value(key, &number, "at least 1") } else { Ok(()) }
}

fn check_statuses(key: &str, statuses: &[u16]) -> Result<()> {
    match statuses.iter().find(|status| !(400..=599).contains(*status)) {
        Some(status) => reject_value(key, status, "HTTP statuses from 400 to 599"),
        None => Ok(()),
    }
}
