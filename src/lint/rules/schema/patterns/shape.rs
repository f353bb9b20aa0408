//! The shape of a regular expression, as far as it tells how often an engine may have to try again.

/// Deepest nesting of groups that is followed.
const DEEPEST: usize = 32;

/// Longest expression that is looked at, in bytes.
const LONGEST: usize = 4096;

/// The characters that a part can match: a bit for each of ASCII, the last one for all others too.
type Chars = u128;

const OTHERS: Chars = 1 << 127;

/// A part of a sequence with how often it may stand.
#[derive(Debug, Clone)]
struct Item {
    chars: Chars,
    /// May be left out.
    optional: bool,
    /// May be repeated without end.
    endless: bool,
    /// What it consists of, when it is a group that stands once: its parts count as those of the sequence around it.
    parts: Vec<Item>,
}

/// How often a part stands.
#[derive(Debug, Default)]
struct Repetition {
    optional: bool,
    endless: bool,
    /// The most, or the least where there is no most, as far as they are counted out.
    rounds: u32,
}

/// From how many counted rounds on one that can be had in two ways takes too long.
const MANY: u32 = 16;

/// The first repetition of what repeats itself in a way that leaves open where one round ends and the next begins, in bytes.
///
/// A guess on the side of silence: what it finds takes exponential time in an engine that tries all ways, on some text.
pub(super) fn explosive(text: &str) -> Option<(usize, usize)> {
    if text.len() > LONGEST {
        return None;
    }
    let mut reader = Reader {
        chars: text.char_indices().collect(),
        at: 0,
        found: None,
        end: text.len(),
    };
    reader.choice(0);
    reader.found
}

/// Whether an expression has a choice outside of groups and classes.
pub(super) fn has_choice(text: &str) -> bool {
    let (mut depth, mut class, mut escaped) = (0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ']' => class = false,
            _ if class => {}
            '[' => class = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// The first of some marks that stands outside of classes and is not escaped; one that begins a class may.
pub(super) fn first_mark<'m>(text: &str, marks: &[&'m str]) -> Option<(usize, &'m str)> {
    let (mut class, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        if !class || c == '\\' {
            let rest = text.get(at..).unwrap_or_default();
            let here = marks.iter().find(|mark| rest.starts_with(**mark));
            // `\p{` is the same within a class; `\1` there is another thing.
            if let Some(mark) = here.filter(|mark| !class || mark.ends_with('{')) {
                return Some((at, mark));
            }
        }
        match c {
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
    }
    None
}

struct Reader {
    chars: Vec<(usize, char)>,
    at: usize,
    found: Option<(usize, usize)>,
    end: usize,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).map(|(_, c)| *c)
    }

    fn offset(&self) -> usize {
        self.chars
            .get(self.at)
            .map_or(self.end, |(offset, _)| *offset)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += usize::from(there);
        there
    }

    /// Alternatives up to the end of the group.
    fn choice(&mut self, depth: usize) -> Vec<Vec<Item>> {
        let mut all = vec![self.sequence(depth)];
        while self.eat('|') {
            all.push(self.sequence(depth));
        }
        all
    }

    fn sequence(&mut self, depth: usize) -> Vec<Item> {
        let mut items = Vec::new();
        while let Some(c) = self.peek() {
            if c == '|' || (c == ')' && depth > 0) {
                break;
            }
            let start = self.offset();
            let Some(alternatives) = self.atom(c, depth) else {
                continue;
            };
            let Repetition {
                optional,
                endless,
                rounds,
            } = self.repetition();
            let many = rounds >= MANY;
            if (endless || many)
                && self.found.is_none()
                && alternatives.iter().flatten().count() > 0
                && (is_open(&alternatives) || many && may_be_empty(&alternatives))
            {
                self.found = Some((start, self.offset()));
            }
            items.push(joined(alternatives, optional, endless));
        }
        items
    }

    /// One atom as alternatives of sequences; none for what matches no character.
    fn atom(&mut self, c: char, depth: usize) -> Option<Vec<Vec<Item>>> {
        self.at += 1;
        let one = |chars| {
            Some(vec![vec![Item {
                chars,
                optional: false,
                endless: false,
                parts: Vec::new(),
            }]])
        };
        match c {
            '^' | '$' => None,
            '.' => one(Chars::MAX & !bit('\n')),
            '[' => one(self.class()),
            '\\' => {
                let next = self.peek()?;
                self.at += 1;
                match next {
                    'b' | 'B' => None,
                    _ => one(escape(next)),
                }
            }
            '(' => {
                let looks = self.group_head();
                if depth >= DEEPEST {
                    self.at = self.chars.len();
                    return None;
                }
                let inside = self.choice(depth + 1);
                self.eat(')');
                if looks { None } else { Some(inside) }
            }
            other => one(bit(other)),
        }
    }

    /// What stands behind a group's parenthesis; whether the group only looks.
    fn group_head(&mut self) -> bool {
        if !self.eat('?') {
            return false;
        }
        match self.peek() {
            Some('=' | '!') => {
                self.at += 1;
                true
            }
            Some('<') => {
                self.at += 1;
                let looks = matches!(self.peek(), Some('=' | '!'));
                if looks {
                    self.at += 1;
                } else {
                    while self.peek().is_some_and(|c| c != '>') {
                        self.at += 1;
                    }
                    self.eat('>');
                }
                looks
            }
            _ => {
                while self.peek().is_some_and(|c| c != ':' && c != ')') {
                    self.at += 1;
                }
                self.eat(':');
                false
            }
        }
    }

    /// How often the atom before stands.
    fn repetition(&mut self) -> Repetition {
        let (optional, endless) = match self.peek() {
            Some('*') => (true, true),
            Some('+') => (false, true),
            Some('?') => (true, false),
            Some('{') => match self.counted() {
                Some(told) => {
                    self.eat('?');
                    return told;
                }
                None => return Repetition::default(),
            },
            _ => return Repetition::default(),
        };
        self.at += 1;
        self.eat('?');
        Repetition {
            optional,
            endless,
            rounds: 0,
        }
    }

    /// `{m}`, `{m,}` or `{m,n}`; the reader stays where it is when it is none of these.
    fn counted(&mut self) -> Option<Repetition> {
        let rest: String = self
            .chars
            .iter()
            .skip(self.at + 1)
            .take(16)
            .map(|(_, c)| *c)
            .collect();
        let (inside, _) = rest.split_once('}')?;
        let (least, most) = match inside.split_once(',') {
            Some((least, most)) => (least, Some(most)),
            None => (inside, None),
        };
        let least: u32 = least.parse().ok()?;
        let (endless, rounds) = match most {
            Some("") => (true, least),
            Some(most) => (false, most.parse::<u32>().ok()?),
            None => (false, least),
        };
        self.at += inside.chars().count() + 2;
        Some(Repetition {
            optional: least == 0,
            endless,
            rounds,
        })
    }

    fn class(&mut self) -> Chars {
        let negated = self.eat('^');
        let mut chars: Chars = 0;
        let mut before: Option<char> = None;
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                ']' => break,
                '\\' => {
                    let Some(next) = self.peek() else { break };
                    self.at += 1;
                    chars |= escape(next);
                    before = None;
                }
                '-' if before.is_some()
                    && self.peek().is_some_and(|next| next != ']' && next != '\\') =>
                {
                    let (from, to) = (before.take().unwrap_or('-'), self.peek().unwrap_or('-'));
                    self.at += 1;
                    chars |= range(from, to);
                }
                _ => {
                    chars |= bit(c);
                    before = Some(c);
                }
            }
        }
        if negated { !chars | OTHERS } else { chars }
    }
}

