//! The subscriber's side: events of other nodes, checked and handed on.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use bytes::Bytes;

use super::links::Partial;
use super::{Out, Publisher, TopicEvent, Topics, rights};
use crate::access::Judge;
use crate::code::CloseReason;
use crate::identity::{Incarnation, NodeId};
use crate::link::LinkId;
use crate::machine::{Cx, injected};
use crate::reassembly::{Progress, Reassembly};
use crate::token::Right;
use crate::wire::body::topics::{PublishHead, Recipients};
use crate::wire::payload::{Codec, Payload};

/// How far each publisher has counted; the one that was heard of first is forgotten for a new one when there are too many.
#[derive(Debug)]
pub(super) struct Publishers {
    last: BTreeMap<NodeId, (Incarnation, u64)>,
    order: VecDeque<NodeId>,
    count_max: usize,
}

impl Publishers {
    pub(super) const fn new(count_max: usize) -> Self {
        Self { last: BTreeMap::new(), order: VecDeque::new(), count_max }
    }

    pub(super) fn len(&self) -> usize {
        self.last.len()
    }

    pub(super) fn forget(&mut self, node: &NodeId) {
        if self.last.remove(node).is_some() {
            self.order.retain(|other| other != node);
        }
    }

    /// Notes a number. Gives how many are missing before it; `None` where it, or a later one, was noted before.
    fn note(&mut self, publisher: Publisher, sequence: u64) -> Option<u64> {
        let Publisher { node, incarnation } = publisher;
        match self.last.get_mut(&node) {
            Some((life, _)) if *life > incarnation => None,
            Some((life, last)) if *life == incarnation => {
                let missing = sequence.checked_sub(last.checked_add(1)?)?;
                *last = sequence;
                Some(missing)
            }
            Some(known) => {
                *known = (incarnation, sequence);
                Some(0)
            }
            None => {
                while self.last.len() >= self.count_max {
                    let oldest = self.order.pop_front()?;
                    self.last.remove(&oldest);
                }
                self.last.insert(node, (incarnation, sequence));
                self.order.push_back(node);
                Some(0)
            }
        }
    }
}

impl Topics {
    /// The first frame of an event.
    pub(super) fn published(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        more: bool,
        body: &Bytes,
    ) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let Ok((head, start)) = PublishHead::decode(body) else {
            return self.violation(link, CloseReason::MalformedFrame);
        };
        if state.partial.is_some() || more != head.total_len.is_some() {
            return self.violation(link, CloseReason::MalformedFrame);
        }
        let chunk = &body[start..];
        let Some(total_len) = head.total_len else {
            // A copy: a slice would keep the whole record alive for as long as the event waits.
            let data = Bytes::copy_from_slice(chunk);
            return self.arrived(cx, judge, link, head, data);
        };
        let limit = self.config.limits.message_bytes_max;
        let Some(total_len) = usize::try_from(total_len).ok().filter(|length| *length <= limit) else {
            return self.violation(link, CloseReason::LengthExceeded);
        };
        // What the codec is matters only once the event is whole.
        state.partial = Some(Partial { payload: Reassembly::new(Codec::Raw, total_len), head });
        self.chunk(cx, judge, link, more, chunk);
    }

    /// A further frame of an event.
    pub(super) fn published_more(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        link: LinkId,
        more: bool,
        body: &[u8],
    ) {
        let Some(state) = self.links.get(&link) else { return };
        if state.partial.is_none() {
            return self.violation(link, CloseReason::MalformedFrame);
        }
        self.chunk(cx, judge, link, more, body);
    }

    fn chunk(&mut self, cx: &mut Cx<'_>, judge: &dyn Judge, link: LinkId, more: bool, chunk: &[u8]) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let Some(mut partial) = state.partial.take() else { return };
        match partial.payload.add(chunk, more) {
            Ok(Progress::Unfinished) => state.partial = Some(partial),
            Ok(Progress::Whole(payload)) => {
                cx.mark("topics.event_in_chunks");
                self.arrived(cx, judge, link, partial.head, payload.data);
            }
            Err(reason) => self.violation(link, reason),
        }
    }

    /// A whole event.
    fn arrived(&mut self, cx: &mut Cx<'_>, judge: &dyn Judge, link: LinkId, head: PublishHead, data: Bytes) {
        let Some(publisher) = self.links.get(&link).map(|state| state.peer) else { return };
        self.stats.received += 1;
        let Some(missing) = self.publishers.note(publisher, head.sequence) else {
            // Over another link than the one before it, which was slower: order counts for more.
            return cx.count("topics.came_late");
        };
        if missing > 0 {
            cx.count("topics.gap_noticed");
            self.stats.lost = self.stats.lost.saturating_add(missing);
        }
        let allowed = rights::check(judge, Right::Publish, &publisher.node, &head.topic).is_ok();
        if !allowed && !injected!(cx, "publisher-unchecked") {
            return cx.count("topics.refused");
        }
        let Some(codec) = Codec::from_number(head.codec) else {
            return cx.count("topics.codec_unknown");
        };
        let payload = Payload { codec, data };
        let chosen = self.chosen(&head);
        if chosen.is_empty() {
            // It was on its way when the subscription ended.
            cx.count("topics.unasked");
        }
        let PublishHead { topic, sequence, headers, .. } = head;
        let event = TopicEvent { topic, payload, publisher, headers, sequence };
        for id in chosen.iter().copied().chain(self.misdirected(cx, &event, &chosen)) {
            self.offer(cx, id, &event);
        }
    }

    /// Which subscriptions get an event, each once.
    fn chosen(&mut self, head: &PublishHead) -> Vec<u64> {
        let (alone, mut groups) = self.matching(&head.topic);
        match &head.recipients {
            Recipients::All => alone.into_iter().chain(groups.into_values().flatten()).collect(),
            Recipients::OneOf { groups: names, others } => {
                let mut chosen = if *others { alone } else { Vec::new() };
                for members in names.iter().filter_map(|name| groups.remove(name)) {
                    chosen.push(members[self.draw(members.len())]);
                }
                chosen
            }
        }
    }

    fn violation(&mut self, link: LinkId, reason: CloseReason) {
        if let Some(state) = self.links.get_mut(&link) {
            state.partial = None;
        }
        self.out.push_back(Out::Violation { link, reason });
    }
}
