//! The software of a simulated machine: one node, and the application on it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lacewing::{Event, Events, Node, NodeId};
use lacewing_core::{Incarnation, Limits, Timing};
use tokio::sync::mpsc;

use super::scene::{Board, Command, Phase, Scene, Tag};
use super::topics::{self, Takers};
use super::wire::{TICK, TurmoilTransport, name};
use super::{access, application, mesh};
use crate::history::What;
use crate::payload;
use crate::random::derive_key;
use crate::rights::{self, CLOCK_START_MS};
use crate::run::Clock;
use crate::trace::Hook;

/// What a node that shuts down in order is given for it.
pub(super) const SHUTDOWN_WITHIN: Duration = Duration::from_secs(2);
/// The port on which every node listens.
const PORT: u16 = 7_400;
/// What a clock says that was set back.
const CLOCK_BACK_MS: u64 = 1_600_000_000_000;

impl Board {
    /// The incarnation of a life that begins now, `elapsed_ms` after the start of the run.
    fn incarnation(&self, elapsed_ms: u64) -> Incarnation {
        match self.clock {
            Clock::Forward => Incarnation::at_boot(self.persisted, CLOCK_START_MS + elapsed_ms),
            Clock::Back => Incarnation::at_boot(None, CLOCK_BACK_MS + u64::from(self.life)),
        }
    }
}

/// One life of a node. Ends at once where the machine is started before the process is.
pub(super) async fn live(scene: Arc<Scene>, host: usize) -> turmoil::Result {
    let Some(mut commands) = scene.board(host).inbox.take() else { return Ok(()) };
    let node = start(&scene, host).await?;
    let mut takers = Takers::default();
    takers.again(&scene, host, &node);
    let watch = tokio::spawn(watch(Arc::clone(&scene), host, node.events()));
    while let Some(command) = commands.recv().await {
        match command {
            Command::Call(op) => application::spawn_call(&scene, host, &node, op),
            Command::Offer(pool) => mesh::offer_pool(&scene, host, &node, pool),
            Command::Withdraw(pool) => mesh::unserve_pool(&scene, host, &node, pool),
            Command::Introduce => mesh::offer_capabilities(&scene, host, &node),
            Command::Subscribe(sub) => takers.subscribe(&scene, host, &node, sub),
            Command::Unsubscribe(sub) => takers.unsubscribe(&scene, host, sub),
            Command::Publish(event) => topics::spawn_publish(&scene, host, &node, event),
            Command::Show(item) => access::show(&scene, host, &node, item),
            Command::Revoke(item) => access::revoke(&scene, host, &node, item),
            Command::Stop => break,
        }
    }
    stop(&scene, host, &node, commands).await;
    drop(takers);
    drop(node);
    // All tasks are over but those that pass on what was known last.
    watch.await?;
    tokio::time::sleep(TICK).await;
    scene.gone(host, true);
    Ok(())
}

async fn start(scene: &Arc<Scene>, host: usize) -> turmoil::Result<Node> {
    let header = &scene.run.header;
    scene.ears[host].lock().announces = true;
    let elapsed_ms = scene.now().as_millis();
    let (life, incarnation) = {
        let mut board = scene.board(host);
        let incarnation = board.incarnation(elapsed_ms);
        board.persisted = Some(incarnation);
        (board.life, incarnation)
    };
    let (mut limits, mut timing) = (Limits::default(), Timing::default());
    header.limits.apply(&mut limits);
    header.timing.apply(&mut timing);
    header.nodes[host].timing.apply(&mut timing);
    let hook = || Box::new(Hook::new(&scene.marks, &scene.ears[host], scene.inject.as_deref()));
    let mut builder = Node::builder()
        .name(name(host))
        .network("simulation")
        .network_key(derive_key(header.seed, "network key"))
        .identity(scene.identities[host].clone())
        .incarnation(incarnation)
        .seed(derive_key(header.seed, &format!("engine {host} life {life}")))
        .unix_ms(CLOCK_START_MS + elapsed_ms)
        .limits(limits)
        .timing(timing)
        .route_metric(header.route_metric.in_core())
        .transport(TurmoilTransport { scene: Arc::clone(scene), node: host })
        .trace(hook())
        .listen(format!("{}:{PORT}", name(host)));
    let access = rights::access(&scene.run, host);
    builder = builder.access(access.policy);
    for (issuer, generation_min) in access.issuers {
        builder = builder.issuer(issuer, generation_min);
    }
    #[cfg(lacewing_inject)]
    {
        builder = builder.driver_trace(hook());
    }
    for [_, to] in header.dials.iter().filter(|[from, _]| *from == host) {
        builder = builder.peer(format!("{}:{PORT}", name(*to)));
    }
    let node = builder.start().await?;
    scene.chain(host, Tag::Testbed, &[life.into(), incarnation.get()], b"start");
    scene.push(host, What::Started { life });
    access::show_again(scene, host, &node);
    for (action, shape) in payload::actions_of(&scene.run, host) {
        application::serve(scene, host, &node, application::action(scene, action), shape)?;
    }
    mesh::offer_again(scene, host, &node);
    scene.board(host).node = Some(node.downgrade());
    Ok(node)
}

