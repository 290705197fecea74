//! The command line: arguments in, one of three exit codes out (0 done, 1 refused or failed with a sentence, 2
//! usage). Each command is a thin walk through the same store and gate that the server uses.

mod accounts;
mod admin;
mod calendars;
mod credentials;
mod demo;
mod export;
mod feeds;
mod import;
mod maintenance;
mod output;
mod serve;
#[cfg(feature = "demo")]
pub mod simulate;
mod sync;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::app::App;
use crate::config::{CONFIG_FILE, Config, Layer};
use crate::domain::ids::UserName;
use crate::store::User;
use crate::telemetry;
pub(crate) use output::{Done, Failure, Output};

/// One self-hosted binary where a person's or a firm's calendars meet: CalDAV server, ICS feeds, API.
#[derive(Parser, Debug)]
#[command(name = "kalends", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(clap::Args, Debug)]
struct Common {
    /// Folder for the database, the key and kalends.toml [default: ./data] [env: KALENDS_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Database: sqlite:PATH or postgres://USER@HOST/NAME [default: kalends.db in the data folder] [env: DATABASE_URL]
    #[arg(long, global = true, value_name = "URL", hide_env_values = true)]
    database: Option<String>,
    /// Configuration file [default: kalends.toml in the data folder, if there is one] [env: KALENDS_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the server; prints `listening on URL` once it answers
    Serve(serve::ServeArgs),
    /// Run a fresh demo: a firm, users, appointments of every kind; gone when it stops
    Demo(demo::DemoArgs),
    /// Live worlds of people, providers, faults and crashes, one a seed, and see whether everything holds
    #[cfg(feature = "demo")]
    Simulate(simulate::SimulateArgs),
    /// Add, list, disable users; set passwords
    #[command(subcommand)]
    User(accounts::UserCommand),
    /// Add, list, revoke app passwords (per device, for CalDAV)
    #[command(subcommand)]
    AppPassword(credentials::AppPasswordCommand),
    /// Add, list, revoke API tokens
    #[command(subcommand)]
    Token(credentials::TokenCommand),
    /// Add, list, delete calendars
    #[command(subcommand)]
    Calendar(calendars::CalendarCommand),
    /// Put the appointments of ICS files into a calendar
    Import(import::ImportArgs),
    /// Write a calendar as one ICS file
    Export(export::ExportArgs),
    /// Add, list, rotate, revoke ICS feeds
    #[command(subcommand)]
    Feed(feeds::FeedCommand),
    /// List, pause, resume, revoke accounts at providers
    #[command(subcommand)]
    Connection(sync::ConnectionCommand),
    /// List, preview, run, pause, resume, confirm links between calendars
    #[command(subcommand)]
    Link(sync::LinkCommand),
    /// What managers do: connections, attempts, resyncs, replays, audit events, figures
    Admin(admin::AdminArgs),
    /// Write a consistent backup to a new file while the server runs
    Backup(maintenance::BackupArgs),
    /// Fill an empty store from a backup
    Restore(maintenance::RestoreArgs),
    /// Seal every secret anew with the newest encryption key
    RotateKey,
    /// Check the whole store; exit 1 if anything is wrong
    Doctor(maintenance::DoctorArgs),
    /// Show the effective configuration
    #[command(subcommand)]
    Config(maintenance::ConfigCommand),
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// Runs the program. All of it is made in this library: of a function that takes any iterator, whoever calls it would make
/// its own, with everything that it calls.
pub fn run(arguments: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let output = Output::new(cli.common.json);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli.command, &cli.common, &output)),
        Err(error) => Err(Failure::from(error)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failed(&failure);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command, common: &Common, output: &Output) -> Done {
    match command {
        Command::Serve(args) => serve::serve(args, common, output).await,
        Command::Demo(args) => demo::demo(args, common, output).await,
        #[cfg(feature = "demo")]
        Command::Simulate(args) => simulate::simulate(&args, output),
        Command::User(command) => accounts::user(command, &open(common).await?, output).await,
        Command::AppPassword(command) => credentials::app_password(command, &open(common).await?, output).await,
        Command::Token(command) => credentials::token(command, &open(common).await?, output).await,
        Command::Calendar(command) => calendars::calendar(command, &open(common).await?, output).await,
        Command::Import(args) => import::import(args, &open(common).await?, output).await,
        Command::Export(args) => export::export(args, &open(common).await?, output).await,
        Command::Feed(command) => feeds::feed(command, &open(common).await?, output).await,
        Command::Connection(command) => sync::connection(command, &open(common).await?, output).await,
        Command::Link(command) => sync::link(command, &open(common).await?, output).await,
        Command::Admin(args) => admin::admin(args, &open(common).await?, output).await,
        Command::Backup(args) => maintenance::backup(args, &open(common).await?, output).await,
        Command::Restore(args) => {
            maintenance::may_restore(&args, &config(common, Layer::default())?).await?;
            maintenance::restore(args, &open(common).await?, output).await
        }
        Command::RotateKey => maintenance::rotate_key(&open(common).await?, output).await,
        Command::Doctor(args) => maintenance::doctor(args, &open(common).await?, output).await,
        Command::Config(maintenance::ConfigCommand::Check) => {
            maintenance::show(&config(common, Layer::default())?, output)
        }
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "kalends", &mut text);
            output.write(&text);
            Ok(())
        }
        Command::Man => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut text)?;
            output.write(&text);
            Ok(())
        }
    }
}

/// The effective configuration: what the command says, then the environment, then the file.
fn config(common: &Common, command: Layer) -> Result<Config, Failure> {
    let options = Layer { data_dir: common.data_dir.clone(), database: common.database.clone(), ..Layer::default() };
    let env = Layer::from_env(std::env::vars());
    let named = common.config.clone().or_else(|| std::env::var_os("KALENDS_CONFIG").map(PathBuf::from));
    let file = match named {
        Some(path) => Layer::from_file(&path)?,
        None => {
            let folder = options.data_dir.clone().or_else(|| env.data_dir.clone()).unwrap_or_else(|| "data".into());
            let path = folder.join(CONFIG_FILE);
            if path.exists() { Layer::from_file(&path)? } else { Layer::default() }
        }
    };
    Ok(Config::from_layers([command.or(options), env, file])?)
}

/// Opens the store for a command that is not the server: its log is for trouble only.
async fn open(common: &Common) -> Result<App, Failure> {
    let config = config(common, Layer::default())?;
    let quiet = std::env::var_os("KALENDS_LOG").is_none();
    telemetry::log_to_stderr(config.log_format, if quiet { "warn" } else { &config.log });
    Ok(App::open(config).await?)
}

/// The user of that name, or a sentence.
async fn user_named(app: &App, name: &str) -> Result<User, Failure> {
    let parsed = UserName::parse(name)?;
    let user = app.store().read().await?.user_by_name(&parsed).await?;
    user.ok_or_else(|| Failure::new(format!("there is no user {name:?}; kalends user list shows all")))
}

/// An act of the machine's own, which has no address.
fn act(app: &App, action: &str, target: &str) -> crate::store::NewAudit {
    crate::store::NewAudit {
        actor: "console".to_owned(),
        action: action.to_owned(),
        target: target.to_owned(),
        details: "{}".to_owned(),
        correlation_id: app.correlation_id(),
        address: String::new(),
    }
}

/// Records an act of the console.
async fn audit(app: &App, user: &User, action: &str, target: &str) -> Done {
    let act = act(app, action, target);
    let mut tx = app.store().write().await?;
    tx.audit(&user.firm, &act).await?;
    Ok(tx.commit().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
