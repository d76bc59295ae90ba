//! One score per server out of many opinions.
//!
//! Two forms, one file each. Both take the normalised weights W and the voting stake; rows without voting stake have no
//! say in either.

pub mod median;
pub mod sigmoid;
