//! The query language of `records.json`: conditions, order, limit, offset (K-read-1, K-read-4).

use crate::refusal::Refusal;

const LIMIT_MAX: usize = 500;
const OFFSET_MAX: usize = 10_000;

/// A condition on one record.
#[derive(Debug)]
pub enum Condition {
    All(Vec<Condition>),
    Any(Vec<Condition>),
    Compare { field: String, operator: &'static str, values: Vec<String> },
}

/// A whole query.
#[derive(Debug)]
pub struct Query {
    pub condition: Condition,
    /// Field, and true for ascending.
    pub order: Vec<(String, bool)>,
    pub limit: usize,
    pub offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Literal(String),
    Sign(&'static str),
}

fn bad_syntax() -> Refusal {
    Refusal::invalid_at("query", "クエリ記法が間違っています。")
}

impl Query {
    /// Reads a query; the empty one asks for everything.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let ends = |token: Option<&Token>| {
            token.is_none_or(|token| {
                let tails = ["order", "limit", "offset"];
                matches!(token, Token::Word(word) if tails.contains(&word.as_str()))
            })
        };
        let condition = match ends(parser.peek()) {
            true => Condition::All(Vec::new()),
            false => parser.any()?,
        };
        let mut query = Self { condition, order: Vec::new(), limit: 100, offset: 0 };
        while let Some(token) = parser.next() {
            match token {
                Token::Word(word) if word == "order" => query.order = parser.order()?,
                Token::Word(word) if word == "limit" => query.limit = parser.count()?,
                Token::Word(word) if word == "offset" => query.offset = parser.count()?,
                _ => return Err(bad_syntax()),
            }
        }
        if query.limit > LIMIT_MAX {
            let message = "limit には 500 以下の値を指定してください。";
            return Err(Refusal::new(400, "GAIA_QU01", message));
        }
        if query.offset > OFFSET_MAX {
            let message = "offset には 10,000 以下の値を指定してください。";
            return Err(Refusal::new(400, "GAIA_QU02", message));
        }
        Ok(query)
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.peek().cloned();
        self.at += 1;
        token
    }

    fn takes(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Condition, Refusal> {
        let mut parts = vec![self.all()?];
        while self.takes(&Token::Word("or".to_owned())) {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, Refusal> {
        let mut parts = vec![self.one()?];
        while self.takes(&Token::Word("and".to_owned())) {
            parts.push(self.one()?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self) -> Result<Condition, Refusal> {
        if self.takes(&Token::Sign("(")) {
            let inner = self.any()?;
            return self.takes(&Token::Sign(")")).then_some(inner).ok_or_else(bad_syntax);
        }
        let Some(Token::Word(field)) = self.next() else {
            return Err(bad_syntax());
        };
        let operator = match self.next() {
            Some(Token::Sign(sign)) if sign != "(" && sign != ")" && sign != "," => sign,
            Some(Token::Word(word)) if word == "in" => "in",
            Some(Token::Word(word)) if word == "like" => "like",
            Some(Token::Word(word)) if word == "not" => match self.next() {
                Some(Token::Word(word)) if word == "in" => "not in",
                Some(Token::Word(word)) if word == "like" => "not like",
                _ => return Err(bad_syntax()),
            },
            _ => return Err(bad_syntax()),
        };
        let values = match operator {
            "in" | "not in" => self.list()?,
            _ => vec![self.value()?],
        };
        Ok(Condition::Compare { field, operator, values })
    }

    fn list(&mut self) -> Result<Vec<String>, Refusal> {
        if !self.takes(&Token::Sign("(")) {
            return Err(bad_syntax());
        }
        let mut values = vec![self.value()?];
        while self.takes(&Token::Sign(",")) {
            values.push(self.value()?);
        }
        self.takes(&Token::Sign(")")).then_some(values).ok_or_else(bad_syntax)
    }

    /// A literal, or a bare number.
    fn value(&mut self) -> Result<String, Refusal> {
        match self.next() {
            Some(Token::Literal(text)) => Ok(text),
            Some(Token::Word(word)) if word.parse::<f64>().is_ok() => Ok(word),
            _ => Err(bad_syntax()),
        }
    }

    fn order(&mut self) -> Result<Vec<(String, bool)>, Refusal> {
        if !self.takes(&Token::Word("by".to_owned())) {
            return Err(bad_syntax());
        }
        let mut order = Vec::new();
        loop {
            let Some(Token::Word(field)) = self.next() else {
                return Err(bad_syntax());
            };
            let descends = self.takes(&Token::Word("desc".to_owned()));
            if !descends {
                self.takes(&Token::Word("asc".to_owned()));
            }
            order.push((field, !descends));
            if !self.takes(&Token::Sign(",")) {
                return Ok(order);
            }
        }
    }

    fn count(&mut self) -> Result<usize, Refusal> {
        match self.next() {
            Some(Token::Word(word)) => word.parse().map_err(|_| bad_syntax()),
            _ => Err(bad_syntax()),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    const SIGNS: [&str; 9] = ["!=", "<=", ">=", "=", "<", ">", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Ok(tokens);
        }
        if let Some(literal) = rest.strip_prefix('"') {
            let (value, after) = literal_of(literal)?;
            tokens.push(Token::Literal(value));
            rest = after;
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest.strip_prefix(sign).unwrap_or_default();
        } else {
            let ends = |c: char| c.is_whitespace() || "!=<>(),\"".contains(c);
            let (word, after) = rest
                .split_at_checked(rest.find(ends).unwrap_or(rest.len()))
                .ok_or_else(bad_syntax)?;
            if word.is_empty() {
                return Err(bad_syntax());
            }
            tokens.push(Token::Word(word.to_owned()));
            rest = after;
        }
    }
}

/// The text up to the closing quote, and what follows (K-read-5).
fn literal_of(text: &str) -> Result<(String, &str), Refusal> {
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return Ok((value, letters.as_str())),
            '\n' | '\r' | '\t' => return Err(bad_syntax()),
            '\\' => value.push(match letters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some('t') => '\t',
                Some(other @ ('"' | '\\')) => other,
                _ => return Err(bad_syntax()),
            }),
            _ => value.push(letter),
        }
    }
    Err(bad_syntax())
}

#[cfg(test)]
mod tests {
    use super::{Condition, Query};

    #[test]
    fn query_has_condition_order_and_limit() {
        let text = r#"$id > 7 and (名前 in ("a\"b", "c") or n != -1.5) order by $id asc limit 500"#;
        let query = Query::parse(text).unwrap();
        assert_eq!((query.order, query.limit, query.offset), (vec![("$id".into(), true)], 500, 0));
        let Condition::Any(any) = query.condition else { panic!("{text}") };
        let Condition::All(all) = &any[0] else { panic!("{text}") };
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn limits_and_syntax_are_refused() {
        let code = |text| Query::parse(text).map_err(|refusal| refusal.code).err();
        assert_eq!(code("limit 501"), Some("GAIA_QU01"));
        assert_eq!(code("offset 10001"), Some("GAIA_QU02"));
        assert_eq!(code("name = \"a\nb\""), Some("CB_VA01"));
        assert_eq!(code("name ="), Some("CB_VA01"));
        assert_eq!(code(""), None);
    }
}
