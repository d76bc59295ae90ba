//! Figures over neurons and seeds, for people and for scripts.

use std::time::Duration;

use neuron_benches::table::table;
use serde_json::{Value, json};

use crate::{
    arms::{self, ALL_DATA, ALONE, Outcome},
    neuron::Quality,
};

/// What a task gave, all seeds together.
pub(crate) struct Report {
    pub(crate) task: &'static str,
    pub(crate) arms: Vec<Arm>,
}

/// One arm, all neurons and seeds.
pub(crate) struct Arm {
    name: &'static str,
    outcomes: Vec<Outcome>,
    /// The same neurons alone, in the same order; none where they are not the same.
    alone: Option<Vec<Outcome>>,
}

/// Mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    mean: f64,
    deviation: f64,
}

impl Report {
    /// Of all seeds of a task.
    pub(crate) fn new(task: &'static str, seeds: &[Vec<arms::Arm>]) -> Report {
        let of_all_seeds = |name: &str| -> Vec<Outcome> {
            let arms = seeds.iter().flatten().filter(|arm| arm.name == name);
            arms.flat_map(|arm| arm.outcomes.iter().copied()).collect()
        };
        let arms = seeds.iter().take(1).flatten().map(|arm| Arm {
            name: arm.name,
            outcomes: of_all_seeds(arm.name),
            alone: (![ALONE, ALL_DATA].contains(&arm.name)).then(|| of_all_seeds(ALONE)),
        });
        Report {
            task,
            arms: arms.collect(),
        }
    }
}

impl Arm {
    fn spread(&self, figure: fn(&Quality) -> f64) -> Spread {
        Spread::of(self.outcomes.iter().map(|one| figure(&one.quality)))
    }

    /// What it has more than the same neurons alone.
    fn differences(&self, figure: fn(&Quality) -> f64) -> Option<Vec<f64>> {
        let pairs = self.outcomes.iter().zip(self.alone.as_ref()?);
        Some(
            pairs
                .map(|(one, alone)| figure(&one.quality) - figure(&alone.quality))
                .collect(),
        )
    }

    /// How many have a lower loss than alone.
    fn n_better(&self) -> Option<usize> {
        let differences = self.differences(|quality| quality.loss)?;
        Some(differences.into_iter().filter(|more| *more < 0.0).count())
    }

    /// Seconds of a neuron: its own, and of others for it.
    fn seconds(&self) -> [f64; 2] {
        let mean = |time: fn(&Outcome) -> Duration| {
            Spread::of(self.outcomes.iter().map(|one| time(one).as_secs_f64())).mean
        };
        [mean(|one| one.own), mean(|one| one.others)]
    }

    fn json(&self, task: &str) -> Value {
        let [own, others] = self.seconds();
        let more = |figure| {
            self.differences(figure)
                .map(|more| Spread::of(more.into_iter()).json())
        };
        json!({
            "task": task,
            "arm": self.name,
            "n": self.outcomes.len(),
            "loss": self.spread(|quality| quality.loss).json(),
            "accuracy": self.spread(|quality| quality.accuracy).json(),
            "loss_minus_alone": more(|quality| quality.loss),
            "accuracy_minus_alone": more(|quality| quality.accuracy),
            "n_better_than_alone": self.n_better(),
            "own_s": own,
            "others_s": others,
        })
    }

    fn row(&self, task: &str) -> [String; 9] {
        let percent = |quality: &Quality| 100.0 * quality.accuracy;
        let more = |figure| {
            self.differences(figure)
                .map(|more| Spread::of(more.into_iter()))
        };
        let or_nothing = |text: Option<String>| text.unwrap_or_default();
        let [own, others] = self.seconds();
        [
            task.to_owned(),
            self.name.to_owned(),
            self.spread(|quality| quality.loss).text(3),
            or_nothing(more(|quality| quality.loss).map(|more| more.signed(3))),
            self.spread(percent).text(1),
            or_nothing(more(percent).map(|more| more.signed(1))),
            or_nothing(
                self.n_better()
                    .map(|n| format!("{n} of {}", self.outcomes.len())),
            ),
            format!("{own:.1}"),
            format!("{others:.1}"),
        ]
    }
}

impl Spread {
    /// # Panics
    ///
    /// If there are no figures.
    fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let figures: Vec<f64> = figures.collect();
        assert!(!figures.is_empty(), "there is at least one neuron");
        let n = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / n;
        let squares = figures.iter().map(|figure| (figure - mean).powi(2));
        Spread {
            mean,
            // Of a sample; of one alone nothing is known.
            deviation: (squares.sum::<f64>() / (n - 1.0).max(1.0)).sqrt(),
        }
    }

    fn text(self, places: usize) -> String {
        format!("{:.places$} ± {:.places$}", self.mean, self.deviation)
    }

    fn signed(self, places: usize) -> String {
        format!("{:+.places$} ± {:.places$}", self.mean, self.deviation)
    }

    fn json(self) -> Value {
        json!({"mean": self.mean, "deviation": self.deviation})
    }
}

/// One JSON object for each arm of each task.
pub(crate) fn lines(report: &Report) -> impl Iterator<Item = Value> + '_ {
    report.arms.iter().map(|arm| arm.json(report.task))
}

/// All tasks, for people.
pub(crate) fn in_a_table(reports: &[Report]) -> String {
    let headers = [
        "task",
        "arm",
        "cross entropy",
        "less alone",
        "accuracy %",
        "less alone",
        "better",
        "own s",
        "others s",
    ];
    let rows = reports
        .iter()
        .flat_map(|report| report.arms.iter().map(|arm| arm.row(report.task)));
    table(headers, 2, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_a_sample() {
        // √(((1 − 2)² + (2 − 2)² + (3 − 2)²) / 2) = 1
        let spread = Spread::of([1.0, 2.0, 3.0].into_iter());
        assert_eq!(spread.text(1), "2.0 ± 1.0");
        assert_eq!(Spread::of([0.5].into_iter()).signed(1), "+0.5 ± 0.0");
    }

    #[test]
    fn an_arm_is_compared_neuron_by_neuron() {
        let outcomes = |losses: [f64; 3]| {
            losses.map(|loss| Outcome {
                quality: Quality {
                    loss,
                    accuracy: 0.5,
                },
                own: Duration::ZERO,
                others: Duration::ZERO,
            })
        };
        let arm = Arm {
            name: "local",
            outcomes: outcomes([1.0, 2.0, 3.0]).to_vec(),
            alone: Some(outcomes([2.0, 2.0, 2.0]).to_vec()),
        };
        let differences = arm.differences(|quality| quality.loss).unwrap();
        assert_eq!(differences, [-1.0, 0.0, 1.0]);
        // Equally good is not better.
        assert_eq!(arm.n_better(), Some(1));
    }
}
