//! Answers: probabilities as they arrive, and what they say.

use serde::Serialize;

/// How far the probabilities of all classes may be from 1 in sum: what half precision on the wire makes of them.
const TOLERANCE: f64 = 0.05;

/// Classes of an image that people are shown.
const SHOWN: usize = 3;

/// The probability of each class at one place.
pub(super) type Distribution = Vec<f64>;

/// What a neuron or the network says, for scripts and people.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// Of an image.
    Class {
        /// The likeliest class.
        class: usize,
        /// Of each class.
        probabilities: Distribution,
    },
    /// Of a text.
    Tokens {
        /// The next token, or each gap in order: the likeliest tokens there.
        places: Vec<Vec<Guess>>,
    },
}

/// A token that may be at a place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Guess {
    /// As people read it.
    pub(super) token: String,
    pub(super) id: u32,
    pub(super) probability: f64,
}

impl Answer {
    /// What is said of an image by the distribution of its one place.
    pub(super) fn of_classes(distributions: &[Distribution]) -> Answer {
        let probabilities = distributions.first().cloned().unwrap_or_default();
        Answer::Class {
            class: likeliest(&probabilities).first().map_or(0, |it| it.0),
            probabilities,
        }
    }

    /// At each place, what people are shown: the likeliest first, with its probability.
    pub(super) fn shown(&self) -> Vec<Vec<(String, f64)>> {
        match self {
            Answer::Class { probabilities, .. } => {
                let classes = likeliest(probabilities).into_iter().take(SHOWN);
                let shown = classes.map(|(class, probability)| (class.to_string(), probability));
                vec![shown.collect()]
            }
            Answer::Tokens { places } => {
                // In quotes: of many tokens, whitespace is all that tells them apart.
                let shown = |guess: &Guess| (format!("{:?}", guess.token), guess.probability);
                let place = |guesses: &Vec<Guess>| guesses.iter().map(shown).collect();
                places.iter().map(place).collect()
            }
        }
    }
}

/// Classes by probability, the likeliest first.
pub(super) fn likeliest(probabilities: &[f64]) -> Vec<(usize, f64)> {
    let mut classes: Vec<_> = probabilities.iter().copied().enumerate().collect();
    classes.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    classes
}

/// The distributions at these places of a prediction, out of its log-probabilities, of which those of a place sum to 1.
///
/// # Errors
///
/// What is wrong with them.
pub(super) fn distributions(
    log_probabilities: &[f32],
    n_classes: usize,
    places: &[usize],
) -> Result<Vec<Distribution>, String> {
    let at = |&place: &usize| probabilities(at_place(log_probabilities, n_classes, place)?);
    places.iter().map(at).collect()
}

/// The same out of the `n` likeliest classes of each place, as the dendrite has checked them: others are left at 0.
///
/// # Errors
///
/// If there is no answer at a place.
pub(super) fn likeliest_distributions(
    log_probabilities: &[f32],
    classes: &[i64],
    n: usize,
    n_classes: usize,
    places: &[usize],
) -> Result<Vec<Distribution>, String> {
    let at = |&place: &usize| {
        let logarithms = at_place(log_probabilities, n, place)?;
        let mut distribution = vec![0.0; n_classes];
        for (class, logarithm) in at_place(classes, n, place)?.iter().zip(logarithms) {
            let class = usize::try_from(*class).ok();
            if let Some(probability) = class.and_then(|class| distribution.get_mut(class)) {
                *probability = f64::from(*logarithm).exp();
            }
        }
        // Rounding may have made a little more of them.
        let sum: f64 = distribution.iter().sum();
        let told = distribution.into_iter();
        Ok(told.map(|probability| probability / sum.max(1.0)).collect())
    };
    places.iter().map(at).collect()
}

/// What is said at a place, of `n` each.
fn at_place<T>(values: &[T], n: usize, place: usize) -> Result<&[T], String> {
    let found = values.get(place * n..(place + 1) * n);
    found.ok_or_else(|| format!("expected an answer at place {place}, got none"))
}

fn probabilities(log_probabilities: &[f32]) -> Result<Distribution, String> {
    let probabilities: Vec<f64> = log_probabilities
        .iter()
        .map(|&log_probability| f64::from(log_probability).exp())
        .collect();
    let sum: f64 = probabilities.iter().sum();
    if (sum - 1.0).abs() > TOLERANCE || sum.is_nan() {
        return Err(format!(
            "expected probabilities that sum to 1, got {sum:.3}"
        ));
    }
    Ok(probabilities.into_iter().map(|p| p / sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_that_are_none_are_not_believed() {
        let halves = probabilities(&[0.5_f32.ln(); 2]).unwrap();
        assert!(halves.iter().all(|p| (p - 0.5).abs() < 1e-6));
        for lie in [&[0.0, 0.0][..], &[-9.0, -9.0], &[800.0, 0.0], &[]] {
            assert!(probabilities(lie).is_err(), "{lie:?}");
        }
    }

    #[test]
    fn only_places_that_are_asked_for_are_read() {
        // Three places of two classes; that in the middle is no distribution.
        let logs = [1.0_f32, 0.0, 0.9, 0.9, 0.25, 0.75].map(f32::ln);
        let read = distributions(&logs, 2, &[2, 0]).unwrap();
        let expected = [[0.25, 0.75], [1.0, 0.0]];
        for (place, expected) in read.iter().zip(expected) {
            let differences = place
                .iter()
                .zip(expected)
                .map(|(one, other)| (one - other).abs());
            assert!(differences.fold(0.0, f64::max) < 1e-6, "{read:?}");
        }
        assert!(distributions(&logs, 2, &[1]).is_err());
        assert!(distributions(&logs, 2, &[3]).is_err());
    }

    #[test]
    fn of_the_likeliest_classes_the_others_are_left_out() {
        // Two places, two of four classes each; the second says a little too much.
        let logs = [0.5_f32, 0.25, 0.8, 0.24].map(f32::ln);
        let read = likeliest_distributions(&logs, &[3, 0, 1, 2], 2, 4, &[1, 0]).unwrap();
        let expected = [[0.0, 0.8 / 1.04, 0.24 / 1.04, 0.0], [0.25, 0.0, 0.0, 0.5]];
        for (place, expected) in read.iter().zip(expected) {
            assert_eq!(place.len(), 4);
            for (one, other) in place.iter().zip(expected) {
                assert!((one - other).abs() < 1e-6, "{read:?}");
            }
        }
        assert!(likeliest_distributions(&logs, &[3, 0, 1, 2], 2, 4, &[2]).is_err());
    }

    #[test]
    fn people_see_the_likeliest_classes() {
        let answer = Answer::of_classes(&[vec![0.1, 0.2, 0.3, 0.4]]);
        let shown: Vec<_> = answer.shown().concat().into_iter().map(|it| it.0).collect();
        assert_eq!(shown, ["3", "2", "1"]);
    }

    #[test]
    fn people_see_whitespace_of_tokens() {
        let guess = |token: &str, id| Guess {
            token: token.to_owned(),
            id,
            probability: 0.5,
        };
        let places = vec![vec![guess(" Paris", 7), guess("\n", 8)]];
        let shown = Answer::Tokens { places }.shown().concat();
        assert_eq!(
            shown,
            [("\" Paris\"".to_owned(), 0.5), ("\"\\n\"".to_owned(), 0.5)]
        );
    }
}
