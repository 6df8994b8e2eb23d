//! Checks of a valid manifest for things that an admin cannot understand or should not trust.
//!
//! The package reader has refused malformed manifests already. Each finding names the key as
//! `plugin.toml` has it. A `help` may be left out, so a missing one is a remark and no finding.

use std::collections::BTreeSet;

use renkei_package::{
    ConnectorManifest, Function, FunctionShape, Manifest, ManifestKind, ManifestObject, Setting,
};

/// The most rows that the host asks for or hands over at once (`plugins/README.md`).
const ROWS_MAX: u32 = 10_000;
/// A quota window longer than a month is a mistake in the unit.
const WINDOW_MS_MAX: u64 = 31 * 86_400_000;

/// Everything questionable in a manifest, in its own order.
pub fn findings(manifest: &Manifest) -> Vec<String> {
    let mut found = Vec::new();
    if manifest.title.trim().is_empty() {
        found.push("`title` is blank: people choose by it".to_owned());
    }
    match &manifest.kind {
        ManifestKind::Connector(connector) => connector_findings(connector, &mut found),
        ManifestKind::Transform(transform) => {
            for (index, function) in transform.functions.iter().enumerate() {
                function_findings(index, function, &mut found);
            }
        }
    }
    found
}

fn connector_findings(connector: &ConnectorManifest, found: &mut Vec<String>) {
    for (index, connection) in connector.connections.iter().enumerate() {
        let at = format!("connection[{index}]");
        if connection.base_url.as_ref().is_some_and(|url| !url.starts_with("https://")) {
            found.push(format!("`{at}.base_url` is not https: credentials would travel in clear"));
        }
        for origin in connection.allow.iter().map(ToString::to_string) {
            if !origin.starts_with("https://") {
                found.push(format!("`{at}.allow` has {origin}, which is not https"));
            }
        }
        let ways: BTreeSet<_> = connection.auth.iter().map(|way| format!("{way:?}")).collect();
        if ways.len() != connection.auth.len() {
            found.push(format!("`{at}.auth` names a way twice"));
        }
    }
    for (index, quota) in connector.quotas.iter().enumerate() {
        if quota.per_ms > WINDOW_MS_MAX {
            let per_ms = quota.per_ms;
            found.push(format!("`quota[{index}].per_ms` is {per_ms}: more than a month"));
        }
    }
    for (index, object) in connector.objects.iter().enumerate() {
        object_findings(index, object, found);
    }
}

fn object_findings(index: usize, object: &ManifestObject, found: &mut Vec<String>) {
    for (key, rows) in [("read_rows", object.read_rows), ("write_rows", object.write_rows)] {
        if rows > ROWS_MAX {
            found.push(format!("`object[{index}].{key}` is {rows}; the most is {ROWS_MAX}"));
        }
    }
    let actions: BTreeSet<_> = object.actions.iter().map(|action| format!("{action:?}")).collect();
    if actions.len() != object.actions.len() {
        found.push(format!("`object[{index}].actions` names an action twice"));
    }
}

fn function_findings(index: usize, function: &Function, found: &mut Vec<String>) {
    let at = format!("function[{index}]");
    let required = function.parameters.iter().find(|parameter| parameter.required);
    if let (FunctionShape::TwoWay, Some(parameter)) = (function.shape, required) {
        found.push(format!(
            "`{at}` is two-way but its parameter `{}` has no default: the host cannot try its laws",
            parameter.name
        ));
    }
}

/// The settings and functions without a `help`, in words for the report; empty where none lacks it.
/// A plugin works without, but an admin then has nothing but names to go by.
pub fn remark(manifest: &Manifest) -> String {
    let mut without = Vec::new();
    match &manifest.kind {
        ManifestKind::Connector(connector) => {
            settings("setting", &connector.settings, &mut without);
            for secret in connector.secrets.iter().filter(|secret| blank(&secret.help)) {
                without.push(format!("secret {}", secret.name));
            }
        }
        ManifestKind::Transform(transform) => {
            for function in &transform.functions {
                if blank(&function.help) {
                    without.push(format!("function {}", function.name));
                }
                settings("parameter", &function.parameters, &mut without);
            }
        }
    }
    match without.split_first() {
        None => String::new(),
        Some((first, [])) => format!("no `help` for {first}"),
        Some((first, more)) => format!("no `help` for {first} and {} more", more.len()),
    }
}

