//! The state of plugins in words: for `plugin list`, and in one line for `status`.
//!
//! Pure. What serves is told apart from what is in the folder: a plugin whose new file waits or is
//! refused serves on, and that is said first.

use renkei_model::times::moment;
use renkei_runtime::{PausedSystem, PluginReport};

/// `renkei_runtime`'s rules of a probation.
const PROBATION: &str =
    "on probation for 200 calls or ten minutes: rolled back if it fails more often";

/// The state of what serves, and of the file where it does not serve.
pub(super) fn describe_state(plugin: &PluginReport) -> String {
    let other = match (&plugin.fault, &plugin.waiting) {
        (Some(_), _) => Some("its file is refused".to_owned()),
        (None, Some(waiting)) => Some(format!("{} waits", waiting.version)),
        (None, None) => None,
    };
    let serves = match plugin.quarantined_until_ms {
        Some(_) => "quarantined",
        None => "serving",
    };
    let hold = if plugin.hold { ", hold" } else { "" };
    match other {
        Some(other) if plugin.version.is_some() => format!("{serves}; {other}{hold}"),
        _ => format!("{}{hold}", plugin.state),
    }
}

/// The details that a person should know, most urgent first.
pub(super) fn describe_details(plugin: &PluginReport) -> String {
    let mut details: Vec<String> = plugin.fault.iter().chain(&plugin.hint).cloned().collect();
    if let Some(until_ms) = plugin.quarantined_until_ms {
        let (until, id) = (moment(until_ms), plugin.id.as_deref().unwrap_or_default());
        details.push(format!(
            "the plugin failed repeatedly and is in quarantine until {until}; \
             `renkei plugin reload {id}` ends the quarantine"
        ));
    }
    details.extend(plugin.paused_systems.iter().map(|paused| {
        let (system, until) = (&paused.system, moment(paused.until_ms));
        let id = plugin.id.as_deref().unwrap_or_default();
        format!(
            "system {system} asked for a pause and is asked again at {until}; \
             `renkei plugin reload {id}` asks it at once"
        )
    }));
    details.extend(plugin.waiting.iter().map(|waiting| match plugin.version {
        // The state has the version that waits.
        Some(_) => waiting.reason.clone(),
        None => format!("{} waits: {}", waiting.version, waiting.reason),
    }));
    let one_way = plugin.one_way.iter();
    details.extend(one_way.map(|(function, why)| format!("{function} runs one-way: {why}")));
    if plugin.state == "probation" {
        details.push(PROBATION.to_owned());
    }
    details.join("; ")
}

/// One line on a plugin that needs a look.
pub(crate) fn describe_trouble(plugin: &PluginReport) -> Option<String> {
    let file = &plugin.file;
    let Some((id, version)) = plugin.id.as_ref().zip(plugin.version.as_ref()) else {
        return match &plugin.waiting {
            _ if plugin.fault.is_some() => Some(format!("plugin file {file} is refused")),
            Some(wait) => Some(format!(
                "nothing of plugin file {file} serves, {} waits ({})",
                wait.version, wait.why
            )),
            None => None,
        };
    };
    let mut troubles = Vec::new();
    if let Some(until_ms) = plugin.quarantined_until_ms {
        troubles.push(format!("is in quarantine until {}", moment(until_ms)));
    }
    troubles.extend(plugin.paused_systems.iter().map(|paused| {
        let (system, until) = (&paused.system, moment(paused.until_ms));
        format!("sends nothing to system {system} until {until}, as it asked")
    }));
    if plugin.fault.is_some() {
        troubles.push(format!("serves on although {file} is refused"));
    } else if let Some(wait) = &plugin.waiting {
        troubles.push(format!("serves on while {} waits ({})", wait.version, wait.why));
    }
    if !plugin.one_way.is_empty() {
        let functions: Vec<&str> = plugin.one_way.keys().map(String::as_str).collect();
        troubles.push(format!("runs {} one-way", functions.join(", ")));
    }
    (!troubles.is_empty()).then(|| format!("plugin {id} {version} {}", troubles.join(" and ")))
}

/// One line on a paused system, where nobody serves.
pub(crate) fn describe_pause(paused: &PausedSystem) -> String {
    let (system, until) = (&paused.system, moment(paused.until_ms));
    format!("nothing is sent to system {system} until {until}, as it asked")
}

