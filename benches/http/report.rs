//! The table for the README.

use std::fmt::Write;

use crate::Outcome;

/// One line of the table.
pub struct Row {
    /// What was measured.
    pub what: String,
    /// What Atlas came to.
    pub atlas: String,
    /// What it is compared with, if anything.
    pub beside: String,
    /// How that is to be judged.
    pub verdict: Verdict,
}

/// A number beside its goal.
pub enum Verdict {
    /// Nothing was promised.
    NoGoal,
    /// A share of something else, without a goal.
    Told { ratio: f64 },
    /// A share of something else.
    Ratio { ratio: f64, goal: f64 },
    /// An amount that should stay small.
    Bound { met: bool, goal: String },
}

impl Verdict {
    /// The ratio should reach the goal.
    pub const fn at_least(ratio: f64, goal: f64) -> Self {
        Self::Ratio { ratio, goal }
    }

    /// The ratio is worth knowing.
    pub const fn told(ratio: f64) -> Self {
        Self::Told { ratio }
    }

    /// The value should stay under the goal.
    pub fn less_than(value: f64, goal: f64, unit: &str) -> Self {
        Self::Bound {
            met: value < goal,
            goal: format!("< {goal} {unit}"),
        }
    }

    fn cells(&self) -> [String; 3] {
        let yes_or_no = |met: bool| if met { "yes" } else { "no" }.to_owned();
        match self {
            Self::NoGoal => Default::default(),
            Self::Told { ratio } => [format!("{ratio:.2}"), String::new(), String::new()],
            Self::Ratio { ratio, goal } => [
                format!("{ratio:.2}"),
                format!(">= {goal:.2}"),
                yes_or_no(ratio >= goal),
            ],
            Self::Bound { met, goal } => [String::new(), goal.clone(), yes_or_no(*met)],
        }
    }
}

/// The rows as Markdown, below the machine they come from.
pub fn markdown(rows: &[Row]) -> Outcome<String> {
    let mut out = format!("{}\n\n", machine()?);
    out.push_str("| measured | Atlas | beside it | ratio | goal | met |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for row in rows {
        let Row {
            what,
            atlas,
            beside,
            verdict,
        } = row;
        let [ratio, goal, met] = verdict.cells();
        writeln!(
            out,
            "| {what} | {atlas} | {beside} | {ratio} | {goal} | {met} |"
        )?;
    }
    Ok(out)
}

fn machine() -> Outcome<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |model| {
            model.trim_start_matches([' ', '\t', ':'])
        });
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{model}, {cores} cores, Linux {}; load, Atlas and the bare handler share the cores. CPU is the server's, per request.",
        kernel.trim()
    ))
}
