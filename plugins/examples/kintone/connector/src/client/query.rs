//! Queries of `records.json` and the URLs that carry them.

/// The longest URL that we send, path and query (K-path-2), with room for the domain.
const URL_MAX: usize = 3_900;

/// A path of `records.json`: the condition, in the order of ids, with these fields.
///
/// Fields that would make the URL too long are left out, and then kintone sends all of them.
pub(crate) fn records_path(app: i64, condition: &str, limit: u32, fields: &[&str]) -> String {
    let place = if condition.is_empty() { "" } else { " " };
    let query = format!("{condition}{place}order by $id asc limit {limit}");
    let mut path = format!("records.json?app={app}&query={}", encode(&query));
    let bare = path.len();
    for (index, field) in fields.iter().enumerate() {
        path.push_str(&format!("&fields%5B{index}%5D={}", encode(field)));
    }
    if path.len() > URL_MAX {
        path.truncate(bare);
    }
    path
}

/// The beginnings of a list that fit a URL each, as `FIELD in (...)` or its like makes them.
/// `cost` is the length of one item in the URL.
pub(crate) fn split_to_fit<T>(items: &[T], most: usize, cost: impl Fn(&T) -> usize) -> Vec<&[T]> {
    // Half of the URL is for path, names and fields.
    let room = URL_MAX / 2;
    let mut parts = Vec::new();
    let mut rest = items;
    while !rest.is_empty() {
        let mut used = 0;
        let fits = rest.iter().take(most).take_while(|item| {
            used += cost(item);
            used <= room
        });
        let count = fits.count().max(1).min(rest.len());
        let (part, after) = rest.split_at(count);
        parts.push(part);
        rest = after;
    }
    parts
}

/// A text as a literal of a query (K-read-5).
pub(crate) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for letter in text.chars() {
        match letter {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            _ => literal.push(letter),
        }
    }
    literal.push('"');
    literal
}

/// Percent-encoding of everything that is not unreserved.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{URL_MAX, encode, literal, records_path, split_to_fit};

    #[test]
    fn literal_escapes_what_would_end_it() {
        assert_eq!(literal("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }

    #[test]
    fn path_names_fields_while_they_fit() {
        let path = records_path(7, "$id > 3", 500, &["$id", "会"]);
        assert_eq!(
            path,
            "records.json?app=7&query=%24id%20%3E%203%20order%20by%20%24id%20asc%20limit%20500\
             &fields%5B0%5D=%24id&fields%5B1%5D=%E4%BC%9A"
        );
        let many = vec!["顧客の長い名前のフィールド"; 60];
        let path = records_path(7, "", 5, &many);
        assert!(path.len() < URL_MAX && !path.contains("fields"), "{path}");
        assert!(path.contains("query=order%20by"), "{path}");
    }

    #[test]
    fn list_is_split_where_the_url_ends() {
        let items = vec!["株式会社".repeat(5); 40];
        let parts = split_to_fit(&items, 100, |item| encode(item).len());
        assert!(parts.len() > 1);
        assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), 40);
        let one = ["長".repeat(2_000)];
        assert_eq!(split_to_fit(&one, 100, |item| encode(item).len()), [&one[..]]);
        assert_eq!(split_to_fit(&[1; 250], 100, |_| 1).len(), 3);
    }
}
