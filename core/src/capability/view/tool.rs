//! The tools that a node offers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Lowering, list_entries};
use crate::capability::schema::TOOL_METADATA_PREFIX;
use crate::capability::set::{CapabilitySet, SetError};
use crate::capability::tag::Axis;

const INPUT: &str = "::input_schema";
const OUTPUT: &str = "::output_schema";

/// A tool that a node offers. Its schemas are metadata, since tags are short.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::capability::view::Tool;
///
/// let tool = Tool { id: "calc".into(), input_schema: Some("{}".into()), ..Tool::default() };
/// let mut set = CapabilitySet::new();
/// Tool::write_all(&[tool.clone()], &mut set).unwrap();
/// assert_eq!(set.metadata()["tool::calc::input_schema"], "{}");
/// assert_eq!(Tool::all_of(&set), [tool]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tool {
    /// What callers ask for; not empty.
    pub id: String,
    /// What people call it.
    pub name: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// What it needs to work.
    pub requires: Vec<String>,
    /// How long it usually takes, in milliseconds.
    pub estimated_time_ms: Option<u64>,
    /// Whether calls of it do not depend on each other.
    pub stateless: Option<bool>,
    /// JSON schema of what it takes.
    pub input_schema: Option<String>,
    /// JSON schema of what it gives.
    pub output_schema: Option<String>,
}

impl Tool {
    /// The tools that a set says, in the order of their indices. Entries without an id are none.
    pub fn all_of(set: &CapabilitySet) -> Vec<Self> {
        let entries = list_entries(set, "tool.");
        let tools = entries.iter().filter_map(|entry| {
            let id = entry.text("tool_id")?;
            let schema = |which| set.metadata().get(&schema_key(&id, which)).cloned();
            Some(Self {
                name: entry.text("name"),
                version: entry.text("version"),
                requires: entry.items("requires"),
                estimated_time_ms: entry.number("estimated_time_ms"),
                stateless: entry.flag("stateless"),
                input_schema: schema(INPUT),
                output_schema: schema(OUTPUT),
                id,
            })
        });
        tools.collect()
    }

    /// Puts these tools in the place of all that the set says about tools, numbered from 0.
    pub fn write_all(tools: &[Self], set: &mut CapabilitySet) -> Result<(), SetError> {
        let mut lowering = Lowering::new(set, |axis, key| axis == Axis::Software && key.starts_with("tool."));
        let is_schema = |key: &&String| {
            key.starts_with(TOOL_METADATA_PREFIX) && (key.ends_with(INPUT) || key.ends_with(OUTPUT))
        };
        let schemas: Vec<String> = lowering.set.metadata().keys().filter(is_schema).cloned().collect();
        for key in schemas {
            lowering.set.remove_metadata(&key);
        }
        for (index, tool) in tools.iter().enumerate() {
            let key = |field: &str| format!("software.tool.{index}.{field}");
            lowering.text(&key("tool_id"), Some(&tool.id))?;
            lowering.text(&key("name"), tool.name.as_deref())?;
            lowering.text(&key("version"), tool.version.as_deref())?;
            lowering.items(&key("requires"), &tool.requires)?;
            lowering.number(&key("estimated_time_ms"), tool.estimated_time_ms)?;
            lowering.flag(&key("stateless"), tool.stateless)?;
            for (which, schema) in [(INPUT, &tool.input_schema), (OUTPUT, &tool.output_schema)] {
                if let Some(schema) = schema {
                    lowering.set.insert_metadata(&schema_key(&tool.id, which), schema)?;
                }
            }
        }
        lowering.finish();
        Ok(())
    }
}

fn schema_key(id: &str, which: &str) -> String {
    [TOOL_METADATA_PREFIX, id, which].concat()
}
