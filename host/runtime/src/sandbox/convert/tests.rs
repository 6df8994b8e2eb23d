//! Answers that a guest may give, and breaches.

use renkei_model::record::{Outcome, PageRequest, Removal, Scan};

use super::connector::{
    memos_from_guest, outcomes_from_guest, page_from_guest, scanned_from_guest,
};
use super::scans::ScanProgress;
use super::*;
use crate::sandbox::bindings::v0_2::calls;

fn check(value: types::Value, breach: Option<&str>) {
    let shown = format!("{value:?}");
    match (value_from_guest(value), breach) {
        (Ok(read), None) => assert_eq!(format!("{:?}", value_to_guest(&read)), shown),
        (Err(breach), Some(expected)) => {
            let found = breach.to_string();
            assert!(found.contains(expected), "{found}");
        }
        (read, _) => panic!("{shown}: {read:?}"),
    }
}

#[test]
fn values_have_a_form() {
    for good in ["0", "-12", "12.50", "-0.001"] {
        check(types::Value::Decimal(good.to_owned()), None);
    }
    for bad in ["", "-", "1e3", "1.", ".5", "+1", "1,5", " 1", "１"] {
        check(types::Value::Decimal(bad.to_owned()), Some("decimal"));
    }
    check(types::Value::Date("2024-02-29".to_owned()), None);
    for bad in ["2024-2-29", "20240229", "2024-02-29T00:00", ""] {
        check(types::Value::Date(bad.to_owned()), Some("date"));
    }
    check(types::Value::Text("山田\n".to_owned()), None);
    check(types::Value::Text("a\0b".to_owned()), Some("NUL"));
    check(types::Value::Choices(vec!["a\0".to_owned()]), Some("NUL"));
    check(types::Value::Null, None);
}

fn row(id: &str, cells: usize) -> types::Row {
    types::Row {
        id: id.to_owned(),
        version: None,
        modified: None,
        cells: vec![None; cells],
        facts: vec![],
    }
}

/// `host/sync/RULES.md` V10.
#[test]
fn cell_with_a_nul_is_named_and_its_page_goes_on() {
    let columns = ["a".to_owned(), "b".to_owned()];
    let text = |text: &str| Some(types::Value::Text(text.to_owned()));
    let mut bad = row("1", 2);
    bad.cells = vec![text("x\0"), text("kept")];
    let mut good = row("2", 2);
    good.cells = vec![text("kept"), Some(types::Value::Choices(vec!["\0".to_owned()]))];
    let (read, facts) = records_from_guest(batch(vec![bad, good]), &columns).unwrap();
    assert_eq!(read.rows[0].cells, [None, Some("kept".into())]);
    assert_eq!(read.rows[1].cells, [Some("kept".into()), None]);
    let named: Vec<String> =
        facts.iter().map(|(code, value)| format!("{code} {value:?}")).collect();
    assert_eq!(
        named,
        [
            r#"unreadable-cell Choices(["1", "a", "nul"])"#,
            r#"unreadable-cell Choices(["2", "b", "nul"])"#,
        ]
    );
}

fn batch(rows: Vec<types::Row>) -> types::Batch {
    types::Batch { columns: vec!["a".to_owned(), "b".to_owned()], rows }
}

#[test]
fn rows_fit_their_header() {
    let columns = ["a".to_owned(), "b".to_owned()];
    assert!(records_from_guest(batch(vec![row("1", 2)]), &columns).is_ok());
    for (rows, expected) in [
        (vec![row("1", 2), row("2", 1)], "row 1 has 1 cells for 2 columns"),
        (vec![row("", 2)], "row 0 has no id"),
    ] {
        let found = records_from_guest(batch(rows), &columns).unwrap_err().to_string();
        assert!(found.ends_with(expected), "{found}");
    }
    assert!(records_from_guest(batch(vec![]), &columns[..1]).is_err());
}

#[test]
fn a_cursor_must_move() {
    let asked = PageRequest {
        object: "x".to_owned(),
        columns: vec![],
        scan: Scan::Changes,
        cursor: Some(vec![1]),
        filter: vec![],
        limit: 1,
        options: vec![],
    };
    let page = |cursor: u8, more| calls::Page {
        batch: types::Batch { columns: vec![], rows: vec![] },
        removed: vec![],
        cursor: vec![cursor],
        more,
        server_time: None,
        facts: vec![],
    };
    assert!(scanned_from_guest(page(1, true), &asked, &mut ScanProgress::default()).is_err());
    assert!(scanned_from_guest(page(1, false), &asked, &mut ScanProgress::default()).is_ok());
    assert!(scanned_from_guest(page(2, true), &asked, &mut ScanProgress::default()).is_ok());
}

