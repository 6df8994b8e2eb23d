//! Stored items: shortened ones and those of older programs read as the same state.

use std::collections::BTreeMap;

use super::*;
use renkei_model::state::{FieldState, Span, Truth};
use renkei_model::value::{Cell, SmolStr, Value};

fn layouts(fields: &[&str]) -> Layouts {
    let fields = Layout::new(fields.iter().map(|&name| name.to_owned()).collect());
    Layouts { entities: [("person".to_owned(), fields)].into() }
}

fn seen(value: Value) -> FieldState {
    FieldState { seen: Some(value), ..FieldState::default() }
}

fn settled(text: &str, until: i64) -> FieldState {
    let cell = Some(Value::from(text));
    let edited = Span { after: None, until: Some(until) };
    FieldState { seen: cell.clone(), base: cell.clone(), agreed: cell, edited, ..seen(Value::Null) }
}

#[test]
fn survives_a_changed_mapping() {
    let states = vec![seen("a@b.c".into()), seen(Value::Null), FieldState::default()];
    let (before, after) =
        (layouts(&["mail", "phone", "fax"]), layouts(&["city", "phone", "mail", "fax", "zip"]));
    let text = before.encode("person", &before.per_field("person", states)).unwrap();
    let back: PerField<FieldState> = after.decode("person", &text).unwrap();
    let expected = vec![FieldState::default(), seen(Value::Null), seen("a@b.c".into())];
    assert_eq!(back, after.per_field("person", expected));
    assert_eq!(back.len(), 5, "one per field of the mapping of today");
}

#[test]
fn garbage_is_an_error() {
    for garbage in [
        "[1]",
        "{\"mail\":1.5}",
        "{\"mail\":[1]}",
        "{\"mail\":{\"seen\":{\"text\":\"a\"}}",
        "{} {}",
        "",
    ] {
        let result = layouts(&["mail"]).decode::<FieldState>("person", garbage);
        assert!(matches!(result, Err(StoreError::Corrupt(_))), "{garbage}");
    }
}

#[test]
fn what_is_said_elsewhere_is_left_out() {
    let layouts = layouts(&["mail", "phone", "fax", "city"]);
    let mut states = vec![settled("a@b.c", 7), settled("1", 7), seen(Value::Null)];
    states.push(FieldState { agreed: None, ..settled("Oslo", 8) });
    let states = layouts.per_field("person", states);
    let text = layouts.encode("person", &states).unwrap();
    let expected = "{\"\":{\"edited\":[null,7]},\"mail\":\"a@b.c\",\"phone\":\"1\",\
         \"fax\":{\"seen\":\"null\",\"base\":null,\"edited\":[null,null]},\
         \"city\":{\"seen\":{\"text\":\"Oslo\"},\"agreed\":null,\"edited\":[null,8]}}";
    assert_eq!(text, expected);
    assert_eq!(layouts.decode::<FieldState>("person", &text).unwrap(), states);
}

#[test]
fn what_older_programs_wrote_reads_as_they_meant_it() {
    let layouts = layouts(&["mail", "phone"]);
    let text = r#"{"mail":{"seen":{"text":"a"},"base":null,"agreed":null,
        "edited":{"after":null,"until":5}},"phone":{"seen":null,"base":{"text":"1"},
        "agreed":null,"edited":{"after":null,"until":null},"unsure":true,"tries":2}}"#;
    let edited = Span { after: None, until: Some(5) };
    let mail = FieldState { edited, ..seen("a".into()) };
    let base = Some("1".into());
    let phone = FieldState { base, unsure: true, tries: 2, ..FieldState::default() };
    let expected = layouts.per_field("person", vec![mail, phone]);
    assert_eq!(layouts.decode::<FieldState>("person", text).unwrap(), expected);
    let text = r#"{"mail":{"value":{"text":"a"},"previous":null,"from":"crm",
        "edited":{"after":1,"until":2},"flips":1}}"#;
    let mail = Truth {
        value: Some("a".into()),
        previous: None,
        from: Some("crm".to_owned()),
        edited: Span { after: Some(1), until: Some(2) },
        flips: 1,
    };
    let expected = layouts.per_field("person", vec![mail]);
    assert_eq!(layouts.decode::<Truth>("person", text).unwrap(), expected);
}

