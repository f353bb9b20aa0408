//! One file with all its mutants, each behind its switch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::sites::{Change, Form, Site, sites};

/// A file with its mutants.
pub struct Rewritten {
    /// Its new text.
    pub text: String,
    /// The mutants in it.
    pub mutants: Vec<Mutant>,
}

/// One mutant.
pub struct Mutant {
    /// What switches it on.
    pub number: u32,
    /// Line of the original file, from 1.
    pub line: usize,
    /// The function it is in.
    pub function: String,
    /// What is changed.
    pub change: String,
    /// Which of the equal changes in this function, from 1.
    pub nth: usize,
    /// Its own text in the new file, in bytes.
    pub mutated: Range<usize>,
    /// All of its place in the new file, in bytes.
    pub site: Range<usize>,
}

/// Rewrites a file. `number` is the last one given; the mutants in `dropped` get theirs too, but are left out.
pub fn rewrite(
    source: &str,
    number: &mut u32,
    dropped: &BTreeSet<u32>,
) -> Result<Rewritten, syn::Error> {
    let sites = sites(source, &syn::parse_file(source)?);
    let mut writer = Writer {
        source,
        sites: &sites,
        next: 0,
        number,
        dropped,
        counts: BTreeMap::new(),
        text: String::with_capacity(source.len() * 2),
        mutants: Vec::new(),
    };
    writer.copy(0..source.len());
    Ok(Rewritten {
        text: writer.text,
        mutants: writer.mutants,
    })
}

struct Writer<'a> {
    source: &'a str,
    sites: &'a [Site],
    /// The site that comes next.
    next: usize,
    number: &'a mut u32,
    dropped: &'a BTreeSet<u32>,
    counts: BTreeMap<(String, String), usize>,
    text: String,
    mutants: Vec<Mutant>,
}

impl<'a> Writer<'a> {
    /// Copies a part of the source, with the sites in it.
    fn copy(&mut self, part: Range<usize>) {
        let mut at = part.start;
        while let Some(site) = self.sites.get(self.next) {
            if site.range.start >= part.end {
                break;
            }
            self.next += 1;
            self.plain(at..site.range.start);
            self.site(site);
            at = site.range.end;
        }
        self.plain(at..part.end);
    }

    fn plain(&mut self, part: Range<usize>) {
        self.text
            .push_str(self.source.get(part).unwrap_or_default());
    }

    fn site(&mut self, site: &'a Site) {
        let start = self.text.len();
        let mut own = Vec::new();
        match &site.form {
            Form::Return(changes) => {
                for change in changes {
                    let Some(mutant) = self.take(site, change) else {
                        continue;
                    };
                    self.plainly(&format!(" if crate::blind::on({}) {{ ", mutant.number));
                    own.push(self.write(mutant, &format!("return {};", change.text)));
                    self.plainly(" }");
                }
            }
            Form::Expression(changes) => {
                for change in changes {
                    let Some(mutant) = self.take(site, change) else {
                        continue;
                    };
                    self.plainly(if own.is_empty() { "(" } else { "" });
                    self.plainly(&format!("if crate::blind::on({}) {{ ", mutant.number));
                    own.push(self.write(mutant, &change.text));
                    self.plainly(" } else ");
                }
                if own.is_empty() {
                    self.copy(site.range.clone());
                } else {
                    self.plainly("{ (");
                    self.copy(site.range.clone());
                    self.plainly(") })");
                }
            }
            Form::Guard {
                constant: [always, never],
                arm,
            } => {
                let arm = arm.as_ref();
                let steps = [
                    (arm, "!", "&&"),
                    (Some(always), "", "||"),
                    (Some(never), "!", "&&"),
                ];
                for (change, sign, then) in steps {
                    self.plainly("(");
                    if let Some(mutant) = change.and_then(|change| self.take(site, change)) {
                        let switch = format!("{sign}crate::blind::on({})", mutant.number);
                        own.push(self.write(mutant, &switch));
                        self.plainly(&format!(" {then} "));
                    }
                }
                self.plainly("(");
                self.copy(site.range.clone());
                self.plainly("))))");
            }
            Form::Arm(change) => {
                if let Some(mutant) = self.take(site, change) {
                    self.plainly(" if ");
                    let switch = format!("!crate::blind::on({})", mutant.number);
                    own.push(self.write(mutant, &switch));
                }
            }
        }
        let end = self.text.len();
        for index in own {
            if let Some(mutant) = self.mutants.get_mut(index) {
                mutant.site = start..end;
            }
        }
    }

