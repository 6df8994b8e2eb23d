//! Keys of what people really type.

use proptest::prelude::*;
use renkei_sdk::{Batch, Cell, Row, Transform, Value};

use crate::MatchKeys;

fn run(function: &str, column: &str, cell: Cell, parameters: &[(&str, &str)]) -> Cell {
    let parameters = parameters.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
    let mut input = Batch::new([column]);
    input.rows.push(Row::from_cells(vec![cell]));
    let output =
        MatchKeys::forward(function, &parameters, &input, &Batch::default()).expect("keys");
    assert_eq!((output.columns.as_slice(), output.rows.len()), (["key".to_owned()].as_slice(), 1));
    output.rows[0].cells[0].clone()
}

fn key(function: &str, text: &str) -> Option<String> {
    let column = match function {
        "company" => "name",
        "mail-domain" => "mail",
        "corporate-number" => "number",
        same => same,
    };
    match run(function, column, Some(text.into()), &[])? {
        Value::Null => None,
        other => other.as_text().map(str::to_owned),
    }
}

/// Empty: no key.
#[track_caller]
fn check_phone(text: &str, expected: &str) {
    assert_eq!(key("phone", text).unwrap_or_default(), expected, "{text}");
}

#[track_caller]
fn check_same(function: &str, expected: &str, spellings: &[&str]) {
    for spelling in spellings {
        assert_eq!(key(function, spelling).as_deref(), Some(expected), "{spelling}");
    }
}

#[track_caller]
fn check_different(function: &str, one: &str, other: &str) {
    assert_ne!(key(function, one), key(function, other), "{one} and {other}");
}

#[test]
fn japanese_phone_numbers_become_e164() {
    for text in [
        "03-1234-5678",
        "０３－１２３４－５６７８",
        "03ー1234ー5678",
        "03(1234)5678",
        "（03）1234−5678",
        "+81 3 1234 5678",
        "+81-(0)3-1234-5678",
        "＋８１３１２３４５６７８",
        "010-81-3-1234-5678",
        "81 3 1234 5678",
        "312345678",
        "TEL: 03-1234-5678",
        "FAX 03-1234-5678",
        "03-1234-5678 (代)",
        "03-1234-5678（代表）",
        "03-1234-5678 内線123",
        "03-1234-5678 ext. 123",
        "03-1234-5678x123",
        "03-1234-5678 #123",
        "03-1234-5678 / 090-1111-2222",
        "03.1234.5678",
    ] {
        check_phone(text, "+81312345678");
    }
    check_phone("090-1234-5678", "+819012345678");
    check_phone("9012345678", "+819012345678");
    check_phone("0120-123-456", "+81120123456");
    check_phone("050-1234-5678", "+815012345678");
    check_phone("0123-45-6789", "+81123456789");
}

#[test]
fn foreign_phone_numbers_have_keys_and_broken_ones_have_none() {
    check_phone("+1 (212) 555-0123", "+12125550123");
    check_phone("010-1-212-555-0123", "+12125550123");
    check_phone("+44 (0)20 7946 0958", "+442079460958");
    check_phone("+351 21 123 4567", "+351211234567");
    for text in ["", "なし", "03-1234", "1234-5678", "-", "090-1234-56789012", "+1", "不明123"]
    {
        check_phone(text, "");
    }
}

#[test]
fn country_parameter_decides_how_local_numbers_are_read() {
    let us = |text: &str| run("phone", "phone", Some(text.into()), &[("country", "US")]);
    assert_eq!(us("(212) 555-0123"), Some("+12125550123".into()));
    assert_eq!(us("1-212-555-0123"), Some("+12125550123".into()));
    assert_eq!(us("011 81 3 1234 5678"), Some("+81312345678".into()));
    let unknown = vec![("country".to_owned(), Value::from("XX"))];
    let batch = Batch::new(["phone"]);
    assert!(MatchKeys::forward("phone", &unknown, &batch, &batch).is_err());
}

