//! Text as predicates.
//!
//! Groups that are open are kept in a list and not on the stack, so that four thousand parentheses do no harm.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;

use super::super::{Clause, FORM_LEN_MAX, Node, Predicate, VersionBound};
use super::{META, RESERVED, TextError, is_bare, is_version};
use crate::capability::number;
use crate::capability::{Axis, TagKey};

type Result<T> = core::result::Result<T, TextError>;

const OPERAND: &str = "a key such as hardware.gpu or meta.owner, not, all(..), any(..) or (";

impl FromStr for Predicate {
    type Err = TextError;

    /// Reads the text form, of at most [`FORM_LEN_MAX`] bytes; see [`text`](super::super::text).
    fn from_str(text: &str) -> Result<Self> {
        let mut parser =
            Parser { text, at: 0, nodes: Vec::new(), groups: Vec::from([Group::new(Kind::Whole)]) };
        if text.len() > FORM_LEN_MAX {
            let boundaries = text.char_indices().map(|(at, _)| at);
            parser.at = boundaries.take_while(|at| *at <= FORM_LEN_MAX).last().unwrap_or(0);
            return Err(parser.expected(format!("the end, a text has at most {FORM_LEN_MAX} bytes")));
        }
        let root = parser.expression()?;
        Self::new(parser.nodes, usize::from(root))
            .map_err(|error| TextError { column: 1, expected: format!("less: {error}") })
    }
}

/// What stands between two parentheses, or the whole text.
struct Group {
    kind: Kind,
    /// Expressions before the last comma.
    listed: Vec<u16>,
    /// Conjunctions before the last `or`.
    alternatives: Vec<u16>,
    /// Operands before the last `and`.
    operands: Vec<u16>,
    /// How many `not` stand before the next operand.
    nots: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Parentheses,
    All,
    Any,
}

impl Group {
    fn new(kind: Kind) -> Self {
        Self { kind, listed: Vec::new(), alternatives: Vec::new(), operands: Vec::new(), nots: 0 }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nodes: Vec<Node>,
    /// The innermost one last; the whole text is the first.
    groups: Vec<Group>,
}

impl<'a> Parser<'a> {
    /// An error at the present place.
    fn expected(&self, expected: impl Into<String>) -> TextError {
        self.expected_at(self.at, expected)
    }

    fn expected_at(&self, at: usize, expected: impl Into<String>) -> TextError {
        TextError { column: self.text[..at].chars().count() + 1, expected: expected.into() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes this, if it is next.
    fn take(&mut self, symbol: &str) -> bool {
        let there = self.rest().starts_with(symbol);
        self.at += if there { symbol.len() } else { 0 };
        there
    }

    /// The word that is next; empty where there is none.
    fn peek_word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c| !is_bare(c)).unwrap_or(rest.len())]
    }

    /// Takes this word, if it is next and ends there.
    fn take_word(&mut self, word: &str) -> bool {
        self.peek_word() == word && self.take(word)
    }

    fn group(&mut self) -> &mut Group {
        // The first group is taken off only at the end.
        let last = self.groups.len() - 1;
        &mut self.groups[last]
    }

    /// Every node takes some characters of the text, so there are never too many for their places.
    fn push(&mut self, node: Node) -> u16 {
        self.nodes.push(node);
        self.nodes.len() as u16 - 1
    }

    /// The whole text; gives the root.
    fn expression(&mut self) -> Result<u16> {
        loop {
            // Here an operand begins, unless a list is empty.
            self.skip_space();
            if self.take_word("not") {
                self.group().nots += 1;
                continue;
            }
            if self.opens()? {
                continue;
            }
            let mut operand = if self.closes_empty_list() {
                self.close()?
            } else {
                let clause = self.clause()?;
                self.push(Node::Clause(clause))
            };
            // Here an operand has ended; each closing parenthesis ends another one.
            loop {
                self.end_operand(operand);
                self.skip_space();
                if self.rest().is_empty() {
                    return self.end_of_text();
                }
                if !self.take(")") {
                    break;
                }
                if self.group().kind == Kind::Whole {
                    return Err(self.expected_at(self.at - 1, "no ), none is open"));
                }
                self.end_listed();
                operand = self.close()?;
            }
            self.operator()?;
        }
    }

