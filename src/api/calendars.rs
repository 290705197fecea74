//! The caller's calendars.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{Answer, Key};
use super::appointments::check_word;
use super::extract::{Body, Demands, Id, Nothing, Query, Who, is_id};
use super::given::given;
use super::page::{Page, PageQuery};
use super::problem::Problem;
use super::times::stamp;
use crate::auth::Gate;
use crate::domain::access::{Access, Right};
use crate::domain::calendar::{Calendar, CalendarSettings, ComponentSet, ScheduleTransparency};
use crate::domain::ids::{CalendarId, Slug};

const NAME_CHARS_MAX: usize = 200;
const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// What a calendar can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Component)]
pub enum ComponentName {
    /// Appointments.
    Event,
    /// Tasks.
    Todo,
    /// Journal entries.
    Journal,
    /// Free-busy times.
    FreeBusy,
}

/// Components of the API beside those of iCalendar.
const COMPONENTS: [(ComponentName, &str); 4] = [
    (ComponentName::Event, "VEVENT"),
    (ComponentName::Todo, "VTODO"),
    (ComponentName::Journal, "VJOURNAL"),
    (ComponentName::FreeBusy, "VFREEBUSY"),
];

/// A calendar.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Calendar)]
pub struct CalendarView {
    /// Its id.
    id: String,
    /// Its name in paths.
    slug: String,
    /// For `If-Match`, with its quotes. Changes with everything in it.
    etag: String,
    /// How it is called.
    #[schema(required)]
    name: Option<String>,
    /// What it is for.
    #[schema(required)]
    description: Option<String>,
    /// `#RRGGBB` or `#RRGGBBAA`, or whatever a client wrote.
    #[schema(required)]
    color: Option<String>,
    /// Its place among the others.
    #[schema(required)]
    order: Option<i64>,
    /// What it takes.
    components: Vec<ComponentName>,
    /// Whether what is in it leaves its owner free.
    transparent: bool,
    /// Where CalDAV clients find it.
    caldav_url: String,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it or something in it was last changed.
    #[schema(format = DateTime)]
    changed: String,
}

/// A calendar to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCalendar {
    /// How it is called.
    #[schema(min_length = 1, max_length = 200, example = "Lessons")]
    name: String,
    /// Its name in paths; made up if not given.
    #[schema(min_length = 1, max_length = 255, example = "lessons")]
    slug: Option<String>,
    /// What it is for.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// `#RRGGBB` or `#RRGGBBAA`.
    #[schema(pattern = "^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$", example = "#4C6EF5")]
    color: Option<String>,
    /// Its place among the others.
    #[schema(minimum = 0, maximum = 1_000_000)]
    order: Option<i64>,
    /// What it takes; appointments alone unless said otherwise.
    #[schema(min_items = 1, max_items = 4)]
    components: Option<Vec<ComponentName>>,
    /// Whether what is in it leaves its owner free.
    transparent: Option<bool>,
}

/// A change of a calendar: what is not named stays, `null` empties.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarChange {
    /// How it is called.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    name: Option<Option<String>>,
    /// Its name in paths. Clients that know it under the old name have to be told.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    slug: Option<String>,
    /// What it is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    description: Option<Option<String>>,
    /// `#RRGGBB` or `#RRGGBBAA`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, pattern = "^#[0-9A-Fa-f]{6}([0-9A-Fa-f]{2})?$")]
    color: Option<Option<String>>,
    /// Its place among the others.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000)]
    order: Option<Option<i64>>,
    /// Whether what is in it leaves its owner free.
    #[serde(default, deserialize_with = "given")]
    #[schema(nullable = false)]
    transparent: Option<bool>,
}

impl CalendarView {
    /// As the JSON shows a calendar that is reached under `base_url`.
    #[must_use]
    pub fn of(calendar: &Calendar, base_url: &str) -> CalendarView {
        let settings = &calendar.settings;
        let encoded =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let (owner, slug) = (encoded(calendar.owner_name.as_str()), encoded(calendar.slug.as_str()));
        CalendarView {
            id: calendar.id.as_str().to_owned(),
            slug: calendar.slug.as_str().to_owned(),
            etag: tag(calendar),
            name: settings.display_name.clone(),
            description: settings.description.clone(),
            color: settings.color.clone(),
            order: settings.order,
            components: COMPONENTS
                .iter()
                .filter(|(_, c)| settings.components.takes(c))
                .map(|(name, _)| *name)
                .collect(),
            transparent: settings.transparency == ScheduleTransparency::Transparent,
            caldav_url: format!("{base_url}/dav/calendars/{owner}/{slug}/"),
            created: stamp(calendar.created),
            changed: stamp(calendar.modified),
        }
    }
}

