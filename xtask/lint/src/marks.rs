//! Coverage marks of the core and their list say the same. A counter is a mark too.
//!
//! The testbed fails on a mark that no run reaches, so it must know every mark; `core/src/marks.rs` lists them.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};

use crate::Finding;
use crate::source::Source;

const RULE: &str = "marks";
const LIST: &str = "core/src/marks.rs";

/// Compares the marks that `core/src` leaves with the constant `MARKS`.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut left: BTreeMap<String, (String, usize)> = BTreeMap::new();
    let mut listed: BTreeMap<String, usize> = BTreeMap::new();
    for source in sources.iter().filter(|source| is_core(&source.path)) {
        let mut marks = Marks { is_list: source.path == LIST, found: Vec::new() };
        marks.visit_file(&source.file);
        for (name, line) in marks.found {
            if !marks.is_list {
                left.entry(name).or_insert((source.path.clone(), line));
            } else if listed.insert(name.clone(), line).is_some() {
                findings.push(Finding::new(RULE, LIST, line, format!("`{name}` is listed twice")));
            }
        }
    }
    if !sources.iter().any(|source| source.path == LIST) {
        if let Some((name, (path, line))) = left.iter().next() {
            findings.push(Finding::new(
                RULE,
                path,
                *line,
                format!("`{name}` is left, but there is no {LIST}"),
            ));
        }
        return findings;
    }
    for (name, (path, line)) in &left {
        if !listed.contains_key(name) {
            findings.push(Finding::new(RULE, path, *line, format!("`{name}` is not listed in {LIST}")));
        }
    }
    for (name, line) in &listed {
        if !left.contains_key(name) {
            findings.push(Finding::new(
                RULE,
                LIST,
                *line,
                format!("nothing leaves the listed mark `{name}`"),
            ));
        }
    }
    findings
}

fn is_core(path: &str) -> bool {
    path.starts_with("core/src/") && !path.ends_with("tests.rs") && !path.contains("/tests/")
}

struct Marks {
    is_list: bool,
    found: Vec<(String, usize)>,
}

impl Marks {
    fn push(&mut self, literal: &syn::LitStr) {
        self.found.push((literal.value(), literal.span().start().line));
    }
}

impl<'ast> Visit<'ast> for Marks {
    fn visit_expr_method_call(&mut self, node: &'ast syn::ExprMethodCall) {
        if !self.is_list && (node.method == "mark" || node.method == "count") {
            // The argument may choose between marks; each literal in it is one.
            for argument in &node.args {
                let mut literals = Literals(Vec::new());
                literals.visit_expr(argument);
                for literal in literals.0 {
                    self.push(literal);
                }
            }
        }
        visit::visit_expr_method_call(self, node);
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        if self.is_list && node.ident == "MARKS" {
            let mut literals = Literals(Vec::new());
            literals.visit_expr(&node.expr);
            for literal in literals.0 {
                self.push(literal);
            }
        }
    }

    // Tests leave marks of their own.
    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if node.ident != "tests" {
            visit::visit_item_mod(self, node);
        }
    }
}

struct Literals<'ast>(Vec<&'ast syn::LitStr>);

impl<'ast> Visit<'ast> for Literals<'ast> {
    fn visit_lit_str(&mut self, node: &'ast syn::LitStr) {
        self.0.push(node);
    }
}
