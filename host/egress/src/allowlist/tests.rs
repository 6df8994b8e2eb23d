//! Permitted and refused places, spelled in every way.

use renkei_package::Manifest;
use renkei_test_support::manifest;

use super::*;
use crate::public_address::NotPublic;

/// The connection of a good connector.
pub(crate) fn courier_connection() -> Connection {
    let manifest = Manifest::from_toml(&manifest::connector("courier"), None).unwrap();
    manifest.connector().unwrap().connections[0].clone()
}

fn connection(allow: &[&str]) -> Connection {
    let mut connection = courier_connection();
    connection.allow = allow.iter().map(|origin| AllowedOrigin::parse(origin).unwrap()).collect();
    connection
}

fn reach(allow: &[&str], configured: Option<&str>) -> Allowlist {
    let configured = configured.map(|base| base.parse().unwrap());
    Allowlist::new(&connection(allow), configured.as_ref())
}

fn check(reach: &Allowlist, url: &str, expected: bool) {
    let outcome = reach.check(&Method::GET, &url.parse().unwrap());
    assert_eq!(outcome.is_ok(), expected, "{url}: {outcome:?}");
}

#[test]
fn only_listed_origins() {
    let reach = reach(&["https://*.my.salesforce.com", "https://api.example.com"], None);
    for (url, expected) in [
        ("https://acme.my.salesforce.com/services", true),
        ("https://api.example.com:443/x", true),
        ("https://API.EXAMPLE.com/x", true),
        ("https://evil-my.salesforce.com/", false),
        ("https://my.salesforce.com.evil.example/", false),
        ("https://api.example.com./", false),
        ("https://api.example.com:8443/", false),
        ("https://api.example.com@evil.example/", false),
        ("http://api.example.com/", false),
        ("https://u:p@api.example.com/", false),
        ("https://xn--pi-7ka.example.com/", false),
        ("https://аpi.example.com/", false),
        ("http://127.0.0.1:1/", false),
        ("file:///etc/passwd", false),
    ] {
        check(&reach, url, expected);
    }
}

/// A manifest may list an address; it must be public all the same, in whatever spelling.
#[test]
fn addresses_must_be_public_in_every_spelling() {
    let metadata = reach(&["https://169.254.169.254", "https://1.1.1.1", "http://127.0.0.1"], None);
    for url in [
        "https://169.254.169.254/latest",
        "https://2852039166/latest",
        "https://0xa9fea9fe/latest",
        "https://0xa9.0xfe.0xa9.0xfe/",
        "https://0251.0376.0251.0376/",
        "https://169.254.43518/",
        "https://169.254.169.254./",
        "https://１６９.254.169.254/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::169.254.169.254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://[2001::a9fe:a9fe]/",
        "https://[fe80::1]/",
    ] {
        let outcome = metadata.check_origin(&url.parse().unwrap());
        assert!(matches!(outcome, Err(EgressRefusal::Address { .. })), "{url}: {outcome:?}");
    }
    check(&metadata, "https://1.1.1.1/", true);
    let own = metadata.check_origin(&"http://127.0.0.1/".parse().unwrap());
    let (host, fault) = ("127.0.0.1".to_owned(), NotPublic::Loopback);
    assert_eq!(own, Err(EgressRefusal::Address { host, fault }), "only an admin says so");
}

#[test]
fn an_admins_own_address_is_reachable_and_nothing_else_then() {
    let simulator = reach(&["https://api.example.com"], Some("http://127.0.0.1:4000/base"));
    check(&simulator, "http://127.0.0.1:4000/x", true);
    check(&simulator, "http://2130706433:4000/x", true);
    check(&simulator, "http://127.0.0.1:4001/x", false);
    check(&simulator, "https://127.0.0.1:4000/x", false);
    check(&simulator, "http://u@127.0.0.1:4000/x", false);
    check(&simulator, "http://localhost:4000/x", false);
    check(&simulator, "https://api.example.com/x", false);
    check(&reach(&[], Some("https://10.0.0.7:8443")), "https://10.0.0.7:8443/x", true);
    check(&reach(&[], Some("http://localhost:1")), "http://localhost:1/x", true);
    for far in ["http://10.0.0.7", "https://169.254.169.254", "https://[::ffff:127.0.0.1]"] {
        check(&reach(&[], Some(far)), far, false);
    }
}

