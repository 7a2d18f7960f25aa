//! JSON text whose fields stand in the order in which they are written.
//!
//! Capability sets, predicates and what is said about them are read by other software byte for byte, and `serde_json`'s
//! objects sort their keys.

use alloc::string::{String, ToString};
use core::fmt::Write;

/// Writes one compact JSON value after the other; commas are set where they belong.
#[derive(Debug, Default)]
pub(crate) struct JsonText {
    text: String,
}

impl JsonText {
    /// An object with the fields that `fields` writes.
    pub(crate) fn object(&mut self, fields: impl FnOnce(&mut Self)) -> &mut Self {
        self.enclosed('{', '}', fields)
    }

    /// A list with the items that `items` writes.
    pub(crate) fn list(&mut self, items: impl FnOnce(&mut Self)) -> &mut Self {
        self.enclosed('[', ']', items)
    }

    /// The name of a field; its value follows.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(':');
        self
    }

    /// A string.
    pub(crate) fn string(&mut self, value: &str) -> &mut Self {
        self.separate();
        push_quoted(&mut self.text, value);
        self
    }

    /// An integer.
    pub(crate) fn number(&mut self, value: u64) -> &mut Self {
        self.literal(&value.to_string())
    }

    /// A boolean.
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.literal(if value { "true" } else { "false" })
    }

    /// A number, or anything else that is JSON already.
    pub(crate) fn literal(&mut self, json: &str) -> &mut Self {
        self.separate();
        self.text.push_str(json);
        self
    }

    /// The start of an object or list, whose end [`close`](Self::close) writes: for what is not nested like the code.
    pub(crate) fn open(&mut self, bracket: char) -> &mut Self {
        self.separate();
        self.text.push(bracket);
        self
    }

    /// The end of an object or list.
    pub(crate) fn close(&mut self, bracket: char) -> &mut Self {
        self.text.push(bracket);
        self
    }

    /// A field with a string.
    pub(crate) fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name).string(value)
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// What was written.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn enclosed(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(open);
        inner(self);
        self.close(close)
    }

    /// A comma, unless this is the first thing of its container.
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }
}

/// Appends a JSON string: `"`, `\\` and control characters below U+0020 are escaped, and nothing else.
pub(crate) fn push_quoted(text: &mut String, value: &str) {
    text.push('"');
    for c in value.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            // Writing to a String cannot fail.
            '\0'..='\u{1f}' => write!(text, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
            _ => text.push(c),
        }
    }
    text.push('"');
}

/// A text as a JSON string.
pub(crate) fn quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    push_quoted(&mut text, value);
    text
}