#[cfg(test)]
mod tests {
    use renkei_runtime::WaitingVersion;

    use super::*;

    fn serving(state: &str) -> PluginReport {
        PluginReport {
            file: "names.wasm".to_owned(),
            id: Some("names".to_owned()),
            version: Some("0.2.0".to_owned()),
            digest: Some("0.2.0".to_owned()),
            kind: Some("transform".to_owned()),
            state: state.to_owned(),
            fault: None,
            hint: None,
            one_way: [].into(),
            waiting: None,
            hold: false,
            quarantined_until_ms: None,
            paused_systems: vec![],
            versions: vec![],
        }
    }

    fn waiting() -> Option<WaitingVersion> {
        let (version, digest) = ("0.3.0".to_owned(), String::new());
        let (why, reason) = ("held".to_owned(), "on hold".to_owned());
        Some(WaitingVersion { version, digest, why, reason })
    }

    fn nothing(state: &str) -> PluginReport {
        PluginReport { id: None, version: None, digest: None, ..serving(state) }
    }

    fn check(plugin: PluginReport, expected: (&str, &str, Option<&str>)) {
        let (state, details) = (describe_state(&plugin), describe_details(&plugin));
        let trouble = describe_trouble(&plugin);
        assert_eq!((state.as_str(), details.as_str(), trouble.as_deref()), expected, "{plugin:?}");
    }

    #[test]
    fn serving_version_is_described_before_the_one_that_waits() {
        check(serving("serving"), ("serving", "", None));
        check(serving("probation"), ("probation", PROBATION, None));
        check(
            PluginReport { waiting: waiting(), hold: true, ..serving("waiting") },
            (
                "serving; 0.3.0 waits, hold",
                "on hold",
                Some("plugin names 0.2.0 serves on while 0.3.0 waits (held)"),
            ),
        );
        let fault = Some("names.wasm: no component".to_owned());
        check(
            PluginReport { fault: fault.clone(), ..serving("refused") },
            (
                "serving; its file is refused",
                "names.wasm: no component",
                Some("plugin names 0.2.0 serves on although names.wasm is refused"),
            ),
        );
        check(
            PluginReport { fault, ..nothing("refused") },
            ("refused", "names.wasm: no component", Some("plugin file names.wasm is refused")),
        );
        check(
            PluginReport { waiting: waiting(), ..nothing("waiting") },
            (
                "waiting",
                "0.3.0 waits: on hold",
                Some("nothing of plugin file names.wasm serves, 0.3.0 waits (held)"),
            ),
        );
    }

    /// `RULES.md R25`.
    #[test]
    fn pause_that_a_system_asked_for_is_described_with_its_end() {
        let (system, until_ms) = ("crm".to_owned(), 1_000);
        let asked = PausedSystem { system, until_ms };
        assert_eq!(
            describe_pause(&asked),
            "nothing is sent to system crm until 1970-01-01T00:00:01Z, as it asked"
        );
        let paused_systems = vec![asked];
        check(
            PluginReport { paused_systems, ..serving("serving") },
            (
                "serving",
                "system crm asked for a pause and is asked again at \
                 1970-01-01T00:00:01Z; `renkei plugin reload names` asks it at once",
                Some(
                    "plugin names 0.2.0 sends nothing to system crm until 1970-01-01T00:00:01Z, \
                     as it asked",
                ),
            ),
        );
    }

    #[test]
    fn one_way_functions_and_quarantine_are_described() {
        let one_way = [("full-name".to_owned(), "it failed when tried: trap".to_owned())].into();
        check(
            PluginReport { one_way, ..serving("serving") },
            (
                "serving",
                "full-name runs one-way: it failed when tried: trap",
                Some("plugin names 0.2.0 runs full-name one-way"),
            ),
        );
        check(
            PluginReport {
                quarantined_until_ms: Some(1_000),
                waiting: waiting(),
                ..serving("waiting")
            },
            (
                "quarantined; 0.3.0 waits",
                "the plugin failed repeatedly and is in quarantine until 1970-01-01T00:00:01Z; \
                 `renkei plugin reload names` ends the quarantine; on hold",
                Some(
                    "plugin names 0.2.0 is in quarantine until 1970-01-01T00:00:01Z \
                     and serves on while 0.3.0 waits (held)",
                ),
            ),
        );
    }
}