#[test]
fn a_value_about_which_nothing_else_is_to_be_said_stands_alone() {
    let layouts = layouts(&["mail", "null", "ok", "score", "day"]);
    let settled = |value: Value| FieldState {
        base: Some(value.clone()),
        agreed: Some(value.clone()),
        ..seen(value)
    };
    let values = ["null".into(), Value::Null, Value::Boolean(true), Value::Integer(i64::MIN)];
    let mut states: Vec<FieldState> = values.map(settled).into();
    states.push(settled(Value::Date("2024-02-29".into())));
    let states = layouts.per_field("person", states);
    let text = layouts.encode("person", &states).unwrap();
    let expected = "{\"mail\":\"null\",\"null\":null,\"ok\":true,\"score\":-9223372036854775808,\
         \"day\":{\"seen\":{\"date\":\"2024-02-29\"}}}";
    assert_eq!(text, expected);
    assert_eq!(layouts.decode::<FieldState>("person", &text).unwrap(), states);
}

/// The form from before anything was left out.
fn written_out<T: serde::Serialize + Default + PartialEq>(
    names: &[&str],
    items: &PerField<T>,
) -> String {
    let named: BTreeMap<&str, &T> =
        names.iter().copied().zip(items.values()).filter(|(_, i)| **i != T::default()).collect();
    serde_json::to_string(&named).unwrap()
}

/// Numbers as good as random, the same in every run.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }

    fn cell(&mut self) -> Cell {
        Some(match self.below(9) {
            0 => return None,
            1 => Value::Null,
            2 => Value::Boolean(self.below(2) == 0),
            3 => Value::Integer(-3),
            4 => Value::Decimal("1.50".into()),
            5 => Value::Choices(vec!["a".into(), SmolStr::default()]),
            6 => Value::References(vec!["7".into()]),
            7 => Value::Text("\"quoted\" \\ \n 山田 \u{1F600} \u{7f}".into()),
            _ => Value::Text("a".into()),
        })
    }

    fn span(&mut self) -> Span {
        let mut time = || Some(self.below(3) as i64).filter(|ms| *ms > 0);
        Span { after: time(), until: time() }
    }

    fn state(&mut self) -> FieldState {
        FieldState {
            seen: self.cell(),
            base: self.cell(),
            agreed: self.cell(),
            edited: self.span(),
            unsure: self.below(4) == 0,
            filler: self.cell().map(Box::new).filter(|_| self.below(4) == 0),
            tries: self.below(2) as u32,
            preset: self.below(4) == 0,
            lost: (self.below(4) == 0).then(|| Box::from(["7".into()])),
            bereft: self.cell().map(Box::new).filter(|_| self.below(4) == 0),
        }
    }

    fn truth(&mut self) -> Truth {
        let from = ["", "crm", "hub"].get(self.below(4) as usize).map(|&from| from.to_owned());
        let flips = self.below(2) as u32;
        Truth { value: self.cell(), previous: self.cell(), from, edited: self.span(), flips }
    }
}

#[test]
fn every_state_reads_as_it_was_written_in_the_new_form_and_in_the_old() {
    let names = ["mail", "a \"b\"", "seen", "edited", "山", "last"];
    let layouts = layouts(&names);
    let mut draw = Draw(1);
    for _ in 0..20_000 {
        let states = layouts.per_field("person", names.map(|_| draw.state()).into());
        let text = layouts.encode("person", &states).unwrap();
        assert_eq!(layouts.decode::<FieldState>("person", &text).unwrap(), states, "{text}");
        let text = written_out(&names, &states);
        assert_eq!(layouts.decode::<FieldState>("person", &text).unwrap(), states, "{text}");
        let truths = layouts.per_field("person", names.map(|_| draw.truth()).into());
        let text = layouts.encode("person", &truths).unwrap();
        assert_eq!(layouts.decode::<Truth>("person", &text).unwrap(), truths, "{text}");
        let text = written_out(&names, &truths);
        assert_eq!(layouts.decode::<Truth>("person", &text).unwrap(), truths, "{text}");
    }
}
