//! Casts: messages that nobody waits for.
//!
//! A cast is a request whose sender wants no answer, or only to know that it was accepted. It is numbered like every request, so
//! that it is executed once at most.

use super::{Call, Delivery, OpId};
use crate::code::{Code, Error};
use crate::identity::NodeId;
use crate::machine::Cx;
use crate::wire::body::CastMode;

impl Delivery {
    /// Queues a cast to the first of `nodes` that serves the action and can be reached. An error is the local reason why it is not
    /// queued. With `Acknowledged` there is an outcome like that of a call, once the other side has accepted it.
    pub(crate) fn cast(
        &mut self,
        cx: &mut Cx<'_>,
        call: Call<'_>,
        nodes: &[NodeId],
        mode: CastMode,
    ) -> Result<OpId, Error> {
        if call.options.stream.is_some() || call.options.policy.is_some() {
            let text = "a cast is no stream, and there is no outcome that a policy could look at";
            return Err(Error::new(Code::InvalidArgument, text));
        }
        self.start(cx, call, nodes, Some(mode))
    }
}
