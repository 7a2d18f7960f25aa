//! Calls that are streams, as applications make and serve them with the public interface.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use lacewing::{
    CallBuilder, Codec, Error, ItemSender, ItemStream, Node, Payload, StreamKind, Upload, UploadSender,
    Uploads,
};
use tokio::sync::oneshot;

use super::scene::{Scene, Tag};
use crate::history::What;
use crate::payload;
use crate::quantity::Micros;
use crate::run::{Flow, Handler, Shape, StreamSpec};

/// What a handler of a stream holds.
pub(super) struct Ends {
    pub(super) uploads: Option<Uploads>,
    pub(super) items: Option<ItemSender>,
}

/// One end of a stream: what there is to do at it, and where to write down what happens.
struct Log {
    scene: Arc<Scene>,
    host: usize,
    op: u64,
    told: StreamSpec,
}

impl Log {
    fn new(scene: &Arc<Scene>, host: usize, op: u64) -> Option<Self> {
        let told = scene.call(op)?.stream?;
        Some(Self { scene: Arc::clone(scene), host, op, told })
    }

    fn message(&self, flow: Flow, number: u64) -> Option<Payload> {
        payload::message(self.scene.run.header.seed, &self.scene.call(self.op)?, flow, number)
    }

    fn sent(&self, flow: Flow, number: u64, bytes: u64) {
        let op = self.op;
        self.scene.chain(self.host, Tag::Application, &[op, number], b"item");
        self.scene.push(self.host, What::Sent { op, flow, number, bytes });
    }

    fn taken(&self, flow: Flow, expected: u64, message: &Payload) {
        let (op, seed) = (self.op, self.scene.run.header.seed);
        let spec = self.scene.call(op);
        let number = spec.and_then(|spec| payload::recognise(seed, &spec, flow, expected, message));
        self.scene.chain(self.host, Tag::Application, &[op, expected], b"taken");
        let bytes = message.data.len() as u64;
        self.scene.push(self.host, What::Taken { op, flow, number, bytes });
    }

    /// Says of a call whom it is for and how long it lasts.
    fn tune<K: StreamKind>(&self, order: CallBuilder<K>) -> CallBuilder<K> {
        // The simulation's time is whole milliseconds.
        let whole = |span: Micros| std::time::Duration::from_millis(span.0 / 1_000);
        let mut order = order.idle_timeout(whole(self.told.idle));
        let Some(spec) = self.scene.call(self.op) else { return order };
        if !self.told.endless {
            order = order.timeout(whole(spec.timeout));
        }
        match spec.to {
            Some(to) => order.to(self.scene.identities[to].node_id()),
            None => order.select(spec.select.in_core()),
        }
    }

    fn never_answers(&self) -> bool {
        self.scene.call(self.op).is_some_and(|spec| matches!(spec.handler, Handler::Never))
    }
}

