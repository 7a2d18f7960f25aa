//! Reading the text format of Prometheus, as far as a node writes it.

use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// The samples of a page, by name.
#[derive(Debug, Default)]
pub(super) struct Reading(BTreeMap<String, Vec<Sample>>);

/// A line of a page.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample {
    pub(super) labels: BTreeMap<String, String>,
    pub(super) value: f64,
}

impl Sample {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    fn has(&self, labels: &[(&str, &str)]) -> bool {
        labels.iter().all(|(name, value)| self.label(name) == *value)
    }
}

impl Reading {
    /// `None` where a line is neither a comment nor a sample.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut samples = BTreeMap::<String, Vec<Sample>>::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, sample) = parse_line(line)?;
            samples.entry(name).or_default().push(sample);
        }
        Some(Self(samples))
    }

    pub(super) fn samples(&self, name: &str) -> &[Sample] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }

    /// The sum of all samples of a name that have these labels.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples(name).iter().filter(|sample| sample.has(labels)).map(|sample| sample.value).sum()
    }

    /// The first of them.
    pub(super) fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        self.samples(name).iter().find(|sample| sample.has(labels)).map(|sample| sample.value)
    }

    /// The buckets of a distribution: bounds, with how many are not above.
    pub(super) fn buckets(&self, name: &str, labels: &[(&str, &str)]) -> Vec<(f64, f64)> {
        let samples = self.samples(&format!("{name}_bucket"));
        let bucket = |sample: &Sample| Some((sample.label("le").parse().ok()?, sample.value));
        samples.iter().filter(|sample| sample.has(labels)).filter_map(bucket).collect()
    }
}

fn parse_line(line: &str) -> Option<(String, Sample)> {
    let name_len = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
    let (name, mut rest) = line.split_at(name_len);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let (value, after) = parse_value(after)?;
            labels.insert(label.to_owned(), value);
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    let value = rest.trim().parse().ok()?;
    Some((name.to_owned(), Sample { labels, value }))
}

/// The value of a label up to its closing quote, and what follows. What a terminal would obey is left out.
fn parse_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push(' '),
                c if c.is_control() => {}
                c => value.push(c),
            },
            c if c.is_control() => {}
            c => value.push(c),
        }
    }
    None
}
