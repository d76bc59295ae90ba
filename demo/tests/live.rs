//! The demo as a user runs it: a real node and real neurons, with fewer epochs. On text there are fewer neurons too.
//!
//! It takes them from the folder where it lies itself, so that they have to be built: `cargo build --release --workspace
//! --all-targets`.

#![cfg(target_os = "linux")]

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};
use tempfile::TempDir;

/// Epochs of a network that is watched to its end. The first two may be over before a slow machine has rows of weights.
const EPOCHS: &str = "3";
/// How long the demo may say nothing: many times what is usual, so that only what hangs meets it.
const PATIENCE: Duration = Duration::from_secs(100);

/// A demo that runs, in a folder of its own. Dropping it kills it.
struct Demo {
    folder: TempDir,
    child: Child,
    /// What it says on stderr, line by line.
    lines: Receiver<String>,
    /// What it has said so far.
    said: String,
}

/// How a demo ended.
struct Ended {
    status: ExitStatus,
    stdout: String,
    stderr: String,
    report: String,
    /// Files and folders that it left where temporary ones go.
    left: Vec<PathBuf>,
    /// Command lines of processes that it left.
    running: Vec<String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        // What fails here has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("tmp")).expect("it is ours");
        let stdout = File::create(folder.path().join("stdout")).expect("it is ours");
        let mut child = Command::new(env!("CARGO_BIN_EXE_connectome-demo"))
            .args(arguments)
            .arg("--report")
            .arg(folder.path().join("report.html"))
            .env("TMPDIR", folder.path().join("tmp"))
            .stdin(Stdio::null())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the demo runs");
        let stderr = child.stderr.take().expect("it was asked for");
        let (sender, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            // Nobody listens any more once a test has failed.
            lines.map(|line| sender.send(line)).all(|sent| sent.is_ok())
        });
        let said = String::new();
        Self {
            folder,
            child,
            lines,
            said,
        }
    }

    /// What it says next; `None` once it has ended.
    fn line(&mut self) -> Option<String> {
        use std::sync::mpsc::RecvTimeoutError::{Disconnected, Timeout};
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.said.push_str(&line);
                self.said.push('\n');
                Some(line)
            }
            Err(Disconnected) => None,
            Err(Timeout) => panic!("the demo hangs; so far it said\n{}", self.said),
        }
    }

    /// Waits until it says `what`.
    fn until(&mut self, what: &str) {
        loop {
            match self.line() {
                Some(line) if line.contains(what) => return,
                Some(_) => {}
                None => panic!("the demo never said `{what}`, but\n{}", self.said),
            }
        }
    }

    /// Waits until it ends.
    fn end(mut self) -> Ended {
        while self.line().is_some() {}
        let status = self.child.wait().expect("it is ours");
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name));
        let left = fs::read_dir(self.folder.path().join("tmp")).expect("it is there");
        Ended {
            status,
            stdout: read("stdout").expect("it is there"),
            stderr: self.said.clone(),
            report: read("report.html").unwrap_or_default(),
            left: left.flatten().map(|entry| entry.path()).collect(),
            running: self.processes().map(|(_, command)| command).collect(),
        }
    }

    /// Processes that work for it, by their command lines: all of them have a folder in its folder.
    fn processes(&self) -> impl Iterator<Item = (Pid, String)> {
        let folder = self.folder.path().join("tmp").display().to_string();
        let all = fs::read_dir("/proc").expect("this is Linux").flatten();
        all.filter_map(move |entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            // One that has just ended has none.
            let command = fs::read(entry.path().join("cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let pid = Pid::from_raw(pid)?;
            command.contains(&folder).then_some((pid, command))
        })
    }

    /// Sends a signal to the process that has this in its command line.
    fn signal(&self, what: &str, signal: Signal) {
        let found: Vec<(Pid, String)> = self
            .processes()
            .filter(|(_, command)| command.contains(what))
            .collect();
        let [(pid, _)] = found.as_slice() else {
            panic!("one process with {what}: {found:?}");
        };
        kill_process(*pid, signal).expect("it is ours, and runs");
    }
}

