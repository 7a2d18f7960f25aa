//! What can be said on the command line and in the environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use lacewing::access::Rule;
use lacewing::token::Right;
use lacewing::{NodeId, PathPattern, PublicKey, Selector};

use crate::duration::parse_duration;
use crate::rules::{parse_issuer, parse_right, parse_rule};

/// An encrypted mesh: call what other processes serve, wherever they run.
///
/// Exit codes: 0 done, 1 the operation failed, 2 wrong usage or environment, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "lacewing", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a key file: a node's identity, or with --network the key that all nodes of a network share.
    Keygen(KeygenArguments),
    /// Run a node until it is interrupted.
    Up(UpArguments),
    /// Call an action and print the answer.
    Call(CallArguments),
    /// Publish an event on a topic, for whoever has subscribed to it.
    Pub(PubArguments),
    /// Print the events of all topics that a pattern matches, until it is interrupted.
    Sub(SubArguments),
    /// Join for a moment and show the neighbours.
    Peers(PeersArguments),
    /// Join for a moment and show all nodes of the mesh.
    Nodes(NodesArguments),
    /// Join for a moment and show the nodes that can do something.
    Find(FindArguments),
    /// Join for a moment and show everything that a node says of itself.
    Describe(NodeArguments),
    /// Join for a moment and show the way to a node.
    Route(NodeArguments),
    /// Watch what a running node does: its neighbours, its calls and how long they take. It must have been started with --metrics.
    Top(TopArguments),
    /// Make tokens that say what somebody may do, pass them on, look at them, and take them back.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Watch three nodes join, call each other, fail and recover. Takes a few seconds and needs nothing.
    Demo,
}

#[derive(Debug, Args)]
pub(crate) struct KeygenArguments {
    /// Where to write the key. Only you will be able to read it.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Make a network key instead of a node's identity.
    #[arg(long)]
    pub(crate) network: bool,
    /// Overwrite the file if it exists. The old key is lost then.
    #[arg(long)]
    pub(crate) force: bool,
}

