//! Names as people write them, and the two laws over any text.

use proptest::prelude::*;
use renkei_sdk::{Attributes, Batch, Cell, Row, Transform, Value};

use crate::Names;

fn text(text: &str) -> Cell {
    Some(if text == "-" { Value::Null } else { Value::from(text) })
}

fn one(columns: &[&str], cells: Vec<Cell>) -> Batch {
    let mut batch = Batch::new(columns.iter().copied());
    batch.rows.push(Row::from_cells(cells));
    batch
}

fn run(parameters: &Attributes, full: Cell, old: Option<[Cell; 2]>) -> [Cell; 2] {
    let columns = ["family_name", "given_name"];
    let old = old.map_or_else(|| Batch::new(columns), |old| one(&columns, old.to_vec()));
    let input = one(&["full_name"], vec![full]);
    let output = Names::forward("full-name", parameters, &input, &old).unwrap();
    assert_eq!(output.columns, columns);
    assert_eq!(output.rows.len(), 1);
    output.rows[0].cells.clone().try_into().unwrap()
}

fn back(parameters: &Attributes, parts: [Cell; 2], old: Option<Cell>) -> Cell {
    let columns = ["full_name"];
    let old = old.map_or_else(|| Batch::new(columns), |old| one(&columns, vec![old]));
    let input = one(&["family_name", "given_name"], parts.to_vec());
    let output = Names::backward("full-name", parameters, &input, &old).unwrap();
    assert_eq!(output.columns, columns);
    output.rows[0].cells[0].clone()
}

#[test]
fn fuller_name_is_the_one_that_says_more() {
    let merge = |base: &str, left: &str, right: &str| {
        let value = |one: &str| vec![text(one).unwrap()];
        let (base, left, right) = (value(base), value(left), value(right));
        let merged = Names::merge("fuller-name", &vec![], &base, &left, &right).unwrap();
        let swapped = Names::merge("fuller-name", &vec![], &base, &right, &left).unwrap();
        assert_eq!(merged, swapped);
        merged[0].clone()
    };
    assert_eq!(merge("Yamada", "T. Yamada", "Taro Yamada"), Value::from("Taro Yamada"));
    assert_eq!(merge("Taro Yamada", "Taro Yamada", "Yamada"), Value::from("Yamada"), "typed");
    assert_eq!(merge("Yamada", "-", "Taro"), Value::from("Taro"));
    assert_eq!(merge("-", "Anna", "Anne"), Value::from("Anne"));
    let (name, nothing) = (vec![Value::Integer(1)], vec![Value::Null]);
    assert!(Names::merge("full-name", &vec![], &name, &name, &nothing).is_err());
}

/// `-` is null.
#[track_caller]
fn check_split(full: &str, family: &str, given: &str) {
    let parts = run(&vec![], text(full), None);
    assert_eq!(parts, [text(family), text(given)], "{full}");
    assert_eq!(back(&vec![], parts, Some(text(full))), text(full), "back to {full}");
}

/// Joining `family` and `given` over the full name `old` (empty: no old rows).
#[track_caller]
fn check_join(family: &str, given: &str, old: &str, full: &str) {
    let parts = [text(family), text(given)];
    let old = (!old.is_empty()).then(|| text(old));
    let joined = back(&vec![], parts.clone(), old);
    assert_eq!(joined, text(full), "{family}/{given}");
    assert_eq!(run(&vec![], joined, Some(parts.clone())), parts, "forth from {full}");
}

#[test]
fn japanese_names_are_family_first() {
    check_split("山田 太郎", "山田", "太郎");
    check_split("山田　太郎", "山田", "太郎");
    check_split("  山田 　 太郎 ", "山田", "太郎");
    check_split("佐々木 希", "佐々木", "希");
    check_split("やまだ たろう", "やまだ", "たろう");
    check_split("ﾔﾏﾀﾞ ﾀﾛｳ", "ﾔﾏﾀﾞ", "ﾀﾛｳ");
    check_split("𠮷野 家子", "𠮷野", "家子");
    check_split("山田 太郎 ジョン", "山田", "太郎 ジョン");
    check_split("김 철수", "김", "철수");
    check_split("山田, 太郎", "山田", "太郎");
}

#[test]
fn western_names_are_given_first_but_for_the_comma() {
    check_split("Taro Yamada", "Yamada", "Taro");
    check_split("Yamada, Taro", "Yamada", "Taro");
    check_split("Yamada，Taro", "Yamada", "Taro");
    check_split("John F. Kennedy", "Kennedy", "John F.");
    check_split("Ludwig van Beethoven", "van Beethoven", "Ludwig");
    check_split("Oscar de la Hoya", "de la Hoya", "Oscar");
    check_split("taro yamada", "yamada", "taro");
    check_split("Martin Luther King, Jr.", "King, Jr.", "Martin Luther");
    check_split("山田 太郎, Jr.", "山田", "太郎, Jr.");
    check_split("Zoë Þórsdóttir", "Þórsdóttir", "Zoë");
    check_split("ジョン・スミス", "スミス", "ジョン");
    check_split("ジョン・F・ケネディ", "ケネディ", "ジョン・F");
}

