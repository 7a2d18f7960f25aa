//! Queries, and what the index knows about them.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::condition::Condition;
use super::facts::{Kind, Range};
use super::{CapabilityIndex, SlotSet};
use crate::capability::filter::ListField;
use crate::capability::{Axis, Filter, ScopeQuery};

impl CapabilityIndex {
    /// The slots that have all of these tags; `=` and `:` before a value are the same.
    pub fn with_tags<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> SlotSet {
        self.slots().of_all(tags.into_iter().map(|tag| self.tag(tag)).collect())
    }

    /// The slots whose sets have all that the filter asks.
    pub fn query(&self, filter: &Filter) -> SlotSet {
        self.slots().of_all(self.conditions_of(filter))
    }

    /// The slots among these that a query of this kind may see. Whether a slot is in the subnet of the one who asks, or is not
    /// known to be in any (`None`), only the caller can tell.
    pub fn in_scope(
        &self,
        found: &SlotSet,
        scope: &ScopeQuery,
        same_subnet: impl Fn(u32) -> Option<bool>,
    ) -> SlotSet {
        let with_any = |kind: &str, names: &BTreeSet<String>| {
            let facts = names.iter().filter_map(|name| self.facts.of_tag(&format!("scope:{kind}:{name}")));
            let holders: Vec<&SlotSet> = facts.map(|fact| &self.facts.fact(fact).holders).collect();
            SlotSet::union(holders.into_iter(), self.held.len())
        };
        let hidden = match scope {
            ScopeQuery::SameSubnet => return found.filtered(|slot| same_subnet(slot).unwrap_or(true)),
            ScopeQuery::Any => SlotSet::new(),
            ScopeQuery::GlobalOnly => self.limited.clone(),
            ScopeQuery::Tenants(ids) => self.limited.without(&with_any("tenant", ids)),
            ScopeQuery::Regions(names) => self.limited.without(&with_any("region", names)),
        };
        found.without(&hidden).without(&self.subnet_local)
    }

    fn tag(&self, tag: &str) -> Condition<'_> {
        Condition::fact(&self.facts, self.facts.of_tag(tag))
    }

    /// What a filter asks, as conditions that say the same.
    pub(super) fn conditions_of(&self, filter: &Filter) -> Vec<Condition<'_>> {
        let hardware = |key: &str| self.facts.key_id(Kind::Axis(Axis::Hardware), key);
        let list = |field: ListField| self.facts.only_key(Kind::List(field));
        let at_least = |key: Option<u32>, min: u64| Condition::number(key, Range::at_least(min as f64));
        let item = |key: Option<u32>, text: &str| key.and_then(|key| self.facts.key(key).with_text(text));
        let any_item = |key: Option<u32>, texts: &[String]| {
            let facts = texts.iter().filter_map(|text| item(key, text));
            Condition::InAny(facts.map(|fact| &self.facts.fact(fact).holders).collect())
        };
        let mut conditions: Vec<Condition<'_>> =
            filter.require_tags.iter().map(|tag| self.tag(tag)).collect();
        if !filter.require_models.is_empty() {
            conditions.push(any_item(list(ListField::MODEL_ID), &filter.require_models));
        }
        if !filter.require_tools.is_empty() {
            conditions.push(any_item(list(ListField::TOOL_ID), &filter.require_tools));
        }
        if filter.require_gpu {
            conditions.push(Condition::key(&self.facts, hardware("gpu")));
        }
        if let Some(vendor) = filter.gpu_vendor {
            conditions.push(Condition::fact(&self.facts, item(hardware("gpu.vendor"), vendor.name())));
        }
        conditions.extend(filter.min_memory_gb.map(|min| at_least(hardware("memory_gb"), min)));
        conditions.extend(filter.min_vram_gb.map(|min| at_least(hardware("gpu.vram_gb"), min)));
        conditions
            .extend(filter.min_context_length.map(|min| at_least(list(ListField::CONTEXT_LENGTH), min)));
        let modalities = list(ListField::MODALITIES);
        let understood = filter.modalities.iter();
        conditions.extend(understood.map(|text| Condition::fact(&self.facts, item(modalities, text))));
        conditions
    }
}
