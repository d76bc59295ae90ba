//! What became of a transaction in a block, in the words of the runtime's metadata.

use scale_info::{TypeDef, Variant, form::PortableForm};
use subxt::{error::DispatchError, events::Event, utils::H256};

use super::{Found, Included, MORTALITY, Refusal, SubmitError, Transaction};
use crate::{
    At, BlockRef,
    api::{metagraph::events::NetworkCreated, transaction_payment::events::TransactionFeePaid},
    chain::{AtBlock, Config, Link, block_ref},
    error::Fault,
};

/// The pallet that refuses in the pool.
const METAGRAPH: &str = "Metagraph";

/// What became of the transaction with this hash in `block`, which has it.
pub(super) async fn read(
    link: &Link,
    call: &'static str,
    block: H256,
    hash: H256,
) -> Result<Result<Included, SubmitError>, Fault> {
    let at = link.at(At::Block(block)).await?;
    let block = block_ref(&at);
    let extrinsics = at.extrinsics().fetch().await?;
    let (mut fee, mut created) = (None, None);
    for extrinsic in extrinsics.iter() {
        let extrinsic = extrinsic?;
        if extrinsic.hash() != hash {
            continue;
        }
        let events = extrinsic.events().await?;
        for event in events.iter() {
            let event = event?;
            match (event.pallet_name(), event.event_name()) {
                ("System", "ExtrinsicFailed") => {
                    return Ok(Err(failure(&at, call, block, event.field_bytes())));
                }
                // A call as root is a success whatever comes of it; its event has the result of the inner call.
                ("Sudo", "Sudid") => {
                    if let [1, error @ ..] = event.field_bytes() {
                        return Ok(Err(failure(&at, call, block, error)));
                    }
                }
                ("TransactionPayment", "TransactionFeePaid") => fee = fee_paid(&event),
                (METAGRAPH, "NetworkCreated") => created = network_created(&event),
                _ => {}
            }
        }
        return Ok(Ok(Included {
            block_number: block.number,
            block_hash: block.hash,
            fee,
            created,
        }));
    }
    let call = call.to_owned();
    Err(Fault::Chain(crate::ChainError::Answer {
        what: "transaction in the block that is said to have it",
        message: call,
    }))
}

/// Whether a block of the best chain has `transaction`.
pub(super) async fn find(link: &Link, transaction: &Transaction) -> Result<Found, Fault> {
    let best = block_ref(&link.at(At::Best).await?).number;
    let first = transaction.birth.number;
    let last = first.saturating_add(MORTALITY);
    // The youngest first: it is most likely there.
    for height in (first..=last.min(best)).rev() {
        let hash = link
            .methods
            .chain_get_block_hash(Some(u64::from(height).into()));
        let Some(hash) = hash.await? else { continue };
        let Some(block) = link.methods.chain_get_block(Some(hash)).await? else {
            continue;
        };
        let extrinsics = block.block.extrinsics;
        if extrinsics.iter().any(|bytes| bytes.0 == transaction.bytes) {
            return Ok(Found::InBlock(hash));
        }
    }
    match best > last {
        true => Ok(Found::Never),
        false => Ok(Found::NotYet),
    }
}

/// What it means that the pool refuses `call` with the error of this index.
pub(super) fn pool_refusal(at: &AtBlock, call: &'static str, index: u8) -> SubmitError {
    let pallet = at.metadata_ref().pallet_by_name(METAGRAPH);
    match pallet.and_then(|pallet| pallet.error_variant_by_index(index)) {
        Some(variant) => SubmitError::Refused(Box::new(Refusal {
            call,
            pallet: METAGRAPH.into(),
            error: variant.name.clone(),
            docs: docs(&variant.docs),
            block: None,
        })),
        None => SubmitError::NotTaken {
            call,
            reason: format!("error {index}, which its runtime does not explain"),
        },
    }
}

fn failure(at: &AtBlock, call: &'static str, block: BlockRef, bytes: &[u8]) -> SubmitError {
    let error = DispatchError::decode_from(bytes, at.metadata());
    let reason = match error {
        Ok(DispatchError::Module(error)) => match error.details() {
            Ok(details) => {
                return SubmitError::Refused(Box::new(Refusal {
                    call,
                    pallet: details.pallet.name().into(),
                    error: details.variant.name.clone(),
                    docs: explain(at, details.variant, &error.bytes()[2..]),
                    block: Some(block),
                }));
            }
            Err(unknown) => unknown.to_string(),
        },
        Ok(error) => error.to_string(),
        Err(undecodable) => undecodable.to_string(),
    };
    SubmitError::Failed {
        call,
        block,
        reason,
    }
}

/// The fee, in units, of which a tip is a part.
fn fee_paid(event: &Event<'_, Config>) -> Option<u64> {
    let paid = event.decode_fields_as::<TransactionFeePaid>()?;
    Some(paid.ok()?.actual_fee)
}

fn network_created(event: &Event<'_, Config>) -> Option<u16> {
    let created = event.decode_fields_as::<NetworkCreated>()?;
    Some(created.ok()?.netid.0)
}

/// What a pallet says of its error, and the name of the error within it, if it has one: which hyperparameter is out of range.
fn explain(at: &AtBlock, error: &Variant<PortableForm>, within: &[u8]) -> String {
    let said = docs(&error.docs);
    let inner = error.fields.first().and_then(|field| {
        let TypeDef::Variant(inner) = &at.metadata_ref().types().resolve(field.ty.id)?.type_def
        else {
            return None;
        };
        let index = within.first()?;
        inner
            .variants
            .iter()
            .find(|variant| variant.index == *index)
    });
    match inner {
        Some(inner) => format!("{}: {}", said.trim_end_matches('.'), inner.name),
        None => said,
    }
}

/// Lines of documentation as one.
fn docs(lines: &[String]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    lines.join(" ").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_reads_as_one_line() {
        let lines = [
            " Port 0 names".to_owned(),
            " no port.".to_owned(),
            String::new(),
        ];
        assert_eq!(docs(&lines), "Port 0 names no port.");
    }
}