fn tag(calendar: &Calendar) -> String {
    format!("\"{}-{}\"", calendar.seq.0, calendar.id)
}

/// Lists the caller's calendars in their order.
#[utoipa::path(
    get, path = "/api/calendars", tag = "calendars", operation_id = "listCalendars", params(PageQuery),
    responses((status = 200, description = "A page of them", body = Page<CalendarView>)),
)]
pub async fn list(
    State(gate): State<Gate>,
    Who(visitor): Who,
    Query(query): Query<PageQuery>,
) -> Result<Json<Page<CalendarView>>, Problem> {
    let cut = query.cut()?;
    let calendars = gate.store.read().await?.calendars(&visitor.caller).await?;
    let views = calendars.iter().map(|(_, calendar)| CalendarView::of(calendar, &visitor.visit.base_url));
    Ok(Json(cut.page(views.collect())))
}

/// Makes a calendar.
#[utoipa::path(
    post, path = "/api/calendars", tag = "calendars", operation_id = "createCalendar", request_body = NewCalendar,
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and request get the same answer for a day.", max_length = 255)),
    responses((status = 201, description = "Made", body = CalendarView)),
)]
pub async fn create(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    key: Key,
    body: Body<NewCalendar>,
) -> Result<Answer, Problem> {
    if let Some(answer) = key.answered(&gate, &visitor.caller, &body.hash).await? {
        return Ok(answer);
    }
    let new = body.value;
    let mut tx = gate.store.write().await?;
    let slug = match &new.slug {
        Some(slug) => readable_slug(slug)?,
        None => Slug::parse(CalendarId::new(tx.now(), gate.store.chance().bytes()).as_str())
            .map_err(|_| Problem::internal())?,
    };
    let names = new.components.unwrap_or_else(|| vec![ComponentName::Event]);
    let components = COMPONENTS.iter().filter(|(name, _)| names.contains(name)).map(|(_, c)| *c);
    let components = ComponentSet::from_names(components)
        .ok_or_else(|| Problem::value("components", "a calendar takes at least one of them"))?;
    let mut settings = CalendarSettings::named(&new.name, components);
    settings.description = new.description.filter(|text| !text.is_empty());
    settings.color = new.color;
    settings.order = new.order;
    settings.transparency = transparency(new.transparent.unwrap_or(false));
    check(&settings, None)?;
    let (_, calendar) = tx.create_calendar(&visitor.caller, &slug, &settings).await?;
    let view = CalendarView::of(&calendar, &visitor.visit.base_url);
    let answer = Answer::created(format!("/api/calendars/{}", calendar.id), &view)?.tagged(tag(&calendar));
    key.settle(&gate, tx, &visitor.caller, &body.hash, answer).await
}

/// Reads a calendar.
#[utoipa::path(
    get, path = "/api/calendars/{id}", tag = "calendars", operation_id = "readCalendar",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag of the state that the client has."),
    ),
    responses(
        (status = 200, description = "The calendar", body = CalendarView),
        (status = 304, description = "It is in the state that If-None-Match names"),
    ),
)]
pub async fn read(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    Id(id): Id,
    demands: Demands,
) -> Result<Response, Problem> {
    let id = CalendarId::from_text(id);
    let (_, calendar) = gate.store.read().await?.calendar_by_id(&visitor.caller, &id, Right::Read).await?;
    if demands.has(&tag(&calendar)) {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    let view = CalendarView::of(&calendar, &visitor.visit.base_url);
    Ok(Answer::ok(&view)?.tagged(tag(&calendar)).into_response())
}

/// Changes a calendar.
#[utoipa::path(
    patch, path = "/api/calendars/{id}", tag = "calendars", operation_id = "changeCalendar", request_body = CalendarChange,
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that may be changed."),
    ),
    responses((status = 200, description = "The calendar as it is now", body = CalendarView)),
)]
pub async fn change(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    Id(id): Id,
    demands: Demands,
    body: Body<CalendarChange>,
) -> Result<Answer, Problem> {
    let (caller, change, id) = (&visitor.caller, body.value, CalendarId::from_text(id));
    let mut tx = gate.store.write().await?;
    let (access, calendar) = held(&mut tx, caller, &id).await?;
    demands.allow(&tag(&calendar))?;
    let mut settings = calendar.settings.clone();
    if let Some(name) = change.name {
        settings.display_name = name;
    }
    if let Some(description) = change.description {
        settings.description = description.filter(|text| !text.is_empty());
    }
    if let Some(color) = change.color {
        settings.color = color;
    }
    if let Some(order) = change.order {
        settings.order = order;
    }
    if let Some(transparent) = change.transparent {
        settings.transparency = transparency(transparent);
    }
    check(&settings, Some(&calendar.settings))?;
    if settings != calendar.settings {
        tx.set_calendar(&access, &settings).await?;
    }
    if let Some(slug) = change.slug.filter(|slug| slug != calendar.slug.as_str()) {
        tx.rename_calendar(&access, &readable_slug(&slug)?).await?;
    }
    let (_, calendar) = tx.calendar_by_id(caller, &id, Right::Read).await?;
    tx.commit().await?;
    Ok(Answer::ok(&CalendarView::of(&calendar, &visitor.visit.base_url))?.tagged(tag(&calendar)))
}

