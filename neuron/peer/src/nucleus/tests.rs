//! The nucleus' promises, kept against a scripted model.

use std::{
    num::NonZeroU32,
    sync::mpsc,
    time::{Duration, Instant},
};

use neuron_proto::{Classes, Code, DType, Likeliest, Modality, Output, Tensor, Wanted};

use super::{
    JoinGuard, Load, Model, ModelError, Nucleus, NucleusConfig, NucleusError, Refusal, Reply,
    Request, SynapseSpec, Ticket,
};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Values that make the scripted model misbehave on the batch that holds them.
const PANIC: f32 = -1.0;
const FAIL: f32 = -2.0;
const A_ROW_TOO_FEW: f32 = -3.0;
const UNUSABLE: f32 = -4.0;

/// Multiplies by a factor, predicts two classes by sign, the less likely the larger the number, reports each batch, and waits
/// before each for a word from the test.
struct Scripted {
    factor: f32,
    seen: mpsc::Sender<Vec<f32>>,
    go: mpsc::Receiver<()>,
}

impl Model for Scripted {
    fn synapses(&self) -> Vec<SynapseSpec> {
        vec![SynapseSpec {
            modality: Modality::Tensor,
            input_dtypes: vec![DType::F32],
            input_shape: vec![1],
            output_shape: vec![1],
            prediction_shape: Some(vec![2]),
            tokenizer: None,
            accepts_gradients: false,
        }]
    }

    fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let values = inputs.to_f32().unwrap();
        // A test that has dropped its ends lets the model run freely.
        let _ = self.seen.send(values.clone());
        let _ = self.go.recv();
        assert!(!values.contains(&PANIC), "told to");
        if values.contains(&FAIL) {
            return Err(ModelError::Failed("told to".to_owned()));
        }
        if values.contains(&UNUSABLE) {
            return Err(ModelError::InvalidRequest("told to".to_owned()));
        }
        let rows = inputs.rows() - u32::from(values.contains(&A_ROW_TOO_FEW));
        let outputs: Vec<f32> = values[..rows as usize]
            .iter()
            .map(|value| value * self.factor)
            .collect();
        Ok(Tensor::from_f32(&[rows, 1], &outputs).unwrap())
    }

    fn predict(&mut self, modality: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        let encodings = self.forward(modality, inputs)?.to_f32().unwrap();
        let predictions: Vec<f32> = encodings
            .iter()
            .flat_map(|&value| [value, -value])
            .collect();
        Ok(Tensor::from_f32(&[inputs.rows(), 2], &predictions).unwrap())
    }

    fn likeliest(
        &mut self,
        modality: Modality,
        _: Output,
        n: NonZeroU32,
        inputs: &Tensor,
        _: usize,
    ) -> Result<Likeliest, ModelError> {
        let encodings = self.forward(modality, inputs)?.to_f32().unwrap();
        let (mut logarithms, mut classes) = (Vec::new(), Vec::new());
        for &value in &encodings {
            let class = i64::from(value < 0.0);
            logarithms
                .extend_from_slice(&[-1.0 - value.abs(), -2.0 - value.abs()][..n.get() as usize]);
            classes.extend_from_slice(&[class, 1 - class][..n.get() as usize]);
        }
        let shape = [u32::try_from(encodings.len()).unwrap(), n.get()];
        let logarithms = Tensor::from_f32_vec(&shape, logarithms).unwrap();
        let classes = Tensor::from_i64(&shape, &classes).unwrap();
        Ok(Likeliest::new(logarithms, classes, 2).unwrap())
    }
}

/// The test's ends of a scripted model.
struct Script {
    seen: mpsc::Receiver<Vec<f32>>,
    go: mpsc::Sender<()>,
}

impl Script {
    fn model(factor: f32) -> (Box<Scripted>, Script) {
        let ((tell, seen), (go, wait)) = (mpsc::channel(), mpsc::channel());
        (
            Box::new(Scripted {
                factor,
                seen: tell,
                go: wait,
            }),
            Script { seen, go },
        )
    }

    /// Waits until the model has begun on a batch, and says which.
    fn begun(&self) -> Vec<f32> {
        self.seen
            .recv_timeout(PATIENCE)
            .expect("the model begins on a batch")
    }

