//! Who may publish and who may have events: asked here and nowhere else, for each event that arrives and for each node that one of
//! this node's own would go to.

use crate::access::Denied;
use crate::identity::NodeId;
use crate::token::Right;
use crate::wire::path::ActionPath;

/// Whether another node has a right to do something with a topic. Topics that begin with `$` are the node's own.
pub(super) fn check(right: Right, _peer: &NodeId, topic: &ActionPath) -> Result<(), Denied> {
    debug_assert!(matches!(right, Right::Publish | Right::Subscribe), "topics have these two rights");
    if topic.is_internal() { Err(Denied::Internal) } else { Ok(()) }
}
