use std::format;
use std::string::ToString;

use proptest::prelude::*;

use super::*;

fn report(tags: &[&str], metadata: &[(&str, &str)]) -> String {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    for (key, value) in metadata {
        set.insert_metadata(key, value).unwrap();
    }
    validate(&set).to_json()
}

fn errors(tags: &[&str]) -> String {
    let report = report(tags, &[]);
    let errors = report.strip_prefix(r#"{"errors":["#).unwrap().strip_suffix(r#"],"warnings":[]}"#);
    errors.unwrap_or_else(|| panic!("there are warnings: {report}")).to_string()
}

fn warnings(tags: &[&str], metadata: &[(&str, &str)]) -> String {
    let report = report(tags, metadata);
    let warnings =
        report.strip_prefix(r#"{"errors":[],"warnings":["#).and_then(|rest| rest.strip_suffix("]}"));
    warnings.unwrap_or_else(|| panic!("there are errors: {report}")).to_string()
}

#[test]
fn what_follows_the_schema_is_clean() {
    let tags = [
        "hardware.cpu_cores=16",
        "hardware.gpu",
        "hardware.gpu.vendor:nvidia",
        "hardware.limits.max_batch_size=8",
        "software.os=linux",
        "software.runtime.python=3.11.5",
        "software.driver.nvidia=535.86.10",
        "software.model.0.id=llama",
        "software.model.0.modalities=text,code",
        "software.model.0.loaded=true",
        "software.tool.12.stateless=false",
    ];
    assert_eq!(report(&tags, &[("note", "x")]), r#"{"errors":[],"warnings":[]}"#);
}

#[test]
fn values_of_another_kind_are_errors() {
    let mismatch = |axis, key, expected, actual| {
        format!(
            r#"{{"kind":"type_mismatch","axis":"{axis}","key":"{key}","expected":"{expected}","actual":"{actual}"}}"#
        )
    };
    assert_eq!(errors(&["hardware.memory_gb=lots"]), mismatch("hardware", "memory_gb", "number", "lots"));
    assert_eq!(errors(&["hardware.memory_gb=-1"]), mismatch("hardware", "memory_gb", "number", "-1"));
    assert_eq!(errors(&["hardware.gpu=true"]), mismatch("hardware", "gpu", "presence", "true"));
    assert_eq!(errors(&["hardware.memory_gb"]), mismatch("hardware", "memory_gb", "number", "<no value>"));
    assert_eq!(errors(&["software.os"]), mismatch("software", "os", "string", "<no value>"));
    assert_eq!(errors(&["software.os="]), mismatch("software", "os", "string", ""));
    assert_eq!(errors(&["software.model.0.loaded=maybe"]), mismatch("software", "loaded", "bool", "maybe"));
    assert_eq!(
        errors(&["software.runtime.python"]),
        mismatch("software", "runtime.python", "string", "<no value>")
    );
}

#[test]
fn a_list_needs_an_index() {
    let bad = |index, tag| {
        format!(
            r#"{{"kind":"index_malformed","axis":"software","prefix":"model.","index":"{index}","tag":"{tag}"}}"#
        )
    };
    assert_eq!(errors(&["software.model.bogus.id=foo"]), bad("bogus", "software.model.bogus.id=foo"));
    assert_eq!(errors(&["software.model.-1.id:foo"]), bad("-1", "software.model.-1.id:foo"));
}

#[test]
fn what_is_not_known_is_a_warning() {
    let unknown = |axis, key| format!(r#"{{"kind":"unknown_key","axis":"{axis}","key":"{key}"}}"#);
    assert_eq!(warnings(&["hardware.wheels=4"], &[]), unknown("hardware", "wheels"));
    assert_eq!(warnings(&["devices.camera"], &[]), unknown("devices", "camera"));
    assert_eq!(
        warnings(&["software.model.0.extra_field=v"], &[]),
        unknown("software", "model.0.extra_field")
    );
    assert_eq!(warnings(&["batch"], &[]), r#"{"kind":"legacy_tag","tag":"batch"}"#);
}

#[test]
fn reserved_tags_are_not_looked_into() {
    let tags = ["scope:tenant:a", "causal:ff", "fork-of:1", "heat:hot", "dataforts:x"];
    assert_eq!(report(&tags, &[]), r#"{"errors":[],"warnings":[]}"#);
}

#[test]
fn metadata_of_the_mesh_is_pointed_out() {
    assert_eq!(
        warnings(&[], &[("intent", "x"), ("tool::calc::input_schema", "{}"), ("tool:x", "")]),
        concat!(
            r#"{"kind":"metadata_reserved_key","key":"intent"},"#,
            r#"{"kind":"metadata_reserved_prefix","key":"tool::calc::input_schema","prefix":"tool::"}"#
        )
    );
}

#[test]
fn much_metadata_is_a_warning_from_one_byte_over_the_cap() {
    assert_eq!(warnings(&[], &[("k", &"x".repeat(4_095))]), "");
    assert_eq!(
        warnings(&[], &[("k", &"x".repeat(4_096))]),
        r#"{"kind":"metadata_oversize","soft_cap_bytes":4096,"actual_bytes":4097}"#
    );
}

#[test]
fn lists_are_sorted_by_the_json_of_their_items() {
    let tags =
        ["hardware.wheels=4", "zoo", "hardware.gpu=1", "software.model.x.id=1", "hardware.cpu_cores=x"];
    let report = report(&tags, &[("owner", "a")]);
    let order =
        ["index_malformed", "cpu_cores", "presence", "legacy_tag", "metadata_reserved_key", "unknown_key"];
    let places: Vec<usize> = order.iter().map(|part| report.find(part).unwrap()).collect();
    assert!(places.is_sorted(), "{report}");
}

proptest! {
    #[test]
    fn reports_are_json_of_at_most_one_finding_a_tag(
        tags in prop::collection::btree_set("(hardware|software)\\.(gpu|model|os|tool\\.1|model\\.[0-9a])?[.=:a-z0-9\"]{0,8}", 0..9)
    ) {
        let mut set = CapabilitySet::new();
        for tag in &tags {
            set.insert_tag(tag).unwrap();
        }
        let report = validate(&set);
        prop_assert!(report.errors.len() + report.warnings.len() <= tags.len());
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        prop_assert_eq!(json["errors"].as_array().unwrap().len(), report.errors.len());
        prop_assert!(report.warnings.iter().map(Warning::to_json).is_sorted());
    }
}
