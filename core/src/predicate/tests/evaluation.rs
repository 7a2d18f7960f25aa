use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{holds, parsed, set};
use crate::capability::{Axis, Tag, TagKey};
use crate::predicate::{Candidate, Clause, Fact, Facts, Key, Predicate};

#[test]
fn exists_finds_a_tag_with_a_value_or_without() {
    assert!(holds("hardware.gpu", &["hardware.gpu"]));
    assert!(holds("hardware.gpu", &["hardware.gpu=a100"]));
    assert!(holds("hardware.gpu", &["hardware.gpu:a100"]));
    assert!(!holds("hardware.gpu", &["hardware.gpu.vendor=nvidia", "hardware.gp", "software.gpu", "gpu"]));
}

#[test]
fn clauses_about_values_pass_over_tags_without_one() {
    for text in ["hardware.a = \"\"", "hardware.a starts_with \"\"", "hardware.a contains \"\""] {
        assert!(!holds(text, &["hardware.a"]), "{text}");
        assert!(holds(text, &["hardware.a="]), "{text}: an empty value is a value");
    }
}

#[test]
fn of_several_tags_with_one_key_any_may_fit() {
    let tags =
        ["hardware.memory_gb", "hardware.memory_gb=8", "hardware.memory_gb:64", "hardware.memory_gb=no"];
    assert!(holds("hardware.memory_gb >= 64", &tags));
    assert!(holds("hardware.memory_gb <= 8", &tags));
    assert!(holds("hardware.memory_gb = \"no\"", &tags));
    assert!(!holds("hardware.memory_gb in 9..63", &tags));
}

#[test]
fn a_missing_key_is_false_and_its_negation_true() {
    for text in
        ["devices.x", "devices.x = \"1\"", "devices.x >= 0", "devices.x ~= 1", "meta.x", "meta.x >= 0"]
    {
        assert!(!holds(text, &["hardware.x=1"]), "{text}");
        assert!(holds(&format!("not {text}"), &[]), "{text}");
    }
}

#[test]
fn bounds_are_included() {
    for (text, expected) in [
        ("hardware.a >= 64", true),
        ("hardware.a >= 64.5", false),
        ("hardware.a <= 64", true),
        ("hardware.a <= 63.5", false),
        ("hardware.a in 64..64", true),
        ("hardware.a in 64..70", true),
        ("hardware.a in 60..64", true),
        ("hardware.a in 70..60", false),
    ] {
        assert_eq!(holds(text, &["hardware.a=64"]), expected, "{text}");
    }
}

#[test]
fn numbers_are_ascii_and_nothing_around_them() {
    let numbers = [
        "0", "64", "+64", "-64", "6.4e1", "6.4E+1", "640e-1", ".5", "5.", "007", "inf", "+inf", "-inf",
        "1e400",
    ];
    let no_numbers = [
        "", " 64", "64 ", "64GB", "0x40", "0b1", "1_000", "1,000", "nan", "NaN", "infinity", "Inf", "INF",
        "e5", "5e", "5e+", ".", "+", "-", "--1", "+-1", "1.2.3", "1e1.5", "٦٤", "６４", "²", "1e1_0",
    ];
    let is_a_number = |value: &str| {
        let tag = format!("hardware.a={value}");
        let tags = [tag.as_str()];
        holds("hardware.a >= 0", &tags) || holds("hardware.a <= 0", &tags)
    };
    for value in numbers {
        assert!(is_a_number(value), "{value:?}");
    }
    for value in no_numbers {
        assert!(!is_a_number(value), "{value:?}");
    }
    assert!(holds("hardware.a >= 1e300", &["hardware.a=inf"]));
    assert!(holds("hardware.a <= -1e300", &["hardware.a=-inf"]));
}

