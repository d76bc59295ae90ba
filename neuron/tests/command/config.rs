//! Options before the environment before the file before the defaults.

use serde_json::{Value, json};

use crate::neuron::User;

const FILE: &str = ".config/connectome/neuron.toml";

/// What `config show` says of one setting.
fn setting(user: &User, args: &[&str], name: &str) -> (Value, Value) {
    let args = [args, &["config", "show", "--json"]].concat();
    let settings = user.run(&args).done().json();
    let found = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|setting| setting["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} is not in {settings}"));
    (found["value"].clone(), found["source"]["kind"].clone())
}

#[test]
fn the_more_particular_counts() {
    let with_file = || User::new().with_file(FILE, "netid = 1");
    let variable = "CONNECTOME_NETID";
    for (user, args, expected) in [
        (User::new(), &[][..], ("0", "default")),
        (with_file(), &[], ("1", "file")),
        (
            with_file().with_env(variable, "2"),
            &[],
            ("2", "environment"),
        ),
        (
            with_file().with_env(variable, "2"),
            &["--netid", "3"],
            ("3", "command_line"),
        ),
        (
            User::new().with_env(variable, "2"),
            &[],
            ("2", "environment"),
        ),
        (with_file(), &["--netid", "3"], ("3", "command_line")),
    ] {
        assert_eq!(
            setting(&user, args, "netid"),
            (json!(expected.0), json!(expected.1))
        );
    }
}

#[test]
fn settings_of_other_commands_are_shown_too() {
    let user = User::new()
        .with_file(FILE, "learning-rate = 0.5\nresume = true\ndeny = []")
        .with_env("CONNECTOME_TOPK", "3")
        .with_env("CONNECTOME_RESUME", "no");
    for (name, value, source) in [
        ("learning-rate", json!("0.5"), "file"),
        ("topk", json!("3"), "environment"),
        ("resume", json!("no"), "environment"),
        ("momentum", json!("0.9"), "default"),
        ("steps", Value::Null, "default"),
    ] {
        assert_eq!(setting(&user, &[], name), (value, json!(source)), "{name}");
    }
}

#[test]
fn lists_can_be_written_in_four_ways() {
    let expected = json!("ws://a:1,ws://b:2");
    let file = User::new().with_file(FILE, "chain = ['ws://a:1', 'ws://b:2']");
    let environment = User::new().with_env("CONNECTOME_CHAIN", "ws://a:1,ws://b:2");
    for (user, args) in [
        (&file, &[][..]),
        (&environment, &[]),
        (&User::new(), &["--chain", "ws://a:1,ws://b:2"]),
        (
            &User::new(),
            &["--chain", "ws://a:1", "--chain", "ws://b:2"],
        ),
    ] {
        assert_eq!(setting(user, args, "chain").0, expected);
    }
}

#[test]
fn what_a_file_turned_on_an_option_turns_off() {
    let user = User::new().with_file(FILE, "json = true");
    assert!(user.run(&["config", "path"]).done().stdout.starts_with('{'));
    let plain = user.run(&["config", "path", "--json=false"]).done();
    assert!(plain.stdout.starts_with('/'), "{plain:?}");
}

#[test]
fn a_wrong_setting_is_refused_with_its_place() {
    let wrong = |text: &str| User::new().with_file(FILE, text).run(&["wallet", "list"]);
    wrong("lerning-rate = 1").failed(
        2,
        r#"neuron.toml: there is no setting "lerning-rate"; did you mean "learning-rate"?"#,
    );
    wrong("netid = 'x'").failed(2, "neuron.toml: netid: invalid value 'x'");
    wrong("netid").failed(2, "neuron.toml: expected TOML");
    wrong("uri = '//Alice'").failed(2, "uri is a secret");
    let run = User::new()
        .with_env("CONNECTOME_NETID", "x")
        .run(&["wallet", "list"]);
    run.failed(2, "environment variable CONNECTOME_NETID");
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let user = User::new().with_file("other.toml", "netid = 7");
    assert_eq!(
        setting(&user, &["--config", "other.toml"], "netid").0,
        json!("7")
    );
    user.run(&["config", "show", "--config", "missing.toml"])
        .failed(2, "missing.toml");

    let path = user.run(&["config", "path", "--json"]).done().json();
    assert_eq!(path, json!({ "path": user.path(FILE), "exists": false }));
}

#[test]
fn secrets_are_not_shown() {
    let run = User::new()
        .with_env("CONNECTOME_URI", "//Secret")
        .run(&["config", "show"])
        .done();
    assert!(run.stdout.contains("(hidden)") && !run.stdout.contains("//Secret"));
    let help = User::new()
        .with_env("CONNECTOME_URI", "//Secret")
        .run(&["wallet", "show", "--help"]);
    assert!(!help.stdout.contains("//Secret"));
}

