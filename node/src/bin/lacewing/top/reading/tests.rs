use super::Reading;

#[test]
fn a_page_is_read_as_it_is_written() {
    let page =
        "# HELP a Something.\n# TYPE a counter\na 3\nb{x=\"1\",y=\"two\"} 0.5\nb{x=\"2\",y=\"two\"} 1.5\n";
    let reading = Reading::parse(page).unwrap();
    assert_eq!(reading.get("a", &[]), Some(3.0));
    assert_eq!(reading.get("b", &[("x", "2")]), Some(1.5));
    assert_eq!(reading.get("c", &[]), None);
    let sums = ["b", "c"].map(|name| Some(reading.sum(name, &[("y", "two")])));
    assert_eq!(sums, [Some(2.0), Some(0.0)]);
}

#[test]
fn quotes_and_backslashes_come_back_and_what_a_terminal_would_obey_does_not() {
    let reading = Reading::parse("a{x=\"q\\\"b\\\\n\\nl\u{1b}[2J\"} 1\n").unwrap();
    assert_eq!(reading.samples("a")[0].label("x"), "q\"b\\n l[2J");
}

#[test]
fn what_is_no_page_is_not_read() {
    for text in ["hello", "<html>", "a", "a{x=\"1\" 2", "a{x=1} 2", "a b", "a{x=\"1\"}", "a{"] {
        assert!(Reading::parse(text).is_none(), "{text}");
    }
    assert!(Reading::parse("").is_some());
}

#[test]
fn buckets_are_in_the_order_of_the_page() {
    let page = "t_bucket{le=\"0.1\"} 1\nt_bucket{le=\"+Inf\"} 4\nt_sum 2\nt_count 4\n";
    let reading = Reading::parse(page).unwrap();
    assert_eq!(reading.buckets("t", &[]), [(0.1, 1.0), (f64::INFINITY, 4.0)]);
}
