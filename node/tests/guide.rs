//! What the guide shows of the command is what the command does.
//!
//! Each `console` block is run: what stands behind `$ ` is a command, what follows is what it must print. `lacewing up` and `lacewing sub` go on
//! in the background. Ids, ports and measured times are compared by their shape, lines in any order.
#![cfg(feature = "cli")]

mod shell;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use shell::{Folder, Running, free_addr, lacewing};

/// Nodes need a moment to hear of each other; what is still wrong after so many runs is wrong.
const RUNS_MAX: usize = 50;

/// A command and what it prints.
struct Step {
    command: String,
    expected: Vec<String>,
}

fn steps(page: &str) -> Vec<Step> {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide").join(page);
    let text = fs::read_to_string(guide).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) => is_console = language == "console",
            None if !is_console => {}
            None => match line.strip_prefix("$ ") {
                Some(command) => steps.push(Step { command: command.to_owned(), expected: Vec::new() }),
                None => steps.last_mut().unwrap().expected.push(line.to_owned()),
            },
        }
    }
    steps
}

/// The words of a command line, as a shell would split it.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for c in command.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What differs from run to run, by its shape.
fn shape(line: &str) -> String {
    let mut shaped = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let len = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(len);
        let is_hex = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        shaped.push_str(match word.len() {
            64 if is_hex => "ID",
            8 if is_hex => "SHORT",
            13 if word.bytes().all(|byte| byte.is_ascii_digit()) => "INCARNATION",
            _ => word,
        });
        rest = after;
    }
    // Which unit is read best differs too.
    let same_unit = |word: &str| word.replace("kB/s", "B/s").replace("us", "ms");
    let is_unit = |word: &str| word.starts_with("ms") || word.starts_with("B/s") || word == "s";
    let is_number = |word: &str| word.trim_start_matches('(').starts_with(|c: char| c.is_ascii_digit());
    let words: Vec<String> = shaped
        .split_whitespace()
        .map(|word| if is_unit(&same_unit(word)) { same_unit(word) } else { word.to_owned() })
        .collect();
    let measured = |at: usize| is_number(&words[at]) && words.get(at + 1).is_some_and(|unit| is_unit(unit));
    let words = words.iter().enumerate().map(|(at, word)| if measured(at) { "TIME" } else { word.as_str() });
    words.collect::<Vec<_>>().join(" ")
}

fn shapes(lines: &[String]) -> Vec<String> {
    let mut shapes: Vec<String> =
        lines.iter().map(|line| shape(line)).filter(|line| !line.is_empty()).collect();
    shapes.sort();
    shapes
}

/// Somebody who follows the guide: a folder, some terminals, and ports of their own.
struct Reader {
    folder: Folder,
    environment: BTreeMap<String, String>,
    /// Ports of the guide, and those that are used instead.
    ports: BTreeMap<String, String>,
    /// Killed at the end.
    nodes: Vec<Running>,
}

impl Reader {
    fn new() -> Self {
        let port = || free_addr().rsplit(':').next().unwrap().to_owned();
        let ports = (7400..7403).chain([9464]).map(|shown| (shown.to_string(), port())).collect();
        Self { folder: Folder::new(), environment: BTreeMap::new(), ports, nodes: Vec::new() }
    }

    fn own_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (shown, own)| {
            text.replace(&format!(":{shown}"), &format!(":{own}"))
        })
    }

    fn shown_ports(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (shown, own)| {
            text.replace(&format!(":{own}"), &format!(":{shown}"))
        })
    }

    fn command(&self, arguments: &[String]) -> Command {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = lacewing(&arguments);
        command.current_dir(self.folder.path("")).envs(&self.environment);
        command
    }

    fn follow(&mut self, step: &Step) {
        let words = words(&self.own_ports(&step.command));
        match (words[0].as_str(), words.get(1).map(String::as_str)) {
            ("export", _) => {
                let set = words[1..].iter().map(|word| word.split_once('=').unwrap());
                self.environment.extend(set.map(|(name, value)| (name.to_owned(), value.to_owned())));
            }
            ("lacewing", Some(goes_on @ ("up" | "sub"))) => {
                let begins = if goes_on == "up" { "up: " } else { "subscribed " };
                let mut node = Running::spawn(&mut self.command(&words[1..]));
                let printed: Vec<String> =
                    step.expected.iter().map(|_| self.shown_ports(&node.line(begins))).collect();
                assert_eq!(shapes(&printed), shapes(&step.expected), "{}", step.command);
                self.nodes.push(node);
            }
            ("lacewing", Some(_)) => self.run(&words[1..], step),
            _ => panic!("this test does not know what to do with {:?}", step.command),
        }
    }

    fn run(&self, arguments: &[String], step: &Step) {
        let expected = shapes(&step.expected);
        let mut printed = Vec::new();
        for _ in 0..RUNS_MAX {
            let output = self.command(arguments).output().unwrap();
            let text = [shell::stdout(&output), shell::stderr(&output)].concat();
            printed = self.shown_ports(&text).lines().map(str::to_owned).collect();
            if shapes(&printed) == expected {
                return;
            }
        }
        panic!("{}\nprints\n{}\ninstead of\n{}", step.command, printed.join("\n"), step.expected.join("\n"));
    }
}

/// Follows all of a page, which has at least so many commands.
fn follow(page: &str, commands: usize) {
    let steps = steps(page);
    assert!(steps.len() >= commands, "{page} has its commands");
    let mut reader = Reader::new();
    for step in &steps {
        reader.follow(step);
    }
}

#[test]
fn the_guide_to_the_mesh_shows_what_happens() {
    follow("mesh.md", 12);
}

#[test]
fn the_guide_to_streams_shows_what_happens() {
    follow("streams.md", 5);
}

#[test]
fn the_guide_to_watching_shows_what_happens() {
    follow("observability.md", 3);
}

#[test]
fn the_guide_to_topics_shows_what_happens() {
    follow("topics.md", 4);
}

#[test]
fn the_first_steps_show_what_happens() {
    let mut reader = Reader::new();
    fs::remove_file(reader.folder.path("network.key")).unwrap();
    let mut followed = 0;
    for step in steps("first-steps.md") {
        // Installing is not for a test, the demo has one of its own, and so has the file.
        if !["cargo ", "lacewing demo", "lacewing up --config"]
            .iter()
            .any(|not| step.command.starts_with(not))
        {
            reader.follow(&step);
            followed += 1;
        }
    }
    assert!(followed >= 4, "the page has its commands");
}

#[test]
fn what_differs_from_run_to_run_has_a_shape() {
    let (id, short) = ("ab".repeat(32), "12ab34cd");
    assert_eq!(shape(&format!("node  {id} ({short})")), "node ID (SHORT)");
    assert_eq!(shape("up  2   0.5 ms  echo_sum"), "up 2 TIME ms echo_sum");
    assert_eq!(shape("announced    12 s ago"), "announced TIME s ago");
    assert_eq!(shape("alpha  250 us  31 B/s in, 1.2 kB/s out"), "alpha TIME ms TIME B/s in, TIME B/s out");
    assert_eq!(shape("incarnation  1795277010870"), "incarnation INCARNATION");
    assert_eq!(words("find 'a b' c"), ["find", "a b", "c"]);
}
