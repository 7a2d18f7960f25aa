//! Spans of time as people write them.

use std::time::Duration;

/// Reads `500ms`, `5s`, `2m`, `1h`, or a bare number of seconds. Not zero, and a day at the most.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    const WRONG: &str = "write for example 500ms, 5s, 2m or 1h";
    const MAX: Duration = Duration::from_secs(24 * 3_600);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().map_err(|_| WRONG.to_owned())?;
    let unit_ms = match &text[digits..] {
        "ms" => 1,
        "s" | "" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(WRONG.to_owned()),
    };
    let span = Duration::from_millis(number.saturating_mul(unit_ms));
    if span.is_zero() || span > MAX {
        Err("must be more than nothing and at most a day".to_owned())
    } else {
        Ok(span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read_with_and_without_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3_600)));
    }

    #[test]
    fn spans_that_make_no_sense_are_refused() {
        for text in
            ["", "s", "-1s", "25h", "0", "0ms", "1.5s", "99999999999999999999s", "18446744073709551615m"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
