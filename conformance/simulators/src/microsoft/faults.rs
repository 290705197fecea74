//! What can go wrong.

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{aadsts::Aadsts, call::Call, list::Bend, refusal::Refusal};
use crate::{answer, faults};

/// One thing that goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fault {
    /// The connection is cut before the request is carried out.
    LoseRequest,
    /// The request is carried out and the connection cut before the answer.
    LoseResponse,
    /// The answer comes late; the request is carried out at once.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The request is carried out; the connection is cut within the body of the answer.
    Truncate {
        /// So much of the body arrives, in thousandths.
        per_mille: u32,
    },
    /// 401 `InvalidAuthenticationToken`.
    Unauthorized,
    /// 401 with a claims challenge: the token was ended before its time.
    ClaimsChallenge,
    /// The token endpoint refuses with this AADSTS number.
    Aadsts {
        /// The number.
        code: u32,
    },
    /// 403 `ErrorAccessDenied`.
    Forbidden,
    /// 404 `ErrorItemNotFound`.
    NotFound,
    /// 404 `MailboxNotEnabledForRESTAPI`.
    NoMailbox,
    /// 409 or 412 `ErrorIrresolvableConflict`.
    Conflict {
        /// The status.
        status: u16,
    },
    /// 400 or 409 `ErrorDuplicateTransactionId`, naming no event.
    Duplicate {
        /// The status.
        status: u16,
    },
    /// 410 `SyncStateNotFound`, on a delta, on whatever page.
    SyncStateNotFound,
    /// 413 `ErrorMessageSizeExceeded`.
    TooLarge,
    /// 423 `Locked`.
    Locked,
    /// 429 `ApplicationThrottled`.
    Throttled {
        /// The `Retry-After` header.
        retry_after_s: Option<u32>,
    },
    /// 400 `ErrorPropertyValidationFailure`: this one item will never be taken.
    Invalid,
    /// 507 `ErrorQuotaExceeded`.
    QuotaExceeded,
    /// 500, 502, 503 or 504 without being carried out.
    Backend {
        /// The status.
        status: u16,
        /// The `Retry-After` header.
        #[serde(default)]
        retry_after_s: Option<u32>,
    },
    /// The same after being carried out.
    BackendAfter {
        /// The status.
        status: u16,
    },
    /// 200 with a page of HTML, as from a proxy; not carried out.
    Html,
    /// 200 with something that is no JSON; carried out.
    WrongJson,
    /// 200 with JSON whose members have other types than they should; carried out.
    WrongTypes,
    /// 200 with a body of that size, JSON that goes on and on; carried out.
    Huge {
        /// Bytes.
        bytes: usize,
    },
    /// 302 to another address; not carried out.
    Redirect {
        /// Where to.
        to: String,
    },
    /// An event of a type that nobody has heard of.
    UnknownType,
    /// A series with a pattern that has no occurrences.
    ImpossibleRecurrence,
    /// An event in a zone without a usable name.
    CustomTimeZone,
    /// An event with so many attendees.
    ManyAttendees {
        /// How many.
        count: usize,
    },
    /// A page has at most so many entries (0: it is empty) and more follow.
    ShortPage {
        /// How many.
        entries: usize,
    },
    /// A page begins with the last entry of the one before.
    RepeatItem,
    /// A page leaves out its last entry, though it is there.
    OmitItem,
    /// A delta begins with changes that were told before.
    RepeatChanges,
    /// A delta does not know the latest changes yet; the next one has them.
    StaleDelta {
        /// How many.
        changes: usize,
    },
    /// A delta leaves out what was deleted, for good.
    OmitDeletes,
    /// A delta tells of an event as removed that is not.
    FalseRemoval,
    /// A delta tells of the removal of events that nobody has seen.
    StrangeRemovals {
        /// How many.
        count: usize,
    },
    /// The next page is said to be at another server.
    ForeignNextLink {
        /// Its address.
        to: String,
    },
    /// The next page is said to be this one: a walk without end.
    EndlessNextLink,
    /// An event comes without its etag and change key; after being carried out, if it was a write.
    NoEtag,
    /// The entries of a page come in another order.
    Shuffle,
    /// An event comes without its UID, as odd items do.
    NoUid,
    /// Some events get new change keys though nothing changed.
    NewChangeKeys,
    /// A series comes without its changed occurrences.
    OmitExceptions,
    /// A notification is not delivered.
    DropDelivery,
    /// A notification is delivered twice.
    DuplicateDelivery,
    /// A notification is delivered late.
    DelayDelivery {
        /// Milliseconds.
        ms: u64,
    },
}

const JSON: &str = "application/json; charset=UTF-8";

