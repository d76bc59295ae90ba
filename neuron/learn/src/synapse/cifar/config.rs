//! Widths and depths of dual path networks, and of the synapse around one.

use serde::{Deserialize, Serialize};

use super::dpn;
use crate::flops;

/// Stages of a dual path network.
pub(super) const STAGES: usize = 4;

/// Pixels between the places of each stage. The origin's; the paper's network for larger images has 1, 2, 2, 2.
pub(super) const STRIDES: [i64; STAGES] = [1, 2, 1, 2];

/// Pixels of a side that are averaged after the last stage.
pub(super) const POOL: i64 = 4;

/// A dual path network, stage by stage.
///
/// Numbers of channels are named as the origin names them: a block takes what it gets to `in_planes`, where it looks at
/// neighbouring pixels, and adds to `out_planes` of it (the residual path) and `dense_depth` more (the dense path).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DpnConfig {
    /// Channels of the stem.
    pub stem: i64,
    /// Channels within a block, in multiples of `groups`.
    pub in_planes: [i64; STAGES],
    /// Channels that blocks add to.
    pub out_planes: [i64; STAGES],
    /// Channels that each block appends; the first of a stage appends twice as many.
    pub dense_depth: [i64; STAGES],
    /// Blocks of a stage, one at least.
    pub n_blocks: [i64; STAGES],
    /// Groups of the convolutions over neighbouring pixels.
    pub groups: i64,
}

impl DpnConfig {
    /// DPN-26, the origin's: small enough for images of 32×32.
    pub const DPN_26: DpnConfig = DpnConfig {
        stem: 64,
        in_planes: [96, 192, 384, 768],
        out_planes: [256, 512, 1024, 2048],
        dense_depth: [16, 32, 24, 128],
        n_blocks: [2, 2, 2, 2],
        groups: 32,
    };

    /// As deep as DPN-26 and an eighth as wide: quick on a processor.
    pub const NARROW: DpnConfig = DpnConfig {
        stem: 16,
        in_planes: [24, 24, 48, 96],
        out_planes: [32, 64, 128, 256],
        dense_depth: [8, 8, 8, 16],
        n_blocks: [2, 2, 2, 2],
        groups: 8,
    };

    /// DPN-92: as wide, and deeper.
    pub const DPN_92: DpnConfig = DpnConfig {
        n_blocks: [3, 4, 20, 3],
        ..DpnConfig::DPN_26
    };

    /// DPN-98: wider, and deeper still.
    pub const DPN_98: DpnConfig = DpnConfig {
        in_planes: [160, 320, 640, 1280],
        dense_depth: [16, 32, 32, 128],
        n_blocks: [3, 6, 20, 3],
        ..DpnConfig::DPN_26
    };

    /// Channels that come out of the last stage.
    pub fn channels(&self) -> i64 {
        let last = STAGES - 1;
        self.out_planes[last] + (self.n_blocks[last] + 1) * self.dense_depth[last]
    }

    /// Operations of all convolutions over an image of so many pixels a side.
    pub(super) fn flops(&self, side: i64) -> f64 {
        // Of a kernel of so many numbers, at every place.
        let conv = |numbers: i64, side: i64| flops::product(numbers, side * side);
        let neighbours = dpn::KERNEL * dpn::KERNEL;
        let mut total = conv(dpn::COLOURS * self.stem * neighbours, side);
        let (mut channels, mut side) = (self.stem, side);
        for (stage, stride) in STRIDES.into_iter().enumerate() {
            let (inner, d) = (self.in_planes[stage], self.out_planes[stage]);
            let c_out = d + self.dense_depth[stage];
            for position in 0..self.n_blocks[stage] {
                let strided = match position {
                    0 => (side + stride - 1) / stride,
                    _ => side,
                };
                total += conv(channels * inner, side)
                    + conv(inner * (inner / self.groups) * neighbours, strided)
                    + conv(inner * c_out, strided);
                if position == 0 {
                    total += conv(channels * c_out, strided);
                }
                channels = d + (position + 2) * self.dense_depth[stage];
                side = strided;
            }
        }
        total
    }

    /// Width of what becomes of an image of so many pixels a side.
    pub fn d_transform(&self, side: i64) -> i64 {
        let strided = STRIDES
            .iter()
            .fold(side, |side: i64, stride| (side + stride - 1) / stride);
        let pooled = strided / POOL;
        pooled * pooled * self.channels()
    }
}

/// The widths of a CIFAR synapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CifarConfig {
    /// Images of other sizes are averaged to this many pixels a side; at least 13, so that something is left to pool.
    pub side: i64,
    /// What looks at the images.
    #[serde(flatten)]
    pub dpn: DpnConfig,
    /// Width of the student and of every encoding.
    pub d_model: i64,
    /// Widths of the hidden layers of the student and of the encoding.
    pub d_hidden: [i64; 2],
    /// Width of the hidden layer of the target head.
    pub d_target: i64,
    /// Classes to tell apart.
    pub n_classes: i64,
}

impl CifarConfig {
    /// Around a network, the origin's heads: 512, 512 and 256, 128, 10.
    pub fn of(dpn: DpnConfig) -> CifarConfig {
        CifarConfig {
            side: 32,
            dpn,
            d_model: 512,
            d_hidden: [512, 256],
            d_target: 128,
            n_classes: 10,
        }
    }

    /// Width of what the heads and the router see of an image.
    pub fn d_transform(&self) -> i64 {
        self.dpn.d_transform(self.side)
    }
}

impl Default for CifarConfig {
    /// Around DPN-26.
    fn default() -> CifarConfig {
        CifarConfig::of(DpnConfig::DPN_26)
    }
}
