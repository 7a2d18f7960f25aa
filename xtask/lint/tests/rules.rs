//! Every rule goes red on a bad snippet, and stays quiet on a good one.

use lacewing_lint::exceptions::Exceptions;
use lacewing_lint::source::Source;
use lacewing_lint::{Finding, layers, manifest, marks, selects, size, words};

fn source(path: &str, text: &str) -> Source {
    Source::parse(path, text).expect("the snippet parses")
}

fn texts(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

mod selects_rule {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        texts(&selects::check(&source("node/src/driver.rs", text)))
    }

    #[test]
    fn an_unbiased_select_is_found_with_its_line() {
        let bad = "async fn run() {\n    tokio::select! {\n        _ = a() => {}\n        _ = b() => {}\n    }\n}\n";
        let found = found(bad);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("node/src/driver.rs:2: [select]"), "{found:?}");
    }

    #[test]
    fn a_biased_select_passes() {
        assert!(found("async fn run() { tokio::select! { biased; _ = a() => {} } }").is_empty());
        assert!(found("async fn run() { select! { biased; _ = a() => {} } }").is_empty());
    }

    #[test]
    fn an_imported_select_is_found_too() {
        assert_eq!(found("use tokio::select; async fn run() { select! { _ = a() => {} } }").len(), 1);
    }

    #[test]
    fn a_select_inside_another_macro_or_test_is_found() {
        assert_eq!(found("async fn run() { outer!({ tokio::select! { _ = a() => {} } }); }").len(), 1);
        assert_eq!(
            found("#[cfg(test)] mod tests { async fn t() { tokio::select! { _ = a() => {} } } }").len(),
            1
        );
        let nested =
            "async fn run() { tokio::select! { biased; _ = a() => { tokio::select! { _ = b() => {} } } } }";
        assert_eq!(found(nested).len(), 1);
    }

    #[test]
    fn a_value_compared_and_called_is_no_select() {
        assert!(found("fn run() { let select = 1; let x = select != (2); sql::select(x); }").is_empty());
    }

    #[test]
    fn the_selects_of_futures_are_banned_even_when_biased() {
        assert_eq!(found("async fn run() { futures::select! { _ = a() => {} } }").len(), 1);
        assert_eq!(found("async fn run() { futures::select_biased! { _ = a() => {} } }").len(), 1);
        assert_eq!(found("async fn run() { futures_util::select! { biased; _ = a() => {} } }").len(), 1);
        assert_eq!(found("use futures_util::{join, select};").len(), 1);
        assert_eq!(found("use futures::select as choose;").len(), 1);
        assert!(found("use futures_util::future::select;").is_empty());
    }
}

mod sizes {
    use super::*;

    fn function_of(lines: usize) -> String {
        format!(
            "impl Link {{\n/// Doc.\n#[inline]\nfn handle() {{\n{}}}\n}}\n",
            "    step();\n".repeat(lines - 2)
        )
    }

    #[test]
    fn a_function_of_seventy_lines_passes_and_one_more_does_not() {
        assert!(size::check(&source("core/src/link/mod.rs", &function_of(70))).is_empty());
        let found = size::check(&source("core/src/link/mod.rs", &function_of(71)));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].line, found[0].item.as_deref()), (4, Some("Link::handle")));
    }

    #[test]
    fn a_file_over_800_lines_is_found() {
        assert!(size::check(&source("core/src/link/mod.rs", &"//\n".repeat(800))).is_empty());
        assert_eq!(size::check(&source("core/src/link/mod.rs", &"//\n".repeat(801)))[0].rule, "file-length");
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(size::check(&source("node/src/utils.rs", "")).len(), 1);
        assert_eq!(size::check(&source("node/src/common/mod.rs", "")).len(), 1);
        assert_eq!(size::check(&source("node/src/lib.rs", "mod helpers { }")).len(), 1);
        assert!(size::check(&source("node/src/peer.rs", "mod link {}")).is_empty());
    }
}

