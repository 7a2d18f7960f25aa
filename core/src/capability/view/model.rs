//! The models that a node serves.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Lowering, list_entries};
use crate::capability::set::{CapabilitySet, SetError};
use crate::capability::tag::Axis;

/// A model that a node has.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::capability::view::Model;
///
/// let model = Model { id: "llama-3.1-70b".into(), modalities: vec!["text".into(), "code".into()], ..Model::default() };
/// let mut set = CapabilitySet::new();
/// Model::write_all(&[model.clone()], &mut set).unwrap();
/// assert!(set.has_tag("software.model.0.modalities=text,code"));
/// assert_eq!(Model::all_of(&set), [model]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// What callers ask for; not empty.
    pub id: String,
    /// The family that it belongs to.
    pub family: Option<String>,
    /// Parameters in tenths of a billion.
    pub parameters_b_x10: Option<u64>,
    /// Longest context in tokens.
    pub context_length: Option<u64>,
    /// How its weights are stored.
    pub quantization: Option<String>,
    /// What it understands, such as `text` or `audio`.
    pub modalities: Vec<String>,
    /// Tokens a second.
    pub tokens_per_sec: Option<u64>,
    /// Whether it is in memory now.
    pub loaded: Option<bool>,
}

impl Model {
    /// The models that the tags of a set say, in the order of their indices. Entries without an id are none.
    pub fn all_of(set: &CapabilitySet) -> Vec<Self> {
        let entries = list_entries(set, "model.");
        let models = entries.iter().filter_map(|entry| {
            Some(Self {
                id: entry.text("id")?,
                family: entry.text("family"),
                parameters_b_x10: entry.number("parameters_b_x10"),
                context_length: entry.number("context_length"),
                quantization: entry.text("quantization"),
                modalities: entry.items("modalities"),
                tokens_per_sec: entry.number("tokens_per_sec"),
                loaded: entry.flag("loaded"),
            })
        });
        models.collect()
    }

    /// Puts these models in the place of all that the set says about models, numbered from 0.
    pub fn write_all(models: &[Self], set: &mut CapabilitySet) -> Result<(), SetError> {
        let mut lowering =
            Lowering::new(set, |axis, key| axis == Axis::Software && key.starts_with("model."));
        for (index, model) in models.iter().enumerate() {
            let key = |field: &str| format!("software.model.{index}.{field}");
            lowering.text(&key("id"), Some(&model.id))?;
            lowering.text(&key("family"), model.family.as_deref())?;
            lowering.number(&key("parameters_b_x10"), model.parameters_b_x10)?;
            lowering.number(&key("context_length"), model.context_length)?;
            lowering.text(&key("quantization"), model.quantization.as_deref())?;
            lowering.items(&key("modalities"), &model.modalities)?;
            lowering.number(&key("tokens_per_sec"), model.tokens_per_sec)?;
            lowering.flag(&key("loaded"), model.loaded)?;
        }
        lowering.finish();
        Ok(())
    }
}
