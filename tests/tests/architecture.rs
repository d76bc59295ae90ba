//! Who may depend on whom. ARCHITECTURE.md says it in words; here `cargo metadata` is asked whether it is so.
//!
//! ```text
//! incentive ◄── pallet-metagraph ◄── pallet-metagraph-runtime-api ◄── connectome-runtime ◄── connectome-node
//!
//! neuron-proto ◄───┬── neuron-peer ◄──────┐
//! neuron-wallet ◄──┼── neuron-metagraph ◄─┼── neuron ◄── neuron-worker
//!                  ├── neuron-text ◄──────┘                │
//!                  └── neuron-learn ◄──────────────────────┘
//! ```
//!
//! A crate of the chain may depend on those to its left, a crate of the neuron on those that [`NEURON`] lists. Neither side
//! knows the other but by the chain's metadata. Nothing that is shipped depends on what only tests or measures.

use serde_json::Value;
use std::{env, ffi::OsString, process::Command};

/// The crates of the chain, each of which may depend on those before it.
const LAYERS: [&str; 5] = [
    "incentive",
    "pallet-metagraph",
    "pallet-metagraph-runtime-api",
    "connectome-runtime",
    "connectome-node",
];

/// The part of [`LAYERS`] that decides what a block means, and so must be the same on every machine.
const CONSENSUS: [&str; 4] = [
    "incentive",
    "pallet-metagraph",
    "pallet-metagraph-runtime-api",
    "connectome-runtime",
];

/// The crates of the neuron, each with the crates of this workspace that it may depend on.
const NEURON: [(&str, &[&str]); 9] = [
    ("neuron-memory", &[]),
    ("neuron-proto", &[]),
    ("neuron-wallet", &[]),
    ("neuron-metagraph", &["neuron-wallet"]),
    ("neuron-peer", &["neuron-proto", "neuron-wallet"]),
    ("neuron-text", &["neuron-proto"]),
    (
        "neuron-learn",
        &["neuron-proto", "neuron-text", "neuron-wallet"],
    ),
    (
        "neuron",
        &[
            "incentive",
            "neuron-metagraph",
            "neuron-peer",
            "neuron-proto",
            "neuron-text",
            "neuron-wallet",
        ],
    ),
    (
        "neuron-worker",
        &[
            "neuron",
            "neuron-learn",
            "neuron-memory",
            "neuron-metagraph",
            "neuron-peer",
            "neuron-proto",
            "neuron-text",
            "neuron-wallet",
        ],
    ),
];

/// Who alone among the crates of the neuron may name these: the chain's client, the wire, tokenisers, and libtorch each have
/// one home.
const HOMES: [(&str, &[&str]); 5] = [
    ("subxt", &["neuron-metagraph"]),
    ("tonic", &["neuron-proto", "neuron-peer"]),
    ("rustls", &["neuron-peer"]),
    ("tokenizers", &["neuron-text"]),
    ("tch", &["neuron-learn", "neuron-worker"]),
];

/// Crates on which nothing depends, unless it is one of them.
const LEAVES: [&str; 5] = [
    "connectome-tests",
    "connectome-benches",
    "connectome-demo",
    "neuron-benches",
    "neuron-learn-benches",
];

/// What links libtorch, whose memory and loading would be measured with what is beside it.
const LIBTORCH: [&str; 5] = [
    "neuron-learn",
    "neuron-learn-benches",
    "neuron-worker",
    "tch",
    "torch-sys",
];

/// What talks to the world or to a model: no business of the state transition function.
const OUTSIDE_WORLD: [&str; 7] = [
    "prost",
    "subxt",
    "subxt-signer",
    "tch",
    "tokio",
    "tonic",
    "torch-sys",
];

/// What belongs to clients of the chain, and not to the node.
const CLIENTS: [&str; 4] = ["subxt", "subxt-signer", "tch", "tonic"];

/// One `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]` entry.
struct Dependency {
    name: String,
    /// Compiled into what is shipped, not only for tests or the build script.
    is_normal: bool,
    is_optional: bool,
}

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

impl Package {
    fn normal_dependencies(&self) -> impl Iterator<Item = &Dependency> {
        self.dependencies.iter().filter(|it| it.is_normal)
    }
}

/// The cargo that runs this test, which need not be the one that compiled it.
fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The crates of this workspace with what their manifests name. Needs no network and no lock file.
fn workspace() -> Vec<Package> {
    let output = Command::new(cargo())
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(connectome_tests::repository())
        .output()
        .expect("cargo runs: it runs this test");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    list(&metadata["packages"]).map(package).collect()
}

fn package(package: &Value) -> Package {
    Package {
        name: text(&package["name"]),
        dependencies: list(&package["dependencies"]).map(dependency).collect(),
    }
}

