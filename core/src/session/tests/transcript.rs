use alloc::format;
use alloc::string::String;

use super::*;
use crate::identity::hex;

/// Every byte of a handshake and of the first record each way.
fn transcript(config: &HandshakeConfig, seeds: (u8, u8)) -> String {
    let Shaken { mut initiator, mut responder, messages: [first, second, third] } =
        shake_through(config, config, seeds, |_, _| ()).unwrap();
    let hash = *initiator.handshake_hash();
    let from_initiator = first_record(&mut initiator, &identity(11), b"");
    let from_responder = first_record(&mut responder, &identity(12), b"");
    let lines = [
        ("message 1", &first[..]),
        ("message 2", &second),
        ("message 3", &third),
        ("hash", &hash),
        ("initiator", &from_initiator),
        ("responder", &from_responder),
    ];
    lines.map(|(name, bytes)| format!("{name}: {}", hex(bytes))).join("\n")
}

#[test]
fn the_same_seeds_give_the_same_bytes_and_others_give_others() {
    for config in both_patterns() {
        assert_eq!(transcript(&config, (1, 2)), transcript(&config, (1, 2)));
        let (ours, theirs) = (transcript(&config, (1, 2)), transcript(&config, (1, 3)));
        // Message 1 depends on the initiator alone; nothing after it is the same.
        let differ: Vec<bool> = ours.lines().zip(theirs.lines()).map(|(a, b)| a != b).collect();
        assert_eq!(differ, [false, true, true, true, true, true]);
    }
}

#[test]
fn the_transcript_without_a_network_key_never_changes() {
    insta::assert_snapshot!(transcript(&config_with(None, (1, 1), &[AeadId::ChaCha20Poly1305]), (1, 2)), @r"
    message 1: 091e876575795f5fced43ff7ce5ae652db21e3453c6b1ec5d3bd23b1ec410655a5018201010281020319ffff041a01000000051a00400000
    message 2: 363338ec15815643e6829814055f6a8137e3445accc0545d98f7211f224ec85765064aee018668ea3ff13c6715670d1fbb895c586584f1f7864aa6b8c442c1ac3f7850f6fa9275ef479140ad1b8c91773bc8f134f78bca22804d51b2ff93d12477796c7dd9ce5b866392f2e794bafb73b4267cf008
    message 3: 6f7539fe01854f4f9e0c33493679f2f9379f92a8ade51e1ba716ab773aa1edbc968db545e1b25f35c0f591504809fef891b8727619c41d57a505d00fc15d2dc4d7
    hash: 9fbdfb91486cd4ffa8fd4631d7cc47c670cc98005d0e89aa33a9316bc4e73e53
    initiator: f2b15f37fd0ae7ed3a539d0e45b6571eedfdc75f490e16501100cf40bf122b2718085944152f90bc96754edab5060ba573f29a6389461382364b38cfe792839063ba2e642c56b5530847b6cabcbbaffd675881920f463225b7482c465d90c6057bbb194e7b0d24eb997f7eed9b65f89b5d4e6148e8102c888cb9b5b3cdd40f441aa476fc89d5507f0599bb6f245d2b67a7cba5323d3f13115709898db9d5f43eeaaaa851581de2e8595e010306b73f83060d4755657d5c4c16441ba2d46bbaaece86b8fa6942250d
    responder: 900c5d1edb2cd2f74dff2eb4be3d3fc495f51e098c636339e6d13069a8b4226bbb13b583f7b26fbf017c65b45488dfb27ef772e2581f8a602f3e6e547a6947b48e6ef19e3484ed3d77c0dc655de32dc7a8d0242f2c73f5788557b575b09427206c8251a62c6d405b3b0b913bbfe6361f3f17200bd3139990edbe25611153c533f581df28113bc89fea936e00c852fddc8812fbf7728cfea98de7108b7ef3bb1ed9cc3f14d839a1c92dded59149811cd0ec0c7ceb86dc42d1ab3012af1dc1a84765913fe52eb01db8
    ");
}

#[test]
fn the_transcript_with_a_network_key_never_changes() {
    insta::assert_snapshot!(transcript(&config(Some(7)), (1, 2)), @r"
    message 1: 091e876575795f5fced43ff7ce5ae652db21e3453c6b1ec5d3bd23b1ec410655b11407d62d19a813d0cc54fe781b1a8fa20e4cc9ca467b9af09dd72e4c8b9f1deb1d6d1f841bc0b1ef
    message 2: 363338ec15815643e6829814055f6a8137e3445accc0545d98f7211f224ec8570c1cf7239956d685cd7c269e7f4f1dc285b4c4c3a0701ccb5804b60af797a1a378f8732837cabcd30d6fd6e805a21a5360b3a2a67da38a64f6ad42f39e812bf55df7e631dcdff18e6d6e147639cbb97f650f9ce8bc
    message 3: 5859dbb0bee36b225f397b0c6d51e225aa21b3fdf89b78eb8b4dad25452faa69bec93b539fff5c737a8acccd019ac8dd6782f304d5c2c80663de8cdae39537ed2a
    hash: 4c333f3431c26728bc0a3d2d03f16ea347ca3146b8e73298b1be8b620fa0afff
    initiator: 8075fba442d1b5666d8a89298c00df5d488814b1c4f51eb6ed278578c951eb3a3dd93224a8af8a08c9431a2ebdbd64489462bced28e9913dee8a7d94016e3b3ea5ee37b986e5cf97b18ede927df77fc1b4115c969fccc8d1b6aee3459578df180a8b0855e9a0c713fb57242e26e2d7b4ee81152ad7cb062643f0219379b4351650d855f42ab36523a16e799ae99c33348e5e3855f4f895a1c7930c47c20ed84eb13ceea774b8d04ba372664bb22ea2f24179b4628130d57f9cc007bc9750e62a22756b894befa651
    responder: bb0d473f9f3cb44bf94b6c8ad8b6b498fa3b0e59999e759be85d982b7eec32be5372918816865e0dd1d25f06a0fdd0381dd7af0023af0c59489c26e9ba4c7f9efd3350c9201152163e05092fbce71b1c8ccc8915220f33c999db39b3ed96a6dc80f22e687a9537fa067e4c7a0405cf1fbb25bb1b1637485d6d73fdcef9d90d56e60ad9071770d94148f05d1a350b6ddcb6496318578ceaba449dc2d099ebc01bbdb8d52809e878b0ed1336cc12827e639d29a515ecb27b8e7a9d04761656c58886f29aa3ecf09de3
    ");
}
