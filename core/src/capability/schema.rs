//! The keys that have a meaning everywhere, and what their values look like.
//!
//! Other keys are fine: a set may say more than this version knows.

use super::tag::Axis;

#[cfg(test)]
mod tests;

/// What a key wants after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Expected {
    /// Nothing: `axis.key`.
    Presence,
    /// A whole number from 0 to 2^64 - 1.
    Number,
    /// `true` or `false`.
    Bool,
    /// A text that is not empty. Names from a list and lists with commas are texts too.
    Text,
}

impl Expected {
    /// The name that reports use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Presence => "presence",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Text => "string",
        }
    }

    /// Whether this is what the key is followed by; `None` is no value.
    pub fn fits(self, value: Option<&str>) -> bool {
        match (self, value) {
            (Self::Presence, value) => value.is_none(),
            (_, None) => false,
            (Self::Number, Some(value)) => value.parse::<u64>().is_ok(),
            (Self::Bool, Some(value)) => matches!(value, "true" | "false"),
            (Self::Text, Some(value)) => !value.is_empty(),
        }
    }
}

/// What the schema says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known<'a> {
    /// It is known, and wants this. `field` names it in reports: the key, or its last part inside a numbered list.
    Key {
        /// What reports call it.
        field: &'a str,
        /// What follows it.
        expected: Expected,
    },
    /// It belongs to a numbered list, with something that is no index in the place of the index.
    BadIndex {
        /// The list, `model.` or `tool.`.
        prefix: &'static str,
        /// What stands where the index belongs.
        index: &'a str,
    },
    /// This version does not know it.
    Unknown,
}

const HARDWARE: [(&str, Expected); 18] = [
    ("cpu_cores", Expected::Number),
    ("cpu_threads", Expected::Number),
    ("memory_gb", Expected::Number),
    ("gpu", Expected::Presence),
    ("gpu.vendor", Expected::Text),
    ("gpu.model", Expected::Text),
    ("gpu.vram_gb", Expected::Number),
    ("gpu.compute_units", Expected::Number),
    ("gpu.tensor_cores", Expected::Number),
    ("gpu.fp16_tflops_x10", Expected::Number),
    ("storage_gb", Expected::Number),
    ("network_gbps", Expected::Number),
    ("limits.max_concurrent_requests", Expected::Number),
    ("limits.max_tokens_per_request", Expected::Number),
    ("limits.rate_limit_rpm", Expected::Number),
    ("limits.max_batch_size", Expected::Number),
    ("limits.max_input_bytes", Expected::Number),
    ("limits.max_output_bytes", Expected::Number),
];

const SOFTWARE: [(&str, Expected); 3] =
    [("os", Expected::Text), ("os_version", Expected::Text), ("cuda_version", Expected::Text)];

/// Prefixes of `software` under which any name has a text.
const NAMED: [&str; 3] = ["runtime.", "framework.", "driver."];

const MODEL: [(&str, Expected); 8] = [
    ("id", Expected::Text),
    ("family", Expected::Text),
    ("parameters_b_x10", Expected::Number),
    ("context_length", Expected::Number),
    ("quantization", Expected::Text),
    ("modalities", Expected::Text),
    ("tokens_per_sec", Expected::Number),
    ("loaded", Expected::Bool),
];

const TOOL: [(&str, Expected); 6] = [
    ("tool_id", Expected::Text),
    ("name", Expected::Text),
    ("version", Expected::Text),
    ("requires", Expected::Text),
    ("estimated_time_ms", Expected::Number),
    ("stateless", Expected::Bool),
];

/// Metadata keys that the mesh itself reads.
pub const RESERVED_METADATA: [&str; 5] =
    ["intent", "colocate-with", "colocate-with-strict", "priority", "owner"];

/// The prefix of metadata keys that belong to tools: `tool::<id>::input_schema`, `tool::<id>::output_schema`.
pub const TOOL_METADATA_PREFIX: &str = "tool::";

/// Looks a key up.
///
/// ```
/// use lacewing_core::capability::Axis;
/// use lacewing_core::capability::schema::{Expected, Known, lookup};
///
/// let loaded = Known::Key { field: "loaded", expected: Expected::Bool };
/// assert_eq!(lookup(Axis::Software, "model.0.loaded"), loaded);
/// assert_eq!(lookup(Axis::Software, "model.x.loaded"), Known::BadIndex { prefix: "model.", index: "x" });
/// assert_eq!(lookup(Axis::Hardware, "wheels"), Known::Unknown);
/// ```
pub fn lookup(axis: Axis, key: &str) -> Known<'_> {
    match axis {
        Axis::Hardware => known(&HARDWARE, key, key),
        Axis::Software => software(key),
        Axis::Devices | Axis::Dataforts => Known::Unknown,
    }
}

fn software(key: &str) -> Known<'_> {
    if NAMED.iter().any(|prefix| key.strip_prefix(prefix).is_some_and(|name| !name.is_empty())) {
        return Known::Key { field: key, expected: Expected::Text };
    }
    let lists: [(&str, &[(&str, Expected)]); 2] = [("model.", &MODEL), ("tool.", &TOOL)];
    for (prefix, fields) in lists {
        let Some((index, field)) = key.strip_prefix(prefix).and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        return match index.parse::<u32>() {
            Ok(_) => known(fields, field, field),
            Err(_) => Known::BadIndex { prefix, index },
        };
    }
    known(&SOFTWARE, key, key)
}

fn known<'a>(table: &[(&str, Expected)], key: &str, field: &'a str) -> Known<'a> {
    match table.iter().find(|(name, _)| *name == key) {
        Some((_, expected)) => Known::Key { field, expected: *expected },
        None => Known::Unknown,
    }
}
