//! A node that is told to stop ends well, and starts where it ended.

use crate::commands::chain_info;
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
    // One more than its log says, if it was told to stop between the two.
    let best = chain_info(&setup.base_path()).await?.best_number;
    ensure!(
        last >= 3 && (last..=last + 1).contains(&best),
        "{best} after {last}"
    );

    let node = setup.start().await?;
    assert_eq!(node.best_at_start().await?, best);
    assert_eq!(node.client.header_at(3).await?, known);
    node.client.until_best(best + 2).await?;
    let (status, _) = node.stop(Signal::Interrupt).await?;
    ensure!(status.code() == Some(0), "{status}");
    Ok(())
}
