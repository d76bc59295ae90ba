//! Dual path networks (Y. Chen and others, *Dual Path Networks*, 2017), in the form of the origin for images of 32×32.
//!
//! A block adds to the first `d` of its channels, as a residual network does, and appends others, as a dense one does:
//!
//! ```text
//! y       = norm(1×1(relu(norm(3×3 grouped(relu(norm(1×1(x))))))))       [batch, d + dense_depth, ..]
//! x       = shortcut(x) in the first block of a stage, else x            [batch, d + k·dense_depth, ..]
//! block   = relu([x[..d] + y[..d], x[d..], y[d..]])                      [batch, d + (k + 1)·dense_depth, ..]
//! ```

use rand::Rng;
use tch::{Device, Tensor};

use super::config::{DpnConfig, POOL, STAGES, STRIDES};
use crate::nn::{BatchNorm, Conv2d, ConvShape, Layout};
use crate::parameters::Parameters;
use crate::synapse::Mode;

/// Colours of an image.
pub(super) const COLOURS: i64 = 3;

/// Pixels of a side of the kernels that look at neighbouring pixels.
pub(super) const KERNEL: i64 = 3;

/// Where layers come from: one generator, in the order in which they compute.
pub(super) struct Draw<'a, R> {
    pub(super) rng: &'a mut R,
    pub(super) layout: Layout,
    pub(super) device: Device,
}

/// A convolution and the norm after it.
#[derive(Debug)]
struct NormedConv {
    conv: Conv2d,
    norm: BatchNorm,
}

impl NormedConv {
    fn draw(shape: ConvShape, draw: &mut Draw<'_, impl Rng>) -> NormedConv {
        NormedConv {
            conv: Conv2d::draw(shape, draw.rng, draw.layout, draw.device),
            norm: BatchNorm::new(shape.c_out, draw.device),
        }
    }

    fn forward(&self, inputs: &Tensor, mode: Mode) -> Tensor {
        self.norm.forward(&self.conv.forward(inputs), mode)
    }

    /// In place: the norm keeps what went into it, not what came out.
    fn forward_relu(&self, inputs: &Tensor, mode: Mode) -> Tensor {
        self.forward(inputs, mode).relu_()
    }

    fn frozen_copy(&self) -> NormedConv {
        NormedConv {
            conv: self.conv.frozen_copy(),
            norm: self.norm.frozen_copy(),
        }
    }
}

/// One block.
#[derive(Debug)]
struct Block {
    /// Channels that it adds to.
    d: i64,
    /// Narrows, looks around, widens.
    convs: [NormedConv; 3],
    /// In the first block of a stage.
    shortcut: Option<NormedConv>,
}

impl Block {
    fn forward(&self, inputs: &Tensor, mode: Mode) -> Tensor {
        let [narrow, around, widen] = &self.convs;
        let y = narrow.forward_relu(inputs, mode);
        let y = widen.forward(&around.forward_relu(&y, mode), mode);
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(inputs, mode),
            None => inputs.shallow_clone(),
        };
        let parts = |z: &Tensor| {
            (
                z.narrow(1, 0, self.d),
                z.narrow(1, self.d, z.size()[1] - self.d),
            )
        };
        let ((x_sum, x_dense), (y_sum, y_dense)) = (parts(&x), parts(&y));
        Tensor::cat(&[x_sum + y_sum, x_dense, y_dense], 1).relu_()
    }

    fn frozen_copy(&self) -> Block {
        Block {
            d: self.d,
            convs: self.convs.each_ref().map(NormedConv::frozen_copy),
            shortcut: self.shortcut.as_ref().map(NormedConv::frozen_copy),
        }
    }
}

/// A dual path network from images to features.
#[derive(Debug)]
pub(super) struct Dpn {
    layout: Layout,
    stem: NormedConv,
    stages: [Vec<Block>; STAGES],
}