    /// Opens a group, if one begins here.
    fn opens(&mut self) -> Result<bool> {
        let start = self.at;
        let kind = match self.peek_word() {
            "all" => Kind::All,
            "any" => Kind::Any,
            _ if self.take("(") => {
                self.groups.push(Group::new(Kind::Parentheses));
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.at += "all".len();
        self.skip_space();
        if !self.take("(") {
            let word = &self.text[start..start + "all".len()];
            return Err(self.expected(format!("( after {word}")));
        }
        self.groups.push(Group::new(kind));
        Ok(true)
    }

    fn closes_empty_list(&mut self) -> bool {
        let group = self.group();
        let is_list = matches!(group.kind, Kind::All | Kind::Any);
        let is_empty = group.listed.is_empty()
            && group.alternatives.is_empty()
            && group.operands.is_empty()
            && group.nots == 0;
        is_list && is_empty && self.take(")")
    }

    /// What stands after an operand that is not the last of its group.
    fn operator(&mut self) -> Result<()> {
        let is_list = matches!(self.group().kind, Kind::All | Kind::Any);
        if self.take_word("and") {
            Ok(())
        } else if self.take_word("or") {
            self.end_conjunction();
            Ok(())
        } else if is_list && self.take(",") {
            self.end_listed();
            Ok(())
        } else {
            let expected = match self.group().kind {
                Kind::Whole => "and, or, or the end",
                Kind::Parentheses => "and, or, or )",
                Kind::All | Kind::Any => "and, or, a comma or )",
            };
            Err(self.expected(expected))
        }
    }

    /// Notes an operand, below the `not` that stand before it.
    fn end_operand(&mut self, mut operand: u16) {
        for _ in 0..core::mem::take(&mut self.group().nots) {
            operand = self.push(Node::Not(operand));
        }
        self.group().operands.push(operand);
    }

    fn end_conjunction(&mut self) {
        let operands = core::mem::take(&mut self.group().operands);
        let conjunction = match operands[..] {
            [operand] => operand,
            _ => self.push(Node::And(operands)),
        };
        self.group().alternatives.push(conjunction);
    }

    fn end_listed(&mut self) {
        self.end_conjunction();
        let alternatives = core::mem::take(&mut self.group().alternatives);
        let expression = match alternatives[..] {
            [alternative] => alternative,
            _ => self.push(Node::Or(alternatives)),
        };
        self.group().listed.push(expression);
    }

    /// Takes off the innermost group, whose expressions have ended; gives what it is.
    fn close(&mut self) -> Result<u16> {
        let Some(group) = self.groups.pop() else { return Err(self.expected("the end")) };
        match group.kind {
            Kind::All => Ok(self.push(Node::And(group.listed))),
            Kind::Any => Ok(self.push(Node::Or(group.listed))),
            // These hold one expression: there are no commas in them.
            Kind::Whole | Kind::Parentheses => Ok(group.listed[0]),
        }
    }

    fn end_of_text(&mut self) -> Result<u16> {
        if self.group().kind != Kind::Whole {
            return Err(self.expected("), which closes what is open"));
        }
        self.end_listed();
        self.close()
    }
}

/// What a clause is about.
enum Subject {
    Tag(TagKey),
    Metadata(String),
}

impl Parser<'_> {
    fn clause(&mut self) -> Result<Clause> {
        let subject = self.subject()?;
        self.skip_space();
        match subject {
            Subject::Tag(key) => self.tag_clause(key),
            Subject::Metadata(key) => self.metadata_clause(key),
        }
    }

    fn subject(&mut self) -> Result<Subject> {
        let start = self.at;
        let word = self.peek_word();
        let Some((first, name)) = word.split_once('.') else {
            let hint = match self.rest().chars().next() {
                Some('!') => "not instead of !",
                Some('&' | '|') => "and or or instead of && and ||, and an operand before it",
                _ => OPERAND,
            };
            return Err(self.expected(hint));
        };
        let axis = Axis::from_name(first);
        if axis.is_none() && first != META {
            return Err(
                self.expected("a key that starts with hardware., software., devices., dataforts. or meta.")
            );
        }
        self.at += first.len() + 1;
        let name = if name.is_empty() && self.rest().starts_with('"') {
            self.quoted()?
        } else if name.is_empty() {
            return Err(self.expected(format!("a name after {first}., such as {}", example(first))));
        } else {
            self.at = start + word.len();
            name.into()
        };
        Ok(axis.map_or(Subject::Metadata(name.clone()), |axis| Subject::Tag(TagKey::new(axis, name))))
    }

    fn tag_clause(&mut self, key: TagKey) -> Result<Clause> {
        if self.take(">=") {
            return Ok(match self.bound()? {
                Bound::Number(threshold) => Clause::NumericAtLeast { key, threshold },
                Bound::Version(version) => Clause::SemverAtLeast { key, version },
            });
        }
        if self.take("<=") {
            return Ok(match self.bound()? {
                Bound::Number(threshold) => Clause::NumericAtMost { key, threshold },
                Bound::Version(version) => Clause::SemverAtMost { key, version },
            });
        }
        if self.take("~=") {
            self.skip_space();
            let expected = "a version such as 3.10, which the one wanted is compatible with";
            let version = self.version(false)?.ok_or_else(|| self.expected(expected))?;
            return Ok(Clause::SemverCompatible { key, version });
        }
        if self.take_equals()? {
            return Ok(Clause::Equals { key, value: self.value()? });
        }
        if self.take_word("starts_with") {
            return Ok(Clause::StringPrefix { key, prefix: self.value()? });
        }
        if self.take_word("contains") {
            return Ok(Clause::StringMatches { key, pattern: self.value()? });
        }
        if self.take_word("in") {
            let min = self.number("a range of numbers, such as 16..64")?;
            self.skip_space();
            if !self.take("..") {
                return Err(self.expected(".. and the other end of the range"));
            }
            return Ok(Clause::NumericInRange { key, min, max: self.number("the other end of the range")? });
        }
        self.no_operator()?;
        Ok(Clause::Exists { key })
    }

    fn metadata_clause(&mut self, key: String) -> Result<Clause> {
        if self.take(">=") {
            let threshold = self.number("a number: metadata is compared with numbers only")?;
            return Ok(Clause::MetadataNumericAtLeast { key, threshold });
        }
        if self.take_equals()? {
            return Ok(Clause::MetadataEquals { key, value: self.value()? });
        }
        if self.take_word("contains") {
            return Ok(Clause::MetadataMatches { key, pattern: self.value()? });
        }
        let other = ["in", "starts_with"].contains(&self.peek_word());
        if other || self.rest().starts_with("<=") || self.rest().starts_with("~=") {
            return Err(self.expected("=, contains or >=, the operators that metadata has"));
        }
        self.no_operator()?;
        Ok(Clause::MetadataExists { key })
    }

    /// Refuses what looks like an operator and is none.
    fn no_operator(&self) -> Result<()> {
        match self.rest().chars().next() {
            Some('<' | '>') => Err(self.expected(">= or <=, bounds are always included")),
            Some('!') => Err(self.expected("not before the key, instead of ! or !=")),
            Some('~') => Err(self.expected("~= and a version")),
            Some('&' | '|') => Err(self.expected("and or or, instead of && and ||")),
            Some(':') => Err(self.expected("= and a text, instead of a colon")),
            _ => Ok(()),
        }
    }

    fn take_equals(&mut self) -> Result<bool> {
        if self.rest().starts_with("==") {
            return Err(self.expected("one = alone"));
        }
        Ok(self.take("="))
    }

    /// A text, in quotes or a word that can do without.
    fn value(&mut self) -> Result<String> {
        self.skip_space();
        if self.rest().starts_with('"') {
            return self.quoted();
        }
        let word = self.peek_word();
        let first = word.chars().next();
        if first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') && !RESERVED.contains(&word) {
            self.at += word.len();
            return Ok(word.into());
        }
        if first.is_some() {
            return Err(self.expected(format!("a text: \"{word}\", with quotes")));
        }
        Err(self.expected("a text in double quotes"))
    }