/// An end that sends.
enum Sender<'a> {
    Upload(&'a Upload),
    Half(&'a UploadSender),
    Items(&'a ItemSender),
}

impl Sender<'_> {
    fn flow(&self) -> Flow {
        match self {
            Self::Upload(_) | Self::Half(_) => Flow::Uploads,
            Self::Items(_) => Flow::Items,
        }
    }

    async fn send(&self, message: Payload) -> Result<(), Error> {
        match self {
            Self::Upload(upload) => upload.send(message).await,
            Self::Half(half) => half.send(message).await,
            Self::Items(items) => items.send(message).await,
        }
    }
}

/// Calls as the run says, to the outcome; `None` where the caller gives up.
pub(super) async fn call(
    scene: &Arc<Scene>,
    host: usize,
    node: Node,
    op: u64,
    data: Bytes,
    mut cancelled: oneshot::Receiver<()>,
) -> Option<Result<Payload, Error>> {
    let log = Log::new(scene, host, op)?;
    let (action, argument) = (payload::action(&scene.call(op)?), Payload { codec: Codec::Raw, data });
    match log.told.called() {
        Shape::Unary => None,
        Shape::ServerStream => {
            let begun = log.tune(node.call_stream(action, argument)).await;
            drop(node);
            let mut items = match begun {
                Ok(items) => items,
                Err(error) => return Some(Err(error)),
            };
            tokio::select! {
                biased;
                Ok(()) = &mut cancelled => None,
                outcome = take_items(&log, &mut items) => outcome,
            }
        }
        Shape::ClientStream => {
            let begun = log.tune(node.upload(action, argument)).await;
            drop(node);
            let upload = match begun {
                Ok(upload) => upload,
                Err(error) => return Some(Err(error)),
            };
            let finish = async {
                if send_all(&log, Sender::Upload(&upload)).await {
                    log.scene.push(host, What::UploadsEnded { op });
                }
                upload.finish().await
            };
            tokio::select! {
                biased;
                Ok(()) = &mut cancelled => None,
                outcome = finish => Some(outcome),
            }
        }
        Shape::Bidirectional => {
            let begun = log.tune(node.open(action, argument)).await;
            drop(node);
            let (sender, mut items) = match begun {
                Ok(both) => both.split(),
                Err(error) => return Some(Err(error)),
            };
            tokio::select! {
                biased;
                Ok(()) = &mut cancelled => None,
                outcome = take_items(&log, &mut items) => outcome,
                never = upload(&log, sender) => never,
            }
        }
    }
}

/// Sends one message after the other. Whether the stream took them all.
async fn send_all(log: &Log, sender: Sender<'_>) -> bool {
    let (flow, mut number) = (sender.flow(), 0);
    while let Some(message) = log.message(flow, number) {
        let bytes = message.data.len() as u64;
        if sender.send(message).await.is_err() {
            return false;
        }
        log.sent(flow, number, bytes);
        number += 1;
        rest(log.told.sends(flow).every).await;
    }
    true
}

/// Uploads everything and says so. Whether the call is over is seen by whoever takes its items.
async fn upload<T>(log: &Log, sender: UploadSender) -> T {
    let _kept = if send_all(log, Sender::Half(&sender)).await {
        log.scene.push(log.host, What::UploadsEnded { op: log.op });
        sender.finish();
        None
    } else {
        Some(sender)
    };
    pending().await
}

/// Takes items to the outcome; `None` where the caller has had enough of them.
async fn take_items(log: &Log, items: &mut ItemStream) -> Option<Result<Payload, Error>> {
    let mut taken = 0;
    loop {
        match items.next().await {
            Some(Ok(item)) => log.taken(Flow::Items, taken, &item),
            Some(Err(error)) => return Some(Err(error)),
            None => return Some(Ok(Payload::default())),
        }
        taken += 1;
        if log.told.stop_after == Some(taken) {
            return None;
        }
        rest(log.told.items.taken_every).await;
    }
}

async fn rest(pause: Micros) {
    if pause.0 > 0 {
        tokio::time::sleep(pause.as_duration()).await;
    }
}

/// Does what the handler of a stream does before it works on its answer.
pub(super) async fn serve(scene: &Arc<Scene>, host: usize, op: u64, ends: Ends) {
    let Some(log) = Log::new(scene, host, op) else { return };
    let Ends { mut uploads, items } = ends;
    let sends = async {
        let Some(items) = &items else { return };
        if !send_all(&log, Sender::Items(items)).await {
            // It is over, and so is this handler.
            pending::<()>().await;
        }
    };
    let takes = async {
        let Some(uploads) = &mut uploads else { return };
        take_uploads(&log, uploads).await;
    };
    match log.told.ends_after {
        Some(_) if items.is_some() && !log.never_answers() => {
            let takes = async {
                takes.await;
                pending::<()>().await;
            };
            tokio::select! {
                biased;
                () = sends => {}
                () = takes => {}
            }
        }
        _ => drop(tokio::join!(biased; sends, takes)),
    }
}

async fn take_uploads(log: &Log, uploads: &mut Uploads) {
    let (mut taken, enough) = (0, log.told.ends_after.filter(|_| !log.told.shape.has(Flow::Items)));
    loop {
        match uploads.next().await {
            Some(Ok(upload)) => log.taken(Flow::Uploads, taken, &upload),
            // Whoever called has gone: so does this handler.
            Some(Err(_)) => return pending().await,
            None => return log.scene.push(log.host, What::UploadsOver { op: log.op }),
        }
        taken += 1;
        if enough == Some(taken) && !log.never_answers() {
            return;
        }
        rest(log.told.uploads.taken_every).await;
    }
}
