//! Generated rows: texts that people in Japan and elsewhere type into a CRM, and values that nobody
//! expects.
//!
//! Every row comes from a seed, so a failure can be repeated. [`shrink`] makes a failing row as
//! small as it still fails, because one letter shows more than thirty names.

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use renkei_model::record::{Batch, Row};
use renkei_model::value::{Cell, Value};

/// Texts, grouped by what makes them hard. No NUL, which the contract forbids.
const TEXTS: &[&str] = &[
    // Names: kanji, old forms, kana of both widths, particles, one word, commas.
    "山田 太郎",
    "山田　太郎",
    "渡邊 邉子",
    "髙橋 﨑",
    "𠮷野家 太郎",
    "さとう はなこ",
    "サトウ ハナコ",
    "ｻﾄｳ ﾊﾅｺ",
    "ﾀﾞｲｽｹ",
    "Taro Yamada",
    "YAMADA Taro",
    "Yamada, Taro",
    "O'Neil-Smith Ana María",
    "van der Berg",
    "Madonna",
    "김 철수",
    "Łukasz Żółć",
    // Companies.
    "株式会社山田製作所",
    "(株)ﾔﾏﾀﾞ",
    "㈱山田",
    "有限会社　さくら",
    "Yamada K.K.",
    "ＡＢＣ商事",
    // Telephone numbers.
    "03-1234-5678",
    "+81 3 1234 5678",
    "０９０－１２３４－５６７８",
    "(03)1234-5678 内線 12",
    "0120-000-000",
    // Addresses and mail.
    "〒100-0001 東京都千代田区千代田１−１",
    "大阪府大阪市北区梅田1丁目2番3号 ﾋﾞﾙ4F",
    "京都府京都市",
    "taro@example.com",
    "TARO@EXAMPLE.CO.JP ",
    "taro+crm@例え.jp",
    "not@mail@twice",
    // Dates and numbers as text.
    "2024-02-29",
    "令和6年2月29日",
    "1,234.50",
    "-0",
    "１２３",
    "true",
    // Combining marks, emoji, right-to-left, joiners, width, spaces, control characters.
    "か\u{3099}き\u{3099}",
    "e\u{301}te\u{301}",
    "😀👩\u{200d}👩\u{200d}👧",
    "🇯🇵",
    "עברית abc",
    "\u{202e}txet",
    "ﬁﬂ①Ⅷ㍿",
    " 前後 ",
    "\t\n",
    "a\u{1}b\u{7f}",
    "\u{feff}bom",
    "\u{fffd}",
    "ß",
    "İi",
    "",
];

/// Characters of a text that no form expects.
const LONG_CHARS: usize = 5_000;

/// Generates cells from a seed.
pub struct CellGenerator {
    random: ChaCha8Rng,
}

impl CellGenerator {
    /// The same seed gives the same cells.
    pub fn new(seed: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// A text of the list, or pieces of several.
    pub fn text(&mut self) -> String {
        let mut pick = || TEXTS.choose(&mut self.random).copied().unwrap_or_default();
        let (one, other) = (pick(), pick());
        match self.random.random_range(0..10) {
            0..7 => one.to_owned(),
            7 => format!("{one}{other}"),
            8 => {
                let keep = self.random.random_range(0..=one.chars().count());
                one.chars().take(keep).chain(other.chars().skip(keep)).collect()
            }
            _ => {
                let mut chars: Vec<char> = one.chars().collect();
                chars.reverse();
                chars.into_iter().collect()
            }
        }
    }

    /// A cell as a CRM's text column has it: mostly text, else null or absent.
    pub fn plain_cell(&mut self) -> Cell {
        match self.random.random_range(0..20) {
            0 => None,
            1 => Some(Value::Null),
            _ => Some(Value::Text(self.text().into())),
        }
    }

    /// A cell of any kind.
    pub fn any_cell(&mut self) -> Cell {
        let number = self.random.random::<i64>();
        match self.random.random_range(0..40) {
            0 => Some(Value::Boolean(number > 0)),
            1 => Some(Value::Integer(number)),
            2 => Some(Value::Decimal("-12345678901234567890.0001".into())),
            3 => Some(Value::Date("2024-02-29".into())),
            4 => Some(Value::Timestamp(number)),
            5 => Some(Value::Choices(vec![self.text().into(), self.text().into()])),
            6 => Some(Value::References(vec![self.text().into()])),
            7 => Some(Value::Choices(Vec::new())),
            _ => self.plain_cell(),
        }
    }

    /// So many rows of these columns; `cell` says which sort.
    pub fn batch(
        &mut self,
        columns: &[String],
        rows: usize,
        mut cell: impl FnMut(&mut Self) -> Cell,
    ) -> Batch {
        let row = |_| Row { cells: columns.iter().map(|_| cell(self)).collect(), ..Row::default() };
        Batch { columns: columns.to_vec(), rows: (0..rows).map(row).collect() }
    }

    /// The order of `rows` rows, mixed.
    pub fn order(&mut self, rows: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..rows).collect();
        for last in (1..rows).rev() {
            order.swap(last, self.random.random_range(0..=last));
        }
        order
    }
}

