//! Which module of the core may import which.
//!
//! Arrows point one way. The machines (`link`, `membership`, `delivery`) know nothing of each other: what two of them
//! share lives lower, and only `engine` connects them.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::Finding;
use crate::source::Source;

const RULE: &str = "layer";

/// The modules of `core/src` from bottom to top. A module may import from the rows below its own, and from no other module
/// of its own row.
pub const LAYERS: [&[&str]; 12] = [
    &["time", "code", "marks", "inject", "json_text", "sequence_map"],
    &["crypto", "address", "metrics"],
    &["identity", "machine"],
    &["wire"],
    &["capability", "token"],
    &["access", "predicate"],
    &["config", "reassembly"],
    &["session"],
    &["link", "membership", "routing", "directory", "discovery", "delivery", "topics", "authority"],
    &["resilience"],
    &["engine"],
    &["testing"],
];

/// Plain data that a machine may import from another of its row: what it is called, and what wiring hands on.
pub const SHARED: [(&str, &[&str]); 1] =
    [("link", &["End", "LinkId", "Message", "StreamLane", "StreamOrder"])];

/// Findings of the file; only files of the core have layers.
pub fn check(source: &Source) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix("core/src/") else { return Vec::new() };
    let own = inside.split('/').next().unwrap_or_default().trim_end_matches(".rs");
    // Tests may put machines together.
    if own == "lib" || inside.ends_with("tests.rs") || inside.contains("/tests/") {
        return Vec::new();
    }
    let Some(row) = row_of(own) else {
        let text = format!("`{own}` has no layer: add it to LAYERS in xtask/lint/src/layers.rs");
        return vec![Finding::new(RULE, &source.path, 0, text)];
    };
    let mut imports = Imports { path: &source.path, own, row, findings: Vec::new() };
    imports.visit_file(&source.file);
    imports.findings
}

fn row_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

struct Imports<'a> {
    path: &'a str,
    own: &'a str,
    row: usize,
    findings: Vec<Finding>,
}

impl Imports<'_> {
    /// An import of `leaves` from the module `ident`.
    fn check(&mut self, ident: &proc_macro2::Ident, leaves: &[String]) {
        let module = ident.to_string();
        let Some(row) = row_of(&module) else { return };
        let shared = SHARED.iter().find(|(name, _)| *name == module).map_or(&[][..], |(_, names)| names);
        let plain = !leaves.is_empty() && leaves.iter().all(|leaf| shared.contains(&leaf.as_str()));
        if module == self.own || row < self.row || row == self.row && plain {
            return;
        }
        let way = if row == self.row { "sideways" } else { "upwards" };
        let text = format!("`{}` imports {way} from `{module}`: what both need belongs below them", self.own);
        let item = format!("{} -> {module}", self.own);
        self.findings.push(Finding::new(RULE, self.path, ident.span().start().line, text).about(item));
    }

    /// The modules named right after `crate::`.
    fn check_tree(&mut self, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                let mut leaves = Vec::new();
                leaves_of(&path.tree, &mut leaves);
                self.check(&path.ident, &leaves);
            }
            syn::UseTree::Name(name) => self.check(&name.ident, &[]),
            syn::UseTree::Rename(rename) => self.check(&rename.ident, &[]),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.check_tree(tree)),
            syn::UseTree::Glob(_) => {}
        }
    }

    fn check_tokens(&mut self, tokens: TokenStream) {
        let trees: Vec<TokenTree> = tokens.into_iter().collect();
        for (index, tree) in trees.iter().enumerate() {
            match tree {
                TokenTree::Group(group) => self.check_tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" => {
                    if let Some(TokenTree::Ident(module)) = trees.get(index + 3) {
                        let leaf = trees.get(index + 6).map(ToString::to_string);
                        self.check(module, leaf.as_slice());
                    }
                }
                _ => {}
            }
        }
    }
}

/// The first names below an imported module; a glob is one that nothing shares.
fn leaves_of(tree: &syn::UseTree, leaves: &mut Vec<String>) {
    match tree {
        syn::UseTree::Path(path) => leaves.push(path.ident.to_string()),
        syn::UseTree::Name(name) => leaves.push(name.ident.to_string()),
        syn::UseTree::Rename(rename) => leaves.push(rename.ident.to_string()),
        syn::UseTree::Group(group) => group.items.iter().for_each(|tree| leaves_of(tree, leaves)),
        syn::UseTree::Glob(_) => leaves.push("*".to_owned()),
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_use_path(&mut self, node: &'ast syn::UsePath) {
        if node.ident == "crate" {
            self.check_tree(&node.tree);
        }
    }

    fn visit_path(&mut self, node: &'ast syn::Path) {
        let mut segments = node.segments.iter();
        if let (Some(first), Some(second)) = (segments.next(), segments.next())
            && first.ident == "crate"
        {
            let leaf = segments.next().map(|third| third.ident.to_string());
            self.check(&second.ident, leaf.as_slice());
        }
        visit::visit_path(self, node);
    }

    fn visit_macro(&mut self, node: &'ast syn::Macro) {
        self.check_tokens(node.tokens.clone());
        visit::visit_macro(self, node);
    }

    fn visit_item_mod(&mut self, node: &'ast syn::ItemMod) {
        if node.ident != "tests" {
            visit::visit_item_mod(self, node);
        }
    }
}
