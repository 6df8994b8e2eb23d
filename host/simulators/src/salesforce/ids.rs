//! Record ids: 15 case-sensitive characters and a checksum of three that makes 18.
//!
//! The first three characters are the object's key prefix, so an id names its object
//! (S-call-2). Answers always carry 18 characters; requests may carry 15.
//! Ids of one object sort in the order they were given out, byte by byte.

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECK32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
/// The org's pod and a reserved digit, the same in every id of one org.
const POD: &str = "5g0";
const SERIAL_DIGITS: usize = 9;

/// Position of a record in its object's sequence; with the key prefix it is the record's id.
pub(crate) type Serial = u64;

/// The id of 18 characters of record `serial` of the object whose key prefix is `prefix`.
pub(crate) fn render(prefix: &str, serial: Serial) -> String {
    let mut digits = [b'0'; SERIAL_DIGITS];
    let mut rest = serial;
    for digit in digits.iter_mut().rev() {
        let place = usize::try_from(rest % 62).unwrap_or_default();
        *digit = BASE62.get(place).copied().unwrap_or(b'0');
        rest /= 62;
    }
    let mut id = String::with_capacity(18);
    id.push_str(prefix);
    id.push_str(POD);
    id.extend(digits.iter().map(|&b| char::from(b)));
    let check = checksum(&id);
    id.push_str(&check);
    id
}

/// Splits an id of 15 or 18 characters into key prefix and serial; `None` where it is malformed or
/// its checksum is wrong. Ids of another pod are well formed but belong to no record here.
pub(crate) fn parse(id: &str) -> Option<(&str, Option<Serial>)> {
    if !id.bytes().all(|b| b.is_ascii_alphanumeric()) || !matches!(id.len(), 15 | 18) {
        return None;
    }
    let (short, check) = id.split_at_checked(15)?;
    if !check.is_empty() && !check.eq_ignore_ascii_case(&checksum(short)) {
        return None;
    }
    let (prefix, rest) = short.split_at_checked(3)?;
    let serial = rest.strip_prefix(POD).and_then(|digits| {
        digits.bytes().try_fold(0u64, |sum, b| {
            let place = BASE62.iter().position(|&c| c == b)?;
            sum.checked_mul(62)?.checked_add(u64::try_from(place).ok()?)
        })
    });
    Some((prefix, serial))
}

/// Three characters, each the bits "is upper case" of five characters, lowest bit first.
fn checksum(short: &str) -> String {
    short
        .as_bytes()
        .chunks(5)
        .map(|five| {
            let bits = five
                .iter()
                .enumerate()
                .fold(0usize, |sum, (at, b)| sum | (usize::from(b.is_ascii_uppercase()) << at));
            char::from(CHECK32.get(bits).copied().unwrap_or(b'A'))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_sort_by_serial() {
        for serial in [0, 1, 61, 62, 4_000_000] {
            let id = render("003", serial);
            assert_eq!(id.len(), 18);
            assert_eq!(parse(&id), Some(("003", Some(serial))));
            assert_eq!(parse(id.get(..15).unwrap()), Some(("003", Some(serial))));
        }
        assert!(render("003", 61) < render("003", 62));
    }

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(checksum("001D000000IqhSL"), "IAZ");
    }

    #[test]
    fn malformed_ids_are_refused() {
        for bad in ["", "001", "001D000000IqhSLIAX", "001D000000Iqh!L", "001D000000IqhSLI"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("001D000000IqhSLIAZ"), Some(("001", None)));
    }
}
