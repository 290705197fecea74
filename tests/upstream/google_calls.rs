//! What only Google has: its way with series, copies, roles and scopes.

use kalends::domain::sync::{RemoteCalendarId, RemoteId};
use kalends::upstream::{Failure, Folded, Lens, Upstream};
use kalends_simulators::google::{Call, Fault, Role, Rule};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::google::{ADA, Bench};
use super::remote::{LENS, Remote, appointment, folded, listing, object, outgoing, present, text};

fn timed(title: &str, recurrence: &[&str]) -> Value {
    let mut event = json!({ "summary": title,
        "start": { "dateTime": "2026-11-16T09:00:00+01:00", "timeZone": "Europe/Berlin" },
        "end": { "dateTime": "2026-11-16T10:00:00+01:00", "timeZone": "Europe/Berlin" } });
    if !recurrence.is_empty() {
        event["recurrence"] = json!(recurrence);
    }
    event
}

#[tokio::test]
async fn the_parameters_are_those_google_wants_on_both_listings() {
    let bench = Bench::new();
    let (_, cursor) = listing(&bench, None).await.expect("listed");
    listing(&bench, cursor.as_deref()).await.expect("listed");
    let provider = bench.provider();
    let queries: Vec<String> = provider
        .seen()
        .iter()
        .map(|seen| {
            let query = seen.request.uri().query().unwrap_or_default();
            query.split('&').filter(|p| !p.starts_with("syncToken")).collect::<Vec<_>>().join("&")
        })
        .collect();
    assert_eq!(queries, ["singleEvents=false&showDeleted=true&maxResults=2500"; 2]);
    let secret = bench.token.expose_secret();
    assert!(provider.seen().iter().all(|seen| !seen.request.uri().to_string().contains(secret)));
}

#[tokio::test]
async fn everything_that_google_alone_knows_survives_our_edits() {
    let bench = Bench::new();
    let mut event = timed("Meet", &[]);
    event["colorId"] = json!("5");
    event["guestsCanInviteOthers"] = json!(false);
    event["extendedProperties"] = json!({ "private": { "theirs": "1" }, "shared": { "all": "2" } });
    event["attendees"] = json!([{ "email": "bob@example.org", "responseStatus": "accepted", "comment": "yes" }]);
    let id = RemoteId(bench.human(|person| person.create(&event)));
    let held = bench.google.fetch(bench.at(), &id).await.expect("asked").expect("there");
    let local = bench.google.put(&held, None, LENS).expect("an object");
    let edited = object(
        text(&local)
            .replace("SUMMARY:Meet", "SUMMARY:Met")
            .split("PRODID:-//Kalends//Kalends//EN\n")
            .nth(1)
            .expect("parts")
            .trim_end()
            .trim_end_matches("END:VCALENDAR")
            .trim_end(),
    );
    let out = outgoing(&bench, &edited, Some(&held));
    bench.google.update(bench.at(), &id, &held, &out, false).await.expect("updated");
    let now = bench.provider().event(ADA, id.as_str()).expect("there");
    assert_eq!((now["summary"].as_str(), now["colorId"].as_str()), (Some("Met"), Some("5")));
    assert_eq!(now["guestsCanInviteOthers"], json!(false));
    assert_eq!(now["extendedProperties"]["private"]["theirs"], "1");
    assert_eq!(now["extendedProperties"]["shared"]["all"], "2");
    assert_eq!(now["attendees"][0]["comment"], "yes");
    assert_eq!(bench.mails(), 0);
}

#[tokio::test]
async fn a_copy_made_there_is_not_ours() {
    let bench = Bench::new();
    let sent = outgoing(&bench, &appointment("Visit"), None);
    let ours = bench.google.create(bench.at(), "key", &sent, false).await.expect("created");
    let copy = RemoteId(bench.human(|person| person.copy(ours.id.as_str(), 86_400_000)));
    let copied = bench.google.fetch(bench.at(), &copy).await.expect("asked").expect("there");
    assert_eq!(bench.google.mark(&copied), None);
    assert_ne!(bench.google.uid(&copied), bench.google.uid(&ours.item));
    assert!(bench.google.mark(&ours.item).is_some());
}

