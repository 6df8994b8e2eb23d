//! From `[systems.NAME.auth]` to the way in which requests are authenticated.

use std::collections::BTreeMap;

use renkei_package::{ConnectorManifest, FixedCredential, PRIMARY_SLOT};
use renkei_runtime::{AuthOptions, SystemAuth};
use secrecy::{ExposeSecret as _, SecretString};
use toml::Spanned;

use super::file::{AuthFile, RootSource};
use super::secrets::{SecretError, SecretSource};
use super::slips::slip;
use super::source::ConfigError;

/// The way to authenticate, with its secrets.
pub(super) fn resolve(
    root: &RootSource,
    raw: &Spanned<AuthFile>,
    secrets: &SecretSource,
) -> Result<SystemAuth, ConfigError> {
    let file = raw.get_ref();
    let secret = |key: &str, name: &Option<Spanned<String>>| -> Result<SecretString, ConfigError> {
        let name = name.as_ref().ok_or_else(|| missing(root, raw, key))?;
        secrets.get(name.get_ref()).map_err(|error| place_secret_error(root, name, &error))
    };
    let client_secret = || {
        let value = secret("client_secret", &file.client_secret)?;
        if file.client_id.as_deref() == Some(value.expose_secret()) {
            let mistake = root.at(raw, "the secret of `client_secret` is the client id");
            return Err(mistake.hint("put the app's client secret into the secrets, not its id"));
        }
        Ok(value)
    };
    match file.scheme.get_ref().as_str() {
        "bearer" => Ok(SystemAuth::Bearer(secret("token_secret", &file.token_secret)?)),
        "header" => Ok(SystemAuth::Header {
            name: file.header.clone().ok_or_else(|| missing(root, raw, "header"))?.to_lowercase(),
            value: secret("token_secret", &file.token_secret)?,
        }),
        "basic" => Ok(SystemAuth::Basic {
            username: username(root, raw)?,
            password: secret("password_secret", &file.password_secret)?,
        }),
        "fixed" => Ok(SystemAuth::Fixed),
        "oauth2-client-credentials" => Ok(SystemAuth::ClientCredentials {
            client_id: client_id(root, raw)?,
            client_secret: client_secret()?,
            scope: file.scope.clone(),
        }),
        "oauth2-refresh-token" => Ok(SystemAuth::RefreshToken {
            client_id: client_id(root, raw)?,
            client_secret: file.client_secret.as_ref().map(|_| client_secret()).transpose()?,
            refresh_token: match &file.refresh_token_secret {
                None => None,
                Some(_) => Some(secret("refresh_token_secret", &file.refresh_token_secret)?),
            },
        }),
        other => Err(root.at(
            &file.scheme,
            format!(
                "`{other}`: expected `bearer`, `basic`, `header`, `fixed`, \
                 `oauth2-client-credentials` or `oauth2-refresh-token`"
            ),
        )),
    }
}

/// The options beside the way to authenticate.
pub(super) fn resolve_options(
    root: &RootSource,
    raw: &Spanned<AuthFile>,
    secrets: &SecretSource,
) -> Result<AuthOptions, ConfigError> {
    let file = raw.get_ref();
    let credentials = file.credentials.iter().map(|(name, source)| {
        let secret = secrets.get(source.get_ref());
        let secret = secret.map_err(|error| place_secret_error(root, source, &error))?;
        Ok((name.clone(), secret))
    });
    let endpoint = |key: &str, place: &Option<Spanned<String>>| match place {
        Some(place) => url(root, key, place).map(|url| Some(url.to_owned())),
        None => Ok(None),
    };
    Ok(AuthOptions {
        credentials: credentials.collect::<Result<BTreeMap<_, _>, ConfigError>>()?,
        prefix: prefix(root, file)?,
        token_url: endpoint("token_url", &file.token_url)?,
        login_url: endpoint("login_url", &file.login_url)?,
        login_scope: file.scope.clone(),
    })
}

