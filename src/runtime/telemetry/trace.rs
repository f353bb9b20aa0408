//! The context of a trace between processes, by W3C Trace Context (`spec/observability.md` section 2).

use std::collections::HashSet;
use std::fmt;

use uuid::Uuid;

/// Most members of a `tracestate`; a longer list is no list of the standard.
const MOST_MEMBERS: usize = 32;

/// Most bytes of a `tracestate` that is passed on: 32 members as long as members may be do not fit, and are not met.
const LONGEST_STATE: usize = 8192;

/// Length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// The id of a trace; not all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// The id of a span; not all zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(pub [u8; 8]);

impl TraceId {
    /// A new one.
    pub fn new() -> Self {
        // Six bits of it are the same in all, so none is all zeros.
        Self(Uuid::new_v4().into_bytes())
    }
}

impl SpanId {
    /// A new one.
    pub fn new() -> Self {
        let [a, b, c, d, e, f, g, h, ..] = Uuid::new_v4().into_bytes();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl Default for TraceId {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for SpanId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a valid `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The trace.
    pub id: TraceId,
    /// The caller's span.
    pub span: SpanId,
    /// Whether the caller records it.
    pub sampled: bool,
}

/// The trace that a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Its id.
    pub id: TraceId,
    /// The caller's span, if the caller began the trace.
    pub parent: Option<SpanId>,
    /// Whether it is recorded.
    pub sampled: bool,
    /// The caller's `tracestate`.
    pub state: Option<String>,
}

/// The context in the `traceparent` headers of a request: one that is valid, or none.
///
/// Of two headers neither is right. A version that is not known yet is read as far as 00 goes.
pub fn continued(headers: &[&[u8]]) -> Option<Caller> {
    let &[header] = headers else {
        return None;
    };
    let text = std::str::from_utf8(header).ok()?;
    let known = text.get(..LENGTH)?;
    let rest = text.get(LENGTH..)?;
    let mut fields = known.split('-');
    let (version, id, span, flags) = (
        fields.next()?,
        fields.next()?,
        fields.next()?,
        fields.next()?,
    );
    if fields.next().is_some() {
        return None;
    }
    let [version] = hex::<1>(version)?;
    let ends_well = match version {
        0 => rest.is_empty(),
        0xff => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let (id, span) = (hex::<16>(id)?, hex::<8>(span)?);
    let [flags] = hex::<1>(flags)?;
    (ends_well && id != [0; 16] && span != [0; 8]).then_some(Caller {
        id: TraceId(id),
        span: SpanId(span),
        sampled: flags & 1 == 1,
    })
}

/// Bytes written as that many pairs of lower-case digits.
fn hex<const BYTES: usize>(text: &str) -> Option<[u8; BYTES]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() || pairs.len() != BYTES {
        return None;
    }
    let mut bytes = [0; BYTES];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let &[high, low] = pair else {
            return None;
        };
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

/// The `tracestate` headers of a request as one text, if they are a list by the standard; otherwise they are left out whole.
pub fn state(headers: &[&[u8]]) -> Option<String> {
    let texts: Option<Vec<&str>> = headers
        .iter()
        .map(|header| std::str::from_utf8(header).ok())
        .collect();
    let joined = texts?.join(",");
    if joined.len() > LONGEST_STATE {
        return None;
    }
    let members = joined
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']));
    // Empty members are allowed, and count for nothing.
    let members: Vec<&str> = members.filter(|member| !member.is_empty()).collect();
    let mut keys = HashSet::new();
    let valid = members.iter().all(|member| {
        member
            .split_once('=')
            .is_some_and(|(key, value)| is_key(key) && is_value(value) && keys.insert(key))
    });
    (valid && !members.is_empty() && members.len() <= MOST_MEMBERS).then_some(joined)
}

fn is_key(key: &str) -> bool {
    let rest = |text: &str| {
        text.bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/'))
    };
    let lower = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase());
    let lower_or_digit =
        |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    match key.split_once('@') {
        None => key.len() <= 256 && lower(key) && rest(key),
        Some((tenant, system)) => {
            tenant.len() <= 241
                && system.len() <= 14
                && lower_or_digit(tenant)
                && rest(tenant)
                && lower(system)
                && rest(system)
        }
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && value.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'=')
        && !value.ends_with(' ')
}

/// The header for a request of a span.
pub fn traceparent(id: TraceId, span: SpanId, sampled: bool) -> String {
    format!("00-{id}-{span}-{:02x}", u8::from(sampled))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_header_is_read() {
        let caller = continued(&[VALID.as_bytes()]).expect("valid");
        assert_eq!(caller.id.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(caller.span.to_string(), "00f067aa0ba902b7");
        assert!(caller.sampled);
        assert_eq!(traceparent(caller.id, caller.span, true), VALID);
        let not = VALID.replace("-01", "-00");
        assert!(!continued(&[not.as_bytes()]).expect("valid").sampled);
        // Other bits than the first are nobody's business yet.
        let others = VALID.replace("-01", "-fe");
        assert!(!continued(&[others.as_bytes()]).expect("valid").sampled);
    }

    #[test]
    fn a_future_version_is_read_as_far_as_it_is_known() {
        for ending in ["", "-", "-what-will-be"] {
            let text = format!("cc{}{ending}", &VALID[2..]);
            assert!(continued(&[text.as_bytes()]).is_some(), "{text}");
        }
        let text = format!("cc{}.more", &VALID[2..]);
        assert_eq!(continued(&[text.as_bytes()]), None);
    }

    #[test]
    fn what_is_not_valid_is_none() {
        let upper = VALID.to_uppercase();
        let longer = format!("{VALID}-00");
        for text in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "0-04bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-0f067aa0ba902b7-01",
            &upper,
            &longer,
        ] {
            assert_eq!(continued(&[text.as_bytes()]), None, "{text}");
        }
        assert_eq!(continued(&[VALID.as_bytes(), VALID.as_bytes()]), None);
        assert_eq!(continued(&[b"\xff"]), None);
        assert_eq!(continued(&[]), None);
    }

    #[test]
    fn a_state_is_passed_on_as_it_came_or_not_at_all() {
        for text in ["a=1", "a=1,b=2", "a=1 , b=2", "a=1,,b=2", "0t@s=x", "a= x"] {
            assert_eq!(state(&[text.as_bytes()]).as_deref(), Some(text));
        }
        assert_eq!(state(&[b"a=1", b"b=2"]).as_deref(), Some("a=1,b=2"));
        let many: Vec<String> = (0..33).map(|n| format!("k{n}=v")).collect();
        let long = format!("a={}", "x".repeat(257));
        for text in [
            "",
            ",",
            "a",
            "A=1",
            "a=",
            "a=1=2",
            "a=1,a=2",
            "1=a",
            "a@=1",
            "@s=1",
            "a=\u{e9}",
            &many.join(","),
            &long,
        ] {
            assert_eq!(state(&[text.as_bytes()]), None, "{text}");
        }
        assert_eq!(
            state(&[many[..32].join(",").as_bytes()]).map(|text| text.matches(',').count()),
            Some(31)
        );
        assert_eq!(state(&[]), None);
    }

    #[test]
    fn new_ids_are_not_zeros_and_differ() {
        let (a, b) = (TraceId::new(), TraceId::new());
        assert!(a != b && a.0 != [0; 16]);
        let (a, b) = (SpanId::new(), SpanId::new());
        assert!(a != b && a.0 != [0; 8]);
    }
}
