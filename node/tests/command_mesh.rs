//! The `lacewing` command in a mesh: who is there, who can do what, and calls to whoever is meant.
#![cfg(feature = "cli")]

mod shell;

use std::process::Output;

use serde_json::{Value, json};
use shell::{Folder, Running, free_addr, lacewing, one_line, run, stderr, stdout};

const GOOD: &str = r#"{"text": "hi", "numbers": [1, 2, 39]}"#;
const ANSWER: &str = "{\"echo\":\"hi\",\"sum\":42}\n";

/// Three nodes in a line, of which visitors meet the first: alpha, beta (large), gamma (small).
struct Mesh {
    folder: Folder,
    /// Killed at the end.
    nodes: Vec<Running>,
    ids: Vec<String>,
    addr: String,
}

impl Mesh {
    fn start() -> Self {
        let folder = Folder::new();
        let mut mesh = Self { folder, nodes: Vec::new(), ids: Vec::new(), addr: String::new() };
        let alpha = mesh.up(None, &["--name", "alpha@here", "--alias", "any"]);
        let large = ["--tag", "hardware.gpu", "--tag", "hardware.memory_gb=64", "--meta", "owner=alice"];
        let beta = ["--name", "beta@here", "--serve", "echo_sum", "--alias", "large", "--alias", "any"];
        let beta = mesh.up(Some(&alpha), &[&beta[..], &large].concat());
        let gamma = ["--name", "gamma@here", "--serve", "echo_sum", "--tag", "hardware.memory_gb=8"];
        mesh.up(Some(&beta), &gamma);
        mesh.addr = alpha;
        // Once alpha knows them all, whoever asks it does.
        let known = |mesh: &Self| mesh.json(&["nodes"]).as_array().is_some_and(|nodes| nodes.len() == 3);
        assert!((0..100).any(|_| known(&mesh)), "{}", stdout(&mesh.ask(&["nodes"])));
        mesh
    }

    /// Starts a node that dials another one. Gives its address.
    fn up(&mut self, peer: Option<&str>, more: &[&str]) -> String {
        let key = self.folder.text("network.key");
        let mut arguments = vec!["up", "--listen", "127.0.0.1:0", "--network-key-file", &key];
        arguments.extend(peer.map(|peer| ["--peer", peer]).into_iter().flatten());
        arguments.extend(more);
        let mut node = Running::start(&arguments);
        let (id, addr) = node.up();
        self.nodes.push(node);
        self.ids.push(id);
        addr
    }