#[test]
fn allowlist_is_what_the_manifest_asks_and_the_admin_allows() {
    let mut asked = connection(&["https://eu.pods.example.com"]);
    asked.methods = vec![renkei_package::Method::Get];
    asked.paths = vec!["/crm/".to_owned(), "/oauth/token".to_owned()];
    let reach = Allowlist::new(&asked, None);
    let outcome = |method, url: &str| reach.check(&method, &url.parse().unwrap());
    assert_eq!(outcome(Method::GET, "https://eu.pods.example.com/crm/v3?x=/../"), Ok(()));
    assert_eq!(outcome(Method::GET, "https://eu.pods.example.com/%63rm/v3"), Ok(()));
    assert_eq!(outcome(Method::GET, "https://eu.pods.example.com/oauth/token"), Ok(()));
    for path in ["/crmx", "/crm%2Fv3", "/oauth/tokens", "/", "/Crm/v3", "//crm/v3"] {
        let refused = outcome(Method::GET, &format!("https://eu.pods.example.com{path}"));
        assert!(matches!(refused, Err(EgressRefusal::Ungranted(_))), "{path}: {refused:?}");
    }
    let refused = outcome(Method::DELETE, "https://eu.pods.example.com/crm");
    assert_eq!(refused, Err(EgressRefusal::Method("DELETE".to_owned())));
    for host in ["us.pods.example.com", "api.example.com", "evil.example"] {
        let refused = outcome(Method::GET, &format!("https://{host}/crm"));
        assert_eq!(refused, Err(EgressRefusal::Origin(format!("https://{host}"))));
    }
    let nothing = Connection { methods: vec![], paths: vec![], ..asked };
    let nowhere = Allowlist::new(&nothing, None);
    let url = "https://eu.pods.example.com/crm".parse().unwrap();
    assert!(nowhere.check(&Method::GET, &url).is_err(), "all of it was taken away");
}

#[test]
fn method_that_a_request_names_besides_its_own_is_checked_like_its_own() {
    let mut asked = connection(&["https://eu.pods.example.com"]);
    asked.methods = vec![renkei_package::Method::Get, renkei_package::Method::Post];
    let reach = Allowlist::new(&asked, None);
    let outcome = |query: &str| {
        let url = format!("https://eu.pods.example.com/services/x?{query}");
        reach.check(&Method::POST, &url.parse().unwrap())
    };
    let delete = Err(EgressRefusal::NamedMethod("DELETE".to_owned()));
    assert_eq!(outcome("_HttpMethod=DELETE"), delete);
    assert_eq!(outcome("a=b&%5Fmethod=delete"), delete);
    assert_eq!(outcome("_method=GET&filterType=id"), Ok(()), "a long search");
    assert_eq!(reach.check_body(None, b"_method=delete"), delete);
    assert_eq!(reach.check_body(Some("application/json"), br#"{"_method":"delete"}"#), delete);
    assert_eq!(reach.check_body(Some("application/json"), br#"{"method":"delete"}"#), Ok(()));
    asked.methods.push(renkei_package::Method::Delete);
    let all = Allowlist::new(&asked, None);
    assert_eq!(all.check_body(None, b"_method=delete"), Ok(()), "it may delete anyway");
}

#[test]
fn paths_have_one_spelling() {
    for (path, expected) in [
        ("/a%2fb", "/a%2Fb"),
        ("/%41%7e", "/A~"),
        ("/%2541", "/%2541"),
        ("/a%", "/a%"),
        ("/a%4", "/a%4"),
        ("/%zz", "/%ZZ"),
    ] {
        assert_eq!(normal(path), expected, "{path}");
    }
}
