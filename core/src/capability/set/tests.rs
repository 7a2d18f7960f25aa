use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;

fn set_of(tags: &[&str], metadata: &[(&str, &str)]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    for (key, value) in metadata {
        set.insert_metadata(key, value).unwrap();
    }
    set
}

fn encoded(set: &CapabilitySet) -> Vec<u8> {
    let mut out = Vec::new();
    set.encode(&mut out);
    out
}

fn refused(input: &[u8]) -> (WireErrorKind, usize) {
    let error = CapabilitySet::decode(input).unwrap_err();
    (error.kind, error.at)
}

#[test]
fn the_encoding_is_one_map_of_sorted_things() {
    let set = set_of(&["b", "a"], &[("zz", "1"), ("b", "2"), ("a", "3")]);
    let expected = b"\xa2\x01\x82\x61a\x61b\x02\xa3\x61a\x613\x61b\x612\x62zz\x611";
    assert_eq!(encoded(&set), expected);
}

#[test]
fn what_the_writer_would_not_write_is_refused() {
    assert_eq!(refused(b"\xa2\x01\x82\x61b\x61a\x02\xa0"), (WireErrorKind::KeyOrder, 5));
    assert_eq!(refused(b"\xa2\x01\x82\x61a\x61a\x02\xa0"), (WireErrorKind::KeyOrder, 5));
    assert_eq!(refused(b"\xa2\x01\x80\x02\xa2\x62aa\x60\x61b\x60"), (WireErrorKind::KeyOrder, 9));
    assert_eq!(refused(b"\xa2\x01\x81\x60\x02\xa0"), (WireErrorKind::Empty, 3));
    assert_eq!(refused(b"\xa2\x01\x81\x61\x07\x02\xa0"), (WireErrorKind::OutOfRange, 3));
    assert_eq!(refused(b"\xa2\x01\x80\x02\xa1\x60\x60"), (WireErrorKind::Empty, 5));
    assert_eq!(refused(b"\xa2\x01\x80\x02\xa1\x61\x7f\x60"), (WireErrorKind::OutOfRange, 5));
    assert_eq!(refused(b"\xa1\x01\x80"), (WireErrorKind::MissingField, 3));
    assert_eq!(refused(b"\xa2\x02\xa0\x01\x80"), (WireErrorKind::KeyOrder, 3));
    assert_eq!(refused(b"\xa2\x01\x80\x02\xa0\x00"), (WireErrorKind::TrailingBytes, 5));
    assert_eq!(refused(b"\xa2\x01\x99\x04\x01"), (WireErrorKind::OutOfRange, 2));
    assert_eq!(refused(&vec![0xa2; SET_LEN_MAX + 1]), (WireErrorKind::TooLarge, 0));
}

#[test]
fn a_field_of_a_later_version_is_skipped() {
    let set = CapabilitySet::decode(b"\xa3\x01\x81\x61a\x02\xa0\x09\x82\x01\x02").unwrap();
    assert_eq!(set, set_of(&["a"], &[]));
}

#[test]
fn a_set_is_full_before_it_no_longer_fits() {
    let mut set = CapabilitySet::new();
    let mut count = 0;
    while set.insert_metadata(&count.to_string(), &"x".repeat(100)).is_ok() {
        count += 1;
    }
    assert!(set.encoded_len() > SET_LEN_MAX - 200 && set.encoded_len() <= SET_LEN_MAX);
    assert!(matches!(set.insert_tag(&"t".repeat(250)), Err(SetError::TooLarge(_))));
    // A shorter value in the place of one that is there still fits.
    assert!(set.insert_metadata("0", "short").unwrap().is_some());
    assert_eq!(CapabilitySet::decode(&encoded(&set)).unwrap(), set);
}

#[test]
fn there_are_at_most_so_many_tags() {
    let mut set = CapabilitySet::new();
    for index in 0..TAGS_MAX {
        set.insert_tag(&index.to_string()).unwrap();
    }
    assert_eq!(set.insert_tag("one more"), Err(SetError::TooManyTags));
    assert_eq!(set.insert_tag("17"), Ok(false));
    assert!(set.remove_tag("17"));
    assert_eq!(set.insert_tag("one more"), Ok(true));
}

#[test]
fn a_peer_keeps_its_scope_and_loses_its_other_claims() {
    let mut set = set_of(&["scope:tenant:a", "heat:x=1", "causal:ff", "hardware.gpu", "dataforts.x"], &[]);
    assert_eq!(set.strip_unclaimable(), 2);
    assert_eq!(set, set_of(&["dataforts.x", "hardware.gpu", "scope:tenant:a"], &[]));
}

