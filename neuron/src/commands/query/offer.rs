//! Whether a peer can be asked about an image, by what it says of itself, and what it is sent.

use neuron_peer::dendrite::Peer;
use neuron_proto::{Code, DType, Modality, Tensor, v1};

use super::{Absence, picture::Picture};

/// The most classes that an answer may have. What a peer says of itself must not decide how much is read from it.
const MAX_CLASSES: u32 = 1024;
/// The most pixels a side that a peer may want.
const MAX_SIDE: u32 = 1024;

/// A peer that predicts for images, and the image as it takes it.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) peer: Peer,
    /// `[1, 1, height, width]`
    pub(super) inputs: Tensor,
    pub(super) n_classes: u32,
}

impl Offer {
    /// # Errors
    ///
    /// Why this peer is of no use here.
    pub(super) fn new(
        peer: Peer,
        description: &v1::DescribeResponse,
        picture: &Picture,
    ) -> Result<Offer, Absence> {
        let synapse = description
            .synapses
            .iter()
            .find(|synapse| Modality::try_from(synapse.modality) == Ok(Modality::Image))
            .ok_or_else(|| Absence::new(Code::NotImplemented, "it serves no images"))?;
        Ok(Offer {
            peer,
            n_classes: n_classes(&synapse.prediction_shape)?,
            inputs: inputs(synapse, picture)?,
        })
    }

    /// The offer, if it is of so many classes: only then can answers be averaged.
    pub(super) fn of_classes(self, n_classes: u32) -> Result<Offer, Absence> {
        if self.n_classes == n_classes {
            return Ok(self);
        }
        let own = self.n_classes;
        let message = format!("it tells {own} classes apart, the others {n_classes}");
        Err(Absence::new(Code::ResponseShapeException, message))
    }
}

fn n_classes(prediction_shape: &[u32]) -> Result<u32, Absence> {
    match *prediction_shape {
        [n_classes @ 2..=MAX_CLASSES] => Ok(n_classes),
        [] => Err(Absence::new(
            Code::NotImplemented,
            "it offers encodings only, no predictions",
        )),
        _ => {
            let message = format!(
                "expected predictions of 2 to {MAX_CLASSES} classes, it offers {prediction_shape:?}"
            );
            Err(Absence::new(Code::ResponseShapeException, message))
        }
    }
}

fn inputs(synapse: &v1::SynapseDescription, picture: &Picture) -> Result<Tensor, Absence> {
    let unfit = |message| Absence::new(Code::RequestShapeException, message);
    let [0 | 1, height @ 0..=MAX_SIDE, width @ 0..=MAX_SIDE] = synapse.input_shape[..] else {
        return Err(unfit(format!(
            "one grey image of at most {MAX_SIDE} pixels a side is sent, it takes {:?}",
            synapse.input_shape
        )));
    };
    let takes = |dtype: DType| synapse.input_dtypes.contains(&dtype.into());
    let inputs = if [DType::F32, DType::F16, DType::BF16].into_iter().any(takes) {
        picture.floats(height, width)
    } else if takes(DType::U8) {
        picture.bytes(height, width)
    } else {
        return Err(unfit(
            "it takes pixels neither as floats nor as bytes".to_owned(),
        ));
    };
    inputs.map_err(|error| unfit(error.to_string()))
}

#[cfg(test)]
mod tests {
    use neuron_wallet::PublicKey;

    use super::*;

    fn synapse() -> v1::SynapseDescription {
        v1::SynapseDescription {
            modality: Modality::Image.into(),
            input_dtypes: vec![DType::F32.into(), DType::U8.into()],
            input_shape: vec![1, 28, 28],
            prediction_shape: vec![10],
            ..Default::default()
        }
    }

    fn offer(synapse: v1::SynapseDescription) -> Result<Offer, Absence> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digit.pgm");
        std::fs::write(&path, b"P5 1 1 255\n\xff").unwrap();
        let peer = Peer {
            uid: 1,
            hotkey: PublicKey([1; 32]),
            address: ([127, 0, 0, 1], 8091).into(),
            plaintext: false,
        };
        let description = v1::DescribeResponse {
            synapses: vec![synapse],
            ..Default::default()
        };
        Offer::new(peer, &description, &Picture::open(&path, false).unwrap())
    }

    #[test]
    fn a_peer_is_sent_what_it_takes() {
        let floats = offer(synapse()).unwrap();
        assert_eq!(floats.inputs.shape(), [1, 1, 28, 28]);
        assert_eq!((floats.inputs.dtype(), floats.n_classes), (DType::F32, 10));
        let bytes = offer(v1::SynapseDescription {
            input_dtypes: vec![DType::U8.into()],
            input_shape: vec![1, 0, 0],
            ..synapse()
        });
        let bytes = bytes.unwrap().inputs;
        assert_eq!(
            (bytes.dtype(), bytes.shape()),
            (DType::U8, &[1, 1, 1, 1][..])
        );
    }

    #[test]
    fn a_peer_that_cannot_help_says_why() {
        let why = |synapse| offer(synapse).unwrap_err().code;
        let text = v1::SynapseDescription {
            modality: Modality::Text.into(),
            ..synapse()
        };
        assert_eq!(why(text), Code::NotImplemented);
        let predicts = |prediction_shape: &[u32]| {
            why(v1::SynapseDescription {
                prediction_shape: prediction_shape.to_vec(),
                ..synapse()
            })
        };
        assert_eq!(predicts(&[]), Code::NotImplemented);
        for shape in [&[u32::MAX][..], &[1], &[0], &[10, 10]] {
            assert_eq!(predicts(shape), Code::ResponseShapeException, "{shape:?}");
        }
        for input_shape in [vec![3, 28, 28], vec![784], vec![1, u32::MAX, 1]] {
            let other = v1::SynapseDescription {
                input_shape,
                ..synapse()
            };
            assert_eq!(why(other), Code::RequestShapeException);
        }
        let tokens = v1::SynapseDescription {
            input_dtypes: vec![DType::I64.into()],
            ..synapse()
        };
        assert_eq!(why(tokens), Code::RequestShapeException);
    }

    #[test]
    fn who_tells_other_classes_apart_than_the_others_is_not_asked() {
        let offer = offer(synapse()).unwrap();
        assert!(offer.clone().of_classes(10).is_ok());
        let absence = offer.of_classes(2).unwrap_err();
        assert_eq!(absence.code, Code::ResponseShapeException);
    }
}
