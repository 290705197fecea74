//! `kalends demo`: a firm with people and appointments of every kind, in a folder that is gone when it stops.

#[cfg(feature = "demo")]
mod google;
#[cfg(feature = "demo")]
mod link;
#[cfg(feature = "demo")]
mod microsoft;

use std::io::Write;

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime, date};
use serde_json::json;

use super::{Common, Done, Failure, Output, config, serve};
use crate::app::{App, Server, sync};
use crate::auth::Purpose;
use crate::config::{LOG_DEFAULT, Layer};
use crate::domain::access::{Access, Caller, Right, Role, Scope};
use crate::domain::appointment::Facts;
use crate::domain::calendar::{CalendarSettings, ComponentSet};
use crate::domain::change::{Cause, Guard};
use crate::domain::feed::FeedSettings;
use crate::domain::ids::{ResourceName, Slug, UserName};
use crate::domain::object::CalendarObject;
use crate::domain::time::Instant;
use crate::ics::build::{Alarm, Class, End, Event, Participant, Status, Transparency, Trigger, calendar};
use crate::ics::zone::vtimezone;
use crate::ics::{Component, Document, Duration, Property, When};
use crate::store::{NewFeed, NewUser, User, Writing, secret_place};
use crate::telemetry;

/// The zone the demo firm lives in.
const ZONE: &str = "Europe/Berlin";

#[derive(clap::Args, Debug)]
pub(super) struct DemoArgs {
    /// Where to listen [default: 127.0.0.1:8840]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
}

/// A demo user with the password that is printed.
struct Person {
    user: User,
    password: String,
}

pub(super) async fn demo(args: DemoArgs, common: &Common, output: &Output) -> Done {
    let folder = tempfile::tempdir()?;
    #[cfg(feature = "demo")]
    let (google, microsoft) = (google::DemoGoogle::start().await?, microsoft::DemoMicrosoft::start().await?);
    let layer = Layer {
        data_dir: Some(folder.path().to_owned()),
        database: Some(format!("sqlite:{}", folder.path().join("demo.db").display())),
        listen: args.listen,
        ..Layer::default()
    };
    #[cfg(feature = "demo")]
    let layer = microsoft.configure(google.configure(layer));
    let config = config(common, layer)?;
    telemetry::log_to_stderr(config.log_format, if config.log == LOG_DEFAULT { "warn" } else { &config.log });
    let app = App::open(config).await?;
    let server = Server::bind(&app).await?;
    let url = app.config.base_url.clone().unwrap_or_else(|| server.url());

    let engine = sync::serving(&app, Some(url.clone()));

    let people = [
        person(&app, "ada", "Ada Lovelace", Role::Manager).await?,
        person(&app, "grace", "Grace Hopper", Role::Staff).await?,
        person(&app, "carl", "Carl Client", Role::Client).await?,
    ];
    for who in &people {
        fill(&app, &who.user).await?;
    }
    let [ada, ..] = &people;
    #[cfg(feature = "demo")]
    let (google_url, microsoft_url) = {
        google.connect(&app, &url, &ada.user).await?;
        microsoft.connect(&app, &url, &ada.user).await?;
        (Some(google.url()), Some(microsoft.url()))
    };
    #[cfg(not(feature = "demo"))]
    let (google_url, microsoft_url): (Option<String>, Option<String>) = (None, None);
    let token = token(&app, &ada.user).await?;
    let feed = feed(&app, &ada.user).await?;
    let feed_url = format!("{url}/api/ics/{feed}.ics");
    let caldav_url = format!("{url}/dav/principals/{}/", ada.user.name);

    let users: Vec<_> = people
        .iter()
        .map(|p| json!({ "name": p.user.name.as_str(), "password": p.password, "role": p.user.role.as_str() }))
        .collect();
    let logins: String = people
        .iter()
        .map(|p| format!("  {:<8}{}  ({})\n", p.user.name.as_str(), p.password, p.user.role.as_str()))
        .collect();
    let simulated: String = [("Google   ", &google_url), ("Outlook  ", &microsoft_url)]
        .into_iter()
        .filter_map(|(name, page)| Some((name, page.as_ref()?)))
        .map(|(name, page)| {
            format!("{name}{page}  (simulated, connected to ada's calendar both ways: edit events there)\n")
        })
        .collect();
    output.say(
        format_args!(
            "Kalends demo; everything is gone when it stops (Ctrl-C).\n\nWeb      {url}/\nCalDAV   {caldav_url}\n\
             Feed     {feed_url}\nAPI      {url}/api/docs  (token {token})\n{simulated}\nUsers and passwords, for the web and CalDAV:\n\
             {logins}"
        ),
        &json!({ "web_url": format!("{url}/"), "caldav_url": caldav_url, "feed_url": feed_url, "users": users,
            "api_token": token, "google_url": google_url, "microsoft_url": microsoft_url }),
    );
    std::io::stdout().flush()?;
    let done = serve::run(server, &app, engine).await;
    drop(folder);
    done
}

