//! The chain as its users meet it: real nodes, real transactions, real time.
//!
//! | file | says |
//! | --- | --- |
//! | `commands.rs` | a node's database is exported, imported, checked, taken back and removed; its figures can be read |
//! | `epoch.rs` | an epoch on chain is what `incentive::epoch` says of the same state, bit for bit |
//! | `finality.rs` | nodes are killed, the chain goes on, and who returns has its peers' state |
//! | `refusal.rs` | what is malformed is refused by name, and what is right costs nothing |
//! | `removal.rs` | neurons are replaced, and a removed network leaves nothing |
//! | `shutdown.rs` | a node that is told to stop ends well |

mod commands;
mod epoch;
mod finality;
mod refusal;
mod removal;
mod shutdown;

/// One token, CTM, in units.
const CTM: u64 = 1_000_000_000;

/// More than any registration costs here, in units.
const ANY_PRICE: u64 = 100 * CTM;
