//! Cases, and the two laws over all of them.

use renkei_sdk::Cell;

use super::*;

const NULL: Cell = Some(Value::Null);

fn one(column: &str, cell: Cell) -> Batch {
    let mut batch = Batch::new([column]);
    batch.rows.push(Row::from_cells(vec![cell]));
    batch
}

fn forward(text: Cell) -> Cell {
    let (input, old) = (one("text", text), Batch::default());
    let output = SmallLetters::forward("small-letters", &vec![], &input, &old).unwrap();
    output.rows[0].cells[0].clone()
}

fn backward(small: Cell, old: Cell) -> Cell {
    let (input, old) = (one("small", small), one("text", old));
    let output = SmallLetters::backward("small-letters", &vec![], &input, &old).unwrap();
    output.rows[0].cells[0].clone()
}

fn text(text: &str) -> Cell {
    Some(text.into())
}

#[test]
fn text_becomes_small() {
    let check = |cell: Cell, expected: Cell| assert_eq!(forward(cell), expected);
    check(text(" Taro@Example.JP "), text("taro@example.jp"));
    check(text("山田"), text("山田"));
    check(text("  "), NULL);
    check(Some(Value::Integer(7)), Some(Value::Integer(7)));
    check(NULL, NULL);
    check(None, None);
}

#[test]
fn text_stays_when_it_means_the_same() {
    let check = |small: Cell, old: Cell, expected: Cell| {
        assert_eq!(backward(small, old), expected);
    };
    check(text("taro@example.jp"), text("Taro@Example.JP"), text("Taro@Example.JP"));
    check(text("jiro@example.jp"), text("Taro@Example.JP"), text("jiro@example.jp"));
    check(NULL, text("Taro@Example.JP"), NULL);
    check(NULL, text(" "), text(" "));
    check(None, text("Taro"), None);
    check(text("taro"), None, text("taro"));
}

#[test]
fn laws_hold() {
    let texts = [None, NULL, text(""), text(" Taro "), text("TARO"), text("ΑΣ"), text("山田")];
    for a in &texts {
        let b = forward(a.clone());
        assert_eq!(backward(b.clone(), a.clone()), *a, "back over {a:?}");
        for other in &texts {
            let back = backward(b.clone(), other.clone());
            assert_eq!(forward(back), b, "forth from {b:?} over {other:?}");
        }
    }
}

#[test]
fn bad_parameters_and_unknown_functions_are_refused() {
    let keep = vec![("trim".to_owned(), Value::from(false))];
    let input = one("text", text(" A "));
    let output = SmallLetters::forward("small-letters", &keep, &input, &Batch::default()).unwrap();
    assert_eq!(output.rows[0].cells[0], text(" a "));
    assert!(SmallLetters::forward("capitals", &keep, &input, &Batch::default()).is_err());
}
