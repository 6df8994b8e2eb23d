//! A conflict that a merge function of a transform decides, with the compiled plugin.

use serde_json::json;

use crate::mistakes::check;
use crate::site::{Simulators, Site};

/// `host/sync/RULES.md` E6.
#[test]
fn merge_function_decides_a_conflict_for_both_systems() {
    let simulators = Simulators::start(20);
    let site = Site::new(&simulators);
    let rule = |function: &str| {
        format!(
            "winner = \"merge:names/{function}\"\ncolumns = {{ \"hubspot.contacts\" = \"jobtitle\""
        )
    };
    let old =
        "winner = \"unless-blank:salesforce\"\ncolumns = { \"hubspot.contacts\" = \"jobtitle\"";
    site.replace("entities/person.toml", old, &rule("full-name"));
    check(&site, "check", 2, &["the function is TwoWay", "Merge is needed here"]);
    site.replace("entities/person.toml", &rule("full-name"), &rule("fuller-name"));
    let company = |winner: &str| format!("kind = \"reference:company\"\nwinner = \"{winner}\"");
    let (old, merged) = (company("unless-blank:salesforce"), company("merge:names/fuller-name"));
    site.replace("entities/person.toml", &old, &merged);
    check(&site, "check", 2, &["a merge function is for single values"]);
    site.replace("entities/person.toml", &merged, &old);
    let fields = json!({ "email": "one@new.example", "full_name": "山田 one", "jobtitle": "CEO" });
    let create = json!({ "object": "contacts", "fields": fields });
    let contact = simulators.hubspot.post("create", create)["id"].clone();
    site.run_json("sync");
    let leads = simulators.salesforce.live("Lead");
    let lead = leads.iter().find(|lead| lead["fields"]["Email"] == json!("one@new.example"));
    let lead = lead.unwrap()["id"].clone();
    let edit = |object: &str, id: &_, column: &str, title: &str| {
        let fields = serde_json::Map::from_iter([(column.to_owned(), json!(title))]);
        json!({ "object": object, "id": id, "fields": fields })
    };
    simulators.hubspot.post("edit", edit("contacts", &contact, "jobtitle", "Chief executive"));
    simulators.salesforce.post("edit", edit("Lead", &lead, "Title", "Chief"));
    let report = site.run_json("sync");
    assert_eq!(report["updated"], json!(1), "{report}");
    let has = |records: Vec<serde_json::Value>, id: &serde_json::Value, column: &str| {
        let record = records.into_iter().find(|record| record["id"] == *id).unwrap();
        assert_eq!(record["fields"][column], json!("Chief executive"), "{record}");
    };
    has(simulators.hubspot.live("contacts"), &contact, "jobtitle");
    has(simulators.salesforce.live("Lead"), &lead, "Title");
    assert_eq!(site.run_json("sync")["writes"], json!(0));
}
