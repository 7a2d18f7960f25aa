//! Limits, repeated calls, answers of everybody, and casts: within a node, to a neighbour, and through a relay.

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lacewing::{Action, Code, Error, Node, Request, Retry, Selector};
use stage::{Stage, know_each_other, until, within};
use tokio::sync::mpsc;

scenarios!(
    c11_a_limit_of_one_never_lets_two_run,
    what_fails_for_a_while_is_tried_again,
    whoever_is_too_slow_is_told_to_stop,
    c13_everybody_is_asked_and_a_first_error_masks_nothing,
    casts_run_and_nobody_waits_for_them,
    an_action_of_which_nothing_may_run_is_not_served,
);

/// Counts what runs, until it is dropped.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn enter(running: &Arc<AtomicUsize>) -> Self {
        let before = running.fetch_add(1, Ordering::SeqCst);
        assert_eq!(before, 0, "two run at once");
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets others have so many turns.
async fn turns(turns: usize) {
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

async fn is_quiet(nodes: &[Node]) {
    for node in nodes {
        until(|| node.gauges().iter().all(|gauge| !gauge.zero_when_quiet || gauge.value == 0)).await;
    }
}

async fn c11_a_limit_of_one_never_lets_two_run(stage: Stage) {
    let nodes = stage.line(3).await;
    let (running, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (now, all) = (Arc::clone(&running), Arc::clone(&ran));
    let one = Action::new("one").max_in_flight(1);
    nodes[1]
        .serve(one, move |_: Request| {
            let (now, all) = (Arc::clone(&now), Arc::clone(&all));
            async move {
                let _running = Running::enter(&now);
                all.fetch_add(1, Ordering::SeqCst);
                turns(7).await;
                Ok(())
            }
        })
        .unwrap();
    let server = nodes[1].node_id();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..300_usize {
        let node = nodes[caller % 3].clone();
        callers.spawn(async move {
            let call = node.call("one", ()).to(server).timeout(stage::PATIENCE);
            if caller % 4 == 0 {
                // Gives up, mostly while it waits for its turn, now and then while it runs.
                tokio::select! {
                    biased;
                    () = turns(caller) => None,
                    outcome = call => Some(outcome),
                }
            } else {
                Some(call.await)
            }
        });
    }
    let outcomes = within(callers.join_all()).await;
    let answered = outcomes.iter().flatten().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(answered, outcomes.iter().flatten().count(), "whoever waits has its turn");
    assert!(answered >= 225 && ran.load(Ordering::SeqCst) >= answered);
    is_quiet(&nodes).await;
    assert_eq!(running.load(Ordering::SeqCst), 0);
}

async fn what_fails_for_a_while_is_tried_again(stage: Stage) {
    let nodes = stage.line(3).await;
    for node in &nodes {
        let left = Arc::new(AtomicUsize::new(2));
        node.serve("set", move |_: Request| {
            let fails =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            async move { if fails { Err(Error::new(Code::Aborted, "not now")) } else { Ok("set") } }
        })
        .unwrap();
        let retry = Retry { base: Duration::from_millis(1), ..Retry::default() };
        let once = node.call("set", ()).to(node.node_id()).retry(retry);
        let error = within(async { once.await }).await.unwrap_err();
        assert_eq!(
            (error.code(), error.maybe_executed()),
            (Code::Aborted, true),
            "nobody said that it may be"
        );
        let call = nodes[0].call("set", ()).to(node.node_id()).idempotent().retry(retry);
        assert_eq!(within(async { call.await }).await.unwrap().data, "set");
    }
    is_quiet(&nodes).await;
}

async fn whoever_is_too_slow_is_told_to_stop(stage: Stage) {
    let nodes = stage.line(3).await;
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let (ended, mut has_ended) = mpsc::unbounded_channel();
    // Whoever is asked first never answers; the other one does.
    let first = Arc::new(AtomicUsize::new(0));
    for node in &nodes[1..] {
        let (first, asked, ended) = (Arc::clone(&first), asked.clone(), ended.clone());
        node.serve("search", move |_: Request| {
            let place = first.fetch_add(1, Ordering::SeqCst);
            let (asked, gone) = (asked.clone(), Gone(ended.clone()));
            async move {
                let _gone = gone;
                asked.send(place).ok();
                if place == 0 { std::future::pending().await } else { Ok("found") }
            }
        })
        .unwrap();
    }
    know_each_other(&nodes).await;
    within(nodes[0].wait_until(|node| (node.providers("search").len() == 2).then_some(()))).await.unwrap();
    let call = nodes[0].call("search", ()).select(Selector::RoundRobin).idempotent();
    let answer = within(async { call.hedge(Duration::from_millis(1), 1).await }).await.unwrap();
    assert_eq!(answer.data, "found");
    let mut places = [within(was_asked.recv()).await, within(was_asked.recv()).await];
    places.sort_unstable();
    assert_eq!(places, [Some(0), Some(1)]);
    for _ in places {
        within(has_ended.recv()).await.unwrap();
    }
    is_quiet(&nodes).await;
}

/// Says when it is dropped.
struct Gone(mpsc::UnboundedSender<()>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

async fn c13_everybody_is_asked_and_a_first_error_masks_nothing(stage: Stage) {
    let nodes = stage.line(3).await;
    for (place, node) in nodes.iter().enumerate() {
        node.serve("place", move |_: Request| async move {
            if place == 0 { Err(Error::new(Code::PermissionDenied, "no")) } else { Ok(format!("{place}")) }
        })
        .unwrap();
    }
    within(nodes[0].wait_until(|node| (node.providers("place").len() == 3).then_some(()))).await.unwrap();
    let gather = nodes[0].call("place", ()).timeout(stage::PATIENCE).gather(stage::PATIENCE);
    let answers = within(gather).await.unwrap();
    assert_eq!(answers.len(), 3);
    for (place, node) in nodes.iter().enumerate() {
        let (_, answer) = answers.iter().find(|(from, _)| *from == node.node_id()).expect("its answer");
        match answer {
            Ok(answer) => assert_eq!(answer.data, format!("{place}")),
            Err(error) => assert_eq!((error.code(), place), (Code::PermissionDenied, 0)),
        }
    }
    let nobody = nodes[0].call("nowhere", ()).gather(stage::PATIENCE);
    assert_eq!(within(nobody).await.unwrap_err().code(), Code::NotFound);
    is_quiet(&nodes).await;
}

async fn casts_run_and_nobody_waits_for_them(stage: Stage) {
    let nodes = stage.line(3).await;
    let (heard, mut hears) = mpsc::unbounded_channel();
    for node in &nodes {
        let heard = heard.clone();
        node.serve("log", move |request: Request| {
            heard.send(request.payload.data).ok();
            async { Err::<(), _>(Error::new(Code::Aborted, "nobody hears of this")) }
        })
        .unwrap();
        let id = node.node_id();
        within(async { nodes[0].cast("log", "silent").to(id).await }).await.unwrap();
        assert_eq!(within(hears.recv()).await.unwrap(), "silent");
        within(async { nodes[0].cast("log", "told").to(id).acknowledged().await }).await.unwrap();
        assert_eq!(within(hears.recv()).await.unwrap(), "told");
        let refused = within(async { nodes[0].cast("nowhere", ()).to(id).acknowledged().await }).await;
        assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    }
    let own = nodes[0].node_id();
    assert_eq!(nodes[0].cast("nowhere", ()).to(own).await.unwrap_err().code(), Code::NotFound);
    is_quiet(&nodes).await;
}

async fn an_action_of_which_nothing_may_run_is_not_served(stage: Stage) {
    let node = stage.server("alone").await;
    let nothing = Action::new("nothing").max_in_flight(0);
    assert!(node.serve(nothing, async |_: Request| Ok(())).is_err());
    let error = node.call("nothing", ()).to(node.node_id()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotFound);
}
