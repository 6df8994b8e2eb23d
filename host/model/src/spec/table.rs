//! Value tables: the member's word for each canonical value, both ways (`RULES.md` V17).

use super::ValueTable;
use crate::canonical::{composed, plain_text};
use crate::value::{Cell, SmolStr, Value};

impl ValueTable {
    /// The canonical value of a member's cell; of a list, each item.
    ///
    /// # Errors
    /// The items that have no entry, none where the cell is no list.
    pub fn inward(&self, value: &Value) -> Result<Value, Vec<SmolStr>> {
        let entry = |text: &str| self.read.get(text).map(String::as_str);
        match value {
            Value::Choices(items) => {
                let items = items.iter().filter(|item| !item.trim().is_empty());
                each(items, |item| entry(&composed(item)).map(|one| vec![one.into()]))
            }
            other => match plain_text(other).as_deref() {
                Some("") => Ok(Value::Null),
                text => text.and_then(entry).map(Value::from).ok_or_else(Vec::new),
            },
        }
    }

    /// The value to write to the member; `present` is its value now. Of a list, each item: a
    /// present item that means the same stays.
    ///
    /// # Errors
    /// The items that have no entry, none where the value is no list.
    pub fn outward(&self, value: &Value, present: &Cell) -> Result<Value, Vec<SmolStr>> {
        let entry = |text: &str| self.write.get(text).map(String::as_str);
        let Value::Choices(items) = value else {
            let text = plain_text(value);
            return text.as_deref().and_then(entry).map(Value::from).ok_or_else(Vec::new);
        };
        let held = match present {
            Some(Value::Choices(held)) => held.as_slice(),
            _ => &[],
        };
        let remote = |item: &SmolStr| {
            let item = composed(item);
            let means = |held: &&SmolStr| {
                let read = self.read.get(&composed(held));
                read.is_some_and(|read| composed(read) == item)
            };
            let kept: Vec<SmolStr> = held.iter().filter(means).cloned().collect();
            if kept.is_empty() { entry(&item).map(|one| vec![one.into()]) } else { Some(kept) }
        };
        let mut written = each(items.iter(), remote)?;
        if let Value::Choices(items) = &mut written {
            // A present item keeps its place, so that a list that means the same is not written.
            items.sort_by_key(|item| held.iter().position(|one| one == item).unwrap_or(held.len()));
        }
        Ok(written)
    }
}

/// The list of all converted items, or the items without an entry.
fn each<'a>(
    items: impl Iterator<Item = &'a SmolStr>,
    turn: impl Fn(&SmolStr) -> Option<Vec<SmolStr>>,
) -> Result<Value, Vec<SmolStr>> {
    let (mut turned, mut strange) = (Vec::new(), Vec::new());
    for item in items {
        match turn(item) {
            Some(found) => turned.extend(found),
            None => strange.push(item.clone()),
        }
    }
    match (strange.is_empty(), turned.is_empty()) {
        (false, _) => Err(strange),
        (true, true) => Ok(Value::Null),
        (true, false) => Ok(Value::Choices(turned)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> ValueTable {
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
        };
        ValueTable {
            read: pairs(&[("Sales", "sales"), ("Selling", "sales"), ("Help", "service")]),
            write: pairs(&[("sales", "Sales"), ("service", "Help")]),
        }
    }

    fn list(items: &[&str]) -> Value {
        Value::Choices(items.iter().map(|item| (*item).into()).collect())
    }

    /// `RULES.md` V17.
    #[test]
    fn each_item_of_a_list_is_looked_up() {
        let table = table();
        assert_eq!(table.inward(&list(&["Sales", " Help "])), Ok(list(&["sales", "service"])));
        assert_eq!(table.inward(&list(&["Sales", "Odd"])), Err(vec!["Odd".into()]));
        assert_eq!(table.inward(&list(&["", " "])), Ok(Value::Null));
        assert_eq!(table.inward(&"Help".into()), Ok("service".into()));
        assert_eq!(table.inward(&"Odd".into()), Err(Vec::new()));
        assert_eq!(table.inward(&Value::Null), Ok(Value::Null));
    }

    /// `RULES.md` V17: what stands for an item already stays, and so does its place.
    #[test]
    fn list_is_written_around_what_stands_there() {
        let table = table();
        let both = list(&["sales", "service"]);
        assert_eq!(table.outward(&both, &None), Ok(list(&["Sales", "Help"])));
        let present = Some(list(&["Help", "Selling"]));
        assert_eq!(table.outward(&both, &present), Ok(list(&["Help", "Selling"])));
        let strange = list(&["sales", "odd"]);
        assert_eq!(table.outward(&strange, &present), Err(vec!["odd".into()]));
        assert_eq!(table.outward(&"service".into(), &None), Ok("Help".into()));
        assert_eq!(table.outward(&"odd".into(), &None), Err(Vec::new()));
    }
}
