//! What is said of a folder whose configuration is not that of its tensors, for the tests of each model that is read from one.

use serde_json::{Value, json};

use super::*;

/// A model as it is exported, and how its kind is read.
pub(crate) struct Original {
    pub(crate) config: Value,
    pub(crate) parameters: Parameters,
    pub(crate) read: fn(&Path) -> Result<(), HuggingFaceError>,
}

impl Original {
    /// What reading says where the configuration has this value.
    fn read_with(&self, key: &str, value: &Value) -> HuggingFaceError {
        let folder = tempfile::tempdir().unwrap();
        let mut config = self.config.clone();
        config[key] = value.clone();
        let exported = export(&config, &self.parameters).unwrap();
        exported.write(folder.path()).unwrap();
        (self.read)(folder.path()).unwrap_err()
    }

    /// Fails unless sizes that no model has are refused before anything is made of them, and so are these values.
    pub(crate) fn refuses_what_cannot_be(&self, sizes: &[&str], values: &[(&str, Value)]) {
        let no_sizes = [json!(4_000_000_000_000_000_000_i64), json!(0), json!(-1)];
        let sizes = sizes
            .iter()
            .flat_map(|key| no_sizes.iter().map(move |value| (*key, value)));
        for (key, value) in sizes.chain(values.iter().map(|(key, value)| (*key, value))) {
            let refused = self.read_with(key, value);
            assert!(
                matches!(refused, HuggingFaceError::Format { .. }),
                "{key} {value}: {refused}"
            );
        }
    }

    /// Fails unless sizes that are not those of the tensors are refused before anything is made of them.
    pub(crate) fn refuses_other_sizes(&self, sizes: &[&str]) {
        for key in sizes {
            // Possible, and more than there is memory for.
            let refused = self.read_with(key, &json!(1 << 22));
            assert!(
                matches!(refused, HuggingFaceError::Misfit { .. }),
                "{key}: {refused}"
            );
        }
    }
}
