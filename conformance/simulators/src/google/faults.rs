//! What can go wrong.

use bytes::Bytes;
use http::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{answer, call::Call, list::Bend, oauth::oauth_error, refusal::Refusal};
use crate::faults;

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
    /// 401 `authError`.
    Unauthorized,
    /// The token endpoint answers `invalid_grant`.
    InvalidGrant,
    /// 403 `userRateLimitExceeded`.
    UserRateLimit,
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 403 `quotaExceeded`.
    QuotaExceeded,
    /// 403 `forbidden`.
    Forbidden,
    /// 403 `forbiddenForNonOrganizer`.
    NotOrganizer,
    /// 403 `insufficientPermissions`.
    InsufficientPermissions,
    /// 404 `notFound`.
    NotFound,
    /// 409 `conflict`.
    Conflict,
    /// 409 `duplicate`.
    Duplicate,
    /// 410 `fullSyncRequired`, on a listing, on whatever page.
    FullSyncRequired,
    /// 410 `deleted`.
    Deleted,
    /// 412 `conditionNotMet`.
    PreconditionFailed,
    /// 429 `rateLimitExceeded`.
    TooManyRequests {
        /// The `Retry-After` header.
        retry_after_s: Option<u32>,
    },
    /// 400 `invalid`: this one item will never be taken.
    Invalid,
    /// 500, 502, 503 or 504 without being carried out.
    Backend {
        /// The status.
        status: u16,
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
    UnknownEventType,
    /// An event with a rule that has no occurrences.
    ImpossibleRecurrence,
    /// An event with so many attendees.
    ManyAttendees {
        /// How many.
        count: usize,
    },
    /// The page token is refused.
    PageTokenExpired,
    /// A page has at most so many entries (0: it is empty) and more follow.
    ShortPage {
        /// How many.
        entries: usize,
    },
    /// A page begins with the last entry of the one before.
    RepeatItem,
    /// An entry changes while the listing goes on, so that its turn does not come in it; the next delta has it.
    SkipItem,
    /// A delta begins with changes that were delivered before.
    RepeatChanges,
    /// A delta does not know the latest changes yet; the next one has them.
    StaleDelta {
        /// How many.
        changes: usize,
    },
    /// A delta leaves out what was deleted, for good.
    OmitDeletes,
    /// A listing tells of an event as deleted that is not.
    FalseRemoval,
    /// An event comes without its etag; after being carried out, if it was a write.
    NoEtag,
    /// Some events get new etags though nothing changed.
    NewEtags,
    /// The entries of a page come in another order.
    Shuffle,
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

impl Fault {
    /// Whether the fault means something for this call.
    pub fn fits(&self, call: Call) -> bool {
        let list = call == Call::EventsList;
        let write = matches!(
            call,
            Call::EventsInsert
                | Call::EventsUpdate
                | Call::EventsPatch
                | Call::EventsDelete
                | Call::EventsImport
                | Call::EventsMove
        );
        match self {
            Self::FullSyncRequired => list || call == Call::CalendarListList,
            Self::PageTokenExpired
            | Self::ShortPage { .. }
            | Self::RepeatItem
            | Self::SkipItem
            | Self::RepeatChanges
            | Self::StaleDelta { .. }
            | Self::OmitDeletes
            | Self::FalseRemoval
            | Self::NewEtags
            | Self::Shuffle => list,
            Self::Conflict
            | Self::Duplicate
            | Self::PreconditionFailed
            | Self::NotOrganizer
            | Self::Invalid
            | Self::Deleted => write,
            Self::UnknownEventType | Self::ImpossibleRecurrence | Self::ManyAttendees { .. } => {
                list || call == Call::EventsGet
            }
            Self::NoEtag => list || write || call == Call::EventsGet,
            Self::InvalidGrant => call == Call::Token,
            Self::DropDelivery | Self::DuplicateDelivery | Self::DelayDelivery { .. } => false,
            Self::Unauthorized
            | Self::UserRateLimit
            | Self::RateLimit
            | Self::QuotaExceeded
            | Self::Forbidden
            | Self::InsufficientPermissions => call.needs_token(),
            _ => !matches!(call, Call::Control | Call::Page | Call::Unknown | Call::Authorize),
        }
    }

    /// The answer of a fault that keeps the request from being carried out.
    pub(crate) fn instead(&self, call: Call) -> Option<Response<Bytes>> {
        let refusal = match self {
            Self::Unauthorized => Refusal::bad_credentials(),
            Self::InvalidGrant => return Some(oauth_error(400, "invalid_grant", "Token has been expired or revoked.")),
            Self::UserRateLimit => Refusal::user_rate_limit(),
            Self::RateLimit => Refusal::rate_limit(),
            Self::QuotaExceeded => Refusal::quota(),
            Self::Forbidden => Refusal::forbidden(),
            Self::NotOrganizer => Refusal::not_organizer(),
            Self::InsufficientPermissions => Refusal::insufficient_scope(call.name()),
            Self::NotFound => Refusal::not_found(),
            Self::Conflict => Refusal::conflict(),
            Self::Duplicate => Refusal::duplicate(),
            Self::FullSyncRequired => Refusal::full_sync_required(),
            Self::Deleted => Refusal::deleted(),
            Self::PreconditionFailed => Refusal::condition_not_met(),
            Self::TooManyRequests { retry_after_s } => Refusal::too_many(*retry_after_s),
            Self::Invalid => Refusal::invalid("Invalid value."),
            Self::PageTokenExpired => Refusal::invalid_parameter("pageToken", "Invalid page token value."),
            Self::Backend { status } => Refusal::backend(*status),
            Self::Html => {
                return Some(answer::html(200, "<!doctype html><title>Sign in to the network</title>".into()));
            }
            Self::Redirect { to } => return Some(answer::redirect(to)),
            _ => return None,
        };
        Some(refusal.response())
    }

    /// How the fault bends a listing.
    pub(crate) fn bend(&self) -> Bend {
        let mut bend = Bend::default();
        match self {
            Self::ShortPage { entries } => bend.page_max = Some(*entries),
            Self::RepeatItem => bend.repeat = true,
            Self::SkipItem => bend.skip = true,
            Self::RepeatChanges => bend.again = true,
            Self::StaleDelta { changes } => bend.stale = *changes,
            Self::OmitDeletes => bend.no_deletes = true,
            Self::Shuffle => bend.shuffle = true,
            _ => {}
        }
        bend
    }

    /// What the fault makes of the answer of a request that was carried out.
    pub(crate) fn spoil(&self, response: Response<Bytes>) -> Response<Bytes> {
        let object = |response: &Response<Bytes>| serde_json::from_slice::<Value>(response.body()).ok();
        match self {
            Self::BackendAfter { status } => Refusal::backend(*status).response(),
            Self::WrongJson => answer::with_type(200, JSON, b"{\"kind\": \"calendar#events\", \"items\": [{]".to_vec()),
            Self::WrongTypes => {
                let mut body = object(&response).unwrap_or_else(|| json!({}));
                wrong_types(&mut body);
                answer::json(200, &body, false)
            }
            Self::Huge { bytes } => {
                let mut body = b"{\"kind\": \"calendar#events\", \"summary\": \"".to_vec();
                body.resize((*bytes).max(body.len() + 2) - 2, b'x');
                body.extend_from_slice(b"\"}");
                answer::with_type(200, JSON, body)
            }
            Self::UnknownEventType => {
                on_first_event(response, |event| _ = event.insert("eventType".into(), json!("holodeck")))
            }
            Self::FalseRemoval => on_first_event(response, |event| {
                event.retain(|name, _| matches!(name.as_str(), "kind" | "etag" | "id"));
                event.insert("status".into(), json!("cancelled"));
            }),
            Self::NoEtag => on_first_event(response, |event| _ = event.remove("etag")),
            Self::ImpossibleRecurrence => on_first_event(response, |event| {
                event.insert("recurrence".into(), json!(["RRULE:FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30"]));
            }),
            Self::ManyAttendees { count } => on_first_event(response, |event| {
                let crowd: Vec<Value> = (0..*count)
                    .map(|at| json!({ "email": format!("guest{at}@example.com"), "responseStatus": "needsAction" }))
                    .collect();
                event.insert("attendees".into(), Value::Array(crowd));
            }),
            _ => response,
        }
    }
}

const JSON: &str = "application/json; charset=UTF-8";

fn on_first_event(response: Response<Bytes>, change: impl Fn(&mut serde_json::Map<String, Value>)) -> Response<Bytes> {
    let Ok(mut body) = serde_json::from_slice::<Value>(response.body()) else { return response };
    let event = match body.get_mut("items") {
        Some(items) => items.as_array_mut().and_then(|items| {
            items.iter_mut().find(|item| item.get("status").and_then(Value::as_str) != Some("cancelled"))
        }),
        None => Some(&mut body),
    };
    match event.and_then(Value::as_object_mut) {
        Some(event) => change(event),
        None => return response,
    }
    answer::json(response.status().as_u16(), &body, false)
}

fn wrong_types(body: &mut Value) {
    let Some(fields) = body.as_object_mut() else { return };
    let event = match fields.get_mut("items") {
        Some(Value::Array(items)) if !items.is_empty() => items.first_mut().and_then(Value::as_object_mut),
        Some(items) => {
            *items = json!({ "0": "not a list" });
            None
        }
        None => Some(fields),
    };
    if let Some(event) = event {
        for (name, value) in [("summary", json!(["a", "list"])), ("start", json!("tomorrow")), ("status", json!(7))] {
            if event.contains_key(name) {
                event.insert(name.into(), value);
            }
        }
        event.insert("attendees".into(), json!({ "email": "not a list" }));
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

    fn of_further_pages(&self) -> bool {
        matches!(self, Self::PageTokenExpired)
    }
}

/// When a fault strikes.
pub type Rule = faults::Rule<Fault>;

/// All faults that are planned.
pub type Faults = faults::Faults<Fault>;