    /// Lets as many batches run.
    fn run(&self, n_batches: usize) {
        for _ in 0..n_batches {
            self.go.send(()).expect("the model waits for the word");
        }
    }

    /// Lets every batch run, and says which there were once no more can come.
    fn run_freely(self) -> Vec<Vec<f32>> {
        drop(self.go);
        self.seen.iter().collect()
    }
}

/// A nucleus whose model doubles.
fn nucleus(config: NucleusConfig) -> (Nucleus, JoinGuard, Script) {
    let (model, script) = Script::model(2.0);
    let (nucleus, guard) = Nucleus::start(model, config).unwrap();
    (nucleus, guard, script)
}

/// A nucleus whose model runs on this value, until the script says go.
fn busy_nucleus(config: NucleusConfig) -> (Nucleus, JoinGuard, Script, Ticket) {
    let (nucleus, guard, script) = nucleus(config);
    let ticket = nucleus.submit(request(&[0.0])).unwrap();
    assert_eq!(script.begun(), [0.0]);
    (nucleus, guard, script, ticket)
}

fn request(values: &[f32]) -> Request {
    let inputs = Tensor::from_f32(&[u32::try_from(values.len()).unwrap(), 1], values).unwrap();
    let deadline = Instant::now() + 10 * PATIENCE;
    Request {
        modality: Modality::Tensor,
        tokenizer: None,
        wanted: Wanted::Encoding,
        inputs,
        priority: 0,
        deadline,
    }
}

async fn answer(ticket: Ticket) -> Result<Reply, Refusal> {
    tokio::time::timeout(PATIENCE, ticket)
        .await
        .expect("every ticket is answered")
}

async fn outputs(ticket: Ticket) -> Vec<f32> {
    answer(ticket)
        .await
        .expect("the request is answered")
        .outputs
        .to_f32()
        .unwrap()
}

async fn code(ticket: Ticket) -> Code {
    answer(ticket)
        .await
        .expect_err("the request is refused")
        .code
}

#[tokio::test]
async fn requests_that_wait_share_a_batch_and_get_their_own_rows() {
    let (nucleus, _guard, script, first) = busy_nucleus(NucleusConfig::default());
    let second = nucleus.submit(request(&[1.0, 2.0])).unwrap();
    let third = nucleus.submit(request(&[3.0])).unwrap();
    script.run(2);
    assert_eq!(outputs(first).await, [0.0]);
    assert_eq!(script.begun(), [1.0, 2.0, 3.0]);
    let second = answer(second).await.unwrap();
    assert_eq!(second.outputs.to_f32().unwrap(), [2.0, 4.0]);
    assert_eq!(second.batch_rows, 3);
    assert_eq!(outputs(third).await, [6.0]);
}

#[tokio::test]
async fn predictions_never_share_a_batch_with_encodings() {
    let (nucleus, _guard, script, _first) = busy_nucleus(NucleusConfig::default());
    let ask = |output: Output, value| {
        nucleus.submit(Request {
            wanted: output.into(),
            ..request(&[value])
        })
    };
    let encoding = ask(Output::Encoding, 1.0).unwrap();
    let prediction = ask(Output::Prediction, 2.0).unwrap();
    let other_encoding = ask(Output::Encoding, 3.0).unwrap();
    let other_prediction = ask(Output::Prediction, 4.0).unwrap();
    script.run(3);
    let mut batches = [script.begun(), script.begun()];
    batches.sort_by(|one, other| one[0].total_cmp(&other[0]));
    assert_eq!(batches, [[1.0, 3.0], [2.0, 4.0]]);
    assert_eq!(outputs(encoding).await, [2.0]);
    assert_eq!(outputs(other_encoding).await, [6.0]);
    assert_eq!(outputs(prediction).await, [4.0, -4.0]);
    assert_eq!(outputs(other_prediction).await, [8.0, -8.0]);
}

/// A request for so many classes.
fn likeliest(n: u32, values: &[f32]) -> Request {
    Request {
        wanted: Wanted::Prediction(Classes::Likeliest(NonZeroU32::new(n).unwrap())),
        ..request(values)
    }
}

