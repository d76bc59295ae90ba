//! Wallets, from the first key to the last.

use std::{fs, io::Write, os::unix::fs::PermissionsExt, path::Path, process::Stdio};

use serde_json::{Value, json};

use crate::neuron::{Run, User};

const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
const EXPORT: &str = include_str!("../../wallet/src/vectors/encrypted.json");
const COLDKEY: &str = ".connectome/wallets/default/coldkey.json";
const HOTKEY: &str = ".connectome/wallets/default/hotkeys/default.json";

fn user() -> User {
    User::new().with_file("password", "secret\nnot this line\n")
}

fn new(user: &User, args: &[&str]) -> Run {
    user.run(
        &[
            &["wallet", "new", "--json", "--password-file", "password"],
            args,
        ]
        .concat(),
    )
}

fn run_with_input(user: &User, args: &[&str], input: &str) -> Run {
    let mut command = user.command(Path::new(env!("CARGO_BIN_EXE_neuron")));
    command
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn new_keys_can_be_had_from_their_words_again() {
    let user = user();
    let made = new(&user, &[]).done().json();
    for (at, kind, file) in [(0, "coldkey", COLDKEY), (1, "hotkey", HOTKEY)] {
        assert_eq!(made[at]["key"], kind);
        assert_eq!(made[at]["encrypted"], json!(true));
        let json = fs::read_to_string(user.path(file)).unwrap();
        assert!(json.contains(made[at]["address"].as_str().unwrap()));
        let words = made[at]["phrase"].as_str().unwrap();
        assert!(!json.contains(words) && words.split(' ').count() == 12);
    }

    let words = made[0]["phrase"].as_str().unwrap();
    let args = [
        "wallet",
        "import",
        "coldkey",
        "--phrase-file",
        "-",
        "--wallet",
        "again",
        "--json",
        "--password-file",
        "password",
    ];
    let again = run_with_input(&user, &args, words).done().json();
    assert_eq!(again["address"], made[0]["address"]);
    assert_eq!(again.get("phrase"), None);

    user.run(&["wallet", "show", "--verify", "--password-file", "password"])
        .done();
}

#[test]
fn a_wrong_or_missing_password_is_told_apart() {
    let user = user().with_file("wrong", "Secret");
    new(&user, &[]).done();
    let verify = ["wallet", "show", "--verify"];
    user.run(&verify).failed(2, "--password-file FILE");
    user.run(&[&verify[..], &["--password-file", "wrong"]].concat())
        .failed(5, "the password does not open the key");
    user.run(&[&verify[..], &["--password-file", "missing"]].concat())
        .failed(2, "cannot read missing");
}

#[test]
fn the_environment_may_hold_the_password() {
    let user = User::new().with_env("CONNECTOME_PASSWORD", "secret");
    user.run(&["wallet", "new", "--json"]).done();
    user.run(&["wallet", "show", "--verify"]).done();
    let empty = User::new().with_env("CONNECTOME_PASSWORD", "");
    empty.run(&["wallet", "new"]).failed(2, "got an empty one");
}

#[test]
fn an_existing_key_is_never_replaced_unasked() {
    let user = user();
    let first = new(&user, &["--unencrypted-hotkey"]).done().json();
    new(&user, &["--unencrypted-hotkey"]).failed(5, "holds a key already");
    new(&user, &["--unencrypted-hotkey", "--overwrite"]).failed(2, "add --yes");
    let listed = user.run(&["wallet", "list", "--json"]).done().json();
    assert_eq!(listed[0]["coldkey"]["address"], first[0]["address"]);

    let second = new(&user, &["--unencrypted-hotkey", "--overwrite", "--yes"])
        .done()
        .json();
    assert_ne!(first[0]["address"], second[0]["address"]);
}

#[test]
fn hotkeys_may_be_unencrypted_when_asked_and_are_their_owners_alone() {
    let user = user();
    let args = ["--only", "hotkey", "--unencrypted-hotkey"];
    // No password is needed.
    let made = user
        .run(&[&["wallet", "new", "--json"], &args[..]].concat())
        .done()
        .json();
    assert_eq!(made[0]["encrypted"], json!(false));
    assert_eq!(
        fs::metadata(user.path(HOTKEY))
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    assert!(!user.path(COLDKEY).exists());
    user.run(&["wallet", "show", "--verify"]).done();

    fs::set_permissions(user.path(HOTKEY), fs::Permissions::from_mode(0o644)).unwrap();
    user.run(&["wallet", "show", "--verify"])
        .failed(5, "run: chmod 600");
    let listed = user.run(&["wallet", "list", "--json"]).done().json();
    assert!(
        listed[0]["hotkeys"][0]["error"]
            .as_str()
            .unwrap()
            .contains("chmod 600")
    );

    new(&user, &["--only", "coldkey", "--unencrypted-hotkey"]).failed(2, "none is made");
}

#[test]
fn exports_of_polkadot_js_are_imported_with_their_password() {
    let user = User::new()
        .with_file("export.json", EXPORT)
        .with_file("password", "whoisalice");
    let import = [
        "wallet",
        "import",
        "coldkey",
        "--json-file",
        "export.json",
        "--json",
    ];
    user.run(&import).failed(2, "--password-file");
    let imported = user
        .run(&[&import[..], &["--password-file", "password"]].concat())
        .done()
        .json();
    assert_eq!(imported["address"], ALICE);
    let show = [
        "wallet",
        "show",
        "--verify",
        "--json",
        "--password-file",
        "password",
    ];
    assert_eq!(user.run(&show).done().json()["coldkey"]["address"], ALICE);

    let hotkey = [
        "wallet",
        "import",
        "hotkey",
        "--json-file",
        "export.json",
        "--unencrypted-hotkey",
        "--password-file",
        "password",
    ];
    user.run(&hotkey).done();
    let listed = user.run(&["wallet", "list", "--json"]).done().json();
    assert_eq!(listed[0]["hotkeys"][0]["encrypted"], json!(false));
}

#[test]
fn seeds_are_imported_with_or_without_0x() {
    // The seed of //Alice.
    let seed = "e5be9a5092b81bca64be81d212e7f2f9eba183bb7a90954f7b76361f6edb5c0a";
    for text in [seed.to_owned(), format!("0x{seed}\n")] {
        let user = User::new().with_file("seed", &text);
        let args = [
            "wallet",
            "import",
            "hotkey",
            "--seed-file",
            "seed",
            "--unencrypted-hotkey",
            "--json",
        ];
        assert_eq!(user.run(&args).done().json()["address"], ALICE);
    }
}

#[test]
fn what_is_no_key_is_refused_without_repeating_it() {
    let user = user().with_file("words", "correct horse battery staple");
    let run = user.run(&[
        "wallet",
        "import",
        "hotkey",
        "--phrase-file",
        "words",
        "--unencrypted-hotkey",
    ]);
    let run = run.failed(5, "no BIP-39 phrase");
    assert!(!run.stderr.contains("horse"));
    user.run(&[
        "wallet",
        "import",
        "hotkey",
        "--phrase",
        "--unencrypted-hotkey",
    ])
    .failed(2, "option that reads it from a file");
    user.run(&["wallet", "import", "hotkey"])
        .failed(2, "--phrase");
    user.run(&[
        "wallet",
        "import",
        "coldkey",
        "--seed-file",
        "words",
        "--unencrypted-hotkey",
    ])
    .failed(2, "always encrypted");
}

#[test]
fn a_missing_wallet_says_how_to_make_one() {
    let user = User::new();
    user.run(&["wallet", "show", "--wallet", "mine"])
        .failed(5, "neuron wallet new --wallet mine");
    let list = user.run(&["wallet", "list"]).done();
    assert!(list.stdout.contains("Make one: neuron wallet new"));
    assert_eq!(
        user.run(&["wallet", "list", "--json"]).done().json(),
        json!([])
    );
    user.run(&["wallet", "show", "--wallet", "../etc"])
        .failed(2, "expected a name");
}

#[test]
fn development_keys_need_no_wallet() {
    let show = |args: &[&str]| User::new().run(&[&["wallet", "show", "--json"], args].concat());
    let alice = show(&["--uri", "//Alice"]).done().json();
    assert_eq!(alice, json!({ "coldkey": ALICE, "hotkey": ALICE }));
    let other = show(&["--uri", "//Alice", "--hotkey-uri", "//Alice//hot"])
        .done()
        .json();
    assert_eq!(other["coldkey"], ALICE);
    assert_ne!(other["hotkey"], json!(ALICE));
    show(&["--uri", "alice"]).failed(5, "--uri names no key");
}

#[test]
fn failures_are_json_too_and_on_standard_error() {
    let run = User::new()
        .run(&["wallet", "show", "--json"])
        .failed(5, "exit_code");
    assert_eq!(run.stdout, "");
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(error["exit_code"], json!(5));
    assert!(error["error"].as_str().unwrap().contains("has no coldkey"));
}

#[test]
fn tables_show_what_there_is() {
    let user = User::new().with_file("seed", "//Alice");
    user.run(&[
        "wallet",
        "import",
        "hotkey",
        "--phrase-file",
        "seed",
        "--unencrypted-hotkey",
        "--hotkey",
        "one",
    ])
    .done();
    let table = user.run(&["wallet", "list"]).done().stdout;
    let expected = format!(
        " wallet   key         address                                           kept\n\
         {}\n \
         default  hotkey one  {ALICE}  unencrypted\n",
        "─".repeat(84)
    );
    assert_eq!(table, expected);
}
