use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

use proptest::prelude::*;

use super::{ActionPath, PathPattern, PatternError, PatternSet, Segment};

fn pattern(text: &str) -> PathPattern {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> PatternError {
    text.parse::<PathPattern>().expect_err(text)
}

#[test]
fn a_literal_matches_itself_alone() {
    assert!(pattern("a/b").matches("a/b").is_some());
    for path in ["a", "a/b/c", "a/B", "b/a", "a/b/", "", "/a/b"] {
        assert!(pattern("a/b").matches(path).is_none(), "{path}");
    }
}

#[test]
fn a_star_stands_for_exactly_one_segment() {
    assert!(pattern("a/*/c").matches("a/b/c").is_some());
    assert!(pattern("a/*/c").matches("a/c").is_none());
    assert!(pattern("a/*/c").matches("a/b/b/c").is_none());
    assert!(pattern("*").matches("a").is_some());
    assert!(pattern("*").matches("a/b").is_none());
}

#[test]
fn a_tail_stands_for_one_segment_or_more() {
    assert_eq!(pattern("a/>").matches("a/b/c").unwrap().tail(), Some("b/c"));
    assert_eq!(pattern("a/>").matches("a/b").unwrap().tail(), Some("b"));
    assert!(pattern("a/>").matches("a").is_none());
    assert_eq!(pattern(">").matches("a/b").unwrap().tail(), Some("a/b"));
}

#[test]
fn a_template_binds_its_segment() {
    let pattern = pattern("orders/{region}/{id}/lines");
    let bindings = pattern.matches("orders/eu/7/lines").unwrap();
    assert_eq!(
        (bindings.get("region"), bindings.get("id"), bindings.get("x")),
        (Some("eu"), Some("7"), None)
    );
    assert_eq!(bindings.iter().collect::<Vec<_>>(), [("region", "eu"), ("id", "7")]);
    assert_eq!(bindings.tail(), None);
}

#[test]
fn a_wildcard_does_not_match_what_is_no_path() {
    for path in ["a//b", "a/b/", "a/{x}", "a/*", "a/>", "a/b c", "a/b\n"] {
        assert!(pattern("a/>").matches(path).is_none(), "{path:?}");
        assert!(pattern("*/*").matches(path).is_none(), "{path:?}");
    }
}

#[test]
fn a_network_in_front_must_be_the_nodes_own() {
    let prod = pattern("prod:orders/*");
    assert_eq!((prod.network(), prod.path()), (Some("prod"), "orders/*"));
    assert!(prod.is_for("prod") && !prod.is_for("test") && !prod.is_for("pro"));
    assert!(pattern("orders/*").is_for("prod"));
    assert!(prod.matches("orders/a").is_some(), "the path part is matched without the network");
    assert_eq!(
        pattern("a/b:c").network(),
        None,
        "a colon behind the first segment is a character like others"
    );
    let escaped = pattern(":a:b/c");
    assert_eq!((escaped.network(), escaped.path()), (None, "a:b/c"));
    assert!(escaped.matches("a:b/c").is_some());
    assert_eq!(pattern("my net:a").network(), Some("my net"));
    assert_eq!(pattern("n:a:b/c").path(), "a:b/c");
}

#[test]
fn a_pattern_covers_what_never_leads_beyond_it() {
    let cases = [
        (">", "a", true),
        (">", ">", true),
        (">", "*/{x}/>", true),
        ("a/>", "a/b/c", true),
        ("a/>", "a/>", true),
        ("a/>", "a/*/>", true),
        ("a/>", "a", false),
        ("a/>", ">", false),
        ("a/*", "a/{x}", true),
        ("a/{x}", "a/*", true),
        ("a/{x}", "a/b", true),
        ("a/*", "a/>", false),
        ("a/b", "a/*", false),
        ("a/b", "a/b/c", false),
        ("a/b/c", "a/b", false),
        ("*", "*/*", false),
        ("a/*/>", "a/>", false),
        ("n:a/>", "n:a/b", true),
        ("n:a/>", "a/b", false),
        ("n:a/>", "m:a/b", false),
        ("a/>", "n:a/b", true),
        (":a:b/*", ":a:b/c", true),
        ("a:b/*", ":a:b/c", false),
    ];
    for (one, other, covers) in cases {
        assert_eq!(pattern(one).covers(&pattern(other)), covers, "{one} and {other}");
    }
    assert!(pattern("n:a/>").covers_paths_of(&pattern("m:a/b")));
}

#[test]
fn patterns_overlap_where_one_path_may_match_both() {
    for (one, other, overlap) in [
        ("a/*", "*/b", true),
        ("a/>", "*/b/c", true),
        ("a/>", "a", false),
        (">", "a", true),
        ("a/b", "a/c", false),
        ("a/*", "a/b/c", false),
        ("{x}", "b", true),
    ] {
        assert_eq!(pattern(one).overlaps_paths_of(&pattern(other)), overlap, "{one} and {other}");
        assert_eq!(pattern(other).overlaps_paths_of(&pattern(one)), overlap, "{other} and {one}");
    }
}

#[test]
fn only_a_dollar_in_the_first_place_makes_a_path_internal() {
    for (text, internal) in [("$sys", true), ("$sys/a", true), ("a/$sys", false), ("a$", false)] {
        assert_eq!(text.parse::<ActionPath>().unwrap().is_internal(), internal, "{text}");
        assert_eq!(pattern(text).is_internal(), internal, "{text}");
    }
    for (text, internal) in
        [("n:$sys/>", true), ("*/a", false), (">", false), ("{$x}", false), ("$n:a", false)]
    {
        assert_eq!(pattern(text).is_internal(), internal, "{text}");
    }
}

#[test]
fn bad_patterns_are_refused_with_their_place() {
    let long_segment = "a".repeat(1_025);
    let long_network = format!("{}:a", "n".repeat(65));
    let cases = [
        ("", PatternError::Empty),
        ("net:", PatternError::Empty),
        ("a//b", PatternError::EmptySegment(2)),
        ("/a", PatternError::EmptySegment(0)),
        ("a/", PatternError::EmptySegment(2)),
        ("net:/a", PatternError::EmptySegment(4)),
        ("a/b c", PatternError::BadCharacter(3)),
        ("a/\u{7}", PatternError::BadCharacter(2)),
        ("n\n:a", PatternError::BadCharacter(1)),
        (">/a", PatternError::TailNotLast(0)),
        ("a/>/>", PatternError::TailNotLast(2)),
        ("a/b*", PatternError::PartialWildcard(3)),
        ("a/**", PatternError::PartialWildcard(2)),
        ("a/b>", PatternError::PartialWildcard(3)),
        ("a/{}", PatternError::BadTemplate(2)),
        ("a/{x", PatternError::BadTemplate(2)),
        ("a/x}", PatternError::BadTemplate(3)),
        ("a/b{x}", PatternError::BadTemplate(3)),
        ("a/{x}{y}", PatternError::BadTemplate(2)),
        ("a/{*}", PatternError::BadTemplate(2)),
        ("{x}/a/{x}", PatternError::NameTwice(6)),
        (":a/b", PatternError::NoNetwork),
        (long_segment.as_str(), PatternError::TooLong(1_025)),
        (long_network.as_str(), PatternError::LongNetwork(65)),
    ];
    for (text, error) in cases {
        assert_eq!(refused(text), error, "{text:?}");
        assert!(error.at() <= text.len() && !error.name().is_empty());
    }
}

#[test]
fn sixty_four_segments_are_the_most() {
    let most = ["a"; 64].join("/");
    assert!(pattern(&most).matches(&most).is_some());
    assert!(pattern(">").matches(&most).is_some());
    let more = ["a"; 65].join("/");
    assert_eq!(refused(&more), PatternError::TooManySegments(128));
    assert!(pattern(">").matches(&more).is_none());
    assert_eq!(refused(&format!("n:{more}")), PatternError::TooManySegments(130));
}

#[test]
fn ten_thousand_segments_are_refused_by_their_length() {
    let path = vec!["a"; 10_000].join("/");
    assert_eq!(refused(&path), PatternError::TooLong(19_999));
    let mut set = PatternSet::default();
    set.insert(pattern(">"), ());
    assert!(pattern(">").matches(&path).is_none());
    assert!(set.best("n", &path).is_none());
}

#[test]
fn literals_come_before_templates_before_stars_before_tails() {
    let ranked = [
        "a/b/c", "a/b/{x}", "a/b/*", "a/b/>", "n:a/b", "a/b", "a/{x}/c", "a/{x}/>", "a/*/c", "a/*", "a/>",
        "{x}/b", "*/b/c", "*", "n:>", ">",
    ];
    let patterns: Vec<PathPattern> = ranked.iter().map(|text| pattern(text)).collect();
    for (a, first) in patterns.iter().enumerate() {
        for (b, second) in patterns.iter().enumerate() {
            assert_eq!(first.cmp(second), a.cmp(&b), "{first} {second}");
        }
    }
}

#[test]
fn the_best_match_goes_back_where_a_more_specific_start_leads_nowhere() {
    let mut set = PatternSet::default();
    for text in ["a/b/c", "a/{x}/d", "a/*/{y}/e", ">", "prod:a/b/d"] {
        assert_eq!(set.insert(pattern(text), text), None);
    }
    let best = |path: &str| set.best("test", path).map(|found| *found.value);
    assert_eq!(best("a/b/c"), Some("a/b/c"));
    assert_eq!(best("a/b/d"), Some("a/{x}/d"), "prod:a/b/d is for another network");
    assert_eq!(best("a/b/c/e"), Some("a/*/{y}/e"));
    assert_eq!(best("a/b/x"), Some(">"));
    assert_eq!(*set.best("prod", "a/b/d").unwrap().value, "prod:a/b/d");
    assert_eq!(set.best("test", "a/b/c/e").unwrap().bindings.get("y"), Some("c"));
}

#[test]
fn what_was_removed_is_not_found_and_leaves_nothing_behind() {
    let texts = ["a/b/c", "a/{x}/c", "a/{y}/c", "a/*", "a/>", "n:a/b/c"];
    let mut set = PatternSet::default();
    for text in texts {
        set.insert(pattern(text), text);
    }
    assert_eq!((set.len(), set.insert(pattern("a/>"), "again")), (6, Some("a/>")));
    assert_eq!(set.get(&pattern("a/>")), Some(&"again"));
    assert_eq!(set.get(&pattern("a/{z}/c")), None);
    assert_eq!(set.remove(&pattern("a/{z}/c")), None);
    for text in texts {
        assert!(set.remove(&pattern(text)).is_some(), "{text}");
        assert_eq!(set.get(&pattern(text)), None);
    }
    assert_eq!(format!("{set:?}"), format!("{:?}", PatternSet::<&str>::default()));
}

/// Few different segments, so that patterns and paths meet.
fn pattern_text() -> impl Strategy<Value = String> {
    let segment = prop_oneof![4 => "[ab]", 1 => Just("{p}".to_string()), 2 => Just("*".to_string())];
    (
        prop::option::weighted(0.2, prop_oneof![Just("n"), Just("m")]),
        prop::collection::vec(segment, 0..5),
        any::<bool>(),
    )
        .prop_map(|(network, mut segments, tail)| {
            if tail || segments.is_empty() {
                segments.push(">".to_string());
            }
            for (index, segment) in segments.iter_mut().enumerate() {
                *segment = segment.replace('p', &format!("p{index}"));
            }
            let network = network.map(|name| format!("{name}:")).unwrap_or_default();
            network + &segments.join("/")
        })
}

fn path_text() -> impl Strategy<Value = String> {
    prop::collection::vec("[abc]", 1..6).prop_map(|segments| segments.join("/"))
}

/// Matching by the definition of each kind, on lists of segments.
fn matches_naively(pattern: &[Segment<'_>], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        ([Segment::Tail], [_, ..]) => true,
        ([Segment::Literal(text), pattern @ ..], [here, path @ ..]) => {
            text == here && matches_naively(pattern, path)
        }
        ([Segment::Template(_) | Segment::Any, pattern @ ..], [_, path @ ..]) => {
            matches_naively(pattern, path)
        }
        _ => false,
    }
}

proptest! {
    #[test]
    fn matching_is_what_the_kinds_of_segments_say(text in pattern_text(), path in path_text()) {
        let pattern = pattern(&text);
        let segments: Vec<Segment<'_>> = pattern.segments().collect();
        let path_segments: Vec<&str> = path.split('/').collect();
        prop_assert_eq!(pattern.matches(&path).is_some(), matches_naively(&segments, &path_segments));
        prop_assert_eq!(pattern.admits(&path.parse().unwrap()), matches_naively(&segments, &path_segments));
    }

    #[test]
    fn the_best_match_of_a_set_is_the_least_pattern_that_matches(
        texts in prop::collection::vec(pattern_text(), 0..12),
        path in path_text(),
    ) {
        let mut set = PatternSet::default();
        for (index, text) in texts.iter().enumerate() {
            set.insert(pattern(text), index);
        }
        let patterns: Vec<PathPattern> = texts.iter().map(|text| pattern(text)).collect();
        let best = patterns.iter().filter(|one| one.is_for("n") && one.matches(&path).is_some()).min();
        let found = set.best("n", &path);
        prop_assert_eq!(found.as_ref().map(|found| found.pattern), best);
        if let Some(found) = found {
            prop_assert_eq!(&found.bindings, &found.pattern.matches(&path).unwrap());
        }
        let mut listed: Vec<&PathPattern> = set.iter().map(|(one, _)| one).collect();
        listed.sort();
        let mut given: Vec<&PathPattern> = patterns.iter().collect();
        given.sort();
        given.dedup();
        prop_assert_eq!(listed, given);
        prop_assert_eq!(set.iter().count(), set.len());
    }

    #[test]
    fn a_covering_pattern_matches_all_that_the_other_matches(
        a in pattern_text(),
        b in pattern_text(),
        paths in prop::collection::vec(path_text(), 1..20),
    ) {
        let (a, b) = (pattern(&a), pattern(&b));
        for path in &paths {
            let (in_a, in_b) = (a.matches(path).is_some(), b.matches(path).is_some());
            prop_assert!(!a.covers(&b) || !in_b || in_a, "{a} covers {b}, but not {path}");
            prop_assert!(a.overlaps_paths_of(&b) || !(in_a && in_b), "{a} and {b} match {path}");
        }
        prop_assert!(a.covers(&a) && a.overlaps_paths_of(&a));
        // A pattern whose wildcards are all filled in is one of the things that it stands for.
        let filled: Vec<&str> =
            b.segments().map(|segment| if let Segment::Literal(text) = segment { text } else { "z" }).collect();
        let inside = a.matches(&filled.join("/")).is_some();
        let covers = a.covers_paths_of(&b);
        prop_assert!(inside || !covers, "{a} covers {b}");
        prop_assert!(covers || !inside || b.as_str().ends_with('>'), "{a} does not cover {b}");
    }

    #[test]
    fn what_covers_two_steps_down_covers(a in pattern_text(), b in pattern_text(), c in pattern_text()) {
        let (a, b, c) = (pattern(&a), pattern(&b), pattern(&c));
        prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c), "{a}, {b}, {c}");
    }

    #[test]
    fn patterns_have_one_order(a in pattern_text(), b in pattern_text(), c in pattern_text()) {
        let (a, b, c) = (pattern(&a), pattern(&b), pattern(&c));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
    }

    #[test]
    fn any_text_is_a_pattern_or_refused(text in r"([ab:{}*>/ \n]|\PC){0,12}") {
        match text.parse::<PathPattern>() {
            Ok(pattern) => prop_assert_eq!(pattern.to_string(), text),
            Err(error) => prop_assert!(error.at() <= text.len()),
        }
    }

    #[test]
    fn a_path_is_the_pattern_that_matches_it_alone(path in path_text()) {
        let path: ActionPath = path.parse().unwrap();
        prop_assert!(pattern(path.as_str()).matches(path.as_str()).is_some());
    }
}
