//! Requests over time as stacked bars by outcome, drawn by plotters, with the numbers as a table for those who can't
//! see them or want them exact. Colours come from the style sheet, which knows each outcome by the fill it has here.

use maud::{Markup, PreEscaped, html};
use plotters::prelude::{
    Color, DrawingAreaErrorKind, IntoDrawingArea, Polygon, RGBColor, SVGBackend,
};

use super::words::{count, counted};
use crate::domain::outcome::{Outcome, Outcomes};
use crate::domain::time::{Day, Timestamp};

/// The outcomes from the axis up, each with the fill that the style sheet knows it by.
const FILLS: [(Outcome, RGBColor); 4] = [
    (Outcome::Ok, RGBColor(0, 128, 96)),
    (Outcome::Replayed, RGBColor(0, 96, 192)),
    (Outcome::Refused, RGBColor(192, 128, 0)),
    (Outcome::Error, RGBColor(192, 0, 48)),
];

/// In the order of [`FILLS`].
fn counts(outcomes: Outcomes) -> [u64; 4] {
    FILLS.map(|(outcome, _)| u64::from(outcomes.of(outcome)))
}

/// `4,012 ok, 3 refused`.
fn words(outcomes: Outcomes) -> String {
    let named = counts(outcomes).into_iter().zip(FILLS);
    let words: Vec<String> = named
        .filter(|(number, _)| *number > 0)
        .map(|(number, (outcome, _))| format!("{} {}", count(number), outcome.as_str()))
        .collect();
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(", ")
    }
}

/// Requests a day.
pub(in crate::http) fn days(days: &[(Day, Outcomes)]) -> Markup {
    let bars: Vec<Bar> = days
        .iter()
        .map(|(day, outcomes)| (day.start().date(), *outcomes))
        .collect();
    figure("days", "Requests a day", "Day", &bars)
}

/// Requests a minute.
pub(in crate::http) fn hour(minutes: &[(Timestamp, Outcomes)]) -> Markup {
    let bars: Vec<Bar> = minutes
        .iter()
        .map(|(minute, outcomes)| (minute.minute(), *outcomes))
        .collect();
    figure("hour", "Requests a minute", "Minute", &bars)
}

/// A label and what is to be drawn over it.
type Bar = (String, Outcomes);

fn figure(id: &str, title: &str, unit: &str, bars: &[Bar]) -> Markup {
    let mut all = Outcomes::default();
    bars.iter().for_each(|(_, bar)| all += *bar);
    html! {
        figure.chart id=(id) {
            figcaption { h2 { (title) } (legend(all)) }
            (plot(title, all, bars))
            @if let (Some(first), Some(last)) = (bars.first(), bars.last()) {
                p.axis aria-hidden="true" { span { (first.0) } span { (last.0) } }
            }
            (numbers(title, unit, bars))
        }
    }
}

fn legend(all: Outcomes) -> Markup {
    html! {
        ul {
            @for ((outcome, _), number) in FILLS.iter().zip(counts(all)) {
                li class=(outcome.as_str()) { (outcome.explained()) " " b { (count(number)) } }
            }
        }
    }
}

/// Size of the drawing; it is stretched to the width of its place. 720 has room for 30 and 60 bars of whole units.
const WIDTH: u32 = 720;
const HEIGHT: u32 = 160;
/// What is there is seen: no bar is lower.
const LOWEST: u64 = 2;

fn plot(title: &str, all: Outcomes, bars: &[Bar]) -> Markup {
    let highest = bars.iter().map(|(_, bar)| bar.total()).max().unwrap_or(0);
    let top = ceiling(highest);
    let step = WIDTH as usize / bars.len().max(1);
    html! {
        div.plot {
            span aria-hidden="true" { (count(top)) }
            svg role="img" aria-label={ (title) ": " (words(all)) }
                preserveAspectRatio="none" viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                (PreEscaped(drawing(bars, top)))
                g fill="none" pointer-events="all" {
                    @for (at, (label, bar)) in bars.iter().enumerate() {
                        path d={ "M" (at * step) " 0h" (step) "v" (HEIGHT) "h-" (step) "z" } {
                            title { (label) ": " (words(*bar)) }
                        }
                    }
                }
            }
        }
    }
}

/// The next round number: one digit that halves or thirds well, with zeros.
fn ceiling(highest: u64) -> u64 {
    let tens = std::iter::successors(Some(1_u64), |ten| ten.checked_mul(10));
    tens.flat_map(|ten| [1, 2, 3, 4, 6, 8].map(|digit| ten.saturating_mul(digit)))
        .find(|top| *top >= highest)
        .unwrap_or(u64::MAX)
}

