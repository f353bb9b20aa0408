//! Where the sentences of requirements stand: file and line of the specification.

use std::collections::BTreeMap;

use crate::embedded;
use crate::requirement::{Registry, Requirement};

/// The lines of requirements' sentences, by id.
#[derive(Debug, Default)]
pub struct Prose {
    lines: BTreeMap<String, usize>,
}

impl Prose {
    /// Looks up every requirement's sentence.
    pub fn of(registry: &Registry) -> Self {
        let mut sections: BTreeMap<&str, Vec<&Requirement>> = BTreeMap::new();
        for requirement in registry.iter() {
            sections
                .entry(&requirement.section)
                .or_default()
                .push(requirement);
        }
        let mut lines = BTreeMap::new();
        for (section, requirements) in sections {
            let Some(text) = embedded::text(&format!("spec/{section}.md")) else {
                continue;
            };
            let folded = Folded::new(&text);
            for requirement in requirements {
                if let Some(line) = folded.line_of(&requirement.quote) {
                    lines.insert(requirement.id.clone(), line);
                }
            }
        }
        Self { lines }
    }

    /// The line where a requirement's sentence begins, from 1; the first where it does not stand.
    pub fn line(&self, requirement: &Requirement) -> usize {
        self.lines.get(&requirement.id).copied().unwrap_or(1)
    }
}

/// The file that a requirement's sentence stands in.
pub fn file(requirement: &Requirement) -> String {
    format!("spec/{}.md", requirement.section)
}

/// A text whose white space is folded to single blanks, and where its lines went.
struct Folded {
    text: String,
    /// Where each word begins in `text`, with its line.
    words: Vec<(usize, usize)>,
}

impl Folded {
    fn new(text: &str) -> Self {
        let mut folded = Self {
            text: String::with_capacity(text.len()),
            words: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            for word in line.split_whitespace() {
                if !folded.text.is_empty() {
                    folded.text.push(' ');
                }
                folded.words.push((folded.text.len(), index + 1));
                folded.text.push_str(word);
            }
        }
        folded
    }

    fn line_of(&self, quote: &str) -> Option<usize> {
        let quote = quote.split_whitespace().collect::<Vec<_>>().join(" ");
        let at = self.text.find(&quote)?;
        let after = self.words.partition_point(|(begin, _)| *begin <= at);
        self.words.get(after.checked_sub(1)?).map(|(_, line)| *line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_found_across_lines_and_inside_words() {
        let folded = Folded::new("# Title\n\nFirst one. (A\n  reply) is\nfine.\n");
        assert_eq!(folded.line_of("First one."), Some(3));
        assert_eq!(folded.line_of("A reply) is fine."), Some(3));
        assert_eq!(folded.line_of("reply) is"), Some(4));
        assert_eq!(folded.line_of("absent"), None);
    }

    #[test]
    fn every_requirement_of_this_binary_has_a_line() {
        let registry = Registry::embedded();
        let prose = Prose::of(registry);
        for requirement in registry.iter() {
            assert!(
                prose.lines.contains_key(&requirement.id),
                "{}",
                requirement.id
            );
        }
    }
}
