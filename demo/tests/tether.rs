//! What the demo starts ends with it, even if it is killed.

#![cfg(target_os = "linux")]

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const DEMO: &str = env!("CARGO_BIN_EXE_connectome-demo");

/// Whether a process of that id runs; a dead one whom nobody has waited for does not.
fn runs(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

#[test]
fn a_tethered_process_dies_with_a_parent_that_is_killed() {
    // Given a parent with a tethered child that would run for long
    let script = format!("{DEMO} tethered $$ sleep 1000 & echo $!; wait");
    let mut parent = Command::new("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .spawn()
        .expect("there is a shell");
    let mut child = String::new();
    BufReader::new(parent.stdout.take().expect("it was asked for"))
        .read_line(&mut child)
        .expect("the shell says who its child is");
    let child = child.trim();
    let command = format!("/proc/{child}/cmdline");
    let deadline = Instant::now() + Duration::from_secs(20);
    while !fs::read_to_string(&command).is_ok_and(|line| line.starts_with("sleep")) {
        assert!(Instant::now() < deadline, "it never became the program");
        std::thread::yield_now();
    }

    // when the parent is killed
    parent.kill().expect("it runs");
    parent.wait().expect("it was killed");

    // then the child ends as well.
    while runs(child) {
        assert!(Instant::now() < deadline, "{child} outlives its parent");
        std::thread::yield_now();
    }
}

#[test]
fn a_tether_of_a_parent_that_has_ended_starts_nothing() {
    let output = Command::new(DEMO)
        .args(["tethered", "1", "echo", "started"])
        .output()
        .expect("the demo runs");
    assert!(!output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(String::from_utf8_lossy(&output.stderr).contains("has ended already"));
}
