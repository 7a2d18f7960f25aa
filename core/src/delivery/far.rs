//! Calls that cannot leave at once: to nodes that are no neighbours, and to whoever will be found.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::call::{Order, PendingCall, Route};
use super::{Delivery, OpId, Out, Payload, over_limit};
use crate::code::{Code, Error, Kind};
use crate::identity::NodeId;
use crate::machine::Cx;
use crate::time::Instant;
use crate::wire::path::ActionPath;

impl Delivery {
    /// Starts a call to a node to which there is no session yet.
    pub(super) fn call_far(
        &mut self,
        cx: &mut Cx<'_>,
        nodes: &[NodeId],
        order: Order,
    ) -> Result<OpId, Error> {
        let Some((first, others)) = nodes.split_first() else {
            return self.seek(cx, order);
        };
        if self.waiting.get(first).is_some_and(|queue| queue.len() >= self.waiting_max()) {
            cx.count("delivery.backpressure");
            return Err(Error::new(Code::Backpressure, "too many calls wait for a session to this node"));
        }
        self.check_waiting_room(cx, order.payload.data.len())?;
        let op = self.next_op();
        let (mut call, payload) = PendingCall::new(order, Route::Waiting(*first));
        call.held = Some(payload);
        call.others = others.iter().copied().collect();
        self.add_call(op, call);
        self.wait_for(cx, op, *first);
        Ok(op)
    }

    fn waiting_max(&self) -> usize {
        self.config.limits.pending_calls_per_link_max
    }

    /// Whether another call of so many bytes may wait.
    fn check_waiting_room(&self, cx: &mut Cx<'_>, bytes: usize) -> Result<(), Error> {
        let limit = self.config.limits.waiting_bytes_max;
        if self.waiting_bytes == 0 || self.waiting_bytes + bytes <= limit {
            return Ok(());
        }
        cx.count("delivery.backpressure");
        let text = alloc::format!(
            "calls of {} bytes wait for a session or for their action to be found, the limit is {limit}",
            self.waiting_bytes
        );
        Err(Error::new(Code::Backpressure, text))
    }

    /// From now on the payload of a call counts as waiting, until the call has its outcome or leaves.
    fn count_waiting(&mut self, op: OpId) {
        if let Some(call) = self.calls.get_mut(op.0)
            && call.waits == 0
        {
            call.waits = call.held.as_ref().map_or(0, |payload| payload.data.len());
            self.waiting_bytes += call.waits;
        }
    }

    /// Lets a call wait for a session.
    fn wait_for(&mut self, cx: &mut Cx<'_>, op: OpId, node: NodeId) {
        cx.mark("delivery.waits_for_a_path");
        self.count_waiting(op);
        self.waiting.entry(node).or_default().push_back(op.0);
        self.out.push_back(Out::OpenTunnel { node });
    }

    /// A session to a node is there: what has waited for it goes.
    pub(super) fn send_waiting(&mut self, cx: &mut Cx<'_>, node: NodeId) {
        for op in self.waiting.remove(&node).unwrap_or_default() {
            self.send_to(cx, OpId(op), node);
        }
    }

    /// Sends a held call to a node, or gives it its outcome where that cannot be.
    fn send_to(&mut self, cx: &mut Cx<'_>, op: OpId, node: NodeId) {
        let Some(call) = self.calls.get(op.0) else { return };
        let Some(payload) = call.held.clone() else { return };
        let waits = call.waits > 0;
        if node == self.own.node {
            return self.send_home(cx, op, payload);
        }
        let Some(link) = self.neighbours.get(&node).copied() else {
            if self.waiting.get(&node).is_some_and(|queue| queue.len() >= self.waiting_max()) {
                let text = "too many calls wait for a session to this node";
                return self.complete(cx, op, Err(Error::new(Code::Backpressure, text)));
            }
            if !waits && let Err(error) = self.check_waiting_room(cx, payload.data.len()) {
                return self.complete(cx, op, Err(error));
            }
            self.set_route(op, Route::Waiting(node));
            return self.wait_for(cx, op, node);
        };
        let is_stream = call.stream.is_some();
        if let Err(error) = self.check_room(cx, link, payload.data.len(), is_stream) {
            return self.complete(cx, op, Err(error));
        }
        self.set_route(op, Route::Link(link, node));
        if let Some(call) = self.calls.get_mut(op.0)
            && call.others.is_empty()
        {
            call.held = None;
        }
        self.send_request(cx.now, link, op, payload);
    }

    /// Turns out that this node serves the action itself.
    fn send_home(&mut self, cx: &mut Cx<'_>, op: OpId, payload: Payload) {
        let Some(call) = self.calls.get(op.0) else { return };
        let (action, shape) = (call.action.clone(), call.shape());
        let served = match self.action(cx, action.as_str(), shape) {
            None => Err(super::call::not_found(&action)),
            Some(served) => served,
        };
        let served = match served {
            Ok(served) => served,
            Err(error) => return self.complete(cx, op, Err(error)),
        };
        let call = self.calls.get(op.0).map(|call| (call.deadline, call.cast().is_some()));
        let (deadline, is_cast) = call.unwrap_or((Instant::NEVER, false));
        let room = self.check_local_room(is_cast).and_then(|()| self.place(cx, &served.0, deadline));
        if let Err(error) = room {
            return self.complete(cx, op, Err(error));
        }
        self.local_calls += 1;
        self.serve_local(cx, op, served, payload);
    }

