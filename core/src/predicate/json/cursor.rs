//! A strict reader of JSON (RFC 8259) that knows at which byte it is.
//!
//! `serde_json` would take the last of two fields with the same name in silence, and cannot say where a value of the wrong
//! type stands. The form nests four levels, so nothing here has to be deep.

use alloc::string::String;

use super::{Result, wrong};

pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next value begins.
    pub(super) fn at(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Ends the reading; gives the byte behind the last.
    pub(super) fn finish(mut self) -> Result<usize> {
        self.skip_space();
        if self.at == self.text.len() { Ok(self.at) } else { Err(wrong(self.at, "the end")) }
    }

    /// An object; `field` reads the value of each field, and is told the name and where it stands.
    pub(super) fn object(
        &mut self,
        expected: &'static str,
        mut field: impl FnMut(&mut Self, &str, usize) -> Result<()>,
    ) -> Result<()> {
        self.items('{', '}', expected, |cursor| {
            let at = cursor.at();
            let name = cursor.string()?;
            cursor.take(':', "a colon")?;
            field(cursor, &name, at)
        })
    }

    /// A list; `item` reads each item.
    pub(super) fn list(
        &mut self,
        expected: &'static str,
        item: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.items('[', ']', expected, item)
    }

    fn items(
        &mut self,
        open: char,
        close: char,
        expected: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        self.take(open, expected)?;
        if self.skip(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.skip(close) {
                return Ok(());
            }
            self.take(',', if close == '}' { "a comma or }" } else { "a comma or ]" })?;
        }
    }

    /// Whether the next value is a string.
    pub(super) fn is_at_string(&mut self) -> bool {
        self.skip_space();
        self.rest().starts_with('"')
    }

    /// A string.
    pub(super) fn string(&mut self) -> Result<String> {
        self.take('"', "a string")?;
        let mut value = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.find(|c| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            value.push_str(&rest[..plain]);
            self.at += plain;
            match self.next_byte() {
                Some(b'"') => return Ok(value),
                Some(b'\\') => value.push(self.escape()?),
                Some(_) => return Err(wrong(self.at - 1, "control characters as \\u escapes")),
                None => return Err(wrong(self.at, "the closing quote of the string")),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<char> {
        let start = self.at - 1;
        Ok(match self.next_byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let bad =
                    wrong(start, "\\u with four hexadecimal digits, of a character or of both halves of one");
                let first = self.hex().ok_or(bad.clone())?;
                let mut units = [first, 0];
                let mut count = 1;
                if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
                    self.at += 2;
                    units[1] = self.hex().ok_or(bad.clone())?;
                    count = 2;
                }
                let mut chars = char::decode_utf16(units[..count].iter().copied());
                match (chars.next(), chars.next()) {
                    (Some(Ok(c)), None) => c,
                    _ => return Err(bad),
                }
            }
            _ => return Err(wrong(start, "an escape that JSON has")),
        })
    }

    fn hex(&mut self) -> Option<u16> {
        let digits =
            self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        self.at += 4;
        u16::from_str_radix(digits, 16).ok()
    }

    /// A number that a double can hold.
    pub(super) fn number(&mut self) -> Result<f64> {
        let (at, text) = self.number_text()?;
        let number: f64 = text.parse().map_err(|_| wrong(at, "a number"))?;
        if number.is_finite() { Ok(number) } else { Err(wrong(at, "a number within the range of a double")) }
    }

    /// The index of a node: an integer that `u32` holds.
    pub(super) fn index(&mut self) -> Result<u32> {
        let (at, text) = self.number_text()?;
        text.parse().map_err(|_| wrong(at, "an index, an integer from 0 to 4294967295"))
    }

    /// A number as it is written: `-`, digits without leading zeros, a fraction, an exponent.
    fn number_text(&mut self) -> Result<(usize, &'a str)> {
        let start = self.at();
        self.skip_here("-");
        let leading_zero = self.rest().starts_with('0');
        let whole = self.digits();
        let mut good = whole == 1 || whole > 1 && !leading_zero;
        if self.skip_here(".") {
            good &= self.digits() > 0;
        }
        if self.skip_here("e") || self.skip_here("E") {
            let _ = self.skip_here("+") || self.skip_here("-");
            good &= self.digits() > 0;
        }
        if good { Ok((start, &self.text[start..self.at])) } else { Err(wrong(start, "a number")) }
    }

    /// Skips ASCII digits; gives how many.
    fn digits(&mut self) -> usize {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        count
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next byte, which must be ASCII or be given up on: after another one the cursor may stand inside a character.
    fn next_byte(&mut self) -> Option<u8> {
        let byte = self.text.as_bytes().get(self.at).copied();
        self.at += usize::from(byte.is_some());
        byte
    }

    fn skip_space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn skip_here(&mut self, text: &str) -> bool {
        let there = self.rest().starts_with(text);
        self.at += if there { text.len() } else { 0 };
        there
    }

    fn skip(&mut self, c: char) -> bool {
        self.skip_space();
        let there = self.rest().starts_with(c);
        self.at += usize::from(there);
        there
    }

    fn take(&mut self, c: char, expected: &'static str) -> Result<()> {
        if self.skip(c) { Ok(()) } else { Err(wrong(self.at, expected)) }
    }
}
