//! Table tests of SOQL: what a query finds in a small fixed set of rows, and how it is refused.

use serde_json::{Value, json};

use super::super::json::Json;
use super::super::schema::OrgSchema;
use super::super::store::OrgStore;
use super::super::write::WriteAuthor;
use super::*;
use crate::control::Origin;

/// 2026-09-21T14:13:20Z, a Monday.
const NOW_MS: i64 = 1_790_000_000_000;

/// Two accounts and five contacts, one per minute.
fn store() -> OrgStore {
    let mut store = OrgStore::new(OrgSchema::standard());
    let mut add = |object: &str, minute: i64, fields: Value| {
        let table = store.schema.table(object).unwrap();
        let Json::Object(fields) = Json::from(fields) else { panic!("no object") };
        let at_ms = NOW_MS + minute * 60_000;
        let by = WriteAuthor { user: "0055g00000000001AAA".into(), at_ms, origin: Origin::Human };
        let serial = store.create(table, &fields, &by).unwrap();
        store.id(table, serial)
    };
    let sakura = add("Account", 0, json!({"Name": "株式会社さくら", "NumberOfEmployees": 10}));
    add("Account", 1, json!({"Name": "O'Neil 100%", "NumberOfEmployees": 200}));
    add("Contact", 0, json!({"LastName": "A", "AccountId": sakura, "Birthdate": "1990-01-01"}));
    add("Contact", 1, json!({"LastName": "B", "Email": "b@example.jp", "Title": "部長"}));
    add("Contact", 2, json!({"LastName": "C", "Email": "B@example.jp", "Title": "課長"}));
    add("Contact", 3, json!({"LastName": "D", "HasOptedOutOfEmail": true}));
    add("Contact", -86_400_000 / 60_000, json!({"LastName": "E", "Title": "課長_代理"}));
    store
}

fn run(store: &OrgStore, soql: &str) -> Result<Vec<Json>, ApiFault> {
    let plan = bind(store, soql, &parse(soql)?, NOW_MS)?;
    let rows = select(store, &plan, false);
    Ok(render(store, &plan, &rows, "/services/data/v60.0"))
}

/// The last names of the contacts that `rest` finds, joined.
#[track_caller]
fn check(rest: &str, expected: &str) {
    let soql = format!("SELECT LastName FROM Contact {rest}");
    let found = run(&store(), &soql).unwrap_or_else(|fault| panic!("{}", fault.message));
    let names: Vec<&str> = found.iter().filter_map(|row| row.text("LastName")).collect();
    assert_eq!(names.concat(), expected, "{soql}");
}

#[track_caller]
fn check_refused(soql: &str, code: &str, message: &str) {
    let fault = run(&store(), soql).expect_err(soql);
    assert_eq!(fault.code, code, "{soql}: {}", fault.message);
    assert!(fault.message.contains(message), "{soql}: {}", fault.message);
}

#[test]
fn where_conditions_select_rows() {
    check("", "ABCDE");
    check("WHERE LastName = 'b'", "B");
    check("WHERE LastName != 'B'", "ACDE");
    check("WHERE LastName > 'B' AND LastName <= 'D'", "CD");
    check("WHERE LastName = 'A' OR LastName = 'E'", "AE");
    check("WHERE NOT LastName = 'A'", "BCDE");
    check("WHERE (NOT LastName = 'A') AND (Title = null OR Email != null)", "BCD");
    check("WHERE LastName IN ('A', 'C', 'Z')", "AC");
    check("WHERE LastName NOT IN ('A', 'C')", "BDE");
    check("WHERE Email = 'b@example.jp'", "BC");
    check("WHERE Email = null", "ADE");
    check("WHERE Email = ''", "ADE");
    check("WHERE HasOptedOutOfEmail = true", "D");
    check("WHERE Birthdate < 1990-01-02", "A");
    check("WHERE Contact.LastName = 'A'", "A");
    check("c WHERE c.LastName = 'A'", "A");
}

#[test]
fn like_patterns_select_rows() {
    check("WHERE Title LIKE '%長'", "BC");
    check("WHERE Title LIKE '課長\\_%'", "E");
    check("WHERE Title LIKE '_長'", "BC");
    check("WHERE (NOT Title LIKE '%')", "AD");
}

