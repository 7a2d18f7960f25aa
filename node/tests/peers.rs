//! Finding each other, losing each other, and the end of a node.

mod stage;

use std::sync::Arc;
use std::time::Duration;

use lacewing::{Code, DownReason, Event, Kind, Lifecycle, Node, Request, StartError, Trust};
use stage::{Stage, addr_of, echo, event, identity, meet, until, within};
use tokio::sync::Notify;

scenarios!(
    c21_a_seed_that_starts_after_the_joiner_is_found,
    c24_a_node_that_restarts_with_the_same_key_is_known_again,
    c22_nodes_that_dial_each_other_end_up_with_one_link,
    several_nodes_live_in_one_process,
    a_closed_link_is_dialled_again,
    shutdown_finishes_what_runs_and_refuses_what_is_new,
    shutdown_gives_up_handlers_that_do_not_end,
    a_second_shutdown_waits_for_the_same_end,
    dropping_the_last_handle_closes_everything,
    a_handler_keeps_no_node_alive,
);

async fn c21_a_seed_that_starts_after_the_joiner_is_found(stage: Stage) {
    // An address that will be listened on, but is not yet.
    let seed = stage.server("seed").await;
    let addr = addr_of(&seed);
    seed.shutdown(Duration::ZERO).await;

    let joiner = stage.builder("joiner").peer(&addr).start().await.unwrap();
    let mut events = joiner.events();
    event(&mut events, |event| matches!(event, Event::DialFailed { .. }).then_some(())).await;
    let seed = stage.builder("seed").listen(&addr).start().await.unwrap();
    seed.serve("echo", echo).unwrap();
    meet(&joiner, &seed).await;
    within(joiner.call("echo", ()).into_future()).await.unwrap();
}

async fn c24_a_node_that_restarts_with_the_same_key_is_known_again(stage: Stage) {
    let first_life =
        stage.builder("first").identity(identity(1)).listen("127.0.0.1:0").start().await.unwrap();
    let (addr, id, incarnation) = (addr_of(&first_life), first_life.node_id(), first_life.incarnation());
    let other = stage.client("other", &[&first_life]).await;
    let mut events = other.events();
    drop(first_life);

    // At once: long before the other side could miss a keep-alive.
    let second_life = within(async {
        loop {
            let builder = stage.builder("second").identity(identity(1)).incarnation(incarnation.after());
            // The tasks of the first life end in their own time, and with them the listener.
            match builder.listen(&addr).start().await {
                Ok(node) => return node,
                Err(StartError::Listen { .. }) => tokio::task::yield_now().await,
                Err(other) => panic!("{other}"),
            }
        }
    })
    .await;
    second_life.serve("echo", echo).unwrap();
    let down = event(&mut events, |event| match event {
        Event::PeerDown { node, incarnation, .. } => Some((node, incarnation)),
        _ => None,
    })
    .await;
    assert_eq!(down, (id, incarnation), "the first life ended");
    let up = event(&mut events, |event| match event {
        Event::PeerUp(peer) => Some(peer),
        _ => None,
    })
    .await;
    assert_eq!((up.node, up.incarnation), (id, incarnation.after()));
    assert_eq!(up.label.as_str(), "second", "the new metadata is visible");
    within(other.call("echo", ()).to(id).into_future()).await.unwrap();
}

async fn c22_nodes_that_dial_each_other_end_up_with_one_link(stage: Stage) {
    let one = stage.server("one").await;
    let other = stage.server("other").await;
    one.connect(addr_of(&other).parse().unwrap()).unwrap();
    other.connect(addr_of(&one).parse().unwrap()).unwrap();
    meet(&one, &other).await;
    // Both directions work, and the second link goes, wherever it had got to.
    one.serve("echo", echo).unwrap();
    within(other.call("echo", ()).to(one.node_id()).into_future()).await.unwrap();
    for node in [&one, &other] {
        until(|| node.gauges().iter().any(|gauge| gauge.name == "link.links" && gauge.value == 1)).await;
        assert_eq!(node.peers().len(), 1);
    }
}

async fn several_nodes_live_in_one_process(stage: Stage) {
    let hub = stage.server("hub").await;
    hub.serve("echo", echo).unwrap();
    let mut spokes = Vec::new();
    for number in 0..8 {
        spokes.push(stage.client(&format!("spoke-{number}"), &[&hub]).await);
    }
    assert_eq!(hub.peers().len(), 8);
    let labels: Vec<String> = spokes.iter().map(|node| node.config().label.to_string()).collect();
    for peer in hub.peers() {
        assert!(labels.contains(&peer.label.to_string()));
    }
    for spoke in &spokes {
        within(spoke.call("echo", "hi").into_future()).await.unwrap();
    }
}