#[tokio::test]
async fn exceptions_of_people_come_with_the_delta() {
    let bench = Bench::new();
    let id = RemoteId(bench.human(|person| person.create(&timed("Daily", &["RRULE:FREQ=DAILY;COUNT=10"]))));
    let (entries, cursor) = listing(&bench, None).await.expect("listed");
    let held = present(folded(&bench, None, &entries, &id).await);
    let local = bench.google.put(&held, None, LENS).expect("an object");
    let slots = bench.provider().first_occurrences(ADA, id.as_str(), 5);
    bench.human(|person| person.edit(&slots[1], &json!({ "summary": "Other" })));
    bench.human(|person| person.delete(&slots[2]));
    bench.human(|person| person.shift(&slots[3], 3_600_000));
    let (entries, _) = listing(&bench, cursor.as_deref()).await.expect("listed");
    assert!(entries.iter().all(|entry| entry.item == id), "exceptions are of their series");
    let now = present(folded(&bench, Some(&held), &entries, &id).await);
    let fetched = bench.google.fetch(bench.at(), &id).await.expect("asked").expect("there");
    assert_eq!(bench.google.normal(&now), bench.google.normal(&fetched));
    let changed = text(&bench.google.put(&now, Some(&local), LENS).expect("an object"));
    for line in [
        "RECURRENCE-ID;TZID=Europe/Berlin:20261117T090000\n",
        "SUMMARY:Other\n",
        "EXDATE;TZID=Europe/Berlin:20261118T090000\n",
        "DTSTART;TZID=Europe/Berlin:20261119T100000\n",
    ] {
        assert!(changed.contains(line), "{line}{changed}");
    }
    bench.human(|person| person.edit(&slots[2], &json!({ "status": "confirmed" })));
    let back = bench.google.fetch(bench.at(), &id).await.expect("asked").expect("there");
    let restored = text(&bench.google.put(&back, Some(&object(body(&changed))), LENS).expect("an object"));
    assert!(!restored.contains("EXDATE"), "{restored}");
}

/// What stands inside a calendar.
fn body(text: &str) -> &str {
    let from =
        text.find("BEGIN:V").and_then(|at| text[at + 1..].find("BEGIN:V").map(|next| at + 1 + next)).expect("parts");
    text[from..].trim_end().trim_end_matches("END:VCALENDAR").trim_end()
}

#[tokio::test]
async fn this_and_following_there_is_a_shorter_series_and_a_new_one() {
    let bench = Bench::new();
    let id = RemoteId(bench.human(|person| person.create(&timed("Daily", &["RRULE:FREQ=DAILY;COUNT=10"]))));
    let slots = bench.provider().first_occurrences(ADA, id.as_str(), 9);
    bench.human(|person| person.edit(&slots[7], &json!({ "summary": "Late" })));
    let (entries, cursor) = listing(&bench, None).await.expect("listed");
    let held = present(folded(&bench, None, &entries, &id).await);
    let local = bench.google.put(&held, None, LENS).expect("an object");
    assert!(text(&local).contains("SUMMARY:Late\n"));
    let tail = RemoteId(bench.human(|person| person.split(&slots[5], &json!({ "summary": "Tail" }))));
    let (entries, _) = listing(&bench, cursor.as_deref()).await.expect("listed");
    let head = present(folded(&bench, Some(&held), &entries, &id).await);
    let fetched = bench.google.fetch(bench.at(), &id).await.expect("asked").expect("there");
    assert_eq!(bench.google.normal(&head), bench.google.normal(&fetched));
    let shortened = bench.google.put(&head, Some(&local), LENS).expect("an object");
    assert!(!text(&shortened).contains("Late") && !text(&shortened).contains("EXDATE"), "{}", text(&shortened));
    let next = match folded(&bench, None, &entries, &tail).await {
        Folded::Present(snapshot) => snapshot,
        Folded::Incomplete => bench.google.fetch(bench.at(), &tail).await.expect("asked").expect("there"),
        Folded::Gone => panic!("the tail is gone"),
    };
    let tail_object = bench.google.put(&next, None, LENS).expect("an object");
    assert!(text(&tail_object).contains("SUMMARY:Tail\n"), "{}", text(&tail_object));
    assert_ne!(tail_object.uid(), shortened.uid());
    let count = |object: &kalends::domain::object::CalendarObject| {
        let all = kalends::domain::recurrence::expand(
            object,
            kalends::domain::recurrence::Window::ALL,
            &kalends::ics::zone::Zone::Utc,
        );
        all.instances.len()
    };
    assert_eq!(count(&shortened) + count(&tail_object), 10);
}

