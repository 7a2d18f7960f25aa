//! The `lacewing` command, as a shell sees it.
#![cfg(feature = "cli")]

mod shell;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use shell::{Folder, Running, free_addr, lacewing, one_line, run, stderr, stdout};

const GOOD: &str = r#"{"text": "hi", "numbers": [1, 2, 39]}"#;
const ANSWER: &str = "{\"echo\":\"hi\",\"sum\":42}\n";

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn up_in_one_terminal_and_call_in_another() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &["--name", "adder@here"]);
    let (id, addr) = server.up();
    let answer = folder.call(&addr, GOOD, &["--name", "asker"]);
    assert_eq!((answer.status.code(), stdout(&answer).as_str()), (Some(0), ANSWER), "{}", stderr(&answer));
    assert!(server.line("peer up: ").contains("(asker)"));
    server.line("peer down: ");

    let answer = folder.call(&addr, GOOD, &["--to", &id, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&answer)).unwrap();
    assert_eq!(json, serde_json::json!({ "codec": "json", "value": { "echo": "hi", "sum": 42 } }));

    let peers = run(&["peers", "--peer", &addr, "--network-key-file", &folder.text("network.key")]);
    let table = stdout(&peers);
    assert!(table.contains(&id) && table.contains("adder@here") && table.contains(&addr), "{table}");
    let peers = run(&["peers", "--json", "--peer", &addr, "--network-key-file", &folder.text("network.key")]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&peers)).unwrap();
    assert_eq!(
        (json[0]["node"].as_str(), json[0]["addrs"][0].as_str()),
        (Some(id.as_str()), Some(addr.as_str()))
    );
}

#[test]
fn call_may_be_started_before_up() {
    let folder = Folder::new();
    let addr = free_addr();
    let key = folder.text("network.key");
    let arguments =
        ["call", "echo_sum", GOOD, "--peer", &addr, "--network-key-file", &key, "--timeout", "50s"];
    let mut command = lacewing(&arguments);
    // Its log tells when it has found nobody there.
    let mut early = command
        .env("LACEWING_LOG", "lacewing=debug")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(early.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("dial failed")));
    let mut server = folder.server(&addr, &[]);
    server.up();
    assert!(log.all(|line| line.is_ok()));
    let early = early.wait_with_output().unwrap();
    assert_eq!((early.status.code(), stdout(&early).as_str()), (Some(0), ANSWER));
}

