//! JSON text whose fields stand in the order in which they are written.
//!
//! The forms of this module are read by other software byte for byte, and `serde_json`'s objects sort their keys.

use alloc::string::String;
use core::fmt::Write;

/// Writes one compact JSON value after the other; commas are set where they belong.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    text: String,
}

impl JsonText {
    /// An object with the fields that `fields` writes.
    pub(super) fn object(&mut self, fields: impl FnOnce(&mut Self)) -> &mut Self {
        self.enclosed('{', '}', fields)
    }

    /// A list with the items that `items` writes.
    pub(super) fn list(&mut self, items: impl FnOnce(&mut Self)) -> &mut Self {
        self.enclosed('[', ']', items)
    }

    /// The name of a field; its value follows.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.string(name);
        self.text.push(':');
        self
    }

    /// A string.
    pub(super) fn string(&mut self, value: &str) -> &mut Self {
        self.separate();
        self.text.push('"');
        for c in value.chars() {
            match c {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '\r' => self.text.push_str("\\r"),
                '\t' => self.text.push_str("\\t"),
                '\u{8}' => self.text.push_str("\\b"),
                '\u{c}' => self.text.push_str("\\f"),
                // Writing to a String cannot fail.
                '\0'..='\u{1f}' => write!(self.text, "\\u{:04x}", u32::from(c)).unwrap_or_default(),
                _ => self.text.push(c),
            }
        }
        self.text.push('"');
        self
    }

    /// A whole number.
    pub(super) fn number(&mut self, value: u64) -> &mut Self {
        self.separate();
        write!(self.text, "{value}").unwrap_or_default();
        self
    }

    /// A field with a string.
    pub(super) fn field(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name).string(value)
    }

    /// What was written.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    fn enclosed(&mut self, open: char, close: char, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.separate();
        self.text.push(open);
        inner(self);
        self.text.push(close);
        self
    }

    /// A comma, unless this is the first thing of its container.
    fn separate(&mut self) {
        if !matches!(self.text.as_bytes().last(), None | Some(b'{' | b'[' | b':')) {
            self.text.push(',');
        }
    }
}