fn dependency(dependency: &Value) -> Dependency {
    Dependency {
        name: text(&dependency["name"]),
        // Cargo writes `null` for a normal dependency, else "dev" or "build".
        is_normal: dependency["kind"].is_null(),
        is_optional: dependency["optional"] == true,
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("the format has a list here").iter()
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .expect("the format has a text here")
        .to_owned()
}

fn find<'a>(workspace: &'a [Package], name: &str) -> &'a Package {
    workspace
        .iter()
        .find(|package| package.name == name)
        .unwrap_or_else(|| {
            panic!("`{name}` is gone from the workspace; update this test and ARCHITECTURE.md")
        })
}

#[test]
fn every_crate_of_the_workspace_has_its_place() {
    for Package { name, .. } in workspace() {
        assert!(
            LAYERS.contains(&name.as_str())
                || LEAVES.contains(&name.as_str())
                || NEURON.iter().any(|(crate_name, _)| *crate_name == name),
            "`{name}` is new: say in this test and in ARCHITECTURE.md what it may depend on",
        );
    }
}

#[test]
fn a_layer_depends_only_on_layers_below_it() {
    let workspace = workspace();
    for (height, layer) in LAYERS.iter().enumerate() {
        let (below, _) = LAYERS.split_at(height);
        // Of every kind: a dev-dependency on a layer above would make the crate untestable without it.
        for dependency in &find(&workspace, layer).dependencies {
            let name = dependency.name.as_str();
            assert!(
                !LAYERS.contains(&name) || below.contains(&name),
                "`{layer}` depends on `{name}`, but it may know only {below:?} of the chain's crates",
            );
        }
    }
}

#[test]
fn a_crate_of_the_neuron_depends_only_on_what_its_part_needs() {
    let workspace = workspace();
    for (name, allowed) in NEURON {
        for dependency in &find(&workspace, name).dependencies {
            let ours = workspace.iter().any(|it| it.name == dependency.name);
            assert!(
                !ours || allowed.contains(&dependency.name.as_str()),
                "`{name}` depends on `{}`, but of this workspace it may know only {allowed:?}",
                dependency.name,
            );
        }
    }
}

#[test]
fn chain_client_wire_tokenisers_and_libtorch_have_one_home_each() {
    let workspace = workspace();
    for (library, homes) in HOMES {
        for (name, _) in NEURON {
            let names_it = find(&workspace, name)
                .normal_dependencies()
                .any(|it| it.name == library);
            assert!(
                !names_it || homes.contains(&name),
                "`{name}` names `{library}`, whose home is {homes:?}",
            );
        }
    }
}

#[test]
fn incentive_depends_on_nothing_that_is_not_optional() {
    let workspace = workspace();
    let needed: Vec<_> = find(&workspace, "incentive")
        .normal_dependencies()
        .filter(|it| !it.is_optional)
        .map(|it| it.name.as_str())
        .collect();
    assert!(
        needed.is_empty(),
        "`incentive` is pure arithmetic and has to build alone, but it needs {needed:?}; make them optional features",
    );
}

#[test]
fn consensus_crates_never_touch_the_outside_world() {
    let workspace = workspace();
    for layer in CONSENSUS {
        for dependency in find(&workspace, layer).normal_dependencies() {
            let name = dependency.name.as_str();
            assert!(
                !OUTSIDE_WORLD.contains(&name),
                "`{layer}` depends on `{name}`; what decides a block's meaning does no input or output. \
                 It belongs into the node, or into a client",
            );
        }
    }
}

#[test]
fn the_node_is_not_its_own_client() {
    let workspace = workspace();
    for dependency in find(&workspace, "connectome-node").normal_dependencies() {
        let name = dependency.name.as_str();
        assert!(
            dependency.is_optional || !CLIENTS.contains(&name),
            "`connectome-node` depends on `{name}`, which is for those who talk to a node. \
             Only an optional feature such as `benchmark` may bring it in",
        );
    }
}

#[test]
fn what_is_measured_without_a_model_links_no_libtorch() {
    let workspace = workspace();
    for dependency in &find(&workspace, "neuron-benches").dependencies {
        let name = dependency.name.as_str();
        assert!(
            !LIBTORCH.contains(&name),
            "`neuron-benches` depends on `{name}`, and so on libtorch; what needs a model belongs into `neuron-learn-benches`",
        );
    }
}

#[test]
fn nothing_depends_on_tests_and_measurements() {
    for Package { name, dependencies } in workspace() {
        for dependency in dependencies {
            assert!(
                LEAVES.contains(&name.as_str()) || !LEAVES.contains(&dependency.name.as_str()),
                "`{name}` depends on `{}`, on which nothing may depend",
                dependency.name,
            );
        }
    }
}
