use super::parsed;
use crate::predicate::{HEADER, PredicateError, Where};

const GPU: &[u8] = br#"{"nodes":[{"kind":"exists","key":{"axis":"hardware","key":"gpu"}}],"root_idx":0}"#;

#[test]
fn no_such_header_is_absent() {
    assert_eq!(Where::of_headers([]), Where::Absent);
    assert_eq!(Where::of_headers([("Net-Where", GPU), ("net-where ", GPU), ("where", GPU)]), Where::Absent);
}

#[test]
fn the_first_such_header_wins_whatever_it_says() {
    let gpu = Where::Ok(parsed("hardware.gpu"));
    assert_eq!(Where::of_headers([("a", &b"b"[..]), (HEADER, GPU), (HEADER, b"bad")]), gpu);
    let bad = Where::of_headers([(HEADER, &b"bad"[..]), (HEADER, GPU)]);
    assert!(matches!(bad, Where::Error(PredicateError::Json { at: 0, .. })), "{bad:?}");
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_absence() {
    assert!(matches!(Where::of_headers([(HEADER, &b""[..])]), Where::Error(PredicateError::Json { .. })));
    let long = [b' '; 4_097];
    assert!(matches!(
        Where::of_headers([(HEADER, &long[..])]),
        Where::Error(PredicateError::Oversize { .. })
    ));
    let bytes = [b' ', 0xff];
    assert!(matches!(
        Where::of_headers([(HEADER, &bytes[..])]),
        Where::Error(PredicateError::Json { at: 1, expected: "UTF-8" })
    ));
}