impl Fault {
    /// Whether the fault means something for this call.
    pub fn fits(&self, call: Call) -> bool {
        let list = call.lists();
        let delta = matches!(call, Call::CalendarViewDelta | Call::EventsDelta);
        let event = list || matches!(call, Call::EventsGet | Call::EventsCreate | Call::EventsUpdate);
        match self {
            Self::SyncStateNotFound
            | Self::RepeatChanges
            | Self::StaleDelta { .. }
            | Self::OmitDeletes
            | Self::FalseRemoval
            | Self::StrangeRemovals { .. } => delta,
            Self::ShortPage { .. }
            | Self::RepeatItem
            | Self::OmitItem
            | Self::ForeignNextLink { .. }
            | Self::EndlessNextLink
            | Self::Shuffle => list || call == Call::CalendarsList,
            Self::Conflict { .. } => matches!(call, Call::EventsUpdate | Call::EventsDelete),
            Self::Duplicate { .. } => call == Call::EventsCreate,
            Self::Invalid | Self::TooLarge | Self::Locked | Self::QuotaExceeded => {
                matches!(call, Call::EventsCreate | Call::EventsUpdate)
            }
            Self::UnknownType | Self::CustomTimeZone | Self::ManyAttendees { .. } | Self::ImpossibleRecurrence => {
                list || call == Call::EventsGet
            }
            Self::OmitExceptions => call == Call::EventsGet,
            Self::NewChangeKeys => list,
            Self::NoEtag | Self::NoUid => event,
            Self::Aadsts { .. } => call == Call::Token,
            Self::DropDelivery | Self::DuplicateDelivery | Self::DelayDelivery { .. } => false,
            Self::Unauthorized | Self::ClaimsChallenge | Self::Forbidden | Self::NoMailbox => call.needs_token(),
            Self::Throttled { .. } | Self::NotFound => call.needs_token(),
            _ => !matches!(
                call,
                Call::Control | Call::Page | Call::Unknown | Call::Authorize | Call::DeviceLogin | Call::AdminConsent
            ),
        }
    }

    /// The answer of a fault that keeps the request from being carried out.
    pub(crate) fn instead(&self, now_ms: i64, trace: &str) -> Option<Response<Bytes>> {
        let refusal = match self {
            Self::Unauthorized => Refusal::token(),
            Self::ClaimsChallenge => Refusal::claims(),
            Self::Aadsts { code } => return Some(Aadsts::of(*code).response(now_ms, trace)),
            Self::Forbidden => Refusal::denied(),
            Self::NotFound => Refusal::not_found(),
            Self::NoMailbox => Refusal::no_mailbox(),
            Self::Conflict { status } => Refusal::conflict(*status),
            Self::Duplicate { status } => Refusal::used_transaction(*status, None),
            Self::SyncStateNotFound => Refusal::sync_state(),
            Self::TooLarge => {
                Refusal::new(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
            }
            Self::Locked => Refusal::new(423, "Locked", "The resource is locked."),
            Self::Throttled { retry_after_s } => Refusal::throttled("MailboxConcurrency", *retry_after_s),
            Self::Invalid => Refusal::property("At least one property failed validation."),
            Self::QuotaExceeded => Refusal::new(507, "ErrorQuotaExceeded", "The mailbox is full."),
            Self::Backend { status, retry_after_s } => Refusal::backend(*status, *retry_after_s),
            Self::Html => {
                return Some(answer::html(200, "<!doctype html><title>Sign in to the network</title>".into()));
            }
            Self::Redirect { to } => return Some(answer::redirect(to)),
            _ => return None,
        };
        Some(refusal.response(now_ms, trace))
    }

    /// How the fault bends a listing.
    pub(crate) fn bend(&self) -> Bend {
        let mut bend = Bend::default();
        match self {
            Self::ShortPage { entries } => bend.page_max = Some(*entries),
            Self::RepeatItem => bend.repeat = true,
            Self::OmitItem => bend.omit = true,
            Self::RepeatChanges => bend.again = true,
            Self::StaleDelta { changes } => bend.stale = *changes,
            Self::OmitDeletes => bend.no_deletes = true,
            Self::Shuffle => bend.shuffle = true,
            _ => {}
        }
        bend
    }

    /// What the fault makes of the answer of a request that was carried out.
    pub(crate) fn spoil(&self, now_ms: i64, here: &str, response: Response<Bytes>) -> Response<Bytes> {
        match self {
            Self::BackendAfter { status } => {
                Refusal::backend(*status, None).response(now_ms, "00000000-0000-4000-8000-000000000000")
            }
            Self::WrongJson => answer::with_type(200, JSON, b"{\"@odata.context\": \"x\", \"value\": [{]".to_vec()),
            Self::WrongTypes => {
                let mut body = serde_json::from_slice(response.body()).unwrap_or_else(|_| json!({}));
                wrong_types(&mut body);
                answer::json(200, &body, false)
            }
            Self::Huge { bytes } => {
                let mut body = b"{\"value\": [], \"subject\": \"".to_vec();
                body.resize((*bytes).max(body.len() + 2) - 2, b'x');
                body.extend_from_slice(b"\"}");
                answer::with_type(200, JSON, body)
            }
            Self::UnknownType => on_first_event(response, |event| _ = event.insert("type".into(), json!("hologram"))),
            Self::FalseRemoval => on_first_event(response, |event| {
                event.retain(|name, _| matches!(name.as_str(), "@odata.type" | "id"));
                event.insert("@removed".into(), json!({ "reason": "deleted" }));
            }),
            Self::StrangeRemovals { count } => on_body(response, |body| {
                let Some(list) = body.get_mut("value").and_then(Value::as_array_mut) else { return };
                for at in 0..*count {
                    list.push(json!({
                        "@odata.type": "#microsoft.graph.event", "id": format!("AAMkAGstranger{at}="), "@removed": { "reason": "deleted" },
                    }));
                }
            }),
            Self::ForeignNextLink { to } => {
                on_body(response, |body| _ = body.insert("@odata.nextLink".into(), json!(to)))
            }
            Self::EndlessNextLink => on_body(response, |body| _ = body.insert("@odata.nextLink".into(), json!(here))),
            Self::NoEtag => on_first_event(response, |event| {
                event.remove("@odata.etag");
                event.remove("changeKey");
            }),
            Self::NoUid => on_first_event(response, |event| _ = event.insert("iCalUId".into(), json!(""))),
            Self::OmitExceptions => on_body(response, |body| _ = body.remove("exceptionOccurrences")),
            Self::CustomTimeZone => on_first_event(response, |event| {
                event.insert("originalStartTimeZone".into(), json!("tzone://Microsoft/Custom"));
                event.insert("originalEndTimeZone".into(), json!("tzone://Microsoft/Custom"));
            }),
            Self::ImpossibleRecurrence => on_first_event(response, |event| {
                let range = json!({ "type": "noEnd", "startDate": "2026-02-01", "endDate": "0001-01-01", "numberOfOccurrences": 0, "recurrenceTimeZone": "UTC" });
                let pattern = json!({ "type": "weekly", "interval": 0, "daysOfWeek": [], "firstDayOfWeek": "sunday", "index": "first", "month": 0, "dayOfMonth": 0 });
                event.insert("type".into(), json!("seriesMaster"));
                event.insert("recurrence".into(), json!({ "pattern": pattern, "range": range }));
            }),
            Self::ManyAttendees { count } => on_first_event(response, |event| {
                let guest = |at: usize| {
                    let address = json!({ "name": "Guest", "address": format!("guest{at}@example.com") });
                    json!({ "type": "required", "status": { "response": "none", "time": "0001-01-01T00:00:00Z" }, "emailAddress": address })
                };
                event.insert("attendees".into(), (0..*count).map(guest).collect());
            }),
            _ => response,
        }
    }
}

impl faults::Planned for Fault {
    type Call = Call;

