//! A module of PyTorch as a neuron's model: whether it goes together with the other settings, and with what it is to learn from.

use neuron::{
    cli::{DatasetName, ModelSettings, SynapseName},
    exit::UsageError,
};
use neuron_learn::{dataset::N_CLASSES, synapse::TorchScriptConfig};
use neuron_proto::Modality;

/// Whether what is said of the model is said of one.
///
/// # Errors
///
/// [`UsageError`] for a module and another model, and for a declaration without a module.
pub(crate) fn check_settings(settings: &ModelSettings) -> Result<(), UsageError> {
    let other = settings
        .synapse
        .filter(|name| *name != SynapseName::Torchscript);
    match (&settings.torchscript, other, &settings.torchscript_declare) {
        (Some(_), Some(other), _) => Err(UsageError(format!(
            "--torchscript is a model, and --synapse {} another",
            other.name()
        ))),
        (None, _, Some(_)) => Err(UsageError(
            "--torchscript-declare needs the module that it is about: --torchscript names its file"
                .to_owned(),
        )),
        _ => Ok(()),
    }
}

/// Whether a module can learn from this data, as far as that is seen before the data is.
///
/// # Errors
///
/// [`UsageError`] if it predicts nothing, takes something else, or tells other classes apart.
pub(crate) fn check_data(
    config: &TorchScriptConfig,
    dataset: DatasetName,
) -> Result<(), UsageError> {
    if !config.predicts() {
        let message = "the module gives encodings, and nothing is learned from those alone: export one that gives logits";
        return Err(UsageError(message.to_owned()));
    }
    let shape = match dataset {
        DatasetName::Digits | DatasetName::Mnist => Some([1, 28, 28]),
        DatasetName::Cifar | DatasetName::Synthetic => Some([3, 32, 32]),
        DatasetName::Text => None,
    };
    let fits = match (config.modality(), shape) {
        (Modality::Text, None) => true,
        (Modality::Image, Some(shape)) => {
            let mut axes = config.input_shape().iter().zip(shape);
            axes.all(|(&declared, size)| declared == 0 || declared == size)
        }
        _ => false,
    };
    if !fits {
        return Err(UsageError(format!(
            "a module that takes {} of {:?} cannot learn from {}: see --dataset",
            config.modality(),
            config.input_shape(),
            dataset.name()
        )));
    }
    let output = config.output_shape();
    let is_of_classes = matches!(*output, [width] if width as usize == N_CLASSES);
    if dataset != DatasetName::Text && !is_of_classes {
        return Err(UsageError(format!(
            "{} has {N_CLASSES} classes, and the module gives {output:?} for an image: expected [{N_CLASSES}]",
            dataset.name()
        )));
    }
    Ok(())
}