#[test]
fn unsplittable_name_is_a_family_name() {
    check_split("山田太郎", "山田太郎", "-");
    check_split("Madonna", "Madonna", "-");
    check_split("Yamada,", "Yamada,", "-");
    check_split("・スミス", "・スミス", "-");
    check_split("-", "-", "-");
    let none = run(&vec![], text(""), None);
    assert_eq!(none, [Some(Value::Null), Some(Value::Null)]);
    assert_eq!(back(&vec![], none, Some(text(""))), text(""));
}

#[test]
fn old_parts_decide_where_name_is_split() {
    let keep = |full: &str, family: &str, given: &str| {
        let old = [text(family), text(given)];
        assert_eq!(run(&vec![], text(full), Some(old.clone())), old, "{full}");
    };
    keep("山田太郎", "山田", "太郎");
    keep("長谷川次郎", "長谷川", "次郎");
    keep("Yamada Taro", "Yamada", "Taro");
    keep("YAMADA Taro", "Yamada", "Taro");
    keep("Gabriel García Márquez", "García Márquez", "Gabriel");
    // The old parts say something else, so they do not matter.
    let old = Some([text("山田"), text("太郎")]);
    assert_eq!(run(&vec![], text("山田 次郎"), old), [text("山田"), text("次郎")]);
    let old = Some([text("Taro"), text("Yamada")]);
    assert_eq!(run(&vec![], text("Yamada,Taro"), old), [text("Yamada"), text("Taro")]);
}

#[test]
fn old_full_name_stays_when_it_says_the_same() {
    for old in ["山田　太郎", "山田 太郎", "山田太郎", " 山田   太郎 ", "山田, 太郎"]
    {
        check_join("山田", "太郎", old, old);
    }
    for old in ["Taro Yamada", "Yamada Taro", "YAMADA Taro", "Yamada, Taro", "Taro  YAMADA"] {
        check_join("Yamada", "Taro", old, old);
    }
}

#[test]
fn only_the_changed_part_changes() {
    check_join("山田", "次郎", "山田　太郎", "山田　次郎");
    check_join("鈴木", "太郎", "山田　太郎", "鈴木　太郎");
    check_join("鈴木", "太郎", "山田太郎", "鈴木太郎");
    check_join("山田", "次郎", "山田太郎", "山田次郎");
    check_join("鈴木", "次郎", "山田　太郎", "鈴木　次郎");
    check_join("Suzuki", "Taro", "YAMADA Taro", "SUZUKI Taro");
    check_join("Yamada", "Jiro", "Yamada Taro", "Yamada Jiro");
    check_join("Suzuki", "Jiro", "Yamada, Taro", "Suzuki, Jiro");
    check_join("Suzuki", "Taro", "Taro Yamada", "Taro Suzuki");
    check_join("YAMADA", "Taro", "Taro Yamada", "Taro YAMADA");
    check_join("スミス", "ジェーン", "ジョン・スミス", "ジェーン・スミス");
}

#[test]
fn script_decides_order_when_no_old_name_helps() {
    check_join("山田", "太郎", "", "山田 太郎");
    check_join("Yamada", "Taro", "", "Taro Yamada");
    check_join("García Márquez", "Gabriel", "", "García Márquez, Gabriel");
    check_join("山田", "太郎", "Taro Yamada", "山田 太郎");
    check_join("Yamada", "Taro", "山田　太郎", "Taro Yamada");
    check_join("山田", "太郎", "山田", "山田 太郎");
    check_join("山田", "-", "山田 太郎", "山田");
    check_join("-", "太郎", "山田 太郎", "太郎");
    check_join("-", "-", "山田 太郎", "-");
}

#[test]
fn parameters_turn_the_western_order_and_the_separator() {
    let parameters = vec![
        ("western_order".to_owned(), Value::from("family-given")),
        ("separator".to_owned(), Value::from("\u{3000}")),
    ];
    let parts = [text("Yamada"), text("Taro")];
    assert_eq!(run(&parameters, text("Yamada Taro"), None), parts);
    assert_eq!(back(&parameters, parts, None), text("Yamada Taro"));
    assert_eq!(back(&parameters, [text("山田"), text("太郎")], None), text("山田　太郎"));
    for (name, value) in [("western_order", "backwards"), ("separator", ""), ("separator", "x")] {
        let parameters = vec![(name.to_owned(), Value::from(value))];
        let empty = Batch::new(["full_name"]);
        assert!(Names::forward("full-name", &parameters, &empty, &empty).is_err(), "{name}");
    }
    assert!(Names::forward("nick-name", &vec![], &Batch::default(), &Batch::default()).is_err());
}