/// What every command needs to find and join a network.
#[derive(Debug, Default, Args)]
pub(crate) struct MeshArguments {
    /// A peer to dial, host:port. May be given several times.
    #[arg(long, value_name = "ADDR", env = "LACEWING_PEER", value_delimiter = ',')]
    pub(crate) peer: Vec<String>,
    /// What people should call this node, usually name@host.
    #[arg(long, env = "LACEWING_NAME")]
    pub(crate) name: Option<String>,
    /// The network's name [default: lacewing].
    #[arg(long, env = "LACEWING_NETWORK")]
    pub(crate) network: Option<String>,
    /// Let in whoever holds the key in this file (lacewing keygen --network).
    #[arg(long, value_name = "FILE", env = "LACEWING_NETWORK_KEY_FILE")]
    pub(crate) network_key_file: Option<PathBuf>,
    /// Let in only nodes with these public keys. May be given several times.
    #[arg(long, value_name = "KEY", env = "LACEWING_PIN", value_delimiter = ',')]
    pub(crate) pin: Vec<String>,
    /// Let in whoever has a membership token of these issuers: KEY, or KEY:GENERATION. May be given several times.
    #[arg(
        long,
        value_name = "ISSUER",
        env = "LACEWING_MEMBERS_OF",
        value_delimiter = ',',
        value_parser = parse_issuer
    )]
    pub(crate) members_of: Vec<(PublicKey, u64)>,
    /// A file with a token to show to others (lacewing token). May be given several times.
    #[arg(long, value_name = "FILE", env = "LACEWING_TOKEN_FILE", value_delimiter = ',')]
    pub(crate) token_file: Vec<PathBuf>,
    /// Let everybody in who names the same network.
    #[arg(long, env = "LACEWING_OPEN", value_parser = clap::builder::BoolishValueParser::new())]
    pub(crate) open: bool,
    /// A TOML file that says the same things as flags and environment, which go before it.
    #[arg(long, value_name = "FILE", env = "LACEWING_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    #[command(flatten)]
    pub(crate) mesh: MeshArguments,
    /// An address to listen on, host:port; port 0 asks for a free one. May be given several times.
    #[arg(long, value_name = "ADDR", env = "LACEWING_LISTEN", value_delimiter = ',')]
    pub(crate) listen: Vec<String>,
    /// How many neighbours to have: while there are fewer, nodes that are heard of are dialled too [default: 0].
    #[arg(long, value_name = "COUNT", env = "LACEWING_NEIGHBOURS")]
    pub(crate) neighbours: Option<usize>,
    /// This node's identity (lacewing keygen). Without it the node is a new one at each start.
    #[arg(long, value_name = "FILE", env = "LACEWING_KEY_FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// An action to serve. There are some to try things out with: `echo_sum` and, as a stream, `count`.
    #[arg(long, value_name = "ACTION", env = "LACEWING_SERVE", value_delimiter = ',')]
    pub(crate) serve: Vec<String>,
    /// Something that this node can do or has, for example `hardware.gpu` or `software.os=linux`. May be given several times.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
    /// Something else to say of this node. May be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_meta)]
    pub(crate) meta: Vec<(String, String)>,
    /// One more name for this node; several nodes may have the same. May be given several times.
    #[arg(long, value_name = "NAME", env = "LACEWING_ALIAS", value_delimiter = ',')]
    pub(crate) alias: Vec<String>,
    /// Serve metrics at this address, ip:port, in the format of Prometheus; for `lacewing top` too. Only an address of this machine
    /// alone, like 127.0.0.1:9464, unless they are to be exposed.
    #[arg(long, value_name = "ADDR", env = "LACEWING_METRICS")]
    pub(crate) metrics: Option<SocketAddr>,
    /// Let other machines read the metrics too, without any authentication.
    #[arg(long)]
    pub(crate) metrics_exposed: bool,
    /// A rule, for example `call orders/> token`: rights, a pattern, and who (anyone, network-key, token, token:KEY, node:ID, tag:TAG).
    /// Where there are rules about something, only those may whom one of them names. May be given several times.
    #[arg(long, value_name = "RULE", value_parser = parse_rule)]
    pub(crate) allow: Vec<Rule>,
    /// What no rule is about, nobody may.
    #[arg(long)]
    pub(crate) closed: bool,
    /// An issuer whose tokens count: KEY, or KEY:GENERATION. May be given several times.
    #[arg(long, value_name = "ISSUER", env = "LACEWING_ISSUER", value_delimiter = ',', value_parser = parse_issuer)]
    pub(crate) issuer: Vec<(PublicKey, u64)>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, and print it as text.
    Issue(IssueArguments),
    /// Pass a part of a token on to somebody else, and print that as text.
    Delegate(DelegateArguments),
    /// Show what a token says, and what is wrong with it. Exit code 1 if it does not hold.
    Show(ShowArguments),
    /// Take back all tokens of an issuer of earlier generations: join for a moment and tell the mesh.
    Revoke(RevokeArguments),
}

/// What a token says.
#[derive(Debug, Args)]
pub(crate) struct TokenTerms {
    /// Whom it is for: a node id.
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<NodeId>,
    /// For whoever has it, which is everybody that it is ever shown to.
    #[arg(long, conflicts_with = "to")]
    pub(crate) anyone: bool,
    /// What it allows: call, serve, publish, subscribe, admin, join. Several with commas between.
    #[arg(long, value_name = "RIGHT", value_delimiter = ',', value_parser = parse_right)]
    pub(crate) right: Vec<Right>,
    /// On which paths, for example `orders/>`, or `prod:orders/>` in one network only [default: all, or those of the token that is
    /// passed on].
    #[arg(long)]
    pub(crate) pattern: Option<PathPattern>,
    /// How long it holds, for example 15m [default: 60m, or as long as the token that is passed on]. Nodes believe 24 hours at most.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) life: Option<Duration>,
    /// How many times it may be passed on.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) delegations: u8,
}

