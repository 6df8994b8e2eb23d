//! Cells and attributes: making them and looking into them.
//!
//! Absent (`None`), null (`Some(Value::Null)`) and a value are three different things
//! (`wit/v0.2/types.wit`); nothing here turns one into another silently.

use crate::{Error, Value};

/// A value, or `None` where it was not read (and, in a write, where it is to be left alone).
pub type Cell = Option<Value>;

/// Growable facts: documented code and value. See [`Facts`] for looking them up.
pub type Attributes = Vec<(String, Value)>;

impl Value {
    /// An exact decimal, or `None` if the text is not `-?[0-9]+(\.[0-9]+)?` (no exponent, no sign
    /// `+`).
    ///
    /// ```
    /// # use renkei_sdk::Value;
    /// assert_eq!(Value::decimal("-12.50"), Some(Value::Decimal("-12.50".into())));
    /// assert_eq!(Value::decimal("1e3"), None);
    /// ```
    pub fn decimal(text: &str) -> Option<Self> {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let valid = match unsigned.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(unsigned),
        };
        valid.then(|| Self::Decimal(text.to_owned()))
    }

    /// A date, if the text has the form `YYYY-MM-DD`. A year before 0 or after 9999 has not; keep
    /// such a cell as text, and the host names it as one that cannot be read.
    ///
    /// ```
    /// # use renkei_sdk::Value;
    /// assert_eq!(Value::date("2026-05-01"), Some(Value::Date("2026-05-01".into())));
    /// assert_eq!(Value::date("10000-01-01"), None);
    /// ```
    pub fn date(text: &str) -> Option<Self> {
        let form = b"0000-00-00";
        let fits = |(byte, form): (u8, &u8)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        };
        let valid = text.len() == form.len() && text.bytes().zip(form).all(fits);
        valid.then(|| Self::Date(text.to_owned()))
    }

    /// A time of the day (kind `time`), if the text has the form `HH:MM` or `HH:MM:SS`.
    ///
    /// ```
    /// # use renkei_sdk::Value;
    /// assert_eq!(Value::time("09:30").unwrap().as_time(), Some("09:30:00"));
    /// assert_eq!(Value::time("9:30"), None);
    /// assert_eq!(Value::time("24:00"), None);
    /// ```
    pub fn time(text: &str) -> Option<Self> {
        let below = |part: &str, end: u8| {
            let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            digits && part.parse::<u8>().is_ok_and(|number| number < end)
        };
        let mut parts = text.split(':');
        let (hours, minutes) = (parts.next()?, parts.next()?);
        let seconds = parts.next().unwrap_or("00");
        let valid = below(hours, 24) && below(minutes, 60) && below(seconds, 60);
        let whole = || Self::other("time", [format!("{hours}:{minutes}:{seconds}")]);
        (valid && parts.next().is_none()).then(whole)
    }

    /// An amount of a currency (kind `money`), if the amount is a decimal and the currency a code
    /// of three capitals.
    ///
    /// ```
    /// # use renkei_sdk::Value;
    /// assert_eq!(Value::money("1200.50", "JPY").unwrap().as_money(), Some(("1200.50", "JPY")));
    /// assert_eq!(Value::money("1,200", "JPY"), None);
    /// ```
    pub fn money(amount: &str, currency: &str) -> Option<Self> {
        Self::decimal(amount)?;
        let valid = currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase());
        valid.then(|| Self::other("money", [amount, currency]))
    }

    /// A value of another kind: the word of the kind, then its documented parts.
    pub fn other(
        kind: impl Into<String>,
        parts: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let parts = parts.into_iter().map(Into::into);
        Self::Other(std::iter::once(kind.into()).chain(parts).collect())
    }

    /// Text, or null where it is empty: what most CRMs mean by an empty string.
    pub fn text_or_null(text: &str) -> Self {
        if text.is_empty() { Self::Null } else { Self::Text(text.to_owned()) }
    }

    /// True for a cell that was read and is empty.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text of a text-like value (text, decimal, date).
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Decimal(text) | Self::Date(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number of an integer.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The truth of a boolean.
    pub fn as_boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The milliseconds since 1970 of a timestamp.
    pub fn as_timestamp(&self) -> Option<i64> {
        match self {
            Self::Timestamp(ms) => Some(*ms),
            _ => None,
        }
    }

    /// The parts of a value of this other kind.
    pub fn as_other(&self, kind: &str) -> Option<&[String]> {
        match self {
            Self::Other(parts) => parts.split_first().filter(|(word, _)| *word == kind),
            _ => None,
        }
        .map(|(_, parts)| parts)
    }

    /// The time of a cell of kind `time`; in a write the host may give it as text.
    pub fn as_time(&self) -> Option<&str> {
        match (self, self.as_other("time")) {
            (_, Some([time])) => Some(time),
            (Self::Text(time), _) => Some(time),
            _ => None,
        }
    }

    /// The amount and the currency of a cell of kind `money`; in a write the host may give it as
    /// text.
    ///
    /// ```
    /// # use renkei_sdk::Value;
    /// assert_eq!(Value::from("12.50 EUR").as_money(), Some(("12.50", "EUR")));
    /// ```
    pub fn as_money(&self) -> Option<(&str, &str)> {
        match (self, self.as_other("money")) {
            (_, Some([amount, currency])) => Some((amount, currency)),
            (Self::Text(text), _) => text.split_once(' '),
            _ => None,
        }
    }

    /// The items of choices or references.
    pub fn as_list(&self) -> Option<&[String]> {
        match self {
            Self::Choices(items) | Self::References(items) => Some(items),
            _ => None,
        }
    }
}

