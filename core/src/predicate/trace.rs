//! Why a predicate came out as it did.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::error::within;
use super::label::Label;
use super::walk::{Event, walk};
use super::{Facts, Predicate, PredicateError};
use crate::json_text::JsonText;

/// Longest JSON of a trace in bytes.
///
/// A form within its limit whose nodes have one parent each needs less than a quarter of this. One long clause with a
/// thousand parents would need much more.
pub const TRACE_JSON_LEN_MAX: usize = 64 * 1_024;

/// What was evaluated, in this order, and how it came out. What a short circuit skipped is not there.
///
/// A node with several parents is shown below each of them that asked for it, but evaluated only for the first: there it
/// has its children, later it has none. So there are no more entries than references in the predicate, and one for the
/// root.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::predicate::Predicate;
///
/// let predicate: Predicate = "hardware.memory_gb >= 64 and hardware.gpu".parse().unwrap();
/// let trace = predicate.trace(&CapabilitySet::new().with_tag("hardware.memory_gb=128").unwrap());
/// assert_eq!(trace.to_json().unwrap(), r#"{"label":"And(2 clauses)","result":false,"children":[{"label":"Exists(hardware.gpu)","result":false,"children":[]}]}"#);
/// assert_eq!(trace.root().children().next().unwrap().label(), "Exists(hardware.gpu)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClauseTrace {
    /// Each entry before its children.
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    label: Label,
    result: bool,
    /// Place behind the last entry below this one.
    end: usize,
}

/// One entry of a trace.
#[derive(Clone, Copy, Debug)]
pub struct TraceEntry<'a> {
    trace: &'a ClauseTrace,
    index: usize,
}

impl ClauseTrace {
    pub(super) fn of(predicate: &Predicate, facts: &impl Facts) -> Self {
        let mut labels: Vec<Option<Label>> = vec![None; predicate.nodes.len()];
        let mut entries: Vec<Entry> = Vec::new();
        let mut open = Vec::new();
        let mut label =
            |node: usize| labels[node].get_or_insert_with(|| Label::of(&predicate.nodes[node])).clone();
        walk(
            predicate,
            |clause| clause.holds(facts),
            |event| match event {
                Event::Enter(node) => {
                    open.push(entries.len());
                    entries.push(Entry { label: label(node), result: false, end: 0 });
                }
                Event::Leave(_, result) => {
                    let end = entries.len();
                    if let Some(index) = open.pop() {
                        (entries[index].result, entries[index].end) = (result, end);
                    }
                }
                Event::Again(node, result) => {
                    let end = entries.len() + 1;
                    entries.push(Entry { label: label(node), result, end });
                }
            },
        );
        Self { entries }
    }

    /// How the predicate came out.
    pub fn result(&self) -> bool {
        self.root().result()
    }

    /// The entry of the root.
    pub fn root(&self) -> TraceEntry<'_> {
        TraceEntry { trace: self, index: 0 }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Never: there is always a root.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The trace without the values of these metadata keys, as [`DebugReport::redacted`](super::DebugReport::redacted).
    #[must_use]
    pub fn redacted(&self, keys: &[&str]) -> Self {
        let redact = |entry: &Entry| Entry { label: entry.label.redacted(keys), ..*entry };
        Self { entries: self.entries.iter().map(redact).collect() }
    }

    /// The trace as compact JSON, `{"label":..,"result":..,"children":[..]}`, of at most [`TRACE_JSON_LEN_MAX`] bytes.
    pub fn to_json(&self) -> Result<String, PredicateError> {
        let mut json = JsonText::default();
        // Where the entries end that are open.
        let mut ends: Vec<usize> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            while ends.pop_if(|end| *end <= index).is_some() {
                json.close(']').close('}');
            }
            json.open('{').field("label", &entry.label.text).name("result").bool(entry.result);
            json.name("children").open('[');
            ends.push(entry.end);
            within("bytes of JSON in a trace", json.len(), TRACE_JSON_LEN_MAX)?;
        }
        for _ in ends {
            json.close(']').close('}');
        }
        within("bytes of JSON in a trace", json.len(), TRACE_JSON_LEN_MAX)?;
        Ok(json.into_text())
    }
}

impl<'a> TraceEntry<'a> {
    /// What was evaluated.
    pub fn label(self) -> &'a str {
        &self.trace.entries[self.index].label.text
    }

    /// How it came out.
    pub fn result(self) -> bool {
        self.trace.entries[self.index].result
    }

    /// What was evaluated for it, in this order.
    pub fn children(self) -> impl Iterator<Item = TraceEntry<'a>> {
        let end = self.trace.entries[self.index].end;
        let mut next = self.index + 1;
        core::iter::from_fn(move || {
            let index = (next < end).then_some(next)?;
            next = self.trace.entries[index].end;
            Some(TraceEntry { trace: self.trace, index })
        })
    }
}
