//! `renkei auth`: a person logs in on a simulated consent page; what can go wrong there stores
//! nothing; no token stands in a log, an output, or the arguments and environment of a process.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::canary::TALKATIVE;
use crate::site::{Simulator, Simulators, Site, path, renkei, run_json};

/// A client that does what a browser does, one step at a time.
struct Browser(ureq::Agent);

impl Browser {
    fn new() -> Self {
        let config = ureq::Agent::config_builder().max_redirects(0).http_status_as_error(false);
        Self(config.build().into())
    }

    /// The place to which this address leads, if it does, and the page.
    fn visit(&self, url: &str) -> (Option<String>, String) {
        let mut answer = self.0.get(url).header("accept", "text/html").call().unwrap();
        (location(&answer), answer.body_mut().read_to_string().unwrap())
    }

    /// Presses a button of the consent page; the address to which it leads back.
    fn press(&self, url: &str, button: &str) -> String {
        let (none, page) = self.visit(url);
        assert_eq!(none, None, "a person sees a page: {page}");
        let mut fields: Vec<(String, String)> = page
            .split("<input type=\"hidden\" name=\"")
            .skip(1)
            .map(|input| {
                let (name, rest) = input.split_once("\" value=\"").unwrap();
                let (value, _) = rest.split_once('"').unwrap();
                (name.to_owned(), value.replace("&amp;", "&"))
            })
            .collect();
        fields.push(("decision".to_owned(), button.to_owned()));
        let form = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let page = url.split('?').next().unwrap();
        let answer = self.0.post(page).send_form(form).unwrap();
        location(&answer).unwrap()
    }
}

fn location(answer: &ureq::http::Response<ureq::Body>) -> Option<String> {
    answer.headers().get("location").map(|place| place.to_str().unwrap().to_owned())
}

/// A running `auth login`.
struct LoginRun {
    process: Child,
    output: BufReader<ChildStdout>,
    url: String,
}

fn login(site: &Site, system: &str) -> Command {
    let mut command = renkei();
    command.args(["auth", "login", system, "--port", "0", "--dir", site.path()]);
    command.args(["--log", TALKATIVE]).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl LoginRun {
    fn start(site: &Site, system: &str) -> Self {
        let mut process = login(site, system).args(["--no-browser", "--json"]).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&event["event"], &event["system"]), (&json!("login"), &json!(system)));
        Self { process, output, url: event["url"].as_str().unwrap().to_owned() }
    }

    /// Exit code, last line, log.
    fn end(mut self) -> (i32, Value, String) {
        let (mut rest, mut log) = (String::new(), String::new());
        let mut errors = self.process.stderr.take().unwrap();
        let reader = std::thread::spawn(move || {
            errors.read_to_string(&mut log).unwrap();
            log
        });
        self.output.read_to_string(&mut rest).unwrap();
        let code = self.process.wait().unwrap().code().unwrap();
        (code, serde_json::from_str(&rest).unwrap(), reader.join().unwrap())
    }
}

/// A site whose systems take logins.
fn site(simulators: &Simulators) -> Site {
    let site = Site::new(simulators);
    let text = std::fs::read_to_string(site.file("renkei.toml")).unwrap();
    let (hubspot, salesforce) = (&simulators.hubspot, &simulators.salesforce);
    let text =
        text.replace("scheme = \"oauth2-client-credentials\"", "scheme = \"oauth2-refresh-token\"");
    let line = "token_secret = \"hubspot_token\"";
    assert!(text.contains(line), "{text}");
    let oauth = format!(
        "client_id = \"{}\"\nclient_secret = \"hubspot_client_secret\"\n\
         login_url = \"{}/oauth/authorize\"",
        hubspot.credential("client_id"),
        hubspot.base_url,
    );
    let text = text
        .replace(line, &oauth)
        .replace("scheme = \"bearer\"", "scheme = \"oauth2-refresh-token\"");
    site.write("renkei.toml", &text);
    site.write(
        "secrets.toml",
        &format!(
            "hubspot_client_secret = \"{}\"\nsalesforce_client_secret = \"{}\"\n",
            hubspot.credential("client_secret"),
            salesforce.credential("client_secret"),
        ),
    );
    site
}

