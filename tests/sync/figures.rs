//! Failures that are driven and read back from the metrics, what ships with them, and notices on their way out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use kalends::app::exposition::{FAMILIES, exposition};
use kalends::app::notify::{Hook, Notifier};
use kalends::config::HookConfig;
use kalends::crypto::sign;
use kalends::domain::sync::{Direction, LinkPolicy};
use kalends::domain::time::{HOUR_MS, Instant, MINUTE_MS};
use kalends::upstream::Failure;
use kalends::upstream::http::{Limits, NamedBy, Transport, TransportError};

use crate::double::Fault;
use crate::house::{House, plain};

async fn text(house: &House) -> String {
    let mut tx = house.bench.store.read().await.unwrap();
    let all = tx.summary(None, Instant::from_ms(0)).await.unwrap();
    let now = tx.now();
    exposition(&all, &all, Some(&house.engine.told()), now)
}

/// The samples by name and labels.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|l| !l.starts_with('#'));
    lines.map(|l| l.rsplit_once(' ').map(|(name, value)| (name.to_owned(), value.parse().unwrap())).unwrap()).collect()
}

#[tokio::test]
async fn failures_by_provider_and_operation_are_told() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.run().await;
    let down = || Failure::Transient("503".to_owned(), None);
    house.there.fault("create", Fault::Before(down()));
    house.there.fault("create", Fault::Before(down()));
    house.put(&plain("a", "A")).await;
    house.work().await;
    for (call, failure) in [("changes", down()), ("changes", Failure::RateLimited("429".to_owned(), None))] {
        house.there.fault(call, Fault::Before(failure));
        house.later(HOUR_MS).await;
    }
    house.put(&plain("b", "B")).await;
    house.there.fault("create", Fault::Before(Failure::Refused("400".to_owned())));
    house.later(HOUR_MS).await;
    let told = samples(&text(&house).await);
    let failed = |operation: &str, direction: &str, class: &str| {
        let name = format!(
            "kalends_sync_attempts_total{{provider=\"google\",operation=\"{operation}\",direction=\"{direction}\",\
             status=\"failed\",error_class=\"{class}\"}}"
        );
        told.get(&name).copied()
    };
    assert_eq!(failed("upsert", "push", "transient"), Some(2.0), "{told:#?}");
    assert_eq!(failed("list_changes", "pull", "transient"), Some(1.0), "{told:#?}");
    assert_eq!(failed("list_changes", "pull", "rate_limited"), Some(1.0));
    assert_eq!(failed("upsert", "push", "non_retryable"), Some(1.0));
    assert_eq!(told["kalends_provider_calls_total{provider=\"google\",status=\"transient\"}"], 3.0);
    assert!(told["kalends_sync_retries_total{provider=\"google\"}"] >= 1.0);
    assert!(told["kalends_sync_success_ratio"] < 1.0);
    assert_eq!(told["kalends_links{provider=\"google\",status=\"active\"}"], 1.0);
    assert_eq!(told["kalends_provider_breaker_state{provider=\"google\"}"], 0.0);
    assert!(told["kalends_provider_quota_left{provider=\"google\"}"] > 0.0);
    assert!(told.keys().any(|name| name.starts_with("kalends_sync_lag_seconds{link_id=")));
}

/// The metrics that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c)).filter(|w| w.starts_with("kalends_"));
    words
        .map(|w| ["_bucket", "_sum", "_count"].iter().fold(w, |w, end| w.strip_suffix(end).unwrap_or(w)).to_owned())
        .collect()
}

#[test]
fn what_ships_refers_to_metrics_that_are() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let source = read("src/telemetry.rs");
    let mut known: BTreeSet<String> = FAMILIES.iter().map(|f| f.0.to_owned()).collect();
    known.extend(named(&source));
    for file in ["contrib/alerts.yml", "contrib/dashboard.json"] {
        let used = named(&read(file));
        assert!(used.len() > 10, "{file}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} refers to {unknown:?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&read("contrib/dashboard.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
    let documented = named(&read("docs/logging.md"));
    let untold: Vec<_> = known.difference(&documented).collect();
    assert!(untold.is_empty(), "docs/logging.md lacks {untold:?}");
}

/// A request as it came: headers, body, and what may be asked of the answer.
type Got = (BTreeMap<String, String>, String, Limits);

/// A receiver that refuses as often as it is told to.
#[derive(Default)]
struct Receiver {
    got: Mutex<Vec<Got>>,
    refusals: Mutex<u32>,
}

struct To(Arc<Receiver>);

impl Transport for To {
    fn send(
        &self,
        request: http::Request<Bytes>,
        limits: Limits,
    ) -> BoxFuture<'_, Result<http::Response<Bytes>, TransportError>> {
        let (parts, body) = request.into_parts();
        let headers = parts.headers.iter().map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
        self.0.got.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap(), limits));
        let mut refusals = self.0.refusals.lock().unwrap();
        let status = if *refusals > 0 { 503 } else { 204 };
        *refusals = refusals.saturating_sub(1);
        Box::pin(async move { Ok(http::Response::builder().status(status).body(Bytes::new()).unwrap()) })
    }
}

#[tokio::test]
async fn a_notice_goes_out_once_signed_and_is_tried_again() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    let receiver = Arc::new(Receiver::default());
    let config = HookConfig { url: "https://platform.example/hook".into(), secret: Some("geheim".to_owned().into()) };
    let hook = Hook::new(&config, Arc::new(To(receiver.clone())));
    let notifier = Notifier::with(house.bench.store.clone(), "https://cal.example".to_owned(), Some(hook), None);
    house.run().await;
    house.there.fault("changes", Fault::Before(Failure::NeedsConsent("revoked".to_owned())));
    house.later(HOUR_MS).await;
    *receiver.refusals.lock().unwrap() = 1;
    assert_eq!(notifier.send_due().await.unwrap(), 0, "it was refused");
    assert_eq!(notifier.send_due().await.unwrap(), 0, "it is not due yet");
    house.bench.clock.advance_ms(2 * MINUTE_MS);
    assert_eq!(notifier.send_due().await.unwrap(), 1);
    house.bench.clock.advance_ms(48 * HOUR_MS);
    assert_eq!(notifier.send_due().await.unwrap(), 0, "once");
    let got = receiver.got.lock().unwrap();
    let [first, second] = got.as_slice() else { panic!("{got:?}") };
    assert_eq!(first.0["x-kalends-delivery"], second.0["x-kalends-delivery"], "sent twice, it is one");
    for (headers, body, limits) in got.iter() {
        let signed = sign(b"geheim", format!("{}.{body}", headers["x-kalends-timestamp"]).as_bytes());
        assert_eq!(headers["x-kalends-signature"], format!("sha256={signed}"));
        assert_eq!(limits.named_by, NamedBy::User, "a private address is refused");
        let said: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!((said["kind"].as_str(), said["user"].as_str()), (Some("needs_reauth"), Some("ada")));
        assert_eq!(said["url"], "https://cal.example/sync");
        assert!(!body.contains("token") && !body.contains("geheim"));
    }
}
