//! Recursive descent over the tokens; errors are `MALFORMED_QUERY` with the usual excerpt.
//!
//! As on the platform, AND and OR may not be mixed without parentheses, and NOT takes the one
//! condition that follows it.

use super::super::error::ApiFault;
use super::super::value::{OrgValue, parse_time};
use super::ast::{
    Aggregate, CompareOp, OrderItem, SelectItem, SoqlExpr, SoqlLiteral, SoqlPath, SoqlQuery,
};
use super::lexer::{SoqlToken, tokens};
use super::malformed;

/// Reads one query; everything after it is an error.
pub(crate) fn parse(soql: &str) -> Result<SoqlQuery, ApiFault> {
    let mut parser = SoqlParser { soql, tokens: tokens(soql)?, next: 0 };
    let query = parser.query(true)?;
    match parser.peek() {
        SoqlToken::End => Ok(query),
        _ => Err(parser.unexpected()),
    }
}

struct SoqlParser<'a> {
    soql: &'a str,
    tokens: Vec<(SoqlToken, usize)>,
    next: usize,
}

const RESERVED: &[&str] =
    &["WHERE", "ORDER", "LIMIT", "OFFSET", "GROUP", "HAVING", "FOR", "WITH", "ALL", "USING"];

impl SoqlParser<'_> {
    fn peek(&self) -> &SoqlToken {
        self.tokens.get(self.next).map_or(&SoqlToken::End, |(token, _)| token)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.soql.len(), |(_, at)| *at)
    }

    fn advance(&mut self) -> SoqlToken {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn unexpected(&self) -> ApiFault {
        let message = match self.peek() {
            SoqlToken::Word(word) => format!("unexpected token: '{word}'"),
            SoqlToken::Text(text) => format!("unexpected token: '{text}'"),
            SoqlToken::Sign(sign) => format!("unexpected token: '{sign}'"),
            SoqlToken::End => "unexpected token: '<EOF>'".to_owned(),
        };
        malformed(self.soql, self.at(), &message)
    }

    fn is_word(&self, keyword: &str) -> bool {
        matches!(self.peek(), SoqlToken::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    fn word(&mut self, keyword: &str) -> bool {
        let found = self.is_word(keyword);
        self.next += usize::from(found);
        found
    }

    fn need_word(&mut self, keyword: &str) -> Result<(), ApiFault> {
        if self.word(keyword) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), SoqlToken::Sign(s) if *s == sign);
        self.next += usize::from(found);
        found
    }

    fn need_sign(&mut self, sign: &str) -> Result<(), ApiFault> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn path(&mut self) -> Result<SoqlPath, ApiFault> {
        let at = self.at();
        match self.peek() {
            SoqlToken::Word(word) if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                let parts = word.split('.').map(str::to_owned).collect();
                self.next += 1;
                Ok(SoqlPath { parts, at })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn query(&mut self, top: bool) -> Result<SoqlQuery, ApiFault> {
        self.need_word("SELECT")?;
        let mut select = vec![self.item(top)?];
        while self.sign(",") {
            select.push(self.item(top)?);
        }
        self.need_word("FROM")?;
        let from = self.path()?;
        let alias = self.alias()?;
        let filter = if self.word("WHERE") { Some(self.expr()?) } else { None };
        if self.is_word("GROUP") || self.is_word("HAVING") {
            return Err(malformed(self.soql, self.at(), "GROUP BY is not simulated"));
        }
        let order = self.order()?;
        let limit = if self.word("LIMIT") { Some(self.count()?) } else { None };
        let offset = if self.word("OFFSET") { self.count()? } else { 0 };
        if self.word("FOR") && !(self.word("VIEW") || self.word("REFERENCE")) {
            return Err(self.unexpected());
        }
        Ok(SoqlQuery { select, from, alias, filter, order, limit, offset })
    }

    fn alias(&mut self) -> Result<Option<String>, ApiFault> {
        match self.peek() {
            SoqlToken::Word(word) if RESERVED.iter().any(|k| word.eq_ignore_ascii_case(k)) => {
                Ok(None)
            }
            SoqlToken::Word(_) => Ok(self.path()?.parts.into_iter().next()),
            _ => Ok(None),
        }
    }

    fn item(&mut self, top: bool) -> Result<SelectItem, ApiFault> {
        if top && self.sign("(") {
            let children = self.query(false)?;
            self.need_sign(")")?;
            return Ok(SelectItem::Children(children));
        }
        let path = self.path()?;
        if !self.sign("(") {
            return Ok(SelectItem::Field(path));
        }
        let function = path.parts.join(".").to_ascii_uppercase();
        if function == "COUNT" && self.sign(")") {
            return Ok(SelectItem::Count);
        }
        let aggregate = match function.as_str() {
            "COUNT" => Aggregate::Count,
            "MIN" => Aggregate::Min,
            "MAX" => Aggregate::Max,
            _ => {
                return Err(malformed(
                    self.soql,
                    path.at,
                    &format!("Unknown function: {function}"),
                ));
            }
        };
        let argument = self.path()?;
        self.need_sign(")")?;
        let alias = match self.peek() {
            SoqlToken::Word(word) if !word.eq_ignore_ascii_case("FROM") => Some(word.clone()),
            _ => None,
        };
        self.next += usize::from(alias.is_some());
        Ok(SelectItem::Aggregate(aggregate, argument, alias))
    }

    fn expr(&mut self) -> Result<SoqlExpr, ApiFault> {
        let first = self.factor()?;
        let keyword = match () {
            () if self.is_word("AND") => "AND",
            () if self.is_word("OR") => "OR",
            () => return Ok(first),
        };
        let mut all = vec![first];
        while self.word(keyword) {
            all.push(self.factor()?);
        }
        if self.is_word("AND") || self.is_word("OR") {
            return Err(self.unexpected());
        }
        Ok(if keyword == "AND" { SoqlExpr::And(all) } else { SoqlExpr::Or(all) })
    }

    fn factor(&mut self) -> Result<SoqlExpr, ApiFault> {
        if self.word("NOT") {
            return Ok(SoqlExpr::Not(Box::new(self.factor()?)));
        }
        if self.sign("(") {
            let inner = self.expr()?;
            self.need_sign(")")?;
            return Ok(inner);
        }
        self.condition()
    }

    fn condition(&mut self) -> Result<SoqlExpr, ApiFault> {
        let path = self.path()?;
        let negated = self.word("NOT");
        if self.word("IN") {
            return self.members(path, negated);
        }
        if negated {
            return Err(self.unexpected());
        }
        let op = match self.advance() {
            SoqlToken::Sign("=") => CompareOp::Eq,
            SoqlToken::Sign("!=") => CompareOp::Ne,
            SoqlToken::Sign("<") => CompareOp::Lt,
            SoqlToken::Sign("<=") => CompareOp::Le,
            SoqlToken::Sign(">") => CompareOp::Gt,
            SoqlToken::Sign(">=") => CompareOp::Ge,
            SoqlToken::Word(word) if word.eq_ignore_ascii_case("LIKE") => CompareOp::Like,
            _ => {
                self.next -= 1;
                return Err(self.unexpected());
            }
        };
        Ok(SoqlExpr::Compare(path, op, self.literal()?))
    }

    fn members(&mut self, path: SoqlPath, negated: bool) -> Result<SoqlExpr, ApiFault> {
        self.need_sign("(")?;
        if self.is_word("SELECT") {
            let query = Box::new(self.query(false)?);
            self.need_sign(")")?;
            return Ok(SoqlExpr::Semi { path, negated, query });
        }
        let mut values = vec![self.literal()?];
        while self.sign(",") {
            values.push(self.literal()?);
        }
        self.need_sign(")")?;
        Ok(SoqlExpr::In { path, negated, values })
    }

    fn literal(&mut self) -> Result<SoqlLiteral, ApiFault> {
        let literal = match self.peek() {
            SoqlToken::Text(text) => Some(SoqlLiteral::Value(OrgValue::text(text.as_str()))),
            SoqlToken::Word(word) => word_literal(word),
            _ => None,
        };
        let literal = literal.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(literal)
    }

    fn order(&mut self) -> Result<Vec<OrderItem>, ApiFault> {
        let mut order = Vec::new();
        if !self.word("ORDER") {
            return Ok(order);
        }
        self.need_word("BY")?;
        loop {
            let path = self.path()?;
            let descending = !self.word("ASC") && self.word("DESC");
            let mut nulls_first = !descending;
            if self.word("NULLS") {
                nulls_first = self.word("FIRST");
                if !nulls_first {
                    self.need_word("LAST")?;
                }
            }
            order.push(OrderItem { path, descending, nulls_first });
            if !self.sign(",") {
                return Ok(order);
            }
        }
    }

    fn count(&mut self) -> Result<usize, ApiFault> {
        let count = match self.peek() {
            SoqlToken::Word(word) => word.parse().ok(),
            _ => None,
        };
        let count = count.ok_or_else(|| self.unexpected())?;
        self.next += 1;
        Ok(count)
    }
}

fn word_literal(word: &str) -> Option<SoqlLiteral> {
    let value = match word.to_ascii_uppercase().as_str() {
        "TRUE" => OrgValue::Bool(true),
        "FALSE" => OrgValue::Bool(false),
        "NULL" => OrgValue::Null,
        upper if upper.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let (name, count) = match upper.split_once(':') {
                Some((name, count)) => (name, Some(count.parse().ok()?)),
                None => (upper, None),
            };
            return Some(SoqlLiteral::Range(name.to_owned(), count));
        }
        _ => None
            .or_else(|| parse_time(word).map(OrgValue::Time))
            .or_else(|| word.parse().ok().map(OrgValue::Date))
            .or_else(|| word.parse().ok().map(OrgValue::Number))?,
    };
    Some(SoqlLiteral::Value(value))
}
