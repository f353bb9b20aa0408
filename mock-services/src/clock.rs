//! RFC 3339 date-times as instants, just enough to tell whether two events overlap.

/// Milliseconds since 1970 of an RFC 3339 date-time; `None` for anything else.
pub(crate) fn instant(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() {
        return None;
    }
    let marks = [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')];
    let marked =
        marks.iter().all(|&(at, mark)| bytes[at] == mark) && matches!(bytes[10], b'T' | b't');
    if !marked {
        return None;
    }
    let (year, month, day) = (
        number(&text[0..4])?,
        number(&text[5..7])?,
        number(&text[8..10])?,
    );
    let (hour, minute, second) = (
        number(&text[11..13])?,
        number(&text[14..16])?,
        number(&text[17..19])?,
    );
    let valid = (1..=12).contains(&month)
        && (1..=days_in(year, month)).contains(&day)
        && hour <= 23
        && minute <= 59
        && second <= 60;
    if !valid {
        return None;
    }
    let (millis, zone) = fraction(&text[19..])?;
    let seconds = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
        - offset(zone)?;
    Some(seconds * 1000 + millis)
}

fn number(digits: &str) -> Option<i64> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Milliseconds of an optional fraction, and what follows it.
fn fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let end = rest.bytes().position(|byte| !byte.is_ascii_digit())?;
    if end == 0 {
        return None;
    }
    let padded: String = rest[..end].chars().chain("00".chars()).take(3).collect();
    Some((number(&padded)?, &rest[end..]))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone[1..].split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3600 + minutes * 60))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, years 0 to 9999.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Leap years before `year`, counting year 0 as one.
    let leaps = if year == 0 {
        0
    } else {
        (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400 + 1
    };
    let months: i64 = (1..month).map(|month| days_in(year, month)).sum();
    year * 365 + leaps + months + day - 1 - 719_528
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants() {
        assert_eq!(instant("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(instant("2026-01-01T00:00:00Z"), Some(1_767_225_600_000));
        assert_eq!(
            instant("2026-04-03T10:00:00-07:00"),
            instant("2026-04-03T17:00:00Z")
        );
        assert_eq!(
            instant("2000-02-29t23:59:59.5+00:30"),
            Some(951_866_999_500)
        );
        assert_eq!(instant("1970-01-01T00:00:00.1239Z"), Some(123));
        assert_eq!(instant("0000-01-01T00:00:00Z"), Some(-62_167_219_200_000));
    }

    #[test]
    fn other_texts_are_refused() {
        let bad = [
            "",
            "tomorrow",
            "2026-04-03",
            "2026-04-03T10:00:00",
            "2026-02-29T10:00:00Z",
            "2026-13-01T10:00:00Z",
            "2026-04-03T24:00:00Z",
            "2026-04-03T10:00:00.Z",
            "2026-04-03T10:00:00.5",
            "2026-04-03T10:00:00+7:00",
            "2026-04-03T10:00:00+24:00",
            "2026-04-03 10:00:00Z",
            "+026-04-03T10:00:00Z",
            "2026-04-03T10:00:00ZZ",
            "２０２６-04-03T10:00Z",
        ];
        for text in bad {
            assert_eq!(instant(text), None, "{text}");
        }
    }
}