impl Ended {
    fn check_nothing_is_left(&self) {
        assert!(self.left.is_empty(), "{:?}", self.left);
        assert!(self.running.is_empty(), "{:?}", self.running);
    }

    fn check_report(&self) {
        let html = &self.report;
        assert!(html.starts_with("<!DOCTYPE html>"), "{}", self.stderr);
        assert!(html.ends_with("</html>\n"));
        assert!(html.contains("<svg "));
        // Nothing that a browser would load.
        for outside in ["http:", "https:", "src=", "href=", "url(", "@import"] {
            assert!(!html.contains(outside), "{outside}");
        }
    }
}

/// A folder of text that is quickly read: sentences in paragraphs of five.
fn text() -> TempDir {
    let paragraphs = (0..600).map(|paragraph| {
        let sentences = (0..5).map(|place| {
            let number = 5 * paragraph + place;
            format!("Sentence {number} tells of {} apples. ", number % 7)
        });
        sentences.collect::<String>() + "\n\n"
    });
    let folder = tempfile::tempdir().expect("a folder");
    let prose: String = paragraphs.collect();
    fs::write(folder.path().join("prose.txt"), prose).expect("it is ours");
    folder
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list").as_slice()
}

/// How many of the requests that a neuron sent ended like this.
fn calls(neuron: &Value, outcome: &str) -> u64 {
    let peers = neuron["calls"].as_object().expect("by peer").values();
    peers.filter_map(|peer| peer[outcome]["n"].as_u64()).sum()
}

fn check_share(value: &Value) {
    let share = value.as_f64().expect("a number");
    assert!((0.0..=1.0).contains(&share), "{share}");
}

fn check_neuron(measured: &Value, index: usize) {
    let neuron = &measured["neurons"][index];
    let training = &neuron["training"];
    let alone = &measured["alone"][index];
    let steps = list(&training["steps"]);
    let step = steps.last().expect("it has learned");
    // The network answers before long, though not at once.
    for loss in ["loss", "local_loss"] {
        assert!(step[loss].as_f64().is_some_and(|it| it > 0.0), "{step}");
    }
    let asked = |step: &Value| step["network_loss"].is_f64() && step["distillation_loss"].is_f64();
    assert!(steps.iter().any(asked), "uid {index}: {step}");
    assert!(calls(neuron, "Success") > 0, "{}", neuron["calls"]);
    assert_eq!(training["device"], "cpu");
    assert!(training["n_parameters"].as_u64() > Some(0));

    // Every 20 steps; a slow machine does not come that far.
    let evaluations = list(&training["evaluations"]);
    assert!(!evaluations.is_empty() || steps.len() < 20, "uid {index}");
    let of = |accuracy| evaluations.iter().map(move |it| &it[accuracy]);
    of("local_accuracy").for_each(check_share);
    // Peers may not be there yet at the first, nor any more at the last.
    let among_peers: Vec<_> = of("network_accuracy").filter(|it| !it.is_null()).collect();
    assert!(
        !among_peers.is_empty() || evaluations.len() < 3,
        "uid {index}"
    );
    among_peers.into_iter().for_each(check_share);
    let included = |row: &Value| row["result"] == "included" && row["block"].is_u64();
    assert!(list(&neuron["rows"]).iter().any(included), "{neuron}");

    // Its twin has learned as long, from nobody.
    let twin = list(&alone["steps"]).last().expect("it has learned");
    assert_eq!(twin["step"], step["step"]);
    assert!(twin["network_loss"].is_null());
}

/// Shares that the chain gave, which are rounded to 1 / 65,535.
fn sum(epoch: &Value, of: &str) -> f64 {
    let scores = epoch["scores"].as_object().expect("by uid").values();
    scores
        .map(|scores| scores[of].as_f64().expect("a share"))
        .sum()
}

