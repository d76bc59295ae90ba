//! Help, completions, and what the program is made of.

use std::fs;

use crate::neuron::User;

#[test]
fn help_teaches_commands_and_exit_codes() {
    let help = User::new().run(&["--help"]).done().stdout;
    let codes = "\
Exit codes:
  0  done
  1  failed
  2  used wrongly: options, environment or configuration file
  3  refused by the chain
  4  unreachable: no node or no peer answers
  5  no such key, or wrong password
  6  not registered in the network
";
    assert!(help.ends_with(codes), "{help}");
    for command in [
        "wallet",
        "register",
        "serve",
        "train",
        "export",
        "query",
        "stake",
        "weights",
        "metagraph",
        "network",
        "doctor",
        "config",
        "completions",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[test]
fn help_of_a_command_names_each_variable_and_default() {
    let help = User::new().run(&["train", "--help"]).done().stdout;
    for expected in [
        "Training:",
        "Axon: serving peers:",
        "Dendrite: asking peers:",
        "--learning-rate <NUMBER>",
        "[env: CONNECTOME_LEARNING_RATE=]",
        "[default: 0.01]",
        "[default: 0.0.0.0:8091]",
        "--resume[=<BOOL>]",
    ] {
        assert!(help.contains(expected), "{expected:?} is not in {help}");
    }
}

#[test]
fn wrong_use_is_explained_and_ends_with_2() {
    let user = User::new();
    user.run(&[]).failed(2, "Usage: neuron");
    user.run(&["walet"]).failed(2, "'wallet'");
    user.run(&["train", "--lerning-rate", "1"])
        .failed(2, "'--learning-rate'");
    user.run(&["train", "--shard", "5/5"])
        .failed(2, "such as 0/5 for the first of five");
}

#[test]
fn completions_know_every_command_of_the_three_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let script = User::new().run(&["completions", shell]).done().stdout;
        for word in ["wallet", "learning-rate", "emission-share", "completions"] {
            assert!(script.contains(word), "{word} is not completed in {shell}");
        }
    }
}

#[test]
fn the_command_does_not_link_libtorch() {
    let program = fs::read(env!("CARGO_BIN_EXE_neuron")).unwrap();
    for library in [&b"libtorch"[..], b"libc10"] {
        assert!(
            !program
                .windows(library.len())
                .any(|window| window == library)
        );
    }
}
