//! Answers that are far longer than what they answer.

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use neuron_peer::nucleus::{Model, ModelError, SynapseSpec};
use neuron_proto::{Code, DType, Likeliest, Limits, Modality, Output, Tensor, v1};

use crate::{
    harness::{Setup, within},
    requests::{ask, outputs},
};

/// Tokens that there are: a distribution over them has 4 MiB.
const VOCABULARY: u32 = 1 << 20;
const WIDTH: u32 = 8;

/// Encodes each token as zeros, and has a distribution over a large vocabulary at each. Counts how often it is asked.
struct Talkative(Arc<AtomicUsize>);

impl Talkative {
    fn zeros(&self, inputs: &Tensor, width: u32) -> Result<Tensor, ModelError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let shape = [inputs.shape(), &[width]].concat();
        let n_values: u32 = shape.iter().product();
        let zeros = vec![0.0; n_values as usize];
        Tensor::from_f32_vec(&shape, zeros).map_err(|error| ModelError::Failed(error.to_string()))
    }
}

impl Model for Talkative {
    fn synapses(&self) -> Vec<SynapseSpec> {
        vec![SynapseSpec {
            modality: Modality::Text,
            input_dtypes: vec![DType::I64],
            input_shape: vec![0],
            output_shape: vec![0, WIDTH],
            prediction_shape: Some(vec![VOCABULARY]),
            tokenizer: None,
            accepts_gradients: false,
        }]
    }

    fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.zeros(inputs, WIDTH)
    }

    fn target(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        self.zeros(inputs, VOCABULARY)
    }

    /// The last classes, all equally unlikely.
    fn likeliest(
        &mut self,
        _: Modality,
        _: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        max_bytes: usize,
    ) -> Result<Likeliest, ModelError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        assert_eq!(max_bytes, 32 << 20, "what an answer may have");
        let shape = [inputs.shape(), &[n.get()]].concat();
        let n_places = inputs.n_elements();
        let last = i64::from(VOCABULARY - n.get())..i64::from(VOCABULARY);
        let classes: Vec<i64> = last.collect();
        let logarithms = vec![-14.0; n_places * n.get() as usize];
        let likeliest = Likeliest::new(
            Tensor::from_f32_vec(&shape, logarithms).unwrap(),
            Tensor::from_i64(&shape, &classes.repeat(n_places)).unwrap(),
            VOCABULARY,
        );
        Ok(likeliest.unwrap())
    }
}

/// Texts of zeros.
fn texts(rows: u32, tokens: u32, output: Output) -> v1::ForwardRequest {
    let ids = vec![0; (rows * tokens) as usize];
    v1::ForwardRequest {
        modality: Modality::Text.into(),
        inputs: Some(Tensor::from_i64(&[rows, tokens], &ids).unwrap().encode()),
        output: output.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_before_the_model_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let axon = Setup::default().start_with(Talkative(asked.clone())).await;
    let client = axon.client("//Alice").await;
    // 8 rows of 64 tokens are 4 KiB, and their distributions 2 GiB. A row of 4 tokens has 16 MiB of them, of which 2 fit.
    let long = ask(&client, texts(8, 64, Output::Target))
        .await
        .unwrap_err();
    assert_eq!(Code::of_status(&long), Code::RequestShapeException);
    assert!(long.message().contains("not one fits"), "{long}");
    let many = ask(&client, texts(3, 4, Output::Target)).await.unwrap_err();
    assert_eq!(Code::of_status(&many), Code::RequestShapeException);
    assert!(many.message().contains("2 fit"), "{many}");
    assert_eq!(asked.load(Ordering::SeqCst), 0);

    let encodings = ask(&client, texts(8, 64, Output::Encoding)).await.unwrap();
    assert_eq!(outputs(encodings).shape(), [8, 64, WIDTH]);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    axon.counted("neuron_axon_memory_bytes 0").await;
    let peak = axon.metric("neuron_axon_memory_peak_bytes");
    assert!(peak < 1e6, "{peak}");
    within(axon.stop()).await;
}

#[tokio::test]
async fn of_a_large_vocabulary_the_likeliest_classes_are_told() {
    let asked = Arc::new(AtomicUsize::new(0));
    let axon = Setup::default().start_with(Talkative(asked.clone())).await;
    let client = axon.client("//Alice").await;
    let likeliest = |n_likeliest, output| v1::ForwardRequest {
        n_likeliest,
        ..texts(8, 64, output)
    };
    // All classes of so many texts would be 2 GiB.
    let answer = ask(&client, likeliest(5, Output::Target)).await.unwrap();
    let classes = answer.classes.clone().unwrap();
    let classes = Tensor::decode(classes, &Limits::default()).unwrap();
    assert_eq!(classes.shape(), [8, 64, 5]);
    let last = [5, 4, 3, 2, 1].map(|n| i64::from(VOCABULARY - n));
    assert_eq!(classes.to_i64().unwrap()[..5], last);
    assert_eq!(outputs(answer).shape(), [8, 64, 5]);
    // As many as are asked for are paid for, with their numbers: 8 · 64 · 5 · 12 bytes, and a little.
    axon.counted("neuron_axon_memory_bytes 0").await;
    let peak = axon.metric("neuron_axon_memory_peak_bytes");
    assert!((30_720.0..40_960.0).contains(&peak), "{peak}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);

    for (refused, code) in [
        (likeliest(5, Output::Encoding), Code::InvalidRequest),
        (
            likeliest(VOCABULARY + 1, Output::Target),
            Code::InvalidRequest,
        ),
        // 8 · 64 · 5,500 · 12 bytes are 32.2 MiB.
        (
            likeliest(5_500, Output::Target),
            Code::RequestShapeException,
        ),
    ] {
        let refused = ask(&client, refused).await.unwrap_err();
        assert_eq!(Code::of_status(&refused), code, "{refused}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    within(axon.stop()).await;
}

#[tokio::test]
async fn an_answer_is_paid_for_at_the_length_that_it_has() {
    let axon = Setup::default().start_with(Talkative(Arc::default())).await;
    let client = axon.client("//Alice").await;
    // One row of a token: 4 MiB, asked for in half precision.
    let half = v1::ForwardRequest {
        reply: DType::F16.into(),
        ..texts(1, 1, Output::Target)
    };
    let answer = ask(&client, half).await.unwrap();
    assert_eq!(outputs(answer).n_bytes(), 2 << 20);
    axon.counted("neuron_axon_memory_bytes 0").await;
    // Held as it is computed, in full precision, and a little for what is around it.
    let peak = axon.metric("neuron_axon_memory_peak_bytes");
    let computed = f64::from(4 * VOCABULARY);
    assert!((computed..computed + 1024.0).contains(&peak), "{peak}");
    within(axon.stop()).await;
}
