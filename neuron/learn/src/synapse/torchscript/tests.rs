//! Modules that Python exported, held against what PyTorch makes of them: `parity/torchscript.py`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use tch::nn::Init;

use super::*;
use crate::checkpoint::{Checkpoint, Progress};
use crate::dataset::Position;
use crate::optim::{Sgd, SgdConfig};
use crate::parity::formula;
use crate::tensor;

const CPU: Device = Device::Cpu;

/// What PyTorch says.
#[derive(Deserialize)]
struct Expected {
    logits: Vec<f32>,
    conv_gradient: Vec<f32>,
    encodings: Vec<f32>,
    next_token: Vec<f32>,
    step: Step,
}

/// What a step of SGD in training mode makes of the classifier without dropout.
#[derive(Deserialize)]
struct Step {
    loss: f32,
    state: BTreeMap<String, Vec<f32>>,
    logits: Vec<f32>,
}

fn folder() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    PathBuf::from(here).join("parity/torchscript")
}

fn expected() -> Expected {
    let json = std::fs::read(folder().join("expected.json")).unwrap();
    serde_json::from_slice(&json).unwrap()
}

fn open(name: &str) -> Result<TorchScript, TorchScriptError> {
    let path = folder().join(name).with_extension("pt");
    TorchScript::open(&path, TorchScriptConfig::beside(&path, None)?, 0, CPU)
}

fn declared(json: &str) -> TorchScriptConfig {
    serde_json::from_str(json).unwrap()
}

