//! A simulated provider as a program of its own: for people, and for tests in other languages.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use kalends_simulators::google::{Google, serve::Server};

const USAGE: &str = "usage: kalends-simulators google [--listen 127.0.0.1:0] [--clock OFFSET_MS] [--seed N]

Serves a simulated Google on a loopback address, with an account ada@example.com and a client `client`, secret `secret`.
Prints `listening on http://…` and runs until it is ended. The page to edit by hand is at /, steering at /_control/….";

struct Arguments {
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
    let mut arguments = Arguments { listen: ([127, 0, 0, 1], 0).into(), offset_ms: 0, seed: 1 };
    if given.next()? != "google" {
        return None;
    }
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

async fn run(arguments: Arguments) -> std::io::Result<()> {
    let mut google = Google::new(arguments.seed);
    google.settings_mut().loopback_hooks = true;
    google.add_account("ada@example.com", "Europe/Berlin");
    google.add_client("client", "secret", &["http://127.0.0.1", "http://localhost"]);
    let clock = move || now_ms().saturating_add(arguments.offset_ms);
    let server = Server::start(Arc::new(Mutex::new(google)), arguments.listen, Arc::new(clock)).await?;
    println!("listening on {}", server.url());
    tokio::signal::ctrl_c().await?;
    server.stop();
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
