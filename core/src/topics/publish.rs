//! The publisher's side: whom an event goes to, and whether there is room.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use rand_core::Rng;

use super::pace::TooFast;
use super::{GroupName, Out, TOPICS_KEPT, TopicEvent, Topics, rights};
use crate::access::Judge;
use crate::capability::Visibility;
use crate::code::{Code, Error, Kind};
use crate::identity::NodeId;
use crate::machine::{Cx, injected};
use crate::token::Right;
use crate::wire::body::topics::{EVENT_COST, GROUPS_MAX, PublishHead, Recipients};
use crate::wire::headers::Headers;
use crate::wire::path::ActionPath;
use crate::wire::payload::Payload;

/// Whom an event is for, of those whose subscriptions its topic matches.
///
/// ```
/// use lacewing_core::topics::PublishMode;
///
/// assert_eq!(PublishMode::default(), PublishMode::All);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PublishMode {
    /// Subscriptions of this node.
    Local,
    /// Every subscription, in a group or not.
    #[default]
    All,
    /// One subscription of each group, and all without a group.
    OnePerGroup,
    /// One subscription of this group.
    Group(GroupName),
    /// Every subscription of this node, which may be the publishing one.
    Node(NodeId),
}

/// An event that is to be published.
///
/// ```
/// use lacewing_core::topics::Publication;
///
/// let publication = Publication::new("orders/eu/placed", "order 7");
/// assert_eq!(publication.payload.data, "order 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication<'a> {
    /// What it is about: a path without wildcards. One that begins with `$` stays on this node.
    pub topic: &'a str,
    /// What it says.
    pub payload: Payload,
    /// Whom it is for.
    pub mode: PublishMode,
    /// Nodes of which subnets get it, seen from that of this node. It spares others what is none of their business; it keeps nothing
    /// secret from who has a right to it.
    pub visibility: Visibility,
    /// What subscribers can read besides.
    pub headers: Headers,
}

impl<'a> Publication<'a> {
    /// An event for every subscription, whatever its subnet.
    pub fn new(topic: &'a str, payload: impl Into<Payload>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            mode: PublishMode::default(),
            visibility: Visibility::default(),
            headers: Headers::new(),
        }
    }
}

/// What became of an event at its publisher. What happens to copies on their way, and in full subscriptions elsewhere, is counted
/// there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PublishReport {
    /// Copies that were to be made: one for each node, and one for each subscription of this node.
    pub attempted: u64,
    /// Copies that were queued, towards their node or for their subscription.
    pub delivered: u64,
    /// Copies for which there was no room or no way. `attempted` is the sum of both.
    pub dropped: u64,
}

impl PublishReport {
    fn count(&mut self, delivered: bool) {
        self.attempted += 1;
        *(if delivered { &mut self.delivered } else { &mut self.dropped }) += 1;
    }
}

/// Another node that wants an event, as the directory says.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) node: NodeId,
    /// Whether it has subscriptions without a group.
    pub(crate) alone: bool,
    /// Its groups.
    pub(crate) groups: Vec<&'a GroupName>,
    /// Whether a way leads there.
    pub(crate) reachable: bool,
}

/// Whom an event goes to.
#[derive(Debug, Default)]
struct Audience {
    /// Subscriptions of this node.
    own: BTreeSet<u64>,
    /// Other nodes, by their place among the candidates.
    others: BTreeMap<usize, Recipients>,
    /// Groups of which nobody has room.
    nobody: u64,
}

impl Topics {
    /// The parsed form of a topic.
    pub(crate) fn topic(&mut self, text: &str) -> Result<Arc<ActionPath>, Error> {
        if let Some(topic) = self.known.get(text) {
            return Ok(topic.clone());
        }
        let topic: ActionPath =
            text.parse().map_err(|error| Error::new(Code::InvalidArgument, alloc::format!("{error}")))?;
        if self.known.len() >= TOPICS_KEPT {
            self.known.clear();
        }
        let shared = Arc::new(topic.clone());
        self.known.insert(topic, shared.clone());
        Ok(shared)
    }

