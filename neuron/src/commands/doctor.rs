//! `neuron doctor`: tests everything that a neuron needs, and says what to do about what is missing.

mod axon;
mod chain;
mod keys;
mod own;

use anyhow::bail;
use comfy_table::Table;
use serde::Serialize;

use self::own::Own;
use crate::{
    Output,
    chain::block_on,
    cli::{Doctor, Global},
    config::Config,
    table,
};

/// One thing that was tested.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    #[serde(flatten)]
    verdict: Verdict,
}

/// What a test came to.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Ok {
        /// What was found.
        found: String,
    },
    /// Not as it should be.
    Failed {
        /// What was found.
        found: String,
        /// What to do.
        advice: String,
    },
    /// It was not tested, because of another failure or because there is nothing to test.
    Skipped {
        /// Why.
        found: String,
    },
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        let found = found.into();
        Self {
            name,
            verdict: Verdict::Ok { found },
        }
    }

    fn failed(name: &'static str, found: impl ToString, advice: impl Into<String>) -> Self {
        let (found, advice) = (found.to_string(), advice.into());
        Self {
            name,
            verdict: Verdict::Failed { found, advice },
        }
    }

    fn skipped(name: &'static str, found: impl Into<String>) -> Self {
        let found = found.into();
        Self {
            name,
            verdict: Verdict::Skipped { found },
        }
    }

    fn is_ok(&self) -> bool {
        matches!(self.verdict, Verdict::Ok { .. })
    }

    fn is_failed(&self) -> bool {
        matches!(self.verdict, Verdict::Failed { .. })
    }
}

pub(super) fn run(global: &Global, config: &Config, doctor: &Doctor) -> anyhow::Result<()> {
    let is_address_given = ["listen", "advertise"]
        .iter()
        .any(|id| config.is_option(id));
    let checks = block_on(async { Ok(examine(global, doctor, is_address_given).await) })?;
    Output::new(global).show(&checks, |checks| describe(checks))?;
    match checks.iter().filter(|check| check.is_failed()).count() {
        0 => Ok(()),
        n_failed => bail!("{n_failed} of {} tests failed", checks.len()),
    }
}

async fn examine(global: &Global, doctor: &Doctor, is_address_given: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let keys = keys::examine(global, &mut checks);
    let chain = chain::examine(global, doctor, &mut checks).await;
    let neuron = match &chain {
        Some(chain) => keys.examine_on(chain, global, &mut checks).await,
        None => None,
    };
    let own = neuron.as_ref().map(|neuron| Own::new(global, neuron));
    let axon = axon::announced(neuron.as_ref(), own.as_ref(), doctor.patience).await;
    // Where the neuron is reached, how it would be is no question any more, unless somebody asks it.
    let is_listening_asked = is_address_given || !axon.is_ok();
    checks.push(axon);
    if is_listening_asked {
        checks.push(axon::listening(global, doctor, own.as_ref()).await);
    }
    checks
}

fn describe(checks: &[Check]) -> String {
    let mut table: Table = table(["test", "", "found"]);
    for check in checks {
        let (verdict, found) = match &check.verdict {
            Verdict::Ok { found } => ("ok", found.clone()),
            Verdict::Failed { found, advice } => ("failed", format!("{found}\n→ {advice}")),
            Verdict::Skipped { found } => ("-", found.clone()),
        };
        table.add_row([check.name, verdict, &found]);
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_test_says_what_was_found_and_what_to_do() {
        let checks = [
            Check::ok("keys", "all there"),
            Check::failed("clock", "10 s ahead", "set it"),
            Check::skipped("axon", "not registered"),
        ];
        let shown = describe(&checks);
        for expected in [
            "ok",
            "all there",
            "failed",
            "10 s ahead",
            "→ set it",
            "not registered",
        ] {
            assert!(
                shown.contains(expected),
                "{expected} is missing in\n{shown}"
            );
        }
    }

    #[test]
    fn scripts_read_verdicts_by_name() {
        let check = Check::failed("clock", "10 s ahead", "set it");
        assert_eq!(
            serde_json::to_value(&check).unwrap(),
            serde_json::json!({ "name": "clock", "verdict": "failed", "found": "10 s ahead", "advice": "set it" })
        );
    }
}
