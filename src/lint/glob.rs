//! Patterns of paths: `*` and `?` within a name, `**` for any number of folders.

/// Whether a path fits a pattern. A pattern without a slash is about the file's name, wherever the file lies.
pub fn fits(pattern: &str, path: &str) -> bool {
    let path = path.trim_start_matches("./");
    let pattern = pattern.trim_start_matches("./");
    if !pattern.contains('/') && pattern != "**" {
        return name_fits(pattern, path.rsplit('/').next().unwrap_or(path));
    }
    let parts: Vec<&str> = pattern.split('/').collect();
    let names: Vec<&str> = path.split('/').collect();
    wild(
        &parts,
        &names,
        |part| *part == "**",
        |part, name| name_fits(part, name),
    )
}

/// Whether one name fits one part of a pattern.
pub fn name_fits(part: &str, name: &str) -> bool {
    let part: Vec<char> = part.chars().collect();
    let name: Vec<char> = name.chars().collect();
    wild(
        &part,
        &name,
        |c| *c == '*',
        |c, other| *c == '?' || c == other,
    )
}

/// Whether a text is a pattern at all.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Only the last star is ever tried again, so the time is at most the product of both lengths.
fn wild<T>(
    pattern: &[T],
    text: &[T],
    is_star: impl Fn(&T) -> bool,
    fits: impl Fn(&T, &T) -> bool,
) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while let Some(item) = text.get(t) {
        match pattern.get(p) {
            Some(star) if is_star(star) => {
                again = Some((p, t));
                p += 1;
            }
            Some(one) if fits(one, item) => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = again else {
                    return false;
                };
                again = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern.iter().skip(p).all(is_star)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn paths_fit_their_patterns() {
        for (pattern, path, expected) in [
            ("*.json", "a.json", true),
            ("*.json", "deep/er/a.json", true),
            ("agents/*.json", "agents/a.json", true),
            ("agents/*.json", "agents/b/a.json", false),
            ("agents/**/*.json", "agents/a.json", true),
            ("agents/**/*.json", "agents/b/c/a.json", true),
            ("**/old/**", "x/old/a.yaml", true),
            ("**/old/**", "x/older/a.yaml", false),
            ("./agents/?.json", "agents/a.json", true),
            ("agents/a.json", "./agents/a.json", true),
            ("**", "x/y", true),
            ("a.json", "ba.json", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        assert!(!fits(&"*a".repeat(2_000), &"a".repeat(1_500)));
    }
}
