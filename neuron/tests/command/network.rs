//! `neuron network create` without a chain: what it refuses before it asks anybody.

use crate::neuron::User;

#[test]
fn help_of_create_says_who_may_and_what_can_be_other() {
    let help = User::new()
        .run(&["network", "create", "--help"])
        .done()
        .stdout;
    for expected in [
        "only root may",
        "<TASK>",
        "--like <NETID>",
        "[default: 0]",
        "--tempo <BLOCKS>",
        "--owner <ADDRESS>",
    ] {
        assert!(help.contains(expected), "{expected:?} is not in {help}");
    }
}

#[test]
fn a_network_needs_a_task_that_the_chain_can_hold() {
    let user = User::new();
    user.run(&["network", "create"]).failed(2, "<TASK>");
    user.run(&["network", "create", &"x".repeat(33)])
        .failed(2, "1 to 32 bytes");
    user.run(&["network", "create", "text", "--tempo", "soon"])
        .failed(2, "--tempo");
    user.run(&["network", "create", "text", "--owner-cut", "1000"])
        .failed(2, "--owner");
}

#[test]
fn a_network_needs_a_key_and_a_chain() {
    let user = User::new();
    user.run(&["network", "create", "text"])
        .failed(5, "neuron wallet new");
    let away = ["--uri", "//Alice", "--chain", "ws://127.0.0.1:1"];
    user.run(&[&["network", "create", "text"], &away[..]].concat())
        .failed(4, "127.0.0.1:1");
}
