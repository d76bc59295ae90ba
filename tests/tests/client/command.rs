//! The `neuron` command does on the chain what it says, and ends as it should where it cannot.

use crate::connect;
use anyhow::{Context, Result};
use connectome_tests::{ChainSpec, Setup, node};
use neuron_metagraph::At;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{net::TcpListener, process::Command};

/// Blocks from one epoch to the next that are more than a test waits for.
const TEMPO: u32 = 1000;

/// The command of a user who has nothing but a development key: nobody's wallets and settings.
struct User {
    home: TempDir,
    chain: String,
}

/// How a command ended, and what it wrote as JSON to standard output and standard error.
struct Ended {
    code: Option<i32>,
    stdout: Value,
    stderr: Value,
}

impl User {
    fn new(chain: String) -> Result<Self> {
        let home = tempfile::tempdir()?;
        Ok(Self { home, chain })
    }

    /// Runs a command as Alice, who is root of a development chain.
    async fn neuron(&self, arguments: &[&str]) -> Result<Ended> {
        self.neuron_as("//Alice", arguments).await
    }

    async fn neuron_as(&self, coldkey: &str, arguments: &[&str]) -> Result<Ended> {
        let output = Command::new(node::built("neuron", "CONNECTOME_NEURON")?)
            .env_clear()
            .env("HOME", self.home.path())
            .args(["--json", "--yes", "--chain", &self.chain])
            .args(["--uri", coldkey, "--hotkey-uri", "//Alice//hot"])
            .args(arguments)
            .output()
            .await
            .context("neuron cannot be run")?;
        let json = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
        Ok(Ended {
            code: output.status.code(),
            stdout: json(&output.stdout),
            stderr: json(&output.stderr),
        })
    }

    /// What a command says that succeeds.
    async fn ask(&self, arguments: &[&str]) -> Result<Value> {
        let ended = self.neuron(arguments).await?;
        anyhow::ensure!(ended.code == Some(0), "{arguments:?}: {}", ended.stderr);
        Ok(ended.stdout)
    }
}

#[tokio::test]
async fn a_neuron_is_registered_funded_and_seen_by_commands() -> Result<()> {
    // An epoch would pay it meanwhile.
    let network = json!({ "task": "digits", "hyperparameters": { "tempo": TEMPO } });
    let chain = ChainSpec::dev()
        .await?
        .with(&json!({ "metagraph": { "networks": [network] } }))
        .write()?;
    let node = Setup::authority(&chain, "alice")?.alone().start().await?;
    let user = User::new(node.url())?;

    let registered = user.ask(&["register"]).await?;
    assert_eq!(
        (&registered["uid"], &registered["already"]),
        (&0.into(), &false.into())
    );
    // Once more does nothing.
    let again = user.ask(&["register"]).await?;
    assert_eq!(
        (&again["uid"], &again["already"]),
        (&0.into(), &true.into())
    );

    let holdings = user.ask(&["stake", "add", "12.500000001"]).await?;
    assert_eq!(holdings["hotkeys"][0]["stake"], 12_500_000_001u64);
    let holdings = user.ask(&["stake", "remove", "2.5"]).await?;
    assert_eq!(holdings["hotkeys"][0]["stake"], 10_000_000_001u64);

    let metagraph = user.ask(&["metagraph"]).await?;
    let neuron = &metagraph["neurons"][0];
    assert_eq!(neuron["hotkey"], registered["hotkey"]);
    assert_eq!(neuron["stake"], 10_000_000_001u64);
    let network = user.ask(&["network", "show"]).await?;
    assert_eq!(
        (&network["task"], &network["hyperparameters"]["tempo"]),
        (&"digits".into(), &TEMPO.into())
    );
    let networks = user.ask(&["network", "list"]).await?;
    assert_eq!(networks.as_array().map(Vec::len), Some(1));
    let weights = user.ask(&["weights", "show"]).await?;
    assert_eq!(weights["rows"], Value::Array(Vec::new()));
    Ok(())
}

#[tokio::test]
async fn what_the_chain_refuses_ends_a_command_with_its_words() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let user = User::new(node.url())?;
    let ended = user.neuron(&["stake", "add", "1"]).await?;
    assert_eq!(ended.code, Some(3));
    let said = ended.stderr["error"].to_string();
    assert!(
        said.contains("HotkeyNotFound: The chain does not know this hotkey"),
        "{said}"
    );
    let ended = user.neuron(&["--netid", "9", "metagraph"]).await?;
    assert_eq!(ended.code, Some(1));
    Ok(())
}

