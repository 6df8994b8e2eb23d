//! Times for people.

/// A length of time for people: the two largest units that say something, rounded up.
pub fn span(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let seconds = ms.div_ceil(1_000);
    let units = [("h", 3_600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, length)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, length) in units.into_iter().skip(first).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

/// A time for people, in UTC.
pub fn moment(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_said_for_people() {
        for (ms, said) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_001, "2 s"),
            (60_000, "1 min"),
            (3_599_594, "1 h"),
            (3_598_594, "59 min 59 s"),
            (90_061_000, "25 h 1 min"),
        ] {
            assert_eq!(span(ms), said);
        }
    }
}