/// Whether rounds of these alternatives can be told apart in several ways.
fn is_open(alternatives: &[Vec<Item>]) -> bool {
    let within = alternatives.iter().any(|sequence| {
        let mut flat = Vec::new();
        flatten(sequence, &mut flat);
        let mut each = flat.iter().enumerate();
        each.any(|(index, item)| {
            let others = || {
                flat.iter()
                    .enumerate()
                    .filter(move |(other, _)| *other != index)
            };
            // Everything else can be left out, or be made of the same characters.
            item.endless
                && others().all(|(_, other)| other.optional || other.chars & item.chars != 0)
        })
    });
    let single: Vec<Chars> = alternatives
        .iter()
        .filter_map(|sequence| match sequence.as_slice() {
            [one] if !one.optional => Some(one.chars),
            _ => None,
        })
        .collect();
    let mut seen: Chars = 0;
    let meet = single.iter().any(|chars| {
        let meets = seen & chars != 0;
        seen |= chars;
        meets
    });
    within || (single.len() == alternatives.len() && meet)
}

/// Whether a round can also be nothing, so that it stays open which of the rounds hold something.
fn may_be_empty(alternatives: &[Vec<Item>]) -> bool {
    alternatives
        .iter()
        .any(|sequence| sequence.iter().all(|item| item.optional))
}

fn flatten<'i>(sequence: &'i [Item], flat: &mut Vec<&'i Item>) {
    for item in sequence {
        if item.parts.is_empty() {
            flat.push(item);
        } else {
            flatten(&item.parts, flat);
        }
    }
}

/// A group, or an atom, as one part of the sequence around it.
fn joined(mut alternatives: Vec<Vec<Item>>, optional: bool, endless: bool) -> Item {
    let chars = alternatives
        .iter()
        .flatten()
        .fold(0, |all, item| all | item.chars);
    let empty = alternatives
        .iter()
        .any(|sequence| sequence.iter().all(|item| item.optional));
    let inner_endless = alternatives.iter().flatten().any(|item| item.endless);
    let once = !optional && !endless && alternatives.len() == 1;
    let parts = match alternatives.pop() {
        Some(parts) if once && parts.len() > 1 => parts,
        _ => Vec::new(),
    };
    Item {
        chars,
        optional: optional || empty,
        endless: endless || inner_endless,
        parts,
    }
}

fn bit(c: char) -> Chars {
    match u32::from(c) {
        code if code < 127 => 1 << code,
        _ => OTHERS,
    }
}

fn range(from: char, to: char) -> Chars {
    let (from, to) = (u32::from(from), u32::from(to));
    let mut chars = if to >= 127 { OTHERS } else { 0 };
    for code in from..=to.min(126) {
        chars |= 1 << code;
    }
    chars
}

fn escape(c: char) -> Chars {
    let digits = range('0', '9');
    let word = digits | range('a', 'z') | range('A', 'Z') | bit('_');
    let space = bit(' ') | bit('\t') | bit('\n') | bit('\r') | (1 << 11) | (1 << 12);
    match c {
        'd' => digits,
        'D' => !digits,
        'w' => word,
        'W' => !word,
        's' => space | OTHERS,
        'S' => !space,
        'n' => bit('\n'),
        'r' => bit('\r'),
        't' => bit('\t'),
        'p' | 'P' | 'u' | 'x' | 'k' | 'c' => Chars::MAX,
        '1'..='9' => Chars::MAX,
        other => bit(other),
    }
}
