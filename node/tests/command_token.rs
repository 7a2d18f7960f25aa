//! `lacewing token`, and what nodes make of rules and tokens, as a shell sees it.
#![cfg(feature = "cli")]

mod shell;

use std::path::PathBuf;

use shell::{Folder, Running, one_line, run, stderr, stdout};

const GOOD: &str = r#"{"text": "hi", "numbers": [1, 2, 39]}"#;
const ANSWER: &str = "{\"echo\":\"hi\",\"sum\":42}\n";

/// A key file.
struct Key {
    file: String,
    node: String,
    public: String,
}

fn key(folder: &Folder, name: &str) -> Key {
    let file = folder.text(name);
    let text = stdout(&run(&["keygen", "--out", &file]));
    let after = |label: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label} in {text}")).trim().to_owned()
    };
    Key { node: after("node id:"), public: after("public key:"), file }
}

/// The file with a token that `lacewing token` has printed.
fn token(folder: &Folder, name: &str, arguments: &[&str]) -> String {
    let output = run(&[&["token"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("lwt1.") && text.lines().count() == 1, "{text}");
    let file = folder.text(name);
    std::fs::write(PathBuf::from(&file), text).unwrap();
    file
}

#[test]
fn a_token_is_made_passed_on_and_shown() {
    let folder = Folder::new();
    let [issuer, clerk, helper] = ["issuer", "clerk", "helper"].map(|name| key(&folder, name));
    let issue = ["issue", "--key-file", &issuer.file, "--to", &clerk.node, "--right", "call,subscribe"];
    let terms = ["--pattern", "orders/>", "--life", "2h", "--delegations", "1", "--generation", "3"];
    let whole = token(&folder, "whole", &[&issue[..], &terms].concat());
    let shown = stdout(&run(&["token", "show", &whole]));
    for part in [&issuer.public, &clerk.node, "call, subscribe", "orders/>", "in 119 min", "it holds"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }

    let delegate = ["delegate", &whole, "--key-file", &clerk.file, "--to", &helper.node];
    let part = token(&folder, "part", &[&delegate[..], &["--right", "call", "--life", "10m"]].concat());
    let output = run(&["token", "show", "--json", &part]);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(json["holds"], true);
    let link = &json["links"][1];
    assert_eq!(
        (link["for"].as_str(), link["rights"][0].as_str()),
        (Some(helper.node.as_str()), Some("call"))
    );
    assert_eq!((&json["generation"], json["links"].as_array().unwrap().len()), (&3.into(), 2));

    // What is wider than what it was made of is not made.
    let wider = run(&[&["token"], &delegate[..], &["--right", "publish"]].concat());
    assert!(one_line(&wider, 2).contains("more rights"), "{}", stderr(&wider));
    let others = ["token", "delegate", &whole, "--key-file", &helper.file, "--to", &helper.node];
    one_line(&run(&others), 2);
}

#[test]
fn what_is_wrong_with_a_token_is_said() {
    let folder = Folder::new();
    let [issuer, clerk, other] = ["issuer", "clerk", "other"].map(|name| key(&folder, name));
    let issue = ["issue", "--key-file", &issuer.file, "--to", &clerk.node, "--right", "call"];
    let plain = token(&folder, "plain", &issue);
    let early = token(&folder, "early", &[&issue[..], &["--after", "2h"]].concat());
    let text = std::fs::read_to_string(&plain).unwrap();
    let forged = folder.text("forged");
    // The last digit but two is one of the signature.
    let cut = text.trim_end().len() - 3;
    let digit = if text[cut..].starts_with('A') { "Q" } else { "A" };
    std::fs::write(&forged, format!("{}{digit}{}", &text[..cut], &text[cut + 1..])).unwrap();
    let wrong = |arguments: &[&str], what: &str| {
        let output = run(&[&["token", "show"], arguments].concat());
        let line = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert!(line.contains("it does not hold: ") && line.contains(what), "{line}");
    };
    wrong(&[&early], "holds in");
    wrong(&[&forged], "not signed by the key");
    wrong(&[&plain, "--issuer", &other.public], "not trusted");
    wrong(&[&plain, "--by", &other.node], "for another node");
    wrong(&[&plain, "--generation", "1"], "taken back");
    assert!(one_line(&run(&["token", "show", &clerk.file]), 2).contains("holds no token"));
}

#[test]
fn no_secret_is_printed() {
    let folder = Folder::new();
    let issuer = key(&folder, "issuer");
    let secret = std::fs::read_to_string(&issuer.file).unwrap();
    let secret = secret.split_whitespace().last().unwrap();
    let issue = ["token", "issue", "--key-file", &issuer.file, "--anyone", "--right", "call"];
    let output = run(&issue);
    let file = folder.text("token");
    std::fs::write(&file, stdout(&output)).unwrap();
    let shown = run(&["token", "show", &file]);
    for output in [&output, &shown] {
        assert!(!stdout(output).contains(secret) && !stderr(output).contains(secret));
    }
    // A token for whoever has it is a secret too.
    let text = stdout(&output);
    let end = &text.trim_end()[text.len() - 20..];
    assert!(!stdout(&shown).contains(end), "{}", stdout(&shown));
    assert!(stdout(&shown).contains("whoever has it"));
}

#[test]
fn a_node_asks_callers_for_a_token_until_the_issuer_takes_it_back() {
    let folder = Folder::new();
    let [issuer, clerk] = ["issuer", "clerk"].map(|name| key(&folder, name));
    let rules = ["--allow", "call echo_sum token", "--issuer", &issuer.public];
    let mut server = folder.server("127.0.0.1:0", &rules);
    let (_, addr) = server.up();
    let issue = ["issue", "--key-file", &issuer.file, "--to", &clerk.node, "--right", "call"];
    let file = token(&folder, "token", &issue);

    let line = one_line(&folder.call(&addr, GOOD, &[]), 1);
    assert!(line.starts_with("lacewing: Unauthenticated: "), "{line}");
    let with_token = ["--key-file", &clerk.file, "--token-file", &file];
    let answer = folder.call(&addr, GOOD, &with_token);
    assert_eq!(stdout(&answer), ANSWER, "{}", stderr(&answer));

    let network_key = folder.text("network.key");
    let revoke = ["token", "revoke", "--issuer-key-file", &issuer.file, "--generation", "1"];
    let output = run(&[&revoke[..], &["--peer", &addr, "--network-key-file", &network_key]].concat());
    assert!(stdout(&output).starts_with("told 1 neighbours"), "{}", stderr(&output));
    let line = one_line(&folder.call(&addr, GOOD, &with_token), 1);
    assert!(line.starts_with("lacewing: Unauthenticated: "), "{line}");
}

#[test]
fn a_membership_token_lets_a_node_in() {
    let folder = Folder::new();
    let [issuer, one, other] = ["issuer", "one", "other"].map(|name| key(&folder, name));
    let member = |of: &Key, name: &str| {
        let issue = ["issue", "--key-file", &issuer.file, "--to", &of.node, "--right", "join"];
        token(&folder, name, &issue)
    };
    let (its, others) = (member(&one, "its"), member(&other, "others"));
    let trust = ["--members-of", &issuer.public];
    let up = [
        "up",
        "--listen",
        "127.0.0.1:0",
        "--serve",
        "echo_sum",
        "--key-file",
        &one.file,
        "--token-file",
        &its,
    ];
    let mut server = Running::start(&[&up[..], &trust].concat());
    let (_, addr) = server.up();
    let call = ["call", "echo_sum", GOOD, "--peer", &addr, "--key-file", &other.file];
    let answer = run(&[&call[..], &trust, &["--token-file", &others]].concat());
    assert_eq!(stdout(&answer), ANSWER, "{}", stderr(&answer));
    let line = one_line(&run(&[&call[..], &trust, &["--timeout", "10s"]].concat()), 1);
    assert!(line.contains("HandshakeFailed") || line.contains("Unauthenticated"), "{line}");
}
