//! Reading items whole: an event, and for a series its exceptions and cancelled dates; many of them in batches.

use http::Method;
use serde_json::{Map, Value, json};

use super::super::lens::held::{Held, is_cancelled, text};
use super::super::{At, Failure};
use super::Microsoft;
use super::call::Call;
use super::read;
use super::refusal::{Asked, failure};
use crate::domain::sync::RemoteId;

/// The most requests in a batch.
const BATCH_MAX: usize = 20;
/// How often a series is read again that changes while it is read.
const LOOKS_MAX: usize = 3;
/// What is asked of a series beside itself.
const TOPOLOGY: &str = "id,changeKey,cancelledOccurrences";

type Raw = Map<String, Value>;
/// An item that may not be there, or could not be asked for.
pub(super) type Found = Result<Option<Held>, Failure>;

fn is_series(raw: &Raw) -> bool {
    text(raw, "type").eq_ignore_ascii_case("seriesMaster") || raw.get("recurrence").is_some_and(Value::is_object)
}

impl Microsoft {
    fn event_call(&self, at: At<'_>, id: &str) -> Call<'static> {
        self.call(Asked::Item, Method::GET, at, &["events", id]).with("$expand", read::expand())
    }

    fn topology_call(&self, at: At<'_>, id: &str) -> Call<'static> {
        self.call(Asked::Item, Method::GET, at, &["events", id])
            .with("$select", TOPOLOGY)
            .with("$expand", "exceptionOccurrences")
    }

    /// An item with everything that belongs to it; `None` where it is not there or cancelled.
    pub(super) async fn whole(&self, at: At<'_>, id: &str) -> Found {
        for _ in 0..LOOKS_MAX {
            let raw = match self.ask(self.event_call(at, id), at).await {
                Ok(answer) => raw(answer)?,
                Err(Failure::Gone) => return Ok(None),
                Err(other) => return Err(other),
            };
            if !is_series(&raw) {
                return Ok(taken(read::item(&raw, None)));
            }
            let topology = match self.ask(self.topology_call(at, id), at).await {
                Ok(answer) => self::raw(answer)?,
                Err(Failure::Gone) => continue,
                Err(other) => return Err(other),
            };
            if read::etag(&topology) == read::etag(&raw) {
                return Ok(taken(read::item(&raw, Some(&topology))));
            }
        }
        Err(Failure::Transient("the series changes while it is read".into(), None))
    }

    /// Many items, twenty in a request, each with its own outcome.
    pub(super) async fn wholes(&self, at: At<'_>, ids: &[RemoteId]) -> Vec<(RemoteId, Found)> {
        let mut found = Vec::with_capacity(ids.len());
        for chunk in ids.chunks(BATCH_MAX) {
            let calls: Vec<Call<'_>> = chunk.iter().map(|id| self.event_call(at, id.as_str())).collect();
            let answers = match self.batch(at, &calls).await {
                Ok(answers) => answers,
                Err(failure) => {
                    found.extend(chunk.iter().map(|id| (id.clone(), Err(failure.clone()))));
                    continue;
                }
            };
            let series: Vec<&RemoteId> = chunk
                .iter()
                .zip(&answers)
                .filter(|(_, answer)| answer.as_ref().is_ok_and(is_series))
                .map(|(id, _)| id)
                .collect();
            let calls: Vec<Call<'_>> = series.iter().map(|id| self.topology_call(at, id.as_str())).collect();
            let topologies = if calls.is_empty() { Ok(Vec::new()) } else { self.batch(at, &calls).await };
            for (id, answer) in chunk.iter().zip(answers) {
                let place = series.iter().position(|one| *one == id);
                let outcome = match (answer, place, &topologies) {
                    (Err(Failure::Gone), ..) => Ok(None),
                    (Err(failure), ..) => Err(failure),
                    (Ok(raw), None, _) => Ok(taken(read::item(&raw, None))),
                    (Ok(_), Some(_), Err(failure)) => Err(failure.clone()),
                    (Ok(raw), Some(place), Ok(all)) => match all.get(place) {
                        Some(Ok(topology)) if read::etag(topology) == read::etag(&raw) => {
                            Ok(taken(read::item(&raw, Some(topology))))
                        }
                        Some(Err(failure)) if *failure != Failure::Gone => Err(failure.clone()),
                        // It changed, or went, between the two: asked by itself.
                        _ => self.whole(at, id.as_str()).await,
                    },
                };
                found.push((id.clone(), outcome));
            }
        }
        found
    }

    /// Sends calls that only read in one request; their answers in the same order.
    async fn batch(&self, at: At<'_>, calls: &[Call<'_>]) -> Result<Vec<Result<Raw, Failure>>, Failure> {
        let requests: Vec<Value> = calls.iter().enumerate().map(|(n, call)| call.in_batch(n)).collect();
        let mut body = Map::new();
        body.insert("requests".into(), json!(requests));
        let answer = self.ask(Call::new(Asked::Calendars, Method::POST, &["$batch"]).body(body), at).await?;
        let all = answer.get("responses").and_then(Value::as_array);
        let all = all.ok_or_else(|| Failure::BadAnswer("it is no answer to a batch".into()))?;
        let one = |number: usize| -> Result<Raw, Failure> {
            let id = number.to_string();
            let found = all.iter().find(|answer| answer.get("id").and_then(Value::as_str) == Some(&id));
            let found = found.ok_or_else(|| Failure::BadAnswer("an answer of the batch is missing".into()))?;
            let body = found.get("body").cloned().unwrap_or_default();
            match found.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok()) {
                Some(200) => raw(body),
                Some(status) => {
                    let headers = found.get("headers").and_then(Value::as_object);
                    let wait = headers.into_iter().flatten().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
                    let wait = wait.and_then(|(_, value)| match value {
                        Value::String(text) => text.trim().parse().ok(),
                        other => other.as_u64(),
                    });
                    Err(failure(Asked::Item, status, &body, wait.map(std::time::Duration::from_secs)))
                }
                None => Err(Failure::BadAnswer("an answer of the batch has no status".into())),
            }
        };
        Ok((0..calls.len()).map(one).collect())
    }
}

fn raw(answer: Value) -> Result<Raw, Failure> {
    match answer {
        Value::Object(event) if !text(&event, "id").is_empty() => Ok(event),
        _ => Err(Failure::BadAnswer("it is no event".into())),
    }
}

/// What was cancelled by its organiser is not there any more.
fn taken(held: Held) -> Option<Held> {
    (!held.master.as_ref().is_some_and(is_cancelled)).then_some(held)
}
