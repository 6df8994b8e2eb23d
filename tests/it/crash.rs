//! Crashes: killed at any moment and started again, a sync ends as if nothing had happened,
//! and nothing is made twice.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::site::{Simulators, Site, renkei};

const PEOPLE: u32 = 120;
const KILLS: u64 = 10;

#[test]
fn sync_killed_at_ten_moments_ends_in_the_same_state() {
    let calm = Simulators::start(PEOPLE);
    Site::new(&calm).run_json("sync");
    let wanted = end_state(&calm);
    let calls = calm.hubspot.calls() + calm.salesforce.calls();

    let simulators = Simulators::start(PEOPLE);
    let site = Site::new(&simulators);
    let answer_slowly = json!({ "response_delay_ms": 10 });
    simulators.hubspot.post("faults", answer_slowly.clone());
    simulators.salesforce.post("faults", answer_slowly);
    // Moments in the protocol instead of moments in time: after so many more calls, spread over the
    // whole run by a fixed odd step, so that every run of this test kills in the same places.
    for kill in 0..KILLS {
        let more = 1 + (kill * 7) % (calls / 4).max(2);
        kill_after(&simulators, &site, more);
    }
    site.run_json("sync");
    assert_eq!(end_state(&simulators), wanted);
    assert_eq!(stamped_twice(&simulators), Vec::<String>::new());
}

fn kill_after(simulators: &Simulators, site: &Site, more: u64) {
    let made = || simulators.hubspot.calls() + simulators.salesforce.calls();
    let before = made();
    let mut sync: Child = renkei()
        .args(["sync", "--yes", "--dir", site.path()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while made() < before + more && sync.try_wait().unwrap().is_none() {}
    sync.kill().unwrap();
    sync.wait().unwrap();
}

const OBJECTS: [(&str, &str); 7] = [
    ("hubspot", "companies"),
    ("hubspot", "contacts"),
    ("hubspot", "deals"),
    ("salesforce", "Account"),
    ("salesforce", "Contact"),
    ("salesforce", "Lead"),
    ("salesforce", "Opportunity"),
];

/// Records as people see them: all live ones by object, without ids, stamps and times,
/// references by the name of what they point at.
fn end_state(simulators: &Simulators) -> BTreeMap<&'static str, Vec<String>> {
    let names = names(simulators);
    let mut state = BTreeMap::new();
    for (system, object) in OBJECTS {
        let mut rows: Vec<String> =
            live(simulators, system, object).iter().map(|record| row(record, &names)).collect();
        rows.sort();
        state.insert(object, rows);
    }
    state
}

fn live(simulators: &Simulators, system: &str, object: &str) -> Vec<Value> {
    let side = if system == "hubspot" { &simulators.hubspot } else { &simulators.salesforce };
    side.live(object)
}

/// Id of a company or account -> its name.
fn names(simulators: &Simulators) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for (system, object, field) in
        [("hubspot", "companies", "name"), ("salesforce", "Account", "Name")]
    {
        for record in live(simulators, system, object) {
            let id = record["id"].as_str().unwrap().to_owned();
            names.insert(id, record["fields"][field].as_str().unwrap_or_default().to_owned());
        }
    }
    names
}

fn row(record: &Value, names: &BTreeMap<String, String>) -> String {
    const VISIBLE: [&str; 30] = [
        "name",
        "website",
        "phone",
        "city",
        "zip",
        "numberofemployees",
        "email",
        "full_name",
        "mobilephone",
        "jobtitle",
        "dealname",
        "amount",
        "dealstage",
        "closedate",
        "Name",
        "Website",
        "Phone",
        "BillingCity",
        "BillingPostalCode",
        "NumberOfEmployees",
        "FirstName",
        "LastName",
        "Email",
        "MobilePhone",
        "Title",
        "MailingCity",
        "City",
        "Amount",
        "StageName",
        "CloseDate",
    ];
    let fields: Vec<String> =
        VISIBLE.iter().map(|field| record["fields"][field].to_string()).collect();
    let account = record["fields"]["AccountId"].as_str().and_then(|id| names.get(id));
    let companies = record["references"]["companies"].as_array().into_iter().flatten();
    let companies: Vec<_> =
        companies.map(|id| names.get(id.as_str().unwrap_or_default())).collect();
    format!("{fields:?} {account:?} {companies:?}")
}

/// Stamps that more than one live record of an object carries: the host made something twice.
fn stamped_twice(simulators: &Simulators) -> Vec<String> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (system, object) in OBJECTS {
        for record in live(simulators, system, object) {
            let fields = &record["fields"];
            let stamp = fields["renkei_id"].as_str().or(fields["Renkei_Id__c"].as_str());
            if let Some(stamp) = stamp.filter(|stamp| !stamp.is_empty()) {
                *seen.entry(format!("{object} {stamp}")).or_default() += 1;
            }
        }
    }
    seen.into_iter().filter(|(_, times)| *times > 1).map(|(stamp, _)| stamp).collect()
}