#[derive(Debug, Args)]
pub(crate) struct IssueArguments {
    /// The issuer's key (lacewing keygen). An issuer need not be a node.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    #[command(flatten)]
    pub(crate) terms: TokenTerms,
    /// When it begins to hold, from now [default: at once].
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) after: Option<Duration>,
    /// The issuer's generation: what it has taken back up to.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) generation: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DelegateArguments {
    /// A file with the token; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) token: PathBuf,
    /// The key of the node that the token is for.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: PathBuf,
    #[command(flatten)]
    pub(crate) terms: TokenTerms,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArguments {
    /// A file with the token; `-` reads standard input.
    #[arg(value_name = "FILE")]
    pub(crate) token: PathBuf,
    /// The issuer that must have made it [default: whoever it says].
    #[arg(long, value_name = "KEY")]
    pub(crate) issuer: Option<PublicKey>,
    /// The generation from which on the issuer's tokens count.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) generation: u64,
    /// The node that shows it [default: the one that it is for].
    #[arg(long, value_name = "NODE")]
    pub(crate) by: Option<NodeId>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArguments {
    /// The issuer's key.
    #[arg(long, value_name = "FILE")]
    pub(crate) issuer_key_file: PathBuf,
    /// Its generation from now on: tokens of earlier ones are void.
    #[arg(long, value_name = "N")]
    pub(crate) generation: u64,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
}

fn parse_meta(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write for example owner=alice")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// What a command needs that joins for a moment only.
#[derive(Debug, Args)]
pub(crate) struct VisitArguments {
    #[command(flatten)]
    pub(crate) mesh: MeshArguments,
    /// The identity to use [default: a fresh one]. Never that of a node that is running: the newer instance takes its place.
    #[arg(long, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// How long to wait in all, for example 500ms, 5s or 2m.
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CallArguments {
    /// What to call.
    pub(crate) action: String,
    /// The argument, as JSON.
    #[arg(value_name = "JSON")]
    pub(crate) argument: String,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
    /// Print the items of a stream as they come, a line each, until it ends. `--timeout` is then how long nothing may come.
    #[arg(long)]
    pub(crate) stream: bool,
    /// Call this node and no other: its id or the start of it, an alias or a label.
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<String>,
    /// How one of several providers is chosen: `local_first`, `first_found`, `round_robin`, `least_loaded`, `random`, `fastest`
    /// or `sticky:KEY` [default: the nearest].
    #[arg(long, value_name = "SELECTOR", conflicts_with = "to")]
    pub(crate) select: Option<Selector>,
    /// Call only a node for which this holds, for example `hardware.gpu and hardware.memory_gb >= 64`.
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) wanted: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PubArguments {
    /// What it is about, for example `orders/eu/placed`.
    pub(crate) topic: String,
    /// The payload, as JSON.
    #[arg(value_name = "JSON")]
    pub(crate) argument: String,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
    /// For the subscriptions of this node alone: its id or the start of it, an alias or a label.
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<String>,
    /// For one subscription of this group.
    #[arg(long, value_name = "GROUP", conflicts_with = "to")]
    pub(crate) group: Option<String>,
    /// For one subscription of each group, and all without a group.
    #[arg(long, conflicts_with_all = ["to", "group"])]
    pub(crate) one_per_group: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SubArguments {
    /// Which topics: `*` is any one segment, `>` at the end all that follow.
    pub(crate) pattern: String,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
    /// Share the events that are for one of each group with the others in this one.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,
    /// End after so many events; they must come within the time-out.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct TopArguments {
    /// Where the node serves its metrics.
    #[arg(value_name = "ADDR", env = "LACEWING_METRICS", default_value = "127.0.0.1:9464")]
    pub(crate) addr: SocketAddr,
    /// Look for one interval, print what there is, and end.
    #[arg(long)]
    pub(crate) once: bool,
    /// Print JSON, for programs; an object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// How often to look, for example 500ms or 2s.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    pub(crate) interval: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct PeersArguments {
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct NodesArguments {
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// What must hold, for example `hardware.gpu and hardware.memory_gb >= 64`.
    #[arg(value_name = "EXPR")]
    pub(crate) expression: String,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// Its id or the start of it, an alias or a label.
    #[arg(value_name = "NODE")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) visit: VisitArguments,
}
