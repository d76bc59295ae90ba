//! What a run has learned, exported, and read by `transformers` itself (`neuron/learn/parity/exported.py`): it makes the same tokens of
//! a text, and says the same of them.
//!
//! With the code that is exported too, that is what the neuron serves; without, what its model says to which nothing is joined. Of
//! an encoder all places are compared that are no padding; of a language model all, and what it goes on with. What `transformers`
//! writes is read here again.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use neuron_learn::{
    model::gpt2::{Choice, Generation},
    synapse::{Bert, BertConfig, Gpt, Gpt2Config, Labels, Mode, Synapse},
};
use neuron_proto::Modality;
use neuron_text::{Special, Tokenizer};
use serde::Deserialize;
use serde_json::json;
use tch::{Device, Kind, Tensor};

use crate::{
    export::{TEXT, agree, exported, learned},
    runs::{data, folder_with_text, parity, trained},
};

/// Another folder than the one that `scripts/transformers.sh` fills.
const VARIABLE: &str = "CONNECTOME_TRANSFORMERS";

/// The version that it installs.
const VERSION: &str = "5.24.0";

/// How far a log-probability may be from theirs.
const TOLERANCE: f64 = 1e-5;

/// What `exported.py` prints.
#[derive(Deserialize)]
struct Said {
    inputs: Inputs,
    without_code: Model,
    with_code: Model,
    warnings: Vec<String>,
}

/// Rows, padded to the longest.
#[derive(Deserialize)]
struct Inputs {
    input_ids: Vec<Vec<i64>>,
    attention_mask: Vec<Vec<i64>>,
    #[serde(default)]
    token_type_ids: Vec<Vec<i64>>,
}

#[derive(Deserialize)]
struct Model {
    /// Of the class of all that was learned.
    whole: Report,
    /// Of the class that names tokens, for which people ask.
    usual: Report,
    logits: Vec<Vec<Vec<f64>>>,
    #[serde(default)]
    goes_on: Vec<Vec<i64>>,
    #[serde(default)]
    next_sentence: Vec<Vec<f64>>,
}

/// What a class makes of the tensors in a folder.
#[derive(Deserialize)]
struct Report {
    class: String,
    missing_keys: Vec<String>,
    unexpected_keys: Vec<String>,
    mismatched_keys: Vec<String>,
    error_msgs: Vec<String>,
}

impl Report {
    /// Fails unless this class finds all its tensors, and leaves alone only those of these parts, some of each.
    fn expect(&self, class: &str, left_alone: &[&str]) {
        assert_eq!(self.class, class);
        for problem in [&self.missing_keys, &self.mismatched_keys, &self.error_msgs] {
            assert!(problem.is_empty(), "{class}: {problem:?}");
        }
        let (left, parts) = (&self.unexpected_keys, left_alone);
        let is_of = |name: &String, part: &&str| name.starts_with(*part);
        for name in left {
            assert!(
                parts.iter().any(|part| is_of(name, part)),
                "{class}: {name}"
            );
        }
        for part in parts {
            assert!(left.iter().any(|name| is_of(name, part)), "{class}: {part}");
        }
    }
}