#[tokio::test]
async fn root_creates_networks_like_others_and_nobody_else_does() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let user = User::new(node.url())?;

    let stranger = user
        .neuron_as("//Bob", &["network", "create", "text"])
        .await?;
    assert_eq!(stranger.code, Some(3));
    let said = stranger.stderr["error"].to_string();
    let alice = connect(&node).await?.root(At::Best).await?;
    let alice = alice.context("Alice is root")?.to_string();
    assert!(
        said.contains("only root creates networks") && said.contains(&alice),
        "{said}"
    );

    let created = user
        .ask(&["network", "create", "text", "--tempo", "7"])
        .await?;
    assert_eq!(
        (&created["netid"], &created["task"]),
        (&1.into(), &"text".into())
    );
    let of_0 = user.ask(&["network", "show"]).await?;
    let of_1 = user.ask(&["--netid", "1", "network", "show"]).await?;
    let mut expected = of_0["hyperparameters"].clone();
    assert_ne!(expected["tempo"], 7);
    expected["tempo"] = 7.into();
    assert_eq!(of_1["hyperparameters"], expected);
    assert_eq!(created["hyperparameters"], expected);
    assert_eq!(of_1["owner"], Value::Null);

    // Every hyperparameter that can be given, and all others of network 1.
    let given = [
        ("max_neurons", 8),
        ("max_validators", 3),
        ("immunity_period", 50),
        ("weights_rate_limit", 4),
        ("emission_share", 2),
        ("owner_cut", 250_000),
    ];
    let mut arguments: Vec<String> = ["network", "create", "colours", "--like", "1", "--owner"]
        .map(str::to_owned)
        .into();
    arguments.push(alice.clone());
    for (name, value) in given {
        arguments.push(format!("--{}={value}", name.replace('_', "-")));
        expected[name] = value.into();
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert_eq!(user.ask(&arguments).await?["netid"], 2);
    let of_2 = user.ask(&["--netid", "2", "network", "show"]).await?;
    assert_eq!(of_2["owner"], *alice);
    assert_eq!(of_2["hyperparameters"], expected);
    Ok(())
}

#[tokio::test]
async fn a_network_that_the_pallet_refuses_is_refused_in_its_words() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let user = User::new(node.url())?;
    let refused = user
        .neuron(&["network", "create", "text", "--tempo", "0"])
        .await?;
    assert_eq!(refused.code, Some(3));
    let said = refused.stderr["error"].to_string();
    assert!(
        said.contains("Metagraph::OutOfRange: This hyperparameter is out of range: Tempo"),
        "{said}"
    );
    let networks = user.ask(&["network", "list"]).await?;
    assert_eq!(networks.as_array().map(Vec::len), Some(1));
    let of_none = user
        .neuron(&["network", "create", "text", "--like", "9"])
        .await?;
    assert_eq!(of_none.code, Some(1));
    Ok(())
}

#[tokio::test]
async fn the_doctor_says_what_is_missing_and_what_is_not() -> Result<()> {
    let node = Setup::dev()?.start().await?;
    let user = User::new(node.url())?;
    let ended = user
        .neuron(&["doctor", "--patience=60s", "--listen=127.0.0.1:0"])
        .await?;
    assert_eq!(ended.code, Some(1));
    let checks = ended.stdout;
    let verdict = |name: &str| {
        let mut all = checks.as_array().into_iter().flatten();
        all.find(|check| check["name"] == name)
            .map_or(Value::Null, |check| check["verdict"].clone())
    };
    for fine in [
        "coldkey",
        "hotkey",
        "chain",
        "program",
        "blocks",
        "clock",
        "finality",
        "listening",
    ] {
        assert_eq!(verdict(fine), "ok", "{fine} in {checks}");
    }
    assert_eq!(verdict("registration"), "failed");
    assert_eq!(verdict("axon"), "skipped");
    Ok(())
}

#[tokio::test]
async fn a_chain_that_is_away_is_told_from_one_that_refuses() -> Result<()> {
    let nobody = TcpListener::bind("127.0.0.1:0").await?;
    let away = format!("ws://{}", nobody.local_addr()?);
    drop(nobody);
    let ended = User::new(away)?.neuron(&["metagraph"]).await?;
    assert_eq!(ended.code, Some(4));
    Ok(())
}
