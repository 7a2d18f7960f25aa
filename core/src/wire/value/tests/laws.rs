use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{int, value};
use crate::wire::value::{Int, Time, Value, ValueRef, decode, encode, encode_into, from_json, to_json};

const LEN_MAX: usize = 1 << 20;

fn encoded(value: &Value) -> Vec<u8> {
    encode(value, LEN_MAX).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn what_was_encoded_decodes_to_the_same_value(value in value()) {
        let bytes = encoded(&value);
        prop_assert_eq!(bytes.len() as u64, value.encoded_len());
        prop_assert_eq!(decode(&bytes), Ok(value.clone()));
        prop_assert!(ValueRef::parse(&bytes).is_ok(), "the lazy view takes what decodes");
        let mut appended = vec![7];
        encode_into(&value, LEN_MAX, &mut appended).unwrap();
        prop_assert_eq!(&appended[1..], bytes);
    }

    #[test]
    fn the_json_view_is_lossless_even_through_text(value in value()) {
        let json = to_json(&value, LEN_MAX).unwrap();
        prop_assert_eq!(from_json(&json).unwrap(), value.clone());
        let text: serde_json::Value = serde_json::from_str(&json.to_string()).unwrap();
        prop_assert_eq!(from_json(&text).unwrap(), value, "{}", json);
    }

    #[test]
    fn values_are_equal_and_ordered_like_their_encodings(a in value(), b in value()) {
        let (a_bytes, b_bytes) = (encoded(&a), encoded(&b));
        prop_assert_eq!(a.cmp(&b), a_bytes.cmp(&b_bytes), "{:?} {:?}", a, b);
        prop_assert_eq!(a == b, a_bytes == b_bytes);
        prop_assert_eq!(&a, &decode(&a_bytes).unwrap(), "equality does not need the same nodes");
    }

    /// Random bytes are mostly refused at once, so valid ones are damaged in a few places.
    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        value in value(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut bytes = encoded(&value);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(value) = decode(&bytes) {
            prop_assert_eq!(encoded(&value), bytes);
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        match decode(&bytes) {
            Ok(value) => prop_assert_eq!(encoded(&value), bytes),
            Err(error) => prop_assert!(error.at <= bytes.len()),
        }
    }

    #[test]
    fn an_integer_is_its_decimal_digits(int in int()) {
        prop_assert_eq!(int.to_string().parse::<Int>(), Ok(int.clone()));
        prop_assert_eq!(Int::from_magnitude(int.is_negative(), &int.magnitude()), Ok(int.clone()));
        if let Some(word) = int.to_i128() {
            prop_assert_eq!(word.to_string(), int.to_string());
            prop_assert_eq!(Int::from(word), int);
        } else if let Some(word) = int.to_u128() {
            prop_assert_eq!(word.to_string(), int.to_string());
        }
    }

    #[test]
    fn a_time_is_its_text(seconds in Time::SECONDS_MIN..=Time::SECONDS_MAX, nanos in 0..1_000_000_000_u32) {
        let time = Time::new(seconds, nanos).unwrap();
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }
}

#[test]
fn integers_at_the_edges_of_every_width_keep_their_value() {
    for bits in 0..=127 {
        for offset in [0_u128, 1, 2] {
            let value = (1_u128 << bits).wrapping_sub(1).wrapping_add(offset);
            let int = Int::from(value);
            assert_eq!((int.to_string(), int.to_u128()), (value.to_string(), Some(value)));
            assert_eq!(decode(&encoded(&Value::from(int.clone()))), Ok(Value::from(int)));
            if let Ok(negative) = i128::try_from(value).map(|value| -value) {
                let int = Int::from(negative);
                assert_eq!((int.to_string(), int.to_i128()), (negative.to_string(), Some(negative)));
                assert_eq!(decode(&encoded(&Value::from(int.clone()))), Ok(Value::from(int)));
            }
        }
    }
    assert_eq!(Int::from(i128::MIN).to_string(), i128::MIN.to_string());
    assert_eq!(Int::from(u128::MAX).to_i128(), None);
    assert_eq!(Int::from(-1).to_u128(), None);
    assert_eq!(Int::from_magnitude(true, &[0, 0]), Ok(Int::from(0)), "there is no negative zero");
    assert_eq!(Int::from_magnitude(true, &[1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap().to_i128(), Some(-(1 << 64)));
}

#[test]
fn the_days_of_four_centuries_have_the_dates_of_the_calendar() {
    let days_in = |year: u32, month: u32| match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let mut seconds = Time::SECONDS_MIN;
    for year in 1..=801 {
        for month in 1..=12 {
            for day in 1..=days_in(year, month) {
                let text = std::format!("{year:04}-{month:02}-{day:02}T00:00:00Z");
                assert_eq!(Time::new(seconds, 0).unwrap().to_string(), text);
                seconds += 86_400;
            }
        }
    }
    assert_eq!(
        Time::new(Time::SECONDS_MAX, 999_999_999).unwrap().to_string(),
        "9999-12-31T23:59:59.999999999Z"
    );
    assert_eq!(Time::new(Time::SECONDS_MAX + 1, 0), None);
    assert_eq!(Time::new(Time::SECONDS_MIN - 1, 0), None);
    assert_eq!(Time::new(0, 1_000_000_000), None);
}
