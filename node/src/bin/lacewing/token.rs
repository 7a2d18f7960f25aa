//! `lacewing token`: tokens are made, passed on, looked at and taken back.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lacewing::crypto::RustCrypto;
use lacewing::token::{IssuerHead, Issuers, Right, Rights, Subject, TOKEN_LEN_MAX, Terms, Token};
use lacewing::{Identity, NodeId};
use serde_json::json;

use crate::arguments::{
    DelegateArguments, IssueArguments, RevokeArguments, ShowArguments, TokenCommand, TokenTerms,
};
use crate::failure::Failure;
use crate::keyfile::{self, KeyKind};
use crate::outcome;
use crate::screen;
use crate::visit::Visit;

/// Longest token as text that is read, with a line end: more is something else.
const TEXT_BYTES_MAX: u64 = TOKEN_LEN_MAX as u64 * 2;

pub(crate) async fn run(command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Issue(arguments) => issue(&arguments),
        TokenCommand::Delegate(arguments) => delegate(&arguments),
        TokenCommand::Show(arguments) => show(&arguments),
        TokenCommand::Revoke(arguments) => revoke(arguments).await,
    }
}

/// The holder of a key file.
fn identity(path: &Path) -> Result<Identity, Failure> {
    let secret = keyfile::read(path, KeyKind::Node)?;
    Ok(Identity::from_secret(*secret, Arc::new(RustCrypto)))
}

/// A token from a file with its text.
pub(crate) fn read(path: &Path) -> Result<Token, Failure> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(TEXT_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(TEXT_BYTES_MAX).read_to_string(&mut text))
    };
    let shown = path.display();
    read.map_err(|error| Failure::usage(format!("cannot read the token file {shown}: {error}")))?;
    text.trim().parse().map_err(|error| Failure::usage(format!("{shown} holds no token: {error}")))
}

/// What time it is, in milliseconds since 1970-01-01T00:00:00Z.
#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "people make tokens by the clock on the wall"
)]
fn unix_ms_now() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

fn nonce() -> Result<[u8; 16], Failure> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce)
        .map_err(|error| Failure::usage(format!("the operating system gives no randomness: {error}")))?;
    Ok(nonce)
}

fn subject(terms: &TokenTerms) -> Result<Subject, Failure> {
    match (terms.to, terms.anyone) {
        (Some(node), _) => Ok(Subject::Node(node)),
        (None, true) => Ok(Subject::Anyone),
        (None, false) => {
            Err(Failure::usage("whom is it for? give --to NODE, or --anyone for whoever has it"))
        }
    }
}

fn issue(arguments: &IssueArguments) -> Result<(), Failure> {
    let issuer = identity(&arguments.key_file)?;
    let terms = &arguments.terms;
    if terms.right.is_empty() {
        return Err(Failure::usage("what does it allow? give --right, for example --right call"));
    }
    let from_unix_ms = unix_ms_now().saturating_add(arguments.after.map_or(0, millis));
    let terms = Terms {
        subject: subject(terms)?,
        rights: terms.right.iter().copied().collect(),
        pattern: terms.pattern.clone().unwrap_or_else(|| ">".parse().expect("a pattern")),
        from_unix_ms,
        until_unix_ms: from_unix_ms.saturating_add(millis(terms.life.unwrap_or(Duration::from_secs(3_600)))),
        delegations: terms.delegations,
        nonce: nonce()?,
    };
    let token = Token::issue(&issuer, arguments.generation, terms).map_err(Failure::usage)?;
    screen::line(&token.to_text())
}

fn delegate(arguments: &DelegateArguments) -> Result<(), Failure> {
    let delegator = identity(&arguments.key_file)?;
    let token = read(&arguments.token)?;
    let (last, narrower) = (token.terms(), &arguments.terms);
    let now = unix_ms_now();
    let until = narrower.life.map_or(u64::MAX, |life| now.saturating_add(millis(life)));
    let rights: Rights = narrower.right.iter().copied().collect();
    let terms = Terms {
        subject: subject(narrower)?,
        rights: if rights.is_empty() { last.rights } else { rights },
        pattern: narrower.pattern.clone().unwrap_or_else(|| last.pattern.clone()),
        from_unix_ms: last.from_unix_ms,
        until_unix_ms: last.until_unix_ms.min(until),
        delegations: narrower.delegations,
        nonce: nonce()?,
    };
    let passed_on = token.delegate(&delegator, terms).map_err(Failure::usage)?;
    screen::line(&passed_on.to_text())
}