#[tokio::test]
async fn a_batch_is_of_those_that_want_as_many_classes() {
    let (nucleus, _guard, script, _first) = busy_nucleus(NucleusConfig::default());
    let one = nucleus.submit(likeliest(1, &[1.0])).unwrap();
    let two = nucleus.submit(likeliest(2, &[2.0, -6.0])).unwrap();
    let all = nucleus.submit(Request {
        wanted: Output::Prediction.into(),
        ..request(&[4.0])
    });
    let other = nucleus.submit(likeliest(1, &[-5.0])).unwrap();
    script.run(4);
    let mut batches = [script.begun(), script.begun(), script.begun()];
    batches.sort_by(|one, other| one[0].total_cmp(&other[0]));
    assert_eq!(batches, [vec![1.0, -5.0], vec![2.0, -6.0], vec![4.0]]);

    let told = async |ticket| {
        let reply = answer(ticket).await.unwrap();
        let classes = reply.classes.unwrap();
        assert_eq!(classes.shape(), reply.outputs.shape());
        (reply.outputs.to_f32().unwrap(), classes.to_i64().unwrap())
    };
    // The model doubles.
    assert_eq!(told(one).await, (vec![-3.0], vec![0]));
    let expected = (vec![-5.0, -6.0, -13.0, -14.0], vec![0, 1, 1, 0]);
    assert_eq!(told(two).await, expected);
    assert_eq!(told(other).await, (vec![-11.0], vec![1]));
    assert!(answer(all.unwrap()).await.unwrap().classes.is_none());
}

#[tokio::test]
async fn classes_that_there_are_not_are_refused_at_once() {
    let (nucleus, _guard, _script) = nucleus(NucleusConfig::default());
    let refusal = nucleus.submit(likeliest(3, &[1.0])).unwrap_err();
    assert_eq!(refusal.code, Code::InvalidRequest);
    assert!(refusal.message.contains("at most 2"), "{refusal}");
    assert_eq!(nucleus.load(), Load::default());
}

#[tokio::test]
async fn a_bad_request_for_classes_spoils_no_other_of_its_batch() {
    let (nucleus, _guard, script, _first) = busy_nucleus(NucleusConfig::default());
    let [good, bad] =
        [1.0, A_ROW_TOO_FEW].map(|value| nucleus.submit(likeliest(2, &[value])).unwrap());
    drop(script.go);
    assert_eq!(script.seen.recv().unwrap().len(), 2, "they share a batch");
    assert_eq!(outputs(good).await, [-3.0, -4.0]);
    assert_eq!(code(bad).await, Code::ResponseShapeException);
}

#[tokio::test]
async fn a_model_that_tells_no_classes_says_so() {
    let (nucleus, _guard) = Nucleus::start(Box::new(Whole), NucleusConfig::default()).unwrap();
    let ticket = nucleus.submit(likeliest(1, &[1.0])).unwrap();
    assert_eq!(code(ticket).await, Code::NotImplemented);
}

/// Predicts, but tells all classes only.
struct Whole;

impl Model for Whole {
    fn synapses(&self) -> Vec<SynapseSpec> {
        Script::model(1.0).0.synapses()
    }

    fn forward(&mut self, _: Modality, inputs: &Tensor) -> Result<Tensor, ModelError> {
        Ok(inputs.clone())
    }
}

#[tokio::test]
async fn a_prediction_that_is_not_offered_is_refused_at_once() {
    let (nucleus, _guard) = Nucleus::start(Box::new(Other), NucleusConfig::default()).unwrap();
    let refusal = nucleus.submit(Request {
        wanted: Output::Prediction.into(),
        ..request(&[1.0])
    });
    assert_eq!(refusal.unwrap_err().code, Code::NotImplemented);
    assert_eq!(nucleus.load().requests, 0);
}

