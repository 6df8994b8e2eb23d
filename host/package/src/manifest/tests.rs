//! The manifest of a connector, the manifest of a transform, and one change at a time to each.

use std::sync::LazyLock;

use renkei_test_support::manifest as text;

use super::*;

/// A connector that says more than it must.
static CONNECTOR: LazyLock<String> = LazyLock::new(|| {
    let text = text::connector("acme").replace("version = \"1.0.0\"\n", "");
    let text = text.replace("concurrent_requests = 4", "concurrent_requests = 8");
    let text = text.replace("[503]", "[500, 521]");
    text.replace("token_path =", "token_style = \"form\"\ntoken_path =")
});

static TRANSFORM: LazyLock<String> = LazyLock::new(|| text::transform("upper"));

fn connector(manifest: &Manifest) -> &ConnectorManifest {
    manifest.connector().unwrap()
}

/// Replaces `from` by `to` in a good manifest and compares the error with its hint.
fn check(good: &str, from: &str, to: &str, expected: &str) {
    assert!(good.contains(from), "{from}");
    let error = Manifest::from_toml(&good.replacen(from, to, 1), Some("0.1.0")).unwrap_err();
    assert_eq!(shown(&error), expected);
}

fn shown(error: &ManifestError) -> String {
    let hint = error.hint().map(|hint| format!(" (hint: {hint})"));
    format!("{error}{}", hint.unwrap_or_default())
}

#[test]
fn connector_manifest_is_read() {
    let manifest = Manifest::from_toml(&CONNECTOR, Some("0.3.0")).unwrap();
    assert_eq!((manifest.id.as_str(), manifest.version.as_str()), ("acme", "0.3.0"));
    let connector = connector(&manifest);
    assert_eq!(connector.concurrent_requests, 8);
    assert_eq!(connector.connections[0].auth[..2], [AuthMethod::Bearer, AuthMethod::Header]);
    assert_eq!(connector.retry.transient_status, [500, 521]);
    assert_eq!(connector.settings[0].default, Some(SettingValue::Integer(1)));
    assert_eq!(connector.objects[0].actions.len(), 3);
}

#[test]
fn embedded_manifest_equals_the_written_one() {
    for text in [CONNECTOR.as_str(), TRANSFORM.as_str()] {
        let written = Manifest::from_toml(text, Some("0.3.0")).unwrap();
        let read = Manifest::from_json(written.to_json().to_string().as_bytes()).unwrap();
        assert_eq!(read.to_json(), written.to_json());
        assert_eq!(read.version, written.version);
    }
}

#[test]
fn missing_keys_have_defaults() {
    let text = CONNECTOR.split("[[quota]]").next().unwrap();
    let text = format!("{text}\n[[object]]\nname = \"things\"\n");
    let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
    let connector = connector(&manifest);
    assert_eq!(connector.concurrent_requests, 4);
    assert_eq!(connector.retry.quota_status, [429]);
    assert_eq!(connector.connections[0].methods, Method::ALL);
    assert_eq!(connector.connections[0].paths, ["/"]);
    assert_eq!((connector.objects[0].read_rows, connector.objects[0].actions.len()), (100, 0));
}

