//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod backup;
mod check_config;
mod claims;
mod dashboard;
mod install;
mod keys;
mod openapi;
mod out;
mod remote;
mod restore;
mod serve;
mod systemd;
mod variables;
mod verify;
mod webhooks;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::out::{announce, at, complain, note, placed, say, say_secret};
use crate::config::{Given, LogFormat, Place, Purpose, Settings};
use crate::logging::{self, Log};

/// Why a command did not do what it should.
enum Failure {
    /// Exit code 2: it was asked wrongly.
    Usage(String),
    /// Exit code 1: it was asked rightly and did not come about.
    Failed(String),
    /// Exit code 1, and nothing is said: who was to read the result has gone.
    Unread,
}

impl Failure {
    /// The same, with commands that name the store they are about.
    fn placed(self, at: &str) -> Self {
        match self {
            Self::Usage(line) => Self::Usage(placed(&line, at)),
            Self::Failed(line) => Self::Failed(placed(&line, at)),
            Self::Unread => Self::Unread,
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  atlas                                         serve from ./data on 127.0.0.1:8080
  atlas serve --listen 0.0.0.0:8080 --data-dir /var/lib/atlas
  atlas mock --listen 127.0.0.1:0 --json        a mock on a free port, for a test suite
  atlas check-config --config atlas.toml        what serve would go by, or what is wrong with it
  atlas keys create --name \"Shop server\"        prints the secret, once
  atlas keys roll key_... --grace 24h           a new secret; the old one works for a day
  atlas dashboard                               a link into the Dashboard, for five minutes
  atlas openapi > atlas.json                    the API in OpenAPI 3.1, for code generators
  atlas keys import --name Old < secret.txt     a secret that exists elsewhere
  atlas verify                                  looks at every row of the store
  atlas backup shop.atlas-backup                the whole store in one file, while it serves
  atlas restore shop.atlas-backup               a store out of it, where there is none
  atlas settle clm_... --as done                what became of a charge whose answer was lost
  atlas webhooks add https://shop.example/hooks an endpoint; prints what it is signed with

Settings:
  Each setting has one name in four places, and the first one that is given counts:
  the flag --per-minute, the variable ATLAS_PER_MINUTE, per_minute in the TOML file
  named by --config, the default. `atlas serve --help` lists them. In the file those of
  an upstream stand in a table, as upstream under [live] for --live-upstream.

Files (in the data directory, readable by its owner only):
  store/       keys (hashed), sessions, idempotency records, day counts
  pepper       the key under which secrets are hashed; without it no key works
  atlas.sock   where these commands reach a running server

Environment:
  RUST_LOG     what is logged to standard error: error, warn, info (default), debug, trace

Exit status:
  0 done, 1 failed, 2 wrong usage or a wrong setting";

/// Atlas: a payments API in one binary, with keys, exactly-once idempotency and rate limits
#[derive(Parser)]
#[command(
    version,
    max_term_width = 100,
    after_help = AFTER_HELP,
    subcommand_required = true,
    override_usage = "atlas [OPTIONS] [COMMAND]"
)]
struct Cli {
    #[command(flatten)]
    place: Place,
    /// Write results as JSON, for machines
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    #[command(flatten)]
    Serving(Serving),
    #[command(flatten)]
    Managing(Managing),
}

#[derive(Subcommand)]
enum Serving {
    /// Serve the API; the default without a command
    ///
    /// Prints `listening on http://ADDRESS` when ready. SIGTERM and SIGINT let running requests finish, write
    /// everything down and end with exit status 0; a second one cuts them, writes down what was done, and ends at once
    /// with exit status 1.
    Serve(Box<Given>),
    /// Serve for development: a temporary store, and every well-formed sk_test_ key is accepted
    ///
    /// The same as `serve` in everything else. Each secret becomes a key of an account of its own when it is first
    /// used. The store is gone at the end, unless --data-dir says where to keep it.
    Mock(Box<Given>),
}

#[derive(Subcommand)]
enum Managing {
    /// Check every setting as `serve` would, and print what is in force
    ///
    /// One `name = value` a line; of a secret, the last four characters at most. A wrong setting is named, with exit
    /// status 2. Nothing is opened and nothing is served.
    CheckConfig(Box<Given>),
    /// Make, show, roll, revoke, import and change API keys
    ///
    /// Speaks to the server that uses the data directory; with none running, opens the store itself.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Print a link that opens the Dashboard in a browser, once, within five minutes
    ///
    /// The link lets whoever opens it manage keys and see requests for twelve hours. With a password set, people without
    /// a shell here can log in by it.
    Dashboard(dashboard::Dashboard),
    /// Print the description of the API in OpenAPI 3.1
    ///
    /// For people, or on one line with --json. A server gives it at /openapi.json, and a page to read it at /docs.
    Openapi,
    /// Show requests that went to an upstream, and of which nobody here knows what became
    ///
    /// Such a claim keeps its idempotency key for 24 hours from the first request, so that nothing is charged twice. A
    /// repeat of the request asks the upstream again; where the upstream would charge again, `atlas settle` ends the
    /// claim.
    #[command(subcommand)]
    Claims(claims::Claims),
    /// Say what became of such a request, after a look into the upstream's books
    ///
    /// Speaks to the server that uses the data directory; with none running, opens the store itself.
    Settle(claims::Settle),
    /// Look at every row of the store and print what is wrong
    ///
    /// Whether each can be read, and agrees with what it points to; sums of payments too. Exit status 1 when something is
    /// wrong. While a server uses the data directory, it looks.
    Verify(verify::Verify),
    /// Copy the whole store into one file, while it serves or alone
    ///
    /// The file is the store as it was at one moment, after the command began: everything that was acknowledged by then,
    /// compressed, with checksums. It is as secret as the data directory, since the pepper is in it. What is at its place
    /// is replaced once the new one is whole and on disk.
    Backup(backup::Backup),
    /// Make a store out of a backup, in a data directory that is empty or missing
    ///
    /// It is built beside the directory, looked through as `verify` does, and only then moved to its place. Run it as the
    /// user that atlas runs as.
    Restore(restore::Restore),
    /// Put this program, its units and its settings in place, and have systemd run it
    ///
    /// Says each step. The program goes to /usr/local/bin, the units to /etc/systemd/system, and a file with every setting
    /// to /etc/atlas/atlas.toml, unless there is one. Run it again with a newer program to upgrade: the socket stays open
    /// meanwhile, so nobody is refused.
    Install(install::Install),
    /// Stop it, and take away the program and the units
    ///
    /// Settings, store and backups are kept, and where they are is said.
    Uninstall(install::Install),
    /// Add, show, roll, pause and remove webhook endpoints, where an account's events are told
    ///
    /// Speaks to the server that uses the data directory; with none running, opens the store itself.
    #[command(subcommand)]
    Webhooks(webhooks::Webhooks),
}

/// Parses the command line, runs one command and says how it ended.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    // What a server writes is nobody else's to read, from the first file on.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    // The allocator asks for huge pages, of which every thread then holds a few nearly empty ones: 8 MB idle become 60.
    // Where the kernel has none, there is nothing to turn off.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = match parse(arguments.collect()) {
        Ok(cli) => cli,
        Err(error) => {
            return ExitCode::from(out::usage(&error));
        }
    };
    match cli.verb {
        // The log is written as their settings say, so it starts when those are known.
        Verb::Serving(verb) => match verb.settings(&cli.place) {
            Ok(settings) => {
                let log = begin(settings.log_format);
                if let Some(line) = variables::unknown() {
                    log::warn!("{line}");
                }
                end(log, serve::run(settings, cli.json))
            }
            Err(line) => {
                complain(&line);
                ExitCode::from(2)
            }
        },
        Verb::Managing(verb) => {
            let log = begin(LogFormat::Text);
            let at = settings_of(&cli.place).map(|settings| at(&settings));
            let at = at.unwrap_or_default();
            let outcome = verb.run(&cli.place, cli.json);
            end(log, outcome.map_err(|failure| failure.placed(&at)))
        }
    }
}

