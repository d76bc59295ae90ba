use serde_json::{Value, json};
use tch::{Device, Tensor};

use super::*;

fn numbers(values: &[f32]) -> Tensor {
    Tensor::from_slice(values)
}

fn model() -> Parameters {
    Parameters::from([
        (
            "a.weight".to_owned(),
            numbers(&[1.0, -2.5, 3.0, 0.0]).reshape([2, 2]),
        ),
        ("b".to_owned(), numbers(&[0.5])),
    ])
}

/// Writes tensors as others do.
fn write_file(path: &Path, tensors: &[(&str, &Tensor)]) {
    let stored = tensors
        .iter()
        .map(|(name, tensor)| (*name, Stored::of(tensor).unwrap()));
    fs::write(path, safetensors::serialize(stored, None).unwrap()).unwrap();
}

fn assert_same(read: &Parameters, expected: &Parameters) {
    assert!(read.keys().eq(expected.keys()), "{:?}", read.keys());
    for (name, tensor) in expected {
        assert_eq!(read[name].kind(), Kind::Float);
        assert!(read[name].equal(tensor), "{name}");
    }
}

#[test]
fn what_is_read_is_what_was_written() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("new/model");
    let exported = export(&json!({"hidden_size": 2}), &model()).unwrap();
    exported.write(&folder).unwrap();
    assert_same(&read_parameters(&folder).unwrap(), &model());
    let config: Value = read_config(&folder, |_| Ok(())).unwrap();
    assert_eq!(config, json!({"hidden_size": 2}));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
}

#[test]
fn floats_of_any_precision_are_read_and_integers_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let positions = Tensor::arange(3, (Kind::Int64, Device::Cpu));
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double] {
        let [a, b] = ["a.weight", "b"].map(|name| model()[name].to_kind(kind));
        let tensors = [("a.weight", &a), ("b", &b), ("position_ids", &positions)];
        write_file(&folder.path().join(MODEL), &tensors);
        assert_same(&read_parameters(folder.path()).unwrap(), &model());
    }
}

#[test]
fn a_model_in_several_files_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    for name in ["a.weight", "b"] {
        let path = folder.path().join(format!("{name}.safetensors"));
        write_file(&path, &[(name, &model[name])]);
    }
    let index = |map: Value| {
        let index = json!({"metadata": {}, "weight_map": map}).to_string();
        fs::write(folder.path().join(INDEX), index).unwrap();
        read_parameters(folder.path())
    };
    let whole = index(json!({"a.weight": "a.weight.safetensors", "b": "b.safetensors"}));
    assert_same(&whole.unwrap(), &model);

    let lost = index(json!({"a.weight": "a.weight.safetensors", "b": "c.safetensors"}));
    assert!(matches!(
        lost,
        Err(HuggingFaceError::Missing(path)) if path.ends_with("c.safetensors")
    ));
    for elsewhere in [
        "../b.safetensors",
        "/b.safetensors",
        "x/b.safetensors",
        "..",
    ] {
        let refused = index(json!({"b": elsewhere})).unwrap_err();
        assert!(
            matches!(refused, HuggingFaceError::Format { .. }),
            "{elsewhere}: {refused}"
        );
    }
}

#[test]
fn what_is_not_there_cut_or_of_another_kind_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let config = || read_config(folder.path(), |_: &Value| Err("it is odd".into()));
    assert!(matches!(config(), Err(HuggingFaceError::Missing(path)) if path.ends_with(CONFIG)));
    assert!(matches!(
        read_parameters(folder.path()),
        Err(HuggingFaceError::Missing(path)) if path.ends_with(MODEL)
    ));

    let exported = export(&json!({}), &model()).unwrap();
    exported.write(folder.path()).unwrap();
    let problem = config().unwrap_err().to_string();
    assert!(problem.ends_with("config.json is not what this model reads: it is odd"));
    fs::write(folder.path().join(CONFIG), "{").unwrap();
    assert!(matches!(config(), Err(HuggingFaceError::Format { .. })));

    let whole = fs::read(folder.path().join(MODEL)).unwrap();
    fs::write(folder.path().join(MODEL), &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        read_parameters(folder.path()),
        Err(HuggingFaceError::Damaged { .. })
    ));
}

#[test]
fn tensors_that_do_not_fit_are_named_and_change_nothing() {
    let own = model();
    let stored = Parameters::from([
        ("a.weight".to_owned(), numbers(&[7.0, 7.0])),
        ("classifier".to_owned(), numbers(&[7.0])),
    ]);
    let refused = adopt(&own, &stored, |_| false, Path::new("folder")).unwrap_err();
    let HuggingFaceError::Misfit { misfit, .. } = &refused else {
        panic!("{refused}");
    };
    let expected = Misfit {
        missing: vec!["b".into()],
        extra: vec!["classifier".into()],
        misshapen: vec![Misshapen {
            name: "a.weight".into(),
            expected: vec![2, 2],
            arrived: vec![2],
        }],
    };
    assert_eq!(*misfit, expected);
    assert_eq!(
        refused.to_string(),
        "the tensors in folder do not fit its config.json: missing: b; extra: classifier; of another shape: a.weight \
         (expected [2, 2], got [2])"
    );
    assert_same(&own, &model());
}

#[test]
fn what_may_be_lacking_is_told_and_kept() {
    let own = model();
    let stored = Parameters::from([("b".to_owned(), numbers(&[9.0]))]);
    let lacking = adopt(
        &own,
        &stored,
        |name| name == "a.weight",
        Path::new("folder"),
    )
    .unwrap();
    assert_eq!(lacking, ["a.weight"]);
    assert_eq!(own["b"].double_value(&[0]), 9.0);
    assert!(own["a.weight"].equal(&model()["a.weight"]));
}

#[test]
fn of_many_names_a_few_are_told_and_the_others_counted() {
    let misfit = Misfit {
        missing: (0..7).map(|i| format!("t{i}")).collect(),
        ..Misfit::default()
    };
    assert_eq!(misfit.to_string(), "missing: t0, t1, t2, t3, t4 and 2 more");
}