/// Shuts down in order, and meanwhile lets the application find out that it is too late for calls.
async fn stop(scene: &Arc<Scene>, host: usize, node: &Node, mut commands: mpsc::UnboundedReceiver<Command>) {
    scene.board(host).phase = Phase::Stopping;
    let mut ending = pin!(node.shutdown(SHUTDOWN_WITHIN));
    loop {
        tokio::select! {
            biased;
            () = &mut ending => return,
            command = commands.recv() => match command {
                Some(Command::Call(op)) => application::spawn_call(scene, host, node, op),
                // A node that has taken back what it said says no more.
                Some(
                    Command::Offer(_)
                    | Command::Withdraw(_)
                    | Command::Introduce
                    | Command::Subscribe(_)
                    | Command::Unsubscribe(_)
                    | Command::Publish(_)
                    | Command::Show(_)
                    | Command::Revoke(_)
                    | Command::Stop,
                ) => {}
                // The board has the other end until the life is over.
                None => tokio::time::sleep(Duration::from_secs(3_600)).await,
            },
        }
    }
}

/// Notes what the node reports. In a task of its own that lets others go first: a call that has its outcome hears of it
/// before anybody reads that its peer is down, as the node reported it.
async fn watch(scene: Arc<Scene>, host: usize, mut events: Events) {
    while let Some(event) = events.recv().await {
        tokio::task::yield_now().await;
        note(&scene, host, event);
    }
    if events.missed() > 0 {
        scene.give_up(format!("n{host}: {} events were missed", events.missed()));
    }
}

fn note(scene: &Scene, host: usize, event: Event) {
    let peer_of = |id: NodeId| scene.node_of(id);
    let (kind, number, what) = match event {
        Event::PeerUp(info) => (1, info.incarnation.get(), Some(What::PeerUp { peer: peer_of(info.node) })),
        Event::PeerSuspect { node } => (2, 0, Some(What::PeerSuspect { peer: peer_of(node) })),
        Event::PeerRecovered { .. } => (3, 0, None),
        Event::PeerDown { node, reason, incarnation } => {
            let what = What::PeerDown { peer: peer_of(node), reason: format!("{reason:?}") };
            (4, incarnation.get(), Some(what))
        }
        Event::NodeUp { node, incarnation } => {
            let (of, incarnation) = (peer_of(node), incarnation.get());
            (11, incarnation, Some(What::NodeUp { of, incarnation }))
        }
        Event::NodeSuspect { node } => (12, 0, Some(What::NodeSuspect { of: peer_of(node) })),
        Event::NodeRecovered { node } => (13, 0, Some(What::NodeRecovered { of: peer_of(node) })),
        Event::NodeDown { node, incarnation, reason } => {
            let (of, incarnation, reason) = (peer_of(node), incarnation.get(), format!("{reason:?}"));
            (14, incarnation, Some(What::NodeDown { of, incarnation, reason }))
        }
        Event::NodeChanged { node } => {
            mesh::note_known(scene, host, node);
            (15, 0, None)
        }
        Event::LinkClosed { link, node, reason, .. } => {
            let what = What::LinkClosed { peer: node.and_then(peer_of), reason: reason.name().to_owned() };
            (5, link.0, Some(what))
        }
        Event::DialFailed { reason, .. } => (6, reason as u64, None),
        Event::Writable { .. } => (7, 0, None),
        Event::IncarnationAdopted { incarnation } => {
            scene.board(host).persisted = Some(incarnation);
            (8, incarnation.get(), Some(What::Adopted))
        }
        Event::Superseded { by } => (9, by.get(), Some(What::Superseded)),
        Event::Stopped => (10, 0, None),
        // Events are added to nodes as they learn; the chain notices that there was one.
        _ => (0, 0, None),
    };
    scene.chain(host, Tag::Event, &[kind, number], b"");
    if let Some(what) = what {
        scene.push(host, what);
    }
}
