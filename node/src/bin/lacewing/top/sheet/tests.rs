use super::{amount, bytes, lines, table, time, uptime};
use crate::top::figures::Figures;

#[test]
fn values_are_shown_in_the_unit_in_which_they_are_read_best() {
    for (seconds, expected) in [
        (0.000_002, "2 us"),
        (0.000_999_4, "999 us"),
        (0.000_999_6, "1.0 ms"),
        (0.012_3, "12 ms"),
        (0.999_6, "1.0 s"),
        (67.0, "67 s"),
    ] {
        assert_eq!(time(Some(seconds)), expected);
    }
    assert_eq!(time(None), "-");
    for (per_s, expected) in [
        (0.0, "0 B/s"),
        (999.0, "999 B/s"),
        (1_000.0, "1.0 kB/s"),
        (999_600.0, "1.0 MB/s"),
        (42e9, "42 GB/s"),
    ] {
        assert_eq!(bytes(per_s), expected);
    }
    for (value, expected) in [(0.0, "0"), (0.04, "0"), (0.25, "0.2"), (9.9, "9.9"), (1234.5, "1234")] {
        assert_eq!(amount(value), expected);
    }
    for (seconds, expected) in
        [(0.9, "0 s"), (61.0, "1 min 1 s"), (3_660.0, "1 h 1 min"), (90_000.0, "1 d 1 h")]
    {
        assert_eq!(uptime(seconds), expected);
    }
}

#[test]
fn names_stand_to_the_left_and_figures_to_the_right() {
    let rows = [["a".to_owned(), "1".to_owned()], ["longer".to_owned(), "1000000".to_owned()]];
    assert_eq!(table(&["NAME", "TOTAL"], &rows), ["NAME      TOTAL", "a             1", "longer  1000000"]);
}

#[test]
fn a_node_without_neighbours_says_so() {
    let sheet = lines(&Figures::default(), "127.0.0.1:9464".parse().unwrap(), true);
    assert!(sheet.iter().any(|line| line == "nobody"), "{sheet:#?}");
    assert!(sheet.iter().any(|line| line.starts_with("calls made")), "{sheet:#?}");
    assert!(!sheet.iter().any(|line| line.starts_with("ACTION")), "{sheet:#?}");
}
