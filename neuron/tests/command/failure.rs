//! How a failure is told: to people, and to scripts that find it among what is logged.

use serde_json::{Value, json};

use crate::neuron::User;

/// Asks a chain that is not there, and logs that it does.
const ASK: [&str; 4] = [
    "metagraph",
    "--log=neuron_metagraph=debug",
    "--chain",
    "ws://127.0.0.1:1",
];

/// What is logged before the failure.
const LOGGED: &str = "a node of the chain cannot be used";

#[test]
fn scripts_find_a_failure_in_the_last_line_and_events_before_it() {
    let run = User::new().run(&[&ASK[..], &["--json"]].concat());
    let run = run.failed(4, LOGGED);
    assert_eq!(run.stdout, "");
    let lines = run.stderr.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    let (failure, events) = lines.split_last().unwrap();

    assert_eq!(failure["exit_code"], json!(4));
    assert_eq!(failure["causes"], json!([]));
    let said = failure["error"].as_str().unwrap();
    assert!(
        said.contains("no node of the chain can be reached"),
        "{said}"
    );
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event.get("exit_code"), None);
        assert_eq!(event["level"], json!("DEBUG"), "{event}");
    }
}

#[test]
fn events_are_logged_as_text_beside_json_where_that_is_asked_for() {
    let text = ["--json", "--log-format", "text"];
    let run = User::new().run(&[&ASK[..], &text].concat());
    let run = run.failed(4, LOGGED);
    let (events, failure) = run.stderr.trim_end().rsplit_once('\n').unwrap();
    assert!(
        events.lines().all(|event| !event.starts_with('{')),
        "{run:?}"
    );
    let failure: Value = serde_json::from_str(failure).unwrap();
    assert_eq!(failure["exit_code"], json!(4));
}

#[test]
fn people_find_a_failure_in_the_last_line_too() {
    let run = User::new().run(&ASK).failed(4, LOGGED);
    let (events, failure) = run.stderr.trim_end().rsplit_once('\n').unwrap();
    assert!(
        failure.starts_with("error: no node of the chain"),
        "{run:?}"
    );
    assert!(!events.contains("error: "), "{run:?}");
}
