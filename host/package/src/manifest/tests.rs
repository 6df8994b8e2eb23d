//! The manifest of a connector, the manifest of a transform, and one change at a time to each.

use super::*;

const CONNECTOR: &str = r#"
id = "hubspot"
title = "HubSpot"
publisher = "renkei"
kind = "connector"
contract = "0.1"

[[connection]]
slot = "primary"
base_url = "https://api.hubapi.com"
allow = ["https://api.hubapi.com"]
auth = ["bearer", "oauth2-refresh-token"]
token_path = "/oauth/v3/token"
token_style = "form"
refused_status = [401]

[[quota]]
name = "all"
calls = 190
per_ms = 10000

[limits]
concurrent_requests = 8
[retry]
quota_status = [429]
transient_status = [500, 521]

[[object]]
name = "contacts"
actions = ["create", "update", "archive", "merge"]
read_rows = 100
write_rows = 100

[[setting]]
name = "stamp_property"
kind = "text"
required = false
default = "renkei_id"
help = "..."
[[secret]]
name = "client_secret"
help = "..."
"#;

const TRANSFORM: &str = r#"
id = "names"
title = "Names"
publisher = "renkei"
kind = "transform"
contract = "0.1"
version = "1.2.3"

[[function]]
name = "full-name"
shape = "two-way"
input = ["full_name"]
output = ["family_name", "given_name"]
parameters = []
help = "..."
"#;

fn connector(manifest: &Manifest) -> &ConnectorManifest {
    match &manifest.kind {
        ManifestKind::Connector(connector) => connector,
        ManifestKind::Transform(_) => panic!("a transform"),
    }
}

/// Replaces `from` by `to` in a good manifest and compares the error.
fn check(good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "{from}");
    let error = Manifest::from_toml(&good.replacen(from, to, 1), Some("0.1.0")).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn connector_manifest_is_read() {
    let manifest = Manifest::from_toml(CONNECTOR, Some("0.3.0")).unwrap();
    assert_eq!((manifest.id.as_str(), manifest.version.as_str()), ("hubspot", "0.3.0"));
    let connector = connector(&manifest);
    assert_eq!(connector.concurrent_requests, 8);
    assert_eq!(connector.connections[0].auth, [AuthMethod::Bearer, AuthMethod::Oauth2RefreshToken]);
    assert_eq!(connector.retry.transient_status, [500, 521]);
    assert_eq!(connector.settings[0].default, Some(SettingValue::Text("renkei_id".into())));
    assert_eq!(connector.objects[0].actions.len(), 4);
}

#[test]
fn embedded_manifest_equals_the_written_one() {
    for text in [CONNECTOR, TRANSFORM] {
        let written = Manifest::from_toml(text, Some("0.3.0")).unwrap();
        let read = Manifest::from_json(written.to_json().to_string().as_bytes()).unwrap();
        assert_eq!(read.to_json(), written.to_json());
        assert_eq!(read.version, written.version);
    }
}

#[test]
fn missing_keys_have_defaults() {
    let text = CONNECTOR.split("[[quota]]").next().unwrap();
    let text = format!("{text}\n[[object]]\nname = \"contacts\"\n");
    let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
    let connector = connector(&manifest);
    assert_eq!(connector.concurrent_requests, 4);
    assert_eq!(connector.retry.quota_status, [429]);
    assert_eq!(connector.connections[0].methods, Method::ALL);
    assert_eq!(connector.connections[0].paths, ["/"]);
    assert_eq!((connector.objects[0].read_rows, connector.objects[0].actions.len()), (100, 0));
}

#[test]
fn connector_may_ask_for_fewer_methods_and_paths() {
    let more = "methods = [\"GET\", \"POST\"]\npaths = [\"/crm/\", \"/oauth\"]\nauth = [\"bearer";
    let text = CONNECTOR.replacen("auth = [\"bearer", more, 1);
    let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
    let connection = &connector(&manifest).connections[0];
    assert_eq!(connection.methods, [Method::Get, Method::Post]);
    assert_eq!(connection.paths, ["/crm/", "/oauth"]);
    let refused = |from: &str, to: &str, expected: &str| {
        let error = Manifest::from_toml(&text.replacen(from, to, 1), Some("0.3.0")).unwrap_err();
        assert!(error.to_string().contains(expected), "{to}: {error}");
    };
    refused("[\"GET\", \"POST\"]", "[]", "`connection[0].methods` is missing or empty");
    refused("\"GET\"", "\"get\"", "unknown variant `get`");
    refused("[\"/crm/\", \"/oauth\"]", "[]", "`connection[0].paths` is missing or empty");
    for path in ["crm", "", "//crm", "/a/../b", "/a?b", "/a%2Fb", "/a b", "https://x/"] {
        refused("/crm/", path, "expected the beginning of a path");
    }
}