    fn plainly(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// The next mutant, unless it is left out.
    fn take(&mut self, site: &Site, change: &Change) -> Option<Mutant> {
        *self.number += 1;
        let number = *self.number;
        let count = self
            .counts
            .entry((site.function.clone(), change.what.clone()))
            .or_default();
        *count += 1;
        (!self.dropped.contains(&number)).then(|| Mutant {
            number,
            line: site.line,
            function: site.function.clone(),
            change: change.what.clone(),
            nth: *count,
            mutated: 0..0,
            site: 0..0,
        })
    }

    /// Writes a mutant's own text; its index.
    fn write(&mut self, mutant: Mutant, text: &str) -> usize {
        let start = self.text.len();
        self.text.push_str(text);
        self.mutants.push(Mutant {
            mutated: start..self.text.len(),
            ..mutant
        });
        self.mutants.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(source: &str, dropped: &[u32]) -> (String, Vec<String>) {
        let dropped = dropped.iter().copied().collect();
        let rewritten = rewrite(source, &mut 0, &dropped).expect("Rust");
        syn::parse_file(&rewritten.text).expect("Rust");
        let mutants = rewritten.mutants.iter();
        let named = mutants.map(|mutant| {
            format!(
                "{} {} [{}] {}",
                mutant.number, mutant.function, mutant.nth, mutant.change
            )
        });
        (rewritten.text.clone(), named.collect())
    }

    #[test]
    fn mutants_within_stand_in_the_original_branch_only() {
        let (text, mutants) = rewritten(
            "fn f(a: u8, b: bool) { if a as usize == 1 && !b { g() } }",
            &[],
        );
        assert_eq!(
            text,
            "fn f(a: u8, b: bool) { if crate::blind::on(1) { return (); } if (if crate::blind::on(2) { (a as usize == 1) || (!b) } \
             else { ((if crate::blind::on(3) { (a as usize) != (1) } else { (a as usize == 1) }) && \
             (if crate::blind::on(4) { b } else { (!b) })) }) { g() } }"
        );
        assert_eq!(
            mutants,
            [
                "1 f [1] return ()",
                "2 f [1] replace && with ||",
                "3 f [1] replace == with !=",
                "4 f [1] delete !"
            ]
        );
    }

    #[test]
    fn arms_and_guards_are_switched() {
        let source =
            "impl A { fn f(&self) -> u8 { match self.a { 1 => 1, b if b > 2 => 2, _ => 3 } } }";
        let (text, mutants) = rewritten(source, &[1, 2, 8, 9]);
        assert_eq!(
            text,
            "impl A { fn f(&self) -> u8 { match self.a { 1 if !crate::blind::on(3) => 1, b if \
             (!crate::blind::on(4) && (crate::blind::on(5) || (!crate::blind::on(6) && ((if crate::blind::on(7) { (b) == (2) } \
             else { (b > 2) }))))) => 2, _ => 3 } } }"
        );
        assert_eq!(
            mutants,
            [
                "3 A::f [1] delete match arm 1",
                "4 A::f [1] delete match arm b",
                "5 A::f [1] replace guard of match arm b with true",
                "6 A::f [1] replace guard of match arm b with false",
                "7 A::f [1] replace > with =="
            ]
        );
    }

    #[test]
    fn what_is_constant_or_for_tests_is_left_alone() {
        for source in [
            "const A: u8 = 1 + 2; static B: bool = !true;",
            "const fn f() -> u8 { 1 + 2 }",
            "#[cfg(test)] mod tests { fn f() -> u8 { 1 + 2 } }",
            "#[test] fn f() { assert!(1 == 2) }",
            "impl Default for A { fn default() -> Self { Self(1 + 2) } }",
            "fn f() {}",
            "fn f(a: Option<u8>) -> ! { if let Some(b) = a && b.c() { d() } loop {} }",
        ] {
            assert_eq!(rewritten(source, &[]), (source.to_owned(), vec![]));
        }
    }

    #[test]
    fn a_body_that_returns_the_value_anyway_is_no_mutant() {
        let (_, mutants) = rewritten("fn f() -> Result<Option<bool>, E> { Ok(None) }", &[]);
        assert_eq!(
            mutants,
            [
                "1 f [1] return Ok(Some(true))",
                "2 f [1] return Ok(Some(false))"
            ]
        );
    }
}
