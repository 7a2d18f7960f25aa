//! The chain of links that a token is.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use bytes::BufMut;

use super::terms::Body;
use super::{DELEGATIONS_MAX, Fingerprint, Subject, TOKEN_LEN_MAX, Terms, TokenError, Widening, text};
use crate::crypto::CryptoProvider;
use crate::identity::{Identity, NodeId, PublicKey};
use crate::wire::cbor::{Reader, Writer};
use crate::wire::{WireError, WireErrorKind};

/// One link: what it says, the bytes of that, and the signature.
#[derive(Clone, PartialEq, Eq)]
struct Link {
    body: Body,
    /// As they came: what a later version has written into them stays signed.
    bytes: Vec<u8>,
    signature: [u8; 64],
}

/// A token that could be read, which says nothing about whether it is any good: see [`Issuers::verify`](super::Issuers::verify).
///
/// The first link is the issuer's own. Each later one is made by the subject of the one before it, and allows no more. A token
/// may be a secret; `Debug` shows none of it.
///
/// ```
/// use std::sync::Arc;
///
/// use lacewing_core::Identity;
/// use lacewing_core::crypto::RustCrypto;
/// use lacewing_core::token::{Issuers, Right, Subject, Terms, Token};
///
/// let identity = |byte| Identity::from_secret([byte; 32], Arc::new(RustCrypto));
/// let (issuer, alice, bob) = (identity(1), identity(2), identity(3));
/// let now = 1_700_000_000_000;
/// let terms = Terms {
///     subject: Subject::Node(alice.node_id()),
///     rights: [Right::Call, Right::Subscribe].into_iter().collect(),
///     pattern: "orders/>".parse().unwrap(),
///     from_unix_ms: now,
///     until_unix_ms: now + 3_600_000,
///     delegations: 1,
///     nonce: [0; 16],
/// };
/// let token = Token::issue(&issuer, 0, terms.clone()).unwrap();
///
/// let narrower = Terms {
///     subject: Subject::Node(bob.node_id()),
///     rights: Right::Call.into(),
///     pattern: "orders/eu/*".parse().unwrap(),
///     delegations: 0,
///     ..terms
/// };
/// let passed_on = token.delegate(&alice, narrower).unwrap();
/// let text = passed_on.to_text();
/// assert!(text.starts_with("lwt1."));
/// assert_eq!(text.parse(), Ok(passed_on));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    links: Vec<Link>,
    /// [`TOKEN_LEN_MAX`] at most.
    encoded_len: usize,
}

impl Token {
    /// What is signed in front of everything else.
    pub const DOMAIN: &'static [u8; 15] = b"lacewing-tok-v1";

    /// A token with one link, signed by an issuer in its present generation. Fails with [`TokenError::BadTerms`] and
    /// [`TokenError::TooLong`].
    pub fn issue(issuer: &Identity, generation: u64, terms: Terms) -> Result<Self, TokenError> {
        let body = Body { signer: issuer.public_key(), terms, generation: Some(generation) };
        Self { links: Vec::new(), encoded_len: 0 }.with(issuer, body)
    }

    /// This token with one link more, made by the subject of the last one. Fails as [`issue`](Self::issue) does, and with what
    /// a checker would say: the terms must be within those of the last link.
    pub fn delegate(&self, delegator: &Identity, terms: Terms) -> Result<Self, TokenError> {
        let body = Body { signer: delegator.public_key(), terms, generation: None };
        let link = self.links.len() as u8;
        check_step(link, self.last().terms(), &body.terms, delegator.node_id())?;
        self.clone().with(delegator, body)
    }

    /// Signs `body` and puts it at the end.
    fn with(mut self, signer: &Identity, body: Body) -> Result<Self, TokenError> {
        let bytes = body.encode();
        // What could not be read is not written.
        if Body::decode(&bytes, self.links.is_empty()).is_err() {
            return Err(TokenError::BadTerms);
        }
        let signature = signer.sign(&signed_text(self.links.last(), &bytes));
        self.links.push(Link { body, bytes, signature });
        let mut encoded = Vec::new();
        self.encode(&mut encoded);
        self.encoded_len = encoded.len();
        if encoded.len() > TOKEN_LEN_MAX { Err(TokenError::TooLong(encoded.len())) } else { Ok(self) }
    }