#[tokio::test]
async fn the_reply_says_where_the_time_went() {
    let asked = Instant::now();
    let (nucleus, _guard, script, first) = busy_nucleus(NucleusConfig::default());
    let first_waited = asked.elapsed();
    let second = nucleus.submit(request(&[1.0])).unwrap();
    // The first computes meanwhile, and the second waits.
    let (began, meanwhile) = (Instant::now(), Duration::from_millis(5));
    while began.elapsed() < meanwhile {
        tokio::task::yield_now().await;
    }
    script.run(1);
    let first = answer(first).await.unwrap();
    assert_eq!(script.begun(), [1.0]);
    script.run(1);
    let second = answer(second).await.unwrap();
    // What the nucleus says lies between what the test itself has seen.
    assert!(first.queue <= first_waited, "{first:?}");
    assert!(first.compute >= meanwhile, "{first:?}");
    assert!(second.queue >= meanwhile, "{second:?}");
    assert!(second.compute <= began.elapsed(), "{second:?}");
}

#[tokio::test]
async fn stake_goes_first_and_every_fourth_batch_is_the_oldest() {
    let config = NucleusConfig {
        max_batch_rows: 1,
        max_request_rows: 1,
        ..NucleusConfig::default()
    };
    let (nucleus, guard, script, first) = busy_nucleus(config);
    let ask = |stake: u8| Request {
        priority: stake.into(),
        ..request(&[stake.into()])
    };
    let tickets: Vec<Ticket> = (1..10)
        .map(|stake| nucleus.submit(ask(stake)).unwrap())
        .collect();
    drop(guard);
    let order: Vec<f32> = script.run_freely().concat();
    // Batch 0 is the one that ran; 3 and 7 go by age.
    assert_eq!(order, [9.0, 8.0, 1.0, 7.0, 6.0, 5.0, 2.0, 4.0, 3.0]);
    assert_eq!(outputs(first).await, [0.0]);
    for (ticket, stake) in tickets.into_iter().zip(1u8..) {
        assert_eq!(outputs(ticket).await, [f32::from(stake) * 2.0]);
    }
}

#[tokio::test]
async fn a_bad_request_spoils_no_other_of_its_batch() {
    let cases = [
        (PANIC, Code::UnknownException),
        (FAIL, Code::UnknownException),
        (A_ROW_TOO_FEW, Code::ResponseShapeException),
    ];
    for (poison, expected) in cases {
        let (nucleus, _guard, script, _first) = busy_nucleus(NucleusConfig::default());
        let ask = |value| nucleus.submit(request(&[value])).unwrap();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for n in 0u8..32 {
            if n % 4 == 3 {
                bad.push(ask(poison))
            } else {
                good.push((n, ask(n.into())))
            }
        }
        drop(script.go);
        assert_eq!(script.seen.recv().unwrap().len(), 32, "they share a batch");
        assert_eq!((good.len(), bad.len()), (24, 8));
        for (n, ticket) in good {
            assert_eq!(outputs(ticket).await, [f32::from(n) * 2.0]);
        }
        for ticket in bad {
            assert_eq!(code(ticket).await, expected);
        }
        assert_eq!(outputs(ask(5.0)).await, [10.0], "the next request is fine");
        // The batch and each of the eight alone.
        assert_eq!(
            nucleus.metrics().panics(),
            if poison == PANIC { 9 } else { 0 }
        );
    }
}

