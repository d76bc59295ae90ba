//! What everybody said, as a table for people.

use std::time::Duration;

use super::{
    answer::Answer,
    poll::{Poll, Verdict, Vote, Weighting},
};
use crate::table;

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
    let weight = vote.answer.as_ref().map(|_| percent(vote.weight));
    let absent = || "-".to_owned();
    // A line for each place.
    let places = vote.answer.as_ref().map(places).unwrap_or_default();
    let (answers, thens): (Vec<_>, Vec<_>) = places.into_iter().unzip();
    [
        vote.uid.to_string(),
        vote.hotkey.short(),
        vote.code.to_string(),
        if answers.is_empty() {
            absent()
        } else {
            answers.join("\n")
        },
        thens.join("\n"),
        time(vote.elapsed),
        time(vote.queue),
        time(vote.compute),
        vote.batch_rows.map_or_else(absent, |rows| rows.to_string()),
        weight.unwrap_or_else(absent),
    ]
}

/// What is likeliest at each place, and what is next.
fn places(answer: &Answer) -> Vec<(String, String)> {
    let place = |guesses: Vec<(String, f64)>| {
        let mut shown = guesses
            .into_iter()
            .map(|(guess, probability)| format!("{guess} ({})", percent(probability)));
        let first = shown.next().unwrap_or_default();
        (first, shown.collect::<Vec<_>>().join(", "))
    };
    answer.shown().into_iter().map(place).collect()
}

fn describe_verdict(verdict: &Verdict, block: u32) -> String {
    let places = places(&verdict.answer);
    let said: Vec<_> = places
        .iter()
        .map(|(first, then)| format!("{first}, then {then}"))
        .collect();
    let said = match &said[..] {
        [said] => format!(" {said}"),
        gaps => {
            let line = |(gap, said)| format!("\n  in gap {gap}: {said}");
            (1..).zip(gaps).map(line).collect()
        }
    };
    let n = verdict.n_answers;
    let answers = if n == 1 { "answer" } else { "answers" };
    let weighting = match verdict.weighted_by {
        Weighting::Incentive => format!("weighted by incentive in block {block}"),
        Weighting::Nothing => {
            format!("all weighted the same, since none of them has incentive in block {block}")
        }
    };
    let end = if places.len() == 1 { ": " } else { "\n" };
    format!("The network says{said}{end}the mean of {n} {answers}, {weighting}")
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
        super::{
            answer::Guess,
            poll::tests::{poll, vote},
        },
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
    fn people_see_what_is_in_each_gap() {
        let guess = |token: &str, probability| Guess {
            token: token.to_owned(),
            id: 0,
            probability,
        };
        let tokens = Answer::Tokens {
            places: vec![
                vec![guess("Paris", 0.5), guess("Lyon", 0.25)],
                vec![guess("France", 0.75), guess("Gaul", 0.125)],
            ],
        };
        let mut poll = poll(vec![vote(1, 0.5, Some(&[1.0]))], true);
        poll.votes[0].answer = Some(tokens.clone());
        poll.network.as_mut().unwrap().answer = tokens;
        let text = describe(&poll);
        assert!(
            text.ends_with(
                "The network says\n  in gap 1: \"Paris\" (50.0 %), then \"Lyon\" (25.0 %)\n  in gap 2: \"France\" (75.0 %), \
                 then \"Gaul\" (12.5 %)\nthe mean of 1 answer, weighted by incentive in block 7"
            ),
            "{text}"
        );
        let rows: Vec<_> = text.lines().filter(|line| line.contains("%)")).collect();
        assert!(
            rows[0].contains("\"Paris\" (50.0 %)") && rows[0].contains("Success"),
            "{text}"
        );
        assert!(
            rows[1].trim_start().starts_with("\"France\" (75.0 %)"),
            "{text}"
        );
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
