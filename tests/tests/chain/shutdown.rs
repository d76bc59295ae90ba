//! A node that is told to stop ends well, and starts where it ended.

use anyhow::{Result, ensure};
use connectome_tests::{Setup, node::Signal};

#[tokio::test]
async fn a_node_told_to_stop_exits_with_zero_and_starts_at_its_best_block() -> Result<()> {
    let setup = Setup::dev()?;

    let node = setup.start().await?;
    node.client.until_best(3).await?;
    let known = node.client.header_at(3).await?;
    let (status, last) = node.stop(Signal::Terminate).await?;
    ensure!(status.code() == Some(0), "{status}");
    ensure!(last >= 3);

    let node = setup.start().await?;
    // The block that it was about when it was told to stop may be in no line of its log.
    let best = node.best_at_start().await?;
    ensure!((last..=last + 1).contains(&best), "{best} after {last}");
    assert_eq!(node.client.header_at(3).await?, known);
    node.client.until_best(best + 2).await?;
    let (status, _) = node.stop(Signal::Interrupt).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
