use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{
    Alias, Entry, EntryError, EntryKind, EntryValue, NodeRecord, ProviderEntry, ProviderState, SchemaId,
};
use crate::capability::CapabilitySet;
use crate::identity::hex;
use crate::wire::WireErrorKind;
use crate::wire::body::directory::EntryKey;
use crate::wire::cbor::Writer;

fn provider(path: &str) -> ProviderEntry {
    ProviderEntry::new(path.parse().unwrap())
}

fn full() -> ProviderEntry {
    ProviderEntry {
        schema: Some(SchemaId::Name("sum.v1".to_string())),
        version: Some("1.4.0".to_string()),
        load: 300,
        state: ProviderState::Draining,
        ..provider("math/sum")
    }
}

fn entries() -> Vec<Entry> {
    let record = NodeRecord {
        label: "db@host:7400".parse().unwrap(),
        addrs: Vec::from(["[::1]:7400".parse().unwrap(), "db.example:1".parse().unwrap()]),
        subnet: 0x0102_0300,
    };
    let set = CapabilitySet::new().with_tag("hardware.gpu").unwrap().with_metadata("owner", "alice").unwrap();
    let hashed = ProviderEntry { schema: Some(SchemaId::Hash([9; 32])), ..provider("a") };
    Vec::from([
        Entry::node(record),
        Entry::capabilities(set),
        Entry::provider(provider("a/b")),
        Entry::provider(full()),
        Entry::provider(hashed),
        Entry::alias(&"billing".parse::<Alias>().unwrap()),
    ])
}

/// Fixes the bytes for good: they are what owners have signed.
#[test]
fn entries_are_written_like_this() {
    let written: Vec<_> = entries().iter().map(|entry| hex(&entry.encode())).collect();
    insta::assert_snapshot!(written.join("\n"), @r"
    a30101026003a3016c646240686f73743a3734303002826a5b3a3a315d3a373430306c64622e6578616d706c653a31031a01020300
    a30102026003a201816c68617264776172652e67707502a1656f776e657265616c696365
    a301030263612f6203a201000200
    a3010302686d6174682f73756d03a40119012c0202036673756d2e76310465312e342e30
    a3010302616103a3010002000358200909090909090909090909090909090909090909090909090909090909090909
    a30104026762696c6c696e6703a0
    ");
}

#[test]
fn entries_read_what_they_write() {
    for entry in entries() {
        assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
    }
}

#[test]
fn entries_are_in_order_of_kind_and_then_name() {
    let key = |kind: EntryKind, name: &str| kind.key(name);
    let mut keys = Vec::from([
        key(EntryKind::Alias, "a"),
        key(EntryKind::Provider, "b"),
        key(EntryKind::Provider, "a/b"),
        key(EntryKind::Capabilities, ""),
        key(EntryKind::Node, ""),
    ]);
    keys.sort();
    let order: Vec<_> = keys.iter().map(|key| format!("{}{}", key.kind, key.name)).collect();
    assert_eq!(order, ["1", "2", "3a/b", "3b", "4a"]);
    for kind in EntryKind::ALL {
        assert_eq!(EntryKind::from_number(kind.number()), Some(kind));
    }
}

/// `{1: kind, 2: name, 3: value}` with a value written by hand.
fn by_hand(kind: u64, name: &str, value: impl FnOnce(&mut Writer<'_, Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.map(3).uint(1).uint(kind).uint(2).text(name).uint(3);
    value(&mut writer);
    bytes
}

#[test]
fn what_no_owner_could_mean_is_refused() {
    let refused = |bytes: &[u8]| Entry::decode(bytes).unwrap_err().kind;
    let good = |writer: &mut Writer<'_, Vec<u8>>| {
        writer.map(2).uint(1).uint(0).uint(2).uint(0);
    };
    assert!(Entry::decode(&by_hand(3, "a/b", good)).is_ok());
    assert_eq!(refused(&by_hand(3, "a//b", good)), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(3, "", good)), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(3, &"a/".repeat(600), good)), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(3, "a", |w| _ = w.map(1).uint(1).uint(0))), WireErrorKind::MissingField);
    assert_eq!(
        refused(&by_hand(3, "a", |w| _ = w.map(3).uint(1).uint(0).uint(2).uint(0).uint(3).bytes(&[1; 31]))),
        WireErrorKind::OutOfRange
    );
    assert_eq!(
        refused(&by_hand(3, "a", |w| _ = w.map(3).uint(1).uint(0).uint(2).uint(0).uint(4).text("a\nb"))),
        WireErrorKind::OutOfRange
    );
    assert_eq!(refused(&by_hand(4, "a\nb", |w| _ = w.map(0))), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(4, "a", |w| _ = w.array(0))), WireErrorKind::WrongType);
    let record = |addrs: usize| {
        by_hand(1, "", |writer| {
            writer.map(3).uint(1).text("x").uint(2).array(addrs);
            for port in 0..addrs {
                writer.text(&format!("10.0.0.1:{}", port + 1));
            }
            writer.uint(3).uint(0);
        })
    };
    assert!(Entry::decode(&record(16)).is_ok());
    assert_eq!(refused(&record(17)), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(1, "named", |w| _ = w.map(0))), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(2, "named", |w| _ = w.map(0))), WireErrorKind::OutOfRange);
    assert_eq!(refused(&by_hand(65_536, "a", |w| _ = w.map(0))), WireErrorKind::OutOfRange);
    assert_eq!(refused(&[0xa0]), WireErrorKind::MissingField);
    let mut trailing = by_hand(3, "a", good);
    trailing.push(0);
    assert_eq!(refused(&trailing), WireErrorKind::TrailingBytes);
    let large = by_hand(99, "a", |w| _ = w.bytes(&alloc::vec![0; 17 * 1_024]));
    assert_eq!(refused(&large), WireErrorKind::TooLarge);
    let deep = by_hand(99, "a", |writer| {
        for _ in 0..100 {
            writer.array(1);
        }
        writer.uint(0);
    });
    assert_eq!(refused(&deep), WireErrorKind::TooDeep);
}