/// Deletes a calendar. What was in it can be restored into another one.
#[utoipa::path(
    delete, path = "/api/calendars/{id}", tag = "calendars", operation_id = "deleteCalendar",
    params(
        ("id" = String, Path, description = "Its id"),
        ("If-Match" = Option<String>, Header, description = "The ETag of the state that may be deleted."),
    ),
    responses((status = 204, description = "Deleted")),
)]
pub async fn delete(
    State(gate): State<Gate>,
    Who(visitor): Who,
    _: Query<Nothing>,
    Id(id): Id,
    demands: Demands,
) -> Result<StatusCode, Problem> {
    let mut tx = gate.store.write().await?;
    let (access, calendar) = held(&mut tx, &visitor.caller, &CalendarId::from_text(id)).await?;
    demands.allow(&tag(&calendar))?;
    let deleted = tx.delete_calendar(&access, &visitor.cause).await?;
    let details = serde_json::json!({ "slug": calendar.slug.as_str(), "objects": deleted });
    let act = visitor.visit.act(&visitor.caller, "calendar_deleted", calendar.id.as_str(), &details);
    tx.audit(&visitor.caller.firm, &act).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A calendar that nobody else changes until the transaction ends.
async fn held(
    tx: &mut crate::store::WriteTx,
    caller: &crate::domain::access::Caller,
    id: &CalendarId,
) -> Result<(Access, Calendar), Problem> {
    let (access, _) = tx.calendar_by_id(caller, id, Right::Own).await?;
    tx.hold([&access]).await?;
    Ok(tx.calendar_by_id(caller, id, Right::Own).await?)
}

fn transparency(transparent: bool) -> ScheduleTransparency {
    if transparent { ScheduleTransparency::Transparent } else { ScheduleTransparency::Opaque }
}

/// A slug that can be told from an id.
fn readable_slug(text: &str) -> Result<Slug, Problem> {
    if is_id(text) {
        return Err(Problem::value("slug", "a slug does not look like an id"));
    }
    Slug::parse(text).map_err(|error| Problem::value("slug", error.to_string()))
}

/// Checks what was set, but not what a client program has set before.
fn check(settings: &CalendarSettings, before: Option<&CalendarSettings>) -> Result<(), Problem> {
    let is_new = |of: fn(&CalendarSettings) -> &Option<String>| before.is_none_or(|b| of(b) != of(settings));
    if let (Some(name), true) = (&settings.display_name, is_new(|s| &s.display_name)) {
        check_word("name", name, NAME_CHARS_MAX)?;
    }
    if let (Some(text), true) = (&settings.description, is_new(|s| &s.description)) {
        if text.chars().count() > DESCRIPTION_CHARS_MAX {
            return Err(Problem::value("description", format!("at most {DESCRIPTION_CHARS_MAX} characters")));
        }
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err(Problem::value("description", "it has control characters"));
        }
    }
    if let (Some(color), true) = (&settings.color, is_new(|s| &s.color)) {
        let is_color = color
            .strip_prefix('#')
            .is_some_and(|digits| matches!(digits.len(), 6 | 8) && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        if !is_color {
            return Err(Problem::value("color", "a colour is written #RRGGBB or #RRGGBBAA"));
        }
    }
    if settings.order.is_some_and(|order| !(0..=1_000_000).contains(&order)) {
        return Err(Problem::value("order", "between 0 and 1000000"));
    }
    Ok(())
}
