//! Whether a peer can be asked, by what it says of itself, and what it is sent.

use neuron_peer::dendrite::Peer;
use neuron_proto::{Code, Modality, v1};

use super::{
    Absence,
    subject::{Question, Subject},
};

/// A peer that predicts, and what it is asked.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) peer: Peer,
    pub(super) question: Question,
}

impl Offer {
    /// # Errors
    ///
    /// Why this peer is of no use here.
    pub(super) fn new(
        peer: Peer,
        description: &v1::DescribeResponse,
        subject: &Subject,
    ) -> Result<Offer, Absence> {
        let modality = subject.entry().modality;
        let synapse = description
            .synapses
            .iter()
            .find(|synapse| Modality::try_from(synapse.modality) == Ok(modality))
            .ok_or_else(|| {
                let message = format!("it serves no {}", subject.served());
                Absence::new(Code::NotImplemented, message)
            })?;
        let question = subject.question(synapse)?;
        Ok(Offer { peer, question })
    }

    /// The offer, if its predictions are of this shape: only then can answers be averaged.
    pub(super) fn of_shape(self, row_shape: &[u32]) -> Result<Offer, Absence> {
        let own = &self.question.row_shape;
        if own == row_shape {
            return Ok(self);
        }
        let message = format!("its predictions are {own:?}, those of the others {row_shape:?}");
        Err(Absence::new(Code::ResponseShapeException, message))
    }
}

#[cfg(test)]
mod tests {
    use neuron_proto::{DType, Tensor};
    use neuron_wallet::PublicKey;

    use super::{super::picture::Picture, *};

    fn peer() -> Peer {
        Peer {
            uid: 1,
            hotkey: PublicKey([1; 32]),
            address: ([127, 0, 0, 1], 8091).into(),
            plaintext: false,
        }
    }

    #[test]
    fn a_peer_is_asked_by_the_synapse_that_the_subject_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digit.pgm");
        std::fs::write(&path, b"P5 1 1 255\n\xff").unwrap();
        let subject = Subject::Picture(Picture::open(&path, false).unwrap());
        let of = |modality: Modality| v1::SynapseDescription {
            modality: modality.into(),
            input_dtypes: vec![DType::U8.into()],
            input_shape: vec![1, 1, 1],
            prediction_shape: vec![10],
            ..Default::default()
        };
        let offer = |synapses| {
            let description = v1::DescribeResponse {
                synapses,
                ..Default::default()
            };
            Offer::new(peer(), &description, &subject)
        };
        let asked = offer(vec![of(Modality::Text), of(Modality::Image)]).unwrap();
        assert_eq!(asked.question.inputs.shape(), [1, 1, 1, 1]);
        let absence = offer(vec![of(Modality::Text)]).unwrap_err();
        assert_eq!(absence.code, Code::NotImplemented);
        assert_eq!(absence.message, "it serves no images");
    }

    #[test]
    fn whose_predictions_are_of_another_shape_than_the_others_is_not_asked() {
        let offer = Offer {
            peer: peer(),
            question: Question {
                inputs: Tensor::from_u8(&[1], &[0]).unwrap(),
                row_shape: vec![4, 10],
            },
        };
        assert!(offer.clone().of_shape(&[4, 10]).is_ok());
        let absence = offer.of_shape(&[10]).unwrap_err();
        assert_eq!(absence.code, Code::ResponseShapeException);
    }
}
