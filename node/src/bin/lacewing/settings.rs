//! Flags, environment and file, put together: a flag goes before the environment, which goes before the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lacewing::access::{AccessPolicy, Rule};
use lacewing::capability::{self, Problem};
use lacewing::crypto::RustCrypto;
use lacewing::{Builder, CapabilitySet, Identity, NetworkKey, Node, PublicKey, Trust};
use serde::Deserialize;

use crate::arguments::MeshArguments;
use crate::failure::Failure;
use crate::incarnation::IncarnationFile;
use crate::keyfile::{self, KeyKind};
use crate::{rules, token};

/// Where trust comes from, for the message that says that there is none.
const TRUST_OPTIONS: &str = "give --network-key-file FILE (lacewing keygen --network makes one), --pin KEY, \
                             --members-of ISSUER, or --open, which lets everybody in";

/// The file. Paths in it start from where the file is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub(crate) listen: Vec<String>,
    pub(crate) peer: Vec<String>,
    pub(crate) neighbours: Option<usize>,
    pub(crate) name: Option<String>,
    pub(crate) network: Option<String>,
    pub(crate) network_key_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) pin: Vec<String>,
    pub(crate) open: bool,
    pub(crate) serve: Vec<String>,
    pub(crate) tag: Vec<String>,
    pub(crate) meta: BTreeMap<String, String>,
    pub(crate) alias: Vec<String>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) metrics_exposed: bool,
    pub(crate) allow: Vec<String>,
    pub(crate) closed: bool,
    pub(crate) issuer: Vec<String>,
    pub(crate) members_of: Vec<String>,
    pub(crate) token_file: Vec<PathBuf>,
}

impl ConfigFile {
    /// The file that the arguments name, or an empty one.
    pub(crate) fn load(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::default()) };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::usage(format!("cannot read the configuration {shown}: {error}")))?;
        let mut file: Self = toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            Failure::usage(format!("{shown}, line {line}: {}", error.message()))
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let keys = [&mut file.network_key_file, &mut file.key_file].into_iter().flatten();
        for named in keys.chain(&mut file.token_file) {
            *named = folder.join(&*named);
        }
        Ok(file)
    }
}

/// What was said first, of flag or environment, and of file.
pub(crate) fn first<T>(said: Vec<T>, file: Vec<T>) -> Vec<T> {
    if said.is_empty() { file } else { said }
}

/// The builder that flags, environment and file ask for, and the peers that it will dial.
pub(crate) fn builder(mesh: MeshArguments, file: &mut ConfigFile) -> Result<(Builder, Vec<String>), Failure> {
    let mut builder = Node::builder();
    if let Some(name) = mesh.name.or(file.name.take()) {
        builder = builder.name(name);
    }
    if let Some(network) = mesh.network.or(file.network.take()) {
        builder = builder.network(network);
    }
    // Trust is taken from one place as a whole, so that a flag can narrow or widen what a file says.
    let said =
        mesh.open || !mesh.pin.is_empty() || !mesh.members_of.is_empty() || mesh.network_key_file.is_some();
    let (trust, members_of) = if said {
        (trust(mesh.open, &mesh.pin, &mesh.members_of, mesh.network_key_file.as_deref())?, mesh.members_of)
    } else {
        let members_of = issuers(&file.members_of)?;
        (trust(file.open, &file.pin, &members_of, file.network_key_file.as_deref())?, members_of)
    };
    builder = builder.trust(trust);
    for (issuer, generation_min) in members_of {
        builder = builder.issuer(issuer, generation_min);
    }
    for path in first(mesh.token_file, std::mem::take(&mut file.token_file)) {
        builder = builder.token(token::read(&path)?);
    }
    let peers = first(mesh.peer, std::mem::take(&mut file.peer));
    for peer in &peers {
        builder = builder.peer(peer);
    }
    Ok((builder, peers))
}

