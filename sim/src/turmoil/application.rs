//! The applications on the simulated machines: they call, and they serve, as the run says.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use lacewing::{Action, Answers, CallBuilder, Codec, Error, Kind, Node, Payload, Request, Retry, WeakNode};
use lacewing_core::Code;
use tokio::sync::oneshot;

use super::scene::{Scene, Tag};
use super::streams::{self, Ends};
use super::wire::TICK;
use super::{access, leaks};
use crate::history::What;
use crate::payload::{self, Way};
use crate::quantity::Micros;
use crate::run::{CallSpec, Flow, Handler, Policy, Shape};

/// Starts a call of the run, in a task of its own.
pub(super) fn spawn_call(scene: &Arc<Scene>, host: usize, node: &Node, op: u64) {
    let (scene, node) = (Arc::clone(scene), node.downgrade());
    tokio::spawn(async move {
        if leaks::coin(scene.inject.as_deref()).await {
            tokio::time::sleep(TICK).await;
        }
        // The outcome is noted where it becomes known.
        drop(call(scene, host, node, op).await);
    });
}

/// Makes a call and notes its outcome.
async fn call(scene: Arc<Scene>, host: usize, node: WeakNode, op: u64) -> Result<Payload, Error> {
    let stopped = || Error::of_kind(Kind::Stopped, "the caller is stopped");
    let spec = scene.call(op).ok_or_else(stopped)?;
    let node = node.upgrade().ok_or_else(stopped)?;
    if spec.policy.cast && !spec.policy.acknowledged {
        return Ok(cast(&scene, host, &node, &spec).await);
    }
    let (mut open, mut cancelled) = OpenCall::begin(&scene, host, op);
    let data = payload::build(scene.run.header.seed, op, Way::Request, spec.size);
    if spec.policy.acknowledged {
        // A cast is not taken back, whoever gives up.
        let outcome = accepted(&scene, &node, &spec, data).await;
        open.ends(&spec, &outcome);
        return outcome;
    }
    if spec.called() != Shape::Unary {
        let outcome = streams::call(&scene, host, node, op, data, cancelled).await;
        let Some(outcome) = outcome else {
            scene.push(host, What::Cancel { op });
            open.cancelled();
            return Err(Error::new(Code::Cancelled, "as the run says").executed_perhaps(true));
        };
        open.ends(&spec, &outcome);
        return outcome;
    }
    let mut order = node.call(payload::action(&spec), Payload { codec: Codec::Raw, data });
    order = order.timeout(whole(spec.timeout));
    order = match spec.to {
        Some(to) => order.to(scene.identities[to].node_id()),
        None => order.select(spec.select.in_core()),
    };
    order = with_policy(order, spec.policy);
    drop(node);
    let gather = spec.policy.gather;
    let mut future = Box::pin(async {
        match gather {
            Some(within) => gathered(&scene, host, &spec, order.gather(whole(within)).await),
            None => order.into_future().await,
        }
    });
    let outcome = tokio::select! {
        biased;
        Ok(()) = &mut cancelled => None,
        outcome = &mut future => Some(outcome),
    };
    let Some(outcome) = outcome else {
        scene.push(host, What::Cancel { op });
        drop(future);
        open.cancelled();
        return Err(Error::new(Code::Cancelled, "as the run says").executed_perhaps(true));
    };
    open.ends(&spec, &outcome);
    outcome
}

/// The simulation's time is whole milliseconds: a deadline between two of them is kept at the earlier one.
fn whole(span: Micros) -> Duration {
    Duration::from_millis(span.0 / 1_000)
}

/// Notes what everybody has answered, which makes the outcome.
fn gathered(
    scene: &Scene,
    host: usize,
    spec: &CallSpec<'_>,
    answers: Result<Answers, Error>,
) -> Result<Payload, Error> {
    let answers = answers?;
    scene.push(host, payload::gathered(scene.run.header.seed, spec, &answers));
    if answers.iter().any(|(_, answer)| answer.is_ok()) {
        return Ok(Payload::default());
    }
    let executed = answers.iter().any(|(_, answer)| answer.as_ref().is_err_and(Error::maybe_executed));
    let first = answers.into_iter().find_map(|(_, answer)| answer.err());
    let error = first.unwrap_or_else(|| Error::new(Code::NotFound, "nobody was there to be asked"));
    Err(error.executed_perhaps(executed))
}

