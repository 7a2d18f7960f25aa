use std::borrow::ToOwned;
use std::vec;

use super::*;

fn set() -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in [
        "batch",
        "hardware.gpu",
        "hardware.gpu.vendor=nvidia",
        "hardware.gpu.vram_gb=24",
        "hardware.memory_gb:64.5",
        "software.model.0.id=llama3:70b",
        "software.model.0.context_length=8192",
        "software.model.0.modalities=text,code",
        "software.model.1.id=whisper",
        "software.model.1.modalities=audio",
        "software.model.x.id=ghost",
        "software.tool.0.tool_id=calc",
        "software.tool.0.name=Calculator",
    ] {
        set.insert_tag(tag).unwrap();
    }
    set
}

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|item| (*item).to_owned()).collect()
}

#[test]
fn nothing_asked_is_nothing_missing() {
    assert!(Filter::default().matches(&CapabilitySet::new()));
    assert!(!Filter { require_gpu: true, ..Filter::default() }.matches(&CapabilitySet::new()));
}

#[test]
fn tags_must_all_be_there() {
    let matches = |tags: &[&str]| Filter { require_tags: list(tags), ..Filter::default() }.matches(&set());
    assert!(matches(&["batch", "hardware.gpu.vendor:nvidia"]));
    assert!(!matches(&["batch", "online"]));
    assert!(!matches(&["hardware.memory_gb"]));
}

#[test]
fn one_model_or_tool_is_enough() {
    let models = |ids: &[&str]| Filter { require_models: list(ids), ..Filter::default() }.matches(&set());
    assert!(models(&["gpt", "llama3:70b"]) && !models(&["gpt"]) && !models(&["ghost"]));
    let tools = |ids: &[&str]| Filter { require_tools: list(ids), ..Filter::default() }.matches(&set());
    assert!(tools(&["calc"]) && !tools(&["Calculator"]));
}

#[test]
fn thresholds_are_inclusive() {
    let memory = |min| Filter { min_memory_gb: Some(min), ..Filter::default() }.matches(&set());
    assert!(memory(64) && !memory(65));
    let vram = |min| Filter { min_vram_gb: Some(min), ..Filter::default() }.matches(&set());
    assert!(vram(24) && !vram(25));
    let context = |min| Filter { min_context_length: Some(min), ..Filter::default() }.matches(&set());
    assert!(context(8_192) && !context(8_193));
}

#[test]
fn each_modality_is_understood_by_some_model() {
    let matches = |items: &[&str]| Filter { modalities: list(items), ..Filter::default() }.matches(&set());
    assert!(matches(&["code", "audio"]) && !matches(&["code", "video"]) && !matches(&["text,code"]));
}

#[test]
fn all_that_is_asked_must_hold() {
    let filter = Filter {
        require_tags: vec!["batch".to_owned()],
        require_gpu: true,
        gpu_vendor: Some(GpuVendor::Nvidia),
        min_memory_gb: Some(1),
        ..Filter::default()
    };
    assert!(filter.matches(&set()));
    assert!(!Filter { gpu_vendor: Some(GpuVendor::Amd), ..filter }.matches(&set()));
}