mod direction {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        texts(&layers::check(&source(path, text)))
    }

    #[test]
    fn imports_go_down() {
        assert!(
            found("core/src/link/mod.rs", "use crate::session::Session; use crate::{time::Instant, wire};")
                .is_empty()
        );
        assert!(found("core/src/engine/mod.rs", "use crate::{delivery, link, membership};").is_empty());
        assert!(found("core/src/link/queue.rs", "use crate::link::LinkId; use super::Link;").is_empty());
        assert!(found("node/src/lib.rs", "use crate::engine::Door;").is_empty());
    }

    #[test]
    fn machines_do_not_know_each_other() {
        let sideways = found("core/src/link/mod.rs", "use crate::delivery::Call;");
        assert!(sideways[0].contains("`link` imports sideways from `delivery`"), "{sideways:?}");
        assert_eq!(found("core/src/membership/dial.rs", "fn f(_: crate::link::Link) {}").len(), 1);
    }

    #[test]
    fn machines_share_plain_data_that_the_table_names() {
        assert!(found("core/src/delivery/mod.rs", "use crate::link::{LinkId, Message};").is_empty());
        assert!(found("core/src/membership/dial.rs", "fn f(_: crate::link::LinkId) {}").is_empty());
        assert_eq!(found("core/src/delivery/mod.rs", "use crate::link::{LinkId, Link};").len(), 1);
        assert_eq!(found("core/src/delivery/mod.rs", "use crate::link::*;").len(), 1);
        assert_eq!(found("core/src/session/mod.rs", "use crate::link::LinkId;").len(), 1);
    }

    #[test]
    fn nothing_imports_upwards() {
        assert_eq!(found("core/src/wire/frame.rs", "use crate::{config::Limits, code::Code};").len(), 1);
        assert_eq!(found("core/src/session/mod.rs", "fn f() { crate::engine::start() }").len(), 1);
        assert_eq!(found("core/src/time.rs", "fn f() { vec![crate::wire::frame::HEADER_LEN]; }").len(), 1);
    }

    #[test]
    fn tests_may_put_machines_together() {
        assert!(
            found("core/src/link.rs", "#[cfg(test)] mod tests { use crate::delivery::Call; }").is_empty()
        );
        assert!(found("core/src/link/tests.rs", "use crate::delivery::Call;").is_empty());
    }

    #[test]
    fn a_module_without_a_layer_is_found() {
        assert!(found("core/src/gossip/mod.rs", "")[0].contains("has no layer"));
    }
}

mod marks_rule {
    use super::*;

    const CALL: &str =
        "fn f(cx: &mut Cx) { cx.count(\"call.late\"); cx.mark(if x { \"call.a\" } else { \"call.b\" }); }";

    fn found(list: &str) -> Vec<String> {
        texts(&marks::check(&[source("core/src/delivery/mod.rs", CALL), source("core/src/marks.rs", list)]))
    }

    #[test]
    fn the_list_and_the_code_say_the_same() {
        assert!(found("pub const MARKS: [&str; 3] = [\"call.a\", \"call.b\", \"call.late\"];").is_empty());
    }

    #[test]
    fn a_mark_that_is_not_listed_is_found() {
        let found = found("pub const MARKS: [&str; 2] = [\"call.a\", \"call.b\"];");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("`call.late` is not listed"), "{found:?}");
    }

    #[test]
    fn a_listed_mark_that_nothing_leaves_is_found() {
        let found =
            found("pub const MARKS: [&str; 4] = [\"call.a\", \"call.b\", \"call.gone\", \"call.late\"];");
        assert!(
            found.iter().any(|text| text.contains("nothing leaves the listed mark `call.gone`")),
            "{found:?}"
        );
    }
}

mod minimum_rust {
    use super::*;

