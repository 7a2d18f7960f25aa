//! The pages of the specification, and the examples in them.
//!
//! A fenced block whose first word is `hex` is an example. The words after it say what the bytes are, and what becomes of
//! them:
//!
//! - `hex frame NAME`: one frame of this type, header and body, exactly as the code writes it;
//! - `hex frames`: the plaintext of a record, one or more frames;
//! - `hex cbor`: one item of deterministic CBOR;
//! - `hex offer`, `hex answer`, `hex finish`: the payload of handshake message 1, 2 or 3;
//! - `hex prologue PATTERN NETWORK`: the prologue of a handshake;
//! - `hex token`, `hex issuer`: a permission token, or what an issuer says of itself; signed by the keys in it;
//! - `hex stream`: one handshake message or record behind its length prefix;
//! - any of `header`, `frame`, `cbor`, `stream`, `token`, `issuer` and `refused ERROR OFFSET`: bytes that must be refused, and how.

use std::fs;

use bytes::BytesMut;
use lacewing_core::NodeId;
use lacewing_core::crypto::RustCrypto;
use lacewing_core::session::{Answer, IdentityProof, Offer, decode_finish, prologue};
use lacewing_core::token::{IssuerHead, Issuers, Subject, Token, TokenError};
use lacewing_core::wire::WireError;
use lacewing_core::wire::body::directory::{DirectoryDelta, DirectoryDigest, DirectoryRequest};
use lacewing_core::wire::body::discovery::{WhoHas, WhoHasAnswer};
use lacewing_core::wire::body::routing::{PathBroken, Ping, RouteRequest, RoutedHead, Routes};
use lacewing_core::wire::body::topics::PublishHead;
use lacewing_core::wire::body::{
    Credit, Goodbye, Hello, ReplyHead, RequestHead, Stale, TokenShown, TunnelAck, TunnelHeader, decode_error,
    encode_error,
};
use lacewing_core::wire::cbor::Reader;
use lacewing_core::wire::frame::{FrameHeader, FrameType, HEADER_LEN, RECORD_LEN_MAX, split_frame};
use lacewing_core::wire::framing::Deframer;

use crate::hex::{hex, unhex};
use crate::root;