/// The text of a value of another kind: its parts without the kind's word.
///
/// ```
/// # use renkei_sdk::{Value, text_of_parts};
/// let Some(Value::Other(parts)) = Value::money("12.50", "EUR") else { panic!() };
/// assert_eq!(text_of_parts(&parts), "12.50 EUR");
/// ```
pub fn text_of_parts(kind_and_parts: &[String]) -> String {
    kind_and_parts.get(1..).unwrap_or_default().join(" ")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// Null where there is nothing.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Looking up attributes by code. The codes that a reader does not know, it never sees.
///
/// ```
/// use renkei_sdk::{Facts, Value};
/// let configuration = vec![("stamp_property".to_owned(), Value::from("renkei_id"))];
/// assert_eq!(configuration.text("stamp_property"), Some("renkei_id"));
/// assert_eq!(configuration.integer("page_size"), None);
/// ```
pub trait Facts {
    /// The value under this code.
    fn value(&self, code: &str) -> Option<&Value>;

    /// The text-like value under this code; `None` where it is missing or of another kind.
    fn text(&self, code: &str) -> Option<&str> {
        self.value(code)?.as_text()
    }

    /// The integer under this code; `None` where it is missing or of another kind.
    fn integer(&self, code: &str) -> Option<i64> {
        self.value(code)?.as_integer()
    }

    /// The boolean under this code; `None` where it is missing or of another kind.
    fn boolean(&self, code: &str) -> Option<bool> {
        self.value(code)?.as_boolean()
    }

    /// The integer under this code, or `default` where there is none, for a setting that counts
    /// something.
    ///
    /// # Errors
    /// `invalid` with the setting's name, where it is negative.
    fn amount(&self, code: &str, default: i64) -> Result<i64, Error> {
        match self.integer(code).unwrap_or(default) {
            negative if negative < 0 => {
                let message = format!("the setting `{code}` must not be negative");
                Err(Error::invalid("setting-negative", message))
            }
            amount => Ok(amount),
        }
    }

    /// The text under this code, for a setting that the manifest declares with a default or as
    /// required.
    ///
    /// # Errors
    /// `invalid` with the setting's name, where the host gave none.
    fn require(&self, code: &str) -> Result<&str, Error> {
        self.text(code).ok_or_else(|| {
            Error::invalid("setting-missing", format!("the setting `{code}` is not given"))
        })
    }
}

impl Facts for [(String, Value)] {
    fn value(&self, code: &str) -> Option<&Value> {
        self.iter().find(|(name, _)| name == code).map(|(_, value)| value)
    }
}