/// Whether a module can learn from texts of so many tokens, of a tokeniser that has so many: at each place it has to tell one.
///
/// # Errors
///
/// [`UsageError`] if it cannot.
pub(crate) fn check_texts(
    config: &TorchScriptConfig,
    sequence: u32,
    n_tokens: usize,
) -> Result<(), UsageError> {
    if !config.is_causal() {
        let message = "a module learns from text which token comes next: if it is made for that, declare \"causal\": true";
        return Err(UsageError(message.to_owned()));
    }
    let (input, output) = (config.input_shape(), config.output_shape());
    if input != [0] && input != [sequence] {
        return Err(UsageError(format!(
            "the module takes texts of {input:?} tokens, and --sequence is {sequence}"
        )));
    }
    let fits = match *output {
        // What is 0 is as long as the input.
        [places, width] => [0, sequence].contains(&places) && width as usize >= n_tokens,
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(UsageError(format!(
        "the module gives {output:?} for a text: expected [{sequence}, {n_tokens}], or 0 where its input has 0, and at least one \
         logit for each of the {n_tokens} tokens of the tokeniser at each place"
    )))
}

#[cfg(test)]
mod tests {
    use neuron::{cli::Command, config};

    use super::*;

    fn declared(json: &str) -> TorchScriptConfig {
        serde_json::from_str(json).unwrap()
    }

    fn images(input: &str, output: &str) -> TorchScriptConfig {
        declared(&format!(
            r#"{{ "modality": "image", "input": {input}, "output": {output}, "outputs": "logits" }}"#
        ))
    }

    fn texts(input: &str, output: &str) -> TorchScriptConfig {
        declared(&format!(
            r#"{{ "modality": "text", "input": {input}, "output": {output}, "outputs": "logits", "vocabulary": 500, "causal": true }}"#
        ))
    }

    fn settings(arguments: &[&str]) -> Option<ModelSettings> {
        let arguments = ["neuron"].iter().chain(arguments);
        let (cli, _) = config::parse(arguments.map(Into::into)).ok()?;
        match cli.command {
            Command::Train(train) => Some(train.model),
            Command::Serve(serve) => Some(serve.model),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_module_and_another_model_are_refused() {
        for command in ["serve", "train"] {
            let said = |options: &[&str]| {
                let settings = settings(&[&[command], options].concat()).unwrap();
                check_settings(&settings).map_err(|error| error.to_string())
            };
            assert_eq!(said(&["--torchscript=m.pt"]), Ok(()));
            let named = ["--torchscript=m.pt", "--synapse=torchscript"];
            assert_eq!(said(&named), Ok(()));
            let other = said(&["--torchscript=m.pt", "--synapse=gpt"]).unwrap_err();
            assert!(other.contains("--synapse gpt another"), "{other}");
            let alone = said(&["--torchscript-declare={}"]).unwrap_err();
            assert!(alone.contains("--torchscript names"), "{alone}");
        }
    }

    #[test]
    fn what_would_be_ignored_beside_a_module_is_refused() {
        let module = "--torchscript=m.pt";
        for command in ["serve", "train"] {
            assert!(settings(&[command, module, "--pretrained=."]).is_none());
            assert!(settings(&[command, module, "--torchscript-declare=[1]"]).is_none());
        }
        for option in [
            "--dropout=0.2",
            "--width=8",
            "--layers=1",
            "--heads=1",
            "--dpn=92",
        ] {
            assert!(settings(&["train", option]).is_some(), "{option}");
            assert!(settings(&["train", module, option]).is_none(), "{option}");
        }
    }

    #[test]
    fn a_module_of_other_classes_than_the_data_has_is_refused() {
        let fits = images("[1, 28, 28]", "[10]");
        assert!(check_data(&fits, DatasetName::Digits).is_ok());
        assert!(check_data(&images("[3, 0, 0]", "[10]"), DatasetName::Synthetic).is_ok());
        for output in ["[5]", "[12]", "[2, 10]"] {
            let error = check_data(&images("[1, 28, 28]", output), DatasetName::Digits);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("digits has 10 classes"), "{error}");
        }
        for dataset in [DatasetName::Cifar, DatasetName::Text] {
            let error = check_data(&fits, dataset).unwrap_err().to_string();
            assert!(error.contains("--dataset"), "{error}");
        }
    }

    #[test]
    fn a_module_that_tells_no_token_at_each_place_is_refused() {
        for (input, output) in [
            ("[0]", "[0, 300]"),
            ("[0]", "[0, 320]"),
            ("[16]", "[16, 300]"),
            ("[16]", "[0, 300]"),
        ] {
            let config = texts(input, output);
            assert!(check_data(&config, DatasetName::Text).is_ok());
            let checked = check_texts(&config, 16, 300);
            assert!(checked.is_ok(), "{input} {output}: {checked:?}");
        }
        for (input, output) in [
            ("[0]", "[2]"),
            ("[0]", "[0, 299]"),
            ("[0]", "[8, 300]"),
            ("[16]", "[8, 300]"),
            ("[8]", "[8, 300]"),
            ("[0]", "[0, 2, 300]"),
        ] {
            let checked = check_texts(&texts(input, output), 16, 300);
            assert!(checked.is_err(), "{input} {output}");
        }
        let gaps = r#"{ "modality": "text", "input": [0], "output": [0, 300], "outputs": "logits", "vocabulary": 300 }"#;
        let error = check_texts(&declared(gaps), 16, 300)
            .unwrap_err()
            .to_string();
        assert!(error.contains("causal"), "{error}");
    }
}