#[test]
fn credentials_tokens_and_logins_of_a_connection_are_checked() {
    let more = "login_url = \"https://login.example.com/consent\"\nlogin_scopes = [\"api\"]\n\
                token_prefix = \"Token \"\nrefused_status = [401]\n[[connection.credential]]\n\
                name = \"api_key\"\nplace = \"header\"\nfield = \"x-api-key\"\n";
    let text = CONNECTOR.replace("refused_status = [401]", more);
    let text = text.replace("token_path = \"/token\"", "token_url = \"https://id.example.com/t\"");
    let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
    let connection = &connector(&manifest).connections[0];
    assert_eq!(connection.token_url.as_deref(), Some("https://id.example.com/t"));
    assert_eq!((connection.token_prefix.as_str(), connection.login_scopes.len()), ("Token ", 1));
    let key = &connection.credentials[0];
    assert_eq!((key.place, key.field.as_str()), (CredentialPlace::Header, "x-api-key"));
    let refused = |from: &str, to: &str, expected: &str| {
        assert!(text.contains(from), "{from}");
        let error = Manifest::from_toml(&text.replacen(from, to, 1), Some("0.3.0")).unwrap_err();
        assert!(shown(&error).contains(expected), "{to}: {}", shown(&error));
    };
    refused("https://id.example.com/t", "http://id.example.com/t", "an `https` URL");
    refused("https://id.example.com/t", "https://ID.example.com/t", "usual spelling");
    refused("https://id.example.com/t", "https://u:p@id.example.com/t", "usual spelling");
    refused("token_url", "token_path = \"/t\"\ntoken_url", "one of the two");
    refused("https://login.example.com/consent", "login", "a URL such as");
    refused("\"oauth2-refresh-token\", ", "", "has no `oauth2-refresh-token`");
    refused("[\"api\"]", "[\"a b\"]", "a scope's name");
    refused("\"x-api-key\"", "\"X-Api-Key\"", "in lower case");
    refused("\"x-api-key\"", "\"x api key\"", "letters, digits");
    refused("\"x-api-key\"", "\"authorization\"", "writes `authorization` already");
    refused("name = \"api_key\"", "name = \"Key\"", "a-z, 0-9 and `_`");
    refused("\"header\"\nfield", "\"cookie\"\nfield", "cookie");
    let twice = "[[connection.credential]]\nname = \"api_key\"\nplace = \"query\"\nfield = \"k\"\n";
    refused("[[connection.credential]]", &format!("{twice}[[connection.credential]]"), "each name");
    let fixed = CONNECTOR.replacen("auth = [\"bearer", "auth = [\"fixed\", \"bearer", 1);
    let error = Manifest::from_toml(&fixed, Some("0.3.0")).unwrap_err();
    assert!(shown(&error).contains("at least one where `auth` has `fixed`"), "{error}");
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
        assert!(shown(&error).contains(expected), "{to}: {error}");
    };
    refused("[\"GET\", \"POST\"]", "[]", "`connection[0].methods` is missing or empty");
    refused("\"GET\"", "\"get\"", "unknown variant `get`");
    refused("[\"/crm/\", \"/oauth\"]", "[]", "`connection[0].paths` is missing or empty");
    for path in ["crm", "", "//crm", "/a/../b", "/a?b", "/a%2Fb", "/a b", "https://x/"] {
        refused("/crm/", path, "takes the beginning of a path");
    }
}

#[test]
fn other_contract_is_refused_before_unknown_keys() {
    check(
        &TRANSFORM,
        "contract = \"0.2\"",
        "contract = \"0.3\"\nunheard_of = 1",
        "built for contract 0.3, and this host binds 0.2 (hint: update Renkei)",
    );
    check(
        &TRANSFORM,
        "contract = \"0.2\"",
        "contract = \"0.1\"",
        "built for contract 0.1, and this host binds 0.2 (hint: move it to contract 0.2 as \
         wit/README.md says and rebuild it, or ask its publisher for a newer version)",
    );
}

/// `host/sync/RULES.md` R16.
#[test]
fn long_version_and_misleading_title_are_refused() {
    let version = |bytes: usize| format!("1.2.3-{}", "a".repeat(bytes - 6));
    let refused = |from: &str, to: &str, expected: &str| {
        let error = Manifest::from_toml(&TRANSFORM.replacen(from, to, 1), None).unwrap_err();
        let error = shown(&error);
        assert!(error.contains(expected) && error.len() < 300, "{error}");
    };
    refused("1.0.0", &version(65), "of at most 64 bytes");
    refused("title = \"upper\"", "title = \"Names \u{202e}gpj\"", "Names \\u{202e}gpj");
    refused("title = \"upper\"", "title = \"Na\u{200b}mes\"", "without direction marks");
    let fits = TRANSFORM.replacen("1.0.0", &version(64), 1);
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
    let wrong = format!("`simulator` is \"http://x\" (hint: `simulator` takes {id})");
    check(&CONNECTOR, "kind =", "simulator = \"http://x\"\nkind =", &wrong);
    check(
        &TRANSFORM,
        "kind =",
        "simulator = \"names\"\nkind =",
        "`simulator` is given (hint: `simulator` takes nothing: only a connector has it)",
    );
}