#[test]
fn a_stream_is_printed_as_it_comes() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &["--serve", "count"]);
    let (_, addr) = server.up();
    let key = folder.text("network.key");
    let ask = |argument: &str, more: &[&str]| {
        let call = ["call", "count", argument, "--peer", &addr, "--network-key-file", &key];
        lacewing(&[&call[..], more].concat())
    };
    let output = ask(r#"{"to": 3}"#, &["--stream"]).output().unwrap();
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(0), "1\n2\n3\n"),
        "{}",
        stderr(&output)
    );
    let output = ask(r#"{"to": 1}"#, &["--stream", "--json"]).output().unwrap();
    assert_eq!(stdout(&output), "{\"codec\":\"json\",\"value\":1}\n");

    // Each comes when it is there, long before the end, and whoever has enough goes away.
    let mut endless = ask(r#"{"to": 1000000, "every_ms": 5}"#, &["--stream"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(endless.stdout.take().unwrap()).lines();
    for number in 1..=20 {
        assert_eq!(lines.next().unwrap().unwrap(), number.to_string());
    }
    drop(lines);
    assert_eq!(endless.wait().unwrap().code(), Some(0));

    let line = one_line(
        &ask(r#"{"to": 1, "every_ms": 60000}"#, &["--stream", "--timeout", "1s"]).output().unwrap(),
        1,
    );
    assert!(line.starts_with("lacewing: DeadlineExceeded: "), "{line}");
    let line = one_line(&ask(r#"{"to": -1}"#, &["--stream"]).output().unwrap(), 1);
    assert_eq!(line, "lacewing: InvalidArgument: to: expected an integer from 0 on");
    let line = one_line(&ask(r#"{"to": 1}"#, &[]).output().unwrap(), 1);
    assert_eq!(line, "lacewing: InvalidArgument: count is server_stream, and was called as unary");
}

#[test]
fn a_coded_error_is_one_line_and_exit_code_1() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &[]);
    let (_, addr) = server.up();
    let line = one_line(&folder.call(&addr, r#"{"text": "hi", "numbers": ["1"]}"#, &[]), 1);
    assert!(line.starts_with("lacewing: InvalidArgument: "), "{line}");
    assert!(line.contains(r#""field":"numbers[0]""#), "{line}");
    let line = one_line(&folder.call(&addr, r#"{"text": "hi", "numbers": ["1"]}"#, &["--json"]), 1);
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (json["code"].as_str(), json["detail"]["field"].as_str()),
        (Some("InvalidArgument"), Some("numbers[0]"))
    );

    let key = folder.text("network.key");
    let unknown = run(&["call", "nothing", "{}", "--peer", &addr, "--network-key-file", &key]);
    assert!(one_line(&unknown, 1).starts_with("lacewing: NotFound: "));
    let nobody =
        run(&["call", "x", "{}", "--peer", &free_addr(), "--network-key-file", &key, "--timeout", "300ms"]);
    let line = one_line(&nobody, 1);
    assert!(
        line.starts_with("lacewing: Unavailable (unreachable): ")
            && line.contains("the connection was refused"),
        "{line}"
    );
    let line = one_line(&folder.call(&addr, "{", &[]), 2);
    assert!(line.contains("no JSON"), "{line}");
}

#[test]
fn a_wrong_network_key_is_told_at_once() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &[]);
    let (_, addr) = server.up();
    let other = Folder::new();
    let line = one_line(&other.call(&addr, GOOD, &["--timeout", "50s"]), 1);
    assert!(line.starts_with("lacewing: HandshakeFailed: "), "{line}");
}

#[cfg(unix)]
#[test]
fn a_node_that_was_killed_comes_back_as_the_same_node_in_a_later_life() {
    let folder = Folder::new();
    assert!(run(&["keygen", "--out", &folder.text("node.key")]).status.success());
    let key_file = folder.text("node.key");
    let mut server = folder.server("127.0.0.1:0", &["--key-file", &key_file]);
    let (id, addr) = server.up();
    let life = |folder: &Folder| -> u64 {
        std::fs::read_to_string(folder.path("node.key.incarnation")).unwrap().trim().parse().unwrap()
    };
    let first_life = life(&folder);
    // Somebody who stays, and sees it all.
    let key = folder.text("network.key");
    let mut watcher = Running::start(&["up", "--peer", &addr, "--network-key-file", &key]);
    watcher.up();
    assert!(watcher.line("peer up: ").contains(&id));

    server.signal("-KILL");
    assert_eq!(server.exit_code(), None);
    assert!(watcher.line("peer down: ").contains(&id));
    let mut server = folder.server(&addr, &["--key-file", &key_file]);
    assert_eq!(server.up(), (id.clone(), addr.clone()));
    assert!(life(&folder) > first_life);
    assert!(watcher.line("peer up: ").contains(&id));
    assert_eq!(stdout(&folder.call(&addr, GOOD, &["--to", &id])), ANSWER);
}

#[cfg(unix)]
#[test]
fn an_interrupt_drains_and_exits_with_0() {
    let folder = Folder::new();
    for signal in ["-INT", "-TERM"] {
        let mut server = folder.server("127.0.0.1:0", &[]);
        server.up();
        server.signal(signal);
        server.line("stopping");
        server.line("stopped");
        assert_eq!(server.exit_code(), Some(0));
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_call_exits_with_130() {
    let folder = Folder::new();
    let key = folder.text("network.key");
    let addr = free_addr();
    let arguments =
        ["call", "echo_sum", GOOD, "--peer", &addr, "--network-key-file", &key, "--timeout", "50s"];
    let mut command = lacewing(&arguments);
    let mut child = command.env("LACEWING_LOG", "lacewing=debug").stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains("dial failed")));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert!(log.any(|line| line.unwrap() == "lacewing: interrupted"));
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let line = one_line(&run(&["up", "--open", "--listen", &addr]), 2);
    assert_eq!(line, format!("lacewing: cannot listen on {addr}: the address is in use already"));
}

#[test]
fn what_makes_no_sense_is_one_line_and_exit_code_2() {
    let folder = Folder::new();
    let network_key = folder.text("network.key");
    for (arguments, hint) in [
        (&["up", "--open", "--listen", "nonsense"][..], "host:port"),
        (&["up", "--open", "--peer", "1.2.3.4"], "host:port"),
        (&["up", "--open"], "--listen host:port"),
        (&["up", "--listen", "127.0.0.1:0"], "--network-key-file FILE"),
        (&["up", "--open", "--pin", "abc", "--listen", "127.0.0.1:0"], "cannot be combined"),
        (&["up", "--pin", "abc", "--listen", "127.0.0.1:0"], "64 hexadecimal digits"),
        (&["up", "--open", "--listen", "127.0.0.1:0", "--serve", "nothing"], "echo_sum"),
        (&["up", "--listen", "127.0.0.1:0", "--network-key-file", "/nowhere/key"], "cannot read"),
        (&["up", "--open", "--listen", "127.0.0.1:0", "--key-file", &network_key], "no node key file"),
        (
            &["up", "--open", "--listen", "127.0.0.1:0", "--config", "/nowhere.toml"],
            "cannot read the configuration",
        ),
        (&["call", "x", "{}", "--open"], "--peer host:port"),
    ] {
        let line = one_line(&run(arguments), 2);
        assert!(line.contains(hint), "{arguments:?}: {line}");
    }
    // What the command line itself does not know is clap's to explain.
    for arguments in
        [&["up", "--no-such-flag"][..], &["call"], &["call", "x", "{}", "--select", "fairest"], &[]]
    {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn keygen_writes_files_that_only_the_owner_can_read() {
    let folder = Folder::new();
    let path = folder.path("node.key");
    let made = run(&["keygen", "--out", &folder.text("node.key")]);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder.path("network.key")), 0o600);
    let first = std::fs::read_to_string(&path).unwrap();
    let secret = first.trim_end().rsplit(' ').next().unwrap();
    assert_eq!(secret.len(), 64);
    assert!(!stdout(&made).contains(secret), "the key itself is not shown");

    let line = one_line(&run(&["keygen", "--out", &folder.text("node.key")]), 2);
    assert!(line.contains("exists; give --force"), "{line}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    assert!(run(&["keygen", "--force", "--out", &folder.text("node.key")]).status.success());
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    assert_eq!(mode(&path), 0o600);
    assert!(one_line(&run(&["keygen", "--out", "/nowhere/at/all"]), 2).contains("cannot write"));
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = Folder::new();
    assert!(run(&["keygen", "--out", &folder.text("node.key")]).status.success());
    for name in ["node.key", "network.key"] {
        let secret = std::fs::read_to_string(folder.path(name)).unwrap();
        for open_mode in [0o644, 0o640, 0o604] {
            set_mode(&folder.path(name), open_mode);
            let (key, network) = (folder.text("node.key"), folder.text("network.key"));
            let arguments =
                ["up", "--listen", "127.0.0.1:0", "--key-file", &key, "--network-key-file", &network];
            let line = one_line(&run(&arguments), 2);
            assert!(line.contains(&format!("chmod 600 {}", folder.text(name))), "{line}");
            assert!(!line.contains(secret.trim_end().rsplit(' ').next().unwrap()));
        }
        set_mode(&folder.path(name), 0o600);
    }
}

#[test]
fn a_garbled_key_file_is_refused_without_being_shown() {
    let folder = Folder::new();
    let key = folder.path("network.key");
    let secret = std::fs::read_to_string(&key).unwrap();
    std::fs::write(&key, secret.replacen("network", "netwerk", 1)).unwrap();
    let line = one_line(
        &run(&["up", "--listen", "127.0.0.1:0", "--network-key-file", &folder.text("network.key")]),
        2,
    );
    assert!(line.contains("no network key file"), "{line}");
    assert!(!line.contains(secret.trim_end().rsplit(' ').next().unwrap()));
}

#[test]
fn a_file_says_the_same_as_flags_and_environment_which_go_before_it() {
    let folder = Folder::new();
    let write = |text: &str| std::fs::write(folder.path("node.toml"), text).unwrap();
    write(
        "name = \"from-file\"\nlisten = [\"127.0.0.1:0\"]\nnetwork_key_file = \"network.key\"\nserve = [\"echo_sum\"]\n",
    );
    let config = folder.text("node.toml");
    let mut server = Running::start(&["up", "--config", &config]);
    let line = server.line("up: node ");
    assert!(line.contains("(from-file)"), "{line}");
    let addr = line.rsplit(' ').next().unwrap();
    // The same trust, by environment.
    let mut call = lacewing(&["call", "echo_sum", GOOD]);
    let call = call
        .env("LACEWING_PEER", addr)
        .env("LACEWING_NETWORK_KEY_FILE", folder.path("network.key"))
        .output()
        .unwrap();
    assert_eq!(stdout(&call), ANSWER, "{}", stderr(&call));

    let mut from_environment = lacewing(&["up", "--config", &config]);
    from_environment.env("LACEWING_NAME", "from-environment");
    assert!(Running::spawn(&mut from_environment).line("up: ").contains("(from-environment)"));
    let mut from_flag = lacewing(&["up", "--config", &config, "--name", "from-flag"]);
    from_flag.env("LACEWING_NAME", "from-environment");
    assert!(Running::spawn(&mut from_flag).line("up: ").contains("(from-flag)"));

    write("listen = [\"127.0.0.1:0\"]\nopen = true\n\nsevre = []\n");
    let line = one_line(&run(&["up", "--config", &config]), 2);
    assert!(line.contains(&format!("{config}, line 4: ")), "{line}");
    assert!(line.contains("sevre") && line.contains("network_key_file") && line.contains("serve"), "{line}");
    write("open = true\nlisten = 7\n");
    let line = one_line(&run(&["up", "--config", &config]), 2);
    assert!(line.contains("line 2: "), "{line}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &[]);
    let (_, addr) = server.up();
    let key = folder.text("network.key");
    let mut command = lacewing(&["call", "echo_sum", GOOD, "--peer", &addr, "--network-key-file", &key]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn the_demo_tells_its_story_to_the_end() {
    let output = run(&["demo"]);
    let story = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{story}{}", stderr(&output));
    let mut rest = story.as_str();
    for part in [
        "1. Joining",
        "proved to the others who it is",
        "2. Calling",
        r#"{"echo":"hello","sum":42}"#,
        "InvalidArgument",
        r#""field":"numbers[1]""#,
        "NotFound",
        "3. Losing a node",
        "Unavailable (node_down)",
        "the work may have been executed",
        "beta starts again",
        "4. Recovering",
        r#"{"echo":"again","sum":42}"#,
        "exactly one outcome",
    ] {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is missing after\n{story}"));
        rest = &rest[at + part.len()..];
    }
    assert!(output.stderr.is_empty(), "{}", stderr(&output));
}

#[test]
fn top_shows_what_a_running_node_does() {
    let folder = Folder::new();
    let mut server = folder.server("127.0.0.1:0", &["--name", "adder@here", "--metrics", "127.0.0.1:0"]);
    let (id, addr) = server.up();
    let line = server.line("metrics: http://");
    let at = line.trim_start_matches("metrics: http://").trim_end_matches("/metrics");
    let answer = folder.call(&addr, GOOD, &[]);
    assert_eq!(stdout(&answer), ANSWER, "{}", stderr(&answer));

    let sheet = stdout(&run(&["top", at, "--once", "--interval", "50ms"]));
    assert!(sheet.starts_with(&format!("node {} (adder@here) in lacewing", &id[..8])), "{sheet}");
    assert!(sheet.lines().any(|line| line.split_whitespace().eq(["echo_sum", "0", "1"])), "{sheet}");
    assert!(!sheet.contains('\x1b'), "a pipe is no terminal: {sheet:?}");

    let json: serde_json::Value =
        serde_json::from_str(&stdout(&run(&["top", at, "--once", "--json", "--interval", "50ms"]))).unwrap();
    assert_eq!(json["node"].as_str(), Some(id.as_str()));
    assert_eq!(json["actions"][0]["total"].as_f64(), Some(1.0));
    assert!(json["requests"]["p50_s"].as_f64().is_some(), "{json}");
}

#[test]
fn top_says_why_it_shows_nothing_and_metrics_are_not_exposed_by_mistake() {
    let free = free_addr();
    let text = one_line(&run(&["top", &free, "--once"]), 1);
    assert!(text.contains(&format!("start the node with --metrics {free}")), "{text}");
    let exposed = run(&["up", "--open", "--listen", "127.0.0.1:0", "--metrics", "0.0.0.0:0"]);
    let text = one_line(&exposed, 2);
    assert!(text.contains("--metrics-exposed"), "{text}");
}