#[tokio::test]
async fn an_exception_that_google_refuses_does_not_keep_the_others() {
    let bench = Bench::new();
    let lines = "BEGIN:VEVENT\nUID:s\nDTSTAMP:20260101T000000Z\nSUMMARY:Daily\nDTSTART:20261116T090000Z\nDTEND:20261116T100000Z\n\
        RRULE:FREQ=DAILY;COUNT=10\nEND:VEVENT\n";
    let part = |day: u8, title: &str| {
        format!(
            "BEGIN:VEVENT\nUID:s\nDTSTAMP:20260101T000000Z\nSUMMARY:{title}\nRECURRENCE-ID:202611{day}T090000Z\nDTSTART:202611{day}T090000Z\nDTEND:202611{day}T100000Z\nEND:VEVENT\n"
        )
    };
    // 30 November is no instance of the series, and takes place all the same.
    let whole = object(format!("{lines}{}{}{}", part(17, "One"), part(30, "Nowhere"), part(18, "Two")).trim_end());
    let sent = outgoing(&bench, &whole, None);
    bench.fault(Rule::new(Fault::Invalid).at(Call::EventsPatch).on("20261117T"));
    let written = bench.google.create(bench.at(), "key", &sent, false).await.expect("created");
    assert!(matches!(written.left, Some(Failure::Refused(_))), "{:?}", written.left);
    assert_eq!(bench.titles(), ["Daily", "Nowhere", "Two"]);

    // A failure of the moment stops it; what was done is told, and the rest is what is left to say.
    let bench = Bench::new();
    let whole = object(format!("{lines}{}{}", part(17, "One"), part(18, "Two")).trim_end());
    bench.fault(Rule::new(Fault::UserRateLimit).at(Call::EventsPatch).after(1));
    let written =
        bench.google.create(bench.at(), "key", &outgoing(&bench, &whole, None), false).await.expect("created");
    assert!(matches!(written.left, Some(Failure::RateLimited(..))), "{:?}", written.left);
    assert_eq!(bench.titles(), ["Daily", "One"]);
    let rest = outgoing(&bench, &whole, Some(&written.item));
    assert!(!bench.google.says(&written.item, &rest));
    let written = bench.google.update(bench.at(), &written.id, &written.item, &rest, false).await.expect("updated");
    assert_eq!((written.left, bench.titles()), (None, vec!["Daily".to_owned(), "One".into(), "Two".into()]));
}

#[tokio::test]
async fn mail_goes_out_only_where_a_user_asked_for_it() {
    let bench = Bench::new();
    let live = Lens { attendees_live: true, ..LENS };
    let sent = bench.google.get(&appointment("Visit"), None, live).expect("expressible");
    let first = bench.google.create(bench.at(), "quiet", &sent, false).await.expect("created");
    bench.google.delete(bench.at(), &first.id, Some(&first.item), false).await.expect("deleted");
    assert_eq!(bench.mails(), 0);
    bench.google.create(bench.at(), "loud", &sent, true).await.expect("created");
    assert_eq!(bench.mails(), 1);
}

