//! Fenced code in Markdown, so that what a README shows is what runs.

/// One fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// What stands after the opening fence.
    pub(crate) language: String,
    /// The lines between the fences.
    pub(crate) text: String,
    /// Line of the opening fence, from 1.
    pub(crate) line: usize,
}

/// Every fenced block of `markdown`, in order.
pub(crate) fn fences(markdown: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<Fence> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Fence { language, text: String::new(), line: index + 1 });
            }
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(fence), None) => {
                fence.text.push_str(line);
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The commands of a shell block: no comments, no prompts, continued lines joined.
pub(crate) fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .map(|line| line.strip_prefix("$ ").unwrap_or(line).trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_keep_their_language_and_lines() {
        let found = fences("text\n```sh\ncargo xtask sim\n```\n\n```rust\nfn main() {}\n```\n");
        let expected = [("sh", "cargo xtask sim\n", 2), ("rust", "fn main() {}\n", 6)];
        assert_eq!(found.len(), expected.len());
        for (fence, (language, text, line)) in found.iter().zip(expected) {
            assert_eq!((fence.language.as_str(), fence.text.as_str(), fence.line), (language, text, line));
        }
    }

    #[test]
    fn commands_lose_prompts_and_comments() {
        let found = commands("# the demo\n$ cargo run -- demo   # three nodes\n\ncargo run \\\n  -- peers\n");
        assert_eq!(found, ["cargo run -- demo", "cargo run    -- peers"]);
    }
}
