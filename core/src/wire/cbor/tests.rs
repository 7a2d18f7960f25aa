use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use WireErrorKind::{
    KeyOrder, NonCanonical, OutOfRange, TooDeep, TrailingBytes, Truncated, UnknownType, WrongType,
};

fn written(write: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out));
    out
}

/// The value of a half as IEEE 754 defines it, by powers and not by bits.
fn half_by_definition(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023) / 1024.0);
    match exponent {
        0 => sign * fraction * 2_f64.powi(-14),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1.0 + fraction) * 2_f64.powi(exponent - 15),
    }
}

#[test]
fn all_65_536_halves_have_their_value_and_come_back() {
    for bits in 0..=u16::MAX {
        let (value, defined) = (f16_value(bits), half_by_definition(bits));
        if defined.is_nan() {
            assert!(value.is_nan(), "{bits:04x}");
            continue;
        }
        assert_eq!(value.to_bits(), defined.to_bits(), "{bits:04x}");
        assert_eq!(f16_bits(value), Some(bits), "{bits:04x}");
        assert_eq!(Float::shortest(value), Float::Half(bits), "{bits:04x}");
    }
}

#[test]
fn what_lies_between_two_halves_is_no_half() {
    // Ascending from +0 to the infinity: all that lies strictly between two neighbours is longer.
    for bits in 0..0x7c00_u16 {
        let (low, high) = (f16_value(bits), f16_value(bits + 1));
        let middle = if high.is_finite() { f64::midpoint(low, high) } else { 65_520.0 };
        let single_up = f64::from((low as f32).next_up());
        for between in
            [low.next_up(), middle, single_up, high.next_down(), f64::from((high as f32).next_down())]
        {
            assert!(low < between && between < high);
            assert_eq!(f16_bits(between), None, "{between:e}");
            assert_eq!(f16_bits(-between), None, "-{between:e}");
        }
    }
}

/// The lengths that the reader takes for a value: every spelling is tried.
fn lengths_taken(value: f64) -> Vec<usize> {
    let mut spellings = vec![[&[0xfb][..], &value.to_bits().to_be_bytes()].concat()];
    let single = value as f32;
    if f64::from(single).to_bits() == value.to_bits() {
        spellings.push([&[0xfa][..], &single.to_bits().to_be_bytes()].concat());
    }
    if let Some(half) = (0..=u16::MAX).find(|bits| half_by_definition(*bits).to_bits() == value.to_bits()) {
        spellings.push([&[0xf9][..], &half.to_be_bytes()].concat());
    }
    let taken = spellings.into_iter().filter(|bytes| Reader::new(bytes).skip().is_ok());
    taken.map(|bytes| bytes.len()).collect()
}

#[test]
fn of_all_spellings_of_a_float_only_the_shortest_is_read() {
    let edges = [
        0.0,
        1.0,
        65_504.0,
        65_505.0,
        65_536.0,
        2_f64.powi(-24),
        2_f64.powi(-25),
        2_f64.powi(-14),
        f64::from(f32::MAX),
        f64::from(f32::MAX).next_up(),
        f64::from(f32::MIN_POSITIVE),
        f64::from(f32::from_bits(1)),
        f64::from(f32::from_bits(1)) / 2.0,
        f64::MAX,
        f64::MIN_POSITIVE,
        5e-324,
        0.1,
        f64::from(0.1_f32),
        f64::INFINITY,
    ];
    for edge in edges.into_iter().flat_map(|edge| [edge, -edge]) {
        let own = written(|out| {
            out.float(edge);
        });
        assert_eq!(lengths_taken(edge), [own.len()], "{edge:e}");
        let head = Reader::new(&own).head().unwrap();
        assert_eq!(head.float().unwrap().to_bits(), edge.to_bits(), "{edge:e}");
    }
}

#[test]
fn of_all_nans_only_one_is_read_and_written() {
    let mut taken = 0;
    for bits in (0..=u16::MAX).filter(|bits| half_by_definition(*bits).is_nan()) {
        let [high, low] = bits.to_be_bytes();
        match Reader::new(&[0xf9, high, low]).skip() {
            Ok(()) => {
                assert_eq!(bits, 0x7e00);
                taken += 1;
            }
            Err(error) => assert_eq!((error.kind, error.at), (NonCanonical, 0)),
        }
    }
    assert_eq!(taken, 1);
    for bits in [0x7fc0_0000_u32, 0xffc0_0000, 0x7f80_0001, 0x7fff_ffff] {
        assert!(Reader::new(&[&[0xfa][..], &bits.to_be_bytes()].concat()).skip().is_err());
    }
    for bits in [0x7ff8_0000_0000_0000_u64, 0xfff8_0000_0000_0000, 0x7ff0_0000_0000_0001, u64::MAX] {
        assert!(Reader::new(&[&[0xfb][..], &bits.to_be_bytes()].concat()).skip().is_err());
        let out = written(|out| {
            out.float(f64::from_bits(bits));
        });
        assert_eq!(out, [0xf9, 0x7e, 0x00]);
    }
}