async fn person(app: &App, name: &str, display_name: &str, role: Role) -> Result<Person, Failure> {
    // Short enough to type on a phone; it guards made-up appointments on loopback.
    let password: String = app.store().chance().secret().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
    let new = NewUser {
        name: UserName::parse(name)?,
        role,
        display_name: Some(display_name.to_owned()),
        email: Some(format!("{name}@example.org")),
        password_hash: Some(app.gate.hash_password(&password).await?),
    };
    let mut tx = app.store().write().await?;
    let firm = tx.ensure_firm("default").await?;
    let user = tx.add_user(&firm, &new).await?;
    let settings = crate::store::UserSettings { timezone: Some(ZONE.to_owned()), working_hours: None };
    tx.set_user_profile(&firm, &user.id, new.display_name.as_deref(), new.email.as_deref(), &settings).await?;
    tx.commit().await?;
    Ok(Person { user, password })
}

async fn token(app: &App, user: &User) -> Result<String, Failure> {
    let secret = app.store().chance().secret();
    let mut tx = app.store().write().await?;
    tx.add_token(&user.firm, &user.id, "demo", &Scope::ALL, &app.gate.hash(Purpose::Token, &secret)).await?;
    tx.commit().await?;
    Ok(secret)
}

async fn feed(app: &App, user: &User) -> Result<String, Failure> {
    let secret = app.store().chance().secret();
    let mut tx = app.store().write().await?;
    let id = tx.new_feed_id();
    let sealed = app.gate.keys.seal(secret_place(&id), secret.as_bytes(), app.store().chance());
    let new = NewFeed { label: "demo".to_owned(), settings: FeedSettings::default(), expires_ms: None };
    tx.add_feed((&user.firm, &user.id), &id, &new, &app.gate.hash(Purpose::Feed, &secret), &sealed).await?;
    tx.commit().await?;
    Ok(secret)
}

/// Gives a user appointments of every kind around today, tasks and a journal.
async fn fill(app: &App, user: &User) -> Done {
    let caller = user.acted_for();
    let mut tx = app.store().write().await?;
    let settings = CalendarSettings {
        color: Some("#8A2F1DFF".to_owned()),
        ..CalendarSettings::named("Private", ComponentSet::ALL)
    };
    tx.create_calendar(&caller, &Slug::parse("private")?, &settings).await?;
    tx.commit().await?;
    let now = app.store().now();
    let today = crate::domain::appointment::instant_utc(now).local().date();
    let monday = today.saturating_sub((i64::from(today.weekday().to_monday_zero_offset())).days());
    for (slug, facts, component) in examples(now, monday, user.name.as_str()) {
        put(app, &caller, slug, &facts, component).await?;
    }
    Ok(())
}

async fn put(app: &App, caller: &Caller, slug: &str, facts: &Facts, components: Vec<Component>) -> Done {
    let object = CalendarObject::parse(calendar(components).to_bytes())?;
    let mut tx = app.store().write().await?;
    let (access, _): (Access, _) = tx.calendar_for(caller, &caller.name, &Slug::parse(slug)?, Right::Write).await?;
    let writing = Writing { facts: Some(facts), ..Writing::default() };
    let name = ResourceName::for_uid(object.uid());
    tx.write_object(&access, &name, &object, &Guard::NONE, &Cause::system(), writing).await?;
    Ok(tx.commit().await?)
}

fn zoned(local: DateTime) -> When {
    When::Zoned { local, tzid: ZONE.to_owned() }
}

fn minutes(count: i64) -> Duration {
    Duration { days: 0, seconds: count * 60 }
}

fn facts(appointment_type: &str, client: Option<&str>, project: Option<&str>) -> Facts {
    Facts {
        appointment_type: Some(appointment_type.to_owned()),
        client_id: client.map(str::to_owned),
        staff_user_id: Some("grace".to_owned()),
        project_id: project.map(str::to_owned),
    }
}

