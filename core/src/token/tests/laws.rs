use proptest::prelude::*;

use super::*;

fn pattern() -> impl Strategy<Value = crate::wire::path::PathPattern> {
    let segment = prop_oneof![3 => "[ab]", 1 => Just("*".into()), 1 => Just("{x}".into())];
    (prop::collection::vec(segment, 0..3), any::<bool>()).prop_map(|(mut segments, tail)| {
        segments.dedup_by(|a, b| a == "{x}" && a == b);
        if tail || segments.is_empty() || segments.iter().filter(|one| *one == "{x}").count() > 1 {
            segments.retain(|one: &std::string::String| one != "{x}");
            segments.push(">".into());
        }
        segments.join("/").parse().unwrap()
    })
}

fn any_terms(step: u8) -> impl Strategy<Value = Terms> {
    (0..64_u32, pattern(), 0..4_u64, 1..4_u64, 0..=4_u8).prop_map(
        move |(bits, pattern, from, life, delegations)| Terms {
            rights: Rights::from_bits(bits.max(1)),
            pattern,
            from_unix_ms: NOW - HOUR + from,
            until_unix_ms: NOW + HOUR + from + life,
            ..terms(step, delegations)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is passed on, what comes out is within what every link says.
    #[test]
    fn a_chain_only_narrows(
        first in any_terms(0),
        rest in prop::collection::vec(any_terms(0), 0..4),
        path in "[ab](/[ab]){0,2}",
    ) {
        let mut token = issued(first);
        for next in rest {
            let step = token.links().len() as u8;
            let next = Terms { subject: Subject::Node(node(step).node_id()), ..next };
            if let Ok(longer) = token.delegate(&node(step - 1), next) {
                token = longer;
            }
        }
        let last = token.links().len() as u8 - 1;
        let grant = shown_by(last, &token);
        prop_assert!(grant.is_ok(), "{grant:?}");
        let grant = grant.unwrap();
        for (_, terms) in token.links() {
            prop_assert!(grant.rights.is_within(terms.rights));
            prop_assert!(grant.pattern.matches(&path).is_none() || terms.pattern.matches(&path).is_some());
            prop_assert!(terms.from_unix_ms <= grant.from_unix_ms && grant.until_unix_ms <= terms.until_unix_ms);
        }
        prop_assert_eq!(Token::decode(&encoded(&token)), Ok(token.clone()));
        prop_assert_eq!(token.to_text().parse(), Ok(token));
    }

    #[test]
    fn any_bytes_are_a_token_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(token) = Token::decode(&bytes) {
            prop_assert_eq!(Token::decode(&encoded(&token)), Ok(token));
        }
    }
}