/// Prints what a token says, and whether it is any good, as far as that can be told here.
fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let token = read(&arguments.token)?;
    let now = unix_ms_now();
    let verdict = verdict(&token, arguments, now);
    if arguments.json {
        screen::line(&portrait(&token, now, verdict.as_ref().err()).to_string())?;
    } else {
        screen::line(&description(&token, now))?;
        if verdict.is_ok() {
            let by = if arguments.issuer.is_some() { "the issuer that was given" } else { "its issuer" };
            screen::line(&format!("it holds, for whoever believes {by}"))?;
        }
    }
    verdict.map_err(|reason| Failure::operation(format!("it does not hold: {reason}")))
}

/// Whether a node would believe it, that trusts its issuer, or the one that was named.
fn verdict(token: &Token, arguments: &ShowArguments, now: u64) -> Result<(), String> {
    let issuer = arguments.issuer.unwrap_or_else(|| token.issuer());
    let mut issuers = Issuers::default();
    issuers.trust(issuer, arguments.generation).map_err(|error| error.to_string())?;
    let bearer = match (arguments.by, token.terms().subject) {
        (Some(node), _) | (None, Subject::Node(node)) => node,
        (None, Subject::Anyone) => NodeId::from_bytes([0; 32]),
    };
    let mut bytes = Vec::with_capacity(token.encoded_len());
    token.encode(&mut bytes);
    issuers.verify(&bytes, &bearer, now, &RustCrypto).map(drop).map_err(|error| error.to_string())
}

fn holder(subject: Subject) -> String {
    match subject {
        Subject::Node(node) => node.to_string(),
        Subject::Anyone => "whoever has it".to_owned(),
    }
}

/// A time as people can place it: how long ago, or how long until.
fn place(unix_ms: u64, now: u64) -> String {
    let span = |ms: u64| match ms / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    };
    match now.checked_sub(unix_ms) {
        Some(ago) => format!("{} ago", span(ago)),
        None => format!("in {}", span(unix_ms - now)),
    }
}

fn description(token: &Token, now: u64) -> String {
    let mut text = String::new();
    let mut line =
        |name: &str, value: &str| writeln!(text, "{name:<12} {value}").expect("writing to a string");
    line("fingerprint:", &token.fingerprint(&RustCrypto).to_string());
    line("issuer:", &token.issuer().to_string());
    line("generation:", &token.generation().to_string());
    for (index, (signer, terms)) in token.links().enumerate() {
        if index > 0 {
            line("passed on:", &format!("by {signer}"));
        }
        line("for:", &holder(terms.subject));
        line("rights:", &terms.rights.to_string());
        line("pattern:", terms.pattern.as_str());
        line("from:", &format!("{} ({})", terms.from_unix_ms, place(terms.from_unix_ms, now)));
        line("until:", &format!("{} ({})", terms.until_unix_ms, place(terms.until_unix_ms, now)));
        line("delegations:", &terms.delegations.to_string());
    }
    text.truncate(text.trim_end().len());
    text
}

fn portrait(token: &Token, now: u64, wrong: Option<&String>) -> serde_json::Value {
    let links = token.links().map(|(signer, terms)| {
        let subject = match terms.subject {
            Subject::Node(node) => Some(node.to_string()),
            Subject::Anyone => None,
        };
        let rights = Right::ALL.iter().filter(|right| terms.rights.contains(**right));
        json!({
            "signer": signer.to_string(),
            "for": subject,
            "rights": rights.map(|right| right.name()).collect::<Vec<_>>(),
            "pattern": terms.pattern.as_str(),
            "from_unix_ms": terms.from_unix_ms,
            "until_unix_ms": terms.until_unix_ms,
            "delegations": terms.delegations,
        })
    });
    json!({
        "fingerprint": token.fingerprint(&RustCrypto).to_string(),
        "issuer": token.issuer().to_string(),
        "generation": token.generation(),
        "links": links.collect::<Vec<_>>(),
        "now_unix_ms": now,
        "holds": wrong.is_none(),
        "wrong": wrong,
    })
}

/// Joins for a moment and says what the issuer takes back.
async fn revoke(arguments: RevokeArguments) -> Result<(), Failure> {
    let head = IssuerHead::sign(&identity(&arguments.issuer_key_file)?, arguments.generation);
    let generation = arguments.generation;
    let as_json = arguments.visit.json;
    let visit = Visit::begin(arguments.visit).await?;
    let told = visit.reach(None).await.and_then(|()| visit.node.revoke(&head));
    let neighbours = visit.node.peers().len();
    visit.end().await;
    told.map_err(|error| outcome::failure(&error, as_json))?;
    screen::line(&format!(
        "told {neighbours} neighbours: tokens of generations before {generation} are void wherever this arrives"
    ))
}