/// Rows that are always tried: each column null, absent, empty, very long, and of each kind.
pub fn corners(columns: &[String]) -> Batch {
    let cells = [
        None,
        Some(Value::Null),
        Some(Value::from("")),
        Some(Value::Text("髙".repeat(LONG_CHARS).into())),
        Some(Value::Text(" ".repeat(LONG_CHARS).into())),
        Some(Value::Text("e\u{301}".repeat(200).into())),
        Some(Value::Boolean(false)),
        Some(Value::Integer(i64::MIN)),
        Some(Value::Decimal("0.10".into())),
        Some(Value::Date("0001-01-01".into())),
        Some(Value::Timestamp(i64::MAX)),
        Some(Value::Choices(Vec::new())),
        Some(Value::References(vec!["003000000000001AAA".into()])),
    ];
    let mut rows = Vec::new();
    for cell in cells {
        for special in 0..columns.len() {
            let other = || Some(Value::from("山田 太郎"));
            let cells = (0..columns.len())
                .map(|column| if column == special { cell.clone() } else { other() })
                .collect();
            rows.push(Row { cells, ..Row::default() });
        }
    }
    Batch { columns: columns.to_vec(), rows }
}

/// The most smaller rows that [`shrink`] tries.
const TRIES: usize = 200;

/// The smallest row found for which `fails` is still true; `cells` itself fails.
pub async fn shrink(
    mut cells: Vec<Cell>,
    mut fails: impl AsyncFnMut(&[Cell]) -> bool,
) -> Vec<Cell> {
    let mut tries = TRIES;
    loop {
        let mut smaller = None;
        for candidate in candidates(&cells) {
            if tries == 0 {
                return cells;
            }
            tries -= 1;
            if fails(&candidate).await {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(candidate) => cells = candidate,
            None => return cells,
        }
    }
}

/// Rows that are simpler than this one in one cell, the simplest first.
fn candidates(cells: &[Cell]) -> Vec<Vec<Cell>> {
    let mut all = Vec::new();
    for (place, cell) in cells.iter().enumerate() {
        for simpler in simpler(cell) {
            let mut row = cells.to_vec();
            if let Some(cell) = row.get_mut(place) {
                *cell = simpler;
            }
            all.push(row);
        }
    }
    all
}

fn simpler(cell: &Cell) -> Vec<Cell> {
    let text = match cell {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Text(text)) => text,
        Some(_) => return vec![Some(Value::Null), Some(Value::from("a"))],
    };
    let mut all = vec![Some(Value::Null)];
    let chars: Vec<char> = text.chars().collect();
    let half = chars.len() / 2;
    let of = |chars: &[char]| Some(Value::Text(chars.iter().copied().collect()));
    if half > 0 {
        all.extend([of(chars.get(..half).unwrap_or_default())]);
        all.extend([of(chars.get(half..).unwrap_or_default())]);
    }
    if chars.len() <= 30 {
        for gone in 0..chars.len() {
            let rest = chars.iter().enumerate().filter(|(place, _)| *place != gone);
            all.push(Some(Value::Text(rest.map(|(_, letter)| *letter).collect())));
        }
    }
    all
}

/// Characters of a text that are shown whole.
const SHOWN_CHARS: usize = 60;

/// A row for people: `"山田", null, absent`.
pub fn show(cells: &[Cell]) -> String {
    let words: Vec<String> = cells.iter().map(show_cell).collect();
    words.join(", ")
}

fn show_cell(cell: &Cell) -> String {
    match cell {
        None => "absent".to_owned(),
        Some(Value::Null) => "null".to_owned(),
        Some(Value::Text(text)) if text.chars().count() > SHOWN_CHARS => {
            let start: String = text.chars().take(SHOWN_CHARS / 3).collect();
            format!("{start:?}... ({} characters)", text.chars().count())
        }
        Some(Value::Text(text)) => format!("{text:?}"),
        Some(other) => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_rows() {
        let columns = ["a".to_owned(), "b".to_owned()];
        let rows = |seed| CellGenerator::new(seed).batch(&columns, 50, CellGenerator::any_cell);
        assert_eq!(rows(1), rows(1));
        assert_ne!(rows(1), rows(2));
    }

    #[test]
    fn generated_rows_hold_every_state_and_no_nul() {
        let columns = ["a".to_owned()];
        let batch = CellGenerator::new(1).batch(&columns, 2_000, CellGenerator::any_cell);
        let cells: Vec<&Cell> = batch.rows.iter().flat_map(|row| &row.cells).collect();
        assert!(cells.iter().any(|cell| cell.is_none()));
        assert!(cells.iter().any(|cell| **cell == Some(Value::Null)));
        let texts = cells.iter().filter_map(|cell| cell.as_ref()?.as_text());
        assert!(texts.into_iter().all(|text| !text.contains('\0')));
        let mut order = CellGenerator::new(1).order(9);
        assert_ne!(order, (0..9).collect::<Vec<_>>());
        order.sort_unstable();
        assert_eq!(order, (0..9).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn failing_row_is_shrunk() {
        let row = vec![Some(Value::from("山田 太郎x😀y")), Some(Value::from("plenty"))];
        let fails = async |cells: &[Cell]| {
            cells[0].as_ref().and_then(Value::as_text).is_some_and(|text| text.contains('😀'))
        };
        let small = shrink(row, fails).await;
        assert_eq!(show(&small), "\"😀\", null");
    }
}