/// What `transformers` makes of a model and these rows, each a text or a pair of sentences.
fn transformers(model: &Path, rows: &[&[&str]]) -> Said {
    let libtorch = env::var_os("LIBTORCH").map(PathBuf::from);
    let python = libtorch.map(|folder| folder.join("../../../../bin/python3"));
    let python = python.filter(|python| python.exists());
    let output = Command::new(python.unwrap_or_else(|| "python3".into()))
        .env("PYTHONPATH", installed())
        // What it keeps of the code stays in a folder of the test.
        .env("HF_HOME", model.join("cache"))
        .env("HF_HUB_OFFLINE", "1")
        .arg(parity("exported.py"))
        .arg(model)
        .arg(json!(rows).to_string())
        .output()
        .expect("a Python with PyTorch: scripts/setup.sh --with-libtorch installs one");
    assert!(
        output.status.success(),
        "{}\nwhere transformers {VERSION} is missing, run scripts/transformers.sh, or name a folder with it in {VARIABLE}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said: Said = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert!(said.warnings.is_empty(), "{:?}", said.warnings);
    said
}

/// Where `transformers` is.
fn installed() -> PathBuf {
    let variable = |name| env::var_os(name).map(PathBuf::from);
    variable(VARIABLE).unwrap_or_else(|| {
        let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
        let cache = cache.unwrap_or_default().join("connectome");
        cache.join(format!("transformers-{VERSION}"))
    })
}

/// The same model when nothing is joined to what it says.
fn unjoined<S: Synapse>(learned: &S, mut untrained: S) -> S {
    let mut parameters = learned.parameters();
    for name in ["join.weight", "join.bias"] {
        let join = &parameters[name];
        assert_ne!(join.norm().double_value(&[]), 0.0, "{name}");
        parameters.insert(name.to_owned(), join.zeros_like());
    }
    untrained.load(&parameters).expect("it is of the model");
    untrained
}

/// How far log-probabilities are at most from those of these logits, where `real` says that there is something.
fn apart(ours: &Tensor, logits: &[Vec<Vec<f64>>], real: &Tensor) -> f64 {
    let values: Vec<f64> = logits.iter().flatten().flatten().copied().collect();
    let theirs = Tensor::from_slice(&values).reshape(ours.size());
    let apart = (ours - theirs.log_softmax(-1, Kind::Double)).abs();
    (apart * real.unsqueeze(-1)).max().double_value(&[])
}

fn tokenizer(run: &Path) -> Tokenizer {
    Tokenizer::load(&run.join("tokenizer.json")).expect("the run wrote it")
}

fn ids(tokens: &[u32]) -> Vec<i64> {
    tokens.iter().copied().map(i64::from).collect()
}

#[test]
fn a_language_model_goes_on_as_here() {
    let folder = folder_with_text();
    let run = folder.path().join("run");
    let run = trained(TEXT, run, &["--synapse=gpt", &data(&folder)]);
    let model = exported(&folder, &run);
    // The name of a special token is text as any other.
    let text = "5 [SEP]";
    let said = transformers(&model, &[&[text]]);
    let tokens = ids(&tokenizer(&run).encode(text).expect("it is made of bytes"));
    assert_eq!(said.inputs.input_ids, [&tokens[..]]);
    assert_eq!(said.inputs.attention_mask, [vec![1; tokens.len()]]);

    let Model { whole, usual, .. } = &said.without_code;
    for report in [whole, usual] {
        report.expect("GPT2LMHeadModel", &["join.", "pooler.", "student."]);
    }
    let Model { whole, usual, .. } = &said.with_code;
    for report in [whole, usual] {
        report.expect("NeuronGPT2LMHeadModel", &[]);
    }

    let config = Gpt2Config::read(&model).expect("it was written");
    let untrained = || Gpt::new(config, 8, Device::Cpu);
    let learned = learned(&run, untrained());
    let unjoined = unjoined(&learned, untrained());
    let tokens = Tensor::from_slice(&tokens).unsqueeze(0);
    for (ours, theirs, name) in [
        (learned, said.with_code, "with_code"),
        (unjoined, said.without_code, "without_code"),
    ] {
        let target = ours.local_target(Modality::Text, &tokens).expect("a text");
        let (again, _) = Gpt::read(&model.join(name), 8, Device::Cpu).expect("it was written");
        assert!(agree(&again, &ours, &tokens), "{name}");
        let apart = apart(&target, &theirs.logits, &tokens.ones_like());
        assert!(apart < TOLERANCE, "{}: {apart}", theirs.usual.class);

        let [text] = &theirs.goes_on[..] else {
            panic!("{:?}", theirs.goes_on);
        };
        let greedily = Generation {
            max_new_tokens: text.len() - tokens.numel(),
            choice: Choice::Greedy,
            end: config.eos_token_id,
        };
        assert!(greedily.max_new_tokens > 1, "{text:?}");
        let ours = ours.generate(&tokens, &greedily).expect("there is room");
        assert!(ours.equal(&Tensor::from_slice(text).unsqueeze(0)), "{ours}");
    }
}

#[test]
fn an_encoder_fills_gaps_as_here() {
    let folder = folder_with_text();
    let run = folder.path().join("run");
    let run = trained(TEXT, run, &["--synapse=bert", &data(&folder)]);
    let model = exported(&folder, &run);
    let (gapped, pair) = ("Sentence 5 tells of [MASK] apples.", ["One.", "Two."]);
    let said = transformers(&model, &[&[gapped], &pair]);

    let tokenizer = tokenizer(&run);
    let [class, separator, pad] = [Special::Class, Special::Separator, Special::Pad]
        .map(|special| [tokenizer.special(special).expect("it is a BERT's")]);
    let gapped = tokenizer.encode_with_gaps(gapped).expect("it has a mask");
    let [first, second] = pair.map(|text| tokenizer.encode(text).expect("it is made of bytes"));
    let rows = [
        ids(&[&class[..], &gapped, &separator].concat()),
        ids(&[&class[..], &first, &separator, &second, &separator].concat()),
    ];
    let lengths = rows.each_ref().map(Vec::len);
    let seq = lengths[0].max(lengths[1]);
    assert_ne!(lengths[0], lengths[1], "one of them is to be padded");
    let rows = rows.map(|mut row| {
        row.resize(seq, i64::from(pad[0]));
        row
    });
    // Ones from a place on, up to another.
    let ones = |from: usize, to: usize| {
        let row = (0..seq).map(|place| i64::from((from..to).contains(&place)));
        row.collect::<Vec<_>>()
    };
    let real = lengths.map(|length| ones(0, length));
    assert_eq!(said.inputs.input_ids, rows);
    assert_eq!(said.inputs.attention_mask, real);
    let of_second = [ones(0, 0), ones(first.len() + 2, lengths[1])];
    assert_eq!(said.inputs.token_type_ids, of_second);

    let of_network = ["join.", "student."];
    let of_pairs = ["bert.pooler.", "cls.seq_relationship."];
    let Model { whole, usual, .. } = &said.without_code;
    whole.expect("BertForPreTraining", &of_network);
    usual.expect("BertForMaskedLM", &[of_pairs, of_network].concat());
    let Model { whole, usual, .. } = &said.with_code;
    whole.expect("NeuronBertForPreTraining", &[]);
    usual.expect("NeuronBertForMaskedLM", &of_pairs);

    let config = BertConfig::read(&model).expect("it was written");
    let untrained = || Bert::new(config, 8, Device::Cpu);
    let learned = learned(&run, untrained());
    let unjoined = unjoined(&learned, untrained());
    let [tokens, real] = [rows, real].map(|rows| {
        let rows = rows.map(|row| Tensor::from_slice(&row));
        Tensor::stack(&rows, 0)
    });
    // What is thought of a second sentence is told by its loss alone.
    let follows = [0i64, 1];
    let labels = Labels {
        targets: tokens.shallow_clone(),
        next_sentence: Some(Tensor::from_slice(&follows)),
    };
    for (ours, theirs, name) in [
        (learned, said.with_code, "with_code"),
        (unjoined, said.without_code, "without_code"),
    ] {
        let (again, _) = Bert::read(&model.join(name), 8, Device::Cpu).expect("it was written");
        assert!(agree(&again, &ours, &tokens), "{name}");
        let said = ours.forward(&tokens, Some(&labels), None, Mode::Evaluation);
        let said = said.expect("they are texts");
        let apart = apart(&said.local_target, &theirs.logits, &real);
        assert!(apart < TOLERANCE, "{}: {apart}", theirs.usual.class);

        let logits = Tensor::from_slice2(&theirs.next_sentence);
        let nll = -logits.log_softmax(-1, Kind::Double);
        let nll = nll.diagonal(0, 0, 1).mean(Kind::Double);
        let ours = said.local_next_sentence_loss.expect("it was asked for");
        let apart = (ours - nll).abs().double_value(&[]);
        assert!(apart < TOLERANCE, "{}: {apart}", theirs.whole.class);
    }
}