    fn set_route(&mut self, op: OpId, route: Route) {
        let Some(call) = self.calls.get_mut(op.0) else { return };
        call.route = route;
        if matches!(route, Route::Local(_) | Route::Link(..)) {
            self.waiting_bytes -= core::mem::take(&mut call.waits);
        }
    }

    /// A session to a node cannot be had: its calls go elsewhere, or fail.
    pub(super) fn no_path(&mut self, cx: &mut Cx<'_>, node: NodeId, error: &Error) {
        for op in self.waiting.remove(&node).unwrap_or_default() {
            if !self.go_elsewhere(cx, OpId(op)) {
                cx.mark("delivery.unreachable");
                self.complete(cx, OpId(op), Err(error.clone()));
            }
        }
    }

    /// The node that a call went to does not serve it, or cannot be reached, and certainly has not executed it: sends it to
    /// the next. `false` when there is none.
    pub(super) fn go_elsewhere(&mut self, cx: &mut Cx<'_>, op: OpId) -> bool {
        let Some(call) = self.calls.get_mut(op.0) else { return false };
        // What was uploaded here cannot be taken back.
        let uploads = call.shape().has_uploads() && matches!(call.route, Route::Link(..) | Route::Local(_));
        if call.held.is_none() || uploads {
            return false;
        }
        let Some(node) = call.others.pop_front() else { return false };
        cx.mark("delivery.went_elsewhere");
        let Some(mut call) = self.calls.remove(op.0) else { return false };
        self.leave_route(cx, op, &call);
        call.reset();
        call.route = Route::Seeking;
        self.calls.insert(op.0, call);
        self.send_to(cx, op, node);
        true
    }

    /// Takes a call out of the queue in which it waits.
    pub(super) fn leave_queue(&mut self, call: &PendingCall) {
        let calls = &self.calls;
        match call.route {
            Route::Waiting(node) => {
                if let Some(queue) = self.waiting.get_mut(&node) {
                    // The call has been taken out of the table already. Those behind others go with them.
                    while queue.front().is_some_and(|op| !calls.contains(*op)) {
                        queue.pop_front();
                    }
                    if queue.is_empty() {
                        self.waiting.remove(&node);
                    }
                }
            }
            Route::Seeking => {
                if let Some(ops) = self.seeking.get_mut(&call.action) {
                    while ops.front().is_some_and(|op| !calls.contains(*op)) {
                        ops.pop_front();
                    }
                    if ops.is_empty() {
                        self.seeking.remove(&call.action);
                        self.out.push_back(Out::StopSeeking { action: call.action.clone() });
                    }
                }
            }
            Route::Local(_) | Route::Link(..) => {}
        }
    }

    /// Starts a call to whoever will be found to serve it.
    pub(super) fn seek(&mut self, cx: &mut Cx<'_>, order: Order) -> Result<OpId, Error> {
        let seeking: usize = self.seeking.values().map(VecDeque::len).sum();
        if seeking >= self.waiting_max() {
            cx.count("delivery.backpressure");
            return Err(Error::new(Code::Backpressure, "too many calls wait until their action is found"));
        }
        let (length, limit) = (order.payload.data.len(), self.config.limits.message_bytes_max);
        if length > limit {
            return Err(Error::new(Code::TooLarge, over_limit("the payload", length, limit)));
        }
        self.check_waiting_room(cx, length)?;
        cx.mark("delivery.seeks");
        let op = self.next_op();
        let (mut call, payload) = PendingCall::new(order, Route::Seeking);
        let (action, deadline) = (call.action.clone(), call.due());
        call.held = Some(payload);
        self.add_call(op, call);
        self.count_waiting(op);
        let ops = self.seeking.entry(action.clone()).or_default();
        ops.push_back(op.0);
        if ops.len() == 1 {
            self.out.push_back(Out::Seek { action, deadline });
        }
        Ok(op)
    }

    /// It is known who serves an action, or that nobody does.
    pub(super) fn sought(
        &mut self,
        cx: &mut Cx<'_>,
        action: &Arc<ActionPath>,
        outcome: &Result<Vec<NodeId>, Error>,
    ) {
        for op in self.seeking.remove(action).unwrap_or_default() {
            match outcome {
                Err(error) => self.complete(cx, OpId(op), Err(error.clone())),
                Ok(nodes) => {
                    let mut others: VecDeque<NodeId> = nodes.iter().copied().collect();
                    let Some(first) = others.pop_front() else {
                        let error = Error::of_kind(Kind::Unreachable, "nobody was found");
                        self.complete(cx, OpId(op), Err(error));
                        continue;
                    };
                    if let Some(call) = self.calls.get_mut(op) {
                        call.others = others;
                    }
                    self.send_to(cx, OpId(op), first);
                }
            }
        }
    }
}