#[test]
fn companies_match_whatever_their_form() {
    check_same(
        "company",
        "山田商事",
        &[
            "株式会社山田商事",
            "山田商事株式会社",
            "山田商事(株)",
            "山田商事（株）",
            "㈱山田商事",
            "㍿山田商事",
            "有限会社　山田商事",
            "㈲山田商事",
            "合同会社山田商事",
            "株式會社 山田商事",
            "山田 商事",
            "ｶﾌﾞｼｷｶﾞｲｼｬ山田商事",
            "カ)山田商事",
            "山田商事(カ",
        ],
    );
    check_same(
        "company",
        "acme",
        &[
            "Acme, Inc.",
            "ACME Inc",
            "Ａｃｍｅ Co., Ltd.",
            "Acme Co.,Ltd.",
            "Acme K.K.",
            "K.K. Acme",
            "Acme Kabushiki Kaisha",
            "Acme GmbH",
            "acme Pte. Ltd.",
            "Acme LLC",
            "株式会社ACME",
        ],
    );
    check_same("company", "聖路加国際病院", &["医療法人社団 聖路加国際病院", "聖路加國際病院"]);
}

#[test]
fn spellings_of_a_company_match() {
    check_same("company", "キヤノン", &["キヤノン", "キャノン", "ｷｬﾉﾝ", "キヤノン株式会社"]);
    check_same(
        "company",
        "キユーピー",
        &["キユーピー", "キューピー", "ｷｭｰﾋﾟｰ", "ｷｭ-ﾋﾟ-", "キュ―ピ―"],
    );
    check_same("company", "イスズ", &["いすゞ", "イスズ", "いすず", "ｲｽｽﾞ"]);
    check_same("company", "高島屋", &["髙島屋", "高嶋屋", "高 島 屋"]);
    check_same("company", "abアンドc", &["A.B. アンド C", "a-b・アンド　c"]);
}

#[test]
fn different_companies_stay_apart() {
    check_different("company", "ビル", "ビール");
    check_different("company", "山田商事", "山田商会");
    check_different("company", "株式", "株");
    check_different("company", "Company", "Limited");
    check_different("company", "パス", "バス");
    assert_eq!(key("company", "株式会社").as_deref(), Some("株式会社"));
    assert_eq!(key("company", "Coca-Cola").as_deref(), Some("cocacola"));
    assert_eq!(key("company", " ・ "), None);
}

#[test]
fn people_match_whatever_their_spelling() {
    check_same("name", "山田太郎", &["山田 太郎", "山田　太郎", "山田太郎", "山田・太郎"]);
    check_same("name", "高橋一郎", &["髙橋 一郎", "高橋一郎"]);
    check_same("name", "渡辺佐佐木", &["渡邊佐々木", "渡邉 佐々木", "渡辺佐佐木"]);
    check_same("name", "シヨウコ", &["ｼｮｳｺ", "しょうこ", "シヨウコ"]);
    check_same(
        "name",
        "taroyamada",
        &["Taro Yamada", "YAMADA Taro", "Yamada, Taro", "Ｔａｒｏ Ｙａｍａｄａ"],
    );
    check_different("name", "山田 太郎", "太郎 山田");
    check_different("name", "John Paul Smith", "Paul John Smith");
    check_same("mail", "taro@example.jp", &[" Taro@Example.JP ", "ｔａｒｏ＠ｅｘａｍｐｌｅ．ｊｐ"]);
    assert_eq!(key("mail", "　"), None);
}

#[test]
fn absent_stays_absent_null_stays_null_numbers_are_read() {
    assert_eq!(run("phone", "phone", None, &[]), None);
    assert_eq!(run("company", "name", Some(Value::Null), &[]), Some(Value::Null));
    let number = Some(Value::Integer(9_012_345_678));
    assert_eq!(run("phone", "phone", number, &[]), Some("+819012345678".into()));
    assert_eq!(run("phone", "phone", Some(Value::Boolean(true)), &[]), Some(Value::Null));
    assert!(MatchKeys::forward("fax", &vec![], &Batch::default(), &Batch::default()).is_err());
    assert!(MatchKeys::backward("mail", &vec![], &Batch::default(), &Batch::default()).is_err());
}

/// The key of the second of two rows; the first has no key, so that rows are seen to stay apart.
fn compound(function: &str, columns: &[&str], texts: &[&str]) -> Option<String> {
    let mut input = Batch::new(columns.iter().copied());
    input.rows.push(Row::from_cells(columns.iter().map(|_| Some(Value::Null)).collect()));
    input.rows.push(Row::from_cells(texts.iter().map(|text| Some(Value::from(*text))).collect()));
    let output =
        MatchKeys::forward(function, &Vec::new(), &input, &Batch::default()).expect("keys");
    assert_eq!(output.rows[0].cells[0], Some(Value::Null));
    output.rows[1].cells[0].as_ref()?.as_text().map(str::to_owned)
}

