//! Calls with a policy, and casts: how attempts are made of what the node knows by then.

use alloc::vec::Vec;

use super::{Call, CallOptions, Engine, Event, OpId, Target};
use crate::code::{Code, Error};
use crate::delivery::selector::Selector;
use crate::delivery::{CallPolicy, ServeOptions};
use crate::identity::NodeId;
use crate::machine::{Cx, Machine};
use crate::resilience::{self, GATHER_MAX, Next, Order};
use crate::time::Instant;
use crate::wire::body::CastMode;

/// The machine's borrow of what every command hands on.
macro_rules! cx {
    ($engine:ident) => {
        &mut Cx { now: $engine.now, trace: &mut *$engine.trace, counters: &mut $engine.counters }
    };
}

impl Engine {
    /// Sends something that nobody waits for: `Ok` says that it is queued, an error why it is not. It is executed once at most, and
    /// `timeout` is the time until it must have begun. What is lost afterwards is counted (`delivery.cast_lost` here,
    /// `delivery.cast_refused` and `delivery.cast_dropped` at the other end).
    pub fn cast(&mut self, now: Instant, call: Call<'_>) -> Result<(), Error> {
        self.start_cast(now, call, CastMode::Silent).map(drop)
    }

    /// The same, with an [`Event::CallDone`] that says whether the other side has accepted it: handed it to the handler, or put it
    /// into the handler's queue. The answer is empty.
    pub fn cast_acknowledged(&mut self, now: Instant, call: Call<'_>) -> Result<OpId, Error> {
        self.start_cast(now, call, CastMode::Acknowledged)
    }

    fn start_cast(&mut self, now: Instant, call: Call<'_>, mode: CastMode) -> Result<OpId, Error> {
        self.advance(now);
        let queued = self
            .nodes_for(&call.target, call.action)
            .and_then(|nodes| self.delivery.cast(cx!(self), call, &nodes, mode));
        self.count_cast(&queued);
        self.settle();
        queued
    }

    /// Sets how many handlers of an action run at once, and how many requests wait for that. Requests of this node and of others
    /// count alike. The application says when a handler has ended that was told to stop, with
    /// [`handler_ended`](Self::handler_ended).
    pub fn limit_action(&mut self, now: Instant, action: &str, options: ServeOptions) -> Result<(), Error> {
        self.advance(now);
        let limited = self.delivery.limit_action(cx!(self), action, options);
        self.settle();
        limited
    }

    /// After [`Event::RequestCancelled`]: the handler has ended without an answer, and another one may run in its place. Wanted for
    /// actions with a limit, harmless for others.
    pub fn handler_ended(&mut self, now: Instant, request: super::RequestId) {
        self.advance(now);
        self.delivery.handler_ended(cx!(self), request, false);
        self.settle();
    }

    /// Starts a call with a policy. Only what is wrong with the call itself is an error at once.
    pub(super) fn start_policy_call(&mut self, call: Call<'_>, policy: CallPolicy) -> Result<OpId, Error> {
        policy.check()?;
        if call.options.stream.is_some() {
            return Err(Error::new(
                Code::InvalidArgument,
                "a stream cannot be made twice, and takes no policy",
            ));
        }
        if self.lifecycle != super::Lifecycle::Running {
            return Err(Error::of_kind(crate::Kind::Stopped, "this node is stopping"));
        }
        self.resilience.check_room(cx!(self))?;
        let timeout = call.timeout.unwrap_or(self.config.timing.call_timeout);
        if timeout.is_zero() {
            return Err(Error::new(Code::InvalidArgument, "the timeout of a call must be more than zero"));
        }
        let order = Order {
            target: call.target,
            action: self.delivery.called_path(call.action)?,
            payload: call.payload,
            headers: call.options.headers,
            began: self.now,
            deadline: self.now + timeout,
            policy,
        };
        let op = self.delivery.next_op();
        self.resilience.handle(cx!(self), resilience::In::Start { op, order });
        Ok(op)
    }

    pub(super) fn route_resilience(&mut self, out: resilience::Out) {
        match out {
            resilience::Out::Attempt { op, next } => self.attempt(op, next),
            resilience::Out::Cancel { attempt } => self.delivery.cancel(cx!(self), attempt),
            resilience::Out::Gathered { op, answers } => self.event(Event::Gathered { op, answers }),
            resilience::Out::Done { op, began, result } => self.call_done(op, Some(began), result),
        }
    }

    fn attempt(&mut self, op: OpId, next: Next) {
        let Some(order) = self.resilience.order(op).cloned() else { return };
        let nodes = match self.everybody_for(&order) {
            Ok(nodes) => nodes,
            Err(error) => {
                self.resilience.refused(cx!(self), op, next, None, Some(error));
                // There was nobody to ask.
                if order.policy.gather.is_some() {
                    self.resilience.asked_everybody(op);
                }
                return;
            }
        };
        if order.policy.gather.is_some() && !nodes.is_empty() {
            return self.attempt_everywhere(op, &order, &nodes);
        }
        match self.resilience.pick(cx!(self), op, next, &nodes) {
            Ok(node) => self.attempt_at(op, next, &order, node),
            Err(error) => self.resilience.refused(cx!(self), op, next, None, error),
        }
    }

    fn attempt_everywhere(&mut self, op: OpId, order: &Order, nodes: &[NodeId]) {
        self.resilience.asks_everybody(op);
        for node in nodes.iter().take(GATHER_MAX) {
            match self.resilience.may_ask(cx!(self), order, *node) {
                Ok(()) => self.attempt_at(op, Next::First, order, Some(*node)),
                Err(error) => self.resilience.refused(cx!(self), op, Next::First, Some(*node), Some(error)),
            }
        }
        self.resilience.asked_everybody(op);
    }

    fn attempt_at(&mut self, op: OpId, next: Next, order: &Order, node: Option<NodeId>) {
        let call = Call {
            target: order.target.clone(),
            action: order.action.as_str(),
            payload: order.payload.clone(),
            timeout: Some(order.time_for_attempt(self.now)),
            options: CallOptions { headers: order.headers.clone(), ..CallOptions::default() },
        };
        match self.delivery.call(cx!(self), call, node.as_slice()) {
            Ok(attempt) => self.resilience.began(cx!(self), op, next, attempt, node),
            Err(error) => self.resilience.refused(cx!(self), op, next, node, Some(error)),
        }
    }

    /// Everybody that an attempt may go to, best first; nobody where the mesh has to be asked.
    fn everybody_for(&mut self, order: &Order) -> Result<Vec<NodeId>, Error> {
        let action = order.action.as_str();
        let is_near = matches!(order.target, Target::Any | Target::Select(Selector::LocalFirst));
        if order.policy.gather.is_some() && order.target == Target::Any {
            let mut nodes = self.known_providers(action);
            if self.delivery.takes_calls(action) && !nodes.contains(&self.node_id) {
                nodes.insert(0, self.node_id);
            }
            return Ok(nodes);
        }
        if !(is_near && self.delivery.takes_calls(action)) {
            return self.nodes_for(&order.target, action).map(|nodes| nodes.to_vec());
        }
        let others = self.choose_nodes(action, &Selector::LocalFirst).unwrap_or_default();
        let own = self.node_id;
        Ok(core::iter::once(own).chain(others.into_iter().filter(|node| *node != own)).collect())
    }
}