    fn name(call: Call) -> &'static str {
        call.name()
    }

    fn fits(&self, call: Call) -> bool {
        Self::fits(self, call)
    }

    fn of_delivery(&self) -> bool {
        matches!(self, Self::DropDelivery | Self::DuplicateDelivery | Self::DelayDelivery { .. })
    }
}

/// When a fault strikes.
pub type Rule = faults::Rule<Fault>;

/// All faults that are planned.
pub type Faults = faults::Faults<Fault>;

fn on_body(response: Response<Bytes>, change: impl FnOnce(&mut Map<String, Value>)) -> Response<Bytes> {
    match serde_json::from_slice::<Value>(response.body()) {
        Ok(Value::Object(mut body)) => {
            change(&mut body);
            answer::json(response.status().as_u16(), &Value::Object(body), false)
        }
        _ => response,
    }
}

/// The first event of a list that is there, or the one event.
fn on_first_event(response: Response<Bytes>, change: impl FnOnce(&mut Map<String, Value>)) -> Response<Bytes> {
    if response.status().as_u16() >= 300 {
        return response;
    }
    on_body(response, |body| {
        let event = match body.get_mut("value").and_then(Value::as_array_mut) {
            Some(list) => list.iter_mut().filter_map(Value::as_object_mut).find(|one| !one.contains_key("@removed")),
            None => Some(body),
        };
        if let Some(event) = event {
            change(event);
        }
    })
}

fn wrong_types(body: &mut Value) {
    let Some(fields) = body.as_object_mut() else { return };
    let event = match fields.get_mut("value") {
        Some(Value::Array(list)) if !list.is_empty() => list.first_mut().and_then(Value::as_object_mut),
        Some(list) => {
            *list = json!({ "0": "not a list" });
            None
        }
        None => Some(fields),
    };
    if let Some(event) = event {
        for (name, value) in [("subject", json!(["a", "list"])), ("start", json!("tomorrow")), ("type", json!(7))] {
            if event.contains_key(name) {
                event.insert(name.into(), value);
            }
        }
        event.insert("attendees".into(), json!({ "emailAddress": "not a list" }));
    }
}
