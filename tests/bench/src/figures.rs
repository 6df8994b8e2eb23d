//! Figures of one name, as they are printed.
//!
//! Figures carry their unit in their name. Where the target is a ratio there is a `ratio`, a
//! `target` and a `met`, with a prefix where a name has several.

use serde_json::{Map, Value, json};

/// Good side of a target.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// The ratio should be at most this.
    AtMost(f64),
    /// The ratio should be at least this.
    AtLeast(f64),
}

/// Figures by name, in the order in which they were put.
#[derive(Debug, Default)]
pub(crate) struct Figures(Map<String, Value>);

impl Figures {
    /// Notes a figure; numbers are cut to four significant digits.
    pub(crate) fn record(&mut self, name: &str, figure: f64) {
        self.0.insert(name.to_owned(), number(figure));
    }

    /// Notes words, where numbers do not say enough.
    pub(crate) fn say(&mut self, name: &str, words: &str) {
        self.0.insert(name.to_owned(), json!(words));
    }

    /// Notes the ratio that has a target.
    pub(crate) fn ratio(&mut self, ratio: f64, target: Target) {
        self.note(["ratio", "target", "met"].map(str::to_owned), ratio, target);
    }

    /// Notes another ratio with a target of its own, as `NAME_ratio`, `NAME_target`, `NAME_met`.
    #[cfg(any(feature = "peers", test))]
    pub(crate) fn more(&mut self, name: &str, ratio: f64, target: Target) {
        self.note(["ratio", "target", "met"].map(|what| format!("{name}_{what}")), ratio, target);
    }

    fn note(&mut self, names: [String; 3], ratio: f64, target: Target) {
        let (target, is_met) = match target {
            Target::AtMost(most) => (most, ratio <= most),
            Target::AtLeast(least) => (least, ratio >= least),
        };
        let [name, target_name, met] = names;
        self.record(&name, ratio);
        self.record(&target_name, target);
        self.0.insert(met, json!(is_met));
    }

    /// As JSON.
    pub(crate) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// Four significant digits are more than a shared machine can repeat.
fn number(figure: f64) -> Value {
    if figure == 0.0 || !figure.is_finite() {
        return json!(figure);
    }
    let digits = 3.0 - figure.abs().log10().floor();
    let scale = 10f64.powf(digits);
    let rounded = (figure * scale).round() / scale;
    json!(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_cut_to_four_digits() {
        let check = |figure: f64, text: &str| assert_eq!(number(figure).to_string(), text);
        check(0.0, "0.0");
        check(1.234_56, "1.235");
        check(234_567.0, "234600.0");
        check(0.000_123_456, "0.0001235");
    }

    #[test]
    fn a_ratio_says_whether_its_target_is_met() {
        let mut figures = Figures::default();
        figures.ratio(1.3, Target::AtMost(1.2));
        figures.more("peer", 3.0, Target::AtLeast(3.0));
        let figures = figures.into_map();
        assert_eq!((&figures["met"], &figures["peer_met"]), (&json!(false), &json!(true)));
    }
}
