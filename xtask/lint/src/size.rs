//! Files below 800 lines, functions below 70, and names that say something.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::Finding;
use crate::source::Source;

/// Longest file.
pub const FILE_LINES_MAX: usize = 800;
/// Longest function, from its first line to its closing brace, comments and attributes above it left out.
pub const FUNCTION_LINES_MAX: usize = 70;
/// Names that fit everything and say nothing.
pub const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "shared", "stuff"];

/// Findings of the file.
pub fn check(source: &Source) -> Vec<Finding> {
    let mut sizes = Sizes { path: &source.path, within: Vec::new(), findings: Vec::new() };
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let text = format!("{lines} lines, at most {FILE_LINES_MAX}: one file is one idea, split it");
        sizes.findings.push(Finding::new("file-length", &source.path, 0, text));
    }
    for part in source.path.trim_end_matches(".rs").split('/') {
        if EMPTY_NAMES.contains(&part) {
            let text = format!("`{part}` says nothing: name the file or folder after what it is");
            sizes.findings.push(Finding::new("empty-name", &source.path, 0, text));
        }
    }
    sizes.visit_file(&source.file);
    sizes.findings
}

struct Sizes<'a> {
    path: &'a str,
    within: Vec<String>,
    findings: Vec<Finding>,
}

impl Sizes<'_> {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.span().start().line;
        let lines = body.brace_token.span.close().end().line - first + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = signature.ident.to_string();
            let name = self.within.last().map_or_else(|| name.clone(), |owner| format!("{owner}::{name}"));
            let text =
                format!("`{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: give its steps names");
            self.findings.push(Finding::new("function-length", self.path, first, text).about(name));
        }
    }
}

impl<'ast> Visit<'ast> for Sizes<'_> {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.function(&node.sig, &node.block);
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.function(&node.sig, &node.block);
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(body) = &node.default {
            self.function(&node.sig, body);
        }
        visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_impl(&mut self, node: &'ast syn::ItemImpl) {
        let owner = match &*node.self_ty {
            syn::Type::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
            _ => None,
        };
        self.within.push(owner.unwrap_or_else(|| "impl".to_owned()));
        visit::visit_item_impl(self, node);
        self.within.pop();
    }

    fn visit_item_trait(&mut self, node: &'ast syn::ItemTrait) {
        self.within.push(node.ident.to_string());
        visit::visit_item_trait(self, node);
        self.within.pop();
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        let name = node.ident.to_string();
        if EMPTY_NAMES.contains(&name.as_str()) {
            let text = format!("module `{name}` says nothing: name it after what it is");
            self.findings.push(Finding::new("empty-name", self.path, node.ident.span().start().line, text));
        }
        visit::visit_item_mod(self, node);
    }
}