#[test]
fn person_is_the_same_only_with_phone_and_both_names() {
    let person = |phone, family, given| {
        compound("person", &["phone", "family_name", "given_name"], &[phone, family, given])
    };
    let key = person("03-1234-5678", "山田", "太郎");
    assert_eq!(key.as_deref(), Some("+81312345678|山田|太郎"));
    assert_eq!(person("０３（１２３４）５６７８", "山田", "太郎"), key);
    assert_ne!(person("03-1234-5678", "山田", "次郎"), key);
    assert_eq!(person("03-1234-5678", "", "太郎"), None);
}

#[test]
fn company_is_the_same_only_in_its_city() {
    let company = |name, city| compound("company-in-city", &["name", "city"], &[name, city]);
    assert_eq!(company("㈱山田商事", "横濱市").as_deref(), Some("山田商事|横浜市"));
    assert_eq!(company("山田商事", "横浜市"), company("山田商事株式会社", "横浜 市"));
    assert_eq!(company("山田商事", " ・ "), None);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// No input breaks a function, and the keys that are still addresses and numbers are their own
    /// keys.
    #[test]
    fn keys_are_never_empty_and_stable(
        text in "[ -~]{0,20}|[ぁ-んァ-ヶ一-龥々ー㈱（）Ａ-Ｚ０-９a-z .,+-]{0,20}|\\PC{0,20}",
    ) {
        for function in ["company", "mail", "name", "phone"] {
            let Some(once) = key(function, &text) else { continue };
            prop_assert!(!once.is_empty(), "{}", function);
            if matches!(function, "mail" | "phone") {
                prop_assert_eq!(key(function, &once), Some(once), "{}", function);
            }
        }
    }

    #[test]
    fn separators_do_not_matter_to_a_phone(
        digits in "0[1-9][0-9]{8}",
        at in 1_usize..9,
        by in "[- ()－ー]{1,2}",
    ) {
        let (head, tail) = digits.split_at(at);
        prop_assert_eq!(key("phone", &digits), key("phone", &format!("{head}{by}{tail}")));
    }

    #[test]
    fn spaces_width_and_form_do_not_matter_to_a_company(name in "[ァ-ヴ一-龥]{1,8}") {
        let expected = key("company", &name);
        for spelling in [format!("株式会社{name}"), format!("{name}　㈱"), format!(" {name}(有) ")] {
            prop_assert_eq!(key("company", &spelling), expected.clone(), "{}", spelling);
        }
    }
}

/// `host/sync/RULES.md` V11.
#[test]
fn web_addresses_match_however_they_are_typed() {
    let spellings = [
        "foo.example",
        "https://www.foo.example/",
        "HTTP://WWW.Foo.Example",
        "www.foo.example/index.html",
        "https://foo.example:443/?utm_source=x#top",
        " ｆｏｏ．ｅｘａｍｐｌｅ ",
        "foo.example.",
    ];
    check_same("website", "foo.example", &spellings);
    check_same(
        "website",
        "pages.example/Foo",
        &["https://pages.example/Foo/", "pages.example/Foo"],
    );
    check_different("website", "pages.example/foo", "pages.example/bar");
    check_different("website", "foo.example", "foo.example.jp");
    for text in ["", "-", "n/a", "none", "https://", "なし"] {
        assert_eq!(key("website", text), None, "{text}");
    }
    check_same("website", "www.example", &["www.example"]);
}

/// `host/sync/RULES.md` V11.
#[test]
fn mail_domains_name_a_firm_unless_anybody_may_have_one() {
    check_same("mail-domain", "foo.example", &["taro@foo.example", "T@FOO.Example "]);
    for text in ["taro@gmail.com", "taro@docomo.ne.jp", "taro", "taro@", "taro@localhost"] {
        assert_eq!(key("mail-domain", text), None, "{text}");
    }
}

/// `host/sync/RULES.md` V11. The number is that of the tax office.
#[test]
fn corporate_numbers_are_checked_by_their_first_digit() {
    check_same("corporate-number", "7000012050002", &["7000012050002", "T7000012050002"]);
    check_same("corporate-number", "7000012050002", &["７０００－０１２０－５０００２"]);
    for text in ["7000012050003", "700001205000", "70000120500022", "T", ""] {
        assert_eq!(key("corporate-number", text), None, "{text}");
    }
}
