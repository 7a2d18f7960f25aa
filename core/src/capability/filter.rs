//! What a query asks of a node, in the terms that most queries need. Predicates say the rest.

use alloc::string::String;
use alloc::vec::Vec;

use super::number;
use super::set::CapabilitySet;
use super::tag::Axis;
use super::view::GpuVendor;

#[cfg(test)]
mod tests;

/// What a node must have; all that is given must hold.
///
/// ```
/// use lacewing_core::capability::{CapabilitySet, Filter};
///
/// let set = CapabilitySet::from_json(r#"{"tags": ["hardware.gpu", "hardware.memory_gb=64"]}"#).unwrap();
/// let filter = Filter { require_gpu: true, min_memory_gb: Some(32), ..Filter::default() };
/// assert!(filter.matches(&set));
/// assert!(!Filter { min_memory_gb: Some(65), ..filter }.matches(&set));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Tags that must all be there; `=` and `:` before a value are the same.
    pub require_tags: Vec<String>,
    /// Ids of models of which one must be there. Empty: any node will do.
    pub require_models: Vec<String>,
    /// Ids of tools of which one must be there. Empty: any node will do.
    pub require_tools: Vec<String>,
    /// Least `hardware.memory_gb`.
    pub min_memory_gb: Option<u64>,
    /// Whether `hardware.gpu` must be there.
    pub require_gpu: bool,
    /// The maker of the GPU.
    pub gpu_vendor: Option<GpuVendor>,
    /// Least `hardware.gpu.vram_gb`.
    pub min_vram_gb: Option<u64>,
    /// Least context length that some model has.
    pub min_context_length: Option<u64>,
    /// What the models must understand: each by some model, not all by the same.
    pub modalities: Vec<String>,
}

impl Filter {
    /// Whether a set has all that is asked.
    pub fn matches(&self, set: &CapabilitySet) -> bool {
        let at_least = |key, min: Option<u64>| {
            min.is_none_or(|min| set.values(Axis::Hardware, key).flatten().any(|value| reaches(value, min)))
        };
        let vendor = |vendor: GpuVendor| {
            set.values(Axis::Hardware, "gpu.vendor").any(|value| value == Some(vendor.name()))
        };
        self.require_tags.iter().all(|tag| set.holds(tag))
            && (!self.require_gpu || set.values(Axis::Hardware, "gpu").next().is_some())
            && self.gpu_vendor.is_none_or(vendor)
            && at_least("memory_gb", self.min_memory_gb)
            && at_least("gpu.vram_gb", self.min_vram_gb)
            && self.matches_lists(set)
    }

    /// The part that is about models and tools.
    fn matches_lists(&self, set: &CapabilitySet) -> bool {
        let one_of = |field: ListField, ids: &[String]| {
            ids.is_empty() || field.values(set).any(|value| ids.iter().any(|id| id == value))
        };
        let understands = |modality: &String| {
            ListField::MODALITIES.values(set).any(|list| list.split(',').any(|item| item == modality))
        };
        one_of(ListField::MODEL_ID, &self.require_models)
            && one_of(ListField::TOOL_ID, &self.require_tools)
            && self
                .min_context_length
                .is_none_or(|min| ListField::CONTEXT_LENGTH.values(set).any(|value| reaches(value, min)))
            && self.modalities.iter().all(understands)
    }
}

/// Whether a value is a number that is not below `min`.
fn reaches(value: &str, min: u64) -> bool {
    number::parse(value).is_some_and(|number| number >= min as f64)
}

/// A field that the entries of a numbered list have: `software.<list>.<index>.<field>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListField {
    /// `model.` or `tool.`.
    list: &'static str,
    field: &'static str,
}

impl ListField {
    /// The ids of models.
    pub const MODEL_ID: Self = Self { list: "model.", field: "id" };
    /// The context lengths of models.
    pub const CONTEXT_LENGTH: Self = Self { list: "model.", field: "context_length" };
    /// The modalities of models, with commas between them.
    pub const MODALITIES: Self = Self { list: "model.", field: "modalities" };
    /// The ids of tools.
    pub const TOOL_ID: Self = Self { list: "tool.", field: "tool_id" };
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MODEL_ID, Self::CONTEXT_LENGTH, Self::MODALITIES, Self::TOOL_ID];

    /// Whether a key of the software axis is this field of some entry. The index must be one.
    pub fn is(self, key: &str) -> bool {
        let rest = key.strip_prefix(self.list).and_then(|rest| rest.strip_suffix(self.field));
        let index = rest.and_then(|rest| rest.strip_suffix('.'));
        index.is_some_and(|index| index.parse::<u32>().is_ok())
    }

    /// The values that the entries of a set have.
    pub fn values(self, set: &CapabilitySet) -> impl Iterator<Item = &str> {
        set.parsed().filter_map(move |tag| match tag {
            super::Tag::Value { axis: Axis::Software, key, value } if self.is(key) => Some(value),
            _ => None,
        })
    }
}