/// Sends something of which is to be known that it was accepted.
async fn accepted(
    scene: &Arc<Scene>,
    node: &Node,
    spec: &CallSpec<'_>,
    data: bytes::Bytes,
) -> Result<Payload, Error> {
    let cast = node.cast(payload::action(spec), Payload { codec: Codec::Raw, data });
    let cast = cast.timeout(whole(spec.timeout));
    let cast = match spec.to {
        Some(to) => cast.to(scene.identities[to].node_id()),
        None => cast.select(spec.select.in_core()),
    };
    cast.acknowledged().await.map(|()| Payload::default())
}

/// Sends something that nobody waits for. Whether it was queued is not noted: nobody waits for that either.
async fn cast(scene: &Arc<Scene>, host: usize, node: &Node, spec: &CallSpec<'_>) -> Payload {
    let data = payload::build(scene.run.header.seed, spec.id, Way::Request, spec.size);
    let cast = node.cast(payload::action(spec), Payload { codec: Codec::Raw, data });
    let cast = cast.timeout(whole(spec.timeout));
    let cast = match spec.to {
        Some(to) => cast.to(scene.identities[to].node_id()),
        None => cast.select(spec.select.in_core()),
    };
    scene.chain(host, Tag::Application, &[spec.id], b"cast");
    drop(cast.await);
    Payload::default()
}

fn with_policy(mut order: CallBuilder, policy: Policy) -> CallBuilder {
    let Policy { idempotent, retry, hedge, breaker, bulkhead, gather: _, cast: _, acknowledged: _ } = policy;
    if idempotent {
        order = order.idempotent();
    }
    if retry {
        order = order.retry(Retry::default());
    }
    if let Some(delay) = hedge {
        order = order.hedge(delay.as_duration(), 1);
    }
    if let Some(most) = bulkhead {
        order = order.bulkhead(usize::try_from(most).unwrap_or(usize::MAX));
    }
    if breaker { order.breaker() } else { order }
}

/// An action of a run, with the run's limit where that holds for it.
pub(super) fn action(scene: &Scene, path: String) -> Action {
    let limit = scene.run.header.action_limit.filter(|_| payload::is_limited(&path));
    let size = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let action = Action::new(path);
    match limit {
        Some(limit) => action.max_in_flight(size(limit.max)).queue(size(limit.queue)),
        None => action,
    }
}

/// A call that has begun. Dropping it without an outcome is what the application does when it loses interest.
struct OpenCall {
    scene: Arc<Scene>,
    host: usize,
    op: u64,
}

impl OpenCall {
    fn begin(scene: &Arc<Scene>, host: usize, op: u64) -> (Self, oneshot::Receiver<()>) {
        let (cancel, cancelled) = oneshot::channel();
        scene.board(host).open_calls.insert(op, Some(cancel));
        scene.record().tally.calls += 1;
        scene.chain(host, Tag::Application, &[op], b"call");
        scene.push(host, What::Invoke { op });
        (Self { scene: Arc::clone(scene), host, op }, cancelled)
    }

    fn ends(&mut self, spec: &CallSpec<'_>, outcome: &Result<Payload, Error>) {
        let Self { ref scene, host, op } = *self;
        // A task that outlives its process has nobody to tell.
        if !scene.close_call(host, op) {
            return;
        }
        let what = match outcome {
            Ok(answer) => {
                scene.record().tally.answered += 1;
                let matches = payload::is_answer(scene.run.header.seed, spec, answer);
                What::Ok { op, matches, bytes: answer.data.len() as u64 }
            }
            Err(error) => What::Fail {
                op,
                code: error.code(),
                number: error.code().number(),
                maybe_executed: error.maybe_executed(),
            },
        };
        let number = outcome.as_ref().map_or_else(|error| error.code().number().into(), |_| 0);
        scene.chain(host, Tag::Application, &[op, number], b"outcome");
        scene.push(host, what);
    }

