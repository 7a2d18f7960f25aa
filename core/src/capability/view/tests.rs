use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;
use crate::capability::validate;

fn set(tags: &[&str]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    set
}

#[test]
fn any_tag_about_the_gpu_says_that_there_is_one() {
    assert_eq!(Hardware::of(&set(&["hardware.memory_gb=1"])).gpu, None);
    assert_eq!(Hardware::of(&set(&["hardware.gpu"])).gpu, Some(Gpu::default()));
    let gpu = Hardware::of(&set(&["hardware.gpu.vendor=3dfx"])).gpu.unwrap();
    assert_eq!(gpu.vendor, Some(GpuVendor::Unknown));
}

#[test]
fn tags_that_make_no_sense_are_passed_over() {
    let set = set(&["hardware.cpu_cores=12", "hardware.cpu_cores=8x", "hardware.cpu_cores", "software.os="]);
    assert_eq!(Hardware::of(&set).cpu_cores, Some(12));
    assert_eq!(Software::of(&set).os, None);
}

#[test]
fn writing_replaces_the_known_and_keeps_the_rest() {
    let mut set = set(&[
        "batch",
        "hardware.cpu_cores=8",
        "hardware.wheels=4",
        "scope:tenant:a",
        "software.model.7.id=old",
        "software.model.7.extra=1",
        "software.os=linux",
    ]);
    Hardware { memory_gb: Some(1), ..Hardware::default() }.write_to(&mut set).unwrap();
    Model::write_all(&[], &mut set).unwrap();
    let tags: Vec<&str> = set.tags().iter().map(String::as_str).collect();
    assert_eq!(
        tags,
        ["batch", "hardware.memory_gb=1", "hardware.wheels=4", "scope:tenant:a", "software.os=linux"]
    );
}

#[test]
fn models_are_in_the_order_of_their_numbers() {
    let tags = [
        "software.model.10.id=c",
        "software.model.9.id=b",
        "software.model.0.id=a",
        "software.model.1.loaded=true",
    ];
    let ids: Vec<String> = Model::all_of(&set(&tags)).into_iter().map(|model| model.id).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}

#[test]
fn tools_take_their_schemas_with_them() {
    let tool = Tool { id: "a".into(), output_schema: Some("{}".into()), ..Tool::default() };
    let mut set = CapabilitySet::new();
    set.insert_metadata("tool::a::note", "stays").unwrap();
    Tool::write_all(&[tool], &mut set).unwrap();
    assert_eq!(set.metadata().len(), 2);
    Tool::write_all(&[], &mut set).unwrap();
    assert_eq!(set.metadata().keys().collect::<Vec<_>>(), ["tool::a::note"]);
}

#[test]
fn what_cannot_be_a_tag_changes_nothing() {
    let mut set = set(&["software.os=linux"]);
    let before = set.clone();
    let named = |name: &str| BTreeMap::from([(name.to_string(), "1".to_string())]);
    let software = Software { runtimes: named("a=b"), ..Software::default() };
    let error = software.write_to(&mut set).unwrap_err();
    assert_eq!(error, SetError::Tag { tag: "software.runtime.a=b".into(), error: TagError::ValueInKey(18) });
    assert!(Software { drivers: named(""), ..Software::default() }.write_to(&mut set).is_err());
    assert!(Software { os: Some(String::new()), ..Software::default() }.write_to(&mut set).is_err());
    assert!(Model::write_all(&[Model::default()], &mut set).is_err());
    let comma = Model { id: "a".into(), modalities: vec!["text,code".into()], ..Model::default() };
    assert!(Model::write_all(&[comma], &mut set).is_err());
    assert_eq!(set, before);
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9._ -]{1,12}"
}

fn value() -> impl Strategy<Value = Option<String>> {
    prop::option::of("[a-z0-9=:., ]{1,12}")
}

fn hardware() -> impl Strategy<Value = Hardware> {
    let vendor = prop::option::of(prop::sample::select(GpuVendor::ALL.to_vec()));
    let number = || prop::option::of(any::<u64>());
    let gpu = (vendor, value(), number(), number(), number(), number()).prop_map(
        |(vendor, model, vram_gb, compute_units, tensor_cores, fp16_tflops_x10)| Gpu {
            vendor,
            model,
            vram_gb,
            compute_units,
            tensor_cores,
            fp16_tflops_x10,
        },
    );
    let limits = (number(), number(), number(), number(), number(), number()).prop_map(
        |(
            max_concurrent_requests,
            max_tokens_per_request,
            rate_limit_rpm,
            max_batch_size,
            max_input_bytes,
            max_output_bytes,
        )| {
            RequestLimits {
                max_concurrent_requests,
                max_tokens_per_request,
                rate_limit_rpm,
                max_batch_size,
                max_input_bytes,
                max_output_bytes,
            }
        },
    );
    (number(), number(), number(), prop::option::of(gpu), number(), number(), limits).prop_map(
        |(cpu_cores, cpu_threads, memory_gb, gpu, storage_gb, network_gbps, limits)| Hardware {
            cpu_cores,
            cpu_threads,
            memory_gb,
            gpu,
            storage_gb,
            network_gbps,
            limits,
        },
    )
}

fn software() -> impl Strategy<Value = Software> {
    let versions = || prop::collection::btree_map(word(), "[a-z0-9=:.]{1,8}", 0..4);
    (value(), value(), value(), versions(), versions(), versions()).prop_map(
        |(os, os_version, cuda_version, runtimes, frameworks, drivers)| Software {
            os,
            os_version,
            cuda_version,
            runtimes,
            frameworks,
            drivers,
        },
    )
}

fn model() -> impl Strategy<Value = Model> {
    let number = || prop::option::of(any::<u64>());
    let items = prop::collection::vec("[a-z=:]{1,6}", 0..4);
    (word(), value(), number(), number(), value(), items, number(), any::<Option<bool>>()).prop_map(
        |(id, family, parameters_b_x10, context_length, quantization, modalities, tokens_per_sec, loaded)| {
            Model {
                id,
                family,
                parameters_b_x10,
                context_length,
                quantization,
                modalities,
                tokens_per_sec,
                loaded,
            }
        },
    )
}

proptest! {
    #[test]
    fn views_come_back_from_the_tags_that_they_became(
        hardware in hardware(), software in software(), models in prop::collection::vec(model(), 0..4)
    ) {
        let mut set = set(&["software.tool.0.name=not a tool"]);
        for _ in 0..2 {
            hardware.write_to(&mut set).unwrap();
            software.write_to(&mut set).unwrap();
            Model::write_all(&models, &mut set).unwrap();
        }
        prop_assert_eq!(Hardware::of(&set), hardware);
        prop_assert_eq!(Software::of(&set), software);
        prop_assert_eq!(Model::all_of(&set), models);
        prop_assert!(validate(&set).is_clean());
    }
}