    const METADATA: &str = r#"{"packages":[
        {"name":"fresh","version":"2.0.0","rust_version":"1.90.1"},
        {"name":"settled","version":"1.0.0","rust_version":"1.60"},
        {"name":"silent","version":"0.1.0","rust_version":null}]}"#;

    #[test]
    fn both_places_state_the_same_version() {
        assert!(manifest::compare_stated(Some("1.88"), Some("1.88")).is_empty());
        assert_eq!(manifest::compare_stated(Some("1.88"), Some("1.85")).len(), 1);
        assert_eq!(manifest::compare_stated(Some("1.88"), None).len(), 1);
        assert_eq!(manifest::compare_stated(None, Some("1.88")).len(), 1);
    }

    #[test]
    fn a_dependency_that_asks_for_a_newer_rust_is_found() {
        let found = texts(&manifest::check_packages("1.88", METADATA).unwrap());
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("fresh 2.0.0 needs Rust 1.90.1"), "{found:?}");
        assert!(manifest::check_packages("1.90.1", METADATA).unwrap().is_empty());
    }
}

mod exception_table {
    use super::*;

    fn table(reason: &str) -> Exceptions {
        let text = format!(
            "[[exception]]\nrule = \"function-length\"\npath = \"a.rs\"\nitem = \"f\"\nreason = \"{reason}\"\n"
        );
        Exceptions::parse(&text).unwrap()
    }

    #[test]
    fn an_exception_takes_one_finding_away() {
        let finding = Finding::new("function-length", "a.rs", 3, "long").about("f");
        let other = Finding::new("function-length", "a.rs", 9, "long").about("g");
        assert_eq!(table("a table of all frames").apply(vec![finding, other.clone()]), [other]);
    }

    #[test]
    fn a_stale_exception_is_a_finding() {
        let left = table("a table of all frames").apply(Vec::new());
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].rule, "stale-exception");
    }

    #[test]
    fn an_exception_without_a_reason_is_a_finding() {
        let finding = Finding::new("function-length", "a.rs", 3, "long").about("f");
        assert_eq!(table("").apply(vec![finding])[0].rule, "no-reason");
    }

    #[test]
    fn an_unknown_field_is_refused() {
        assert!(Exceptions::parse("[[exception]]\nrule = \"x\"\npath = \"y\"\nwhy = \"z\"\n").is_err());
    }
}

#[test]
fn folders_of_a_machine_and_hosts_of_registries_are_found() {
    let text = format!("see {}/design\nand {}main", concat!("../sha", "red"), concat!("/wo", "rk/"));
    let found = words::check_text("docs/a.md", &text);
    assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [1, 2]);
    assert!(words::check_text("docs/a.md", "work, shared work and a framework/").is_empty());
}

#[test]
fn what_does_not_parse_is_found() {
    assert_eq!(Source::parse("core/src/lib.rs", "fn f( {").unwrap_err().rule, "parse");
}

/// The whole walk over a small workspace: a bad file is found by its path, and the workspace's own tables are read.
#[test]
fn the_walk_finds_bad_files_wherever_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let manifest =
        "[workspace.package]\nrust-version = \"1.88\"\n[package]\nname = \"tiny\"\nversion = \"0.0.0\"\n";
    write("Cargo.toml", manifest);
    write("Cargo.lock", "version = 4\n[[package]]\nname = \"tiny\"\nversion = \"0.0.0\"\n");
    write("clippy.toml", "msrv = \"1.88\"\n");
    write("xtask/lint/exceptions.toml", "");
    write("src/lib.rs", "");
    assert_eq!(lacewing_lint::check(folder.path()).unwrap(), []);
    write("sim/tests/late.rs", "async fn f() { tokio::select! { _ = a() => {} } }");
    write("target/debug/build/skipped.rs", "fn f( {");
    let found = texts(&lacewing_lint::check(folder.path()).unwrap());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("sim/tests/late.rs:1: [select]"), "{found:?}");
}
