//! Numbers in tags and metadata.

#[cfg(test)]
mod tests;

/// The number that a text says: an optional sign, then digits with an optional point and exponent, or `inf`. ASCII only, no
/// white space, no hexadecimal digits, no underscores. `None` for everything else, NaN among it.
///
/// Every implementation reads the same texts as numbers; what the number parsers of languages take besides is not one.
///
/// ```
/// use lacewing_core::capability::number;
///
/// assert_eq!(number::parse("64"), Some(64.0));
/// assert_eq!(number::parse("-.5e1"), Some(-5.0));
/// assert_eq!(number::parse("0x40"), None);
/// assert_eq!(number::parse("NaN"), None);
/// ```
pub fn parse(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let decimal = unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if !decimal && unsigned != "inf" {
        return None;
    }
    text.parse().ok()
}
