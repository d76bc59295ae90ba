//! However the demo ends, what it started ends first.

#![cfg(unix)]

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// A demo whose node is a script that never answers, and writes down its process id.
struct SilentNode {
    folder: TempDir,
}

impl SilentNode {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let node = Self { folder };
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && exit\necho $$ > {}\nexec sleep 1000\n",
            node.path("pid").display()
        );
        fs::write(node.path("node"), script).expect("it can be written");
        fs::set_permissions(node.path("node"), fs::Permissions::from_mode(0o755))
            .expect("it is ours");
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn demo(&self) -> Child {
        demo(&self.path("node"), &self.path("report.html"))
            .env("TMPDIR", self.folder.path())
            .spawn()
            .expect("the demo runs")
    }

    /// Waits until the demo has started the node.
    fn started(&self) -> Pid {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let written = fs::read_to_string(self.path("pid")).unwrap_or_default();
            if let Some(pid) = written.trim().parse().ok().and_then(Pid::from_raw) {
                return pid;
            }
            assert!(Instant::now() < deadline, "the node was never started");
            std::thread::yield_now();
        }
    }
}

fn demo(node: &Path, report: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connectome-demo"));
    command
        .arg("--plain")
        .args(["--node".as_ref(), node])
        .args(["--worker", "/bin/sh"])
        .args(["--report".as_ref(), report])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Once nobody has a process of that id any more, not even init, which reaps it.
fn until_gone(pid: Pid) {
    let deadline = Instant::now() + DEADLINE;
    let is_zombie = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    };
    while test_kill_process(pid).is_ok() && !is_zombie() {
        assert!(Instant::now() < deadline, "{pid:?} outlives the demo");
        std::thread::yield_now();
    }
}

fn check_end_by(signal: Signal) {
    // Given a demo that waits for its node
    let node = SilentNode::new();
    let demo = node.demo();
    let pid = node.started();

    // when it is told to end
    let id = i32::try_from(demo.id()).ok().and_then(Pid::from_raw);
    kill_process(id.expect("a process id"), signal).expect("it runs");

    // then it does, with the node, and leaves no folder behind.
    let output: Output = demo.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("interrupted while starting the chain"),
        "{said}"
    );
    until_gone(pid);
    let left = fs::read_dir(node.folder.path()).expect("it is there");
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(
        left.iter().all(|name| name == "node" || name == "pid"),
        "{left:?}"
    );
}

#[test]
fn the_demo_and_its_node_end_by_ctrl_c() {
    check_end_by(Signal::INT);
}

#[test]
fn the_demo_and_its_node_end_by_sigterm() {
    check_end_by(Signal::TERM);
}

#[test]
fn the_demo_and_its_node_end_when_the_terminal_closes() {
    check_end_by(Signal::HUP);
}

#[test]
fn the_node_of_a_demo_that_is_killed_ends_too() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let node = SilentNode::new();
    let mut demo = node.demo();
    let pid = node.started();
    demo.kill().expect("it runs");
    demo.wait().expect("it was killed");
    until_gone(pid);
}

#[test]
fn a_node_that_ends_at_once_is_an_error_that_shows_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = demo(Path::new("/bin/ls"), &folder.path().join("report.html"))
        .output()
        .expect("the demo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: the node ended with"), "{said}");
    assert!(said.contains("--dev"), "ls complains of it: {said}");
}