fn declaration(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

fn tokens() -> Tensor {
    (Tensor::arange(10, (Kind::Int64, CPU)) * 7)
        .remainder(50)
        .reshape([2, 5])
}

fn images() -> Tensor {
    formula(&[3, 1, 28, 28], 1.0, 1.0).abs()
}

fn labels() -> Labels {
    Labels::from(&Tensor::from_slice(&[1i64, 5, 9]))
}

fn near(ours: &Tensor, theirs: &[f32]) {
    within(1e-6, ours, theirs);
}

fn within(tolerance: f32, ours: &Tensor, theirs: &[f32]) {
    let ours = ours.detach().to_kind(Kind::Float).reshape(-1);
    let ours = Vec::<f32>::try_from(ours).unwrap();
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(theirs) {
        assert!((ours - theirs).abs() < tolerance, "{ours}, not {theirs}");
    }
}

/// One step of SGD in training mode.
fn learn(module: &TorchScript, sgd: &mut Sgd) -> f64 {
    let output = module.forward(&images(), Some(&labels()), None, Mode::Training);
    let loss = output.unwrap().loss.unwrap();
    loss.backward();
    let parameters = module.parameters();
    sgd.step(&parameters, 0.1);
    for (_, mut parameter) in parameters {
        parameter.zero_grad();
    }
    loss.double_value(&[])
}

fn sgd(momentum: f64) -> Sgd {
    Sgd::new(SgdConfig {
        momentum,
        ..SgdConfig::default()
    })
}

fn equal(one: &Parameters, other: &Parameters) -> bool {
    one.len() == other.len() && one.iter().all(|(name, it)| it.equal(&other[name]))
}

#[test]
fn a_module_is_served_as_pytorch_has_it() {
    let classifier = open("classifier").unwrap();
    near(
        &classifier.forward_image(&images()).unwrap(),
        &expected().logits,
    );
    let encoder = open("encoder").unwrap();
    let encodings = encoder.forward_text(&tokens()).unwrap();
    assert_eq!(encodings.size(), [2, 5, 6]);
    near(&encodings, &expected().encodings);
}

#[test]
fn a_causal_module_predicts_the_token_after_the_last() {
    let speaker = open("speaker").unwrap();
    let [entry_point] = &speaker.entry_points()[..] else {
        panic!("it takes text");
    };
    assert_eq!(entry_point.output_shape, [0, 50]);
    assert_eq!(entry_point.prediction_shape, Some(vec![50]));
    let predicted = speaker.predict(Modality::Text, &tokens()).unwrap();
    assert_eq!(predicted.size(), [2, 50]);
    near(&predicted, &expected().next_token);
    let everywhere = speaker.local_target(Modality::Text, &tokens()).unwrap();
    assert!(everywhere.select(1, -1).equal(&predicted));
}

#[test]
fn a_module_that_looks_ahead_is_not_causal() {
    let path = folder().join("encoder.pt");
    let causal = declaration(r#"{ "outputs": "logits", "causal": true }"#);
    let config = TorchScriptConfig::beside(&path, Some(&causal)).unwrap();
    let error = TorchScript::open(&path, config, 0, CPU).unwrap_err();
    assert!(
        error.to_string().contains("the last token changed"),
        "{error}"
    );
}

#[test]
fn texts_beyond_the_longest_are_refused() {
    let speaker = open("speaker").unwrap();
    let of = |seq| speaker.forward_text(&Tensor::zeros([1, seq], (Kind::Int64, CPU)));
    assert!(of(12).is_ok());
    let error = of(13).unwrap_err();
    assert!(matches!(error, SynapseError::Shape { .. }), "{error}");
    assert!(error.to_string().contains("at most 12"), "{error}");
    // More than it has places for is found out when it is opened.
    let path = folder().join("speaker.pt");
    let longer = declaration(r#"{ "longest": 13 }"#);
    let config = TorchScriptConfig::beside(&path, Some(&longer)).unwrap();
    let error = TorchScript::open(&path, config, 0, CPU).unwrap_err();
    assert!(matches!(error, TorchScriptError::Trial { .. }), "{error}");
}

#[test]
fn what_is_declared_besides_takes_the_place_of_what_the_file_says() {
    let path = folder().join("classifier.pt");
    let twelve = declaration(r#"{ "output": [12] }"#);
    let config = TorchScriptConfig::beside(&path, Some(&twelve)).unwrap();
    assert_eq!(config.output_shape(), [12]);
    assert_eq!(config.input_shape(), [1, 28, 28]);
    // Without a file, all of it has to be declared.
    let nowhere = folder().join("nowhere.pt");
    let all =
        r#"{ "modality": "image", "input": [1, 28, 28], "output": [10], "outputs": "logits" }"#;
    let config = TorchScriptConfig::beside(&nowhere, Some(&declaration(all))).unwrap();
    assert_eq!(config, declared(all));
    let error = TorchScriptConfig::beside(&nowhere, Some(&twelve)).unwrap_err();
    assert!(error.to_string().contains("missing field"), "{error}");
    let unknown = declaration(r#"{ "outptu": [12] }"#);
    let error = TorchScriptConfig::beside(&path, Some(&unknown)).unwrap_err();
    assert!(error.to_string().contains("unknown field"), "{error}");
}

#[test]
fn images_may_arrive_as_bytes() {
    let classifier = open("classifier").unwrap();
    let bytes = (Tensor::arange(28 * 28, (Kind::Int64, CPU)) * 7)
        .remainder(256)
        .to_kind(Kind::Uint8)
        .reshape([1, 1, 28, 28]);
    let floats = bytes.to_kind(Kind::Float) / 255.0;
    let [of_bytes, of_floats] =
        [&bytes, &floats].map(|images| classifier.forward_image(images).unwrap());
    assert!(of_bytes.equal(&of_floats));
    assert!(
        classifier.entry_points()[0]
            .input_dtypes
            .contains(&neuron_proto::DType::U8)
    );
    let integers = Tensor::zeros([1, 1, 28, 28], (Kind::Int64, CPU));
    assert!(matches!(
        classifier.forward_image(&integers),
        Err(SynapseError::Kind { .. })
    ));
}

#[test]
fn what_it_predicts_are_probabilities() {
    let classifier = open("classifier").unwrap();
    let target = classifier.predict(Modality::Image, &images()).unwrap();
    let sums = target.exp().sum_dim_intlist(-1, false, Kind::Float);
    assert!(sums.allclose(&Tensor::ones([3], (Kind::Float, CPU)), 1e-5, 1e-5, false));
    let encoder = open("encoder").unwrap();
    let tokens = Tensor::zeros([1, 4], (Kind::Int64, CPU));
    assert!(matches!(
        encoder.predict(Modality::Text, &tokens),
        Err(SynapseError::NoPrediction(Modality::Text))
    ));
    let labelled = encoder.forward(&tokens, Some(&Labels::from(&tokens)), None, Mode::Training);
    assert!(matches!(labelled, Err(SynapseError::NoPrediction(_))));
}

#[test]
fn its_parameters_get_the_gradients_of_pytorch() {
    let classifier = open("classifier").unwrap();
    let output = classifier
        .forward(&images(), Some(&labels()), None, Mode::Evaluation)
        .unwrap();
    output.loss.unwrap().backward();
    let parameters = classifier.parameters();
    near(
        &parameters["module.conv.weight"].grad(),
        &expected().conv_gradient,
    );
}

#[test]
fn it_learns_as_in_pytorch_running_statistics_included() {
    let learner = open("learner").unwrap();
    learner.try_learning(&folder()).unwrap();
    let loss = learn(&learner, &mut sgd(0.0));
    let Step {
        loss: expected,
        state,
        logits,
    } = expected().step;
    assert!((loss - f64::from(expected)).abs() < 1e-5, "{loss}");
    let ours = learner.state();
    for (name, theirs) in &state {
        within(1e-5, &ours[&format!("module.{name}")], theirs);
    }
    // Of the module alone: what joins the network has moved as well.
    let features = learner.features(&images(), Mode::Evaluation).unwrap();
    within(1e-5, &features, &logits);
    let buffers: Vec<String> = learner.buffers().into_keys().collect();
    assert_eq!(
        buffers,
        [
            "module.norm.num_batches_tracked",
            "module.norm.running_mean",
            "module.norm.running_var"
        ]
    );
}

#[test]
fn dropout_drops_while_it_learns_and_never_while_it_answers() {
    let classifier = open("classifier").unwrap();
    let of = |mode| classifier.perceive(&images(), mode).unwrap().features;
    assert!(!of(Mode::Training).equal(&of(Mode::Training)));
    assert!(of(Mode::Evaluation).equal(&of(Mode::Evaluation)));
}

#[test]
fn a_row_without_variance_is_still_learned_from() {
    let single = formula(&[1, 1, 28, 28], 1.0, 1.0).abs();
    let learner = open("learner").unwrap();
    let output = learner.forward(&single, None, None, Mode::Training);
    assert!(output.is_ok());
}

#[test]
fn a_copy_answers_with_what_was_learned_and_stays_so() {
    let learner = open("learner").unwrap();
    let mut sgd = sgd(0.9);
    learn(&learner, &mut sgd);
    let copy = learner.copy();
    assert!(equal(&copy.state(), &learner.state()));
    let before = copy.forward_image(&images()).unwrap();
    assert!(learner.forward_image(&images()).unwrap().equal(&before));
    learn(&learner, &mut sgd);
    assert!(copy.forward_image(&images()).unwrap().equal(&before));
    assert!(!equal(&copy.buffers(), &learner.buffers()));
}

#[test]
fn a_module_that_is_gone_on_with_learns_to_the_last_bit_what_it_would_have() {
    // Given a module that made two steps, and its checkpoint,
    let (folder, through) = (tempfile::tempdir().unwrap(), open("learner").unwrap());
    let mut sgd_through = sgd(0.9);
    learn(&through, &mut sgd_through);
    learn(&through, &mut sgd_through);
    let path = folder.path().join("last.safetensors");
    let checkpoint = Checkpoint {
        progress: Progress {
            seed: 0,
            step: 2,
            position: Position::default(),
            best_loss: None,
            scaler: None,
            need: Default::default(),
        },
        weights: BTreeMap::new(),
        config: Value::Null,
        parameters: through.state(),
        velocities: of_sgd(&sgd_through),
    };
    checkpoint.save(&path).unwrap();

    // when another goes on from there,
    let stored = Checkpoint::load(&path).unwrap();
    let mut resumed = open("learner").unwrap();
    resumed.load(&stored.parameters).unwrap();
    let mut sgd_resumed = sgd(0.9);
    sgd_resumed
        .restore(&stored.velocities, &resumed.parameters())
        .unwrap();
    assert!(equal(&resumed.state(), &through.state()));

    // then both learn the same.
    let losses = [
        learn(&through, &mut sgd_through),
        learn(&resumed, &mut sgd_resumed),
    ];
    assert_eq!(losses[0].to_bits(), losses[1].to_bits());
    assert!(equal(&resumed.state(), &through.state()));
}

/// The tensors of the module itself.
fn of_module_alone(state: Parameters) -> Parameters {
    let is_of_module = |name: &str| name.starts_with("module.");
    state
        .into_iter()
        .filter(|(name, _)| is_of_module(name))
        .collect()
}

#[test]
fn a_module_is_exported_with_what_it_learned_and_calls_its_parameters_so() {
    let learner = open("learner").unwrap();
    learn(&learner, &mut sgd(0.9));
    let folder = tempfile::tempdir().unwrap();
    learner.export().unwrap().write(folder.path()).unwrap();
    let path = folder.path().join("model.pt");
    let config = TorchScriptConfig::beside(&path, None).unwrap();
    assert_eq!(config, learner.config);
    let exported = TorchScript::open(&path, config, 0, CPU).unwrap();

    let states = [&exported, &learner].map(|it| of_module_alone(it.state()));
    assert!(equal(&states[0], &states[1]));
    let features = |it: &TorchScript| it.features(&images(), Mode::Evaluation).unwrap();
    assert!(features(&exported).equal(&features(&learner)));
    // Running statistics are buffers, and what is learned is still learned.
    let names = |tensors: Parameters| tensors.into_keys().collect::<Vec<_>>();
    assert_eq!(names(exported.buffers()), names(learner.buffers()));
    assert_eq!(names(exported.parameters()), names(learner.parameters()));
    exported.try_learning(&path).unwrap();
}

#[test]
fn modules_of_every_kind_are_exported_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    for name in ["classifier", "encoder", "speaker", "tied", "hoarder"] {
        let module = open(name).unwrap();
        module.export().unwrap().write(folder.path()).unwrap();
        let config = TorchScriptConfig::beside(&path, None).unwrap();
        let exported = TorchScript::open(&path, config, 0, CPU).unwrap();
        assert!(equal(&exported.state(), &module.state()), "{name}");
        // What libtorch writes of it is the same again, to the last byte.
        let again = exported.export().unwrap();
        let (_, file) = again.files().last().unwrap();
        assert!(std::fs::read(&path).unwrap() == file, "{name}");
    }
}

fn of_sgd(sgd: &Sgd) -> Parameters {
    let velocities = sgd.state().iter();
    velocities
        .map(|(name, velocity)| (name.clone(), velocity.copy()))
        .collect()
}

#[test]
fn a_module_that_changes_while_it_answers_is_refused_by_what_it_does() {
    for (name, problem) in [
        ("counter", "answering changed its buffer module.count"),
        ("ticker", "the second differed from the first"),
        ("gambler", "the second differed from the first"),
    ] {
        let error = open(name).unwrap_err().to_string();
        assert!(error.contains(problem), "{name}: {error}");
    }
}

#[test]
fn what_is_learned_where_no_checkpoint_finds_it_is_refused_before_it_is_learned() {
    let hoarder = open("hoarder").unwrap();
    let error = hoarder.try_learning(&folder()).unwrap_err().to_string();
    assert!(error.contains("register_buffer"), "{error}");
    open("classifier").unwrap().try_learning(&folder()).unwrap();
}

#[test]
fn the_three_branches_are_those_of_any_synapse() {
    let classifier = open("classifier").unwrap();
    let network = formula(&[3, 10], 0.5, 2.0);
    let output = classifier
        .forward(&images(), Some(&labels()), Some(&network), Mode::Training)
        .unwrap();
    // Nothing joins the network at first.
    assert!(output.network_output.unwrap().equal(&output.local_output));
    output.distillation_loss.unwrap().backward();
    let moved = classifier
        .parameters()
        .into_iter()
        .filter(|(_, parameter)| parameter.grad().defined());
    let moved: Vec<String> = moved.map(|(name, _)| name).collect();
    assert_eq!(
        moved,
        [
            "student.down.bias",
            "student.down.weight",
            "student.up.bias",
            "student.up.weight"
        ]
    );
}

#[test]
fn a_copy_stays_as_it_was_and_collects_no_gradients() {
    let classifier = open("classifier").unwrap();
    let copy = classifier.copy();
    let before = copy.forward_image(&images()).unwrap();
    tch::no_grad(|| {
        for (_, mut parameter) in classifier.parameters() {
            parameter.init(Init::Const(0.25));
        }
    });
    assert!(copy.forward_image(&images()).unwrap().equal(&before));
    assert!(!classifier.forward_image(&images()).unwrap().equal(&before));
    let of_moved = classifier.copy();
    let moved = classifier.forward_image(&images()).unwrap();
    assert!(of_moved.forward_image(&images()).unwrap().equal(&moved));
    assert!(
        of_moved
            .parameters()
            .values()
            .all(|parameter| !parameter.requires_grad())
    );
}

#[test]
fn what_was_learned_is_loaded_into_a_module_that_is_opened_anew() {
    let classifier = open("classifier").unwrap();
    tch::no_grad(|| {
        for (_, mut parameter) in classifier.parameters() {
            let _ = parameter.g_add_scalar_(0.125);
        }
    });
    let mut opened = open("classifier").unwrap();
    opened.load(&classifier.state()).unwrap();
    let [ours, theirs] = [&opened, &classifier].map(|it| it.forward_image(&images()).unwrap());
    assert!(ours.equal(&theirs));
}

#[test]
fn it_serves_from_the_wire_to_the_wire_and_refuses_what_does_not_fit() {
    let classifier = open("classifier").unwrap();
    let inputs = tensor::to_wire(&images(), neuron_proto::DType::F32).unwrap();
    let serve = |output| classifier.serve(Modality::Image, output, &inputs);
    assert_eq!(
        serve(neuron_proto::Output::Encoding).unwrap().shape(),
        [3, 10]
    );
    assert!(matches!(
        classifier.forward_text(&Tensor::zeros([1, 3], (Kind::Int64, CPU))),
        Err(SynapseError::NotImplemented(Modality::Text))
    ));
    assert!(matches!(
        classifier.forward_image(&Tensor::zeros([1, 3, 28, 28], (Kind::Float, CPU))),
        Err(SynapseError::Shape { .. })
    ));
    let encoder = open("encoder").unwrap();
    assert!(matches!(
        encoder.forward_text(&Tensor::zeros([1, 0], (Kind::Int64, CPU))),
        Err(SynapseError::Shape { .. })
    ));
    assert!(matches!(
        encoder.forward_text(&Tensor::full([1, 3], 50, (Kind::Int64, CPU))),
        Err(SynapseError::Token { arrived: 50, .. })
    ));
}

#[test]
fn what_is_not_as_declared_is_refused_with_what_came() {
    let mixer = open("mixer").unwrap_err();
    assert!(
        mixer.to_string().contains("another row changed it"),
        "{mixer}"
    );
    let follower = open("follower").unwrap_err();
    assert!(
        follower.to_string().contains("another row changed it"),
        "{follower}"
    );
    let chooser = open("chooser").unwrap_err();
    assert!(chooser.to_string().contains("expected floats"), "{chooser}");
    let path = folder().join("classifier.pt");
    let other =
        r#"{ "modality": "image", "input": [1, 28, 28], "output": [12], "outputs": "logits" }"#;
    let error = TorchScript::open(&path, declared(other), 0, CPU)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[1, 12]") && error.contains("[1, 10]"),
        "{error}"
    );
    let no_module = folder().join("classifier.json");
    let config = TorchScriptConfig::beside(&path, None).unwrap();
    let error = TorchScript::open(&no_module, config, 0, CPU).unwrap_err();
    assert!(
        matches!(error, TorchScriptError::NoModule { .. }),
        "{error}"
    );
}

#[test]
fn declarations_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.pt");
    assert!(matches!(
        TorchScriptConfig::beside(&path, None),
        Err(TorchScriptError::Unreadable { .. })
    ));
    for (json, problem) in [
        (r#"{ "modality": "sound" }"#, "unknown variant"),
        (
            r#"{ "modality": "image", "input": [28, 28], "output": [10], "outputs": "logits" }"#,
            "input is [28, 28]",
        ),
        (
            r#"{ "modality": "image", "input": [1, 28, 28], "output": [], "outputs": "logits" }"#,
            "output is []",
        ),
        (
            r#"{ "modality": "text", "input": [0], "output": [0, 6], "outputs": "encoding" }"#,
            "vocabulary is missing",
        ),
        (
            r#"{ "modality": "image", "input": [1, 2, 2], "output": [3], "outputs": "logits", "x": 1 }"#,
            "unknown field",
        ),
        (
            r#"{ "modality": "image", "input": [1, 2, 2], "output": [3], "outputs": "logits", "longest": 9 }"#,
            "longest is for texts",
        ),
        (
            r#"{ "modality": "text", "input": [0], "output": [0, 6], "outputs": "logits", "vocabulary": 6, "longest": 0 }"#,
            "longest is 0",
        ),
        (
            r#"{ "modality": "text", "input": [0], "output": [6], "outputs": "logits", "vocabulary": 6, "causal": true }"#,
            "output is [6]",
        ),
        (
            r#"{ "modality": "text", "input": [0], "output": [0, 6], "outputs": "encoding", "vocabulary": 6, "causal": true }"#,
            "causal is for text of which the outputs are logits",
        ),
    ] {
        std::fs::write(path.with_extension("json"), json).unwrap();
        let error = TorchScriptConfig::beside(&path, None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_parameter_that_is_used_in_two_places_is_one() {
    let tied = open("tied").unwrap();
    let names: Vec<String> = tied.parameters().into_keys().collect();
    let of_module: Vec<&String> = names
        .iter()
        .filter(|name| name.starts_with("module."))
        .collect();
    assert_eq!(of_module.len(), 1, "{of_module:?}");
    assert!(tied.copy().forward_image(&images()).is_ok());
}

#[test]
fn modules_are_told_apart_by_their_files() {
    let [classifier, again, encoder] =
        ["classifier", "classifier", "encoder"].map(|name| open(name).unwrap().fingerprint());
    assert_eq!(classifier, again);
    assert_ne!(classifier, encoder);
    assert_eq!(classifier.len(), 64);
}
