//! `lacewing up`.

use std::time::Duration;

use lacewing::{Event, Node, demo};

use crate::arguments::UpArguments;
use crate::failure::Failure;
use crate::incarnation::IncarnationFile;
use crate::interrupt::Interrupts;
use crate::screen;
use crate::settings::{self, ConfigFile, first};

/// How long calls may still take after the first Ctrl-C.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);

pub(crate) async fn run(arguments: UpArguments) -> Result<(), Failure> {
    let mut file = ConfigFile::load(arguments.mesh.config.as_deref())?;
    let listen = first(arguments.listen, std::mem::take(&mut file.listen));
    let serve = first(arguments.serve, std::mem::take(&mut file.serve));
    let alias = first(arguments.alias, std::mem::take(&mut file.alias));
    let tags = first(arguments.tag, std::mem::take(&mut file.tag));
    let meta = std::mem::take(&mut file.meta).into_iter().chain(arguments.meta);
    let capabilities = settings::capabilities(&tags, meta)?;
    let issuers = first(arguments.issuer, settings::issuers(&std::mem::take(&mut file.issuer))?);
    let policy = settings::policy(arguments.allow, arguments.closed, &mut file)?;
    let key_file = arguments.key_file.or(file.key_file.take());
    let (mut builder, peers) = settings::builder(arguments.mesh, &mut file)?;
    if listen.is_empty() && peers.is_empty() {
        return Err(Failure::usage(
            "nowhere to listen and nobody to dial: give --listen host:port or --peer host:port",
        ));
    }
    if let Some(unknown) = serve.iter().find(|action| !demo::ACTIONS.contains(&action.as_str())) {
        let known = demo::ACTIONS.join(", ");
        return Err(Failure::usage(format!(
            "the action {unknown:?} is not one that can be served here; there are: {known}"
        )));
    }
    for addr in listen {
        builder = builder.listen(addr);
    }
    if let Some(neighbours) = arguments.neighbours.or(file.neighbours) {
        builder = builder.neighbours(neighbours);
    }
    for alias in alias {
        builder = builder.alias(alias);
    }
    if let Some(addr) = arguments.metrics.or(file.metrics) {
        let exposed = arguments.metrics_exposed || file.metrics_exposed;
        builder = if exposed { builder.metrics_exposed_at(addr) } else { builder.metrics_at(addr) };
    }
    for (issuer, generation_min) in issuers {
        builder = builder.issuer(issuer, generation_min);
    }
    builder = builder.capabilities(capabilities).access(policy);
    let mut lives = None;
    if let Some(path) = key_file {
        let (with_identity, file) = settings::identity(builder, &path)?;
        builder = with_identity;
        lives = Some(file);
    }
    // Listened for before the node is up, so that no signal falls between.
    let mut interrupts = Interrupts::listen()?;
    let node = builder.start().await?;
    for action in serve {
        demo::serve(&node, &action).map_err(Failure::usage)?;
    }
    announce(&node)?;
    tokio::select! {
        biased;
        () = interrupts.next() => {}
        result = narrate(&node, lives.as_ref()) => result?,
    }
    screen::line("stopping: no new calls, finishing those that run (again to stop at once)")?;
    tokio::select! {
        biased;
        () = interrupts.next() => Err(Failure::interrupted()),
        () = node.shutdown(DRAIN_WITHIN) => screen::line("stopped"),
    }
}

/// The one line that says that the node is up, and where.
fn announce(node: &Node) -> Result<(), Failure> {
    let addrs: Vec<String> = node.listen_addrs().iter().map(ToString::to_string).collect();
    let place = if addrs.is_empty() {
        "not listening".to_owned()
    } else {
        format!("listening on {}", addrs.join(", "))
    };
    screen::line(&format!("up: node {} ({}) {place}", node.node_id(), node.config().label))?;
    match node.metrics_addr() {
        Some(addr) => screen::line(&format!("metrics: http://{addr}/metrics")),
        None => Ok(()),
    }
}

/// Prints who comes and goes, and keeps the incarnation, until the node is closed.
async fn narrate(node: &Node, lives: Option<&IncarnationFile>) -> Result<(), Failure> {
    let mut events = node.events();
    while let Some(event) = events.recv().await {
        match event {
            Event::PeerUp(peer) => {
                screen::line(&format!("peer up: {} ({}) at {}", peer.node, peer.label, peer.remote_addr))?;
            }
            Event::PeerSuspect { node } => screen::line(&format!("peer silent: {node}"))?,
            Event::PeerRecovered { node } => screen::line(&format!("peer heard again: {node}"))?,
            Event::PeerDown { node, reason, .. } => screen::line(&format!("peer down: {node} ({reason})"))?,
            Event::IncarnationAdopted { incarnation } => {
                if let Some(lives) = lives {
                    lives.write(incarnation)?;
                }
            }
            Event::Superseded { .. } => {
                screen::line("superseded: another process runs with this key, and is newer")?;
            }
            _ => {}
        }
    }
    Ok(())
}