#[test]
fn other_contract_is_refused_before_unknown_keys() {
    check(
        TRANSFORM,
        "contract = \"0.1\"",
        "contract = \"0.2\"\nunheard_of = 1",
        "built for contract 0.2; this host binds 0.1: rebuild it with SDK 0.1 or update Renkei",
    );
}

/// `host/sync/RULES.md` R16.
#[test]
fn long_version_and_misleading_title_are_refused() {
    let version = |bytes: usize| format!("1.2.3-{}", "a".repeat(bytes - 6));
    let refused = |from: &str, to: &str, expected: &str| {
        let error = Manifest::from_toml(&TRANSFORM.replacen(from, to, 1), None).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(expected) && error.len() < 300, "{error}");
    };
    refused("1.2.3", &version(65), "of at most 64 bytes");
    refused("\"Names\"", "\"Names \u{202e}gpj\"", "Names \\u{202e}gpj");
    refused("\"Names\"", "\"Na\u{200b}mes\"", "without direction marks");
    let fits = TRANSFORM.replacen("1.2.3", &version(64), 1);
    assert!(Manifest::from_toml(&fits, None).is_ok());
}

#[test]
fn unknown_key_is_refused_with_its_line() {
    let text = CONNECTOR.replace("token_style", "token_stile");
    let error = Manifest::from_toml(&text, Some("0.1.0")).unwrap_err().to_string();
    assert!(error.contains("line 14") && error.contains("token_stile"), "{error}");
}

#[test]
fn only_a_connector_may_name_a_simulator() {
    let named = CONNECTOR.replacen("kind =", "simulator = \"acme-sim\"\nkind =", 1);
    let manifest = Manifest::from_toml(&named, Some("0.3.0")).unwrap();
    assert_eq!(connector(&manifest).simulator.as_deref(), Some("acme-sim"));
    let id = "2 to 41 of a-z, 0-9 and `-`, the first one a letter";
    let wrong = format!("`simulator` is \"http://x\"; expected {id}");
    check(CONNECTOR, "kind =", "simulator = \"http://x\"\nkind =", &wrong);
    check(
        TRANSFORM,
        "kind =",
        "simulator = \"names\"\nkind =",
        "`simulator` is given; expected nothing: only a connector has it",
    );
}

#[test]
fn wrong_value_is_refused_with_its_key() {
    let id = "2 to 41 of a-z, 0-9 and `-`, the first one a letter";
    check(CONNECTOR, "\"hubspot\"", "\"Hub\"", &format!("`id` is \"Hub\"; expected {id}"));
    check(
        TRANSFORM,
        "1.2.3",
        "1.2",
        "`version` is \"1.2\"; expected a semantic version such as `1.2.0`",
    );
    check(
        CONNECTOR,
        "allow = [\"https://api.hubapi.com\"]",
        "allow = [\"https://hubapi.com\"]",
        "`connection[0].base_url` is \"https://api.hubapi.com\"; expected a URL \
         that the connection's `allow` covers",
    );
    check(
        CONNECTOR,
        "token_path = \"/oauth/v3/token\"",
        "",
        "`connection[0].token_path` is missing; expected the path of the token endpoint",
    );
    check(
        CONNECTOR,
        "default = \"renkei_id\"",
        "default = 5",
        "`setting[0].default` is Integer(5); expected a value of kind text",
    );
    check(CONNECTOR, "calls = 190", "calls = 0", "`quota[0].calls` is 0; expected at least 1");
    check(
        CONNECTOR,
        "[401]",
        "[200]",
        "`connection[0].refused_status` is 200; expected HTTP statuses from 400 to 599",
    );
    check(
        TRANSFORM,
        "[[function]]",
        "[retry]\n[[function]]",
        "`retry` is given; expected nothing: only a connector has it",
    );
    check(
        TRANSFORM,
        "[\"family_name\", \"given_name\"]",
        "[]",
        "`function[0].output` is missing or empty; expected at least one",
    );
}