#[tokio::test]
async fn what_a_model_says_of_its_own_faults_is_not_told_to_callers() {
    let (nucleus, _guard, script) = nucleus(NucleusConfig::default());
    for fault in [PANIC, FAIL] {
        script.run(1);
        let refusal = answer(nucleus.submit(request(&[fault])).unwrap()).await;
        let expected = Refusal::new(Code::UnknownException, "the model failed");
        assert_eq!(refusal.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn what_a_model_says_of_a_request_is_told_to_its_caller() {
    let (nucleus, _guard, script) = nucleus(NucleusConfig::default());
    script.run(1);
    let refusal = answer(nucleus.submit(request(&[UNUSABLE])).unwrap()).await;
    let expected = Refusal::new(Code::InvalidRequest, "the inputs are unusable: told to");
    assert_eq!(refusal.unwrap_err(), expected);
}

#[tokio::test]
async fn it_is_known_when_a_nucleus_takes_nothing_more() {
    let (nucleus, guard, script) = nucleus(NucleusConfig::default());
    let stopping = nucleus.stopping().clone();
    assert!(!stopping.is_cancelled());
    drop((guard, script));
    tokio::time::timeout(PATIENCE, stopping.cancelled())
        .await
        .expect("it is told");
    let refusal = nucleus.submit(request(&[1.0])).unwrap_err();
    assert_eq!(refusal.code, Code::NotServingNucleus);
}

#[tokio::test]
async fn what_the_synapse_does_not_take_is_refused_at_once() {
    let (nucleus, _guard, _script) = nucleus(NucleusConfig::default());
    let refused = |request| nucleus.submit(request).unwrap_err().code;
    let text = Request {
        modality: Modality::Text,
        ..request(&[1.0])
    };
    assert_eq!(refused(text), Code::NotImplemented);
    let wide = Tensor::from_f32(&[1, 2], &[1.0; 2]).unwrap();
    assert_eq!(
        refused(Request {
            inputs: wide,
            ..request(&[])
        }),
        Code::RequestShapeException
    );
    assert_eq!(refused(request(&[])), Code::EmptyRequest);
    assert_eq!(refused(request(&[1.0; 65])), Code::RequestShapeException);
    assert_eq!(refused(request(&[f32::NAN])), Code::InvalidRequest);
    let late = Request {
        deadline: Instant::now(),
        ..request(&[1.0])
    };
    assert_eq!(refused(late), Code::NucleusTimeout);
    assert_eq!(nucleus.load().requests, 0);
    assert_eq!(nucleus.metrics().answered(Code::RequestShapeException), 2);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused_before_the_model_is_asked() {
    // Two predictions of two classes of 4 bytes fit, three do not; three encodings, of half the size, do.
    let (nucleus, guard, script) = nucleus(NucleusConfig {
        max_answer_bytes: 16,
        ..NucleusConfig::default()
    });
    let ask = |output: Output, values: &[f32]| {
        nucleus.submit(Request {
            wanted: output.into(),
            ..request(values)
        })
    };
    let refusal = ask(Output::Prediction, &[1.0, 2.0, 3.0]).unwrap_err();
    assert_eq!(refusal.code, Code::RequestShapeException);
    assert!(refusal.message.contains("2 fit"), "{refusal}");
    assert_eq!(nucleus.load(), Load::default());
    let _prediction = ask(Output::Prediction, &[1.0, 2.0]).unwrap();
    let _encoding = ask(Output::Encoding, &[1.0, 2.0, 3.0]).unwrap();
    drop(guard);
    assert_eq!(script.run_freely().concat().len(), 5);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_says_when_to_come_back() {
    let by_requests = NucleusConfig {
        max_queue_requests: 4,
        ..NucleusConfig::default()
    };
    // Four times 16 rows of a number, answered with one.
    let by_bytes = NucleusConfig {
        max_queue_bytes: 4 * 16 * (4 + 4),
        max_request_rows: 16,
        ..NucleusConfig::default()
    };
    for (config, rows) in [(by_requests, 1), (by_bytes, 16)] {
        let (nucleus, _guard, script, _first) = busy_nucleus(config);
        let ask = || nucleus.submit(request(&vec![1.0; rows]));
        let waiting: Vec<Ticket> = (0..4).map(|_| ask().unwrap()).collect();
        let refusal = ask().unwrap_err();
        assert_eq!(refusal.code, Code::NucleusFull);
        assert!(
            refusal
                .retry_after
                .is_some_and(|wait| wait > Duration::ZERO)
        );
        let status = tonic::Status::from(refusal.clone());
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert!(neuron_proto::retry_after(&status) >= refusal.retry_after);
        drop(script.go);
        for ticket in waiting {
            assert_eq!(outputs(ticket).await, vec![2.0; rows]);
        }
        assert_eq!(
            outputs(ask().unwrap()).await,
            vec![2.0; rows],
            "there is room again"
        );
    }
}

#[tokio::test]
async fn more_stake_displaces_the_lowest_that_is_not_sheltered() {
    let config = NucleusConfig {
        max_queue_requests: 4,
        ..NucleusConfig::default()
    };
    let (nucleus, _guard, script, _first) = busy_nucleus(config);
    let ask = |value: f32, stake| {
        nucleus.submit(Request {
            priority: stake,
            ..request(&[value])
        })
    };
    // The request that runs was number 0, so these are numbers 1 to 4, and number 3 is sheltered.
    let one = ask(1.0, 5).unwrap();
    let two = ask(2.0, 2).unwrap();
    let three = ask(3.0, 0).unwrap();
    let four = ask(4.0, 2).unwrap();
    assert_eq!(
        ask(5.0, 2).unwrap_err().code,
        Code::NucleusFull,
        "not more stake than the lowest"
    );
    let six = ask(6.0, 3).unwrap();
    let refusal = answer(four).await.unwrap_err();
    assert_eq!(
        refusal.code,
        Code::NucleusFull,
        "the youngest of the lowest stake"
    );
    assert!(refusal.retry_after.is_some());
    drop(script.go);
    for (ticket, value) in [(one, 1.0), (two, 2.0), (three, 3.0), (six, 6.0)] {
        assert_eq!(outputs(ticket).await, [value * 2.0]);
    }
}

#[tokio::test]
async fn expired_work_is_answered_and_never_reaches_the_model() {
    let (nucleus, guard, script, first) = busy_nucleus(NucleusConfig::default());
    let deadline = Instant::now() + Duration::from_millis(100);
    let late = nucleus
        .submit(Request {
            deadline,
            ..request(&[7.0])
        })
        .unwrap();
    let good = nucleus.submit(request(&[8.0])).unwrap();
    while Instant::now() <= deadline {
        tokio::task::yield_now().await;
    }
    drop(guard);
    assert_eq!(script.run_freely(), [[8.0]]);
    assert_eq!(code(late).await, Code::NucleusTimeout);
    assert_eq!(outputs(first).await, [0.0]);
    assert_eq!(outputs(good).await, [16.0]);
}

#[tokio::test]
async fn abandoned_work_frees_its_place_at_once_and_never_reaches_the_model() {
    let (nucleus, guard, script, first) = busy_nucleus(NucleusConfig::default());
    let abandoned = nucleus.submit(request(&[7.0])).unwrap();
    // A number, and the number that answers it.
    assert_eq!((nucleus.load().requests, nucleus.load().bytes), (1, 8));
    drop(abandoned);
    assert_eq!((nucleus.load().requests, nucleus.load().bytes), (0, 0));
    assert_eq!(nucleus.metrics().abandoned(), 1);
    drop(guard);
    assert_eq!(script.run_freely(), Vec::<Vec<f32>>::new());
    assert_eq!(outputs(first).await, [0.0]);
}

#[tokio::test]
async fn a_new_model_takes_over_between_two_batches() {
    let (nucleus, _guard, script, first) = busy_nucleus(NucleusConfig::default());
    let running = nucleus.submit(request(&[1.0])).unwrap();
    script.run(1);
    assert_eq!(outputs(first).await, [0.0]);
    assert_eq!(script.begun(), [1.0]);

    let (triples, triple_script) = Script::model(3.0);
    drop(triple_script.go);
    nucleus.swap(triples).unwrap();
    let next = nucleus.submit(request(&[1.0])).unwrap();
    script.run(1);

    assert_eq!(
        outputs(running).await,
        [2.0],
        "the batch that ran keeps its model"
    );
    assert_eq!(outputs(next).await, [3.0]);
}

/// Serves something else than [`Scripted`].
struct Other;

impl Model for Other {
    fn synapses(&self) -> Vec<SynapseSpec> {
        let (mut synapses, wider) = (Script::model(1.0).0.synapses(), vec![2]);
        synapses[0].output_shape = wider;
        synapses[0].prediction_shape = None;
        synapses
    }

    fn forward(&mut self, _: Modality, _: &Tensor) -> Result<Tensor, ModelError> {
        Err(ModelError::NotImplemented("never asked".to_owned()))
    }
}

#[tokio::test]
async fn a_model_that_serves_something_else_is_not_taken() {
    let (nucleus, _guard, script) = nucleus(NucleusConfig::default());
    let refusal = nucleus.swap(Box::new(Other)).unwrap_err();
    assert!(matches!(refusal, NucleusError::OtherSynapses { .. }));
    script.run(1);
    assert_eq!(
        outputs(nucleus.submit(request(&[1.0])).unwrap()).await,
        [2.0]
    );
}

#[tokio::test]
async fn stopping_answers_everything_and_admits_nothing_more() {
    let config = NucleusConfig {
        max_wait: PATIENCE * 10,
        max_batch_rows: 64,
        ..NucleusConfig::default()
    };
    let (nucleus, guard, script) = nucleus(config);
    let waiting: Vec<Ticket> = (0u8..5)
        .map(|n| nucleus.submit(request(&[n.into()])).unwrap())
        .collect();
    drop(script.go);
    tokio::time::timeout(PATIENCE, guard.stopped())
        .await
        .expect("the thread ends");
    assert_eq!(
        nucleus.submit(request(&[9.0])).unwrap_err().code,
        Code::NotServingNucleus
    );
    for (ticket, n) in waiting.into_iter().zip(0u8..) {
        assert_eq!(outputs(ticket).await, [f32::from(n) * 2.0]);
    }
    assert_eq!(nucleus.metrics().batches(), 1);
}

#[tokio::test]
async fn a_batch_waits_for_others_until_it_is_full() {
    let config = NucleusConfig {
        max_wait: PATIENCE * 10,
        max_batch_rows: 3,
        max_request_rows: 2,
        ..NucleusConfig::default()
    };
    let (nucleus, _guard, script) = nucleus(config);
    drop(script.go);
    let one = nucleus.submit(request(&[1.0])).unwrap();
    let two = nucleus.submit(request(&[2.0, 3.0])).unwrap();
    assert_eq!(answer(one).await.unwrap().batch_rows, 3);
    assert_eq!(outputs(two).await, [4.0, 6.0]);
}

#[tokio::test]
async fn a_lone_request_is_answered_once_it_has_waited_for_others() {
    let max_wait = Duration::from_millis(3);
    let (nucleus, _guard, script) = nucleus(NucleusConfig {
        max_wait,
        ..NucleusConfig::default()
    });
    drop(script.go);
    let reply = answer(nucleus.submit(request(&[1.0])).unwrap())
        .await
        .unwrap();
    assert!(reply.queue >= max_wait, "{:?}", reply.queue);
}

#[tokio::test]
async fn ten_thousand_at_once_are_all_answered_within_the_bounds() {
    let config = NucleusConfig {
        max_queue_requests: 100,
        ..NucleusConfig::default()
    };
    let (nucleus, _guard, script, first) = busy_nucleus(config);
    let mut tickets = Vec::new();
    let mut n_refused = 0;
    for _ in 0..10_000 {
        match nucleus.submit(request(&[1.0])) {
            Ok(ticket) => tickets.push(ticket),
            Err(refusal) => {
                assert_eq!(refusal.code, Code::NucleusFull);
                n_refused += 1;
            }
        }
        assert!(nucleus.load().requests <= 100 && nucleus.load().bytes <= 800);
    }
    assert_eq!((tickets.len(), n_refused), (100, 9_900));
    drop(script.go);
    assert_eq!(outputs(first).await, [0.0]);
    for ticket in tickets {
        assert_eq!(outputs(ticket).await, [2.0]);
    }
    assert_eq!(nucleus.metrics().answered(Code::NucleusFull), 9_900);
    assert_eq!(nucleus.metrics().answered(Code::Success), 101);
}

#[tokio::test]
async fn metrics_tell_what_happened() {
    let registry = prometheus::Registry::new();
    let (nucleus, _guard, script) = nucleus(NucleusConfig::default());
    nucleus.metrics().register(&registry).unwrap();
    drop(script.go);
    outputs(nucleus.submit(request(&[1.0, 2.0])).unwrap()).await;
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap();
    for line in [
        r#"neuron_nucleus_requests_total{code="Success"} 1"#,
        r#"neuron_nucleus_batches_total{closed="waited"} 1"#,
        "neuron_nucleus_batch_rows_sum 2",
        "neuron_nucleus_queue_requests 0",
        "neuron_nucleus_queue_seconds_count 1",
        "neuron_nucleus_compute_seconds_count 1",
        "neuron_nucleus_panics_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }
    assert!(
        nucleus.metrics().register(&registry).is_err(),
        "twice the same names"
    );
}
