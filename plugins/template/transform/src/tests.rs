//! Cases, and the two laws over all of them.

use super::*;

fn one(column: &str, cell: Cell) -> Batch {
    let mut batch = Batch::new([column]);
    batch.rows.push(Row::of(vec![cell]));
    batch
}

fn forward(flag: Cell, old: Cell) -> Cell {
    let output = YesNo::forward("yes-no", &vec![], &one("flag", flag), &one("text", old)).unwrap();
    output.rows[0].cells[0].clone()
}

fn backward(text: Cell, old: Cell) -> Cell {
    let output = YesNo::backward("yes-no", &vec![], &one("text", text), &one("flag", old)).unwrap();
    output.rows[0].cells[0].clone()
}

fn text(text: &str) -> Cell {
    Some(text.into())
}

const TRUE: Cell = Some(Value::Boolean(true));
const FALSE: Cell = Some(Value::Boolean(false));
const NULL: Cell = Some(Value::Null);

#[test]
fn flags_become_words_and_known_spellings_stay() {
    let check = |flag: Cell, old: Cell, expected: Cell| assert_eq!(forward(flag, old), expected);
    check(TRUE, None, text("yes"));
    check(TRUE, text("Y"), text("Y"));
    check(TRUE, text("no"), text("yes"));
    check(FALSE, text("TRUE"), text("no"));
    check(NULL, text("yes"), NULL);
    check(None, text("yes"), None);
}

#[test]
fn words_become_flags_and_unknown_ones_change_nothing() {
    let check = |text: Cell, old: Cell, expected: Cell| assert_eq!(backward(text, old), expected);
    check(text("はい"), NULL, TRUE);
    check(text(" N "), TRUE, FALSE);
    check(text("perhaps"), TRUE, TRUE);
    check(text("perhaps"), None, None);
    check(NULL, TRUE, NULL);
    check(None, TRUE, None);
}

#[test]
fn the_laws_hold() {
    let flags = [None, NULL, TRUE, FALSE];
    let texts = [None, NULL, text("yes"), text("Y"), text("無"), text("perhaps")];
    for flag in &flags {
        for old in &texts {
            let word = forward(flag.clone(), old.clone());
            assert_eq!(backward(word.clone(), flag.clone()), *flag, "back from {word:?}");
            for other in &flags {
                let back = backward(word.clone(), other.clone());
                assert_eq!(forward(back, word.clone()), word, "forth over {other:?}");
            }
        }
    }
}

#[test]
fn parameters_and_functions_are_checked() {
    let alike = vec![("no".to_owned(), Value::from("yes"))];
    let batch = one("flag", TRUE);
    assert!(YesNo::forward("yes-no", &alike, &batch, &Batch::default()).is_err());
    assert!(YesNo::forward("no-yes", &vec![], &batch, &Batch::default()).is_err());
    let words = vec![("yes".to_owned(), Value::from("有り"))];
    let output = YesNo::forward("yes-no", &words, &batch, &Batch::default()).unwrap();
    assert_eq!(output.rows[0].cells[0], text("有り"));
}
