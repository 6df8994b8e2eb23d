//! Keys of companies: the name without its legal form.

use crate::fold::{bare, fold};

/// Japanese forms as [`fold`] writes them, the longer ones first. They are taken away wherever they
/// stand.
const JAPANESE: &[&str] = &[
    "特定非営利活動法人",
    "地方独立行政法人",
    "社会医療法人社団",
    "社会医療法人財団",
    "カブシキガイシヤ",
    "ユウゲンガイシヤ",
    "ゴウドウガイシヤ",
    "独立行政法人",
    "国立大学法人",
    "社会福祉法人",
    "一般社団法人",
    "一般財団法人",
    "公益社団法人",
    "公益財団法人",
    "医療法人社団",
    "医療法人財団",
    "社会医療法人",
    "司法書士法人",
    "税理士法人",
    "弁護士法人",
    "株式会社",
    "有限会社",
    "合同会社",
    "合資会社",
    "合名会社",
    "相互会社",
    "医療法人",
    "学校法人",
    "宗教法人",
    "監査法人",
    "社団法人",
    "財団法人",
    "npo法人",
];

/// Abbreviations of a legal form in brackets: `(株)`, and as banks write it, `カ)` at the front and
/// `(カ` at the end.
const BRACKETED: &[&str] = &[
    "特非", "株", "有", "同", "資", "名", "社", "財", "医", "学", "福", "宗", "独", "相", "カ",
    "ユ", "ド", "シ", "メ",
];

/// Western forms without dots. They are taken away as whole words, at the end of the name.
const WESTERN: &[&str] = &[
    "incorporated",
    "corporation",
    "company",
    "limited",
    "inc",
    "corp",
    "co",
    "ltd",
    "llc",
    "llp",
    "lp",
    "plc",
    "gmbh",
    "ag",
    "sa",
    "sas",
    "sarl",
    "srl",
    "spa",
    "bv",
    "nv",
    "oy",
    "ab",
    "pte",
    "pty",
    "kk",
    "gk",
    "yk",
    "kabushikikaisha",
    "godokaisha",
    "yugenkaisha",
];

/// Those that also stand in front: `K.K. Yamada`.
const WESTERN_FRONT: &[&str] = &["kk", "gk", "yk", "kabushikikaisha", "godokaisha", "yugenkaisha"];

/// The key of a company's name; `None` where nothing is left. A name that is nothing but a form is
/// its own key.
pub fn key(text: &str) -> Option<String> {
    let folded = fold(text);
    let mut name = folded.clone();
    for form in JAPANESE {
        name = name.replace(form, " ");
    }
    name = without_brackets(&name);
    let stripped = bare(&without_western(&name));
    let key = if stripped.is_empty() { bare(&folded) } else { stripped };
    (!key.is_empty()).then_some(key)
}

fn without_brackets(name: &str) -> String {
    let mut name = name.to_owned();
    for form in BRACKETED {
        name = name.replace(&format!("({form})"), " ");
        for half in [format!("{form})"), format!("({form}")] {
            let trimmed = name.trim();
            let rest = match half.ends_with(')') {
                true => trimmed.strip_prefix(&half),
                false => trimmed.strip_suffix(&half),
            };
            if let Some(rest) = rest {
                name = rest.to_owned();
            }
        }
    }
    name
}

fn without_western(name: &str) -> String {
    let name = name
        .replace("kabushiki kaisha", "kabushikikaisha")
        .replace("godo kaisha", "godokaisha")
        .replace("yugen kaisha", "yugenkaisha");
    let words: Vec<String> = name
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '、'))
        .map(|word| word.replace('.', ""))
        .filter(|word| !bare(word).is_empty())
        .collect();
    let mut words = words.as_slice();
    while let [first, rest @ ..] = words
        && WESTERN_FRONT.contains(&first.as_str())
    {
        words = rest;
    }
    while let [rest @ .., last] = words
        && WESTERN.contains(&last.trim_matches(['(', ')']))
    {
        words = rest;
    }
    words.concat()
}
