//! More than neighbours: relays, what nodes say of themselves, and choosing whom to call.

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lacewing::capability::{Filter, ScopeQuery};
use lacewing::{
    Action, CapabilitySet, Code, Error, Event, Kind, Node, NodeStatus, Payload, ProviderState, Query,
    Request, Selector, StartError, SubnetId,
};
use stage::{Stage, addr_of, counter, echo, event, predicate, tags, within};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

scenarios!(
    the_ends_of_a_line_of_five_call_each_other_through_three_relays,
    c4_a_relay_that_is_killed_fails_a_call_long_before_its_deadline,
    a_ring_finds_the_other_way_when_a_relay_is_killed,
    c5_an_action_that_is_added_later_is_called_without_asking_around,
    c6_an_action_that_is_paused_refuses_calls_from_afar_and_from_here,
    c66_two_providers_share_the_load_and_the_exit_of_one_keeps_the_other,
    c68_new_capabilities_are_known_everywhere_though_a_link_is_down,
    a_predicate_finds_nodes_and_picks_the_provider_of_a_call,
    a_call_by_name_reaches_whoever_goes_by_it,
    what_a_node_is_told_at_its_start_is_what_others_see,
    what_an_action_says_of_itself_can_change,
    a_node_that_joins_to_look_around_knows_when_it_has_seen_all,
);

type Outcome = Result<Payload, Error>;

async fn call(node: &Node, action: &str, data: &str, to: &Node) -> Outcome {
    within(node.call(action, data).to(to.node_id()).into_future()).await
}

/// A handler that says who it is.
fn named(name: &'static str) -> impl Fn(Request) -> std::future::Ready<Result<&'static str, Error>> {
    move |_| std::future::ready(Ok(name))
}

async fn the_ends_of_a_line_of_five_call_each_other_through_three_relays(stage: Stage) {
    let line = stage.line(5).await;
    let (first, last) = (&line[0], &line[4]);
    for node in [first, last] {
        node.serve("echo", echo).unwrap();
    }
    let route = first.route(last.node_id()).unwrap();
    assert_eq!((route.hops, route.next_hop), (4, line[1].node_id()));
    assert_eq!(call(first, "echo", "from first to last", last).await.unwrap().data, "from first to last");
    assert_eq!(call(last, "echo", "from last to first", first).await.unwrap().data, "from last to first");
    // More than fits a window, and found by the action alone.
    let large: Vec<u8> = (0..600_000_u32).map(|i| (i % 251) as u8).collect();
    within(line[2].wait_until(|node| (node.providers("echo").len() == 2).then_some(()))).await.unwrap();
    let answer = within(line[3].call("echo", large.clone()).into_future()).await.unwrap();
    assert!(answer.data == large, "it came back as it went");
    assert!(first.peers().len() == 1 && last.peers().len() == 1, "nobody took a short cut");
}

/// A call from the first to the last of some nodes, which has arrived and is answered once the test says so.
async fn held_call(from: &Node, to: &Node) -> (JoinHandle<Outcome>, Arc<Notify>) {
    let (begun, finish) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (told, wait) = (Arc::clone(&begun), Arc::clone(&finish));
    let handler = move |_: Request| {
        let (told, wait) = (Arc::clone(&told), Arc::clone(&wait));
        async move {
            told.notify_one();
            wait.notified().await;
            Ok("finished")
        }
    };
    to.serve("work", handler).unwrap();
    let call = from.call("work", ()).to(to.node_id()).timeout(Duration::from_secs(50));
    let call = tokio::spawn(call.into_future());
    within(begun.notified()).await;
    (call, finish)
}

async fn c4_a_relay_that_is_killed_fails_a_call_long_before_its_deadline(stage: Stage) {
    let mut line = stage.line(3).await;
    let (call, _finish) = held_call(&line[0], &line[2]).await;
    let killed = Instant::now();
    drop(line.remove(1));
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.maybe_executed());
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?} of 50 s", killed.elapsed());
}

async fn a_ring_finds_the_other_way_when_a_relay_is_killed(stage: Stage) {
    let mut ring = stage.ring(4).await;
    let target = ring[2].node_id();
    ring[2].serve("echo", echo).unwrap();
    let (held, finish) = held_call(&ring[0], &ring[2]).await;
    let relay = ring[0].route(target).unwrap().next_hop;
    let at = ring.iter().position(|node| node.node_id() == relay).unwrap();
    let killed = Instant::now();
    drop(ring.remove(at));

    // A new call waits for the new way, if it must.
    let answer = within(ring[0].call("echo", "around").to(target).into_future()).await.unwrap();
    assert_eq!(answer.data, "around");
    assert_ne!(ring[0].route(target).unwrap().next_hop, relay);
    // What was under way either goes on or fails soon.
    finish.notify_one();
    match within(held).await.unwrap() {
        Ok(answer) => assert_eq!(answer.data, "finished"),
        Err(error) => {
            assert_eq!(error.code(), Code::Unavailable);
            assert!(killed.elapsed() < Duration::from_secs(20), "{:?} of 50 s", killed.elapsed());
        }
    }
    assert_eq!(ring[0].node_status(target), Some(NodeStatus::Up));
}