#[test]
fn a_key_is_found_with_all_its_values_and_without_its_neighbours() {
    let tags =
        ["hardware.gpu", "hardware.gpu.vendor=nvidia", "hardware.gpu2", "hardware.gpu:b", "hardware.gpu=a"];
    let set = set_of(&tags, &[]);
    let values: Vec<Option<&str>> = set.values(Axis::Hardware, "gpu").collect();
    assert_eq!(values, [None, Some("b"), Some("a")]);
    assert_eq!(set.values(Axis::Software, "gpu").count(), 0);
    for no_key in ["", "gpu:", "gpu=a", "gpu:b"] {
        assert_eq!(set.values(Axis::Hardware, no_key).count(), 0, "{no_key}");
    }
    assert!(set.holds("hardware.gpu=b") && set.holds("hardware.gpu:a") && !set.holds("hardware.gpu2=a"));
}

#[test]
fn json_says_where_it_is_wrong() {
    let error = |text: &str| CapabilitySet::from_json(text).unwrap_err().to_string();
    assert_eq!(error("[]"), r#"capabilities at "": expected an object {"tags": [..], "metadata": {..}}"#);
    assert_eq!(error(r#"{"tags":["a",1]}"#), r#"capabilities at "/tags/1": expected a string"#);
    assert_eq!(error(r#"{"metadata":{"a/b":1}}"#), r#"capabilities at "/metadata/a~1b": expected a string"#);
    assert_eq!(error(r#"{"tag":[]}"#), r#"capabilities at "/tag": expected only "tags" and "metadata""#);
    assert!(error(r#"{"tags":[""]}"#).starts_with(r#"tag "": a tag cannot be empty"#));
    assert!(error(r#"{"metadata":{"":""}}"#).starts_with(r#"metadata key "": a key has 1 to"#));
    assert!(error("{").starts_with(r#"capabilities at "": EOF"#));
}

#[test]
fn json_has_tags_first() {
    let set = set_of(&["b", "a"], &[("k", "\"\\\u{1}\n")]);
    assert_eq!(set.to_json(), "{\"tags\":[\"a\",\"b\"],\"metadata\":{\"k\":\"\\\"\\\\\\u0001\\n\"}}");
    assert_eq!(CapabilitySet::new().to_json(), r#"{"tags":[],"metadata":{}}"#);
    assert_eq!(CapabilitySet::from_json("{}").unwrap(), CapabilitySet::new());
}

fn any_set() -> impl Strategy<Value = CapabilitySet> {
    let tags = prop::collection::vec("[a-c:=.é\"]{1,40}|hardware\\.[a-c]{1,3}=[0-9]{1,300}", 0..40);
    let metadata = prop::collection::vec(("[ab]{1,30}", "[a\\n\\\\\"]{0,300}"), 0..10);
    (tags, metadata).prop_map(|(tags, metadata)| {
        let mut set = CapabilitySet::new();
        for tag in tags {
            // Over-long ones are refused, and leave the set as it was.
            let _ = set.insert_tag(&tag);
        }
        for (key, value) in metadata {
            set.insert_metadata(&key, &value).unwrap();
        }
        set
    })
}

proptest! {
    #[test]
    fn both_forms_give_the_set_back(set in any_set()) {
        let wire = encoded(&set);
        prop_assert_eq!(wire.len(), set.encoded_len());
        prop_assert_eq!(&CapabilitySet::decode(&wire).unwrap(), &set);
        prop_assert_eq!(&CapabilitySet::from_json(&set.to_json()).unwrap(), &set);
    }

    #[test]
    fn removing_is_the_reverse_of_inserting(set in any_set(), tag in "[a-z]{50,60}", key in "[c-f]{1,9}") {
        let mut other = set.clone();
        other.insert_tag(&tag).unwrap();
        other.insert_metadata(&key, "value").unwrap();
        prop_assert!(other.remove_tag(&tag) && !other.remove_tag(&tag));
        prop_assert_eq!(other.remove_metadata(&key), Some("value".to_string()));
        prop_assert_eq!(other, set);
    }

    #[test]
    fn changed_bytes_are_read_as_what_they_say_or_refused(set in any_set(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut wire = encoded(&set);
        let at = at.index(wire.len());
        wire[at] = byte;
        if let Ok(read) = CapabilitySet::decode(&wire) {
            prop_assert_eq!(encoded(&read), wire);
        }
    }
}
