//! Sessions through relays: what they owe to calls, and what members may do to them.

use super::Net;

#[test]
fn a_record_leaves_in_the_turn_in_which_it_was_made() {
    let mut net = Net::line(3);
    let op = net.call(0, 2, "echo", "opens the tunnel").unwrap();
    net.wait_for(0, op).unwrap();
    let asked_at = net.now;
    let op = net.call(0, 2, "echo", "goes at once").unwrap();
    net.wait_for(0, op).unwrap();
    assert_eq!(net.now, asked_at, "a record waited for something else to happen");
}