async fn c5_an_action_that_is_added_later_is_called_without_asking_around(stage: Stage) {
    let line = stage.line(3).await;
    line[2].serve("late/arrival", echo).unwrap();
    let known = |node: &Node| node.providers("late/arrival").first().map(|(node, _)| *node);
    assert_eq!(within(line[0].wait_until(known)).await.unwrap(), line[2].node_id());
    let answer = within(line[0].call("late/arrival", "here").into_future()).await.unwrap();
    assert_eq!(answer.data, "here");
    assert_eq!(counter(&line[0], "discovery.asked"), 0, "nobody was asked");

    assert!(line[2].unserve("late/arrival"));
    within(line[0].wait_until(|node| known(node).is_none().then_some(()))).await.unwrap();
    let error = within(line[0].call("late/arrival", "?").into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

async fn c6_an_action_that_is_paused_refuses_calls_from_afar_and_from_here(stage: Stage) {
    let line = stage.line(3).await;
    let server = &line[2];
    server.serve("echo", echo).unwrap();
    for pause in [Node::pause_action, Node::drain_action] {
        pause(server, "echo").unwrap();
        for caller in [&line[0], server] {
            let error = call(caller, "echo", "?", server).await.unwrap_err();
            assert_eq!((error.kind(), error.maybe_executed()), (Some(Kind::NotRunning), false));
        }
        server.resume_action("echo").unwrap();
        assert_eq!(call(&line[0], "echo", "!", server).await.unwrap().data, "!");
    }
    let error = server.pause_action("nothing").unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}

async fn c66_two_providers_share_the_load_and_the_exit_of_one_keeps_the_other(stage: Stage) {
    let mut line = stage.line(3).await;
    let counts: [Arc<AtomicUsize>; 2] = Default::default();
    for (node, count) in line[1..].iter().zip(&counts) {
        let count = Arc::clone(count);
        let handler = move |_: Request| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Ok(()))
        };
        node.serve("work", handler).unwrap();
    }
    let both = |node: &Node| (node.providers("work").len() == 2).then_some(());
    within(line[0].wait_until(both)).await.unwrap();
    let work = |node: Node| async move {
        for _ in 0..10 {
            within(node.call("work", ()).select(Selector::RoundRobin).into_future()).await.unwrap();
        }
    };
    work(line[0].clone()).await;
    let done = || counts.each_ref().map(|count| count.load(Ordering::Relaxed));
    assert_eq!(done(), [5, 5]);

    line.remove(2).shutdown(Duration::from_secs(5)).await;
    let one = |node: &Node| (node.providers("work").len() == 1).then_some(());
    within(line[0].wait_until(one)).await.unwrap();
    work(line[0].clone()).await;
    assert_eq!(done(), [15, 5]);
}

async fn c68_new_capabilities_are_known_everywhere_though_a_link_is_down(stage: Stage) {
    let ring = stage.ring(4).await;
    let mut events = ring[0].events();
    assert!(ring[0].disconnect(&addr_of(&ring[1]).parse().unwrap()));
    let link = ring[0].peers().into_iter().find(|peer| peer.node == ring[1].node_id()).unwrap().link;
    ring[0].close_link(link);
    let lost = ring[1].node_id();
    event(&mut events, |event| matches!(event, Event::PeerDown { node, .. } if node == lost).then_some(()))
        .await;

    ring[1].set_capabilities(tags(&["hardware.gpu"])).unwrap();
    for node in &ring {
        let found = |node: &Node| (node.find(predicate("hardware.gpu")) == [lost]).then_some(());
        within(node.wait_until(found)).await.unwrap();
    }
    // And what it took back is gone.
    ring[1].set_capabilities(CapabilitySet::new()).unwrap();
    for node in &ring {
        let gone = |node: &Node| node.find(predicate("hardware.gpu")).is_empty().then_some(());
        within(node.wait_until(gone)).await.unwrap();
    }
    assert!(ring[0].peers().iter().all(|peer| peer.node != lost), "the link is still down");
}

