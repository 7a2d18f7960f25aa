//! `lacewing peers`.

use lacewing::PeerInfo;
use serde_json::{Value, json};
use tokio::time::timeout_at;

use crate::arguments::PeersArguments;
use crate::failure::Failure;
use crate::visit::Visit;
use crate::{outcome, screen};

pub(crate) async fn run(arguments: PeersArguments) -> Result<(), Failure> {
    let as_json = arguments.visit.json;
    let visit = Visit::begin(arguments.visit).await?;
    let found = visit.reach(None).await;
    if found.is_ok() {
        // The others get the rest of the time; who has not come by then is not shown.
        let all = visit.node.wait_for_peers(|peers| (peers.len() >= visit.peer_count).then_some(()));
        let _ = timeout_at(visit.deadline, all).await;
    }
    let peers = visit.node.peers();
    visit.end().await;
    match found {
        Ok(()) if as_json => screen::line(&peers.iter().map(peer_json).collect::<Value>().to_string()),
        Ok(()) => table(&peers),
        Err(error) => Err(outcome::failure(&error, as_json)),
    }
}

fn peer_json(peer: &PeerInfo) -> Value {
    json!({
        "node": peer.node.to_string(),
        "label": peer.label.as_str(),
        "incarnation": peer.incarnation.get(),
        "connected_to": peer.remote_addr.to_string(),
        "addrs": peer.addrs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "suspect": peer.suspect,
    })
}

fn table(peers: &[PeerInfo]) -> Result<(), Failure> {
    let width =
        peers.iter().map(|peer| peer.label.as_str().chars().count()).max().unwrap_or(0).max("LABEL".len());
    screen::line(&format!("{:<64}  {:<width$}  {:<7}  ADDRESSES", "NODE", "LABEL", "STATE"))?;
    for peer in peers {
        let state = if peer.suspect { "suspect" } else { "up" };
        let addrs: Vec<String> = peer.addrs.iter().map(ToString::to_string).collect();
        let addrs = if addrs.is_empty() { peer.remote_addr.to_string() } else { addrs.join(", ") };
        screen::line(&format!("{}  {:<width$}  {state:<7}  {addrs}", peer.node, peer.label.as_str()))?;
    }
    Ok(())
}
