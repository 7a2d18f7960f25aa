//! `select!` must not draw lots.
//!
//! An unbiased `tokio::select!` asks a generator which branch to poll first, and `futures::select!` one that survives
//! from run to run: both make a simulated run depend on something besides its seed.

use proc_macro2::{TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Finding;
use crate::source::Source;

const RULE: &str = "select";

/// Findings of the file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut selects = Selects { path: &source.path, findings: Vec::new() };
    selects.visit_file(&source.file);
    selects.findings
}

struct Selects<'a> {
    path: &'a str,
    findings: Vec<Finding>,
}

impl<'ast> Visit<'ast> for Selects<'_> {
    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        let names: Vec<String> = node.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.check_call(&names, &node.tokens, node.path.span().start().line);
        self.check_tokens(&node.tokens);
        visit::visit_macro(self, node);
    }

    fn visit_item_use(&mut self, node: &'ast syn::ItemUse) {
        self.check_import(&node.tree, &mut Vec::new());
    }
}

impl Selects<'_> {
    fn check_call(&mut self, names: &[String], body: &TokenStream, line: usize) {
        let Some((last, before)) = names.split_last() else { return };
        if !last.starts_with("select") {
            return;
        }
        if before.first().is_some_and(|first| is_futures(first)) {
            self.find(
                line,
                format!("`{}!` is banned: use `tokio::select!` with `biased;`", names.join("::")),
            );
        } else if last == "select" && !is_biased(body) {
            self.find(line, "an unbiased `select!` draws lots: write `biased;` as its first line".to_owned());
        }
    }

    /// Calls inside the tokens of another macro, which the parser does not see as calls.
    fn check_tokens(&mut self, tokens: &TokenStream) {
        let trees: Vec<TokenTree> = tokens.clone().into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Group(group) => self.check_tokens(&group.stream()),
                TokenTree::Ident(ident) => {
                    let [TokenTree::Punct(bang), TokenTree::Group(body), ..] = &trees[index + 1..] else {
                        continue;
                    };
                    if bang.as_char() == '!' {
                        let mut names = path_before(&trees[..index]);
                        names.push(ident.to_string());
                        self.check_call(&names, &body.stream(), ident.span().start().line);
                    }
                }
                _ => {}
            }
        }
    }

    fn check_import(&mut self, tree: &syn::UseTree, before: &mut Vec<String>) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.check_import(&path.tree, before);
                before.pop();
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.check_import(tree, before);
                }
            }
            syn::UseTree::Name(name) => self.check_imported(&name.ident, before),
            syn::UseTree::Rename(rename) => self.check_imported(&rename.ident, before),
            syn::UseTree::Glob(_) => {}
        }
    }

    fn check_imported(&mut self, ident: &syn::Ident, before: &[String]) {
        let banned = ["select", "select_biased"].contains(&ident.to_string().as_str());
        if banned && before.len() == 1 && is_futures(&before[0]) {
            let text =
                format!("importing `{}::{ident}` is banned: use `tokio::select!` with `biased;`", before[0]);
            self.find(ident.span().start().line, text);
        }
    }

    fn find(&mut self, line: usize, text: String) {
        self.findings.push(Finding::new(RULE, self.path, line, text));
    }
}

fn is_futures(name: &str) -> bool {
    matches!(name, "futures" | "futures_util" | "futures_lite")
}

/// The `a::b::` that stands right before a token.
fn path_before(trees: &[TokenTree]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = trees;
    while let [before @ .., TokenTree::Ident(name), TokenTree::Punct(a), TokenTree::Punct(b)] = rest {
        if a.as_char() != ':' || b.as_char() != ':' {
            break;
        }
        names.insert(0, name.to_string());
        rest = before;
    }
    names
}

fn is_biased(body: &TokenStream) -> bool {
    let mut trees = body.clone().into_iter();
    let ident = matches!(trees.next(), Some(TokenTree::Ident(ident)) if ident == "biased");
    ident && matches!(trees.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == ';')
}