#[test]
fn absent_name_stays_absent_and_absent_part_comes_from_old_name() {
    assert_eq!(run(&vec![], None, None), [None, None]);
    assert_eq!(back(&vec![], [None, None], Some(text("山田 太郎"))), None);
    assert_eq!(back(&vec![], [text("鈴木"), None], None), None);
    let old = || Some(text("山田　太郎"));
    assert_eq!(back(&vec![], [text("鈴木"), None], old()), text("鈴木　太郎"));
    assert_eq!(back(&vec![], [None, text("次郎")], old()), text("山田　次郎"));
    // Parts that were not read say nothing about the new full name.
    let parts = run(&vec![], text("山田太郎"), Some([text("山田"), None]));
    assert_eq!(parts, [text("山田太郎"), text("-")]);
}

#[test]
fn each_row_gives_one_row() {
    let mut input = Batch::new(["full_name"]);
    for name in ["山田 太郎", "Taro Yamada"] {
        input.rows.push(Row::from_cells(vec![text(name)]));
    }
    let output = Names::forward("full-name", &vec![], &input, &Batch::default()).unwrap();
    let families: Vec<_> = output.values("family_name").map(|cell| cell.cloned()).collect();
    assert_eq!(families, [text("山田"), text("Yamada")]);
}

/// As the host tries the laws when it loads the file: with the parts of before as `old`.
#[test]
fn new_name_is_split_right_over_the_old_parts() {
    let names =
        ["Taro Yamada", "山田 太郎", "Madonna", "-", "山田　太郎", "O'Neil-Smith Ana María"];
    for before in names {
        for after in names {
            let (old, new) = (run(&vec![], text(before), None), run(&vec![], text(after), None));
            let joined = back(&vec![], new.clone(), Some(text(before)));
            assert_eq!(run(&vec![], joined, Some(old)), new, "{before} to {after}");
        }
    }
}

fn any_name() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[一-龥々]{1,3}",
        "[ァ-ヶー]{1,4}",
        "[ｱ-ﾝ]{1,3}",
        "[A-Z][a-zéß]{0,4}",
        "[a-z]{1,3}",
        "[A-Z]{2,4}",
        "Jr\\.|\\PC{0,3}",
    ];
    let separator = prop_oneof!["[ \u{3000}]{0,2}", ",", ", ", "・", "，"];
    let pieces = proptest::collection::vec((separator, word), 0..4);
    pieces.prop_map(|pieces| pieces.into_iter().flat_map(|(s, w)| [s, w]).collect())
}

fn any_cell() -> impl Strategy<Value = Cell> {
    prop_oneof![1 => Just(None), 1 => Just(Some(Value::Null)),
        8 => any_name().prop_map(|name| Some(Value::from(name)))]
}

fn any_parameters() -> impl Strategy<Value = Attributes> {
    let order = prop_oneof!["given-family", "family-given"];
    order.prop_map(|order| vec![("western_order".to_owned(), Value::from(order))])
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn law_get_put_holds(
        p in any_parameters(),
        full in any_cell(),
        old in [any_cell(), any_cell()],
    ) {
        for old in [None, Some(old)] {
            let parts = run(&p, full.clone(), old);
            prop_assert_eq!(back(&p, parts, Some(full.clone())), full.clone());
        }
    }

    #[test]
    fn law_put_get_holds(
        p in any_parameters(),
        source in any_cell(),
        earlier in [any_cell(), any_cell()],
        full in any_cell(),
    ) {
        for earlier in [None, Some(earlier)] {
            let parts = run(&p, source.clone(), earlier);
            let joined = back(&p, parts.clone(), Some(full.clone()));
            prop_assert_eq!(run(&p, joined, Some(parts.clone())), parts);
        }
    }

    /// A new record has no old parts: what two well-formed parts were joined to is split the same.
    /// Only "Aa Bb, Jr" cannot tell a given name that is spelled like a suffix from a suffix.
    #[test]
    fn fresh_name_needs_no_old_parts(
        names in prop_oneof![
            ("[一-龥]{1,3}", "[一-龥ぁ-ん]{1,3}"),
            ("[A-Z][a-z]{1,6}( [A-Z][a-z]{1,4})?", "[A-Z][a-z]{1,6}( [A-Z]\\.)?"),
        ],
    ) {
        prop_assume!(!(names.0.contains(' ') && crate::split::is_suffix(&names.1)));
        let parts = [text(&names.0), text(&names.1)];
        let joined = back(&vec![], parts.clone(), None);
        prop_assert_eq!(run(&vec![], joined, None), parts);
    }
}