impl Dpn {
    /// Draws a network from the first layer to the last, each as PyTorch does.
    pub(super) fn draw(config: &DpnConfig, draw: &mut Draw<'_, impl Rng>) -> Dpn {
        let stem = ConvShape {
            kernel: KERNEL,
            ..ConvShape::pointwise(COLOURS, config.stem)
        };
        let stem = NormedConv::draw(stem, draw);
        let mut channels = config.stem;
        let stages = std::array::from_fn(|stage| {
            let blocks = (0..config.n_blocks[stage]).map(|position| {
                let block = draw_block(config, stage, position, channels, draw);
                channels = config.out_planes[stage] + (position + 2) * config.dense_depth[stage];
                block
            });
            blocks.collect()
        });
        Dpn {
            layout: draw.layout,
            stem,
            stages,
        }
    }

    /// # Shapes
    ///
    /// `[batch, 3, side, side]` → `[batch, d_transform]`
    pub(super) fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        let images = self.layout.arrange(images);
        let mut hidden = self.stem.forward_relu(&images, mode);
        for block in self.stages.iter().flatten() {
            hidden = block.forward(&hidden, mode);
        }
        let (stride, padding) = (POOL, 0i64);
        let (pads_short_edges, counts_padding) = (false, true);
        let pooled = hidden.avg_pool2d(
            POOL,
            stride,
            padding,
            pads_short_edges,
            counts_padding,
            None::<i64>,
        );
        pooled.flatten(1, -1)
    }

    /// A network of the same values in memory of its own, which collects neither gradients nor statistics of the original.
    pub(super) fn frozen_copy(&self) -> Dpn {
        Dpn {
            layout: self.layout,
            stem: self.stem.frozen_copy(),
            stages: self
                .stages
                .each_ref()
                .map(|blocks| blocks.iter().map(Block::frozen_copy).collect()),
        }
    }

    /// Adds every parameter, under `<path>.stem` and `<path>.stage<i>.block<j>`.
    pub(super) fn list(&self, path: &str, into: &mut Parameters) {
        for (path, layer) in self.layers(path) {
            layer.conv.list(&format!("{path}.conv"), into);
            layer.norm.list(&format!("{path}.norm"), into);
        }
    }

    /// Adds the running statistics of every norm.
    pub(super) fn list_buffers(&self, path: &str, into: &mut Parameters) {
        for (path, layer) in self.layers(path) {
            layer.norm.list_buffers(&format!("{path}.norm"), into);
        }
    }

    fn layers(&self, path: &str) -> Vec<(String, &NormedConv)> {
        let mut layers = vec![(format!("{path}.stem"), &self.stem)];
        for (stage, blocks) in (1..).zip(&self.stages) {
            for (position, block) in (1..).zip(blocks) {
                let path = format!("{path}.stage{stage}.block{position}");
                for (number, layer) in (1..).zip(&block.convs) {
                    layers.push((format!("{path}.layer{number}"), layer));
                }
                if let Some(shortcut) = &block.shortcut {
                    layers.push((format!("{path}.shortcut"), shortcut));
                }
            }
        }
        layers
    }
}

/// The block at a position of a stage, which is given so many channels.
fn draw_block(
    config: &DpnConfig,
    stage: usize,
    position: i64,
    channels: i64,
    draw: &mut Draw<'_, impl Rng>,
) -> Block {
    let (inner, d) = (config.in_planes[stage], config.out_planes[stage]);
    let c_out = d + config.dense_depth[stage];
    let stride = if position == 0 { STRIDES[stage] } else { 1 };
    let around = ConvShape {
        c_in: inner,
        c_out: inner,
        kernel: KERNEL,
        stride,
        groups: config.groups,
    };
    let shortcut = ConvShape {
        stride,
        ..ConvShape::pointwise(channels, c_out)
    };
    Block {
        d,
        convs: [
            NormedConv::draw(ConvShape::pointwise(channels, inner), draw),
            NormedConv::draw(around, draw),
            NormedConv::draw(ConvShape::pointwise(inner, c_out), draw),
        ],
        shortcut: (position == 0).then(|| NormedConv::draw(shortcut, draw)),
    }
}