#[test]
fn date_literals_select_rows() {
    check("WHERE SystemModstamp >= 2026-09-21T14:14:20Z", "BCD");
    check("WHERE SystemModstamp > 2026-09-21T14:14:20.000+0000", "CD");
    check("WHERE SystemModstamp = 2026-09-21T23:14:20+09:00", "B");
    check(
        "WHERE SystemModstamp > 2026-09-21T14:15:20Z OR (SystemModstamp = 2026-09-21T14:14:20Z \
         AND LastName > 'A') ORDER BY SystemModstamp, Id LIMIT 2",
        "BD",
    );
    check("WHERE CreatedDate = TODAY", "ABCD");
    check("WHERE CreatedDate = YESTERDAY", "E");
    check("WHERE CreatedDate < TODAY", "E");
    check("WHERE CreatedDate = LAST_N_DAYS:1", "ABCDE");
    check("WHERE Birthdate < LAST_YEAR", "A");
}

#[test]
fn parent_fields_are_selected() {
    check("WHERE Account.Name = '株式会社さくら'", "A");
    check("WHERE Account.NumberOfEmployees > 5", "A");
    check("WHERE AccountId IN (SELECT Id FROM Account WHERE NumberOfEmployees = 10)", "A");
    check("WHERE AccountId NOT IN (SELECT Id FROM Account)", "BCDE");
    let found = run(&store(), "SELECT Id, Account.Name, Account.Id FROM Contact LIMIT 2").unwrap();
    let text = found[0].get("Account").unwrap().to_string();
    assert!(text.starts_with(r#"{"attributes":{"type":"Account""#), "{text}");
    assert!(text.contains(r#""Name":"株式会社さくら","Id":"001"#), "{text}");
    assert_eq!(found[1].get("Account"), Some(&Json::Null));
}

#[test]
fn order_and_limits_are_followed() {
    check("ORDER BY LastName DESC", "EDCBA");
    check("ORDER BY Title", "ADCEB");
    check("ORDER BY Title NULLS LAST", "CEBAD");
    check("ORDER BY Title DESC", "BECAD");
    check("ORDER BY Title DESC NULLS FIRST, LastName DESC", "DABEC");
    check("ORDER BY SystemModstamp ASC, Id ASC", "EABCD");
    check("ORDER BY SystemModstamp DESC LIMIT 2", "DC");
    check("ORDER BY LastName LIMIT 2 OFFSET 1", "BC");
    check("LIMIT 0", "");
}

#[test]
fn counts_and_children_are_selected() {
    let store = store();
    let one = |soql: &str| run(&store, soql).unwrap().first().map(Json::to_string).unwrap();
    assert_eq!(
        one("SELECT COUNT(Id) n, MAX(LastName) FROM Contact"),
        r#"{"attributes":{"type":"AggregateResult"},"n":5,"expr1":"E"}"#
    );
    let account =
        one("SELECT Id, (SELECT LastName FROM Contacts WHERE LastName != 'Q') FROM Account");
    assert!(account.contains(r#""Contacts":{"totalSize":1,"done":true,"records":[{"#), "{account}");
    check("WHERE Account.Name LIKE 'O\\'Neil 100\\%'", "");
    let found = run(&store, "SELECT Name FROM Account WHERE Name = 'O\\'Neil 100%'").unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn malformed_queries_are_refused() {
    check_refused("SELECT FROM Contact", "MALFORMED_QUERY", "unexpected token: 'Contact'");
    check_refused("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY", "<EOF>");
    check_refused("SELECT Id FROM Contact WHERE Name = 'x", "MALFORMED_QUERY", "<EOF>");
    check_refused("SELECT Id FROM Contact WHERE A = 1 AND B = 2 OR C = 3", "MALFORMED_QUERY", "OR");
    check_refused("SELECT Id FROM Contact GROUP BY Id", "MALFORMED_QUERY", "GROUP");
    check_refused(
        "SELECT Id FROM Accout",
        "INVALID_TYPE",
        "sObject type 'Accout' is not supported",
    );
    check_refused(
        "SELECT Id, Nope FROM Contact",
        "INVALID_FIELD",
        "\nSELECT Id, Nope FROM Contact\n           ^\nERROR at Row:1:Column:12\nNo such column",
    );
    check_refused("SELECT Boss.Id FROM Contact", "INVALID_FIELD", "relationship 'Boss'");
    check_refused("SELECT Id FROM Contact WHERE LastName = 1", "INVALID_FIELD", "should be");
    check_refused("SELECT Id FROM Contact WHERE CreatedDate = 'x'", "INVALID_FIELD", "dateTime");
    check_refused("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD", "filtered");
    check_refused(
        "SELECT Id FROM Contact WHERE AccountId = 'x'",
        "INVALID_QUERY_FILTER_OPERATOR",
        "invalid ID field: x",
    );
    check_refused(
        "SELECT Id FROM Contact LIMIT 1 OFFSET 2001",
        "NUMBER_OUTSIDE_VALID_RANGE",
        "2000",
    );
}
