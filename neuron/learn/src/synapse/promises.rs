//! What every synapse keeps to, for the tests of each.

use std::num::NonZeroU32;

use neuron_proto::{DType, Output, Tensor as WireTensor};
use neuron_wallet::PublicKey;
use tch::{Device, Kind, Tensor};

use super::{Labels, Mode, Synapse, SynapseOutput};
use crate::{
    router::{Router, RouterConfig},
    tensor,
};

/// A model, and what it learns from.
pub(super) struct Lesson<'a> {
    pub(super) synapse: &'a dyn Synapse,
    pub(super) inputs: Tensor,
    pub(super) labels: Labels,
    /// What the network says, in the shape of the encodings.
    pub(super) network: Tensor,
}

impl Lesson<'_> {
    pub(super) fn learn(&self, labels: Option<&Labels>, network: Option<&Tensor>) -> SynapseOutput {
        let synapse = self.synapse;
        let output = synapse.forward(&self.inputs, labels, network, Mode::Evaluation);
        output.unwrap()
    }

    /// Without a network, only the local branch exists.
    pub(super) fn learns_alone(&self) {
        let output = self.learn(Some(&self.labels), None);
        assert_eq!(output.local_output.size(), self.network.size());
        assert!(output.network_output.is_none() && output.network_target.is_none());
        assert!(output.network_target_loss.is_none() && output.distillation_loss.is_none());
        let [loss, local] = [output.loss, output.local_target_loss].map(Option::unwrap);
        assert!(loss.equal(&local));
        assert!(self.learn(None, None).loss.is_none());
    }

    /// The loss is the sum of all three.
    pub(super) fn adds_losses_up(&self) {
        let output = self.learn(Some(&self.labels), Some(&self.network));
        let losses = [
            output.local_target_loss,
            output.network_target_loss,
            output.distillation_loss,
        ];
        let losses = losses.map(|loss| loss.unwrap().double_value(&[]));
        let sum: f64 = losses.iter().sum();
        assert!((output.loss.unwrap().double_value(&[]) - sum).abs() < 1e-5);
        let target = output.network_target.unwrap();
        assert_eq!(target.size(), output.local_target.size());
    }

    /// The network learns from the network branch only.
    pub(super) fn moves_the_network_by_its_branch(&self) {
        let network = self.network.copy().set_requires_grad(true);
        let output = self.learn(Some(&self.labels), Some(&network));
        (output.local_target_loss.unwrap() + output.distillation_loss.unwrap()).backward();
        assert!(!network.grad().defined());
        let output = self.learn(Some(&self.labels), Some(&network));
        output.network_target_loss.unwrap().backward();
        assert!(has_moved(&network));
    }

    /// A step with the network moves the gate of the router that chose whom to ask.
    ///
    /// `peer`: a model like this one, drawn from a seed
    pub(super) fn moves_the_gate(&self, peer: impl Fn(u64) -> Box<dyn Synapse>) {
        let synapse = self.synapse;
        let config = RouterConfig {
            x_dim: synapse.d_context(),
            key_dim: 5,
            topk: 2,
        };
        let mut router = Router::new(config, 1, Device::Cpu);
        let peers = [1, 2, 3].map(|i| PublicKey([i; 32]));

        let perception = synapse.perceive(&self.inputs, Mode::Training).unwrap();
        let (requests, routes) = router
            .route(&peers, &perception.context, &self.inputs)
            .unwrap();
        let responses: Vec<_> = requests
            .iter()
            .zip(10..)
            .map(|(request, seed)| {
                let answer = peer(seed).copy().encode(synapse.modality(), request);
                Some(answer.unwrap())
            })
            .collect();
        let row_shape = &self.network.size()[1..];
        let joined = router.join_level(&routes, &responses, row_shape).unwrap();
        let output = synapse
            .conclude(&perception, Some(&self.labels), Some(joined.context()))
            .unwrap();
        output.loss.unwrap().backward();

        assert!(has_moved(&router.parameters()["router.gate.weight"]));
        for peer in 0..peers.len() {
            let asked = !routes.rows(peer).is_empty();
            assert_eq!(joined.gradient(peer).is_some(), asked);
        }
    }

    /// The likeliest classes are those of the whole distribution, however few distributions are computed at once.
    pub(super) fn tells_the_likeliest(&self) {
        let synapse = self.synapse.copy();
        let modality = synapse.modality();
        let request = tensor::to_wire(&self.inputs, DType::I64).unwrap();
        let read = |told: &WireTensor| tensor::to_torch(told, Device::Cpu).unwrap();
        let whole = |output| read(&synapse.serve(modality, output, &request).unwrap());
        let likeliest = |output, n, max_bytes| {
            let n = NonZeroU32::new(n).unwrap();
            synapse.serve_likeliest(modality, output, n, &request, max_bytes)
        };
        let n_classes = whole(Output::Target).size().last().copied().unwrap();
        let n_classes = u32::try_from(n_classes).unwrap();
        let one = n_classes as usize * size_of::<f32>();
        for (output, max_bytes) in [
            (Output::Target, 1 << 20),
            (Output::Target, 5 * one),
            (Output::Target, 1),
            (Output::Prediction, one),
        ] {
            let (expected, classes) = whole(output).topk(3, -1, true, true);
            let told = likeliest(output, 3, max_bytes).unwrap();
            assert!(read(told.classes()).equal(&classes), "{output} {max_bytes}");
            assert!(is_near(&read(told.log_probabilities()), &expected));
        }
        assert!(likeliest(Output::Target, n_classes + 1, one).is_err());
    }

    /// Training does not change a served copy.
    pub(super) fn leaves_a_copy_alone(&self) {
        let encode = |synapse: &dyn Synapse| synapse.encode(synapse.modality(), &self.inputs);
        let served = self.synapse.copy();
        let before = encode(served.as_ref()).unwrap();
        assert!(before.equal(&encode(self.synapse).unwrap()));
        assert!(!before.requires_grad());
        tch::no_grad(|| {
            for parameter in self.synapse.parameters().values() {
                let _ = parameter.shallow_clone().fill_(0.5);
            }
        });
        assert!(encode(served.as_ref()).unwrap().equal(&before));
        assert!(!is_near(&encode(self.synapse).unwrap(), &before));
    }
}

/// Whether a backward pass gave it a gradient other than zero.
fn has_moved(tensor: &Tensor) -> bool {
    let gradient = tensor.grad();
    gradient.defined() && gradient.abs().sum(Kind::Double).double_value(&[]) > 0.0
}

/// Names of the parameters that a backward pass gave a gradient other than zero.
pub(super) fn moved(synapse: &dyn Synapse) -> Vec<String> {
    let parameters = synapse.parameters().into_iter();
    parameters
        .filter(|(_, parameter)| has_moved(parameter))
        .map(|(name, _)| name)
        .collect()
}

pub(super) fn of_student(name: &str) -> bool {
    name.starts_with("student.")
}

pub(super) fn is_near(ours: &Tensor, theirs: &Tensor) -> bool {
    ours.allclose(theirs, 1e-5, 1e-6, false)
}

/// Numbers in 0..1 that repeat.
pub(super) fn numbers(shape: &[i64]) -> Tensor {
    let n: i64 = shape.iter().product();
    let values: Vec<f32> = (0..n)
        .map(|i| 0.5 + 0.5 * (i as f32 * 0.7 + 0.1).sin())
        .collect();
    Tensor::from_slice(&values).reshape(shape)
}