#[test]
fn one_outcome_per_operation() {
    let applied = |cells: usize| {
        calls::Outcome::Applied(calls::Applied {
            id: "1".to_owned(),
            created: true,
            version: None,
            modified: None,
            after: vec![None; cells],
            facts: vec![],
        })
    };
    assert!(outcomes_from_guest(vec![applied(2), calls::Outcome::Gone], 2, 2).is_ok());
    assert!(outcomes_from_guest(vec![applied(0)], 1, 2).is_ok());
    assert!(outcomes_from_guest(vec![applied(1)], 1, 2).is_err());
    assert!(outcomes_from_guest(vec![], 1, 2).is_err());
}

/// `RULES.md R18`: what moves in a path, ends a line or hides is no id.
#[test]
fn an_answer_to_a_write_names_records_by_ids() {
    let long = "1".repeat(513);
    for bad in ["../../admin", "a/b", "a\\b", "1\n2", "\u{1b}[2J", "a b", "1?x", "1#", "..", &long]
    {
        let applied = calls::Applied {
            id: bad.to_owned(),
            created: true,
            version: None,
            after: vec![],
            facts: vec![],
            modified: None,
        };
        for outcome in
            [calls::Outcome::Applied(applied), calls::Outcome::Exists(vec![bad.to_owned()])]
        {
            let taken = outcomes_from_guest(vec![outcome], 1, 0).unwrap();
            let [Outcome::Uncertain(reason)] = &taken[..] else { panic!("{bad:?}: {taken:?}") };
            assert!(!reason.contains(bad), "{reason}");
        }
    }
    for good in ["1", "0035g00000ABCdeAAG", "a-b_c.d:e|f@g", "山田"] {
        let outcome = calls::Outcome::Exists(vec![good.to_owned()]);
        let taken = outcomes_from_guest(vec![outcome], 1, 0).unwrap();
        assert!(matches!(&taken[..], [Outcome::Exists(ids)] if *ids == [good]), "{good}");
    }
}

#[test]
fn cases_without_a_meaning_yet_conclude_nothing() {
    let taken = |outcome| outcomes_from_guest(vec![outcome], 1, 0).unwrap().remove(0);
    let problem = types::Problem {
        code: "new".to_owned(),
        message: "something else".to_owned(),
        field: None,
        remedy: "nobody".to_owned(),
    };
    let uncertain = Outcome::Uncertain("something else".to_owned());
    assert_eq!(taken(calls::Outcome::Other(problem.clone())), uncertain);
    assert!(matches!(taken(calls::Outcome::Exists(vec![])), Outcome::Uncertain(_)));
    let plugin = Generation { plugin: "p".into(), version: "1".into(), digest: "d".into() };
    let error = error_from_guest(types::Error::Other(problem), &plugin);
    assert!(matches!(error, PluginError::Invalid { .. }), "{error:?}");

    let extra = types::Extra { code: "new".to_owned(), text: String::new() };
    for removal in [types::Removal::Hidden, types::Removal::Other(extra)] {
        let gone = types::Tombstone { id: "1".to_owned(), removal, at: None, facts: vec![] };
        let page = calls::Page {
            batch: types::Batch { columns: vec![], rows: vec![] },
            removed: vec![gone],
            cursor: vec![],
            more: false,
            server_time: None,
            facts: vec![],
        };
        let taken = page_from_guest(page, &[]).unwrap();
        assert_eq!(taken.removed[0].removal, Removal::Hidden);
    }
    let time = types::Value::Other(vec!["time".to_owned(), "09:30:00".to_owned()]);
    let value = value_from_guest(time).unwrap();
    assert_eq!(renkei_model::canonical::plain_text(&value).as_deref(), Some("09:30:00"));
}

#[test]
fn tokens_and_memos_are_bounded() {
    let pending = |bytes: usize| {
        let job = calls::Job { token: "t".repeat(bytes), after: 5 };
        outcomes_from_guest(vec![calls::Outcome::Pending(job)], 1, 0)
    };
    assert!(matches!(&pending(1024).unwrap()[..], [Outcome::Pending(job)] if job.after_ms == 5));
    assert!(pending(1025).is_err());
    let memo = |bytes: usize| {
        let (object, label, memo) = ("o".to_owned(), String::new(), Some(vec![0; bytes]));
        let schema = calls::Schema { object, label, fields: vec![], memo, facts: vec![] };
        memos_from_guest(&mut [schema]).map(|memos| memos.len())
    };
    assert_eq!(memo(64 << 10), Ok(1));
    assert!(memo((64 << 10) + 1).is_err());
}
