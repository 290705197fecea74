//! Logs and metrics. What a log line may hold: ids, counts, durations, status codes, error classes. What it never
//! holds: titles, notes, places, addresses of attendees, secrets, bodies, paths of feeds.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// What one server counts. It takes as much room after a year as after a day: what is counted together is added up at
/// once. Cheap to clone; all clones count together.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Counted>);

#[derive(Default)]
struct Counted {
    requests: Mutex<Requests>,
    connections: AtomicUsize,
}

/// The labels are words of the program's own and status codes, so that there are few of them.
#[derive(Default)]
struct Requests {
    answered: BTreeMap<(&'static str, &'static str, u16), u64>,
    latency: BTreeMap<&'static str, Latency>,
}

/// How long answers took.
#[derive(Default)]
struct Latency {
    /// Answers within each bound, none counted twice; beyond all bounds they are only in `count`.
    within: [u64; LATENCY_BUCKETS.len()],
    sum: Duration,
    count: u64,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Counts an answered request.
    pub fn request_answered(&self, face: &'static str, method: &'static str, status: u16, took: Duration) {
        let mut requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.answered.entry((face, method, status)).or_default() += 1;
        let latency = requests.latency.entry(face).or_default();
        latency.count += 1;
        latency.sum = latency.sum.saturating_add(took);
        let seconds = took.as_secs_f64();
        let place = LATENCY_BUCKETS.iter().zip(&mut latency.within).find(|(bound, _)| seconds <= **bound);
        if let Some((_, count)) = place {
            *count += 1;
        }
    }

    /// Notes how many connections are open.
    pub fn connections_open(&self, count: usize) {
        self.0.connections.store(count, Ordering::Relaxed);
    }

    /// All of it, with the connections of the database: all, and those waiting for work.
    #[must_use]
    pub fn render(&self, (pool, idle): (u32, usize)) -> Exposition {
        let mut out = Exposition::default();
        let requests = self.0.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let name = "kalends_http_requests_total";
        out.family((name, "counter", "HTTP requests by face, method and status"));
        for ((face, method, status), count) in &requests.answered {
            let labels = [("face", *face), ("method", *method), ("status", &status.to_string())];
            out.sample(name, &labels, *count as f64);
        }
        let name = "kalends_http_request_seconds";
        out.family((name, "histogram", "Time from a request's head to its answer's head, by face"));
        for (face, latency) in &requests.latency {
            let within = LATENCY_BUCKETS.into_iter().zip(latency.within);
            out.histogram(name, ("face", face), within, latency.sum.as_secs_f64(), latency.count);
        }
        drop(requests);
        let name = "kalends_http_connections";
        out.family((name, "gauge", "Open connections"));
        out.sample(name, &[], self.0.connections.load(Ordering::Relaxed) as f64);
        let name = "kalends_db_pool_connections";
        out.family((name, "gauge", "Connections of the database pool by state"));
        let idle = u32::try_from(idle).unwrap_or(u32::MAX);
        out.sample(name, &[("state", "idle")], f64::from(idle));
        out.sample(name, &[("state", "busy")], f64::from(pool.saturating_sub(idle)));
        let name = "kalends_build_info";
        out.family((name, "gauge", "1, with the version"));
        out.sample(name, &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
        out
    }
}

/// The Prometheus text format: grows by families and their samples.
#[derive(Clone, Debug, Default)]
pub struct Exposition(String);

impl Exposition {
    /// Begins a family: name, type, help.
    pub fn family(&mut self, (name, kind, help): (&str, &str, &str)) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// Adds the samples of a histogram under one label. `within`: upper bounds, and what lies in each and in none below.
    pub fn histogram(
        &mut self,
        name: &str,
        label: (&str, &str),
        within: impl Iterator<Item = (f64, u64)>,
        sum: f64,
        count: u64,
    ) {
        let (bucket, mut below) = (format!("{name}_bucket"), 0);
        for (bound, counted) in within {
            below += counted;
            self.sample(&bucket, &[label, ("le", &bound.to_string())], below as f64);
        }
        self.sample(&bucket, &[label, ("le", "+Inf")], count as f64);
        self.sample(&format!("{name}_sum"), &[label], sum);
        self.sample(&format!("{name}_count"), &[label], count as f64);
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_counted_once_and_in_one_bucket() {
        let metrics = Metrics::default();
        for (face, status, took_us) in [("api", 200, 100), ("api", 200, 101), ("api", 404, 40_000_000), ("web", 200, 7)]
        {
            metrics.request_answered(face, "GET", status, Duration::from_micros(took_us));
        }
        metrics.connections_open(3);
        let text = metrics.render((8, 5)).into_text();
        for line in [
            "# TYPE kalends_http_requests_total counter",
            "kalends_http_requests_total{face=\"api\",method=\"GET\",status=\"200\"} 2",
            "kalends_http_requests_total{face=\"api\",method=\"GET\",status=\"404\"} 1",
            "kalends_http_request_seconds_bucket{face=\"api\",le=\"0.0001\"} 1",
            "kalends_http_request_seconds_bucket{face=\"api\",le=\"0.00025\"} 2",
            "kalends_http_request_seconds_bucket{face=\"api\",le=\"30\"} 2",
            "kalends_http_request_seconds_bucket{face=\"api\",le=\"+Inf\"} 3",
            "kalends_http_request_seconds_sum{face=\"api\"} 40.000201",
            "kalends_http_request_seconds_count{face=\"api\"} 3",
            "kalends_http_request_seconds_count{face=\"web\"} 1",
            "kalends_http_connections 3",
            "kalends_db_pool_connections{state=\"idle\"} 5",
            "kalends_db_pool_connections{state=\"busy\"} 3",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in {text}");
        }
    }
}
