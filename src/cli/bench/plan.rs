//! What a load is to be, from options, and the command that does the same again.

use std::time::Duration;

use super::super::failure::Failure;
use super::super::run::seed_from_clock;
use super::contenders::Named;
use super::{Arrivals, Asked, Bench};
use crate::bench::Workload;
use crate::bench::schedule::Spread;
use crate::bench::terms::{MOST_RATE, Plan, Rate};
use crate::suite::report::text::shell_word;

impl Bench {
    /// The whole plan.
    pub(super) fn plan(&self, contenders: usize, named: &[Named]) -> Result<Plan, Failure> {
        let workloads = match (self.workload, &self.mix) {
            (Asked::One(_), Some(_)) => {
                return Err(Failure::usage("--mix is for --workload mixed"));
            }
            (Asked::One(workload), None) => vec![(workload, 1)],
            (Asked::Mixed, Some(mix)) => mix.0.clone(),
            (Asked::Mixed, None) => Workload::ALL.map(|one| (one, one.weight())).to_vec(),
        };
        let too_short =
            |what: &str| Failure::usage(format!("{what} is too short; give it 10ms or more"));
        let slices = self
            .slices
            .map_or(if contenders > 1 { 8 } else { 1 }, usize::from);
        let slice = self.time / u32::try_from(slices).unwrap_or(1);
        if slice < Duration::from_millis(10) {
            return Err(too_short("--for, or one of its slices,"));
        }
        if self.timeout < Duration::from_millis(10) {
            return Err(too_short("--timeout"));
        }
        let rate = match (self.ramp, self.find_knee) {
            (Some((from, to)), _) => Rate::Ramp(from, to),
            (None, true) => Rate::Knee(
                self.rate.unwrap_or(10.0),
                self.most_rate.unwrap_or(MOST_RATE),
            ),
            (None, false) => Rate::Fixed(self.rate.unwrap_or(10.0)),
        };
        let hold = if self.hold.is_empty() && self.find_knee {
            vec!["p99=100ms".parse().map_err(Failure::harness)?]
        } else {
            self.hold.clone()
        };
        let seed = self.seed.unwrap_or_else(seed_from_clock);
        Ok(Plan {
            workloads,
            rate,
            time: self.time,
            warm_up: self.warm_up,
            slices: if self.find_knee { 1 } else { slices },
            spread: match self.arrivals {
                Arrivals::Poisson => Spread::Poisson,
                Arrivals::Even => Spread::Even,
            },
            seed,
            salt: seed_from_clock(),
            connections: usize::from(self.connections),
            most_outstanding: self.most_outstanding as usize,
            error_budget: self.error_budget,
            fail_above: self.fail_above.clone(),
            hold,
            timeout: self.timeout,
            command: self.command(named, seed, rate, slices),
        })
    }

    /// The command that does the same again.
    fn command(&self, named: &[Named], seed: u64, rate: Rate, slices: usize) -> String {
        let mut words = vec!["oap-conform bench".to_owned()];
        for one in named {
            let contender = format!("{}={}", one.name, one.choice.words().join(" "));
            words.push(format!("--contender {}", shell_word(&contender)));
        }
        words.push(match self.workload {
            Asked::One(workload) => format!("--workload {workload}"),
            Asked::Mixed => "--workload mixed".to_owned(),
        });
        if let Some(mix) = &self.mix {
            let mix: Vec<String> = mix
                .0
                .iter()
                .map(|(name, weight)| format!("{name}={weight}"))
                .collect();
            words.push(format!("--mix {}", mix.join(",")));
        }
        words.push(match rate {
            Rate::Fixed(rate) => format!("--rate {rate} --slices {slices}"),
            Rate::Ramp(from, to) => format!("--ramp {from}..{to} --slices {slices}"),
            Rate::Knee(first, most) => format!("--find-knee --rate {first} --most-rate {most}"),
        });
        words.extend(self.hold.iter().map(|bound| format!("--hold {bound}")));
        words.extend(
            self.fail_above
                .iter()
                .map(|bound| format!("--fail-above {bound}")),
        );
        let millis = |time: Duration| format!("{}ms", time.as_secs_f64() * 1e3);
        words.push(format!(
            "--for {} --warm-up {} --timeout {} --arrivals {} --seed {seed} --connections {} --most-outstanding {} --error-budget {}",
            millis(self.time),
            millis(self.warm_up),
            millis(self.timeout),
            match self.arrivals {
                Arrivals::Poisson => "poisson",
                Arrivals::Even => "even",
            },
            self.connections,
            self.most_outstanding,
            self.error_budget
        ));
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parsed;
    use super::*;

    #[test]
    fn the_command_of_a_report_says_all_that_was_said() {
        let one = parsed(&[
            "--contender",
            "a=--command 'node x.js'",
            "--workload",
            "mixed",
            "--mix",
            "step=2,create=1",
            "--ramp",
            "5..50",
            "--for",
            "4s",
            "--seed",
            "9",
            "--fail-above",
            "p99=20ms",
            "--connections",
            "3",
            "--arrivals",
            "even",
        ]);
        let plan = one.plan(1, &one.named().expect("named")).expect("a plan");
        let words = shlex::split(&plan.command).expect("words");
        let words: Vec<&str> = words.iter().map(String::as_str).skip(2).collect();
        let again = parsed(&words);
        let same = again
            .plan(1, &again.named().expect("named"))
            .expect("a plan");
        assert_eq!(
            (same.command, same.seed, same.rate),
            (plan.command, 9, Rate::Ramp(5.0, 50.0))
        );
        assert_eq!(
            (same.workloads, same.time, same.connections),
            (plan.workloads, plan.time, 3)
        );
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        for words in [
            ["--mix", "step=1"].as_slice(),
            &["--for", "5ms"],
            &["--for", "1s", "--slices", "1000"],
        ] {
            let one = parsed(words);
            assert!(one.plan(1, &[]).is_err(), "{words:?}");
        }
    }
}
