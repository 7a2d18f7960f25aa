use std::collections::BTreeMap;

use lacewing_core::engine::{Codec, Payload};
use lacewing_core::wire::value;
use lacewing_core::{Code, Error};
use serde::{Deserialize, Serialize};

use super::{decode, encode};

const ALL: [Codec; 3] = [Codec::Json, Codec::MessagePack, Codec::Cbor];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shade {
    Plain,
    Named(String),
    Mixed(u8, u8, u8),
    Faded { of: Box<Shade>, by: f64 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    flag: bool,
    small: i8,
    large: u64,
    negative: i64,
    lowest: i64,
    real: f64,
    short: f32,
    letter: char,
    text: String,
    list: Vec<u32>,
    pair: (u8, String),
    map: BTreeMap<String, Option<i32>>,
    some: Option<u8>,
    none: Option<u8>,
    unit: (),
    shades: Vec<Shade>,
}

#[derive(Deserialize)]
struct Flag {
    flag: bool,
}

fn everything() -> Everything {
    Everything {
        flag: true,
        small: -7,
        large: u64::MAX,
        negative: -300,
        lowest: i64::MIN,
        real: 0.1,
        short: 1.5,
        letter: 'ß',
        text: "hällo".to_owned(),
        list: vec![1, 70_000, 0],
        pair: (9, "nine".to_owned()),
        map: [("z".to_owned(), Some(-1)), ("aa".to_owned(), None), (String::new(), Some(5))].into(),
        some: Some(0),
        none: None,
        unit: (),
        shades: vec![
            Shade::Plain,
            Shade::Named("red".to_owned()),
            Shade::Mixed(1, 2, 3),
            Shade::Faded { of: Box::new(Shade::Plain), by: -0.0 },
        ],
    }
}

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(codec: Codec, data: &[u8]) -> Error {
    decode::<T>(&Payload { codec, data: data.to_vec().into() }).unwrap_err()
}

#[test]
fn everything_comes_back_in_every_codec() {
    for codec in ALL {
        let payload = encode(codec, &everything()).unwrap();
        assert_eq!(payload.codec, codec);
        assert_eq!(decode::<Everything>(&payload).unwrap(), everything(), "{codec:?}");
        // What is not known is skipped.
        let Flag { flag } = decode(&payload).unwrap();
        assert!(flag);
    }
}

#[test]
fn cbor_is_the_one_encoding_of_typed_values() {
    let payload = encode(Codec::Cbor, &everything()).unwrap();
    let value = value::decode(&payload.data).expect("deterministic CBOR");
    assert_eq!(value::encode(&value, usize::MAX).unwrap(), payload.data);
    let map: BTreeMap<&str, f64> = [("bb", 1.0), ("a", 0.1), ("", f64::NAN)].into();
    let payload = encode(Codec::Cbor, &map).unwrap();
    // Shorter keys first, and the shortest spelling of each number.
    assert_eq!(
        payload.data[..],
        *b"\xa3\x60\xf9\x7e\x00\x61a\xfb\x3f\xb9\x99\x99\x99\x99\x99\x9a\x62bb\xf9\x3c\x00"
    );
    for number in [i128::MIN, i128::from(i64::MIN) - 1, -1, 0, i128::from(u64::MAX) + 1, i128::MAX] {
        let payload = encode(Codec::Cbor, &number).unwrap();
        assert_eq!(value::decode(&payload.data), Ok(value::Value::from(number)));
        assert_eq!(decode::<i128>(&payload).unwrap(), number);
    }
    let payload = encode(Codec::Cbor, &u128::MAX).unwrap();
    assert_eq!(decode::<u128>(&payload).unwrap(), u128::MAX);
}

#[test]
fn other_spellings_of_cbor_are_refused() {
    for (bytes, at) in [
        (&b"\x18\x01"[..], 0),            // 1 in two bytes
        (b"\xfb\x3f\xf8\0\0\0\0\0\0", 0), // 1.5 in nine
        (b"\x9f\x01\xff", 0),             // no end told
        (b"\x82\x01", 2),                 // one item short
        (b"\x01\x01", 1),                 // one too many
        (b"\xa2\x61b\x01\x61a\x02", 4),   // keys out of order
        (b"\x61\xff", 1),                 // no UTF-8
    ] {
        let error = refused::<serde::de::IgnoredAny>(Codec::Cbor, bytes);
        assert_eq!(error.code(), Code::Codec);
        assert!(error.message().contains(&format!("at byte {at}")), "{bytes:x?}: {error}");
    }
    let deep = [vec![0x81; 200], vec![0x01]].concat();
    assert!(refused::<serde::de::IgnoredAny>(Codec::Cbor, &deep).message().contains("too_deep"));
}

#[test]
fn what_nests_for_ever_is_refused_in_every_codec() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Nest(Vec<Nest>);
    for (codec, open) in [(Codec::Json, b'['), (Codec::MessagePack, 0x91), (Codec::Cbor, 0x81)] {
        let error = refused::<Nest>(codec, &vec![open; 1_000_000]);
        assert_eq!(error.code(), Code::Codec, "{codec:?}");
    }
}

