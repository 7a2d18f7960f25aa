use alloc::format;
use alloc::string::String;

use crate::predicate::{FORM_LEN_MAX, Predicate, PredicateError};

const ALL_KINDS: &str = concat!(
    r#"{"nodes":[{"kind":"exists","key":{"axis":"hardware","key":"gpu"}},"#,
    r#"{"kind":"equals","key":{"axis":"software","key":"os"},"value":"linux"},"#,
    r#"{"kind":"numeric_at_least","key":{"axis":"hardware","key":"memory_gb"},"threshold":64.0},"#,
    r#"{"kind":"numeric_at_most","key":{"axis":"hardware","key":"memory_gb"},"threshold":0.5},"#,
    r#"{"kind":"numeric_in_range","key":{"axis":"devices","key":"n"},"min":-1.0,"max":1e300},"#,
    r#"{"kind":"semver_at_least","key":{"axis":"software","key":"cuda_version"},"version":"12.4"},"#,
    r#"{"kind":"semver_at_most","key":{"axis":"software","key":"cuda_version"},"version":"13"},"#,
    r#"{"kind":"semver_compatible","key":{"axis":"software","key":"runtime.python"},"version":"3.10"},"#,
    r#"{"kind":"string_prefix","key":{"axis":"software","key":"os"},"prefix":"lin"},"#,
    r#"{"kind":"string_matches","key":{"axis":"dataforts","key":"d"},"pattern":"\"\\\u0001ä"},"#,
    r#"{"kind":"metadata_exists","key":"owner"},"#,
    r#"{"kind":"metadata_equals","key":"owner","value":"alice"},"#,
    r#"{"kind":"metadata_matches","key":"intent","pattern":"train"},"#,
    r#"{"kind":"metadata_numeric_at_least","key":"priority","threshold":7.0},"#,
    r#"{"kind":"and","children":[0,1,2]},{"kind":"or","children":[]},{"kind":"not","child":14},"#,
    r#"{"kind":"or","children":[16,3,4,5,6,7,8,9,10,11,12,13,15]}],"root_idx":17}"#,
);

fn refused(json: &str) -> PredicateError {
    Predicate::from_json(json).expect_err(json)
}

#[test]
fn every_kind_has_its_form_to_the_byte() {
    let predicate = Predicate::from_json(ALL_KINDS).unwrap();
    assert_eq!(predicate.to_json(), ALL_KINDS);
    assert_eq!(predicate.nodes().len(), 18);
}

#[test]
fn fields_and_white_space_may_come_in_any_order() {
    let spread = " { \"root_idx\" : 1 ,\n\t\"nodes\" : [ { \"threshold\" : 64 , \"key\" : { \"key\" : \"memory_gb\" , \
                  \"axis\" : \"hardware\" } , \"kind\" : \"numeric_at_least\" } , { \"child\" : 0 , \"kind\" : \"not\" } ] }\r\n";
    assert_eq!(
        Predicate::from_json(spread).unwrap().to_json(),
        r#"{"nodes":[{"kind":"numeric_at_least","key":{"axis":"hardware","key":"memory_gb"},"threshold":64.0},{"kind":"not","child":0}],"root_idx":1}"#
    );
}