/// The bars as SVG.
fn drawing(bars: &[Bar], top: u64) -> String {
    let mut svg = String::new();
    // Writing into a string can't fail; and without the drawing, there is the table.
    let _ = draw(&mut svg, bars, top);
    svg
}

/// One outline an outcome, from the axis up to where its part of each bar ends. The highest is drawn first, so that
/// those below cover it up to where they end themselves.
fn draw(
    svg: &mut String,
    bars: &[Bar],
    top: u64,
) -> Result<(), DrawingAreaErrorKind<std::io::Error>> {
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    for (at, (_, fill)) in FILLS.iter().enumerate().rev() {
        if bars.iter().any(|(_, bar)| counts(*bar)[at] > 0) {
            area.draw(&Polygon::new(outline(bars, at, top), fill.filled()))?;
        }
    }
    area.present()
}

/// The outline of the first outcomes, up to and with this one.
fn outline(bars: &[Bar], last: usize, top: u64) -> Vec<(i32, i32)> {
    let step = WIDTH as usize / bars.len().max(1);
    let mut points = vec![(0, pixel(HEIGHT.into()))];
    for (at, (_, bar)) in bars.iter().enumerate() {
        let height: u64 = counts(*bar)[..=last]
            .iter()
            .map(|number| units(*number, top))
            .sum();
        let y = pixel(u64::from(HEIGHT).saturating_sub(height));
        if points.last().is_some_and(|(_, before)| *before != y) {
            let x = pixel((at * step) as u64);
            points.extend(points.last().map(|(_, before)| (x, *before)));
            points.push((x, y));
        }
    }
    let end = pixel((bars.len() * step) as u64);
    points.extend(points.last().map(|(_, before)| (end, *before)));
    points.push((end, pixel(HEIGHT.into())));
    points.dedup();
    points
}

/// The height of a number of requests.
fn units(number: u64, top: u64) -> u64 {
    let share = u128::from(number) * u128::from(HEIGHT) / u128::from(top.max(1));
    let least = if number > 0 { LOWEST } else { 0 };
    u64::try_from(share).unwrap_or(u64::from(HEIGHT)).max(least)
}

fn pixel(units: u64) -> i32 {
    i32::try_from(units).unwrap_or(i32::MAX)
}

fn numbers(title: &str, unit: &str, bars: &[Bar]) -> Markup {
    html! {
        details {
            summary { "Numbers" }
            div.scroll tabindex="0" role="region" aria-label={ (title) ", in numbers" } {
                table {
                    caption.unseen { (title) ", " (counted(bars.len() as u64, "row")) ", latest last" }
                    thead {
                        tr {
                            th scope="col" { (unit) }
                            @for (outcome, _) in FILLS { th scope="col" { (outcome.as_str()) } }
                        }
                    }
                    tbody {
                        @for (label, bar) in bars {
                            tr { th { (label) } @for number in counts(*bar) { td { (count(number)) } } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(ok: usize, refused: usize) -> Bar {
        let mut outcomes = Outcomes::default();
        (0..ok).for_each(|_| outcomes.count(Outcome::Ok));
        (0..refused).for_each(|_| outcomes.count(Outcome::Refused));
        ("12:03".to_owned(), outcomes)
    }

    #[test]
    fn the_axis_ends_in_a_round_number() {
        let tops = [0, 1, 3, 10, 11, 499, 5_001].map(ceiling);
        assert_eq!(tops, [1, 1, 3, 10, 20, 600, 6_000]);
    }

    #[test]
    fn an_outline_follows_the_bars_and_ends_on_the_axis() {
        let bars = [bar(100, 0), bar(100, 0), bar(50, 50)];
        let ok = [(0, 160), (0, 0), (480, 0), (480, 80), (720, 80), (720, 160)];
        assert_eq!(outline(&bars, 0, 100), ok);
        assert_eq!(
            outline(&bars, 3, 100),
            [(0, 160), (0, 0), (720, 0), (720, 160)]
        );
    }

    #[test]
    fn one_among_many_is_seen() {
        assert_eq!(units(1, 1_000_000), LOWEST);
        assert_eq!(units(0, 1_000_000), 0);
    }

    #[test]
    fn a_drawing_has_no_style_of_its_own_and_only_what_happened() {
        let svg = drawing(&[bar(1, 0), bar(2, 1)], 5);
        assert!(!svg.contains("style"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 2);
        assert!(!drawing(&[bar(0, 0)], 1).contains("<polygon"));
    }
}
