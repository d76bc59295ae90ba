use serde_json::json;

use super::*;

fn step(step: u64) -> Event {
    Event::Step(Step {
        step,
        epoch: 0,
        loss: 3.5,
        local_loss: 2.5,
        network_loss: None,
        distillation_loss: Some(0.25),
        n_peers: 4,
        n_ok: 3,
        lost_gate_mass: 0.125,
        step_ms: 20.0,
        n_rows: 32,
        n_tokens: 0,
        utilisation: None,
        remote_ms: 12.0,
    })
}

fn end() -> Event {
    Event::End(End {
        step: 9,
        reason: "all steps done".into(),
    })
}

fn events(records: Vec<Record>) -> Vec<Event> {
    records.into_iter().map(|record| record.event).collect()
}

#[test]
fn an_event_is_one_flat_object() {
    let record = Record {
        time: 1_000,
        event: Event::Weights(Weights {
            step: 5,
            block: 40,
            row: vec![(0, 0.25), (3, 0.75)],
            result: "included".into(),
        }),
    };
    let written = serde_json::to_value(&record).unwrap();
    assert_eq!(
        written,
        json!({
            "time": 1_000, "event": "weights", "step": 5, "block": 40,
            "row": [[0, 0.25], [3, 0.75]], "result": "included",
        })
    );
    assert_eq!(serde_json::from_value::<Record>(written).unwrap(), record);
}

#[test]
fn a_hotkey_is_written_as_people_know_it() {
    let hotkey = PublicKey([7; 32]);
    let event = Event::Calls(Calls {
        step: 1,
        outcomes: vec![Call {
            uid: 2,
            hotkey,
            code: "Timeout".into(),
            ms: 500.0,
            rows: 16,
        }],
    });
    let written = serde_json::to_value(&event).unwrap();
    assert_eq!(written["outcomes"][0]["hotkey"], hotkey.to_string());
}

#[test]
fn a_run_is_read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let mut log = RunLog::open(folder.path()).unwrap();
    log.record(step(1)).unwrap();
    assert_eq!(events(read(&path).unwrap()), [step(1)]);
    log.record(end()).unwrap();
    assert_eq!(events(read(&path).unwrap()), [step(1), end()]);
}

#[test]
fn a_line_that_was_not_finished_is_left_out_and_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    RunLog::open(folder.path())
        .unwrap()
        .record(step(1))
        .unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], br#"{"time":17,"eve"#].concat()).unwrap();
    assert_eq!(events(read(&path).unwrap()), [step(1)]);

    RunLog::open(folder.path())
        .unwrap()
        .record(step(2))
        .unwrap();
    assert_eq!(events(read(&path).unwrap()), [step(1), step(2)]);
}

#[test]
fn a_loss_that_is_not_a_number_is_read_as_one_that_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let Event::Step(good) = step(1) else {
        panic!("a step");
    };
    let diverged = Event::Step(Step {
        loss: f64::NAN,
        ..good
    });
    RunLog::open(folder.path())
        .unwrap()
        .record(diverged)
        .unwrap();
    let read = read(&folder.path().join(FILE_NAME)).unwrap();
    assert!(matches!(&read[0].event, Event::Step(step) if step.loss.is_nan()));
}

#[test]
fn a_line_that_is_no_event_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    fs::write(&path, "{\"time\":1,\"event\":\"lunch\"}\n").unwrap();
    assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn what_was_not_measured_is_not_plotted() {
    let (at, scalars) = step(4).scalars();
    let names: Vec<_> = scalars.iter().map(|(name, _)| *name).collect();
    assert_eq!(at, 4);
    assert!(names.contains(&"train/distillation_loss"));
    assert!(!names.contains(&"train/network_loss"));
    assert!(end().scalars().1.is_empty());
}

#[test]
fn plots_are_in_a_file_that_tensorboard_looks_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = RunLog::open(folder.path()).unwrap();
    let size = || -> u64 {
        let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let plots = files.filter(|file| file.file_name().to_string_lossy().contains("tfevents"));
        plots.map(|file| file.metadata().unwrap().len()).sum()
    };
    let opened = size();
    assert!(opened > 0, "it begins with its version");
    log.record(step(1)).unwrap();
    assert!(size() > opened);
}

#[test]
fn the_pace_of_a_step_is_plotted() {
    let Event::Step(step) = step(1) else {
        panic!("a step");
    };
    let plotted = |step: Step| Event::Step(step).scalars().1;
    // 32 rows in 20 ms, which are images.
    let images = plotted(step.clone());
    assert!(images.contains(&("time/rows_per_s", 1_600.0)));
    assert!(!images.iter().any(|(name, _)| *name == "time/tokens_per_s"));
    let texts = plotted(Step {
        n_tokens: 512,
        utilisation: Some(0.25),
        ..step
    });
    assert!(texts.contains(&("time/tokens_per_s", 25_600.0)));
    assert!(texts.contains(&("time/utilisation", 0.25)));
}
