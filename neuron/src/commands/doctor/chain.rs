//! Tests of the chain: is it reached, does it speak of the same things, does it move, and does its time agree with ours?

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use neuron_metagraph::{At, BlockRef, Chain, ChainError};
use tokio::time::{sleep, timeout};

use super::Check;
use crate::cli::{Doctor, Global};

/// Between two looks for a new block.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How far the clock may be off besides what a block takes to be made and sent.
const TOLERANCE: Duration = Duration::from_secs(2);

/// Final blocks may be this far behind the best one.
const FINALITY_LAG: u32 = 30;

/// Gives the chain, if it is reached.
pub(super) async fn examine(
    global: &Global,
    doctor: &Doctor,
    checks: &mut Vec<Check>,
) -> Option<Chain> {
    let chain = match reach(global, doctor.patience).await {
        Ok((chain, check)) => {
            checks.push(check);
            chain
        }
        Err(check) => {
            checks.push(check);
            return None;
        }
    };
    checks.push(program(&chain).await);
    checks.extend(movement(&chain, doctor.patience).await);
    checks.push(finality(&chain).await);
    Some(chain)
}

async fn reach(global: &Global, patience: Duration) -> Result<(Chain, Check), Check> {
    let advice = format!(
        "start a node (make node), or name one: --chain ws://HOST:9944 (tried {})",
        global.chain.join(", ")
    );
    let connecting = async {
        let chain = global.connect().await?;
        let node = chain.node().await?;
        Ok::<_, ChainError>((chain, node))
    };
    match timeout(patience, connecting).await {
        Ok(Ok((chain, node))) => {
            let found = format!(
                "{} at {}, version {}, {} peers",
                node.chain, node.url, node.version, node.peers
            );
            let check = match node.is_syncing {
                false => Check::ok("chain", found),
                true => Check::failed(
                    "chain",
                    format!("{found}, still fetching blocks"),
                    "wait until the node has caught up, or name another",
                ),
            };
            Ok((chain, check))
        }
        Ok(Err(error)) => Err(Check::failed("chain", error, advice)),
        Err(_) => Err(Check::failed(
            "chain",
            format!("no answer within {patience:?}"),
            advice,
        )),
    }
}

async fn program(chain: &Chain) -> Check {
    match chain.agrees_with_program().await {
        Ok(true) => Check::ok("program", "speaks as the chain's runtime does"),
        Ok(false) => Check::failed(
            "program",
            "was built for another version of the chain's runtime",
            "update the older of the two; some commands may still work",
        ),
        Err(error) => Check::failed("program", error, "see the test of the chain"),
    }
}

/// Does the chain make blocks, and are they of our time?
async fn movement(chain: &Chain, patience: Duration) -> [Check; 2] {
    let (name, clock) = ("blocks", "clock");
    let waiting = async {
        let block_time = chain.block_time().await?;
        let patience = patience.max(block_time * 3);
        let block = timeout(patience, next_block(chain)).await;
        Ok::<_, ChainError>((block_time, patience, block))
    };
    match waiting.await {
        Ok((block_time, _, Ok(Ok((block, seen))))) => {
            let found = format!("block {} came, one every {block_time:?}", block.number);
            let skew = match chain.timestamp_ms(At::Block(block.hash)).await {
                Ok(made) => agreement(clock, seen, Duration::from_millis(made), block_time),
                Err(error) => Check::failed(clock, error, "see the test of the chain"),
            };
            [Check::ok(name, found), skew]
        }
        Ok((_, patience, Err(_))) => [
            Check::failed(
                name,
                format!("none came within {patience:?}"),
                "the chain stands still: ask those who run its authorities, or name another node",
            ),
            Check::skipped(clock, "there was no new block to tell the time by"),
        ],
        Ok((_, _, Ok(Err(error)))) | Err(error) => [
            Check::failed(name, error, "see the test of the chain"),
            Check::skipped(clock, "there was no new block to tell the time by"),
        ],
    }
}

/// The first block after now, and when it was seen, since the epoch of Unix.
async fn next_block(chain: &Chain) -> Result<(BlockRef, Duration), ChainError> {
    let before = chain.block(At::Best).await?;
    loop {
        let block = chain.block(At::Best).await?;
        if block.number > before.number {
            let seen = SystemTime::now().duration_since(UNIX_EPOCH);
            return Ok((block, seen.unwrap_or_default()));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether a block that was made at `made` by its author's clock, and `seen` by ours, has taken as long as it should.
fn agreement(name: &'static str, seen: Duration, made: Duration, block_time: Duration) -> Check {
    let advice = "set it, for instance by NTP; certificates are valid by the clock";
    let latest = made + block_time + TOLERANCE;
    if seen + TOLERANCE < made {
        let behind = (made - seen).as_secs_f64();
        Check::failed(name, format!("{behind:.1} s behind the chain"), advice)
    } else if seen > latest {
        let ahead = (seen - made).as_secs_f64();
        Check::failed(name, format!("{ahead:.1} s ahead of the chain"), advice)
    } else {
        Check::ok(name, "agrees with the chain")
    }
}

async fn finality(chain: &Chain) -> Check {
    let name = "finality";
    let reading = async {
        let last_final = chain.block(At::Finalised).await?.number;
        Ok::<_, ChainError>((chain.block_number().await?, last_final))
    };
    match reading.await {
        Ok((best, last_final)) => {
            let lag = best.saturating_sub(last_final);
            let found = format!("{lag} blocks behind the best");
            match lag <= FINALITY_LAG {
                true => Check::ok(name, found),
                false => Check::failed(
                    name,
                    found,
                    "more than a third of the authorities is away; what is in blocks may still change",
                ),
            }
        }
        Err(error) => Check::failed(name, error, "see the test of the chain"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_clock_agrees_if_a_block_took_as_long_as_blocks_do() {
        let block_time = at(6.0);
        for seen in [998.5, 1000.0, 1006.0, 1007.9] {
            let check = agreement("clock", at(seen), at(1000.0), block_time);
            assert!(!check.is_failed(), "{seen}: {check:?}");
        }
        for (seen, found) in [(990.0, "10.0 s behind"), (1009.5, "9.5 s ahead")] {
            let check = agreement("clock", at(seen), at(1000.0), block_time);
            assert!(
                check.is_failed() && format!("{check:?}").contains(found),
                "{check:?}"
            );
        }
    }
}