#[test]
fn versions_have_one_to_three_components_and_no_suffix() {
    let at_least = |value: &str, wanted: &str| {
        holds(&format!("software.a >= v\"{wanted}\""), &[&format!("software.a={value}")])
    };
    for value in ["3", "3.0", "3.0.0", "3.0.0-rc.1", "3-rc", "3+build.7", "3.0-a.b.c.d", "03", "3.00.000"] {
        assert!(at_least(value, "3") && at_least("3", value), "{value} is 3.0.0");
    }
    for value in [
        "",
        "v3",
        "3.",
        ".3",
        "3..0",
        "3.0.0.0",
        "x",
        "3.x",
        "-1",
        "+1",
        "3 ",
        "٣",
        "18446744073709551616",
        "3.0.99999999999999999999",
    ] {
        assert!(!at_least(value, "0"), "{value:?} is no version");
        assert!(!at_least("9", value), "nothing compares with {value:?}");
    }
    assert!(at_least("18446744073709551615", "18446744073709551615"));
    assert!(at_least("3.10", "3.9"), "components are numbers");
    assert!(
        holds("software.a <= v3.9", &["software.a=3.9.0"])
            && !holds("software.a <= v3.9", &["software.a=3.10"])
    );
}

#[test]
fn compatible_is_the_caret() {
    let compatible = |value: &str, wanted: &str| {
        holds(&format!("software.a ~= {wanted}"), &[&format!("software.a={value}")])
    };
    for (value, wanted, expected) in [
        ("3.10", "3.10", true),
        ("3.12.1", "3.10", true),
        ("3.9", "3.10", false),
        ("4.0", "3.10", false),
        ("2.99", "3", false),
        ("0.3.7", "0.3.2", true),
        ("0.3.1", "0.3.2", false),
        ("0.4.0", "0.3.2", false),
        ("1.3.2", "0.3.2", false),
        ("0.0.4", "0.0.4", true),
        ("0.0.5", "0.0.4", false),
        ("0.0.0", "0", true),
        ("0.1", "0", false),
        ("3.10.0-rc.1", "3.10", true),
    ] {
        assert_eq!(compatible(value, wanted), expected, "{value} for ^{wanted}");
    }
}

#[test]
fn texts_are_compared_byte_by_byte() {
    assert!(holds("software.os = \"linux\"", &["software.os=linux"]));
    assert!(!holds("software.os = \"Linux\"", &["software.os=linux"]));
    assert!(!holds("software.os = \"linu\"", &["software.os=linux"]));
    assert!(holds("software.os starts_with \"lin\"", &["software.os=linux"]));
    assert!(!holds("software.os starts_with \"inux\"", &["software.os=linux"]));
    assert!(holds("software.os contains \"inu\"", &["software.os=linux"]));
    assert!(!holds("software.os contains \"l.*x\"", &["software.os=linux"]), "a pattern is plain text");
    assert!(holds("software.os = \"a=b:c\"", &["software.os=a=b:c"]), "the first separator wins");
}

#[test]
fn metadata_is_no_tag_and_tags_are_no_metadata() {
    let set = set(&["software.owner=bob"], &[("owner", "alice"), ("priority", "7")]);
    for (text, expected) in [
        ("meta.owner", true),
        ("meta.owner = \"alice\"", true),
        ("meta.owner = \"bob\"", false),
        ("meta.owner contains \"lic\"", true),
        ("meta.priority >= 7", true),
        ("meta.priority >= 7.5", false),
        ("meta.owner >= 0", false),
        ("meta.intent", false),
    ] {
        assert_eq!(parsed(text).evaluate(&set), expected, "{text}");
    }
}

#[test]
fn a_candidate_takes_tags_and_metadata_in_any_order() {
    let tags = ["software.os=linux", "batch", "hardware.gpu", "devices.x=2", "hardware.a=1"].map(Tag::parse);
    let candidate = Candidate::new(tags, [("owner", "alice"), ("b", "2"), ("a", "1"), ("owner", "bob")]);
    for text in [
        "software.os = linux",
        "hardware.gpu",
        "hardware.a >= 1",
        "devices.x = \"2\"",
        "meta.a",
        "meta.b >= 2",
    ] {
        assert!(parsed(text).evaluate(&candidate), "{text}");
    }
    assert!(parsed("meta.owner = alice").evaluate(&candidate), "the first entry of a key counts");
}

#[test]
fn keys_that_differ_only_in_the_middle_are_told_apart() {
    let keys = ["attached.camera-1.enabled", "attached.camera-2.enabled", "attached.camera-3.enabled"];
    let keys = keys.map(|key| TagKey::new(Axis::Devices, key));
    assert_eq!(keys[0].print(), keys[1].print(), "or nothing is shown here");
    let set = set(&["devices.attached.camera-2.enabled=2", "devices.attached.camera-3.enabled=3"], &[]);
    let candidate = Candidate::from(&set);
    for (key, expected) in keys.iter().zip([None, Some("2"), Some("3")]) {
        assert_eq!(candidate.has(key), expected.is_some(), "{key}");
        assert_eq!(candidate.values(key).next().map(Fact::text), expected, "{key}");
    }
}