#[test]
fn wrong_value_is_refused_with_its_key() {
    let id = "2 to 41 of a-z, 0-9 and `-`, the first one a letter";
    let expected = format!("`id` is \"Hub\" (hint: `id` takes {id})");
    check(&CONNECTOR, "\"acme\"", "\"Hub\"", &expected);
    check(
        &TRANSFORM,
        "1.0.0",
        "1.2",
        "`version` is \"1.2\" (hint: `version` takes a semantic version such as `1.2.0`)",
    );
    check(
        &CONNECTOR,
        "allow = [\"https://api.example.com\"",
        "allow = [\"https://example.com\"",
        "`connection[0].base_url` is \"https://api.example.com\" (hint: `connection[0].base_url` \
         takes a URL that the connection's `allow` covers)",
    );
    check(
        &CONNECTOR,
        "token_path = \"/token\"",
        "",
        "`connection[0].token_path` is missing (hint: `connection[0].token_path` takes the path of \
         the token endpoint)",
    );
    check(
        &CONNECTOR,
        "default = 1",
        "default = \"x\"",
        "`setting[0].default` is Text(\"x\") \
         (hint: `setting[0].default` takes a value of kind integer)",
    );
    let expected = "`quota[0].calls` is 0 (hint: `quota[0].calls` takes at least 1)";
    check(&CONNECTOR, "calls = 100", "calls = 0", expected);
    check(
        &CONNECTOR,
        "[401]",
        "[200]",
        "`connection[0].refused_status` is 200 (hint: `connection[0].refused_status` takes HTTP \
         statuses from 400 to 599)",
    );
    check(
        &TRANSFORM,
        "[[function]]",
        "[retry]\n[[function]]",
        "`retry` is given (hint: `retry` takes nothing: only a connector has it)",
    );
    check(
        &TRANSFORM,
        "output = [\"a\", \"b\"]",
        "output = []",
        "`function[0].output` is missing or empty (hint: `function[0].output` takes at least one)",
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
            "`object[0].name` is \"{shown}\" (hint: `object[0].name` takes \
             a name without invisible characters such as `{escape}`)"
        );
        check(&CONNECTOR, "\"things\"", &format!("\"{name}\""), &expected);
    }
    let comma =
        "`object[0].name` is \"a, read:b\" (hint: `object[0].name` takes a name without `,`)";
    check(&CONNECTOR, "\"things\"", "\"a, read:b\"", comma);
    let line = "`object[0].name` is \"a\\nb\" (hint: `object[0].name` takes 1 to 100 bytes without \
                control characters)";
    check(&CONNECTOR, "\"things\"", "\"a\\nb\"", line);
    let space = "`object[0].name` takes a name without a space before or after it";
    for name in ["contacts ", " contacts", "contacts\u{3000}"] {
        let expected = format!("`object[0].name` is {name:?} (hint: {space})");
        check(&CONNECTOR, "\"things\"", &format!("\"{name}\""), &expected);
    }
    check(
        &TRANSFORM,
        "[\"a\"",
        "[\"full\u{200b}name\"",
        "`function[0].input[0]` is \"full\\u{200b}name\" (hint: `function[0].input[0]` takes \
         a name without invisible characters such as `\\u{200b}`)",
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
        let text = CONNECTOR.replacen("\"things\"", &format!("\"{name}\""), 1);
        let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
        assert_eq!(connector(&manifest).objects[0].name, name);
    }
    let text = TRANSFORM.replacen("[\"a\"", "[\"姓, 名\"", 1);
    assert!(Manifest::from_toml(&text, None).is_ok(), "columns are in no list of grants");
}

#[test]
fn base_url_and_token_path_have_one_spelling() {
    for written in
        ["HTTPS://API.example.com:443/", " https://api.example.com", "https:\\\\api.example.com"]
    {
        let text = CONNECTOR.replacen(
            "base_url = \"https://api.example.com\"",
            &format!("base_url = '{}'", written.replace("\\\\", "\\")),
            1,
        );
        let manifest = Manifest::from_toml(&text, Some("0.3.0")).unwrap();
        let base = connector(&manifest).connections[0].base_url.clone();
        assert_eq!(base.as_deref(), Some("https://api.example.com"), "{written}");
    }
    check(
        &CONNECTOR,
        "\"/token\"",
        "\"/tok\u{200b}en\"",
        "`connection[0].token_path` is \"/tok\\u{200b}en\" \
         (hint: `connection[0].token_path` takes a path such as `/token`)",
    );
    let field = "\"in\u{200b}stance_url\"";
    let expected = "`connection[0].base_url_field` is \"in\\u{200b}stance_url\" (hint: \
                    `connection[0].base_url_field` takes a name without invisible characters such \
                    as `\\u{200b}`)";
    check(&CONNECTOR, "\"instance_url\"", field, expected);
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