    fn first(&self) -> &Link {
        self.links.first().expect("a token has a link: decode and issue see to it")
    }

    fn last(&self) -> &Link {
        self.links.last().expect("a token has a link: decode and issue see to it")
    }

    /// Who signed the first link. Unproved.
    pub fn issuer(&self) -> PublicKey {
        self.first().body.signer
    }

    /// The issuer's generation when it signed. Unproved.
    pub fn generation(&self) -> u64 {
        self.first().body.generation.unwrap_or_default()
    }

    /// What each link says and who signed it, from the issuer's on. Unproved.
    pub fn links(&self) -> impl ExactSizeIterator<Item = (PublicKey, &Terms)> {
        self.links.iter().map(|link| (link.body.signer, &link.body.terms))
    }

    /// What the last link says, which is all that the token allows. Unproved.
    pub fn terms(&self) -> &Terms {
        self.last().terms()
    }

    /// A short name for logs, from which nothing of the token follows.
    pub fn fingerprint(&self, crypto: &dyn CryptoProvider) -> Fingerprint {
        Fingerprint::of(&self.last().signature, crypto)
    }

    /// Length of [`encode`](Self::encode) in bytes.
    pub fn encoded_len(&self) -> usize {
        self.encoded_len
    }

    /// Appends the token.
    pub fn encode(&self, out: &mut impl BufMut) {
        let mut writer = Writer::new(out);
        writer.map(1).uint(1).array(self.links.len());
        for link in &self.links {
            writer.array(2).bytes(&link.bytes).bytes(&link.signature);
        }
    }

    /// Reads a whole token of at most [`TOKEN_LEN_MAX`] bytes. Checks no signature, and nothing else that hangs on who shows it
    /// where and when.
    pub fn decode(input: &[u8]) -> Result<Self, TokenError> {
        if input.len() > TOKEN_LEN_MAX {
            return Err(TokenError::TooLong(input.len()));
        }
        Self::read(input).map_err(TokenError::Malformed)
    }

    fn read(input: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(input);
        let mut fields = reader.fields()?;
        let mut links = None;
        while let Some(key) = fields.next(&mut reader)? {
            match key {
                1 => links = Some(read_links(&mut reader)?),
                _ => reader.skip()?,
            }
        }
        let missing = reader.error(WireErrorKind::MissingField);
        reader.finish()?;
        let mut token = Self { links: links.ok_or(missing)?, encoded_len: 0 };
        let mut encoded = Vec::with_capacity(input.len());
        token.encode(&mut encoded);
        token.encoded_len = encoded.len();
        Ok(token)
    }

    /// The token as text: `lwt1.` and base64url without padding.
    pub fn to_text(&self) -> String {
        let mut encoded = Vec::with_capacity(self.encoded_len);
        self.encode(&mut encoded);
        text::written(&encoded)
    }

    /// Whether each link is within the one before it, made by its subject, and one of not too many.
    pub(super) fn check_steps(&self, crypto: &dyn CryptoProvider) -> Result<(), TokenError> {
        for (index, pair) in self.links.windows(2).enumerate() {
            let [parent, child] = pair else { continue };
            let delegator = NodeId::of(&child.body.signer, crypto);
            check_step(index as u8 + 1, parent.terms(), child.terms(), delegator)?;
        }
        Ok(())
    }

    /// Whether each link is signed by the key in it: as many checks as links, and none after the first bad one.
    pub(super) fn check_signatures(&self, crypto: &dyn CryptoProvider) -> Result<(), TokenError> {
        let mut parent = None;
        for (index, link) in self.links.iter().enumerate() {
            let text = signed_text(parent, &link.bytes);
            if !crypto.ed25519_verify(&link.body.signer.0, &text, &link.signature) {
                return Err(TokenError::BadSignature { link: index as u8 });
            }
            parent = Some(link);
        }
        Ok(())
    }
}