    /// Runs a command as a visitor of alpha.
    fn ask(&self, arguments: &[&str]) -> Output {
        let key = self.folder.text("network.key");
        run(&[arguments, &["--peer", &self.addr, "--network-key-file", &key, "--timeout", "50s"]].concat())
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{arguments:?}");
        stdout(&output)
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.text(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn call(&self, more: &[&str]) -> Output {
        self.ask(&[&["call", "echo_sum", GOOD], more].concat())
    }
}

fn names(nodes: &Value) -> Vec<&str> {
    let mut names: Vec<&str> =
        nodes.as_array().unwrap().iter().map(|node| node["label"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn nodes_shows_the_whole_mesh() {
    let mesh = Mesh::start();
    let table = mesh.text(&["nodes"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 4, "{table}");
    assert!(lines[0].starts_with("NODE      LABEL       STATE  HOPS  RTT"), "{table}");
    for (id, label, hops, actions) in
        [(0, "alpha@here", "1", "-"), (1, "beta@here", "2", "echo_sum"), (2, "gamma@here", "3", "echo_sum")]
    {
        let line = lines.iter().find(|line| line.starts_with(&mesh.ids[id][..8])).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[1..4], [label, "up", hops], "{table}");
        assert_eq!(words.last(), Some(&actions), "{table}");
    }

    let nodes = mesh.json(&["nodes"]);
    assert_eq!(names(&nodes), ["alpha@here", "beta@here", "gamma@here"]);
    let beta = nodes.as_array().unwrap().iter().find(|node| node["label"] == "beta@here").unwrap();
    let keys: Vec<&str> = beta.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "actions",
            "addrs",
            "age_s",
            "aliases",
            "incarnation",
            "label",
            "metadata",
            "node",
            "route",
            "state",
            "subnet",
            "tags"
        ]
    );
    assert_eq!(beta["node"], mesh.ids[1]);
    assert_eq!(beta["aliases"], json!(["any", "large"]));
    assert_eq!(beta["tags"], json!(["hardware.gpu", "hardware.memory_gb=64"]));
    assert_eq!((&beta["metadata"], &beta["subnet"]), (&json!({ "owner": "alice" }), &json!("global")));
    let actions = json!([{
        "path": "echo_sum", "shape": "unary", "codec": null, "state": "running", "load": 0, "version": null, "schema": null,
    }]);
    assert_eq!(beta["actions"], actions);
    assert_eq!((&beta["route"]["hops"], &beta["route"]["next_hop"]), (&json!(2), &json!(mesh.ids[0])));
}

#[test]
fn find_shows_those_for_which_it_holds() {
    let mesh = Mesh::start();
    assert_eq!(names(&mesh.json(&["find", "hardware.memory_gb >= 8"])), ["beta@here", "gamma@here"]);
    assert_eq!(names(&mesh.json(&["find", "not hardware.gpu"])), ["alpha@here", "gamma@here"]);
    let table = mesh.text(&["find", r#"hardware.gpu and meta.owner = "alice""#]);
    assert!(table.lines().count() == 2 && table.contains("beta@here"), "{table}");
    let nobody = "hardware.gpu and hardware.memory_gb >= 128";
    assert_eq!(mesh.json(&["find", nobody]), json!([]));
    assert_eq!(
        mesh.text(&["find", nobody]),
        "none of 3 nodes matches\n  hardware.gpu               1 of 3\n  hardware.memory_gb >= 128  0 of 3\n"
    );
}

#[test]
fn a_wrong_expression_is_shown_with_a_mark_under_the_place() {
    let wrong = "hardware.gpu and hardware.memory_gb > 64";
    let expected = "lacewing: the expression is wrong at column 37\n  \
                    hardware.gpu and hardware.memory_gb > 64\n  \
                    \u{20}                                   ^ expected >= or <=, bounds are always included\n";
    for arguments in [&["find", wrong][..], &["call", "echo_sum", GOOD, "--where", wrong]] {
        // Nobody has to be there to be told that.
        let output = run(&[arguments, &["--open", "--peer", &free_addr()]].concat());
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), expected));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn describe_and_route_take_a_name_an_id_or_the_start_of_it() {
    let mesh = Mesh::start();
    let beta = &mesh.ids[1];
    for name in ["large", "beta@here", beta, &beta[..12], &beta[..12].to_uppercase()] {
        assert_eq!(mesh.json(&["describe", name])["node"], *beta, "{name}");
    }
    let text = mesh.text(&["describe", "large"]);
    for line in [
        format!("node         {beta}"),
        "label        beta@here".to_owned(),
        "state        up".to_owned(),
        format!("route        2 links, through {} (alpha@here), round trip", &mesh.ids[0][..8]),
        "alias        any\n             large".to_owned(),
        "tag          hardware.gpu\n             hardware.memory_gb=64".to_owned(),
        "metadata     owner=alice".to_owned(),
        "action       echo_sum (running, load 0)".to_owned(),
    ] {
        assert!(text.contains(&line), "{line:?} is missing in\n{text}");
    }
    let route = mesh.json(&["route", "gamma@here"]);
    assert_eq!((&route["route"]["hops"], &route["node"]), (&json!(3), &json!(mesh.ids[2])));
    assert!(mesh.text(&["route", "alpha@here"]).starts_with("a neighbour"), "{route}");

    let line = one_line(&mesh.ask(&["describe", "delta"]), 1);
    assert!(line.starts_with("lacewing: NotFound: no node has the name \"delta\""), "{line}");
    for id in &mesh.ids {
        assert!(line.contains(&id[..8]), "it says who is there: {line}");
    }
    let line = one_line(&mesh.ask(&["describe", "any"]), 1);
    assert!(line.starts_with("lacewing: InvalidArgument: \"any\" means 2 nodes: "), "{line}");
    assert!(line.contains("(alpha@here)") && line.contains("(beta@here)") && line.contains("ids"), "{line}");
    let line = one_line(&mesh.ask(&["route", "any", "--json"]), 1);
    let error: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&error["code"], &error["retryable"]), (&json!("InvalidArgument"), &json!(false)));
    let line = one_line(&mesh.ask(&["describe", &"0".repeat(64)]), 1);
    assert!(line.starts_with("lacewing: NotFound: "), "{line}");
}

#[test]
fn call_goes_to_whoever_is_meant() {
    let mesh = Mesh::start();
    for more in [
        &["--to", "gamma@here"][..],
        &["--to", &mesh.ids[2]],
        &["--to", &mesh.ids[2][..12]],
        &["--where", "hardware.memory_gb <= 8"],
        &["--select", "round_robin", "--where", "hardware.gpu"],
        &["--select", "sticky:user-7"],
        &[],
    ] {
        let answer = mesh.call(more);
        assert_eq!(stdout(&answer), ANSWER, "{more:?}: {}", stderr(&answer));
    }
    let line = one_line(&mesh.call(&["--to", "alpha@here"]), 1);
    assert!(line.starts_with("lacewing: NotFound: no action"), "{line}");
    let line = one_line(&mesh.call(&["--where", "hardware.memory_gb >= 128"]), 1);
    assert!(line.starts_with("lacewing: NotFound: "), "{line}");
    let line = one_line(&mesh.call(&["--to", "delta"]), 1);
    assert!(line.contains("gamma@here"), "it says who is there: {line}");
}

#[test]
fn who_died_before_is_not_shown() {
    let mut mesh = Mesh::start();
    let mut gamma = mesh.nodes.remove(2);
    gamma.child.kill().unwrap();
    assert!(mesh.nodes[1].line("peer down: ").contains(&mesh.ids[2]));
    assert_eq!(names(&mesh.json(&["nodes"])), ["alpha@here", "beta@here"]);
    assert_eq!(names(&mesh.json(&["find", "hardware.memory_gb >= 8"])), ["beta@here"]);
    let line = one_line(&mesh.call(&["--to", "gamma@here"]), 1);
    assert!(line.starts_with("lacewing: NotFound: "), "{line}");
}

#[test]
fn up_refuses_to_say_what_nobody_would_understand() {
    for (arguments, hint) in [
        (["--tag", "scope:tenant:acme"], "set by the functions made for them"),
        (["--tag", "hardware.memory_gb=64GB"], "the tag hardware.memory_gb has 64GB where a number belongs"),
        (["--tag", "hardware.gpu=yes"], "hardware.gpu"),
        (["--tag", "software.model.x.id=y"], "software.model.x.id=y"),
        (["--alias", ""], "cannot be empty"),
    ] {
        let line =
            one_line(&run(&[&["up", "--open", "--listen", "127.0.0.1:0"], &arguments[..]].concat()), 2);
        assert!(line.contains(hint), "{arguments:?}: {line}");
    }
    for arguments in [&["up", "--open", "--meta", "owner"][..], &["find"], &["describe"], &["nodes", "all"]] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let both = ["call", "x", "{}", "--to", "a", "--select", "random"];
    assert_eq!(run(&both).status.code(), Some(2));
}

#[test]
fn a_file_says_what_a_node_can_do() {
    let mut mesh = Mesh::start();
    let config = mesh.folder.path("node.toml");
    let text = format!(
        "listen = [\"127.0.0.1:0\"]\npeer = [{:?}]\nname = \"delta@here\"\nnetwork_key_file = \"network.key\"\n\
         tag = [\"devices.camera\"]\nalias = [\"eye\"]\n\n[meta]\nowner = \"bob\"\n",
        mesh.addr
    );
    std::fs::write(&config, text).unwrap();
    let mut command = lacewing(&["up", "--config", config.to_str().unwrap(), "--meta", "floor=2"]);
    let mut delta = Running::spawn(&mut command);
    delta.up();
    delta.line("peer up: ");
    mesh.nodes.push(delta);
    let seen = (0..100).map(|_| mesh.json(&["find", "devices.camera"])).find(|nodes| *nodes != json!([]));
    let delta = seen.unwrap()[0].clone();
    assert_eq!((&delta["label"], &delta["aliases"]), (&json!("delta@here"), &json!(["eye"])));
    assert_eq!(delta["metadata"], json!({ "floor": "2", "owner": "bob" }));
}

#[test]
fn nobody_to_ask_is_a_failure_and_too_little_time_is_said() {
    let arguments = ["nodes", "--open", "--peer", &free_addr(), "--timeout", "300ms"];
    let line = one_line(&run(&arguments), 1);
    assert!(line.starts_with("lacewing: Unavailable (unreachable): "), "{line}");

    // Quiet is a fifth of a second, so what has less time shows what it has.
    let mesh = Mesh::start();
    let key = mesh.folder.text("network.key");
    let output = run(&["nodes", "--peer", &mesh.addr, "--network-key-file", &key, "--timeout", "190ms"]);
    if output.status.code() == Some(0) {
        assert!(stderr(&output).contains("something may be missing"), "{}", stderr(&output));
    }
}

#[test]
fn events_are_published_and_subscribed_to_from_the_command_line() {
    let mesh = Mesh::start();
    let key = mesh.folder.text("network.key");
    let visit = ["--peer", &mesh.addr, "--network-key-file", &key, "--timeout", "50s"];
    let mut subscriber = Running::start(&[&["sub", "orders/*/placed", "--count", "2"], &visit[..]].concat());
    subscriber.line("subscribed to orders/*/placed");
    // Publishers come and go, and know only what has been announced when they look: some may come too early.
    let publish = |topic: &str| mesh.json(&["pub", topic, r#"{"order": 7}"#])["delivered"].as_u64().unwrap();
    let mut delivered = 0;
    for _ in 0..100 {
        assert_eq!(publish("orders/eu/cancelled"), 0);
        delivered += publish("orders/eu/placed");
        if delivered == 2 {
            break;
        }
    }
    for _ in 0..2 {
        assert_eq!(subscriber.line("orders"), r#"orders/eu/placed {"order": 7}"#);
    }
    assert_eq!(subscriber.exit_code(), Some(0));
    let refused = mesh.ask(&["pub", "orders/*", "{}"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("action path"), "{}", stderr(&refused));
}
