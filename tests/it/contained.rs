//! Containment: a plugin that misbehaves is stopped with a typed error, and the other systems'
//! work goes on.

use renkei_fixtures::{Fixture, plugin};
use serde_json::json;

use crate::site::{Simulators, Site};

/// Makes the fixture serve `rogue`, a third system of the person entity.
pub(crate) fn let_in(site: &Site, simulators: &Simulators, fixture: Fixture) {
    let id = fixture.id();
    std::fs::write(site.file("plugins/rogue.wasm"), plugin(fixture)).unwrap();
    let root = std::fs::read_to_string(site.file("renkei.toml")).unwrap();
    let rogue = format!(
        "{root}\n[systems.rogue]\nplugin = \"{id}\"\nbase_url = \"{}\"\n\
         [systems.rogue.auth]\nscheme = \"bearer\"\ntoken_secret = \"hubspot_token\"\n",
        simulators.hubspot.base_url
    );
    site.write("renkei.toml", &rogue);
    site.replace(
        "entities/person.toml",
        "[[match]]\nname = \"mail\"",
        "[[member]]\nsystem = \"rogue\"\nobject = \"things\"\n\n[[match]]\nname = \"mail\"",
    );
    site.replace(
        "entities/person.toml",
        "\"hubspot.contacts\" = \"email\"",
        "\"rogue.things\" = \"mail\", \"hubspot.contacts\" = \"email\"",
    );
}

/// The fixture is stopped with an error that has these words.
fn check(fixture: Fixture, words: &[&str]) {
    let id = fixture.id();
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let_in(&site, &simulators, fixture);
    let (code, said) = site.attempt("sync");
    assert!(code == 3 || code == 5, "exit code {code}: {said}");
    assert!(said.contains("rogue") && said.contains(id), "{said}");
    for word in words {
        assert!(said.contains(word), "{id} does not say `{word}`: {said}");
    }
    let written = |side: &[serde_json::Value]| side.iter().any(|r| r["created_by"] == json!("api"));
    let contacts = simulators.hubspot.live("contacts");
    let leads = simulators.salesforce.live("Lead");
    assert!(written(&contacts) && written(&leads), "the others' work did not go on: {said}");
}

#[test]
fn looping_guest_is_stopped() {
    check(Fixture::Loops, &["limit"]);
}

#[test]
fn guest_that_eats_memory_is_stopped() {
    check(Fixture::Hog, &["memory"]);
}

#[test]
fn trapping_guest_is_stopped() {
    check(Fixture::Traps, &["trap"]);
}

#[test]
fn guest_that_calls_an_unknown_host_is_refused() {
    check(Fixture::Stranger, &["absolute URLs are not taken"]);
}

#[test]
fn guest_that_returns_malformed_rows_is_refused() {
    check(Fixture::Malformed, &["contract"]);
}