/// Calendar, facts and components of each example.
fn examples(now: Instant, monday: Date, who: &str) -> Vec<(&'static str, Facts, Vec<Component>)> {
    let stamp = crate::domain::appointment::instant_utc(now).local();
    let day = |n: i64| monday.saturating_add(n.days());
    let event = |key: &str, start: When, title: &str| {
        let mut event = Event::new(&format!("{key}-{who}@demo.kalends"), stamp, start);
        event.summary = Some(title.to_owned());
        event
    };
    let at = |n: i64, hour: i8, minute: i8| zoned(day(n).at(hour, minute, 0, 0));
    let zone = berlin(monday.year());
    let none = Facts::default;

    let mut lesson = event("lesson", at(1, 10, 0), "Training with Carl");
    lesson.end = Some(End::After(minutes(60)));
    lesson.location = Some("Studio 2".to_owned());
    lesson.description = Some("Bring the results of the assessment.".to_owned());
    lesson.alarms = vec![Alarm {
        uid: format!("lesson-alarm-{who}"),
        trigger: Trigger::FromStart(minutes(-15)),
        description: "Training with Carl".to_owned(),
    }];
    let mut class = event("class", at(0, 18, 30), "Evening class");
    class.end = Some(End::After(minutes(90)));
    class.rrule = Some("FREQ=WEEKLY;BYDAY=MO,TH".to_owned());
    class.removed = vec![at(7, 18, 30)];
    class.categories = vec!["Class".to_owned()];
    let mut moved = event("class", at(3, 19, 0), "Evening class (later today)");
    moved.recurrence_id = Some(at(3, 18, 30));
    moved.end = Some(End::After(minutes(90)));
    let mut assessment = event("assessment", at(2, 9, 0), "Assessment");
    assessment.end = Some(End::After(minutes(45)));
    assessment.status = Some(Status::Tentative);
    let participant = |name: &str, address: &str| Participant {
        address: format!("mailto:{address}"),
        name: Some(name.to_owned()),
        ..Participant::default()
    };
    let mut review = event("review", at(4, 14, 0), "Review with everybody");
    review.end = Some(End::After(minutes(60)));
    review.organizer = Some(participant("Ada Lovelace", "ada@example.org"));
    review.attendees =
        vec![participant("Ada Lovelace", "ada@example.org"), participant("Grace Hopper", "grace@example.org")];
    let mut holiday = event("holiday", When::Date(day(8)), "Day off");
    holiday.end = Some(End::At(When::Date(day(10))));
    holiday.transparency = Some(Transparency::Transparent);
    let mut dentist = event("dentist", at(2, 16, 0), "Dentist");
    dentist.class = Some(Class::Private);
    dentist.end = Some(End::After(minutes(30)));
    let mut cancelled = event("cancelled", at(5, 11, 0), "Brunch");
    cancelled.status = Some(Status::Cancelled);
    cancelled.end = Some(End::After(minutes(120)));
    let mut floating = event("wake-up", When::Floating(day(1).at(7, 0, 0, 0)), "Get up");
    floating.rrule = Some("FREQ=DAILY;COUNT=5".to_owned());
    let mut call = event("call", When::Utc(day(3).at(15, 0, 0, 0)), "Call with New York");
    call.end = Some(End::After(minutes(30)));
    let mut birthday = event("birthday", When::Date(date(1985, 11, 24)), "Birthday of a friend");
    birthday.rrule = Some("FREQ=YEARLY".to_owned());
    birthday.transparency = Some(Transparency::Transparent);

    let todo = plain("VTODO", &format!("todo-{who}@demo.kalends"), stamp, "Write the invoice");
    let journal = plain("VJOURNAL", &format!("journal-{who}@demo.kalends"), stamp, "What went well");
    vec![
        ("calendar", facts("one_on_one", Some("carl"), None), with(&zone, vec![lesson.to_component()])),
        (
            "calendar",
            facts("group_class", None, Some("evenings")),
            with(&zone, vec![class.to_component(), moved.to_component()]),
        ),
        ("calendar", facts("assessment", Some("carl"), None), with(&zone, vec![assessment.to_component()])),
        ("calendar", facts("meeting", None, Some("evenings")), with(&zone, vec![review.to_component()])),
        ("calendar", none(), vec![holiday.to_component()]),
        ("calendar", none(), vec![call.to_component()]),
        ("private", none(), with(&zone, vec![dentist.to_component()])),
        ("private", none(), with(&zone, vec![cancelled.to_component()])),
        ("private", none(), vec![floating.to_component()]),
        ("private", none(), vec![birthday.to_component()]),
        ("private", none(), vec![journal]),
        ("tasks", none(), vec![todo]),
    ]
}

/// The components with the definition of their zone in front.
fn with(zone: &[Component], components: Vec<Component>) -> Vec<Component> {
    zone.iter().cloned().chain(components).collect()
}

/// The VTIMEZONE of the demo's zone.
fn berlin(year: i16) -> Vec<Component> {
    let text = vtimezone(ZONE, year, None).unwrap_or_default();
    Document::parse(&Bytes::from(text)).map(|d| d.components().cloned().collect()).unwrap_or_default()
}

fn plain(kind: &str, uid: &str, stamp: DateTime, title: &str) -> Component {
    let mut component = Component::new(kind);
    component.push(Property::text("UID", uid));
    component.push(When::Utc(stamp).to_property("DTSTAMP"));
    component.push(Property::text("SUMMARY", title));
    component
}
