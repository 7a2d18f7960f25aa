use super::*;

#[test]
fn numbers_are_whole_and_fit_sixty_four_bits() {
    for (value, fits) in [
        ("0", true),
        ("18446744073709551615", true),
        ("18446744073709551616", false),
        ("-1", false),
        ("1.5", false),
        ("1e3", false),
        ("", false),
        (" 1", false),
    ] {
        assert_eq!(Expected::Number.fits(Some(value)), fits, "{value}");
    }
}

#[test]
fn presence_wants_nothing_and_everything_else_something() {
    assert!(Expected::Presence.fits(None) && !Expected::Presence.fits(Some("true")));
    assert!(Expected::Bool.fits(Some("true")) && !Expected::Bool.fits(Some("True")));
    assert!(Expected::Text.fits(Some("x")) && !Expected::Text.fits(Some("")));
    for expected in [Expected::Number, Expected::Bool, Expected::Text] {
        assert!(!expected.fits(None));
    }
}

#[test]
fn an_index_fits_thirty_two_bits() {
    assert!(matches!(lookup(Axis::Software, "tool.4294967295.name"), Known::Key { field: "name", .. }));
    let bad = Known::BadIndex { prefix: "tool.", index: "4294967296" };
    assert_eq!(lookup(Axis::Software, "tool.4294967296.name"), bad);
    assert_eq!(lookup(Axis::Software, "model..id"), Known::BadIndex { prefix: "model.", index: "" });
}

#[test]
fn a_list_without_a_field_is_not_known() {
    for key in
        ["model", "model.", "model.0", "tool.0", "runtime", "runtime.", "model.0.tool_id", "model.0.id.x"]
    {
        assert_eq!(lookup(Axis::Software, key), Known::Unknown, "{key}");
    }
    assert_eq!(lookup(Axis::Devices, "os"), Known::Unknown);
    assert_eq!(lookup(Axis::Hardware, "os"), Known::Unknown);
}

#[test]
fn any_runtime_has_a_version() {
    let known = Known::Key { field: "runtime.node.js", expected: Expected::Text };
    assert_eq!(lookup(Axis::Software, "runtime.node.js"), known);
}