/// Compares the fixed credentials with those that the manifest declares.
pub(super) fn check(
    root: &RootSource,
    raw: &Spanned<AuthFile>,
    manifest: &ConnectorManifest,
) -> Result<(), ConfigError> {
    let primary = manifest.connections.iter().filter(|one| one.slot == PRIMARY_SLOT);
    let declared: Vec<&FixedCredential> = primary.flat_map(|one| &one.credentials).collect();
    let names = || declared.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
    let given = &raw.get_ref().credentials;
    if let Some((name, source)) =
        given.iter().find(|(name, _)| !declared.iter().any(|one| one.name == **name))
    {
        let mistake = root.at(source, format!("`{name}` is no credential of this connector"));
        return Err(match declared.is_empty() {
            true => mistake.hint("leave out `credentials`"),
            false => mistake.hint(format!("its credentials are {}", names())),
        });
    }
    match declared.iter().find(|one| !given.contains_key(&one.name)) {
        Some(one) => {
            let mistake =
                root.at(raw, format!("this connector needs the credential `{}`", one.name));
            let name = &one.name;
            Err(mistake.hint(format!("add `credentials = {{ {name} = \"NAME_OF_A_SECRET\" }}`")))
        }
        None => Ok(()),
    }
}

/// A URL of the configuration.
pub(super) fn url<'a>(
    root: &RootSource,
    key: &str,
    url: &'a Spanned<String>,
) -> Result<&'a str, ConfigError> {
    let parsed = reqwest::Url::parse(url.get_ref())
        .map_err(|error| root.at(url, format!("`{key}` is no URL: {error}")))?;
    if !parsed.username().is_empty() || parsed.password().is_some() {
        let mistake = root.at(url, format!("`{key}` names a user"));
        return Err(mistake.hint("credentials belong into `auth`"));
    }
    let loopback = matches!(parsed.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    if parsed.scheme() != "https" && !loopback {
        return Err(root.at(url, format!("`{key}` must begin with https:// (loopback excepted)")));
    }
    Ok(url.get_ref())
}

fn client_id(root: &RootSource, raw: &Spanned<AuthFile>) -> Result<String, ConfigError> {
    let id = raw.get_ref().client_id.clone().ok_or_else(|| missing(root, raw, "client_id"))?;
    match slip("client_id", "client_id", &id) {
        Some(what) => {
            let mistake = root.at(raw, format!("`client_id` {what}"));
            Err(mistake.hint("copy it from the page of the vendor's app, and nothing else"))
        }
        None => Ok(id),
    }
}

/// The first `:` ends a user name (RFC 7617).
fn username(root: &RootSource, raw: &Spanned<AuthFile>) -> Result<String, ConfigError> {
    let name = raw.get_ref().username.clone().ok_or_else(|| missing(root, raw, "username"))?;
    if name.contains(':') || name.chars().any(char::is_control) {
        let mistake = root.at(raw, "`username` holds a colon or a control character");
        return Err(mistake.hint("give the name alone, without the password"));
    }
    Ok(name)
}

fn prefix(root: &RootSource, file: &AuthFile) -> Result<Option<String>, ConfigError> {
    let Some(prefix) = &file.prefix else { return Ok(None) };
    let text = prefix.get_ref();
    let plain = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
    if plain && text.len() <= 40 {
        return Ok(Some(text.clone()));
    }
    let mistake = root.at(prefix, "`prefix` has other characters than visible ASCII, or over 40");
    Err(mistake.hint("give the text before the token with its space, such as \"Token \""))
}

/// The error of a secret at the place of the configuration that names it.
fn place_secret_error(
    root: &RootSource,
    name: &Spanned<String>,
    error: &SecretError,
) -> ConfigError {
    root.at(name, error.to_string()).hint(error.hint())
}

fn missing(root: &RootSource, auth: &Spanned<AuthFile>, key: &str) -> ConfigError {
    let scheme = auth.get_ref().scheme.get_ref();
    root.at(auth, format!("scheme `{scheme}` needs `{key}`"))
}
