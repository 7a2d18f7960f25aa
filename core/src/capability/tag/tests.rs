use std::string::ToString;

use proptest::prelude::*;

use super::*;

#[test]
fn the_first_separator_ends_the_key() {
    let value = |text| match Tag::parse(text) {
        Tag::Value { key, value, .. } => (key, value),
        other => panic!("{other:?}"),
    };
    assert_eq!(value("software.a=b:c=d"), ("a", "b:c=d"));
    assert_eq!(value("software.a:b=c"), ("a", "b=c"));
    assert_eq!(value("software.a="), ("a", ""));
}

#[test]
fn an_axis_without_a_key_is_a_free_tag() {
    for text in ["hardware", "hardware.", "hardware.=8", "hardware.:8", "Hardware.gpu", "hard.gpu", ""] {
        assert_eq!(Tag::parse(text), Tag::Free(text));
    }
}

#[test]
fn the_axis_and_the_prefix_of_the_same_name_differ_by_a_sign() {
    assert_eq!(Tag::parse("dataforts.blobs"), Tag::Presence { axis: Axis::Dataforts, key: "blobs" });
    assert_eq!(Tag::parse("dataforts:blobs"), Tag::Reserved { prefix: "dataforts:", rest: "blobs" });
}

#[test]
fn a_value_has_two_spellings() {
    assert_eq!(Tag::other_spelling("software.a:b=c").as_deref(), Some("software.a=b=c"));
    assert_eq!(Tag::other_spelling("software.a=").as_deref(), Some("software.a:"));
    for text in ["hardware.gpu", "scope:tenant:a", "free=x", "hardware.=8"] {
        assert_eq!(Tag::other_spelling(text), None);
    }
}

#[test]
fn users_do_not_write_reserved_tags() {
    for prefix in RESERVED_PREFIXES {
        let text = std::format!("{prefix}x");
        assert_eq!(Tag::parse_user(&text), Err(TagError::Reserved(prefix)));
        assert_eq!(Tag::parse(&text).may_be_claimed(), prefix == "scope:");
    }
    assert!(Tag::parse_user("scopes:x").is_ok());
}

#[test]
fn text_that_no_set_holds_is_refused_with_its_place() {
    assert_eq!(Tag::check(""), Err(TagError::Empty));
    assert_eq!(Tag::check("ä\u{7}"), Err(TagError::ControlCharacter(2)));
    assert_eq!(Tag::check(&"x".repeat(TAG_LEN_MAX)), Ok(()));
    assert_eq!(Tag::check(&"x".repeat(TAG_LEN_MAX + 1)), Err(TagError::TooLong(TAG_LEN_MAX + 1)));
}

#[test]
fn a_key_is_an_axis_and_something() {
    let error = |text: &str| text.parse::<TagKey>().unwrap_err();
    assert_eq!(error("gpu"), TagError::UnknownAxis);
    assert_eq!(error("hardware."), TagError::NoKey(9));
    assert_eq!(error("hardware.gpu=1"), TagError::ValueInKey(12));
    assert_eq!("software.a.b".parse::<TagKey>().unwrap(), TagKey::new(Axis::Software, "a.b"));
}

proptest! {
    #[test]
    fn every_text_reads_and_prints_as_itself_up_to_the_separator(text in "(hardware|software|devices|dataforts|scope|x)?[.:=a-z]{0,12}") {
        let printed = Tag::parse(&text).to_string();
        prop_assert_eq!(Tag::parse(&printed), Tag::parse(&text));
        prop_assert_eq!(printed.replace('=', ":"), text.replace('=', ":"));
    }
}
