//! Bodies of routing, written and read again; and the hash by which neighbours compare.

use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::wire::frame::CHUNK_LEN_MAX;

fn written(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = Vec::new();
    encode(&mut body);
    body
}

fn any_id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 32]>().prop_map(NodeId::from_bytes)
}

fn any_version() -> impl Strategy<Value = RouteVersion> {
    (any::<u64>(), any::<u64>()).prop_map(|(incarnation, sequence)| RouteVersion {
        incarnation: Incarnation::new(incarnation),
        sequence,
    })
}

fn any_entry() -> impl Strategy<Value = RouteEntry> {
    let offer =
        (any_version(), 0..ANNOUNCEMENT_HOPS_MAX, any::<u32>()).prop_map(|(version, hops, metric)| {
            let metric = if hops == 0 { 0 } else { metric.max(hops.into()) };
            RouteOffer { version, hops, metric }
        });
    (any_id(), proptest::option::of(offer)).prop_map(|(destination, offer)| RouteEntry { destination, offer })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_again(
        entries in proptest::collection::vec(any_entry(), 0..20),
        check in proptest::option::of((any::<u64>(), any::<u64>())),
        anew in any::<bool>(),
        version in any_version(),
        (source, destination) in (any_id(), any_id()),
        (hops, id) in (1..=ANNOUNCEMENT_HOPS_MAX, any::<u64>()),
    ) {
        let routes =
            Routes { entries, check: check.map(|(count, hash)| RoutesCheck { count, hash }), anew };
        prop_assert_eq!(Routes::decode(&written(|out| routes.encode(out))), Ok(routes));
        for request in [RouteRequest::Everything, RouteRequest::Newer { destination, version, hops, id }] {
            prop_assert_eq!(RouteRequest::decode(&written(|out| request.encode(out))), Ok(request));
        }
        for reason in Broken::ALL {
            let broken = PathBroken { source, destination, reason };
            prop_assert_eq!(PathBroken::decode(&written(|out| broken.encode(out))), Ok(broken));
        }
        for class in Class::ALL {
            let head = RoutedHead { destination, source, hop_limit: hops, class };
            prop_assert_eq!(RoutedHead::decode(&written(|out| head.encode(out))), Ok(head));
        }
        prop_assert_eq!(Ping::decode(&written(|out| Ping { token: id }.encode(out))), Ok(Ping { token: id }));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = (Routes::decode(&body), RouteRequest::decode(&body), PathBroken::decode(&body));
        let _ = (RoutedHead::decode(&body), Ping::decode(&body));
    }

    #[test]
    fn the_hash_does_not_depend_on_the_order_or_on_sequence_numbers(
        entries in proptest::collection::vec(any_entry(), 0..20),
        sequence in any::<u64>(),
    ) {
        let offers: Vec<_> =
            entries.into_iter().filter_map(|entry| Some((entry.destination, entry.offer?))).collect();
        let (mut one, mut other) = (RoutesCheck::default(), RoutesCheck::default());
        for (destination, offer) in &offers {
            one.add(destination, offer);
        }
        for (destination, offer) in offers.iter().rev() {
            let version = RouteVersion { sequence, ..offer.version };
            other.add(destination, &RouteOffer { version, ..*offer });
        }
        prop_assert_eq!(one, other);
        other.add(&NodeId::from_bytes([0; 32]), &RouteOffer { version: RouteVersion {
            incarnation: Incarnation::new(0), sequence }, hops: 1, metric: 1 });
        prop_assert_ne!(one, other);
    }
}

#[test]
fn the_most_entries_fit_in_a_frame_however_large_their_numbers_are() {
    let version = RouteVersion { incarnation: Incarnation::new(u64::MAX), sequence: u64::MAX };
    let offer = Some(RouteOffer { version, hops: ANNOUNCEMENT_HOPS_MAX - 1, metric: u32::MAX });
    let entry = RouteEntry { destination: NodeId::from_bytes([0xff; 32]), offer };
    let check = Some(RoutesCheck { count: u64::MAX, hash: u64::MAX });
    let routes = Routes { entries: alloc::vec![entry; ROUTES_ENTRIES_MAX], check, anew: true };
    let body = written(|out| routes.encode(out));
    assert!(body.len() <= CHUNK_LEN_MAX, "{} bytes", body.len());
    assert_eq!(Routes::decode(&body), Ok(routes));
}

#[test]
fn the_hash_is_that_of_the_specification() {
    let id = |first: u8| NodeId::from_bytes(core::array::from_fn(|index| first + index as u8));
    let version = RouteVersion { incarnation: Incarnation::new(1_700_000_000_000), sequence: 3 };
    let mut check = RoutesCheck::default();
    check.add(&id(0x20), &RouteOffer { version, hops: 0, metric: 0 });
    check.add(&id(0x40), &RouteOffer { version, hops: 2, metric: 43_000 });
    assert_eq!(check, RoutesCheck { count: 2, hash: 0x39d4_48e3_bc2a_dcf4 });
}