async fn a_predicate_finds_nodes_and_picks_the_provider_of_a_call(stage: Stage) {
    let line = stage.line(4).await;
    line[1].set_capabilities(tags(&["hardware.memory_gb=16"])).unwrap();
    line[1].serve("who", named("small")).unwrap();
    line[3].set_capabilities(tags(&["hardware.memory_gb=128", "hardware.gpu"])).unwrap();
    line[3].serve("who", named("large")).unwrap();
    let seen = |node: &Node| {
        let large = node.find(predicate("hardware.gpu")) == [line[3].node_id()];
        (large && node.providers("who").len() == 2).then_some(())
    };
    within(line[0].wait_until(seen)).await.unwrap();

    let filter = Filter { min_memory_gb: Some(8), ..Filter::default() };
    assert_eq!(line[0].find(filter).len(), 2);
    assert_eq!(line[3].find(predicate("hardware.gpu")), [line[3].node_id()], "whoever asks is found too");
    let answer = within(line[0].call("who", ()).into_future()).await.unwrap();
    assert_eq!(answer.data, "small", "the nearest");
    let large = || line[0].call("who", ()).matching(predicate("hardware.memory_gb >= 64"));
    assert_eq!(within(large().into_future()).await.unwrap().data, "large");
    // It goes together with other choices, and with another predicate.
    let random = large().select(Selector::Random).matching(predicate("hardware.gpu"));
    assert_eq!(within(random.into_future()).await.unwrap().data, "large");
    assert_eq!(within(large().to(line[3].node_id()).into_future()).await.unwrap().data, "large");
    for nobody in [large().matching(predicate("not hardware.gpu")), large().to(line[1].node_id())] {
        let error = within(nobody.into_future()).await.unwrap_err();
        assert_eq!((error.code(), error.maybe_executed()), (Code::NotFound, false), "{error}");
    }
}

async fn a_call_by_name_reaches_whoever_goes_by_it(stage: Stage) {
    let line = stage.line(3).await;
    for (node, name) in line.iter().zip(["zero", "one", "two"]) {
        node.serve("who", named(name)).unwrap();
    }
    line[1].add_alias("worker").unwrap();
    line[2].add_alias("worker").unwrap();
    // An alias goes before a label.
    line[2].add_alias("node-1").unwrap();
    let heard = |node: &Node| {
        (node.resolve("worker").len() == 2 && node.resolve("node-1") == [line[2].node_id()]).then_some(())
    };
    within(line[0].wait_until(heard)).await.unwrap();

    let mut holders = [line[1].node_id(), line[2].node_id()];
    holders.sort_unstable();
    assert_eq!(line[0].resolve("worker"), holders, "the smallest id first");
    let first = if holders[0] == line[1].node_id() { "one" } else { "two" };
    for (name, answers) in [
        ("worker", first),
        ("node-1", "two"),
        ("node-2", "two"),
        ("node-0", "zero"),
        (line[1].node_id().to_string().as_str(), "one"),
    ] {
        let answer = within(line[0].call("who", ()).to_name(name).into_future()).await.unwrap();
        assert_eq!(answer.data, answers, "{name}");
    }

    assert!(line[2].remove_alias("node-1"));
    assert!(!line[2].remove_alias("node-1"));
    let label = |node: &Node| (node.resolve("node-1") == [line[1].node_id()]).then_some(());
    within(line[0].wait_until(label)).await.unwrap();
    let error = within(line[0].call("who", ()).to_name("nobody").into_future()).await.unwrap_err();
    assert_eq!(error.to_string(), "NotFound: no node goes by the name \"nobody\"");
}

async fn what_a_node_is_told_at_its_start_is_what_others_see(stage: Stage) {
    let seen = tags(&["hardware.gpu", "software.os=linux"]).with_metadata("owner", "alice").unwrap();
    let builder = stage.builder("orders@here").capabilities(seen.clone()).subnet("3.7".parse().unwrap());
    let server = builder.alias("orders").alias("billing").listen("127.0.0.1:0").start().await.unwrap();
    server.serve("echo", echo).unwrap();
    server.serve("$internal", echo).unwrap();
    let client = stage.client("client", &[&server]).await;
    let said = within(client.wait_until(|node| node.describe(server.node_id()))).await.unwrap();
    assert_eq!((said.label.unwrap().as_str(), said.subnet), ("orders@here", Some(0x0307_0000)));
    assert_eq!(said.aliases, ["billing", "orders"]);
    assert_eq!(said.capabilities, seen);
    let paths: Vec<&str> = said.providers.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["echo"], "what is internal is not announced");
    assert_eq!(said.addrs[0].to_string(), addr_of(&server));
    assert_eq!(server.capabilities(), seen);

    // The client is nowhere in particular.
    let same_subnet = Query { scope: ScopeQuery::SameSubnet, ..Query::default() };
    assert_eq!(client.find(same_subnet.clone()), [client.node_id()]);
    client.set_subnet(SubnetId::from_levels([3, 7, 0, 0])).unwrap();
    assert_eq!(client.find(same_subnet).len(), 2);
}