/// Of a network that was watched for all of [`EPOCHS`]: everything was measured, nothing went wrong, and nothing is left.
fn check_epochs(ended: &Ended, task: &str, n_neurons: usize) {
    assert!(ended.status.success(), "{}", ended.stderr);
    ended.check_nothing_is_left();
    ended.check_report();

    let measured: Value = serde_json::from_str(&ended.stdout).expect("one JSON value");
    assert_eq!(measured["plan"]["task"], task);
    assert_eq!(measured["phase"], "done");
    assert_eq!(list(&measured["failures"]), [Value::Null; 0]);
    let neurons = list(&measured["neurons"]);
    let roles: Vec<&str> = neurons
        .iter()
        .filter_map(|neuron| neuron["role"].as_str())
        .collect();
    let others = vec!["neuron"; n_neurons - 2];
    assert_eq!(roles, [&["validator"], &others[..], &["garbage"]].concat());
    for (index, neuron) in neurons.iter().enumerate() {
        assert_eq!(neuron["uid"], index);
        check_neuron(&measured, index);
    }

    let epochs = list(&measured["chain"]["epochs"]);
    assert_eq!(epochs.len().to_string(), EPOCHS);
    // Rows of weights are due in the second half of an epoch.
    for share in ["incentive", "dividends"] {
        let sum = sum(epochs.last().expect("there are some"), share);
        assert!((sum - 1.0).abs() < 1e-3, "{share} {sum}");
    }
    let at_last = format!("epoch {EPOCHS} of {EPOCHS}, block ");
    for said in [&at_last, "with the network, ", " calls: Success "] {
        assert!(ended.stderr.contains(said), "{said}\n{}", ended.stderr);
    }
}

#[test]
fn five_neurons_are_watched_for_three_epochs_and_nothing_is_left() {
    let ended = Demo::start(&["--epochs", EPOCHS, "--json"]).end();
    check_epochs(&ended, "digits", 5);
}

/// The fewest neurons that a demo has: one that judges, one that is honest, and one that is not.
fn check_text(task: &str, told: &str) {
    let text = text();
    let folder = text.path().to_str().expect("UTF-8");
    let few = ["--epochs", EPOCHS, "--json", "--neurons", "3"];
    let ended = Demo::start(&[&few[..], &["--task", task, "--text", folder]].concat()).end();
    check_epochs(&ended, task, 3);
    assert!(ended.report.contains(told), "it tells of {told}");
}

#[test]
fn encoders_are_watched_as_they_fill_gaps_in_text() {
    check_text("bert", "masked words");
}

#[test]
fn language_models_are_watched_as_they_tell_how_text_goes_on() {
    check_text("gpt", "next words");
}

#[test]
fn who_is_killed_or_hangs_is_told_and_the_demo_fails() {
    // Given a network of which one neuron is killed, and another does nothing any more, not even end when it is told
    let mut demo = Demo::start(&["--epochs", "1000", "--neurons", "3", "--plain"]);
    demo.until("training together");
    demo.signal("--shard=1/3", Signal::KILL);
    demo.signal("--shard=2/3", Signal::STOP);
    demo.until("uid 1 ended with");

    // when, after the chain has paid the network, it dies as well
    demo.until("epoch 1 of 1000, block ");
    demo.signal("--base-path=", Signal::KILL);

    // then what was measured is shown, and so is each failure, and nothing else went wrong.
    let ended = demo.end();
    let failures = [
        "uid 1 ended with signal: 9 (SIGKILL), although nobody told it to",
        "the node ended with signal: 9 (SIGKILL), although nobody told it to",
        "uid 2 (garbage) was told to stop, did not within 15s, and was killed",
        "no chain is left",
    ];
    let lines = ended.stderr.lines();
    let errors: Vec<&str> = lines.filter_map(|it| it.strip_prefix("error: ")).collect();
    assert_eq!(errors, failures, "{}", ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let words: Vec<&str> = ended.stdout.split_whitespace().collect();
    let summary = words.join(" ");
    for failure in failures {
        assert!(summary.contains(failure), "{failure}\n{}", ended.stdout);
        assert!(ended.report.contains(failure), "{failure}");
    }
    assert!(summary.contains(" 2 garbage "), "{}", ended.stdout);
    assert!(!ended.stderr.contains("training each model alone"));
    ended.check_nothing_is_left();
    ended.check_report();
}
