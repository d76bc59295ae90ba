//! What peers think of classes that they did not tell.
//!
//! A peer that was asked for its likeliest classes leaves a rest, the probability of all others together. How that is shared out
//! among them it does not say, and the asker goes by what it thinks itself:
//!
//! ```text
//! p_j(c) = told_j(c)                                           if j told c
//!        = rest_j · p_own(c) / Σ_{d not told by j} p_own(d)    if not
//! rest_j = 1 − Σ_{c told by j} told_j(c)
//! ```
//!
//! So a peer has a say on each class that it names and on all others together, and none on these among each other; whoever hears
//! its own words learns nothing; and where all classes are told, nothing is completed. What is told sums to at most 1: where it is
//! more, it is divided by its sum, so that nobody is heard more by shouting.
//!
//! The sum over peers needs no distribution of each:
//!
//! ```text
//! Σ_j g_j·p_j(c) = p_own(c)·Σ_j g_j·ρ_j + Σ_{j told c} g_j·(told_j(c) − ρ_j·p_own(c))    ρ_j = rest_j / Σ_{d not told by j} p_own(d)
//! ```

use tch::{Device, Kind, Tensor};

use crate::{
    likeliest::Likeliest,
    router::{Joined, RouterError, Routes},
};

/// Where the asker holds less than this possible of all that a peer did not tell, the difference is rounding: ρ is no larger than
/// its inverse, and what of the rest is then not shared out is left out.
const SMALLEST_UNTOLD: f64 = 1e-4;

/// Puts together what peers told of their likeliest classes, each completed by what the asker thinks of the others.
///
/// # Shapes
///
/// `told`: one for each peer of the routes, `[rows_j, .., n]`, of classes in `0..n_classes`, none twice; `own`: the asker's
/// log-probabilities, `[batch, .., n_classes]`, which are held constant; result: as `own`, probabilities
///
/// # Errors
///
/// [`RouterError::Responses`], [`RouterError::ResponseShape`] and [`RouterError::Class`].
pub fn join_likeliest(
    routes: &Routes,
    told: &[Option<Likeliest>],
    own: &Tensor,
) -> Result<Joined, RouterError> {
    let size = own.size();
    let [_, places @ .., n_classes] = &size[..] else {
        panic!("log-probabilities have an axis of rows and one of classes, not {size:?}");
    };
    check(routes, told, places, *n_classes)?;
    let device = routes.gates().device();
    let own = own.detach().to_device(device).to_kind(Kind::Float).exp();
    let has_answered: Vec<bool> = told.iter().map(Option::is_some).collect();
    let lost_gate_mass = routes.lost_gate_mass(&has_answered);
    let is_heard = |peer: &usize| has_answered[*peer] && !routes.rows(*peer).is_empty();
    let heard: Vec<usize> = (0..told.len()).filter(is_heard).collect();
    let context = match heard.is_empty() {
        true => own.zeros_like(),
        false => sum(routes, told, &heard, &own),
    };
    Ok(Joined::of_sum(context, lost_gate_mass))
}

/// `Σ_j g_j·p_j` of the peers at these positions, which told something.
///
/// # Shapes
///
/// `own`: `[batch, .., n_classes]`, probabilities; result: the same
fn sum(routes: &Routes, told: &[Option<Likeliest>], heard: &[usize], own: &Tensor) -> Tensor {
    let (size, device) = (own.size(), own.device());
    let (batch, n_classes) = (size[0], size[size.len() - 1]);
    let n_places: i64 = size[1..size.len() - 1].iter().product();
    let (of_batch, of_gates) = routes.index(heard);
    let of_all = |part: fn(&Likeliest) -> &Tensor| {
        let parts = heard.iter().filter_map(|&peer| told[peer].as_ref());
        let parts: Vec<Tensor> = parts.map(|it| part(it).to_device(device)).collect();
        let all = Tensor::cat(&parts, 0);
        all.reshape([of_batch.size()[0], n_places, all.size()[all.dim() - 1]])
    };
    // [rows of all peers, places, n]
    let classes = of_all(|it| &it.classes);
    let told = of_all(|it| &it.log_probabilities).detach();
    let told = told.to_kind(Kind::Float).exp();
    let sum = told.sum_dim_intlist(-1i64, true, Kind::Float);
    let told = told / sum.clamp_min(1.0);
    let rest: Tensor = 1.0 - sum;
    let rest = rest.clamp_min(0.0);

    let place = Tensor::arange(n_places, (Kind::Int64, device)).reshape([1, n_places, 1]);
    let of_own = (of_batch.reshape([-1, 1, 1]) * n_places + place) * n_classes + classes;
    let of_own = of_own.reshape(-1);
    let own_told = own.reshape(-1).index_select(0, &of_own).view_as(&told);
    let untold: Tensor = 1.0 - own_told.sum_dim_intlist(-1i64, true, Kind::Float);
    // ρ_j
    let share = rest / untold.clamp_min(SMALLEST_UNTOLD);

    let gates = routes.gates().reshape(-1).index_select(0, &of_gates);
    let gates = gates.reshape([-1, 1, 1]);
    let shares = Tensor::zeros([batch, n_places, 1], (Kind::Float, device));
    let shares = shares.index_add(0, &of_batch, &(&share * &gates));
    let of_rests = own.reshape([batch, n_places, n_classes]) * shares;
    let of_told = (told - own_told * share) * gates;
    let both = of_rests
        .reshape(-1)
        .index_add(0, &of_own, &of_told.reshape(-1));
    both.reshape(&size[..])
}

/// One for each peer: none, or as many classes as others told, at each place of each of its rows.
fn check(
    routes: &Routes,
    told: &[Option<Likeliest>],
    places: &[i64],
    n_classes: i64,
) -> Result<(), RouterError> {
    if told.len() != routes.peers().len() {
        return Err(RouterError::Responses {
            expected: routes.peers().len(),
            arrived: told.len(),
        });
    }
    let mut n_told = None;
    for (position, likeliest) in told.iter().enumerate() {
        let Some(Likeliest {
            log_probabilities,
            classes,
        }) = likeliest
        else {
            continue;
        };
        let peer = routes.peers()[position];
        let n = *n_told.get_or_insert_with(|| classes.size().last().copied().unwrap_or(0));
        let n_rows = routes.rows(position).len() as i64;
        let expected = [&[n_rows], places, &[n]].concat();
        for tensor in [log_probabilities, classes] {
            if tensor.size() != expected {
                return Err(RouterError::ResponseShape {
                    peer,
                    expected,
                    arrived: tensor.size(),
                });
            }
        }
        let is_class = classes.ge(0).logical_and(&classes.lt(n_classes));
        if is_class.all().to_device(Device::Cpu).int64_value(&[]) == 0 {
            return Err(RouterError::Class { peer, n_classes });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
