//! Two nodes, one action, one call.

use lacewing::{Node, Request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Node::builder().network_key([7; 32]).listen("127.0.0.1:0").start().await?;
    server.serve("greet", async |name: Request| Ok([b"hello, ", &name.payload.data[..]].concat()))?;

    let client =
        Node::builder().network_key([7; 32]).peer(server.local_addr().unwrap().to_string()).start().await?;
    client.wait_for_peer(server.node_id()).await?;
    let answer = client.call("greet", "world").await?;
    println!("{}", String::from_utf8_lossy(&answer.data));
    Ok(())
}
