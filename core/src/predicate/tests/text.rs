use alloc::format;

use super::{doubled, parsed};
use crate::predicate::{Clause, Node, Predicate};

#[test]
fn every_kind_of_clause_has_its_text() {
    let texts = [
        "hardware.gpu",
        "software.os = \"linux\"",
        "hardware.memory_gb >= 64",
        "hardware.memory_gb <= 0.5",
        "hardware.memory_gb in -16..64.5",
        "software.cuda_version >= v12.4",
        "software.cuda_version <= v13.0.0-rc.1+b",
        "software.runtime.python ~= v3.10",
        "software.os starts_with \"lin\"",
        "dataforts.d contains \"\\\"\\\\\\u0001ä\"",
        "meta.owner",
        "meta.owner = \"alice\"",
        "meta.intent contains \"train\"",
        "meta.priority >= 1e300",
        "all()",
        "any()",
        "all(meta.a)",
        "any(meta.a and meta.b)",
        "not not meta.a",
        "not (meta.a or meta.b)",
        "not all(meta.a)",
        "meta.a and not meta.b and (meta.c or meta.d)",
        "(meta.a and meta.b) or meta.c",
        "(meta.a and meta.b) and meta.c",
        "software.\"a key\" >= v\"no version\"",
        "software.\"\" = \"\"",
        "meta.\"tool::x::input_schema\"",
    ];
    for text in texts {
        assert_eq!(parsed(text).to_text().unwrap(), text);
    }
}

#[test]
fn what_is_written_in_several_ways_is_printed_in_one() {
    let spellings = [
        ("  hardware.gpu\tand\n meta.a ", "hardware.gpu and meta.a"),
        ("meta.a and meta.b or meta.c", "(meta.a and meta.b) or meta.c"),
        ("meta.a or meta.b and not meta.c", "meta.a or (meta.b and not meta.c)"),
        ("((meta.a))", "meta.a"),
        ("all(meta.a, meta.b)", "meta.a and meta.b"),
        ("any( meta.a , meta.b or meta.c , all ( ) )", "meta.a or (meta.b or meta.c) or all()"),
        ("software.os=linux", "software.os = \"linux\""),
        ("software.os starts_with lin", "software.os starts_with \"lin\""),
        ("software.a ~= 3.10", "software.a ~= v3.10"),
        ("software.a>=v3 and software.a<=4e0", "software.a >= v3 and software.a <= 4"),
        ("hardware.a in 1 .. 2.50", "hardware.a in 1..2.5"),
        ("hardware.a in +1..1e2", "hardware.a in 1..100"),
        ("meta.\"owner\" = \"\\u0061\"", "meta.owner = \"a\""),
    ];
    for (text, printed) in spellings {
        assert_eq!(parsed(text).to_text().unwrap(), printed, "{text}");
    }
}

#[test]
fn numbers_and_versions_are_told_apart() {
    let clause = |text: &str| parsed(text).clauses().next().cloned().unwrap();
    assert!(matches!(clause("software.a >= 3.10"), Clause::NumericAtLeast { threshold: 3.1, .. }));
    assert!(
        matches!(clause("software.a >= v3.10"), Clause::SemverAtLeast { version, .. } if version.as_str() == "3.10")
    );
    assert!(matches!(clause("software.a <= 3"), Clause::NumericAtMost { .. }));
    assert!(matches!(clause("software.a <= v3"), Clause::SemverAtMost { .. }));
}

#[test]
fn composites_are_as_they_are_written() {
    let root = |text: &str| {
        let predicate = parsed(text);
        predicate.nodes()[predicate.root()].clone()
    };
    assert!(matches!(root("meta.a and meta.b and meta.c"), Node::And(children) if children.len() == 3));
    assert!(matches!(root("(meta.a and meta.b) and meta.c"), Node::And(children) if children.len() == 2));
    assert!(matches!(root("all(meta.a and meta.b)"), Node::And(children) if children.len() == 1));
    assert!(
        matches!(root("meta.a and meta.b or meta.c and meta.d"), Node::Or(children) if children.len() == 2)
    );
}

