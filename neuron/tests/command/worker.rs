//! `serve`, `train` and `export` become the worker.

use std::process::Command;

use crate::neuron::{Run, User};

/// Copies a program into the home. Another process does it: a file that this one has open for writing, or a child of a
/// test beside this one, could not be run.
fn install(user: &User, program: &str, name: &str) {
    let mut install = Command::new("install");
    install.args(["-m", "755", program]).arg(user.path(name));
    assert!(install.status().unwrap().success());
}

/// Runs a copy of the program, so that what lies beside it is known.
fn run(user: &User, args: &[&str]) -> Run {
    install(user, env!("CARGO_BIN_EXE_neuron"), "neuron");
    user.command(&user.path("neuron"))
        .args(args)
        .output()
        .unwrap()
        .into()
}

#[test]
fn a_missing_worker_says_how_to_build_it() {
    for command in [&["serve"][..], &["train"], &["export", "model"]] {
        run(&User::new(), command).failed(1, "make neuron");
    }
}

#[test]
fn the_worker_gets_the_same_arguments_and_environment_and_its_exit_code_counts() {
    let script = "#!/bin/sh\necho \"$CONNECTOME_SEED $*\"\nexit 42\n";
    let user = User::new()
        .with_file("script", script)
        .with_env("CONNECTOME_SEED", "7");
    install(
        &user,
        user.path("script").to_str().unwrap(),
        "neuron-worker",
    );
    let args = ["train", "--uri", "//Alice", "--steps", "10"];
    let run = run(&user, &args);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (42, "7 train --uri //Alice --steps 10\n")
    );
}

#[test]
fn options_come_before_the_environment_where_they_say_the_contrary() {
    let user = User::new()
        .with_file("script", "#!/bin/sh\nexit 42\n")
        .with_env("CONNECTOME_SET_WEIGHTS", "true");
    install(
        &user,
        user.path("script").to_str().unwrap(),
        "neuron-worker",
    );
    // It is the worker that starts.
    assert_eq!(run(&user, &["train", "--no-set-weights"]).code, 42);
}

#[test]
fn wrong_options_and_help_need_no_worker() {
    run(&User::new(), &["train", "--momentum", "1"]).failed(2, "below 1");
    run(&User::new(), &["export"]).failed(2, "<FOLDER>");
    assert!(
        run(&User::new(), &["train", "--help"])
            .done()
            .stdout
            .contains("--learning-rate")
    );
}
