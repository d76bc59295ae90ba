//! What a forward pass is for.

/// What a forward pass is for: some layers compute otherwise while a model learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The model learns: dropout drops, and batch norm uses the statistics of the batch and takes them into its running ones.
    Training,
    /// The model is measured or served: a row's answer depends on that row and on what was learned, and on nothing else.
    Evaluation,
}
