//! What everybody said, as a table for people.

use std::time::Duration;

use super::poll::{Poll, Verdict, Vote, Weighting, likeliest};
use crate::table;

/// Classes of an answer that are shown.
const SHOWN: usize = 3;

pub(super) fn describe(poll: &Poll) -> String {
    let mut table = table([
        "uid", "hotkey", "code", "answer", "then", "time", "queue", "compute", "rows", "weight",
    ]);
    for vote in &poll.votes {
        table.add_row(row(vote));
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    for vote in poll.votes.iter().filter(|vote| !vote.message.is_empty()) {
        text.push_str(&format!("\nneuron {}: {}", vote.uid, vote.message));
    }
    if let Some(network) = &poll.network {
        text.push_str(&format!("\n{}", describe_verdict(network, poll.block)));
    }
    text.trim_end().to_owned()
}

fn row(vote: &Vote) -> [String; 10] {
    let (answer, then) = answer(vote.probabilities.as_deref().unwrap_or_default());
    let is_counted = vote.probabilities.is_some();
    [
        vote.uid.to_string(),
        vote.hotkey.short(),
        vote.code.to_string(),
        answer,
        then,
        time(vote.elapsed),
        time(vote.queue),
        time(vote.compute),
        vote.batch_rows
            .map_or("-".to_owned(), |rows| rows.to_string()),
        if is_counted {
            percent(vote.weight)
        } else {
            "-".to_owned()
        },
    ]
}

/// The likeliest class, and the next ones.
fn answer(probabilities: &[f64]) -> (String, String) {
    let classes = likeliest(probabilities);
    let mut shown = classes
        .into_iter()
        .take(SHOWN)
        .map(|(class, probability)| format!("{class} ({})", percent(probability)));
    let first = shown.next().unwrap_or_else(|| "-".to_owned());
    (first, shown.collect::<Vec<_>>().join(", "))
}

fn describe_verdict(verdict: &Verdict, block: u32) -> String {
    let (first, then) = answer(&verdict.probabilities);
    let n = verdict.n_answers;
    let answers = if n == 1 { "answer" } else { "answers" };
    let weighting = match verdict.weighted_by {
        Weighting::Incentive => format!("weighted by incentive in block {block}"),
        Weighting::Nothing => {
            format!("all weighted the same, since none of them has incentive in block {block}")
        }
    };
    format!("The network says {first}, then {then}: the mean of {n} {answers}, {weighting}")
}

fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

fn time(duration: Option<Duration>) -> String {
    duration.map_or("-".to_owned(), |it| {
        format!("{:.1} ms", 1e3 * it.as_secs_f64())
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::poll::tests::{poll, vote},
        *,
    };

    #[test]
    fn people_see_each_answer_and_that_of_the_network() {
        let votes = vec![
            vote(1, 0.5, Some(&[0.02, 0.9, 0.05, 0.03])),
            vote(2, 0.5, None),
        ];
        let text = describe(&poll(votes, true));
        for expected in [
            "Success",
            "1 (90.0 %)",
            "2 (5.0 %), 3 (3.0 %)",
            "1.5 ms",
            "100.0 %",
            "\nneuron 2: register first\n",
            "The network says 1 (90.0 %), then 2 (5.0 %), 3 (3.0 %): the mean of 1 answer, weighted by incentive in block 7",
        ] {
            assert!(text.contains(expected), "{expected:?} is not in\n{text}");
        }
    }

    #[test]
    fn that_nobody_has_incentive_is_said() {
        let votes = vec![
            vote(1, 0.0, Some(&[0.9, 0.1])),
            vote(2, 0.0, Some(&[0.7, 0.3])),
        ];
        let text = describe(&poll(votes, true));
        assert!(text.ends_with(
            "The network says 0 (80.0 %), then 1 (20.0 %): the mean of 2 answers, all weighted the same, since none of them \
             has incentive in block 7"
        ), "{text}");
    }
}