#[test]
fn of_all_spellings_of_an_argument_only_the_shortest_is_read() {
    let edges = (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    for argument in edges.chain([23, 24, 25, u64::MAX]) {
        for major in [
            Major::Unsigned,
            Major::Negative,
            Major::Bytes,
            Major::Text,
            Major::Array,
            Major::Map,
            Major::Tag,
        ] {
            let own = written(|out| {
                out.head(major, argument);
            });
            let mut taken = Vec::new();
            for (info, width) in [(24, 1), (25, 2), (26, 4), (27, 8)] {
                let bytes = &argument.to_be_bytes()[8 - width..];
                let spelling = [&[(major as u8) << 5 | info][..], bytes].concat();
                let fits = width == 8 || argument >> (8 * width) == 0;
                match Reader::new(&spelling).head() {
                    Ok(head) if fits => {
                        assert_eq!((head.major, head.argument, head.width), (major, argument, width as u8));
                        taken.push(spelling);
                    }
                    Err(error) if fits => assert_eq!((error.kind, error.at), (NonCanonical, 0)),
                    _ => {}
                }
            }
            if argument < 24 {
                assert_eq!(
                    Reader::new(&[(major as u8) << 5 | argument as u8]).head().unwrap().argument,
                    argument
                );
                taken.push(vec![(major as u8) << 5 | argument as u8]);
            }
            assert_eq!(taken, [own], "{major:?} {argument}");
        }
    }
}

#[test]
fn every_first_byte_with_no_meaning_is_refused() {
    for first in 0..=u8::MAX {
        let bytes = [first, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
        match (first >> 5, first & 0x1f) {
            (_, 28..=31) => {
                assert_eq!(Reader::new(&bytes).head().map_err(|e| e.kind), Err(NonCanonical), "{first:02x}");
            }
            (7, 0..=19 | 24) => {
                assert_eq!(Reader::new(&bytes).skip().map_err(|e| e.kind), Err(UnknownType), "{first:02x}");
            }
            (7, 20..=23) => assert_eq!(Reader::new(&bytes[..1]).skip(), Ok(()), "{first:02x}"),
            _ => assert!(Reader::new(&bytes).head().is_ok(), "{first:02x}"),
        }
    }
    for simple in 0..=u8::MAX {
        let expected = if simple < 32 { NonCanonical } else { UnknownType };
        assert_eq!(Reader::new(&[0xf8, simple]).skip().map_err(|e| e.kind), Err(expected), "{simple}");
    }
}

#[test]
fn sixty_four_levels_are_skipped_and_sixty_five_are_too_deep() {
    for wrap in [&[0x81][..], &[0xa1, 0x00], &[0xc1]] {
        let nested = |levels: usize| [wrap.repeat(levels), vec![0x00]].concat();
        assert_eq!(Reader::new(&nested(DEPTH_MAX)).skip(), Ok(()));
        let error = Reader::new(&nested(DEPTH_MAX + 1)).skip().unwrap_err();
        assert_eq!((error.kind, error.at), (TooDeep, DEPTH_MAX * wrap.len()));
    }
    let key = [vec![0xa1], vec![0x81; DEPTH_MAX], vec![0x00, 0x00]].concat();
    assert_eq!(Reader::new(&key).skip().map_err(|error| error.kind), Err(TooDeep), "keys nest like values");
    let million = vec![0x81; 1_000_000];
    assert_eq!(Reader::new(&million).skip().map_err(|error| error.kind), Err(TooDeep));
    let empty = [vec![0x81; DEPTH_MAX], vec![0x80]].concat();
    assert_eq!(
        Reader::new(&empty).skip().map_err(|error| error.kind),
        Err(TooDeep),
        "an empty array is a level too"
    );
}

#[test]
fn claimed_counts_beyond_the_input_are_truncated_at_its_end() {
    for head in [0x5b_u8, 0x7b, 0x9b, 0xbb] {
        for count in [u64::MAX, u64::MAX / 2, 1 << 32] {
            let bytes = [&[head][..], &count.to_be_bytes()].concat();
            let error = Reader::new(&bytes).skip().unwrap_err();
            assert_eq!((error.kind, error.at), (Truncated, 9), "{head:02x}");
        }
    }
}

#[test]
fn map_keys_ascend_and_the_place_of_the_first_that_does_not_is_given() {
    for (bytes, at) in [
        (&[0xa2, 0x01, 0x00, 0x01, 0x00][..], 3),
        (&[0xa2, 0x02, 0x00, 0x01, 0x00], 3),
        // Bytewise by encoding: -1 (0x20) sorts after 500 (0x1901f4).
        (&[0xa2, 0x20, 0x00, 0x19, 0x01, 0xf4, 0x00], 3),
    ] {
        let error = Reader::new(bytes).skip().unwrap_err();
        assert_eq!((error.kind, error.at), (KeyOrder, at));
    }
    assert_eq!(Reader::new(&[0xa2, 0x19, 0x01, 0xf4, 0x00, 0x20, 0x00]).skip(), Ok(()));

    let mut reader = Reader::new(&[0xa2, 0x05, 0x00, 0x05, 0x00]);
    let mut fields = reader.fields().unwrap();
    assert_eq!(fields.next(&mut reader), Ok(Some(5)));
    reader.skip().unwrap();
    assert_eq!(fields.next(&mut reader).map_err(|error| (error.kind, error.at)), Err((KeyOrder, 3)));
}

#[test]
fn readers_of_one_type_refuse_the_others_where_they_stand() {
    let kind_at = |error: WireError| (error.kind, error.at);
    let mut reader = Reader::new(&[0x01, 0x61, b'a']);
    assert_eq!(reader.uint(), Ok(1));
    assert_eq!(reader.bytes().map_err(kind_at), Err((WrongType, 1)));
    assert_eq!(reader.text(), Ok("a"), "nothing was taken");
    assert!(reader.is_at_end());

    assert_eq!(Reader::new(&[0xf6]).bool().map_err(kind_at), Err((WrongType, 0)));
    assert_eq!(
        Reader::new(&[0xf9, 0x00, 0x15]).bool().map_err(kind_at),
        Err((WrongType, 0)),
        "no half is true"
    );
    assert_eq!(Reader::new(&[0x18, 0x18]).uint_max(23).map_err(kind_at), Err((OutOfRange, 0)));
    assert_eq!(Reader::new(&[0x41, 0x00]).byte_array::<2>().map_err(kind_at), Err((OutOfRange, 0)));
    assert_eq!(Reader::new(&[0x62, b'a', b'b']).text_max(1).map_err(kind_at), Err((OutOfRange, 0)));
    assert_eq!(Reader::new(&[0x82]).array(1).map_err(kind_at), Err((OutOfRange, 0)));
    assert_eq!(Reader::new(&[0x00]).finish().map_err(kind_at), Err((TrailingBytes, 0)));
    assert_eq!(
        Reader::new(&[0x63, b'a', 0xe2, 0x82]).text().map_err(kind_at),
        Err((WireErrorKind::InvalidUtf8, 2))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_float_is_written_in_the_one_form_that_is_read(bits in any::<u64>(), single in any::<u32>()) {
        for value in [f64::from_bits(bits), f64::from(f32::from_bits(single))] {
            let bytes = written(|out| { out.float(value); });
            let head = Reader::new(&bytes).head().unwrap();
            prop_assert_eq!(check_simple(head), Ok(()));
            let read = head.float().unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || read.is_nan() && value.is_nan());
            // A float of this width that is not written so is not read either.
            for bytes in [[&[0xfb][..], &value.to_bits().to_be_bytes()].concat(), [&[0xfa][..], &single.to_be_bytes()].concat()] {
                let head = Reader::new(&bytes).head().unwrap();
                let again = written(|out| { out.float(head.float().unwrap()); });
                prop_assert_eq!(check_simple(head).is_ok(), again == bytes);
            }
        }
    }

    #[test]
    fn skipping_any_bytes_ends_within_them(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut reader = Reader::new(&bytes);
        match reader.skip() {
            Ok(()) => prop_assert!(reader.position() <= bytes.len()),
            Err(error) => prop_assert!(error.at <= bytes.len()),
        }
    }
}
