//! What attention remembers of the tokens before, so that each is computed once.

use tch::Tensor;

/// Keys and values of all blocks.
#[derive(Debug)]
pub(crate) struct Cache {
    blocks: Vec<BlockCache>,
}

/// Keys and values of one block, `[batch, n_heads, seen, d_head]` each; none before the first token.
#[derive(Debug, Default)]
pub(crate) struct BlockCache(Option<[Tensor; 2]>);

impl Cache {
    /// The memory of so many blocks, before the first token.
    pub(crate) fn new(n_blocks: usize) -> Cache {
        Cache {
            blocks: (0..n_blocks).map(|_| BlockCache::default()).collect(),
        }
    }

    /// That of the block at this position.
    pub(crate) fn of_block(&mut self, number: usize) -> &mut BlockCache {
        &mut self.blocks[number]
    }

    /// Tokens that it remembers.
    pub(crate) fn n_seen(&self) -> i64 {
        self.blocks.first().map_or(0, BlockCache::n_seen)
    }
}

impl BlockCache {
    /// Tokens that it remembers.
    pub(super) fn n_seen(&self) -> i64 {
        self.0.as_ref().map_or(0, |[keys, _]| keys.size()[2])
    }

    /// Remembers more, and gives all of it.
    pub(super) fn extend(&mut self, more: [Tensor; 2]) -> [Tensor; 2] {
        let all = match self.0.take() {
            None => more,
            Some([keys, values]) => {
                let [more_keys, more_values] = more;
                [
                    Tensor::cat(&[keys, more_keys], 2),
                    Tensor::cat(&[values, more_values], 2),
                ]
            }
        };
        self.0.insert(all).each_ref().map(Tensor::shallow_clone)
    }
}