#[test]
fn a_key_is_found_among_very_many() {
    let tags: Vec<String> = (0..500).map(|number| format!("hardware.x{number}=%{number}")).collect();
    let set = set(&tags.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let candidate = Candidate::from(&set);
    for number in [0, 7, 250, 499] {
        let key = TagKey::new(Axis::Hardware, format!("x{number}"));
        assert_eq!(candidate.values(&key).next().unwrap().text(), format!("%{number}"));
        assert!(!candidate.has(&TagKey::new(Axis::Software, key.key())), "of another axis");
    }
}

#[test]
fn a_key_that_no_tag_can_have_is_nowhere() {
    let set = set(&["hardware.a=b", "hardware.a:b=c", "hardware.="], &[]);
    for key in ["a=b", "a:b", "a:b=c", "", "="] {
        let key = TagKey::new(Axis::Hardware, key);
        assert!(!set.has(&key), "{key}");
        assert_eq!(Facts::values(&set, &key).count(), 0, "{key}");
        assert!(!Candidate::from(&set).has(&key), "{key}");
    }
}

#[test]
fn and_of_nothing_is_true_and_or_of_nothing_false() {
    assert!(holds("all()", &[]));
    assert!(!holds("any()", &[]));
    assert!(!holds("not all()", &[]));
    assert!(holds("any() or all() and not any()", &[]));
}

#[test]
fn costs_are_those_of_the_specification() {
    let costs = [
        ("meta.a", 10),
        ("meta.a = \"x\"", 11),
        ("hardware.a", 20),
        ("hardware.a = \"x\"", 21),
        ("meta.a >= 1", 25),
        ("hardware.a >= 1", 30),
        ("hardware.a <= 1", 30),
        ("hardware.a in 1..2", 30),
        ("hardware.a starts_with \"x\"", 40),
        ("meta.a contains \"x\"", 45),
        ("hardware.a contains \"x\"", 50),
        ("hardware.a >= v1", 60),
        ("hardware.a <= v1", 60),
        ("hardware.a ~= v1", 60),
        ("all()", 0),
        ("hardware.a and meta.a and not meta.b", 40),
        ("not (hardware.a or hardware.b)", 40),
    ];
    for (text, cost) in costs {
        assert_eq!(parsed(text).cost(), cost, "{text}");
    }
}

/// The keys of the clauses that were asked, in this order, where all of them have the same answer.
fn asked(predicate: &Predicate, answer: bool) -> String {
    let clauses: Vec<&Clause> = predicate.clauses().collect();
    let mut asked = Vec::new();
    predicate.decide(|clause| {
        asked.push(match clauses[clause].key() {
            Key::Tag(key) => key.key(),
            Key::Metadata(key) => key,
        });
        answer
    });
    asked.concat()
}

#[test]
fn cheap_children_come_first_and_equal_ones_stay_in_order() {
    let text =
        "hardware.a ~= 1 and hardware.b and hardware.c >= 1 and meta.d and hardware.e and hardware.f <= 1";
    assert_eq!(asked(&parsed(text), true), "dbecfa");
    let nested =
        "(hardware.a or hardware.b) and hardware.c contains x and hardware.d and not (meta.e and meta.f)";
    assert_eq!(asked(&parsed(nested), false), "d");
    assert_eq!(asked(&parsed(nested), true), "def", "not (meta.e and meta.f) costs 20, like d");
}

#[test]
fn what_no_longer_matters_is_not_asked() {
    assert_eq!(asked(&parsed("hardware.a and hardware.b"), false), "a");
    assert_eq!(asked(&parsed("hardware.a or hardware.b"), true), "a");
    assert_eq!(asked(&parsed("not (hardware.a or hardware.b) and hardware.c >= 1"), true), "ca");
    assert_eq!(asked(&parsed("all() or hardware.a"), true), "");
    assert_eq!(asked(&parsed("any() and hardware.a"), true), "");
}