    /// The caller has given up.
    fn cancelled(&mut self) {
        if self.scene.close_call(self.host, self.op) {
            self.scene.call_cancelled(self.host, self.op);
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.scene.close_call(self.host, self.op) {
            self.scene.push(self.host, What::Cancel { op: self.op });
            self.scene.call_cancelled(self.host, self.op);
        }
    }
}

/// Serves an action of the run.
pub(super) fn serve(
    scene: &Arc<Scene>,
    host: usize,
    node: &Node,
    action: Action,
    shape: Shape,
) -> Result<(), lacewing::ServeError> {
    let (scene, weak) = (Arc::clone(scene), node.downgrade());
    let answer = move |request, ends| answer(Arc::clone(&scene), host, weak.clone(), request, ends);
    match shape {
        Shape::Unary => node.serve(action, move |request| answer(request, None)),
        Shape::ServerStream => node.serve_stream(action, move |request, items| {
            let done = answer(request, Some(Ends { uploads: None, items: Some(items) }));
            async move { done.await.map(drop) }
        }),
        Shape::ClientStream => node.serve_upload(action, move |request, uploads| {
            answer(request, Some(Ends { uploads: Some(uploads), items: None }))
        }),
        Shape::Bidirectional => node.serve_bidirectional(action, move |request, uploads, items| {
            let done = answer(request, Some(Ends { uploads: Some(uploads), items: Some(items) }));
            async move { done.await.map(drop) }
        }),
    }
}

/// Works on one request.
async fn answer(
    scene: Arc<Scene>,
    host: usize,
    node: WeakNode,
    request: Request,
    ends: Option<Ends>,
) -> Result<Payload, Error> {
    let seed = scene.run.header.seed;
    let data = &request.payload.data;
    let op = payload::operation(request.action(), data).filter(|op| scene.call(*op).is_some());
    let spec = op.and_then(|op| scene.call(op));
    let matches = spec.is_some_and(|spec| {
        let codec_matches = request.payload.codec == Codec::Raw;
        codec_matches && payload::matches(seed, spec.id, Way::Request, spec.size, data)
    });
    let caller = scene.node_of(request.caller.node);
    let caller_matches = spec.is_some_and(|spec| spec.from.is_some() && spec.from == caller);
    scene.chain(host, Tag::Application, &[op.unwrap_or(u64::MAX), data.len() as u64], b"execute");
    scene.push(host, What::Execute { op, matches, caller_matches });
    // What came since the handler was started may be among it: it counts for later times alone.
    if let Some(node) = node.upgrade() {
        access::note_issuers(&scene, host, &node);
    }
    drop(request);
    let Some(spec) = spec else { return Err(Error::new(Code::NotFound, "no operation of this run")) };
    let mut work = Work { scene: Arc::clone(&scene), host, life: scene.board(host).life, op: Some(spec.id) };
    if let Some(ends) = ends {
        streams::serve(&scene, host, spec.id, ends).await;
    }
    let result = serve_as_told(&scene, host, node, &spec).await;
    if let (Ok(answer), Shape::Unary, true) = (&result, spec.served(), spec.called().has(Flow::Items)) {
        let bytes = answer.data.len() as u64;
        scene.push(host, What::Sent { op: spec.id, flow: Flow::Items, number: 0, bytes });
    }
    work.done();
    result
}

async fn serve_as_told(
    scene: &Arc<Scene>,
    host: usize,
    node: WeakNode,
    spec: &CallSpec<'_>,
) -> Result<Payload, Error> {
    let reply = |size| Payload {
        codec: Codec::Raw,
        data: payload::build(scene.run.header.seed, spec.id, Way::Reply, size),
    };
    match spec.handler {
        Handler::Reply { after, size } => {
            tokio::time::sleep(after.as_duration()).await;
            Ok(reply(*size))
        }
        Handler::Fail { after, code } => {
            tokio::time::sleep(after.as_duration()).await;
            Err(Error::new(Code::Application(*code), "as the run says").executed_perhaps(true))
        }
        Handler::Never => std::future::pending().await,
        Handler::Call { id, .. } => match call(Arc::clone(scene), host, node, *id).await {
            Ok(_) => Ok(reply(payload::answer_size(spec))),
            Err(error) => {
                let text = format!("the nested call failed: {}", error.code());
                Err(Error::of_kind(Kind::Handler, text).executed_perhaps(true))
            }
        },
    }
}

/// A handler at work. Dropping it before it is done is how a handler learns that nobody waits any more.
struct Work {
    scene: Arc<Scene>,
    host: usize,
    life: u32,
    op: Option<u64>,
}

impl Work {
    fn done(&mut self) {
        if let Some(op) = self.op.take() {
            self.scene.chain(self.host, Tag::Application, &[op], b"answer");
            self.scene.push(self.host, What::Answer { op });
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // Of a process that is gone nobody is told anything.
        if let Some(op) = self.op.filter(|_| self.scene.board(self.host).life == self.life) {
            self.scene.push(self.host, What::Withdrawn { op });
        }
    }
}
