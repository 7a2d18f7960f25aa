//! Say what a node can do, find it by that, and call it.

use lacewing::{CapabilitySet, Node, Predicate, Request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = Node::builder().network_key([7; 32]).listen("127.0.0.1:0").start().await?;
    let hub_addr = hub.local_addr().unwrap().to_string();

    // Two workers that serve the same, and differ in what they have. They know the hub alone.
    let mut workers = Vec::new();
    for (name, memory) in [("small", "hardware.memory_gb=8"), ("large", "hardware.memory_gb=128")] {
        let can = CapabilitySet::new().with_tag("hardware.gpu")?.with_tag(memory)?;
        let builder = Node::builder().network_key([7; 32]).name(name).peer(&hub_addr);
        let worker = builder.capabilities(can).start().await?;
        worker.serve("work", move |_: Request| async move { Ok(format!("done by the {name} one")) })?;
        workers.push(worker);
    }

    // So does the one that asks: it hears of the workers through the hub, and calls through it too.
    let client = Node::builder().network_key([7; 32]).peer(&hub_addr).start().await?;
    let wanted: Predicate = "hardware.gpu and hardware.memory_gb >= 64".parse()?;
    let can_work = |node: &Node| {
        let able = node.find(wanted.clone());
        node.providers("work").into_iter().map(|(node, _)| node).find(|node| able.contains(node))
    };
    let found = client.wait_until(can_work).await?;
    assert_eq!(found, workers[1].node_id());
    client.wait_for_node(found).await?;

    let answer = client.call("work", ()).matching(wanted).await?;
    println!("{}", String::from_utf8_lossy(&answer.data));
    Ok(())
}