/// Starts the log, and what has to be done before the store is opened.
fn begin(format: LogFormat) -> Log {
    let log = logging::start(format);
    if let Err(why) = crate::store::make_syncs_real() {
        log::warn!("a power loss may damage the store: its syncs can't be made real ones ({why})");
    }
    log
}

/// Ends the log and says how the command ended.
fn end(log: Log, outcome: Result<(), Failure>) -> ExitCode {
    let (line, code) = match outcome {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Unread) => return ExitCode::FAILURE,
        Err(Failure::Failed(line)) => (line, 1),
        Err(Failure::Usage(line)) => (line, 2),
    };
    log.end(&line);
    ExitCode::from(code)
}

impl Serving {
    fn settings(self, place: &Place) -> Result<Settings, String> {
        match self {
            Self::Serve(given) => Settings::resolve(place, *given, Purpose::Serve),
            Self::Mock(given) => Settings::resolve(place, *given, Purpose::Mock),
        }
    }
}

impl Managing {
    fn run(self, place: &Place, json: bool) -> Result<(), Failure> {
        match self {
            Self::CheckConfig(given) => check_config::check_config(place, *given, json),
            Self::Keys(keys) => keys::run(place, keys, json),
            Self::Openapi => openapi::openapi(json),
            Self::Dashboard(asked) => dashboard::run(place, &asked, json),
            Self::Claims(claims::Claims::List) => claims::list(place, json),
            Self::Settle(asked) => claims::settle(place, &asked, json),
            Self::Verify(asked) => verify::run(place, &asked, json),
            Self::Backup(asked) => backup::run(place, &asked, json),
            Self::Restore(asked) => restore::run(place, &asked, json),
            Self::Install(asked) => install::install(place, &asked, json),
            Self::Uninstall(asked) => install::uninstall(place, &asked, json),
            Self::Webhooks(webhooks) => webhooks::run(place, webhooks, json),
        }
    }
}