#[test]
fn errors_point_at_the_column_and_say_what_would_be_right() {
    let cases = [
        ("", 1, "a key such as"),
        ("   ", 4, "a key such as"),
        ("gpu", 1, "a key such as"),
        ("cpu.cores", 1, "starts with hardware."),
        ("hardware.", 10, "hardware.memory_gb"),
        ("meta. owner", 6, "meta.owner"),
        ("hardware.gpu hardware.npu", 14, "and, or, or the end"),
        ("hardware.gpu and", 17, "a key such as"),
        ("and hardware.gpu", 1, "a key such as"),
        ("hardware.gpu or or hardware.npu", 17, "a key such as"),
        ("(hardware.gpu", 14, "closes what is open"),
        ("(hardware.gpu hardware.npu)", 15, "and, or, or )"),
        ("(hardware.gpu, hardware.npu)", 14, "and, or, or )"),
        ("hardware.gpu)", 13, "none is open"),
        ("()", 2, "a key such as"),
        ("all", 4, "( after all"),
        ("any hardware.gpu", 5, "( after any"),
        ("all(hardware.gpu,)", 18, "a key such as"),
        ("all(hardware.gpu hardware.npu)", 18, "and, or, a comma or )"),
        ("all(not)", 8, "a key such as"),
        ("!hardware.gpu", 1, "not instead of !"),
        ("hardware.gpu && hardware.npu", 14, "and or or"),
        ("hardware.gpu:nvidia", 13, "instead of a colon"),
        ("hardware.a > 5", 12, "always included"),
        ("hardware.a != 5", 12, "not before the key"),
        ("hardware.a == 5", 12, "one = alone"),
        ("hardware.a = 5", 14, "\"5\", with quotes"),
        ("hardware.a = 64GB", 14, "\"64GB\", with quotes"),
        ("hardware.a = and", 14, "\"and\", with quotes"),
        ("hardware.a =", 13, "in double quotes"),
        ("hardware.a = 'x'", 14, "in double quotes"),
        ("hardware.a = \"x", 16, "closing \""),
        ("hardware.a = \"\\x\"", 14, "escapes as in JSON"),
        ("hardware.a >= \"5\"", 15, "a number such as 64"),
        ("hardware.a >= v", 15, "a version such as v1.2.0"),
        ("hardware.a >= 1.2.0", 18, "written with a v"),
        ("hardware.a >= 64GB", 17, "end of the number"),
        ("hardware.a >= .5", 15, "a number"),
        ("hardware.a >= 1e999", 15, "range of a double"),
        ("hardware.a >= inf", 15, "a number"),
        ("software.a ~= python", 15, "a version such as 3.10"),
        ("hardware.a ~ 5", 12, "~= and a version"),
        ("hardware.a in 5", 16, ".. and the other end"),
        ("hardware.a in 5..", 18, "the other end"),
        ("hardware.a in v1..v2", 15, "a range of numbers"),
        ("meta.a <= 5", 8, "the operators that metadata has"),
        ("meta.a starts_with x", 8, "the operators that metadata has"),
        ("meta.a >= v1", 11, "with numbers only"),
        ("meta.größe", 8, "and, or, or the end"),
        ("meta.ä", 6, "a name after meta."),
        ("meta.\"größe\" und", 14, "and, or, or the end"),
    ];
    for (text, column, expected) in cases {
        let error = text.parse::<Predicate>().expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.expected.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_caret_stands_under_the_column() {
    let text = "meta.\"größe\" ==\t5";
    let error = text.parse::<Predicate>().unwrap_err();
    assert_eq!(error.render(text), "meta.\"größe\" == 5\n             ^ expected one = alone");
    let long = format!("{} and {}", ["meta.a"; 30].join(" and "), "meta.b > 5 and ".repeat(20));
    let error = long.parse::<Predicate>().unwrap_err();
    let shown = error.render(&long);
    let lines: alloc::vec::Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("...") && lines[0].ends_with("..."), "{shown}");
    assert_eq!(lines[0].as_bytes()[lines[1].find('^').unwrap()], b'>', "{shown}");
}

#[test]
fn a_text_has_at_most_4096_bytes() {
    let text = |length: usize| format!("meta.{}", "a".repeat(length - 5));
    assert_eq!(parsed(&text(4_096)).to_text().unwrap().len(), 4_096);
    let error = text(4_097).parse::<Predicate>().unwrap_err();
    assert_eq!((error.column, error.expected.contains("4096 bytes")), (4_097, true));
    let most = "not ".repeat(1_022) + "all()";
    assert_eq!(parsed(&most).nodes().len(), 1_023, "no text has more nodes than a predicate can");
}

#[test]
fn shared_nodes_are_written_at_each_place_while_there_is_room() {
    let printed = doubled(2).to_text().unwrap();
    assert_eq!(printed, "(hardware.gpu and hardware.gpu) or (hardware.gpu and hardware.gpu)");
    assert_eq!(doubled(9).to_text().unwrap_err().name(), "Oversize");
}
