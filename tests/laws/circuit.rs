//! The circuit breaker passes what a naive model passes, and is never stuck.

use std::collections::HashSet;
use std::time::Duration;

use atlas::domain::circuit::{Circuit, Pass};
use atlas::domain::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::START;

/// The rules told as plainly as they can be: every pass has a number, and it is known which of them still count.
#[derive(Default)]
struct Model {
    failures: u32,
    count: HashSet<usize>,
    opened: Option<Opened>,
}

struct Opened {
    at: u64,
    failed_probes: u32,
    /// A probe was given up, so there is nothing left to wait for.
    rested: bool,
    probe: Option<usize>,
}

impl Model {
    /// None for a pass, else how long to wait, in milliseconds.
    fn ask(&mut self, number: usize, now: u64) -> Option<u64> {
        let Some(opened) = &mut self.opened else {
            self.count.insert(number);
            return None;
        };
        let over = opened.at + (1_000_u64 << opened.failed_probes.min(10)).min(30_000);
        if opened.probe.is_some() {
            return Some(1_000);
        }
        if now < over && !opened.rested {
            return Some(over - now);
        }
        opened.probe = Some(number);
        None
    }

    fn note(&mut self, number: usize, ok: bool, now: u64) {
        if let Some(opened) = &mut self.opened {
            if opened.probe == Some(number) && ok {
                self.opened = None;
            } else if opened.probe == Some(number) {
                let failed_probes = opened.failed_probes + 1;
                *opened = Opened {
                    at: now,
                    failed_probes,
                    rested: false,
                    probe: None,
                };
            }
        } else if self.count.remove(&number) {
            self.failures = if ok { 0 } else { self.failures + 1 };
            if self.failures == 5 {
                self.failures = 0;
                self.count.clear();
                self.opened = Some(Opened {
                    at: now,
                    failed_probes: 0,
                    rested: false,
                    probe: None,
                });
            }
        }
    }

    fn give_up(&mut self, number: usize) {
        self.count.remove(&number);
        if let Some(opened) = &mut self.opened
            && opened.probe == Some(number)
        {
            opened.probe = None;
            opened.rested = true;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask,
    /// What came of the oldest, or a later one, of the passes that are out.
    Note {
        of: usize,
        ok: bool,
    },
    GiveUp {
        of: usize,
    },
    Wait {
        millis: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Ask),
        6 => (0_usize..4, prop::bool::weighted(0.15)).prop_map(|(of, ok)| Step::Note { of, ok }),
        1 => (0_usize..4).prop_map(|of| Step::GiveUp { of }),
        2 => prop_oneof![0_u64..1_200, 0_u64..40_000].prop_map(|millis| Step::Wait { millis }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_circuit_passes_what_the_model_passes_and_is_never_stuck(steps in vec(step(), 1..150)) {
        let (mut circuit, mut model) = (Circuit::default(), Model::default());
        let (mut now, mut out) = (START, Vec::<(usize, Pass)>::new());
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Ask => match (circuit.ask(|| Timestamp::from_millis(now)), model.ask(number, now)) {
                    (Ok(pass), None) => {
                        prop_assert_eq!(pass.is_probe(), model.opened.is_some());
                        out.push((number, pass));
                    }
                    (Err(wait), Some(millis)) => prop_assert_eq!(wait, Duration::from_millis(millis)),
                    (asked, expected) => prop_assert!(false, "{asked:?}, {expected:?}"),
                },
                Step::Note { of, ok } if of < out.len() => {
                    let (number, pass) = out.remove(of);
                    circuit.note(pass, ok, || Timestamp::from_millis(now));
                    model.note(number, ok, now);
                }
                Step::GiveUp { of } if of < out.len() => {
                    let (number, pass) = out.remove(of);
                    circuit.give_up(pass);
                    model.give_up(number);
                }
                Step::Note { .. } | Step::GiveUp { .. } => (),
                Step::Wait { millis } => now += millis,
            }
        }
        out.into_iter().for_each(|(_, pass)| circuit.give_up(pass));
        prop_assert!(circuit.ask(|| Timestamp::from_millis(now + 30_000)).is_ok());
    }
}
