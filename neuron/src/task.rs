//! What the neurons of a network learn, by the name that the chain has for it.
//!
//! A network has one task, so that all its neurons can answer each other. These are the tasks that this program has models
//! for; a network may have any other name, and then it is for its neurons to know.

use crate::cli::SynapseName;

/// A task that there are models for.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Tells handwritten digits apart: `[1, 28, 28]`.
    Digits,
    /// Tells colour images apart: `[3, 32, 32]`.
    Images,
    /// Fills gaps in text.
    MaskedText,
    /// Tells how text goes on.
    CausalText,
}

impl Task {
    /// All of them.
    pub const ALL: [Task; 4] = [
        Task::Digits,
        Task::Images,
        Task::MaskedText,
        Task::CausalText,
    ];

    /// As the chain has it.
    pub fn name(self) -> &'static str {
        match self {
            Task::Digits => "digits",
            Task::Images => "images",
            Task::MaskedText => "masked-text",
            Task::CausalText => "causal-text",
        }
    }

    /// The task of that name, if there are models for it.
    pub fn named(name: &str) -> Option<Task> {
        Task::ALL.into_iter().find(|task| task.name() == name)
    }

    /// What a model is for; none for a module of its operator's own, of which only the operator knows.
    pub fn of(synapse: SynapseName) -> Option<Task> {
        match synapse {
            SynapseName::Mnist => Some(Task::Digits),
            SynapseName::Cifar => Some(Task::Images),
            SynapseName::Bert => Some(Task::MaskedText),
            SynapseName::Gpt => Some(Task::CausalText),
            SynapseName::Torchscript => None,
        }
    }
}

/// A neuron's model is for another task than its network.
#[derive(Debug, thiserror::Error)]
#[error(
    "network {netid} learns {theirs}, and this model is for {}: choose the model with --synapse, or a network with --netid \
     (neuron network list shows what each learns)",
    ours.name()
)]
pub struct OtherTaskError {
    /// The network.
    pub netid: u16,
    /// What it learns.
    pub theirs: String,
    /// What the model is for.
    pub ours: Task,
}

impl Task {
    /// Whether a model for this task belongs into a network.
    ///
    /// # Errors
    ///
    /// [`OtherTaskError`] if the network has another task that there are models for.
    pub fn check(self, netid: u16, theirs: &str) -> Result<(), OtherTaskError> {
        match Task::named(theirs) {
            Some(task) if task != self => Err(OtherTaskError {
                netid,
                theirs: theirs.to_owned(),
                ours: self,
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_belongs_into_networks_of_its_task_and_of_tasks_that_are_not_known() {
        for ours in Task::ALL {
            for theirs in Task::ALL {
                assert_eq!(ours.check(1, theirs.name()).is_ok(), ours == theirs);
            }
            assert!(ours.check(1, "weather").is_ok());
        }
    }

    #[test]
    fn the_error_says_what_to_do() {
        let error = Task::Digits.check(3, "causal-text").unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("network 3 learns causal-text, and this model is for digits"));
        assert!(said.contains("--netid") && said.contains("--synapse"));
    }
}