#[test]
fn numbers_of_any_spelling_are_printed_in_one() {
    let spellings = [
        ("64", "64.0"),
        ("64.0", "64.0"),
        ("6.4e1", "64.0"),
        ("-0", "-0.0"),
        ("0", "0.0"),
        ("0.10", "0.1"),
        ("1E2", "100.0"),
        ("1e16", "1e16"),
        ("1e15", "1000000000000000.0"),
        ("123456789012345678", "1.2345678901234568e17"),
        ("1.5e-5", "0.000015"),
        ("1.5e-6", "1.5e-6"),
        ("5e-324", "5e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
    ];
    for (given, printed) in spellings {
        let form = |number: &str| {
            format!(
                r#"{{"nodes":[{{"kind":"metadata_numeric_at_least","key":"k","threshold":{number}}}],"root_idx":0}}"#
            )
        };
        assert_eq!(Predicate::from_json(&form(given)).unwrap().to_json(), form(printed));
    }
}

#[test]
fn nodes_that_the_root_does_not_lead_to_are_kept() {
    let json = r#"{"nodes":[{"kind":"and","children":[]},{"kind":"metadata_exists","key":""},{"kind":"or","children":[0,0]}],"root_idx":1}"#;
    let predicate = Predicate::from_json(json).unwrap();
    assert_eq!((predicate.to_json().as_str(), predicate.root()), (json, 1));
}

#[test]
fn places_that_do_not_exist_are_named() {
    let and = |children: &str| format!(r#"{{"kind":"and","children":[{children}]}}"#);
    let form =
        |nodes: &[String], root: &str| format!(r#"{{"nodes":[{}],"root_idx":{root}}}"#, nodes.join(","));
    assert_eq!(refused(&form(&[], "0")), PredicateError::Empty);
    assert_eq!(refused(&form(&[], "7")).name(), "Empty");
    assert_eq!(refused(&form(&[and("")], "1")), PredicateError::RootOutOfBounds { root: 1, nodes: 1 });
    assert_eq!(refused(&form(&[and("9")], "70000")).name(), "RootOutOfBounds");
    assert_eq!(
        refused(&form(&[and(""), and("0,2")], "1")),
        PredicateError::ChildOutOfBounds { node: 1, child: 2, nodes: 2 }
    );
    assert_eq!(
        refused(&form(&[and(""), and("65536")], "1")).name(),
        "ChildOutOfBounds",
        "no index wraps around"
    );
    assert_eq!(refused(&form(&[and("0")], "0")), PredicateError::CycleDetected { node: 0, child: 0 });
    assert_eq!(
        refused(&form(&[and("1"), and("")], "1")),
        PredicateError::CycleDetected { node: 0, child: 1 }
    );
    let not = String::from(r#"{"kind":"not","child":1}"#);
    assert_eq!(refused(&form(&[and(""), not.clone()], "0")).name(), "CycleDetected");
    assert_eq!(refused(&form(&[not], "0")).name(), "ChildOutOfBounds");
    assert_eq!(
        refused(&form(&[and("1"), and("5")], "0")).name(),
        "CycleDetected",
        "the first node that is wrong is named"
    );
}

#[test]
fn a_form_has_at_most_4096_bytes() {
    let form = |length: usize| {
        let frame = r#"{"nodes":[{"kind":"metadata_exists","key":""}],"root_idx":0}"#;
        frame.replace(r#""""#, &format!("\"{}\"", "k".repeat(length - frame.len())))
    };
    assert!(Predicate::from_json(&form(FORM_LEN_MAX)).is_ok());
    assert_eq!(
        refused(&form(FORM_LEN_MAX + 1)),
        PredicateError::Oversize { what: "bytes", found: FORM_LEN_MAX + 1, max: FORM_LEN_MAX }
    );
    assert_eq!(refused(&"[".repeat(5_000)).name(), "Oversize", "length is looked at first");
}

#[test]
fn what_is_no_form_is_refused_where_it_goes_wrong() {
    let cases = [
        ("", 0),
        ("null", 0),
        ("[]", 0),
        ("{}", 2),
        (r#"{"nodes":[]}"#, 12),
        (r#"{"root_idx":0}"#, 14),
        (r#"{"nodes":[],"root_idx":0,}"#, 25),
        (r#"{"nodes":[],"root_idx":0} x"#, 26),
        (r#"{"nodes":[],"root_idx":0,"x":1}"#, 25),
        (r#"{"nodes":[],"nodes":[],"root_idx":0}"#, 12),
        (r#"{"nodes":[],"root_idx":0,"root_idx":0}"#, 25),
        (r#"{"nodes":{},"root_idx":0}"#, 9),
        (r#"{"nodes":[],"root_idx":"0"}"#, 23),
        (r#"{"nodes":[],"root_idx":0.0}"#, 23),
        (r#"{"nodes":[],"root_idx":-1}"#, 23),
        (r#"{"nodes":[],"root_idx":00}"#, 23),
        (r#"{"nodes":[],"root_idx":4294967296}"#, 23),
        (r#"{'nodes':[],"root_idx":0}"#, 1),
        (r#"{"nodes":[],"root_idx":0"#, 24),
        (r#"{"nodes":[] "root_idx":0}"#, 12),
        (r#"{"nodes":[0],"root_idx":0}"#, 10),
        (r#"{"nodes":[{}],"root_idx":0}"#, 10),
        (r#"{"nodes":[{"kind":"xor","children":[]}],"root_idx":0}"#, 18),
        (r#"{"nodes":[{"kind":"And","children":[]}],"root_idx":0}"#, 18),
        (r#"{"nodes":[{"kind":"and"}],"root_idx":0}"#, 10),
        (r#"{"nodes":[{"kind":"and","child":0}],"root_idx":0}"#, 10),
        (r#"{"nodes":[{"kind":"and","children":[],"child":0}],"root_idx":0}"#, 38),
        (r#"{"nodes":[{"kind":"and","children":[],"note":"x"}],"root_idx":0}"#, 38),
        (r#"{"nodes":[{"kind":"and","kind":"and","children":[]}],"root_idx":0}"#, 24),
        (r#"{"nodes":[{"kind":"and","children":[],"children":[]}],"root_idx":0}"#, 38),
        (r#"{"nodes":[{"kind":"and","children":[0,]}],"root_idx":0}"#, 38),
        (r#"{"nodes":[{"kind":"and","children":["0"]}],"root_idx":0}"#, 36),
        (r#"{"nodes":[{"kind":"not","child":[0]}],"root_idx":0}"#, 32),
        (r#"{"nodes":[{"kind":"exists","key":"gpu"}],"root_idx":0}"#, 27),
        (r#"{"nodes":[{"kind":"exists","key":{"axis":"hardware"}}],"root_idx":0}"#, 33),
        (r#"{"nodes":[{"kind":"exists","key":{"axis":"gpu","key":"x"}}],"root_idx":0}"#, 41),
        (r#"{"nodes":[{"kind":"exists","key":{"axis":"hardware","key":"x","y":1}}],"root_idx":0}"#, 62),
        (r#"{"nodes":[{"kind":"metadata_exists","key":{"axis":"hardware","key":"x"}}],"root_idx":0}"#, 36),
        (r#"{"nodes":[{"kind":"metadata_equals","key":"k","value":1}],"root_idx":0}"#, 54),
        (r#"{"nodes":[{"kind":"metadata_equals","key":"k","value":null}],"root_idx":0}"#, 54),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":"1"}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":NaN}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":1e999}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":.5}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":5.}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":+5}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_numeric_at_least","key":"k","threshold":05}],"root_idx":0}"#, 68),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"\ud800"}],"root_idx":0}"#, 43),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"\udc00\ud800"}],"root_idx":0}"#, 43),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"\x41"}],"root_idx":0}"#, 43),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"\u00g1"}],"root_idx":0}"#, 43),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"\ä"}],"root_idx":0}"#, 43),
        ("{\"nodes\":[{\"kind\":\"metadata_exists\",\"key\":\"a\nb\"}],\"root_idx\":0}", 44),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"k}],"root_idx":0}"#, 48),
        (r#"{"nodes":[{"kind":"metadata_exists","key":"k}]"#, 46),
    ];
    for (json, expected_at) in cases {
        match refused(json) {
            PredicateError::Json { at, expected } => assert_eq!(at, expected_at, "{json}: {expected}"),
            other => panic!("{json}: {other}"),
        }
    }
}

#[test]
fn escapes_are_those_of_json() {
    let json = r#"{"nodes":[{"kind":"metadata_exists","key":"\"\\\/\b\f\n\r\t\u0041\u00e4\ud83d\ude00"}],"root_idx":0}"#;
    assert_eq!(
        Predicate::from_json(json).unwrap().to_json(),
        "{\"nodes\":[{\"kind\":\"metadata_exists\",\"key\":\"\\\"\\\\/\\b\\f\\n\\r\\tAä😀\"}],\"root_idx\":0}"
    );
}