/// `atlas` alone, or with flags only, serves.
fn parse(mut arguments: Vec<OsString>) -> Result<Cli, clap::Error> {
    use clap::error::ErrorKind::{
        DisplayHelpOnMissingArgumentOrSubcommand, MissingSubcommand, UnknownArgument,
    };
    let error = match read(&arguments) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let begins_with_flag = arguments
        .get(1)
        .is_none_or(|first| first.as_encoded_bytes().starts_with(b"-"));
    let lacks_command = matches!(
        error.kind(),
        MissingSubcommand | UnknownArgument | DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !begins_with_flag || !lacks_command {
        return Err(error);
    }
    arguments.insert(arguments.len().min(1), OsString::from("serve"));
    read(&arguments)
}

/// Reads flags and variables. Of a setting that is in both, the flag counts.
fn read(arguments: &[OsString]) -> Result<Cli, clap::Error> {
    let named = |error| variables::naming(error, arguments);
    let matches = Cli::command()
        .try_get_matches_from(arguments)
        .map_err(named)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let of_verb = matches.subcommand().map(|(_, matches)| matches);
    let is_flag = |name: &str| {
        let source = of_verb.and_then(|matches| matches.value_source(name));
        source == Some(ValueSource::CommandLine)
    };
    match &mut cli.verb {
        Verb::Serving(Serving::Serve(given) | Serving::Mock(given))
        | Verb::Managing(Managing::CheckConfig(given)) => given.heed(is_flag),
        Verb::Managing(_) => (),
    }
    Ok(cli)
}

/// The settings of a command about a store.
fn settings_of(place: &Place) -> Result<Settings, Failure> {
    Settings::resolve(place, Given::default(), Purpose::Manage).map_err(Failure::Usage)
}

/// The same, of a store that must be there.
fn settings_of_store(place: &Place) -> Result<Settings, Failure> {
    let settings = settings_of(place)?;
    match settings.data_dir.join("store").try_exists() {
        Ok(false) => Err(Failure::Failed(format!(
            "there is no store in {}: name it with --data-dir, or start `atlas serve`",
            settings.data_dir.display()
        ))),
        // Why it can't be looked at is said by what opens it.
        Ok(true) | Err(_) => Ok(settings),
    }
}

fn to_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(|e| Failure::Failed(e.to_string()))
}
