//! Word lists of the sample data, and how one of a list is drawn.
//!
//! Family and given names are frequent Japanese ones; company words and trades are made up of
//! common words, and combine to 400 names before a number is added.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const DAY_MS: i64 = 86_400_000;

/// Kanji and romanised form.
pub(super) type SampleWord = (&'static str, &'static str);

pub(super) const FAMILIES: &[SampleWord] = &[
    ("佐藤", "Sato"),
    ("鈴木", "Suzuki"),
    ("高橋", "Takahashi"),
    ("田中", "Tanaka"),
    ("伊藤", "Ito"),
    ("渡辺", "Watanabe"),
    ("山本", "Yamamoto"),
    ("中村", "Nakamura"),
    ("小林", "Kobayashi"),
    ("加藤", "Kato"),
    ("吉田", "Yoshida"),
    ("山田", "Yamada"),
    ("佐々木", "Sasaki"),
    ("山口", "Yamaguchi"),
    ("松本", "Matsumoto"),
    ("井上", "Inoue"),
    ("木村", "Kimura"),
    ("林", "Hayashi"),
    ("斎藤", "Saito"),
    ("清水", "Shimizu"),
    ("山崎", "Yamazaki"),
    ("森", "Mori"),
    ("池田", "Ikeda"),
    ("橋本", "Hashimoto"),
    ("阿部", "Abe"),
    ("石川", "Ishikawa"),
    ("前田", "Maeda"),
    ("藤田", "Fujita"),
    ("小川", "Ogawa"),
    ("長谷川", "Hasegawa"),
];

pub(super) const GIVENS: &[SampleWord] = &[
    ("太郎", "Taro"),
    ("花子", "Hanako"),
    ("健", "Ken"),
    ("美咲", "Misaki"),
    ("翔太", "Shota"),
    ("陽菜", "Hina"),
    ("大輔", "Daisuke"),
    ("直美", "Naomi"),
    ("健一", "Kenichi"),
    ("恵子", "Keiko"),
    ("誠", "Makoto"),
    ("由美", "Yumi"),
    ("浩", "Hiroshi"),
    ("真由美", "Mayumi"),
    ("拓也", "Takuya"),
    ("愛", "Ai"),
    ("和彦", "Kazuhiko"),
    ("さくら", "Sakura"),
    ("隆", "Takashi"),
    ("明美", "Akemi"),
    ("学", "Manabu"),
    ("智子", "Tomoko"),
    ("亮", "Ryo"),
    ("久美子", "Kumiko"),
    ("修", "Osamu"),
    ("麻衣", "Mai"),
    ("豊", "Yutaka"),
    ("千尋", "Chihiro"),
    ("潤", "Jun"),
    ("遥", "Haruka"),
];

pub(super) const COMPANY_WORDS: &[SampleWord] = &[
    ("さくら", "sakura"),
    ("富士", "fuji"),
    ("日の出", "hinode"),
    ("みどり", "midori"),
    ("朝日野", "asahino"),
    ("青葉", "aoba"),
    ("若草", "wakakusa"),
    ("白鳥", "shiratori"),
    ("大和田", "owada"),
    ("銀河", "ginga"),
    ("千歳", "chitose"),
    ("オリオン", "orion"),
    ("みらい", "mirai"),
    ("北斗", "hokuto"),
    ("いずみ", "izumi"),
    ("東雲", "shinonome"),
    ("瑞穂野", "mizuhono"),
    ("けやき", "keyaki"),
    ("天城", "amagi"),
    ("ひまわり", "himawari"),
];

pub(super) const TRADES: &[&str] = &[
    "製作所",
    "商事",
    "工業",
    "システムズ",
    "物産",
    "電機",
    "建設",
    "食品",
    "化学",
    "運輸",
    "印刷",
    "精機",
    "ソフトウェア",
    "不動産",
    "繊維",
    "メディカル",
    "設計",
    "産業",
    "エンジニアリング",
    "サービス",
];

pub(super) const TITLES: &[&str] =
    &["部長", "課長", "主任", "係長", "代表取締役", "営業担当", "マネージャー", "取締役", "店長"];

pub(super) const PRODUCTS: &[&str] =
    &["保守契約", "新規導入", "追加ライセンス", "更新", "コンサルティング", "研修", "機器入替"];

/// Prefecture, city and the first three digits of its postal code.
pub(super) const PLACES: &[(&str, &str, &str)] = &[
    ("東京都", "千代田区", "100"),
    ("東京都", "港区", "105"),
    ("大阪府", "大阪市北区", "530"),
    ("愛知県", "名古屋市中区", "460"),
    ("福岡県", "福岡市博多区", "812"),
    ("北海道", "札幌市中央区", "060"),
    ("宮城県", "仙台市青葉区", "980"),
    ("神奈川県", "横浜市西区", "220"),
    ("京都府", "京都市下京区", "600"),
    ("広島県", "広島市中区", "730"),
];

/// One of a list; the default of an empty one.
pub(super) fn pick<T: Copy + Default>(rng: &mut ChaCha8Rng, list: &[T]) -> T {
    list.choose(rng).copied().unwrap_or_default()
}

/// Prefecture, city and postal code.
pub(super) fn place(rng: &mut ChaCha8Rng) -> (String, String, String) {
    let (prefecture, city, area) = pick(rng, PLACES);
    let rest = rng.random_range(0..10_000);
    (prefecture.to_owned(), city.to_owned(), format!("{area}-{rest:04}"))
}

/// Four of five records were touched one by one over two years, the fifth came by one import.
pub(super) fn age_ms(rng: &mut ChaCha8Rng) -> i64 {
    if rng.random_ratio(1, 5) { 30 * DAY_MS } else { rng.random_range(DAY_MS..730 * DAY_MS) }
}
