//! Numbers as JSON has them, compared exactly as far as they can be read.

use std::cmp::Ordering;

use serde_json::Number;

/// Which of two numbers is larger; 1.0 equals 1.
pub fn order(one: &Number, other: &Number) -> Ordering {
    match (whole(one), whole(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        _ => double(one).total_cmp(&double(other)),
    }
}

/// The number, when it has no fraction and is not beyond reach.
pub fn whole(number: &Number) -> Option<i128> {
    const MOST: f64 = 1e30;
    if let Some(whole) = number.as_i64() {
        return Some(i128::from(whole));
    }
    if let Some(whole) = number.as_u64() {
        return Some(i128::from(whole));
    }
    let double = double(number);
    // Within these bounds a double converts without loss.
    (double.fract() == 0.0 && double.abs() < MOST).then_some(double as i128)
}

/// The number as a double; never NaN, since JSON has none.
pub fn double(number: &Number) -> f64 {
    number.as_f64().unwrap_or(0.0)
}

/// Whether one number is a whole multiple of another, as far as that is sure.
pub fn is_multiple(number: &Number, of: &Number) -> bool {
    match (whole(number), whole(of)) {
        (_, Some(0)) => false,
        (Some(number), Some(of)) => number % of == 0,
        _ => {
            let times = double(number) / double(of);
            times.is_finite() && times.fract() == 0.0 && times.abs() < 9e15
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).expect("a number")
    }

    #[test]
    fn large_integers_are_not_taken_as_doubles() {
        let (one, other) = (number("9007199254740993"), number("9007199254740992"));
        assert_eq!(order(&one, &other), Ordering::Greater);
        assert_eq!(order(&number("1.0"), &number("1")), Ordering::Equal);
        assert_eq!(order(&number("-0.0"), &number("0")), Ordering::Equal);
        assert_eq!(order(&number("1.5"), &number("2")), Ordering::Less);
    }

    #[test]
    fn multiples() {
        assert!(is_multiple(&number("6"), &number("3")));
        assert!(is_multiple(&number("0.5"), &number("0.25")));
        assert!(!is_multiple(&number("5"), &number("3")));
        assert!(!is_multiple(&number("5"), &number("0")));
    }
}
