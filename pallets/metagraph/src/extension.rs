//! Keeps out of the transaction pool the weights that the chain would refuse, and says why.
//!
//! Setting weights is free for who does it right: an accepted row gets its fee back. So that free is not a gift to who floods
//! the pool, [`CheckMetagraph`] asks at the pool's door, and again when a block is built, exactly what the dispatch asks. A
//! refused transaction is invalid with `Custom(code)`, where `code` is the index of the pallet's error in the metadata. A row
//! that passes the door and is refused in the block (inside a batch, say) pays its fee.
//!
//! Each row is checked against the state, not against what else waits in the pool. So where rows are free, every row of one
//! neuron provides one and the same tag, and a pool holds one transaction at most for a tag: a second row with the next
//! nonce is turned away (`TooLowPriority`) until the first is in a block. Else a neuron could fill the pools of all nodes
//! with rows of which one is accepted and the others pay nothing.

use codec::{Decode, DecodeWithMemTracking, Encode};
use core::marker::PhantomData;
use frame_support::{
    dispatch::{DispatchInfo, Pays},
    pallet_prelude::{InvalidTransaction, TransactionSource, ValidTransaction, Weight},
    traits::IsSubType,
};
use scale_info::TypeInfo;
use sp_runtime::{
    impl_tx_ext_default,
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Dispatchable, TransactionExtension, ValidateResult,
    },
};

use crate::{Call, Config, Error, NetId, Pallet, WeightInfo, weight_matrix::Admitted};

/// What the tags of free rows begin with.
const TAG_PREFIX: &str = "MetagraphWeights";

/// Refuses `set_weights` that would fail, before it takes anybody's time.
#[derive(Clone, Eq, PartialEq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
#[scale_info(skip_type_params(T))]
pub struct CheckMetagraph<T>(PhantomData<T>);

impl<T> CheckMetagraph<T> {
    /// The extension; it carries nothing.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T> Default for CheckMetagraph<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> core::fmt::Debug for CheckMetagraph<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter) -> core::fmt::Result {
        write!(f, "CheckMetagraph")
    }
}

/// The code of `Custom(code)`: the place of the error in the pallet's metadata.
pub fn refusal_code<T: Config>(error: &Error<T>) -> u8 {
    error.encode().first().copied().unwrap_or(u8::MAX)
}

/// What an admitted row adds to a transaction: if it is free, that no other of this neuron waits beside it. Priority and
/// longevity are as the other extensions say.
fn in_the_pool<T: Config>(netid: NetId, admitted: &Admitted<T>) -> ValidTransaction {
    match admitted.pays {
        Pays::Yes => ValidTransaction::default(),
        Pays::No => ValidTransaction::with_tag_prefix(TAG_PREFIX)
            .and_provides((netid, admitted.rater))
            .into(),
    }
}

impl<T> TransactionExtension<T::RuntimeCall> for CheckMetagraph<T>
where
    T: Config + Send + Sync,
    T::RuntimeCall: Dispatchable<Info = DispatchInfo> + IsSubType<Call<T>>,
    <T::RuntimeCall as Dispatchable>::RuntimeOrigin: AsSystemOriginSigner<T::AccountId> + Clone,
{
    const IDENTIFIER: &'static str = "CheckMetagraph";
    type Implicit = ();
    type Val = ();
    type Pre = ();

    fn weight(&self, call: &T::RuntimeCall) -> Weight {
        match call.is_sub_type() {
            Some(Call::set_weights { row, .. }) => {
                let entries = u32::try_from(row.len()).unwrap_or(u32::MAX);
                T::WeightInfo::check_weights(entries)
            }
            _ => Weight::zero(),
        }
    }

    fn validate(
        &self,
        origin: <T::RuntimeCall as Dispatchable>::RuntimeOrigin,
        call: &T::RuntimeCall,
        _info: &DispatchInfoOf<T::RuntimeCall>,
        _len: usize,
        _self_implicit: (),
        _inherited_implication: &impl Encode,
        _source: TransactionSource,
    ) -> ValidateResult<(), T::RuntimeCall> {
        let set_weights = match call.is_sub_type() {
            Some(Call::set_weights {
                netid,
                row,
                version,
            }) => Some((netid, row, version)),
            _ => None,
        };
        let validity = match (origin.as_system_origin_signer(), set_weights) {
            (Some(hotkey), Some((netid, row, version))) => {
                let admitted = Pallet::<T>::check_weights(hotkey, *netid, row.clone(), *version)
                    .map_err(|refused| InvalidTransaction::Custom(refusal_code(&refused)))?;
                in_the_pool(*netid, &admitted)
            }
            _ => ValidTransaction::default(),
        };
        Ok((validity, (), origin))
    }

    impl_tx_ext_default!(T::RuntimeCall; prepare);
}
