//! Who may publish and who may have events: asked here and nowhere else, for each event that arrives and for each node that one of
//! this node's own would go to.

use crate::access::{Denied, Judge, Target};
use crate::identity::NodeId;
use crate::token::Right;
use crate::wire::path::ActionPath;

/// Whether another node has a right to do something with a topic. Topics that begin with `$` are the node's own, whatever rules say.
pub(super) fn check(
    judge: &dyn Judge,
    right: Right,
    peer: &NodeId,
    topic: &ActionPath,
) -> Result<(), Denied> {
    debug_assert!(matches!(right, Right::Publish | Right::Subscribe), "topics have these two rights");
    if topic.is_internal() {
        return Err(Denied::Internal);
    }
    judge.judge(right, Target::Path(topic), peer)
}
