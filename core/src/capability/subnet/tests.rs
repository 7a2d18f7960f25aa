use std::string::ToString;
use std::vec;

use proptest::prelude::*;

use super::*;

fn subnet(text: &str) -> SubnetId {
    text.parse().unwrap()
}

fn set(tags: &[&str]) -> CapabilitySet {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(tag).unwrap();
    }
    set
}

fn rule(prefix: &str, level: usize, values: &[(&str, u8)]) -> SubnetRule {
    let values = values.iter().map(|(value, number)| ((*value).to_owned(), *number)).collect();
    SubnetRule::new(prefix, level, values).unwrap()
}

#[test]
fn zeros_at_the_end_make_a_prefix() {
    assert_eq!(subnet("3.7"), SubnetId::from_bits(0x0307_0000));
    assert_eq!(subnet("3.7.0.0"), subnet("3.7"));
    assert_eq!(subnet("0.0.0.1").depth(), 4);
    assert_eq!(subnet("3.0.2").depth(), 3);
    assert_eq!(subnet("3.0.2").parent(), subnet("3"));
    assert_eq!(subnet("0").depth(), 0);
    assert_eq!(SubnetId::GLOBAL.parent(), SubnetId::GLOBAL);
}

#[test]
fn a_subnet_contains_itself_and_what_is_below() {
    assert!(subnet("3").contains(subnet("3.7.2.1")));
    assert!(subnet("3.7").contains(subnet("3.7")));
    assert!(!subnet("3.7").contains(subnet("3.8")));
    assert!(!subnet("3.7").contains(subnet("3")));
    assert!(SubnetId::GLOBAL.contains(subnet("9.9.9.9")));
    assert!(!subnet("3").contains(SubnetId::GLOBAL));
}

#[test]
fn other_texts_are_no_subnets() {
    for text in ["", ".", "3.", ".3", "1.2.3.4.5", "256", "-1", "+1", "a", "Global", " 3", "3.7 "] {
        assert_eq!(text.parse::<SubnetId>(), Err(SubnetIdError), "{text}");
    }
}

#[test]
fn the_smallest_tag_with_the_prefix_decides_alone() {
    let policy = SubnetPolicy::new(vec![rule("region:", 0, &[("eu", 1), ("us", 2)])]);
    assert_eq!(policy.subnet_of(&set(&["region:us", "region:eu"])), subnet("1"));
    assert_eq!(policy.subnet_of(&set(&["region:us"])), subnet("2"));
    // The smallest is not in the values, and what follows the prefix is looked up whole.
    assert_eq!(policy.subnet_of(&set(&["region:asia", "region:us"])), SubnetId::GLOBAL);
    assert_eq!(policy.subnet_of(&set(&["region:eu:west"])), SubnetId::GLOBAL);
    assert_eq!(policy.subnet_of(&set(&["regio", "regions:eu"])), SubnetId::GLOBAL);
}

#[test]
fn a_later_rule_wins_where_it_matches() {
    let rules = vec![rule("a:", 1, &[("x", 1)]), rule("b:", 1, &[("x", 2)]), rule("c:", 3, &[("x", 9)])];
    let policy = SubnetPolicy::new(rules);
    assert_eq!(policy.subnet_of(&set(&["a:x", "b:x"])), subnet("0.2"));
    assert_eq!(policy.subnet_of(&set(&["a:x", "b:other", "c:x"])), subnet("0.1.0.9"));
}

#[test]
fn rules_that_cannot_be_are_refused() {
    assert_eq!(SubnetRule::new("a", 4, BTreeMap::new()), Err(SubnetPolicyError::Level(4)));
    let zero = BTreeMap::from([("x".to_owned(), 0)]);
    assert_eq!(SubnetRule::new("a", 0, zero), Err(SubnetPolicyError::Zero("x".to_owned())));
}

#[test]
fn a_policy_in_json_says_where_it_is_wrong() {
    let error = |text: &str| SubnetPolicy::from_json(text).unwrap_err().to_string();
    assert!(error("{").starts_with(r#"subnet policy at "": expected JSON of the form"#));
    assert!(error(r#"{"rules":[],"more":1}"#).starts_with(r#"subnet policy at "": expected"#));
    assert_eq!(error(r#"{"rules":{}}"#), r#"subnet policy at "/rules": expected a list of rules"#);
    let rule = |level: &str, values: &str| {
        error(&format!(r#"{{"rules":[{{"tag_prefix":"a","level":{level},"values":{values}}}]}}"#))
    };
    assert_eq!(rule("4", "{}"), "a subnet has levels 0 to 3, the rule says 4");
    assert_eq!(rule("-1", "{}"), r#"subnet policy at "/rules/0/level": expected a number from 0 to 3"#);
    assert_eq!(
        rule("0", r#"{"x":256}"#),
        r#"subnet policy at "/rules/0/values": expected an object of numbers from 1 to 255"#
    );
    assert!(rule("0", r#"{"x":0}"#).starts_with(r#"the tag value "x" stands for 0"#));
}

#[test]
fn channels_are_seen_as_far_as_they_say() {
    let source = subnet("3.7");
    let seen = |visibility: &Visibility| {
        ["3.7", "3", "global", "3.7.1", "3.8", "4"].map(|viewer| visibility.shows(source, subnet(viewer)))
    };
    assert_eq!(seen(&Visibility::Global), [true; 6]);
    assert_eq!(seen(&Visibility::SubnetLocal), [true, false, false, false, false, false]);
    assert_eq!(seen(&Visibility::ParentVisible), [true, true, true, false, false, false]);
    let exported = Visibility::Exported(vec![subnet("4"), subnet("3.7")]);
    assert_eq!(seen(&exported), [true, false, false, true, false, true]);
    assert_eq!(seen(&Visibility::Exported(vec![])), [false; 6]);
}

proptest! {
    #[test]
    fn text_gives_the_subnet_back(bits: u32, cut in 0_u32..5) {
        let id = SubnetId::from_bits(bits & u32::MAX.checked_shl(8 * cut).unwrap_or(0));
        prop_assert_eq!(subnet(&id.to_string()), id);
        prop_assert!(id.parent().contains(id));
        prop_assert!(id.depth() == 0 || id.parent() != id);
    }
}
