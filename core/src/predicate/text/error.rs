//! Where a text stops being a predicate.

use alloc::format;
use alloc::string::String;

/// Text that is no predicate: where, and what would be right there.
///
/// ```
/// use lacewing_core::predicate::Predicate;
///
/// let text = "hardware.gpu and hardware.memory_gb > 64";
/// let error = text.parse::<Predicate>().unwrap_err();
/// assert_eq!(error.to_string(), "column 37: expected >= or <=, bounds are always included");
/// assert_eq!(error.render(text), "\
/// hardware.gpu and hardware.memory_gb > 64
///                                     ^ expected >= or <=, bounds are always included");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: expected {expected}")]
pub struct TextError {
    /// The first character that is wrong, counted from 1; one more than there are at the end.
    pub column: usize,
    /// What would be right there.
    pub expected: String,
}

/// Characters that are shown before the column, where the text is long.
const SHOWN_BEFORE: usize = 60;
/// Characters that are shown from the column on.
const SHOWN_AFTER: usize = 40;

impl TextError {
    /// The text with a caret under the column, and what is expected there. Of a long text only the surroundings are shown;
    /// white space and control characters are shown as spaces.
    pub fn render(&self, text: &str) -> String {
        let at = self.column.saturating_sub(1);
        let skipped = at.saturating_sub(SHOWN_BEFORE);
        let plain = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
        let line: String = text.chars().skip(skipped).take(at - skipped + SHOWN_AFTER).map(plain).collect();
        let before = if skipped > 0 { "..." } else { "" };
        let after = if text.chars().count() > at + SHOWN_AFTER { "..." } else { "" };
        let indent = " ".repeat(before.len() + at - skipped);
        format!("{before}{line}{after}\n{indent}^ expected {}", self.expected)
    }
}
