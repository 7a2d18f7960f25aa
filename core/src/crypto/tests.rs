use alloc::vec::Vec;

use super::{AeadId, CryptoProvider, OpenError, RustCrypto};
use crate::identity::unhex;

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).unwrap()
}

fn bytes_of_any_length(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

struct Vector {
    id: AeadId,
    key: [u8; 32],
    nonce: [u8; 12],
    aad: Vec<u8>,
    plaintext: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: [u8; 16],
}

/// Test case 16 of the annex to "The Galois/Counter Mode of Operation" (2005), which SP 800-38D refers to.
fn aes_256_gcm() -> Vector {
    Vector {
        id: AeadId::Aes256Gcm,
        key: bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"),
        nonce: bytes("cafebabefacedbaddecaf888"),
        aad: bytes_of_any_length("feedfacedeadbeeffeedfacedeadbeefabaddad2"),
        plaintext: bytes_of_any_length(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        )),
        ciphertext: bytes_of_any_length(concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        )),
        tag: bytes("76fc6ece0f4e1768cddf8853bb2d551b"),
    }
}

/// RFC 8439, section 2.8.2.
fn chacha20_poly1305() -> Vector {
    Vector {
        id: AeadId::ChaCha20Poly1305,
        key: bytes("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
        nonce: bytes("070000004041424344454647"),
        aad: bytes_of_any_length("50515253c0c1c2c3c4c5c6c7"),
        plaintext:
            b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
            sunscreen would be it."
                .to_vec(),
        ciphertext: bytes_of_any_length(concat!(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6",
            "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36",
            "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc",
            "3ff4def08e4b7a9de576d26586cec64b6116",
        )),
        tag: bytes("1ae10b594f09e26a7e902ecbd0600691"),
    }
}

#[test]
fn aeads_agree_with_their_published_vectors() {
    for vector in [aes_256_gcm(), chacha20_poly1305()] {
        let key = RustCrypto.aead(vector.id, &vector.key);
        let mut text = vector.plaintext.clone();
        let tag = key.seal(&vector.nonce, &vector.aad, &mut text);
        assert_eq!((&text, tag), (&vector.ciphertext, vector.tag), "{:?}", vector.id);
        key.open(&vector.nonce, &vector.aad, &mut text, &tag).unwrap();
        assert_eq!(text, vector.plaintext, "{:?}", vector.id);
    }
}

#[test]
fn a_changed_bit_in_text_tag_nonce_or_associated_data_does_not_open() {
    for vector in [aes_256_gcm(), chacha20_poly1305()] {
        let key = RustCrypto.aead(vector.id, &vector.key);
        let opened = |change: fn(&mut Vector)| {
            let mut changed = Vector {
                aad: vector.aad.clone(),
                plaintext: Vec::new(),
                ciphertext: vector.ciphertext.clone(),
                ..vector
            };
            change(&mut changed);
            key.open(&changed.nonce, &changed.aad, &mut changed.ciphertext, &changed.tag)
        };
        assert_eq!(opened(|_| ()), Ok(()));
        assert_eq!(opened(|v| v.ciphertext[7] ^= 1), Err(OpenError));
        assert_eq!(opened(|v| v.tag[15] ^= 0x80), Err(OpenError));
        assert_eq!(opened(|v| v.nonce[0] ^= 1), Err(OpenError));
        assert_eq!(opened(|v| v.aad[0] ^= 1), Err(OpenError));
    }
}

#[test]
fn sha256_agrees_with_fips_180() {
    let abc = bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(RustCrypto.sha256(&[b"a", b"", b"bc"]), abc);
}

/// RFC 8032, section 7.1, TEST 1 to 3.
#[test]
fn ed25519_agrees_with_rfc_8032() {
    let vectors: [(&str, &str, &[u8], &str); 3] = [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            b"",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            &[0x72],
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            &[0xaf, 0x82],
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ];
    for (secret, public, message, signature) in vectors {
        let (secret, public, signature) = (bytes(secret), bytes(public), bytes(signature));
        assert_eq!(RustCrypto.ed25519_public(&secret), public);
        assert_eq!(RustCrypto.ed25519_sign(&secret, message), signature);
        assert!(RustCrypto.ed25519_verify(&public, message, &signature));
        assert!(!RustCrypto.ed25519_verify(&public, b"another message", &signature));
        let mut forged = signature;
        forged[3] ^= 1;
        assert!(!RustCrypto.ed25519_verify(&public, message, &forged));
    }
}

#[test]
fn a_small_order_key_that_would_sign_anything_is_refused() {
    // With the neutral point as key and as R, and S = 0, the plain equation holds for every message.
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    assert!(!RustCrypto.ed25519_verify(&neutral, b"anything", &signature));
}

#[test]
fn a_signature_with_the_group_order_added_is_refused() {
    // RFC 8032, section 5.1.7: S must be below L; S + L would be a second spelling of the same signature.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    let order: [u8; 32] = bytes(ORDER);
    let secret = [7; 32];
    let public = RustCrypto.ed25519_public(&secret);
    let mut signature = RustCrypto.ed25519_sign(&secret, b"message");
    assert!(RustCrypto.ed25519_verify(&public, b"message", &signature));
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert!(!RustCrypto.ed25519_verify(&public, b"message", &signature));
}