#[tokio::test]
async fn calendars_say_what_may_be_written_and_private_blocks_are_left_alone() {
    let mut bench = Bench::new();
    {
        let mut provider = bench.provider();
        provider.add_account("eve@example.com", "America/New_York");
        provider.add_calendar(
            "eve@example.com",
            "team@group.calendar.google.com",
            "Team",
            Role::Owner,
            "America/New_York",
        );
        provider.add_calendar(
            ADA,
            "team@group.calendar.google.com",
            "Team",
            Role::WriterWithoutPrivateAccess,
            "America/New_York",
        );
        provider.add_calendar("eve@example.com", "read#only@group.calendar.google.com", "Days", Role::Owner, "UTC");
        provider.add_calendar(ADA, "read#only@group.calendar.google.com", "Days", Role::Reader, "UTC");
        let mut secret = timed("Secret", &[]);
        secret["visibility"] = json!("private");
        provider.human(1_794_304_800_000, "team@group.calendar.google.com").create(&secret).expect("made");
    }
    let mut calendars = bench.google.calendars(&bench.token, ADA).await.expect("listed");
    calendars.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = calendars.iter().map(|c| (c.name.as_str(), c.writable, c.primary, c.zone.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("Days", false, false, Some("UTC")),
            ("Team", true, false, Some("America/New_York")),
            (ADA, true, true, Some("Europe/Berlin")),
        ]
    );
    bench.calendar = RemoteCalendarId("team@group.calendar.google.com".into());
    let (entries, _) = listing(&bench, None).await.expect("listed");
    let id = entries[0].item.clone();
    let masked = present(folded(&bench, None, &entries, &id).await);
    assert!(!bench.google.may_write(&masked) && !masked.0.contains("Secret"));
    bench.calendar = RemoteCalendarId("read#only@group.calendar.google.com".into());
    let refused = bench.google.create(bench.at(), "key", &outgoing(&bench, &appointment("Visit"), None), false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    bench.calendar = RemoteCalendarId("nowhere@group.calendar.google.com".into());
    assert!(matches!(listing(&bench, None).await, Err(Failure::CalendarGone(_))));
}

#[tokio::test]
async fn a_missing_permission_is_for_the_user_to_give() {
    let bench = Bench::with_scopes(&["calendar.events.readonly"]);
    assert!(listing(&bench, None).await.is_ok());
    let calendars = bench.google.calendars(&bench.token, ADA).await;
    assert!(matches!(calendars, Err(Failure::NeedsConsent(_))), "{calendars:?}");
    let sent = outgoing(&bench, &appointment("Visit"), None);
    let refused = bench.google.create(bench.at(), "key", &sent, false).await;
    assert!(matches!(refused, Err(Failure::NeedsConsent(_))), "{refused:?}");
}

#[tokio::test]
async fn an_answer_that_says_nothing_about_completeness_proves_nothing() {
    let bench = Bench::new();
    for n in 0..5 {
        bench.make(&format!("Item{n}"));
    }
    for fault in [Fault::PageTokenExpired, Fault::Backend { status: 500 }] {
        bench.provider().faults().clear();
        bench.fault(Rule::new(Fault::ShortPage { entries: 2 }).times(1));
        bench.fault(Rule::new(fault.clone()).on("pageToken="));
        let cut = listing(&bench, None).await;
        assert!(cut.is_err(), "{fault:?}: {cut:?}");
    }
    bench.provider().faults().clear();
    bench.fault(Rule::new(Fault::ShortPage { entries: 0 }).times(2));
    let (entries, cursor) = listing(&bench, None).await.expect("empty pages are pages");
    assert!(entries.len() == 5 && cursor.is_some());
}

#[tokio::test]
async fn a_channel_is_asked_for_and_stopped() {
    let bench = Bench::new();
    let channel =
        bench.google.watch(bench.at(), "channel-1", "https://kalends.test/hook", "token").await.expect("a channel");
    assert_eq!(channel.id, "channel-1");
    assert!(channel.expires.ms() > bench.now());
    assert_eq!(bench.google.unwatch(bench.at(), &channel).await, Ok(()));
    assert_eq!(bench.google.unwatch(bench.at(), &channel).await, Ok(()), "gone already is done");
    let plain = bench.google.watch(bench.at(), "channel-2", "http://kalends.test/hook", "token").await;
    assert!(matches!(plain, Err(Failure::Refused(_))), "{plain:?}");
}