/// Issuers as the file has them.
pub(crate) fn issuers(texts: &[String]) -> Result<Vec<(PublicKey, u64)>, Failure> {
    texts.iter().map(|text| rules::parse_issuer(text).map_err(Failure::usage)).collect()
}

/// Who may do what, as flags or the file say.
pub(crate) fn policy(said: Vec<Rule>, closed: bool, file: &mut ConfigFile) -> Result<AccessPolicy, Failure> {
    let in_file = std::mem::take(&mut file.allow);
    let in_file = in_file.iter().map(|text| rules::parse_rule(text).map_err(Failure::usage));
    let allow = first(said, in_file.collect::<Result<_, _>>()?);
    let mut policy = if closed || file.closed { AccessPolicy::closed() } else { AccessPolicy::open() };
    allow.into_iter().try_for_each(|rule| policy.allow(rule)).map_err(Failure::usage)?;
    Ok(policy)
}

fn trust(
    open: bool,
    pins: &[String],
    members_of: &[(PublicKey, u64)],
    network_key_file: Option<&Path>,
) -> Result<Trust, Failure> {
    if open && (!pins.is_empty() || !members_of.is_empty() || network_key_file.is_some()) {
        return Err(Failure::usage(
            "open trust lets everybody in, so it cannot be combined with a network key, pins or issuers",
        ));
    }
    if !pins.is_empty() && !members_of.is_empty() {
        return Err(Failure::usage("who is let in is said either by pins or by membership tokens"));
    }
    let network_key = network_key_file
        .map(|path| keyfile::read(path, KeyKind::Network).map(|key| NetworkKey::new(*key)))
        .transpose()?;
    let keys = pins.iter().map(|pin| parse_pin(pin)).collect::<Result<BTreeSet<_>, _>>()?;
    match network_key {
        _ if open => Ok(Trust::Open),
        network_key if !members_of.is_empty() => {
            let issuers = members_of.iter().map(|(issuer, _)| *issuer).collect();
            Ok(Trust::Tokens { issuers, network_key })
        }
        network_key if !keys.is_empty() => Ok(Trust::PinnedKeys { keys, network_key }),
        Some(network_key) => Ok(Trust::NetworkKey(network_key)),
        None => Err(Failure::usage(format!("no trust is configured: {TRUST_OPTIONS}"))),
    }
}

fn parse_pin(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error| {
        Failure::usage(format!(
            "the pin {text:?} is no public key ({error}); lacewing keygen prints the one of a new key file"
        ))
    })
}

/// Gives the builder the identity of a key file, in its next life.
pub(crate) fn identity(builder: Builder, key_file: &Path) -> Result<(Builder, IncarnationFile), Failure> {
    let secret = keyfile::read(key_file, KeyKind::Node)?;
    let lives = IncarnationFile::beside(key_file);
    let incarnation = lives.begin()?;
    let identity = Identity::from_secret(*secret, Arc::new(RustCrypto));
    Ok((builder.identity(identity).incarnation(incarnation), lives))
}

/// What a node can do, from tags and metadata as they were written. A known key with a value of the wrong kind is refused, since
/// nobody would ever find it.
pub(crate) fn capabilities(
    tags: &[String],
    meta: impl IntoIterator<Item = (String, String)>,
) -> Result<CapabilitySet, Failure> {
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_user_tag(tag).map_err(Failure::usage)?;
    }
    for (key, value) in meta {
        set.insert_metadata(&key, &value).map_err(Failure::usage)?;
    }
    match capability::validate(&set).errors.first() {
        None => Ok(set),
        Some(Problem::TypeMismatch { axis, key, expected, actual }) => Err(Failure::usage(format!(
            "the tag {axis}.{key} has {actual} where a {} belongs",
            expected.name()
        ))),
        Some(Problem::IndexMalformed { index, tag, .. }) => {
            Err(Failure::usage(format!("the tag {tag} has {index:?} where a number belongs")))
        }
    }
}
