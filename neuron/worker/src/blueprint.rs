//! Which model: from what the user set, or from what a checkpoint remembers.

use std::path::Path;

use anyhow::Context;
use neuron::{
    cli::{ArchitectureSettings, DpnName, ModelSettings, SynapseName},
    exit::UsageError,
};
use neuron_learn::synapse::{
    Bert, BertConfig, Cifar, CifarConfig, DpnConfig, Gpt, Gpt2Config, Mnist, MnistConfig, Synapse,
    TorchScript, TorchScriptConfig,
};
use neuron_text::{Special, Tokenizer};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tch::Device;

/// All that it takes to make an untrained model: what a checkpoint keeps beside its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blueprint {
    /// As the origin has it.
    Mnist,
    /// Around this network.
    Cifar(DpnConfig),
    /// Of these widths.
    Bert(BertConfig),
    /// Of these widths.
    Gpt(Gpt2Config),
    /// A module of PyTorch, which is kept in the run's folder.
    TorchScript {
        /// What is declared of it.
        config: TorchScriptConfig,
        /// Which it is.
        fingerprint: String,
    },
}

/// The setting that this part of a model follows from, or its own name.
fn setting(part: &str) -> &str {
    match part {
        "n_embd" | "hidden_size" | "intermediate_size" => "width",
        "n_layer" | "num_hidden_layers" => "layers",
        "n_head" | "num_attention_heads" => "heads",
        "n_positions" | "max_position_embeddings" => "sequence",
        "vocab_size" | "pad_token_id" | "sep_token_id" | "eos_token_id" => "tokenizer",
        "resid_pdrop"
        | "embd_pdrop"
        | "attn_pdrop"
        | "hidden_dropout_prob"
        | "attention_probs_dropout_prob" => "dropout",
        other => other,
    }
}

/// As on the command line, or the channels of one that has no name there.
fn dpn_name(dpn: &DpnConfig) -> String {
    let named = [
        (DpnConfig::NARROW, "narrow"),
        (DpnConfig::DPN_26, "26"),
        (DpnConfig::DPN_92, "92"),
        (DpnConfig::DPN_98, "98"),
    ];
    let name = named.iter().find(|(named, _)| named == dpn);
    name.map_or_else(|| format!("{dpn:?}"), |(_, name)| (*name).to_owned())
}

/// A module of PyTorch in a run's folder.
pub(crate) const MODULE: &str = "module.pt";

impl Blueprint {
    /// A new model of images.
    pub(crate) fn of_images(name: SynapseName, settings: &ArchitectureSettings) -> Blueprint {
        match name {
            SynapseName::Cifar => Blueprint::Cifar(match settings.dpn {
                DpnName::Narrow => DpnConfig::NARROW,
                DpnName::Dpn26 => DpnConfig::DPN_26,
                DpnName::Dpn92 => DpnConfig::DPN_92,
                DpnName::Dpn98 => DpnConfig::DPN_98,
            }),
            _ => Blueprint::Mnist,
        }
    }

