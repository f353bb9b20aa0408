//! Plots as inline SVG: lines over axes with marks at round numbers.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 46.0;

/// Colours that can be told apart without red and green.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999",
];

/// One line: a name and its points.
pub(super) struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

/// An axis: its name, its marks with their texts, and from where to where it goes.
pub(super) struct Axis {
    pub name: &'static str,
    pub marks: Vec<(f64, String)>,
    pub from: f64,
    pub to: f64,
}

impl Axis {
    /// An axis from 0, with marks at round numbers.
    pub fn linear(name: &'static str, most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 {
            most
        } else {
            1.0
        };
        let rough = most / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= rough)
            .unwrap_or(most);
        let count = (most / step).ceil() as usize;
        let marks = (0..=count.min(20))
            .map(|number| (number as f64 * step, label(number as f64 * step)))
            .collect();
        Self {
            name,
            marks,
            from: 0.0,
            to: count as f64 * step,
        }
    }

    fn share(&self, value: f64) -> f64 {
        let span = self.to - self.from;
        if span > 0.0 {
            ((value - self.from) / span).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

fn label(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A text inside SVG, where it is nothing but text.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The plot of lines; `diagonal` draws where both axes say the same.
pub(super) fn plot(
    title: &str,
    across: &Axis,
    up: &Axis,
    lines: &[Line<'_>],
    diagonal: bool,
) -> String {
    let x = |value: f64| LEFT + across.share(value) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - up.share(value) * (HEIGHT - TOP - BOTTOM);
    let legend = lines.len() as f64 * 18.0;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{}\">",
        HEIGHT + legend,
        escaped(title)
    );
    // Writing to a string cannot fail.
    for (value, text) in &across.marks {
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1}\"/><text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{3}</text>",
            x(*value),
            HEIGHT - BOTTOM,
            HEIGHT - BOTTOM + 16.0,
            escaped(text)
        );
    }
    for (value, text) in &up.marks {
        let _ = write!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{0}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{4}</text>",
            WIDTH - RIGHT,
            y(*value),
            LEFT - 6.0,
            y(*value) + 4.0,
            escaped(text)
        );
    }
    let _ = write!(
        out,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text><text transform=\"translate(14 {:.0}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0,
        escaped(across.name),
        (TOP + HEIGHT - BOTTOM) / 2.0,
        escaped(up.name)
    );
    if diagonal {
        let end = across.to.min(up.to);
        let _ = write!(
            out,
            "<line class=\"even\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            x(0.0),
            y(0.0),
            x(end),
            y(end)
        );
    }
    for ((line, colour), place) in lines.iter().zip(COLOURS.iter().cycle()).zip(0_u32..) {
        let points: Vec<String> = line
            .points
            .iter()
            .filter(|(at, value)| at.is_finite() && value.is_finite())
            .map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value)))
            .collect();
        let _ = write!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>",
            points.join(" ")
        );
        for point in &points {
            if let Some((at, value)) = point.split_once(',') {
                let _ = write!(
                    out,
                    "<circle cx=\"{at}\" cy=\"{value}\" r=\"2.5\" fill=\"{colour}\"/>"
                );
            }
        }
        let below = HEIGHT + f64::from(place) * 18.0;
        let _ = write!(
            out,
            "<rect x=\"{LEFT}\" y=\"{:.0}\" width=\"14\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{:.0}\">{}</text>",
            below + 4.0,
            LEFT + 20.0,
            below + 10.0,
            escaped(line.name)
        );
    }
    out.push_str("</svg>");
    out
}