#[test]
fn name_that_looks_like_another_is_refused() {
    for (name, escape) in [
        ("cont\u{200b}acts", "\\u{200b}"),
        ("contacts\u{3164}", "\\u{3164}"),
        ("cont\u{a0}acts", "\\u{a0}"),
        ("con\u{ad}tacts", "\\u{ad}"),
        ("con\u{200d}tacts", "\\u{200d}"),
        ("contacts\u{fe0f}", "\\u{fe0f}"),
        ("a\u{202e}b", "\\u{202e}"),
        ("a\u{2028}b", "\\u{2028}"),
    ] {
        let shown = name.replace(|c: char| !c.is_ascii(), escape);
        let expected = format!(
            "`object[0].name` is \"{shown}\"; \
             expected a name without invisible characters such as `{escape}`"
        );
        check(CONNECTOR, "\"contacts\"", &format!("\"{name}\""), &expected);
    }
    let comma = "`object[0].name` is \"a, read:b\"; expected a name without `,`";
    check(CONNECTOR, "\"contacts\"", "\"a, read:b\"", comma);
    let line = "`object[0].name` is \"a\\nb\"; expected 1 to 100 bytes without control characters";
    check(CONNECTOR, "\"contacts\"", "\"a\\nb\"", line);
    let space = "expected a name without a space before or after it";
    for name in ["contacts ", " contacts", "contacts\u{3000}"] {
        let expected = format!("`object[0].name` is {name:?}; {space}");
        check(CONNECTOR, "\"contacts\"", &format!("\"{name}\""), &expected);
    }
    check(
        TRANSFORM,
        "\"full_name\"",
        "\"full\u{200b}name\"",
        "`function[0].input[0]` is \"full\\u{200b}name\"; \
         expected a name without invisible characters such as `\\u{200b}`",
    );
}

#[test]
fn vendor_and_japanese_names_are_accepted() {
    for name in [
        "取引先",
        "取引先\u{3000}担当者",
        "ｶﾌﾞｼｷｶﾞｲｼｬ・々〆ヶー（株）",
        "か\u{3099}くせい",
        "髙橋𠮷野",
        "Custom Object__c",
        "Ünïcode/v1.2-α:x",
    ] {
        let text = CONNECTOR.replacen("\"contacts\"", &format!("\"{name}\""), 1);
        let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
        assert_eq!(connector(&manifest).objects[0].name, name);
    }
    let text = TRANSFORM.replacen("\"full_name\"", "\"姓, 名\"", 1);
    assert!(Manifest::from_toml(&text, None).is_ok(), "columns are in no list of grants");
}

#[test]
fn base_url_and_token_path_have_one_spelling() {
    for written in
        ["HTTPS://API.hubapi.com:443/", " https://api.hubapi.com", "https:\\\\api.hubapi.com"]
    {
        let text = CONNECTOR.replacen(
            "base_url = \"https://api.hubapi.com\"",
            &format!("base_url = '{}'", written.replace("\\\\", "\\")),
            1,
        );
        let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
        let base = connector(&manifest).connections[0].base_url.clone();
        assert_eq!(base.as_deref(), Some("https://api.hubapi.com"), "{written}");
    }
    check(
        CONNECTOR,
        "\"/oauth/v3/token\"",
        "\"/tok\u{200b}en\"",
        "`connection[0].token_path` is \"/tok\\u{200b}en\"; expected a path such as `/token`",
    );
    let field = "base_url_field = \"in\u{200b}stance_url\"\ntoken_style";
    let expected = "`connection[0].base_url_field` is \"in\\u{200b}stance_url\"; \
                    expected a name without invisible characters such as `\\u{200b}`";
    check(CONNECTOR, "token_style", field, expected);
}

#[test]
fn origin_allows_its_own_hosts_only() {
    fn check(pattern: &str, url: &str, expected: bool) {
        let origin = AllowedOrigin::parse(pattern).unwrap();
        assert_eq!(origin.to_string(), pattern);
        assert_eq!(origin.allows(&url.parse().unwrap()), expected, "{pattern} {url}");
    }
    check("https://api.hubapi.com", "https://api.hubapi.com/crm", true);
    check("https://api.hubapi.com", "https://API.hubapi.com:443/", true);
    check("https://api.hubapi.com", "http://api.hubapi.com/", false);
    check("https://api.hubapi.com", "https://api.hubapi.com:8443/", false);
    check("https://api.hubapi.com", "https://user@api.hubapi.com/", false);
    check("https://api.hubapi.com", "https://api.hubapi.com.evil.example/", false);
    check("https://*.my.salesforce.com", "https://acme.my.salesforce.com/", true);
    check("https://*.my.salesforce.com", "https://a.sandbox.my.salesforce.com/", true);
    check("https://*.my.salesforce.com", "https://my.salesforce.com/", false);
    check("https://*.my.salesforce.com", "https://evilmy.salesforce.com/", false);
    check("https://*.my.salesforce.com", "https://.my.salesforce.com/", false);
    check("http://127.0.0.1:4000", "http://127.0.0.1:4000/x", true);
    check("http://[::1]:4000", "http://[::1]:4000/x", true);
}

#[test]
fn malformed_origin_is_refused() {
    for pattern in [
        "api.hubapi.com",
        "http://api.hubapi.com",
        "ftp://api.hubapi.com",
        "https://api.hubapi.com/crm",
        "https://api.hubapi.com/",
        "https://user:pass@api.hubapi.com",
        "https://*.com",
        "https://*.127.0.0.1",
        "https://*",
        "https://a.*.example.com",
        "https://",
        "",
    ] {
        assert!(AllowedOrigin::parse(pattern).is_err(), "{pattern}");
    }
}
