//! A simulated provider as a program of its own: for people, and for tests in other languages.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use kalends_simulators::{google::Google, microsoft::Microsoft, serve::Server};

const USAGE: &str = "usage: kalends-simulators google|microsoft|both [--listen 127.0.0.1:0] [--clock OFFSET_MS] [--seed N]

Serves a simulated Google, or a simulated Microsoft Graph with its identity platform, on a loopback address, with an account
ada@example.com and a client `client`, secret `secret`; at Microsoft also a public client `public` without a secret.
Prints `listening on http://…` and runs until it is ended; with `both`, each on a port of its own, one line for each, the name
before it. The page to edit by hand is at /, steering at /_control/….";

struct Arguments {
    google: bool,
    microsoft: bool,
    listen: SocketAddr,
    offset_ms: i64,
    seed: u64,
}

fn main() -> ExitCode {
    let Some(arguments) = read(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &std::io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::FAILURE
}

fn read(mut given: impl Iterator<Item = String>) -> Option<Arguments> {
    let (google, microsoft) = match given.next()?.as_str() {
        "google" => (true, false),
        "microsoft" => (false, true),
        "both" => (true, true),
        _ => return None,
    };
    let mut arguments = Arguments { google, microsoft, listen: ([127, 0, 0, 1], 0).into(), offset_ms: 0, seed: 1 };
    while let Some(name) = given.next() {
        let value = given.next()?;
        match name.as_str() {
            "--listen" => arguments.listen = value.parse().ok()?,
            "--clock" => arguments.offset_ms = value.parse().ok()?,
            "--seed" => arguments.seed = value.parse().ok()?,
            _ => return None,
        }
    }
    Some(arguments)
}

const ACCOUNT: &str = "ada@example.com";
const ZONE: &str = "Europe/Berlin";
const REDIRECTS: &[&str] = &["http://127.0.0.1", "http://localhost"];

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let clock = Arc::new(move || now_ms().saturating_add(arguments.offset_ms));
    let both = arguments.google && arguments.microsoft;
    let said = |name: &str, url: &str| {
        let name = if both { format!("{name} ") } else { String::new() };
        println!("{name}listening on {url}");
    };
    let mut google = None;
    if arguments.google {
        let mut provider = Google::new(arguments.seed);
        provider.settings_mut().loopback_hooks = true;
        provider.add_account(ACCOUNT, ZONE);
        provider.add_client("client", "secret", REDIRECTS);
        let server = Server::start(Arc::new(Mutex::new(provider)), arguments.listen, clock.clone()).await?;
        said("google", server.url());
        google = Some(server);
    }
    let mut microsoft = None;
    if arguments.microsoft {
        let mut provider = Microsoft::new(arguments.seed);
        provider.settings_mut().loopback_hooks = true;
        provider.add_account(ACCOUNT, ZONE);
        provider.add_client("client", Some("secret"), REDIRECTS);
        provider.add_client("public", None, REDIRECTS);
        let mut listen = arguments.listen;
        if both {
            listen.set_port(0);
        }
        let server = Server::start(Arc::new(Mutex::new(provider)), listen, clock).await?;
        said("microsoft", server.url());
        microsoft = Some(server);
    }
    tokio::signal::ctrl_c().await?;
    drop((google, microsoft));
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the one place where the provider meets a real clock")]
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}