/// All that must stand nowhere: the stored tokens, the app's secrets, and what the browser carried.
fn secrets(site: &Site, simulators: [&Simulator; 2], callbacks: &[String]) -> Vec<String> {
    let stored = std::fs::read(site.file("tokens.json")).unwrap();
    let stored: BTreeMap<String, Value> = serde_json::from_slice(&stored).unwrap();
    let tokens = stored.values().map(|one| one["refresh_token"].as_str().unwrap().to_owned());
    let apps = simulators.map(|one| one.credential("client_secret").to_owned());
    let codes = callbacks.iter().map(|place| {
        let (_, rest) = place.split_once("code=").unwrap();
        rest.split('&').next().unwrap().to_owned()
    });
    tokens.chain(apps).chain(codes).collect()
}

fn assert_free(place: &str, bytes: &[u8], secrets: &[String]) {
    for secret in secrets {
        assert!(secret.len() > 8, "a canary that short would be found by chance: {secret}");
        let found = memchr::memmem::find(bytes, secret.as_bytes()).is_some();
        assert!(!found, "a secret stands in {place}");
    }
}

#[test]
fn login_stores_the_refresh_token_and_shows_it_nowhere() {
    let simulators = Simulators::start(20);
    let site = site(&simulators);
    let browser = Browser::new();
    let status = site.try_command(&["auth", "status"]).1;
    assert!(status.contains("no login yet: run `renkei auth login salesforce`"), "{status}");
    let (mut said, mut callbacks) = (Vec::new(), Vec::new());
    for system in ["salesforce", "hubspot"] {
        let run = LoginRun::start(&site, system);
        for part in ["code_challenge_method=S256", "state=", "redirect_uri=http%3A%2F%2Flocalhost"]
        {
            assert!(run.url.contains(part), "{}", run.url);
        }
        let place = format!("/proc/{}", run.process.id());
        for file in ["cmdline", "environ"] {
            said.push((file.to_owned(), std::fs::read(format!("{place}/{file}")).unwrap()));
        }
        let back = browser.press(&run.url, "allow");
        let page = browser.visit(&back).1;
        assert!(page.contains("Close this tab"), "{page}");
        callbacks.push(back);
        let (code, result, log) = run.end();
        assert_eq!((code, &result["logged_in"]), (0, &json!(true)), "{result} {log}");
        said.extend([
            (format!("{system} output"), result.to_string().into_bytes()),
            (format!("{system} log"), log.into_bytes()),
        ]);
    }
    let mode = std::fs::metadata(site.file("tokens.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut secret = secrets(&site, [&simulators.salesforce, &simulators.hubspot], &callbacks);
    let status = site.run_json("check");
    assert_eq!(status["systems"].as_array().unwrap().len(), 2, "{status}");
    // Both rotate at each use.
    secret.extend(secrets(&site, [&simulators.salesforce, &simulators.hubspot], &[]));
    let status = run_json(&["auth", "status", "--dir", site.path()]);
    said.push(("status".to_owned(), status.to_string().into_bytes()));
    let states = status["systems"].as_array().unwrap().iter();
    assert!(states.clone().all(|one| one["state"] == "logged-in"), "{status}");
    for (file, bytes) in site.everything() {
        if !file.ends_with("tokens.json") {
            said.push((file.display().to_string(), bytes));
        }
    }
    for (place, bytes) in &said {
        assert_free(place, bytes, &secret);
    }
    let (code, told) = site.try_command(&["auth", "logout", "hubspot"]);
    assert!(code == 0 && told.contains("still valid at the vendor"), "{told}");
    let (code, told) = site.attempt("check");
    assert!(code == 3 && told.contains("run `renkei auth login hubspot`"), "{told}");
}

/// The browser's arguments and environment are read by every user of the machine.
#[test]
fn browser_is_started_without_a_secret() {
    let simulators = Simulators::start(20);
    let site = site(&simulators);
    let (bin, seen) = (site.file("bin"), site.file("seen"));
    std::fs::create_dir(&bin).unwrap();
    // Whoever reads a pipe waits until the browser has written to it.
    assert!(Command::new("mkfifo").arg(&seen).status().unwrap().success());
    let script = format!("#!/bin/sh\n{{ echo \"$@\"; env; }} > {}\n", path(&seen));
    std::fs::write(bin.join("xdg-open"), script).unwrap();
    std::fs::set_permissions(bin.join("xdg-open"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let secret = simulators.salesforce.credential("client_secret");
    let mut process = login(&site, "salesforce")
        .env("PATH", format!("{}:/usr/bin:/bin", path(&bin)))
        .env("RENKEI_SECRET_SALESFORCE_CLIENT_SECRET", secret)
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(process.stderr.take().unwrap()).lines().map(Result::unwrap);
    let line = errors.find(|line| line.starts_with("Log in to salesforce")).unwrap();
    let (_, start) = line.split_once("opens: ").unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    let browser = Browser::new();
    let page = browser.visit(start).0.unwrap();
    assert!(page.starts_with(&simulators.salesforce.base_url), "{page}");
    let again = browser.visit(start);
    assert!(again.0.is_none() && again.1.contains("another tab"), "{again:?}");
    browser.visit(&browser.press(&page, "allow"));
    let rest: Vec<String> = errors.collect();
    assert!(process.wait().unwrap().success(), "{rest:?}");
    assert_eq!(seen.lines().next(), Some(start));
    let (_, state) = page.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    assert!(!seen.contains(state) && !seen.contains("RENKEI_SECRET"), "{seen}");
    assert_free("the browser's environment", seen.as_bytes(), &[secret.to_owned()]);
}

#[test]
fn login_that_fails_says_why_and_stores_nothing() {
    let simulators = Simulators::start(20);
    let site = site(&simulators);
    let browser = Browser::new();
    let check = |system: &str, act: &dyn Fn(&str) -> String, parts: &[&str]| {
        let run = LoginRun::start(&site, system);
        browser.visit(&act(&run.url));
        let (code, told, log) = run.end();
        let said = format!("{} {}", told["error"], told["hint"]);
        assert_eq!(code, 3, "{said}");
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(!log.contains("code=") && !said.contains("code="), "{said} {log}");
        assert!(!site.file("tokens.json").exists(), "{said}");
    };
    let allow = |url: &str| browser.press(url, "allow");
    let other_state = |url: &str| {
        let (head, tail) =
            allow(url).split_once("state=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        format!("{head}state=x{tail}")
    };
    check("salesforce", &other_state, &["`state` is not that of this login", "nothing was stored"]);
    let no_state = |url: &str| allow(url).split("&state=").next().unwrap().to_owned();
    check("salesforce", &no_state, &["`state` is not that of this login"]);
    let deny = |url: &str| browser.press(url, "deny");
    for system in ["salesforce", "hubspot"] {
        check(system, &deny, &["answered `access_denied`", "allow the access"]);
        // The code is that of a login with another verifier.
        let other_verifier = |url: &str| {
            let (head, rest) = url.split_once("code_challenge=").unwrap();
            let (_, rest) = rest.split_once('&').unwrap();
            allow(&format!(
                "{head}code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&{rest}"
            ))
        };
        let refused = match system {
            "salesforce" => ["HTTP 400 (invalid_grant)", "the code was issued for another login"],
            _ => ["HTTP 400 (BAD_AUTH_CODE)", "the code ran out, was used before"],
        };
        check(system, &other_verifier, &refused);
    }
    simulators.salesforce.post("faults", json!({ "code_lifetime_ms": 0 }));
    simulators.hubspot.post("faults", json!({ "code_lifetime_ms": 0 }));
    check(
        "salesforce",
        &allow,
        &["(invalid_grant)", "ran out before it was exchanged", "a code is good once"],
    );
    check("hubspot", &allow, &["(BAD_AUTH_CODE)", "ran out"]);
}

#[test]
fn port_in_use_and_a_system_without_logins_are_told_before_a_page_opens() {
    let simulators = Simulators::start(20);
    let site = site(&simulators);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let login = |system: &str, port: &str| {
        site.try_command(&["auth", "login", system, "--no-browser", "--port", port])
    };
    let (code, said) = login("salesforce", &port);
    assert_eq!(code, 2, "{said}");
    for part in [&format!("port {port} cannot be used"), "--port", "http://localhost:PORT/callback"]
    {
        assert!(said.contains(part), "{said}");
    }
    let (code, said) = login("nobody", "0");
    assert!(code == 2 && said.contains("its systems are hubspot, salesforce"), "{said}");
    site.replace(
        "renkei.toml",
        "scheme = \"oauth2-refresh-token\"",
        "scheme = \"oauth2-client-credentials\"",
    );
    let (code, said) = login("salesforce", "0");
    assert!(code == 2 && said.contains("needs no login"), "{said}");
    // A trial on this machine never asks for a login to the real system.
    site.replace("renkei.toml", "oauth2-client-credentials", "oauth2-refresh-token");
    let text = std::fs::read_to_string(site.file("renkei.toml")).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("login_url")).collect();
    site.write("renkei.toml", &kept.join("\n"));
    let (code, said) = login("hubspot", "0");
    assert!(code == 2 && said.contains("set `login_url` in `auth` too"), "{said}");
    assert!(!said.contains("app.hubspot.com/oauth/authorize?"), "{said}");
}