    /// A new model of text, for the ids of this tokeniser and texts of so many tokens.
    ///
    /// # Errors
    ///
    /// If such a model cannot be, or the tokeniser lacks a token that it needs.
    pub(crate) fn of_text(
        name: SynapseName,
        settings: &ArchitectureSettings,
        tokenizer: &Tokenizer,
        sequence: u32,
    ) -> anyhow::Result<Blueprint> {
        let vocab_size = i64::try_from(tokenizer.vocab_size())?;
        let id = |special| Ok::<_, anyhow::Error>(i64::from(tokenizer.special(special)?));
        let (heads, dropout) = (i64::from(settings.heads.get()), settings.dropout);
        let (width, layers) = (settings.width, settings.layers);
        let layers = layers.map(|layers| layers.get() as usize);
        let width = width.map(|width| i64::from(width.get()));
        let blueprint = match name {
            SynapseName::Bert => {
                let origin = BertConfig::default();
                let width = width.unwrap_or(origin.hidden_size);
                Blueprint::Bert(BertConfig {
                    vocab_size,
                    hidden_size: width,
                    num_hidden_layers: layers.unwrap_or(origin.num_hidden_layers),
                    num_attention_heads: heads,
                    // As the origin's 512 to 256.
                    intermediate_size: 2 * width,
                    max_position_embeddings: sequence.into(),
                    hidden_dropout_prob: dropout,
                    attention_probs_dropout_prob: dropout,
                    pad_token_id: id(Special::Pad)?,
                    sep_token_id: Some(id(Special::Separator)?),
                    ..origin
                })
            }
            _ => {
                let origin = Gpt2Config::default();
                Blueprint::Gpt(Gpt2Config {
                    vocab_size,
                    n_positions: sequence.into(),
                    n_embd: width.unwrap_or(origin.n_embd),
                    n_layer: layers.unwrap_or(origin.n_layer),
                    n_head: heads,
                    resid_pdrop: dropout,
                    embd_pdrop: dropout,
                    attn_pdrop: dropout,
                    eos_token_id: Some(id(Special::End)?),
                    ..origin
                })
            }
        };
        blueprint.check().map_err(|problem| {
            UsageError(format!(
                "there is no such model: {problem}. See --width, --layers and --heads"
            ))
        })?;
        Ok(blueprint)
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Blueprint::Mnist | Blueprint::Cifar(_) | Blueprint::TorchScript { .. } => Ok(()),
            Blueprint::Bert(config) => config.check(),
            Blueprint::Gpt(config) => config.check(),
        }
    }

    /// Which model it is of.
    pub(crate) fn name(&self) -> SynapseName {
        match self {
            Blueprint::Mnist => SynapseName::Mnist,
            Blueprint::Cifar(_) => SynapseName::Cifar,
            Blueprint::Bert(_) => SynapseName::Bert,
            Blueprint::Gpt(_) => SynapseName::Gpt,
            Blueprint::TorchScript { .. } => SynapseName::Torchscript,
        }
    }

    /// In what it differs from a model of the same kind: for each setting by its name, what this one has and what the other has.
    /// What no setting says goes by its own name.
    pub(crate) fn differences(&self, other: &Blueprint) -> Vec<(String, String, String)> {
        let [ours, theirs] = [self, other].map(Blueprint::parts);
        let pairs = ours.into_iter().zip(theirs);
        let differ = pairs.filter(|(ours, theirs)| ours != theirs);
        differ
            .map(|((part, ours), (_, theirs))| (setting(&part).to_owned(), ours, theirs))
            .collect()
    }

    /// What the model is made of, in an order that is the same for all of a kind.
    fn parts(&self) -> Vec<(String, String)> {
        let widths = match self {
            Blueprint::Mnist => Ok(Value::Null),
            Blueprint::Cifar(dpn) => return vec![("dpn".to_owned(), dpn_name(dpn))],
            Blueprint::TorchScript { fingerprint, .. } => {
                return vec![("torchscript".to_owned(), fingerprint.clone())];
            }
            Blueprint::Bert(config) => serde_json::to_value(config),
            Blueprint::Gpt(config) => serde_json::to_value(config),
        };
        match widths.expect("names and numbers") {
            Value::Object(widths) => widths
                .into_iter()
                .map(|(part, width)| (part, width.to_string()))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The longest text and the largest token id that it takes, if it takes text.
    fn of_texts(&self) -> Option<(i64, i64)> {
        match self {
            Blueprint::Mnist | Blueprint::Cifar(_) => None,
            Blueprint::Bert(config) => Some((config.max_position_embeddings, config.vocab_size)),
            Blueprint::Gpt(config) => Some((config.n_positions, config.vocab_size)),
            Blueprint::TorchScript { config, .. } => {
                let longest = config.longest().map_or(i64::MAX, i64::from);
                Some((longest, config.vocabulary()?))
            }
        }
    }

    /// Whether texts of so many tokens of this tokeniser are texts of the model.
    ///
    /// # Errors
    ///
    /// [`UsageError`] if they are not.
    pub(crate) fn takes(&self, tokenizer: &Tokenizer, sequence: u32) -> Result<(), UsageError> {
        let Some((longest, vocab_size)) = self.of_texts() else {
            return Ok(());
        };
        if i64::from(sequence) > longest {
            return Err(UsageError(format!(
                "--sequence {sequence} is more than the {longest} tokens that the model takes"
            )));
        }
        let tokens = tokenizer.vocab_size();
        if i64::try_from(tokens).is_ok_and(|tokens| tokens <= vocab_size) {
            return Ok(());
        }
        Err(UsageError(format!(
            "the tokeniser has {tokens} tokens and the model knows {vocab_size}: --tokenizer names another than the model \
             was made with"
        )))
    }

    /// The model, untrained: drawn from the seed, or a module as it was exported, from the run's folder.
    ///
    /// # Errors
    ///
    /// If that module is not there, or is another.
    pub(crate) fn build(
        &self,
        run: &Path,
        seed: u64,
        device: Device,
    ) -> anyhow::Result<Box<dyn Synapse>> {
        Ok(match self {
            Blueprint::Mnist => Box::new(Mnist::new(MnistConfig::default(), seed, device)),
            Blueprint::Cifar(dpn) => Box::new(Cifar::new(CifarConfig::of(*dpn), seed, device)),
            Blueprint::Bert(config) => Box::new(Bert::new(*config, seed, device)),
            Blueprint::Gpt(config) => Box::new(Gpt::new(*config, seed, device)),
            Blueprint::TorchScript {
                config,
                fingerprint,
            } => Box::new(kept_module(config, fingerprint, run, seed, device)?),
        })
    }

    /// The module in the folder of a run that it is of, with its blueprint; none if the run is of another kind.
    ///
    /// # Errors
    ///
    /// As [`Self::build`].
    pub(crate) fn kept(
        self,
        run: &Path,
        seed: u64,
        device: Device,
    ) -> anyhow::Result<Option<(Blueprint, TorchScript)>> {
        let module = match &self {
            Blueprint::TorchScript {
                config,
                fingerprint,
            } => kept_module(config, fingerprint, run, seed, device)?,
            _ => return Ok(None),
        };
        Ok(Some((self, module)))
    }

    /// A module of PyTorch, and its blueprint.
    ///
    /// # Errors
    ///
    /// If it is not there, or not what is declared of it, by the file beside it or the settings.
    pub(crate) fn module(
        path: &Path,
        settings: &ModelSettings,
        device: Device,
    ) -> anyhow::Result<(Blueprint, TorchScript)> {
        let config = TorchScriptConfig::beside(path, settings.torchscript_declare.as_ref())?;
        let module = TorchScript::open(path, config.clone(), settings.seed, device)?;
        let fingerprint = module.fingerprint();
        Ok((
            Blueprint::TorchScript {
                config,
                fingerprint,
            },
            module,
        ))
    }

    /// A model in Hugging Face's format, and its blueprint.
    ///
    /// # Errors
    ///
    /// If there is none in the folder, or none of this kind.
    pub(crate) fn read(
        name: SynapseName,
        folder: &Path,
        seed: u64,
        device: Device,
    ) -> anyhow::Result<(Blueprint, Box<dyn Synapse>)> {
        let (blueprint, synapse, drawn): (_, Box<dyn Synapse>, _) = match name {
            SynapseName::Bert => {
                let (bert, drawn) = Bert::read(folder, seed, device)?;
                (Blueprint::Bert(*bert.config()), Box::new(bert), drawn)
            }
            SynapseName::Gpt => {
                let (gpt, drawn) = Gpt::read(folder, seed, device)?;
                (Blueprint::Gpt(*gpt.config()), Box::new(gpt), drawn)
            }
            SynapseName::Mnist | SynapseName::Cifar | SynapseName::Torchscript => {
                let message =
                    "--pretrained takes models of text: add --synapse bert or --synapse gpt";
                return Err(UsageError(message.to_owned()).into());
            }
        };
        if !drawn.is_empty() {
            tracing::info!(?drawn, "not in the folder, and drawn from the seed");
        }
        Ok((blueprint, synapse))
    }

    /// As a checkpoint keeps it.
    pub(crate) fn of_checkpoint(config: &serde_json::Value) -> anyhow::Result<Blueprint> {
        let model = config.get("model").cloned().unwrap_or_default();
        let blueprint: Blueprint = serde_json::from_value(model)
            .context("the checkpoint does not say which model it is of: train it again")?;
        let checked = blueprint.check().map_err(anyhow::Error::msg);
        checked.context("the checkpoint is of a model that cannot be: train it again")?;
        Ok(blueprint)
    }
}

/// The module in a run's folder, if it is the one that was declared so.
fn kept_module(
    config: &TorchScriptConfig,
    fingerprint: &str,
    run: &Path,
    seed: u64,
    device: Device,
) -> anyhow::Result<TorchScript> {
    let path = run.join(MODULE);
    let module = TorchScript::open(&path, config.clone(), seed, device)?;
    anyhow::ensure!(
        module.fingerprint() == fingerprint,
        "{} is not the module that the checkpoint is of",
        path.display()
    );
    Ok(module)
}

#[cfg(test)]
mod tests {
    use neuron::{cli::Command, config};

    use super::*;

    fn architecture(arguments: &[&str]) -> ArchitectureSettings {
        let arguments = ["neuron", "train"].iter().chain(arguments);
        let (cli, _) = config::parse(arguments.map(Into::into)).unwrap();
        match cli.command {
            Command::Train(train) => train.architecture,
            other => panic!("{other:?}"),
        }
    }

    fn tokenizer() -> Tokenizer {
        let texts = [Ok::<_, neuron_text::TokenizerError>("some text".to_owned())];
        let specials = [
            Special::Pad,
            Special::Class,
            Special::Separator,
            Special::Mask,
            Special::End,
        ];
        Tokenizer::train(texts.into_iter(), 300, &specials).unwrap()
    }

    #[test]
    fn a_checkpoint_remembers_the_model() {
        let settings = architecture(&["--width=32", "--layers=1", "--dpn=narrow"]);
        let text = |name| Blueprint::of_text(name, &settings, &tokenizer(), 16).unwrap();
        for blueprint in [
            Blueprint::Mnist,
            Blueprint::of_images(SynapseName::Cifar, &settings),
            text(SynapseName::Bert),
            text(SynapseName::Gpt),
        ] {
            let config = serde_json::json!({ "model": blueprint });
            assert_eq!(Blueprint::of_checkpoint(&config).unwrap(), blueprint);
            let synapse = blueprint.build(Path::new("."), 1, Device::Cpu).unwrap();
            assert_eq!(synapse.copy().d_model(), synapse.d_model());
        }
        assert!(Blueprint::of_checkpoint(&serde_json::json!({})).is_err());
    }

    #[test]
    fn models_that_cannot_be_are_refused() {
        let settings = architecture(&["--width=30", "--heads=4"]);
        for name in [SynapseName::Bert, SynapseName::Gpt] {
            let error = Blueprint::of_text(name, &settings, &tokenizer(), 16).unwrap_err();
            assert!(error.to_string().contains("--heads"), "{error}");
        }
    }

    #[test]
    fn texts_beyond_a_model_are_refused() {
        let settings = architecture(&["--width=32", "--layers=1"]);
        let gpt = Blueprint::of_text(SynapseName::Gpt, &settings, &tokenizer(), 16).unwrap();
        assert!(gpt.takes(&tokenizer(), 16).is_ok());
        assert!(gpt.takes(&tokenizer(), 17).is_err());
        let few = Blueprint::Gpt(Gpt2Config {
            vocab_size: 20,
            ..Gpt2Config::tiny(20)
        });
        assert!(few.takes(&tokenizer(), 16).is_err());
    }
}