#[test]
fn of_a_wallet_and_a_uri_the_more_particular_counts() {
    let in_environment = |variable, value| User::new().with_env(variable, value);
    let show =
        |user: &User, args: &[&str]| user.run(&[&["wallet", "show", "--json"], args].concat());
    let alice = |user: User, args: &[&str]| {
        let shown = show(&user, args).done().json();
        assert!(shown["coldkey"].as_str().unwrap().starts_with("5Grwva"));
    };
    let wallet = |user: User, args: &[&str], name: &str| {
        show(&user, args).failed(5, &format!(r#"wallet \"{name}\" has no coldkey"#));
    };
    let uri = || in_environment("CONNECTOME_URI", "//Alice");
    alice(uri(), &[]);
    alice(uri().with_file(FILE, "wallet = 'mine'"), &[]);
    alice(
        in_environment("CONNECTOME_WALLET", "mine"),
        &["--uri", "//Alice"],
    );
    alice(
        in_environment("CONNECTOME_HOTKEY", "two"),
        &["--uri", "//Alice"],
    );
    wallet(uri(), &["--wallet", "mine"], "mine");
    wallet(uri(), &["--hotkey", "two"], "default");

    // The same source says both.
    for (user, args, said) in [
        (
            User::new(),
            &["--uri", "//Alice", "--wallet", "mine"][..],
            "--uri and --wallet name the same key in two ways: leave one of them out",
        ),
        (
            uri().with_env("CONNECTOME_HOTKEY", "two"),
            &[],
            "CONNECTOME_URI and CONNECTOME_HOTKEY name the same key in two ways: unset one of them",
        ),
    ] {
        show(&user, args).failed(2, said);
    }
}

#[test]
fn it_is_shown_which_of_a_wallet_and_a_uri_counts() {
    let user = User::new().with_env("CONNECTOME_URI", "//Alice");
    let overruled = |args: &[&str]| {
        let settings = user.run(&[args, &["config", "show", "--json"]].concat());
        let settings = settings.done().json();
        let settings = settings.as_array().unwrap().iter();
        let overruled = settings.filter(|setting| !setting["overruled_by"].is_null());
        let names = overruled.map(|setting| (&setting["name"], &setting["overruled_by"]));
        json!(names.collect::<Vec<_>>())
    };
    assert_eq!(
        overruled(&[]),
        json!([["wallet", "uri"], ["hotkey", "uri"]])
    );
    assert_eq!(overruled(&["--wallet", "mine"]), json!([["uri", "wallet"]]));

    let table = user.run(&["config", "show", "--wallet", "mine"]).done();
    let expected = "CONNECTOME_URI; wallet counts instead";
    assert!(table.stdout.contains(expected), "{table:?}");
}

#[test]
fn what_is_not_understood_is_told_to_scripts_as_json() {
    const TYPO: &[&str] = &["train", "--lerning-rate", "1"];
    let told = |user: &User, args: &[&str], said: &str| {
        let run = user.run(args).failed(2, said);
        assert_eq!(run.stdout, "");
        let error: Value = serde_json::from_str(&run.stderr).unwrap();
        assert_eq!(
            (&error["exit_code"], &error["causes"]),
            (&json!(2), &json!([]))
        );
        error["error"].as_str().unwrap().to_owned()
    };
    let new = User::new;
    let of_options = told(&new(), &[TYPO, &["--json"]].concat(), "--learning-rate");
    assert!(
        of_options.starts_with("unexpected argument '--lerning-rate' found; tip: "),
        "{of_options}"
    );
    assert!(!of_options.contains("Usage"), "{of_options}");
    told(&new(), &["--json", "query"], "<IMAGE>");
    told(&new(), &["--json", "wallet"], "command");
    told(&new().with_env("CONNECTOME_JSON", "true"), &[], "command");
    let wrong = new().with_env("CONNECTOME_NETID", "x");
    told(&wrong, &["wallet", "list", "--json"], "CONNECTOME_NETID");

    // By a file too, and of a file.
    let with_file = |text: &str| new().with_file(FILE, text);
    told(&with_file("json = true"), TYPO, "--learning-rate");
    let wrong = with_file("lerning-rate = 1");
    told(&wrong, &["wallet", "list", "--json"], "no setting");
    let text = with_file("json = true").run(&[TYPO, &["--json=false"]].concat());
    assert!(
        text.failed(2, "--learning-rate")
            .stderr
            .starts_with("error: ")
    );

    // Help stays help.
    let help = new().run(&["--help", "--json"]).done();
    assert!(help.stdout.contains("Usage: neuron"), "{help:?}");
}