/// One page.
pub(crate) struct Page {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// One example.
pub(crate) struct Example {
    /// Page and line, for messages.
    pub(crate) place: String,
    words: Vec<String>,
    bytes: Vec<u8>,
}

/// Every page of `docs/spec`, by name.
pub(crate) fn all() -> Vec<Page> {
    let folder = root().join("docs/spec");
    let mut pages: Vec<Page> = fs::read_dir(&folder)
        .expect("docs/spec is there")
        .map(|entry| entry.expect("docs/spec can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| Page {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            text: fs::read_to_string(&path).expect("a page is UTF-8"),
        })
        .collect();
    pages.sort_by(|a, b| a.name.cmp(&b.name));
    pages
}

/// The examples of a page.
pub(crate) fn examples(page: &Page) -> Vec<Example> {
    let (mut found, mut open) = (Vec::new(), None::<(usize, Vec<String>, String)>);
    for (index, line) in page.text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(words)) => {
                let words = words.split_whitespace().map(str::to_owned).collect();
                open = Some((index + 1, words, String::new()));
            }
            (Some(_), Some(_)) => {
                let (line, words, text) = open.take().expect("matched");
                if words.first().is_some_and(|word| word == "hex") {
                    let place = format!("docs/spec/{}:{line}", page.name);
                    let bytes = unhex(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
                    found.push(Example { place, words: words[1..].to_vec(), bytes });
                }
            }
            (Some((_, _, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Whether an example is what its words say.
pub(crate) fn check(example: &Example) -> Result<(), String> {
    let words: Vec<&str> = example.words.iter().map(String::as_str).collect();
    let bytes = &example.bytes[..];
    let text = |error: WireError| error.to_string();
    match words[..] {
        [what, "refused", kind, at] => refused(what, bytes, kind, at),
        ["frame", name] => {
            let (header, end) = split_frame(bytes).map_err(text)?;
            same("the type", header.frame_type.name(), name)?;
            same("the length", &end.to_string(), &bytes.len().to_string())?;
            same("as the code writes it", &hex(bytes), &hex(&rewritten(header, &bytes[HEADER_LEN..])?))
        }
        ["frames"] => {
            let mut rest = bytes;
            while !rest.is_empty() {
                let (header, end) = split_frame(rest).map_err(text)?;
                // The code writes no skippable frames, and takes any flags on them.
                if !matches!(header.frame_type, FrameType::Skippable(_)) {
                    let again = rewritten(header, &rest[HEADER_LEN..end])?;
                    same("as the code writes it", &hex(&rest[..end]), &hex(&again))?;
                }
                rest = &rest[end..];
            }
            if bytes.is_empty() { Err("a record without a frame".to_owned()) } else { Ok(()) }
        }
        ["cbor"] => {
            let mut reader = Reader::new(bytes);
            reader.skip().map_err(text)?;
            reader.finish().map_err(text)
        }
        ["offer"] => {
            let mut again = Vec::new();
            Offer::decode(bytes).map_err(text)?.encode(&mut again);
            same("as the code writes it", &hex(bytes), &hex(&again))
        }
        ["answer"] => {
            let mut again = Vec::new();
            Answer::decode(bytes).map_err(text)?.encode(&mut again);
            same("as the code writes it", &hex(bytes), &hex(&again))
        }
        ["tunnel"] => {
            let header = TunnelHeader::decode(bytes).map_err(text)?;
            same("as the code writes it", &hex(bytes), &hex(&header.encode()))
        }
        ["ack"] => {
            let mut again = Vec::new();
            TunnelAck::decode(bytes).map_err(text)?.encode(&mut again);
            same("as the code writes it", &hex(bytes), &hex(&again))
        }
        ["token"] => token(bytes),
        ["issuer"] => issuer(bytes),
        ["finish"] => decode_finish(bytes).map_err(text),
        ["prologue", pattern, network] => {
            let network = network.parse().map_err(|_| "no network name".to_owned())?;
            same("the prologue", &hex(bytes), &hex(&prologue(pattern, &network)))
        }
        ["stream"] => match deframed(bytes).map_err(text)? {
            Some(message) => same("the length", &(message.len() + 4).to_string(), &bytes.len().to_string()),
            None => Err("the message is not whole".to_owned()),
        },
        _ => Err(format!("nobody knows what `hex {}` is; see core/tests/spec/pages.rs", words.join(" "))),
    }
}

/// A token that is written as the code writes it, and proved.
fn token(bytes: &[u8]) -> Result<(), String> {
    let token = Token::decode(bytes).map_err(|error| error.to_string())?;
    let mut again = Vec::new();
    token.encode(&mut again);
    same("as the code writes it", &hex(bytes), &hex(&again))?;
    proved(&token, bytes)
}

/// An issuer's head that is written as the code writes it, and signed.
fn issuer(bytes: &[u8]) -> Result<(), String> {
    let head = IssuerHead::decode(bytes).map_err(|error| error.to_string())?;
    let mut again = Vec::new();
    head.encode(&mut again);
    same("as the code writes it", &hex(bytes), &hex(&again))?;
    if head.verify(&RustCrypto) { Ok(()) } else { Err("the issuer has not signed it".to_owned()) }
}

/// Whether a token's issuer and everybody who passed it on have signed it, and its last subject may use it.
fn proved(token: &Token, bytes: &[u8]) -> Result<(), String> {
    let mut issuers = Issuers::new(u64::MAX);
    issuers.trust(token.issuer(), 0).map_err(|error| error.to_string())?;
    let bearer = match token.terms().subject {
        Subject::Node(node) => node,
        Subject::Anyone => NodeId::from_bytes([0; 32]),
    };
    let verified = issuers.verify(bytes, &bearer, token.terms().from_unix_ms, &RustCrypto);
    verified.map(drop).map_err(|error| error.to_string())
}

fn same(what: &str, found: &str, expected: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{what}: found {found}, expected {expected}")) }
}

fn deframed(bytes: &[u8]) -> Result<Option<BytesMut>, WireError> {
    let mut deframer = Deframer::new(RECORD_LEN_MAX);
    deframer.push(BytesMut::from(bytes));
    deframer.next()
}

fn refused(what: &str, bytes: &[u8], kind: &str, at: &str) -> Result<(), String> {
    let result = match what {
        "header" => FrameHeader::decode(bytes).map(drop),
        "frame" => split_frame(bytes).map(drop).and_then(|()| {
            let header = FrameHeader::decode(bytes)?;
            reencode(header, &bytes[HEADER_LEN..]).map(drop)
        }),
        "cbor" => {
            let mut reader = Reader::new(bytes);
            reader.skip().and_then(|()| reader.finish())
        }
        "stream" => deframed(bytes).map(drop),
        "tunnel" => TunnelHeader::decode(bytes).map(drop),
        "ack" => TunnelAck::decode(bytes).map(drop),
        "issuer" => IssuerHead::decode(bytes).map(drop),
        "token" => match Token::decode(bytes) {
            Ok(_) => Ok(()),
            Err(TokenError::Malformed(error)) => Err(error),
            Err(other) => return Err(other.to_string()),
        },
        _ => return Err(format!("nobody knows what a refused {what} is")),
    };
    match result {
        Ok(()) => Err(format!("it is accepted, and should be {kind} at byte {at}")),
        Err(error) => same("the error", &error.to_string(), &format!("{kind} at byte {at}")),
    }
}

/// A frame, read and written again.
fn rewritten(header: FrameHeader, body: &[u8]) -> Result<Vec<u8>, String> {
    let body = reencode(header, body).map_err(|error| format!("the body: {error}"))?;
    let mut bytes = Vec::new();
    FrameHeader { length: body.len() as u16, ..header }.encode(&mut bytes);
    bytes.extend(body);
    Ok(bytes)
}

/// A body, read and written again.
fn reencode(header: FrameHeader, body: &[u8]) -> Result<Vec<u8>, WireError> {
    let mut again = Vec::new();
    match header.frame_type {
        FrameType::Identity => IdentityProof::decode(body)?.encode(&mut again),
        FrameType::Hello => Hello::decode(body)?.encode(&mut again),
        FrameType::Credit | FrameType::UploadCredit | FrameType::ItemCredit => {
            Credit::decode(body)?.encode(&mut again);
        }
        FrameType::Goodbye => Goodbye::decode(body)?.encode(&mut again),
        FrameType::Stale => Stale::decode(body)?.encode(&mut again),
        FrameType::Token => TokenShown::decode(body)?.encode(&mut again),
        FrameType::Error => encode_error(&decode_error(body)?, &mut again),
        FrameType::Request => {
            let (head, taken) = RequestHead::decode(body)?;
            head.encode(&mut again);
            again.extend_from_slice(&body[taken..]);
        }
        FrameType::Reply | FrameType::Upload | FrameType::Item => {
            let (head, taken) = ReplyHead::decode(body)?;
            head.encode(&mut again);
            again.extend_from_slice(&body[taken..]);
        }
        FrameType::KeepAlive
        | FrameType::Rekey
        | FrameType::Cancel
        | FrameType::UploadEnd
        | FrameType::ItemEnd => {
            assert!(body.is_empty(), "{} has no body", header.frame_type.name());
        }
        FrameType::RequestMore
        | FrameType::ReplyMore
        | FrameType::UploadMore
        | FrameType::ItemMore
        | FrameType::PublishMore
        | FrameType::Skippable(_) => {
            again.extend_from_slice(body);
        }
        FrameType::Routed => {
            RoutedHead::decode(body)?.encode(&mut again);
            again.extend_from_slice(&body[RoutedHead::LEN..]);
        }
        FrameType::PathBroken => PathBroken::decode(body)?.encode(&mut again),
        FrameType::Routes => Routes::decode(body)?.encode(&mut again),
        FrameType::RouteRequest => RouteRequest::decode(body)?.encode(&mut again),
        FrameType::Ping | FrameType::Pong => Ping::decode(body)?.encode(&mut again),
        FrameType::DirectoryDelta => DirectoryDelta::decode(body)?.encode(&mut again),
        FrameType::DirectoryDigest => DirectoryDigest::decode(body)?.encode(&mut again),
        FrameType::DirectoryRequest => DirectoryRequest::decode(body)?.encode(&mut again),
        FrameType::IssuerHead => IssuerHead::decode(body)?.encode(&mut again),
        FrameType::WhoHas => WhoHas::decode(body)?.encode(&mut again),
        FrameType::WhoHasAnswer => WhoHasAnswer::decode(body)?.encode(&mut again),
        FrameType::Publish => {
            let (head, taken) = PublishHead::decode(body)?;
            head.encode(&mut again);
            again.extend_from_slice(&body[taken..]);
        }
    }
    Ok(again)
}