impl Link {
    fn terms(&self) -> &Terms {
        &self.body.terms
    }
}

fn read_links(reader: &mut Reader<'_>) -> Result<Vec<Link>, WireError> {
    let at = reader.position();
    let count = reader.array(u64::from(DELEGATIONS_MAX) + 1)?;
    if count == 0 {
        return Err(WireError { kind: WireErrorKind::Empty, at });
    }
    let mut links = Vec::new();
    for index in 0..count {
        let at = reader.position();
        if reader.array(2)? != 2 {
            return Err(WireError { kind: WireErrorKind::OutOfRange, at });
        }
        let bytes = reader.bytes()?;
        let start = reader.position() - bytes.len();
        let body =
            Body::decode(bytes, index == 0).map_err(|error| WireError { at: start + error.at, ..error })?;
        links.push(Link { body, bytes: bytes.to_vec(), signature: reader.byte_array()? });
    }
    Ok(links)
}

/// What the signer of a link with this body signs. The parent's signature binds it to one chain.
fn signed_text(parent: Option<&Link>, body: &[u8]) -> Vec<u8> {
    let parent = parent.map_or([0; 64], |link| link.signature);
    [Token::DOMAIN, &parent[..], body].concat()
}

/// Whether `delegator` may make a link with the terms of `child` after one with those of `parent`.
fn check_step(link: u8, parent: &Terms, child: &Terms, delegator: NodeId) -> Result<(), TokenError> {
    if parent.subject != Subject::Node(delegator) {
        return Err(TokenError::WrongDelegator { link });
    }
    if child.delegations >= parent.delegations {
        return Err(TokenError::OverDelegated { link });
    }
    let what = if !child.rights.is_within(parent.rights) {
        Widening::Rights
    } else if !parent.pattern.covers(&child.pattern) {
        Widening::Pattern
    } else if child.from_unix_ms < parent.from_unix_ms || child.until_unix_ms > parent.until_unix_ms {
        Widening::Time
    } else {
        return Ok(());
    };
    Err(TokenError::Widened { link, what })
}

impl FromStr for Token {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        Self::decode(&text::read(text)?)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({} links, {} bytes)", self.links.len(), self.encoded_len)
    }
}

/// Chains that nobody honest makes.
#[cfg(test)]
impl Token {
    /// One link more, whatever it says.
    pub(super) fn with_unchecked(self, signer: &Identity, terms: Terms) -> Self {
        let body = Body { signer: signer.public_key(), terms, generation: None };
        self.with(signer, body).unwrap()
    }

    /// One link more, signed for another chain.
    pub(super) fn with_last_link_of(mut self, other: &Self) -> Self {
        self.links.push(other.last().clone());
        self.measured()
    }

    pub(super) fn without_link(mut self, index: usize) -> Self {
        self.links.remove(index);
        self.measured()
    }

    pub(super) fn with_signature(mut self, signature: [u8; 64]) -> Self {
        self.links.last_mut().unwrap().signature = signature;
        self
    }

    /// The bytes with the last body changed and signed again.
    pub(super) fn with_raw_body(mut self, signer: &Identity, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut link = self.links.pop().unwrap();
        change(&mut link.bytes);
        link.signature = signer.sign(&signed_text(self.links.last(), &link.bytes));
        self.links.push(link);
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The bytes with another signer named in the first link, and the signature as it was.
    pub(super) fn named_after(mut self, issuer: &Identity) -> Vec<u8> {
        let link = &mut self.links[0];
        link.body.signer = issuer.public_key();
        link.bytes = link.body.encode();
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    fn measured(mut self) -> Self {
        let mut out = Vec::new();
        self.encode(&mut out);
        self.encoded_len = out.len();
        self
    }
}
