//! What one run of a load came to, and the middle of several.

use std::fmt;
use std::time::Duration;

use crate::Outcome;

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Answers a second.
    pub rate: f64,
    /// The middle of the latencies, in milliseconds.
    pub p50: f64,
    /// One answer in a hundred took longer, in milliseconds.
    pub p99: f64,
    /// Processor time of the server for one answer, in microseconds; 0 where there is no server.
    pub cpu: f64,
}

impl Sample {
    /// The sum of a run.
    pub fn of(mut latencies: Vec<Duration>, took: Duration, cpu: Duration) -> Outcome<Self> {
        if latencies.is_empty() {
            return Err("no answer came in the measured time".into());
        }
        latencies.sort_unstable();
        let at = |share: f64| {
            let place = (latencies.len() as f64 * share) as usize;
            latencies[place.min(latencies.len() - 1)].as_secs_f64() * 1e3
        };
        let count = latencies.len() as f64;
        Ok(Self {
            rate: count / took.as_secs_f64(),
            p50: at(0.50),
            p99: at(0.99),
            cpu: cpu.as_secs_f64() * 1e6 / count,
        })
    }

    /// The middle of several runs, number by number.
    pub fn middle(samples: &[Self]) -> Self {
        let of = |number: fn(&Self) -> f64| median(samples.iter().map(number).collect());
        Self {
            rate: of(|sample| sample.rate),
            p50: of(|sample| sample.p50),
            p99: of(|sample| sample.p99),
            cpu: of(|sample| sample.cpu),
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rate,
            p50,
            p99,
            cpu,
        } = self;
        let rate = thousands(*rate);
        write!(f, "{rate}/s, p50 {p50:.2} ms, p99 {p99:.2} ms")?;
        if *cpu > 0.0 {
            write!(f, ", CPU {cpu:.1} us")?;
        }
        Ok(())
    }
}

/// The middle of some numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let upper = numbers.get(numbers.len() / 2).copied().unwrap_or(0.0);
    if numbers.len().is_multiple_of(2) {
        let lower = numbers.len().checked_sub(2).map(|last| numbers[last / 2]);
        lower.map_or(upper, |lower| f64::midpoint(lower, upper))
    } else {
        upper
    }
}

/// A whole number with commas.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
