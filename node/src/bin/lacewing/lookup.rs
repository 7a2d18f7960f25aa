//! Which node somebody means.

use lacewing::{Code, Error, Node, NodeId, NodeInfo};

/// Nodes that an error names.
const NAMED_MAX: usize = 8;
/// Digits of an id that people are shown at least.
const SHORT_MIN: usize = 8;

/// The node that a text means, if it means only one.
pub(crate) fn only(node: &Node, text: &str) -> Result<NodeId, Error> {
    let found = named(node, text);
    match found[..] {
        [] => Err(unknown(node, text)),
        [only] => Ok(only),
        _ => Err(ambiguous(node, text, &found)),
    }
}

/// The node to call: of those that have the name the first that is up, as for `CallBuilder::to_name`. The start of an id must
/// still mean only one.
pub(crate) fn first(node: &Node, text: &str) -> Result<NodeId, Error> {
    let found = node.resolve(text);
    let up = found.iter().find(|id| node.node_status(**id) == Some(lacewing::NodeStatus::Up));
    up.or(found.first()).copied().map_or_else(|| only(node, text), Ok)
}

/// All that go by a name, or else all whose id starts so.
fn named(node: &Node, text: &str) -> Vec<NodeId> {
    let known = others(node);
    if let Ok(id) = text.parse::<NodeId>() {
        return known.iter().map(|info| info.node).filter(|node| *node == id).collect();
    }
    let found = node.resolve(text);
    if !found.is_empty() {
        return found;
    }
    let start = text.to_ascii_lowercase();
    known.iter().map(|info| info.node).filter(|id| id.to_string().starts_with(&start)).collect()
}

/// All nodes but the visitor.
pub(crate) fn others(node: &Node) -> Vec<NodeInfo> {
    let own = node.node_id();
    node.nodes().into_iter().filter(|info| info.node != own).collect()
}

fn unknown(node: &Node, text: &str) -> Error {
    let known: Vec<NodeId> = others(node).iter().map(|info| info.node).collect();
    let there = if known.is_empty() { "no node is known".to_owned() } else { list(node, &known) };
    let text = format!("no node has the name {text:?} or an id that starts so; there are: {there}");
    Error::new(Code::NotFound, text)
}

fn ambiguous(node: &Node, text: &str, found: &[NodeId]) -> Error {
    let text = format!(
        "{text:?} means {} nodes: {}; write one of the ids, or enough of it",
        found.len(),
        list(node, found)
    );
    Error::new(Code::InvalidArgument, text)
}

fn list(node: &Node, nodes: &[NodeId]) -> String {
    let len = short_len(node);
    let named = nodes.iter().take(NAMED_MAX).map(|id| {
        let label = node.describe(*id).and_then(|said| said.label);
        let label = label.map(|label| format!(" ({label})")).unwrap_or_default();
        format!("{}{label}", &id.to_string()[..len])
    });
    let text = named.collect::<Vec<_>>().join(", ");
    match nodes.len() {
        0..=NAMED_MAX => text,
        len => format!("{text} and {} more", len - NAMED_MAX),
    }
}

/// Digits of an id that tell all known nodes apart.
pub(crate) fn short_len(node: &Node) -> usize {
    let mut ids: Vec<String> = node.nodes().iter().map(|info| info.node.to_string()).collect();
    ids.sort_unstable();
    let common = |a: &String, b: &String| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let most = ids.windows(2).map(|pair| common(&pair[0], &pair[1])).max().unwrap_or(0);
    (most + 1).max(SHORT_MIN)
}