async fn what_an_action_says_of_itself_can_change(stage: Stage) {
    let server = stage.server("server").await;
    let client = stage.client("client", &[&server]).await;
    server.serve(Action::new("model/run").state(ProviderState::Paused).load(7), echo).unwrap();
    let entry = |node: &Node| node.providers("model/run").first().map(|(_, entry)| entry.clone());
    let first = within(client.wait_until(entry)).await.unwrap();
    assert_eq!((first.state, first.load, first.version), (ProviderState::Paused, 7, None));
    let error = within(client.call("model/run", ()).into_future()).await.unwrap_err();
    assert_eq!(error.kind(), Some(Kind::NotRunning));

    server.update_action(Action::new("model/run").version("2.0.0").load(1)).unwrap();
    let second = |node: &Node| entry(node).filter(|entry| entry.version.as_deref() == Some("2.0.0"));
    let second = within(client.wait_until(second)).await.unwrap();
    assert_eq!((second.state, second.load), (ProviderState::Running, 1));
    within(client.call("model/run", ()).into_future()).await.unwrap();
    // Pausing changes nothing else.
    server.pause_action("model/run").unwrap();
    let paused = |node: &Node| entry(node).filter(|entry| entry.state == ProviderState::Paused);
    assert_eq!(within(client.wait_until(paused)).await.unwrap().version.as_deref(), Some("2.0.0"));
}

async fn a_node_that_joins_to_look_around_knows_when_it_has_seen_all(stage: Stage) {
    let line = stage.line(3).await;
    line[2].serve("echo", echo).unwrap();
    line[2].set_capabilities(tags(&["hardware.gpu"])).unwrap();
    let told = |node: &Node| (node.find(predicate("hardware.gpu")).len() == 1).then_some(());
    within(line[0].wait_until(told)).await.unwrap();

    for _ in 0..3 {
        let visitor = stage.client("visitor", &[&line[0]]).await;
        within(visitor.wait_until_settled(Duration::from_millis(200))).await.unwrap();
        let up = visitor.nodes().into_iter().filter(|info| info.status == NodeStatus::Up);
        assert!(up.count() >= 4, "three and the visitor itself");
        assert_eq!(visitor.find(predicate("hardware.gpu")), [line[2].node_id()]);
        assert_eq!(visitor.providers("echo").len(), 1);
        visitor.shutdown(Duration::from_secs(1)).await;
        let error = visitor.wait_until_settled(Duration::from_millis(1)).await.unwrap_err();
        assert_eq!(error.kind(), Some(Kind::Stopped));
    }
}

#[tokio::test]
async fn a_node_that_dies_is_down_for_those_who_never_had_a_link_to_it() {
    let stage = Stage::Tcp;
    let mut line = stage.line(3).await;
    let (mut events, dead) = (line[0].events(), line[2].node_id());
    drop(line.remove(2));
    event(&mut events, |event| matches!(event, Event::NodeDown { node, .. } if node == dead).then_some(()))
        .await;
    assert_eq!(line[0].node_status(dead), Some(NodeStatus::Down));
    assert!(line[0].find(Query::default()).iter().all(|node| *node != dead));
    let error = within(line[0].call("echo", ()).to(dead).into_future()).await.unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Unreachable));
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_with_its_reason() {
    let stage = Stage::memory();
    let node = stage.server("node").await;
    for (alias, reason) in [("", "cannot be empty"), ("two\nlines", "control character")] {
        let error = node.add_alias(alias).unwrap_err();
        assert!(error.code() == Code::InvalidArgument && error.message().contains(reason), "{error}");
        let error = stage.builder("x").alias(alias).start().await.unwrap_err();
        assert!(
            matches!(error, StartError::Introduction(_)) && error.to_string().contains(reason),
            "{error}"
        );
    }
    let error = node.serve(Action::new("a/{b}"), echo).unwrap_err();
    assert!(error.to_string().contains("not allowed"), "{error}");
    let error = node.serve(Action::new("a").version("x".repeat(65)), echo).unwrap_err();
    assert!(error.to_string().contains("64 bytes"), "{error}");
    node.serve("a", echo).unwrap();
    let error = node.update_action(Action::new("b")).unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error = node.update_action("a//b").unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
    let error =
        within(node.call("a", ()).matching(predicate("hardware.gpu")).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
    let error =
        within(node.call("a", ()).select(Selector::custom(|_| None)).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);

    node.shutdown(Duration::ZERO).await;
    for result in
        [node.set_capabilities(CapabilitySet::new()), node.add_alias("late"), node.pause_action("a")]
    {
        assert_eq!(result.unwrap_err().kind(), Some(Kind::Stopped));
    }
    assert!(!node.remove_alias("late"));
}
