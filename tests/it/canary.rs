//! Secrets: one that is given to the host appears in no log, database, output or error.
//!
//! Guest memory is covered in `host/runtime`, where a guest hands out everything that it was given.

use crate::site::{Simulators, Site, renkei};

/// Everything that handles credentials says all it can; the compiler's traces alone would be
/// gigabytes.
pub(crate) const TALKATIVE: &str = "debug,renkei=trace,renkei_runtime=trace,renkei_sync=trace,renkei_store=trace,reqwest=trace,\
    hyper=trace,hyper_util=trace,rustls=trace,cranelift_codegen=warn,wasmtime=warn,regalloc2=warn";

#[test]
fn secrets_do_not_leave_the_host() {
    let simulators = Simulators::start(40);
    let site = Site::new(&simulators);
    let canaries = [
        simulators.hubspot.credential("private_app_token").to_owned(),
        simulators.salesforce.credential("client_secret").to_owned(),
    ];
    let mut said = Vec::new();
    for command in ["check", "plan", "sync", "status"] {
        for json in [false, true] {
            let mut run = renkei();
            run.args([command, "--dir", site.path(), "--log", TALKATIVE]);
            if json {
                run.args(["--json", "--log-json"]);
            }
            let output = run.output().unwrap();
            said.push((format!("{command} output"), output.stdout));
            said.push((format!("{command} log"), output.stderr));
        }
    }
    // Refused credentials make the most talkative errors; the wrong one is a canary too.
    let wrong = "pat-na1-cuckoo-0000";
    site.secrets(wrong, wrong);
    let (code, error) = site.attempt("sync");
    assert_eq!(code, 3, "{error}");
    said.push(("sync with a wrong secret".to_owned(), error.into_bytes()));
    for (path, bytes) in site.everything() {
        said.push((path.display().to_string(), bytes));
    }
    for canary in canaries.iter().map(String::as_str).chain([wrong]) {
        assert!(canary.len() > 8, "a canary that short would be found by chance: {canary}");
        for (place, bytes) in &said {
            let found = memchr::memmem::find(bytes, canary.as_bytes()).is_some();
            assert!(!found, "a secret stands in {place}");
        }
    }
}