    /// A JSON string.
    fn quoted(&mut self) -> Result<String> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else {
            return Err(self.expected_at(self.text.len(), "a closing \""));
        };
        let text = serde_json::from_str(&rest[..=end])
            .map_err(|_| self.expected("a text with escapes as in JSON: \\\" \\\\ \\n \\u00e4"))?;
        self.at += end + 1;
        Ok(text)
    }

    /// A number within the range of a double.
    fn number(&mut self, expected: &str) -> Result<f64> {
        self.skip_space();
        let rest = self.rest();
        let digits = |from: usize| from + rest[from..].bytes().take_while(u8::is_ascii_digit).count();
        let whole = usize::from(rest.starts_with(['+', '-']));
        let mut end = digits(whole);
        if end == whole {
            return Err(self.expected(expected));
        }
        // A point belongs to the number only with a digit behind it: 16..64 are two.
        if rest[end..].starts_with('.') && digits(end + 1) > end + 1 {
            end = digits(end + 1);
        }
        if rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
            let exponent = end + 1 + sign;
            end = if digits(exponent) > exponent { digits(exponent) } else { end };
        }
        let number = number::parse(&rest[..end]).filter(|number| number.is_finite());
        let number = number.ok_or_else(|| self.expected("a number within the range of a double"))?;
        let glued = |c: char| is_bare(c) && !rest[end..].starts_with("..");
        if rest[end..].starts_with(glued) {
            self.at += end;
            return Err(
                self.expected("the end of the number; a version is written with a v, a text in quotes")
            );
        }
        self.at += end;
        Ok(number)
    }

    /// A version, if one is next.
    fn version(&mut self, marked: bool) -> Result<Option<VersionBound>> {
        let rest = self.rest();
        let (bare, with_v) = match rest.strip_prefix('v') {
            Some(bare) => (bare, true),
            None => (rest, false),
        };
        if with_v && bare.starts_with('"') {
            self.at += 1;
            return Ok(Some(self.quoted()?.into()));
        }
        if !bare.starts_with(|c: char| c.is_ascii_digit()) || marked && !with_v {
            return Ok(None);
        }
        let length = bare.find(|c| !is_version(c)).unwrap_or(bare.len());
        self.at += usize::from(with_v) + length;
        Ok(Some(bare[..length].into()))
    }

    fn bound(&mut self) -> Result<Bound> {
        self.skip_space();
        match self.version(true)? {
            Some(version) => Ok(Bound::Version(version)),
            None => self.number("a number such as 64, or a version such as v1.2.0").map(Bound::Number),
        }
    }
}

enum Bound {
    Number(f64),
    Version(VersionBound),
}

/// A key for people who wrote only its beginning.
fn example(start: &str) -> &'static str {
    match start {
        "hardware" => "hardware.memory_gb",
        "software" => "software.os",
        "devices" => "devices.camera",
        "dataforts" => "dataforts.orders",
        _ => "meta.owner",
    }
}