#[test]
fn what_a_later_version_adds_is_skipped() {
    let more = by_hand(3, "a", |w| _ = w.map(3).uint(1).uint(7).uint(2).uint(0).uint(99).array(1).uint(1));
    let EntryValue::Provider(entry) = Entry::decode(&more).unwrap().value else { panic!("a provider") };
    assert_eq!(entry.load, 7);
    let unknown = Entry::decode(&by_hand(99, "whatever", |w| _ = w.array(0))).unwrap();
    assert_eq!(
        unknown,
        Entry { key: EntryKey { kind: 99, name: "whatever".to_string() }, value: EntryValue::Unknown }
    );
}

#[test]
fn a_state_that_is_not_known_takes_no_calls() {
    let later = by_hand(3, "a", |w| _ = w.map(2).uint(1).uint(0).uint(2).uint(200));
    let EntryValue::Provider(entry) = Entry::decode(&later).unwrap().value else { panic!("a provider") };
    assert!(!entry.state.takes_calls());
    for state in ProviderState::ALL {
        assert_eq!(ProviderState::from_number(state.number().into()), state);
    }
}

#[test]
fn a_node_checks_what_it_says_before_others_do() {
    assert_eq!(full().check(), Ok(()));
    let schema = |name: &str| ProviderEntry { schema: Some(SchemaId::Name(name.to_string())), ..full() };
    let version = |text: &str| ProviderEntry { version: Some(text.to_string()), ..full() };
    for (entry, error) in [
        (schema(""), EntryError::Schema),
        (schema(&"x".repeat(256)), EntryError::Schema),
        (version(""), EntryError::Version),
        (version(&"1".repeat(65)), EntryError::Version),
        (version("1\u{7f}"), EntryError::Version),
    ] {
        assert_eq!(entry.check(), Err(error));
        assert!(Entry::decode(&Entry::provider(entry).encode()).is_err(), "others would refuse it");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_reading_fail_in_any_other_way(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Entry::decode(&bytes);
    }

    #[test]
    fn every_provider_reads_as_it_was_written(
        path in "[a-z]{1,8}(/[a-z0-9.]{1,8}){0,4}",
        load in any::<u32>(),
        state in 0..3_u64,
        schema in proptest::option::of(prop_oneof![
            any::<[u8; 32]>().prop_map(SchemaId::Hash),
            "[a-zA-Z .]{1,40}".prop_map(SchemaId::Name),
        ]),
        version in proptest::option::of("[0-9]{1,4}\\.[0-9]{1,4}"),
    ) {
        let state = ProviderState::from_number(state);
        let entry = Entry::provider(ProviderEntry { schema, version, load, state, ..provider(&path) });
        let bytes = entry.encode();
        let read = Entry::decode(&bytes).unwrap();
        prop_assert_eq!(read.encode(), bytes);
        prop_assert_eq!(read, entry);
    }
}
