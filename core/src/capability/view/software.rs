//! The software of a node, without its models and tools.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use super::{Lowering, text};
use crate::capability::set::{CapabilitySet, SetError};
use crate::capability::tag::{Axis, Tag, TagError};

const AXIS: Axis = Axis::Software;
const SINGLE: [&str; 3] = ["os", "os_version", "cuda_version"];
const RUNTIME: &str = "runtime.";
const FRAMEWORK: &str = "framework.";
const DRIVER: &str = "driver.";

/// Operating system, runtimes, frameworks and drivers, each with its version.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::capability::view::Software;
///
/// let set = CapabilitySet::from_json(r#"{"tags": ["software.os=linux", "software.runtime.python=3.11.5"]}"#).unwrap();
/// let software = Software::of(&set);
/// assert_eq!(software.os.as_deref(), Some("linux"));
/// assert_eq!(software.runtimes["python"], "3.11.5");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Software {
    /// The operating system.
    pub os: Option<String>,
    /// Its version.
    pub os_version: Option<String>,
    /// The version of CUDA.
    pub cuda_version: Option<String>,
    /// Versions of language runtimes by name.
    pub runtimes: BTreeMap<String, String>,
    /// Versions of frameworks by name.
    pub frameworks: BTreeMap<String, String>,
    /// Versions of drivers by name.
    pub drivers: BTreeMap<String, String>,
}

impl Software {
    /// What the tags of a set say.
    pub fn of(set: &CapabilitySet) -> Self {
        Self {
            os: text(set, AXIS, "os"),
            os_version: text(set, AXIS, "os_version"),
            cuda_version: text(set, AXIS, "cuda_version"),
            runtimes: named(set, RUNTIME),
            frameworks: named(set, FRAMEWORK),
            drivers: named(set, DRIVER),
        }
    }

    /// Puts the view in the place of all that the set says about these keys. A name has neither `=` nor `:`.
    pub fn write_to(&self, set: &mut CapabilitySet) -> Result<(), SetError> {
        let named = [(RUNTIME, &self.runtimes), (FRAMEWORK, &self.frameworks), (DRIVER, &self.drivers)];
        let mut lowering = Lowering::new(set, |axis, key| {
            axis == AXIS && (SINGLE.contains(&key) || named.iter().any(|(prefix, _)| key.starts_with(prefix)))
        });
        lowering.text("software.os", self.os.as_deref())?;
        lowering.text("software.os_version", self.os_version.as_deref())?;
        lowering.text("software.cuda_version", self.cuda_version.as_deref())?;
        for (prefix, versions) in named {
            for (name, version) in versions {
                let key = format!("software.{prefix}{name}");
                let at = key.len() - name.len();
                let error = match name.find(['=', ':']) {
                    _ if name.is_empty() => Some(TagError::NoKey(at)),
                    Some(separator) => Some(TagError::ValueInKey(at + separator)),
                    None => None,
                };
                if let Some(error) = error {
                    return Err(SetError::Tag { tag: key, error });
                }
                lowering.text(&key, Some(version))?;
            }
        }
        lowering.finish();
        Ok(())
    }
}

/// What follows a prefix, and the version that it has.
fn named(set: &CapabilitySet, prefix: &str) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for tag in set.parsed() {
        let Tag::Value { axis: AXIS, key, value } = tag else { continue };
        if let Some(name) = key.strip_prefix(prefix).filter(|name| !name.is_empty() && !value.is_empty()) {
            versions.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    versions
}
