//! Logs and metrics. What a log line may hold: ids, counts, durations, status codes, error classes. What it never
//! holds: titles, notes, places, addresses of attendees, secrets, bodies, paths of feeds.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Upper bounds of the latency buckets, in seconds: from a cached answer to a client's patience.
const LATENCY_BUCKETS: [f64; 14] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Begins to log to stderr. Calling it twice changes nothing.
pub fn log_to_stderr(format: LogFormat, filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let _ = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// The metrics of one server, rendered on demand.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Installs the recorder; a second server in one process (in tests) records into the first one's.
    ///
    /// # Errors
    /// The buckets are refused, which they are not.
    pub fn install() -> Result<Metrics, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        describe_counter!("kalends_http_requests_total", "HTTP requests by face, method and status");
        describe_histogram!("kalends_http_request_seconds", "Time from a request's head to its answer's head, by face");
        describe_gauge!("kalends_http_connections", "Open connections");
        describe_gauge!("kalends_db_pool_connections", "Connections of the database pool by state");
        describe_gauge!("kalends_build_info", "1, with the version");
        gauge!("kalends_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Metrics(handle))
    }

    /// The Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.run_upkeep();
        self.0.render()
    }
}

/// Counts an answered request.
pub fn request_answered(face: &'static str, method: &'static str, status: u16, took: Duration) {
    counter!("kalends_http_requests_total", "face" => face, "method" => method, "status" => status.to_string())
        .increment(1);
    histogram!("kalends_http_request_seconds", "face" => face).record(took.as_secs_f64());
}

/// Notes how many connections are open.
pub fn connections_open(count: usize) {
    gauge!("kalends_http_connections").set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
}

/// Notes the database pool's state.
pub fn pool_state((size, idle): (u32, usize)) {
    let idle = u32::try_from(idle).unwrap_or(u32::MAX);
    gauge!("kalends_db_pool_connections", "state" => "idle").set(f64::from(idle));
    gauge!("kalends_db_pool_connections", "state" => "busy").set(f64::from(size.saturating_sub(idle)));
}
