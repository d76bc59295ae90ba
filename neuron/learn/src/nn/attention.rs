//! Attention of several heads, in libtorch's fused kernels.
//!
//! ```text
//! out = softmax(q·kᵀ / √d_head)·v        over the keys that a query sees, for each head
//! ```
//!
//! (A. Vaswani and others, *Attention Is All You Need*, 2017, 3.2.) The projections to queries, keys and values, and of what
//! comes out, belong to the model: each keeps them under names of its own.

use tch::{TchError, Tensor};

/// Which keys a query sees.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Visible<'a> {
    /// All.
    All,
    /// Those at its own place and before. There are as many queries as keys.
    Past,
    /// Those for which this holds, `[batch or 1, n_heads or 1, queries or 1, keys]`, bool. A query that sees none has no
    /// softmax, and gives NaN.
    Where(&'a Tensor),
}

/// A share of the width for each head.
///
/// # Shapes
///
/// `[batch, seq, d_model]` → `[batch, n_heads, seq, d_model / n_heads]`
pub(crate) fn split_heads(states: &Tensor, n_heads: i64) -> Tensor {
    let size = states.size();
    let [batch, seq, d_model] = size[..] else {
        panic!("states are [batch, seq, d_model], not {size:?}");
    };
    states
        .view([batch, seq, n_heads, d_model / n_heads])
        .transpose(1, 2)
}

/// What each query gathers from the keys that it sees, heads side by side.
///
/// # Shapes
///
/// `queries`: `[batch, n_heads, queries, d_head]`; `keys`, `values`: `[batch, n_heads, keys, d_head]`;
/// result: `[batch, queries, n_heads·d_head]`
///
/// # Errors
///
/// If shapes do not fit.
pub(crate) fn attend(
    queries: &Tensor,
    keys: &Tensor,
    values: &Tensor,
    visible: Visible,
    dropped: f64,
) -> Result<Tensor, TchError> {
    let (mask, is_causal) = match visible {
        Visible::All => (None, false),
        Visible::Past => (None, true),
        Visible::Where(mask) => (Some(mask), false),
    };
    let gathered = Tensor::f_scaled_dot_product_attention(
        queries,
        keys,
        values,
        mask,
        dropped,
        is_causal,
        None::<f64>,
        false,
    )?;
    Ok(gathered.transpose(1, 2).flatten(2, 3))
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;

    /// Two queries, keys and values of two heads. Where all keys are equal, a query gathers the mean of what it sees.
    fn gather(visible: Visible) -> Vec<f32> {
        let equal = Tensor::ones([1, 2, 4], (Kind::Float, Device::Cpu));
        let values = Tensor::arange(8, (Kind::Float, Device::Cpu)).reshape([1, 2, 4]);
        let [queries, keys, values] = [&equal, &equal, &values].map(|x| split_heads(x, 2));
        assert_eq!(queries.size(), [1, 2, 2, 2]);
        let gathered = attend(&queries, &keys, &values, visible, 0.0).unwrap();
        assert_eq!(gathered.size(), [1, 2, 4]);
        Vec::try_from(gathered.reshape(-1)).unwrap()
    }

    #[test]
    fn a_query_gathers_from_the_keys_that_it_sees() {
        let all = [2.0, 3.0, 4.0, 5.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(gather(Visible::All), all);
        let past = [0.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(gather(Visible::Past), past);
        let second = Tensor::from_slice(&[false, true]).reshape([1, 1, 1, 2]);
        let only_second = [4.0, 5.0, 6.0, 7.0, 4.0, 5.0, 6.0, 7.0];
        assert_eq!(gather(Visible::Where(&second)), only_second);
    }

    #[test]
    fn scores_are_divided_by_the_root_of_the_width() {
        // q·k is 2·ln 3 for the first key and 0 for the second: over √4, weights of 3 to 1.
        let head = |numbers: &[f32]| Tensor::from_slice(numbers).reshape([1, 1, -1, 4]);
        let queries = head(&[1.0, 1.0, 1.0, 1.0]);
        let keys = head(&[2.0 * 3f32.ln(), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        let values = head(&[1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let gathered = attend(&queries, &keys, &values, Visible::All, 0.0).unwrap();
        let expected = head(&[0.75; 4]).reshape([1, 1, 4]);
        assert!(gathered.allclose(&expected, 0.0, 1e-6, false));
    }
}
