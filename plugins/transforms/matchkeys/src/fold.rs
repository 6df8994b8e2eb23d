//! One spelling for text that people spell in several ways: width, case, kana size, iteration
//! marks, variant kanji.

use unicode_normalization::UnicodeNormalization;

/// Old and variant forms, each followed by the form that stands for it. NFKC already maps the
/// compatibility ideographs; these are characters of their own. Names of people and companies use
/// them interchangeably.
const VARIANTS: &str = "\
髙高﨑崎𠮷吉齋斉齊斉斎斉邊辺邉辺澤沢濱浜濵浜櫻桜廣広國国會会眞真龍竜瀧滝嶋島嶌島冨富條条圓円藝芸學学鐵鉄實実惠恵德徳\
榮栄壽寿曾曽舘館渕淵桒桑栁柳峯峰萬万與与豐豊黑黒靑青淸清槇槙禮礼燈灯寳宝寶宝體体兒児關関彌弥彥彦緖緒縣県發発證証驛駅團団\
氣気醫医藥薬總総產産鹽塩澁渋淺浅巖巌龜亀鷗鴎檜桧步歩增増橫横靜静聲声傳伝讀読賣売號号區区獨独佛仏來来兩両壯壮將将專専圖図\
對対帶帯應応戶戸數数斷断曉暁樂楽樣様權権歸帰濟済當当盡尽硏研穗穂絲糸經経續続舊旧莊荘處処觀観變変讓譲豫予轉転辯弁遙遥錢銭\
雙双靈霊顯顕驗験點点乘乗藏蔵瀨瀬賴頼祿禄顏顔";

/// The text in one spelling, with punctuation still in it.
pub fn fold(text: &str) -> String {
    let lower = text.nfkc().collect::<String>().to_lowercase();
    let mut folded = String::with_capacity(lower.len());
    for c in lower.chars() {
        let previous = folded.chars().next_back();
        match (c, previous) {
            // "佐々木" and "佐佐木", "いすゞ" and "イスズ".
            ('々' | 'ゝ' | 'ヽ', Some(previous)) => folded.push(previous),
            ('ゞ' | 'ヾ', Some(previous)) => folded.extend([previous, '\u{3099}']),
            (hyphen, Some(previous)) if is_hyphen(hyphen) && is_kana(previous) => folded.push('ー'),
            (other, _) => folded.push(large(katakana(variant(other)))),
        }
    }
    folded.nfc().collect()
}

/// The text without spaces and punctuation.
pub fn bare(folded: &str) -> String {
    folded.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// A text in one spelling without spaces and punctuation; `None` where nothing is left.
pub fn key(text: &str) -> Option<String> {
    Some(bare(&fold(text))).filter(|key| !key.is_empty())
}

/// True for a text with kana or kanji, which has a fixed order of words.
pub fn is_japanese(text: &str) -> bool {
    text.chars()
        .any(|c| is_kana(c) || matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{20000}'..='\u{3FFFF}'))
}

/// Hyphens, dashes and minus signs: people type them for one another, and for the long-vowel mark
/// after kana.
pub fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '─' | '━' | 'ー')
}

fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{3096}' | '\u{30A1}'..='\u{30FA}' | 'ー')
}

fn variant(c: char) -> char {
    let mut pairs = VARIANTS.chars();
    while let (Some(form), Some(standard)) = (pairs.next(), pairs.next()) {
        if form == c {
            return standard;
        }
    }
    c
}

fn katakana(c: char) -> char {
    match c {
        '\u{3041}'..='\u{3096}' => char::from_u32(u32::from(c) + 0x60).unwrap_or(c),
        _ => c,
    }
}

/// "キャノン" and "キヤノン".
fn large(c: char) -> char {
    match c {
        'ァ' | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' => {
            char::from_u32(u32::from(c) + 1).unwrap_or(c)
        }
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_leads_to_a_form_that_is_none_itself() {
        assert_eq!(VARIANTS.chars().count() % 2, 0);
        for form in VARIANTS.chars().step_by(2) {
            let standard = variant(form);
            assert_ne!(standard, form);
            assert_eq!(variant(standard), standard, "{form}");
        }
    }
}