fn settings(kind: &str, settings: &[Setting], without: &mut Vec<String>) {
    for setting in settings.iter().filter(|setting| blank(&setting.help)) {
        without.push(format!("{kind} {}", setting.name));
    }
}

fn blank(help: &str) -> bool {
    help.trim().is_empty()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use renkei_test_support::manifest as text;

    use super::*;

    static CONNECTOR: LazyLock<String> = LazyLock::new(|| text::connector("acme"));

    /// A transform whose first function has a parameter.
    static TRANSFORM: LazyLock<String> = LazyLock::new(|| {
        let parameter = "name = \"locale\"\nkind = \"text\"\nhelp = \"Whose letters.\"";
        let help = "help = \"Gives back what it gets.\"";
        let with = format!("{help}\n[[function.parameter]]\n{parameter}");
        text::transform("upper").replace(help, &with)
    });

    /// Replaces `from` by `to` in a good manifest; the finding begins so.
    fn check(good: &str, from: &str, to: &str, expected: &str) {
        assert!(good.contains(from), "{from}");
        let manifest = Manifest::from_toml(&good.replacen(from, to, 1), None).unwrap();
        let found = findings(&manifest);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:?}");
    }

    #[test]
    fn good_manifest_has_no_findings() {
        for text in [CONNECTOR.as_str(), TRANSFORM.as_str()] {
            assert_eq!(findings(&Manifest::from_toml(text, None).unwrap()), Vec::<String>::new());
        }
    }

    #[test]
    fn untrustworthy_keys_are_findings() {
        let plain = "\"https://api.example.com\", \"http://127.0.0.1:1\", \"https://*";
        check(
            &CONNECTOR,
            "\"https://api.example.com\", \"https://*",
            plain,
            "`connection[0].allow` has",
        );
        check(&CONNECTOR, "[\"bearer\"", "[\"bearer\", \"bearer\"", "`connection[0].auth`");
        check(&CONNECTOR, "10000", "99999999999", "`quota[0].per_ms`");
    }

    #[test]
    fn base_url_without_tls_is_a_finding() {
        let text = CONNECTOR.replace("https://api.example.com", "http://127.0.0.1:1");
        let found = findings(&Manifest::from_toml(&text, None).unwrap());
        assert!(found[0].starts_with("`connection[0].base_url`"), "{found:?}");
    }

    #[test]
    fn unclear_keys_are_findings() {
        check(&CONNECTOR, "title = \"acme\"", "title = \" \"", "`title`");
        let required = "required = true\nhelp = \"Whose letters.\"";
        check(&TRANSFORM, "help = \"Whose letters.\"", required, "`function[0]` is two-way");
    }

    #[test]
    fn missing_help_is_a_remark() {
        for (good, helps, expected) in [
            (&CONNECTOR, &[][..], ""),
            (&CONNECTOR, &["Nothing."], "no `help` for setting depth"),
            (&CONNECTOR, &["Signs webhooks."], "no `help` for secret client_secret"),
            (&TRANSFORM, &["Gives back what it gets."], "no `help` for function same"),
            (&TRANSFORM, &["Whose letters."], "no `help` for parameter locale"),
            (
                &TRANSFORM,
                &["Gives back what it gets.", "Whose letters."],
                "no `help` for function same and 1 more",
            ),
        ] {
            let left_out =
                |text: String, help: &&str| text.replace(&format!("help = \"{help}\""), "");
            let text = helps.iter().fold(good.to_string(), left_out);
            let manifest = Manifest::from_toml(&text, None).unwrap();
            assert_eq!(remark(&manifest), expected);
            assert_eq!(findings(&manifest), Vec::<String>::new());
        }
    }

    #[test]
    fn oversized_batches_and_repeated_actions_are_findings() {
        for key in ["read_rows", "write_rows"] {
            let expected = format!("`object[0].{key}` is 20000");
            check(&CONNECTOR, &format!("{key} = 100"), &format!("{key} = 20000"), &expected);
        }
        let twice = "actions = [\"create\", \"create\"";
        check(&CONNECTOR, "actions = [\"create\"", twice, "`object[0].actions`");
    }
}
