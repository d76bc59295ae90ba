//! What a transaction costs: a fee for the compute it uses and one for the bytes it carries.
//!
//! ```text
//! fee = base + length + multiplier × weight + tip
//!
//! base        compute that every transaction takes (signature check, bookkeeping)     [`ComputeFee`]
//! length      bytes of the signed transaction                                         [`LengthFee`]
//! weight      compute of the call and of the transaction extensions                   [`ComputeFee`]
//! multiplier  1 while blocks are under a quarter full, more as they fill up           [`FeeMultiplier`]
//! tip         what the sender adds to be included sooner
//! ```
//!
//! The whole of it is burned: it leaves the total issuance, and nobody earns by filling blocks.
//!
//! # A transfer
//!
//! The rate is set so that a bare transfer costs about 10⁻⁴ CTM, which is 100,000 units:
//!
//! | part | how much | fee in units |
//! | --- | --- | --- |
//! | base | 108 µs | 21,632 |
//! | weight | 350 µs (call and extensions, with their reads and writes), times 1 | 69,956 |
//! | length | 145 bytes | 1,450 |
//! | sum | | 93,038 |
//!
//! The test of this module builds such a transfer and holds the sum to within a fifth of 100,000.

use crate::{Balance, Runtime};
use frame_support::{
    parameter_types,
    traits::ConstU64,
    weights::{ConstantMultiplier, Weight, WeightToFee},
};
use pallet_transaction_payment::{Multiplier, TargetedFeeAdjustment};
use sp_runtime::{FixedPointNumber, Perquintill, traits::Bounded};

/// Compute that one unit of balance (10⁻⁹ CTM) buys, in picoseconds on the reference machine.
///
/// 5,000 ps per unit is 5 s per CTM: a block full of signed transactions (1.5 s) burns 0.3 CTM.
pub const PICOSECONDS_PER_UNIT: u64 = 5_000;

/// Fee for each byte of a signed transaction, in units of balance.
pub const UNITS_PER_BYTE: Balance = 10;

/// The fee for compute: one unit for each [`PICOSECONDS_PER_UNIT`].
///
/// The size of the state proof, the other half of a weight, is free: no chain of this kind sends one.
///
/// # Rounding
///
/// Up, so that no call with a weight is free.
pub struct ComputeFee;

impl WeightToFee for ComputeFee {
    type Balance = Balance;

    fn weight_to_fee(weight: &Weight) -> Balance {
        weight.ref_time().div_ceil(PICOSECONDS_PER_UNIT)
    }
}

/// The fee for length: [`UNITS_PER_BYTE`] for each byte.
pub type LengthFee = ConstantMultiplier<Balance, ConstU64<UNITS_PER_BYTE>>;

parameter_types! {
    /// How full blocks are meant to be, as a part of what they have for transactions.
    pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
    /// How fast the multiplier follows: full blocks double it in 12,300 blocks (20.5 hours at 6 s).
    pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
    /// Blocks that are emptier than the target do not make transactions cheaper than their weight.
    pub MinimumMultiplier: Multiplier = Multiplier::from_u32(1);
    /// Congestion that lasts may raise the fee without limit.
    pub MaximumMultiplier: Multiplier = Multiplier::max_value();
}

/// The multiplier of the next block, from how full this one was: the slow adjustment of
/// [Polkadot's token economics](https://research.web3.foundation/Polkadot/overview/token-economics),
/// with a floor of 1.
pub type FeeMultiplier = TargetedFeeAdjustment<
    Runtime,
    TargetBlockFullness,
    AdjustmentVariable,
    MinimumMultiplier,
    MaximumMultiplier,
>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        BalancesCall, BuildStorage, RuntimeGenesisConfig, Signature, TransactionPayment,
        TxExtension, UNIT, UncheckedExtrinsic,
    };
    use codec::Encode;
    use frame_support::dispatch::GetDispatchInfo;
    use sp_io::TestExternalities;
    use sp_keyring::Sr25519Keyring::{Alice, Bob};
    use sp_runtime::generic::Era;

    fn signed_transfer(tip: Balance) -> UncheckedExtrinsic {
        let extension: TxExtension = (
            frame_system::AuthorizeCall::new(),
            frame_system::CheckNonZeroSender::new(),
            frame_system::CheckSpecVersion::new(),
            frame_system::CheckTxVersion::new(),
            frame_system::CheckGenesis::new(),
            frame_system::CheckEra::from(Era::mortal(64, 1)),
            frame_system::CheckNonce::from(1),
            frame_system::CheckWeight::new(),
            pallet_metagraph::CheckMetagraph::new(),
            pallet_transaction_payment::ChargeTransactionPayment::from(tip),
            frame_metadata_hash_extension::CheckMetadataHash::new(false),
            frame_system::WeightReclaim::new(),
        );
        let call = BalancesCall::transfer_keep_alive {
            dest: Bob.to_account_id().into(),
            value: UNIT,
        };
        UncheckedExtrinsic::new_signed(
            call.into(),
            Alice.to_account_id().into(),
            Signature::Sr25519(Alice.sign(b"a fee does not depend on whose signature it is")),
            extension,
        )
    }

    #[test]
    fn a_transfer_costs_about_a_ten_thousandth_of_a_token() {
        let genesis = RuntimeGenesisConfig::default().build_storage();
        TestExternalities::from(genesis.expect("the genesis builds")).execute_with(|| {
            let transfer = signed_transfer(0);
            let n_bytes = u32::try_from(transfer.encoded_size()).expect("145 bytes");
            let details = TransactionPayment::query_fee_details(transfer.clone(), n_bytes)
                .inclusion_fee
                .expect("a signed transaction pays");

            assert_eq!(details.len_fee, Balance::from(n_bytes) * UNITS_PER_BYTE);
            assert_eq!(
                details.adjusted_weight_fee,
                ComputeFee::weight_to_fee(&transfer.get_dispatch_info().total_weight()),
                "the multiplier of a chain at rest is 1",
            );
            // 10⁻⁴ CTM, give or take a fifth.
            let fee = details.inclusion_fee();
            assert!((80_000..=120_000).contains(&fee), "{details:?} = {fee}");
        });
    }

    #[test]
    fn compute_is_charged_by_the_microsecond_and_rounded_up() {
        // 1 µs = 1,000,000 ps; / 5,000 = 200 units, and a picosecond more is a unit more.
        for (picoseconds, units) in [(1_000_000, 200), (1_000_001, 201), (1, 1), (0, 0)] {
            let weight = Weight::from_parts(picoseconds, u64::MAX);
            assert_eq!(
                ComputeFee::weight_to_fee(&weight),
                units,
                "{picoseconds} ps"
            );
        }
    }
}