#[test]
fn what_nests_too_deep_is_not_written() {
    #[derive(Serialize)]
    struct Nest(Vec<Nest>);
    let nest = |levels: usize| (1..levels).fold(Nest(Vec::new()), |inner, _| Nest(vec![inner]));
    let payload = encode(Codec::Cbor, &nest(64)).unwrap();
    assert!(value::decode(&payload.data).is_ok());
    let error = encode(Codec::Cbor, &nest(65)).unwrap_err();
    assert_eq!(error.code(), Code::Codec);
    assert!(error.message().contains("deeper than 64"), "{error}");
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only read")]
struct Order {
    item: String,
    counts: Vec<u8>,
}

#[derive(Serialize)]
struct Wrong<'a> {
    item: &'a str,
    counts: (u8, &'a str),
}

const SECRET: &str = "secret";

#[test]
fn a_failure_says_where_and_what_was_expected_and_never_what_was_sent() {
    let json = |text: &str| refused::<Order>(Codec::Json, text.as_bytes());
    for (error, wanted) in [
        (json(r#"{"item": "secret", "counts": [1, "secret"]}"#), "expected u8, at line 1, column 41"),
        (json(r#"{"item": "secret"}"#), "the field counts is missing, at line 1, column 18"),
        (json(r#"{"secret": 1}"#), "expected `item` or `counts`, at line 1, column 9"),
        (json("{\"item\": \"secret\",\n \"counts\""), "EOF while parsing an object, at line 2, column 9"),
        (json(r#"{"item": "secret", "counts": [300]}"#), "expected u8, at line 1, column 33"),
    ] {
        assert_eq!(error.message(), format!("no such json: {wanted}"));
    }
    // The same mistakes, written by whoever knows the other codecs.
    let wrong = Wrong { item: SECRET, counts: (1, SECRET) };
    let error = refused::<Order>(Codec::Cbor, &encode(Codec::Cbor, &wrong).unwrap().data);
    assert_eq!(error.message(), "no such cbor: expected u8, at byte 22");
    let error = refused::<Order>(Codec::MessagePack, &encode(Codec::MessagePack, &wrong).unwrap().data);
    assert_eq!(error.message(), "no such messagepack: it is not what its type takes, before byte 23");
    let only: BTreeMap<&str, u8> = [(SECRET, 1)].into();
    let error = refused::<Order>(Codec::Cbor, &encode(Codec::Cbor, &only).unwrap().data);
    assert_eq!(error.message(), "no such cbor: expected only the fields item, counts, at byte 1");
    let error = refused::<Shade>(Codec::Cbor, &encode(Codec::Cbor, SECRET).unwrap().data);
    assert_eq!(error.message(), "no such cbor: expected one of Plain, Named, Mixed, Faded, at byte 0");
}

#[test]
fn what_comes_behind_a_value_is_refused() {
    for codec in ALL {
        let mut data = encode(codec, &vec![1, 2]).unwrap().data.to_vec();
        data.push(b'1');
        assert_eq!(refused::<Vec<u8>>(codec, &data).code(), Code::Codec, "{codec:?}");
    }
}

#[test]
fn a_list_that_is_longer_than_its_type_is_refused() {
    for codec in ALL {
        let payload = encode(codec, &[1, 2, 3]).unwrap();
        assert!(decode::<(u8, u8)>(&payload).is_err(), "{codec:?}");
        assert_eq!(decode::<(u8, u8, u8)>(&payload).unwrap(), (1, 2, 3));
    }
}

#[test]
fn raw_payloads_hold_texts_bytes_or_nothing() {
    assert_eq!(encode(Codec::Raw, "hä").unwrap(), Payload::from("hä"));
    assert_eq!(decode::<String>(&Payload::from("hä")).unwrap(), "hä");
    assert_eq!(encode(Codec::Raw, &vec![0_u8, 255]).unwrap(), Payload::from(vec![0, 255]));
    assert_eq!(decode::<Vec<u8>>(&Payload::from(vec![0, 255])).unwrap(), [0, 255]);
    assert_eq!(encode(Codec::Raw, &()).unwrap(), Payload::default());
    decode::<()>(&Payload::default()).unwrap();

    assert_eq!(refused::<()>(Codec::Raw, b"x").message(), "no such raw payload: expected nothing, at byte 0");
    assert_eq!(
        refused::<String>(Codec::Raw, b"ab\xff").message(),
        "no such raw payload: expected UTF-8, at byte 2"
    );
    assert_eq!(refused::<u32>(Codec::Raw, b"1").code(), Code::Codec);
    for error in [
        encode(Codec::Raw, &7).unwrap_err(),
        encode(Codec::Raw, &vec![1_u16]).unwrap_err(),
        encode(Codec::Raw, &Some("x")).unwrap_err(),
        encode(Codec::Raw, &everything()).unwrap_err(),
    ] {
        assert_eq!(error.code(), Code::Codec);
        assert!(error.message().contains("a text, bytes or nothing"), "{error}");
    }
}

#[test]
fn bytes_that_are_no_value_never_panic() {
    // Every byte in every place of something good, and every beginning of it.
    for codec in ALL {
        let good = encode(codec, &everything()).unwrap().data;
        for end in 0..good.len() {
            assert_eq!(refused::<Everything>(codec, &good[..end]).code(), Code::Codec);
        }
        for at in 0..good.len() {
            for byte in [0x00, 0x7f, 0x80, 0xbf, 0xc1, 0xdf, 0xfb, 0xff] {
                let mut data = good.to_vec();
                data[at] = byte;
                let _ = decode::<Everything>(&Payload { codec, data: data.into() });
            }
        }
    }
}