async fn a_closed_link_is_dialled_again(stage: Stage) {
    let server = stage.server("server").await;
    let client = stage.client("client", &[&server]).await;
    let mut events = client.events();
    client.close_link(client.peers()[0].link);
    event(&mut events, |event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    event(&mut events, |event| matches!(event, Event::PeerUp(_)).then_some(())).await;

    // Unless it is no longer wanted.
    assert!(client.disconnect(&addr_of(&server).parse().unwrap()));
    assert!(!client.disconnect(&addr_of(&server).parse().unwrap()));
}

/// A server that has begun to serve a call, which ends when it is told to.
async fn busy(
    stage: &Stage,
) -> (Node, Node, tokio::task::JoinHandle<Result<lacewing::Payload, lacewing::Error>>, Arc<Notify>) {
    let server = stage.server("server").await;
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
    server.serve("work", handler).unwrap();
    let client = stage.client("client", &[&server]).await;
    let call = tokio::spawn(client.call("work", ()).timeout(Duration::from_secs(50)).into_future());
    within(begun.notified()).await;
    (server, client, call, finish)
}

async fn shutdown_finishes_what_runs_and_refuses_what_is_new(stage: Stage) {
    let (server, client, call, finish) = busy(&stage).await;
    let addr = addr_of(&server);
    let mut events = client.events();
    let ending = tokio::spawn({
        let server = server.clone();
        async move { server.shutdown(Duration::from_secs(50)).await }
    });
    until(|| server.lifecycle() == Lifecycle::Draining).await;
    let error = within(server.call("work", ()).into_future()).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), (Code::Unavailable, Some(Kind::Stopped)));
    let error = within(client.call("work", ()).to(server.node_id()).into_future()).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);

    finish.notify_one();
    assert_eq!(&within(call).await.unwrap().unwrap().data[..], b"finished");
    within(ending).await.unwrap();
    let reason = event(&mut events, |event| match event {
        Event::PeerDown { reason, .. } => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(reason, DownReason::Graceful);
    assert_eq!(server.lifecycle(), Lifecycle::Stopped);
    assert!(server.peers().is_empty());
    // The address is free the moment that shutdown returns.
    stage.builder("next").listen(&addr).start().await.unwrap();
}

async fn shutdown_gives_up_handlers_that_do_not_end(stage: Stage) {
    let (server, _client, call, finish) = busy(&stage).await;
    within(server.shutdown(Duration::from_millis(100))).await;
    let error = within(call).await.unwrap().unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    assert!(error.maybe_executed());
    // The handler is gone: nobody but the test has its end of the rope.
    drop(server);
    until(|| Arc::strong_count(&finish) == 1).await;
}

async fn a_second_shutdown_waits_for_the_same_end(stage: Stage) {
    let server = stage.server("server").await;
    let _client = stage.client("client", &[&server]).await;
    let other = server.clone();
    let deadline = Duration::from_secs(5);
    within(async { tokio::join!(server.shutdown(deadline), other.shutdown(deadline)) }).await;
    within(server.shutdown(deadline)).await;
    assert_eq!(other.lifecycle(), Lifecycle::Stopped);
    let error = within(other.call("any", ()).into_future()).await.unwrap_err();
    assert_eq!(error.kind(), Some(Kind::Stopped));
    assert!(within(other.events().recv()).await.is_none(), "nothing happens any more");
}

async fn dropping_the_last_handle_closes_everything(stage: Stage) {
    let server = stage.server("server").await;
    let client = stage.client("client", &[&server]).await;
    let (addr, mut events) = (addr_of(&server), client.events());
    let clone = server.clone();
    drop(server);
    client.call("any", ()).to(clone.node_id()).await.unwrap_err();
    assert_eq!(clone.lifecycle(), Lifecycle::Running, "a clone is the same node");
    drop(clone);
    event(&mut events, |event| matches!(event, Event::PeerDown { .. }).then_some(())).await;
    // The listener goes with its task.
    within(async {
        while stage.builder("next").listen(&addr).start().await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn a_handler_keeps_no_node_alive(stage: Stage) {
    let server = stage.server("server").await;
    let weak = server.downgrade();
    let inner = weak.clone();
    server
        .serve("self", move |_: Request| std::future::ready(Ok(inner.upgrade().is_some().to_string())))
        .unwrap();
    assert_eq!(&within(server.call("self", ()).into_future()).await.unwrap().data[..], b"true");
    drop(server);
    assert!(weak.upgrade().is_none());
}

#[tokio::test]
async fn c26_a_node_on_all_interfaces_advertises_an_address_that_can_be_dialled() {
    let stage = Stage::Tcp;
    let server = stage.builder("server").listen("0.0.0.0:0").start().await.unwrap();
    let port = server.local_addr().unwrap().port();
    let client = stage.builder("client").peer(format!("127.0.0.1:{port}")).start().await.unwrap();
    meet(&client, &server).await;
    let advertised =
        || client.wait_for_peers(|peers| peers.iter().find_map(|peer| peer.addrs.first().cloned()));
    let addr = within(advertised()).await.unwrap();
    assert!(!addr.is_unspecified(), "{addr}");
    // It is no empty claim.
    let third = stage.builder("third").peer(addr.to_string()).start().await.unwrap();
    meet(&third, &server).await;
}

#[tokio::test]
async fn a_node_finds_its_peer_by_name_and_over_ipv6() {
    let stage = Stage::Tcp;
    let server = stage.server("server").await;
    let port = server.local_addr().unwrap().port();
    let client = stage.builder("client").peer(format!("lacewing://localhost:{port}")).start().await.unwrap();
    meet(&client, &server).await;

    // Some machines have no IPv6 at all.
    match stage.builder("six").listen("[::1]:0").start().await {
        Ok(server) => {
            let _client = stage.client("client", &[&server]).await;
        }
        Err(StartError::Listen { .. }) => {}
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let stage = Stage::memory();
    let server = stage.server("server").await;
    let no_trust = Node::builder().start().await.unwrap_err().to_string();
    for option in ["network_key", "PinnedKeys", "Trust::Open"] {
        assert!(no_trust.contains(option), "{no_trust}");
    }
    let taken = stage.builder("x").listen(addr_of(&server)).start().await.unwrap_err();
    assert!(matches!(taken, StartError::Listen { .. }));
    assert!(taken.to_string().contains("in use"), "{taken}");
    let address = stage.builder("x").listen("no port").start().await.unwrap_err();
    assert!(address.to_string().contains("host:port"), "{address}");
    assert!(matches!(
        stage.builder("x").peer("host:").start().await.unwrap_err(),
        StartError::Address { .. }
    ));
    assert!(matches!(stage.builder("two\nlines").start().await.unwrap_err(), StartError::Name { .. }));
    assert!(matches!(stage.builder("x").network("").start().await.unwrap_err(), StartError::Network { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_of_events_misses_the_oldest_and_is_told_how_many() {
    let network = Stage::memory();
    let server = network.server("server").await;
    let mut slow = server.events();
    let mut quick = server.events();
    let client = network.client("client", &[&server]).await;
    let mut seen = 0_u64;
    // Each round brings at least a peer down and a peer up.
    while seen < 1_100 {
        let link = server.peers().first().map(|peer| peer.link);
        if let Some(link) = link {
            server.close_link(link);
        }
        event(&mut quick, |event| {
            seen += 1;
            matches!(event, Event::PeerUp(_)).then_some(())
        })
        .await;
        meet(&client, &server).await;
    }
    assert_eq!(quick.missed(), 0);
    let missed = slow.missed();
    assert!(missed > 0);
    client.shutdown(Duration::ZERO).await;
    server.shutdown(Duration::ZERO).await;
    let mut left = 0;
    while within(slow.recv()).await.is_some() {
        left += 1;
    }
    assert_eq!(left, 1_024, "the newest are kept");
}

#[tokio::test]
async fn pinned_keys_let_in_nobody_else() {
    let stage = Stage::memory();
    let friend = identity(1);
    let trust = |keys| Trust::PinnedKeys { keys, network_key: None };
    let pins = [friend.public_key(), identity(2).public_key()].into();
    let server = stage
        .builder("server")
        .identity(identity(2))
        .trust(trust(pins))
        .listen("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    let only_server = || trust([identity(2).public_key()].into());
    let stranger =
        stage.builder("stranger").trust(only_server()).peer(addr_of(&server)).start().await.unwrap();
    let mut events = stranger.events();
    event(&mut events, |event| matches!(event, Event::LinkClosed { .. }).then_some(())).await;
    let known = stage
        .builder("friend")
        .identity(friend)
        .trust(only_server())
        .peer(addr_of(&server))
        .start()
        .await
        .unwrap();
    meet(&known, &server).await;
    assert_eq!(server.peers().len(), 1);
    assert!(stranger.peers().is_empty());
}