    /// Those who may have an event. One that lacks a token, and that there is no session to show it in, gets a session: it has its
    /// right to later ones, if it has it, from then on.
    fn entitled<'a, 'b>(
        &mut self,
        judge: &dyn Judge,
        topic: &ActionPath,
        candidates: &'b [Candidate<'a>],
    ) -> Vec<&'b Candidate<'a>> {
        let mut entitled = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            match rights::check(judge, Right::Subscribe, &candidate.node, topic) {
                Ok(()) => entitled.push(candidate),
                Err(denied) if denied.wants_token() && !self.has_way(&candidate.node) => {
                    self.out.push_back(Out::OpenTunnel { node: candidate.node });
                }
                Err(_) => {}
            }
        }
        entitled
    }

    /// Publishes an event to these nodes and to the subscriptions of this one. An error says that nobody gets it.
    pub(crate) fn publish(
        &mut self,
        cx: &mut Cx<'_>,
        judge: &dyn Judge,
        topic: &Arc<ActionPath>,
        publication: Publication<'_>,
        candidates: &[Candidate<'_>],
    ) -> Result<PublishReport, Error> {
        if self.stopping {
            return Err(Error::of_kind(Kind::Stopped, "this node is stopping"));
        }
        let Publication { payload, mode, headers, .. } = publication;
        let (length, limit) = (payload.data.len(), self.config.limits.message_bytes_max);
        if length > limit {
            let text = alloc::format!("the payload has {length} bytes, the limit is {limit}");
            return Err(Error::new(Code::TooLarge, text));
        }
        let bytes = EVENT_COST + topic.as_str().len() + headers.bytes() + length;
        let candidates = self.entitled(judge, topic, candidates);
        let audience = self.audience(topic, &mode, &candidates, (bytes, length));
        let holds_up = |id| self.subscriptions.get(id).is_some_and(|own| own.holds_up(bytes));
        if audience.own.iter().any(holds_up) && !injected!(cx, "block-unheeded") {
            cx.count("topics.backpressure");
            self.refused = true;
            let text = "a subscription of this node is full and holds up its publishers";
            return Err(Error::new(Code::Backpressure, text));
        }
        if !injected!(cx, "pace-unheeded") {
            self.check_pace(cx, topic)?;
        }
        let mut report = PublishReport { attempted: audience.nobody, delivered: 0, dropped: audience.nobody };
        if !audience.own.is_empty() {
            let event = TopicEvent {
                topic: topic.clone(),
                payload: payload.clone(),
                publisher: self.own,
                headers: headers.clone(),
                sequence: self.count(self.own.node),
            };
            let chosen: Vec<u64> = audience.own.into_iter().collect();
            for id in chosen.iter().copied().chain(self.misdirected(cx, &event, &chosen)) {
                report.count(self.offer(cx, id, &event));
            }
        }
        for (place, recipients) in audience.others {
            let Candidate { node, reachable, .. } = *candidates[place];
            let way = self.way(&node, reachable, bytes, length);
            // A number is used up either way, so that the receiver sees that something is missing.
            let sequence = self.count(node);
            report.count(way.is_some());
            let Some(way) = way else {
                cx.count("topics.dropped");
                continue;
            };
            let (topic, codec, headers) = (topic.clone(), payload.codec as u8, headers.clone());
            let head = PublishHead { topic, sequence, codec, total_len: None, recipients, headers };
            self.queue(cx, node, way, head, payload.data.clone());
        }
        self.stats.published += 1;
        self.stats.copies += report.attempted;
        self.stats.dropped += report.dropped;
        Ok(report)
    }

    fn check_pace(&mut self, cx: &mut Cx<'_>, topic: &Arc<ActionPath>) -> Result<(), Error> {
        let limits = &self.config.limits;
        let Err(too_fast) = self.paces.admit(topic, cx.now) else { return Ok(()) };
        cx.count("topics.too_fast");
        let (text, wait_ms) = match too_fast {
            TooFast::Topic(wait) => {
                let per_s = limits.events_per_topic_per_s;
                let text = alloc::format!("{topic} has had more than {per_s} events a second");
                (text, wait.as_millis() + 1)
            }
            TooFast::Topics => {
                (alloc::format!("events are published on {} topics, the limit", limits.topics_max), 100)
            }
        };
        let error = Error::new(Code::ResourceExhausted, text);
        Err(error.with_retry_after_ms(u32::try_from(wait_ms).ok()))
    }

    /// The next number for a node.
    fn count(&mut self, node: NodeId) -> u64 {
        // Whoever was forgotten begins with a number that is higher than any that it has had: nobody has had more numbers than there
        // were events.
        let next = self.counts.get(&node).map_or(self.stats.published, |last| *last) + 1;
        if self.counts.len() >= self.config.limits.nodes_max && !self.counts.contains_key(&node) {
            self.counts.pop_first();
        }
        self.counts.insert(node, next);
        next
    }

    fn audience(
        &mut self,
        topic: &ActionPath,
        mode: &PublishMode,
        candidates: &[&Candidate<'_>],
        size: (usize, usize),
    ) -> Audience {
        let (alone, groups) = self.matching(topic);
        let everybody = |alone: Vec<u64>, groups: BTreeMap<GroupName, Vec<u64>>| {
            alone.into_iter().chain(groups.into_values().flatten()).collect::<BTreeSet<u64>>()
        };
        let all = |is_it: &dyn Fn(&NodeId) -> bool| {
            let places = candidates.iter().enumerate().filter(|(_, candidate)| is_it(&candidate.node));
            places.map(|(place, _)| (place, Recipients::All)).collect::<BTreeMap<_, _>>()
        };
        match mode {
            PublishMode::Local => Audience { own: everybody(alone, groups), ..Audience::default() },
            PublishMode::All => Audience { own: everybody(alone, groups), others: all(&|_| true), nobody: 0 },
            PublishMode::Node(node) if *node == self.own.node => {
                Audience { own: everybody(alone, groups), ..Audience::default() }
            }
            PublishMode::Node(node) => {
                Audience { others: all(&|other| other == node), ..Audience::default() }
            }
            PublishMode::OnePerGroup => {
                let own = alone.into_iter().collect();
                let others = candidates.iter().enumerate().filter(|(_, candidate)| candidate.alone);
                let nobody_yet = || Recipients::OneOf { groups: Vec::new(), others: true };
                let others = others.map(|(place, _)| (place, nobody_yet())).collect();
                let names: BTreeSet<GroupName> = candidates
                    .iter()
                    .flat_map(|candidate| candidate.groups.iter().copied().cloned())
                    .chain(groups.keys().cloned())
                    .collect();
                let mut audience = Audience { own, others, nobody: 0 };
                for name in names {
                    self.choose(&mut audience, name, &groups, candidates, size);
                }
                audience
            }
            PublishMode::Group(name) => {
                let mut audience = Audience::default();
                let is_known = groups.contains_key(name)
                    || candidates.iter().any(|candidate| candidate.groups.contains(&name));
                if is_known {
                    self.choose(&mut audience, name.clone(), &groups, candidates, size);
                }
                audience
            }
        }
    }

    /// Chooses the member of a group that gets the event: each node with members is as likely, and then each member; where one has no
    /// room, the next.
    fn choose(
        &mut self,
        audience: &mut Audience,
        group: GroupName,
        own: &BTreeMap<GroupName, Vec<u64>>,
        candidates: &[&Candidate<'_>],
        (bytes, length): (usize, usize),
    ) {
        let members = own.get(&group).filter(|members| !members.is_empty());
        let others =
            candidates.iter().enumerate().filter(|(_, candidate)| candidate.groups.contains(&&group));
        let mut places: Vec<Option<usize>> = others.map(|(place, _)| Some(place)).collect();
        if members.is_some() {
            places.push(None);
        }
        let first = self.draw(places.len());
        places.rotate_left(first);
        for place in places {
            let Some(place) = place else {
                let Some(members) = members else { continue };
                let member = members[self.draw(members.len())];
                audience.own.insert(member);
                return;
            };
            let Candidate { node, reachable, .. } = *candidates[place];
            if self.way(&node, reachable, bytes, length).is_none() {
                continue;
            }
            let fresh = Recipients::OneOf { groups: Vec::new(), others: false };
            if let Recipients::OneOf { groups, .. } = audience.others.entry(place).or_insert(fresh)
                && groups.len() < GROUPS_MAX
            {
                // Groups are chosen for in ascending order.
                groups.push(group);
                return;
            }
        }
        audience.nobody += 1;
    }

    /// A number below `count`, each as likely; 0 where there is none.
    pub(super) fn draw(&mut self, count: usize) -> usize {
        if count <= 1 {
            return 0;
        }
        let wide = u128::from(self.rng.next_u64()) * count as u128;
        (wide >> 64) as usize
    }
}
