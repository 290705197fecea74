//! What only Microsoft's connector has: its sign-in, its refusals, whole listings, lanes, subscriptions.

use bytes::Bytes;
use http::Request;
use kalends::domain::sync::{RemoteCalendarId, RemoteId};
use kalends::domain::time::{Clock, Instant};
use kalends::upstream::device::Device;
use kalends::upstream::oauth::{VERIFIER_BYTES, Verifier, Wanted};
use kalends::upstream::{At, Failure, Upstream};
use kalends_simulators::microsoft::{Call, Fault, Outcome, Rule};
use serde_json::{Value, json};

use super::microsoft::{ADA, Bench};
use super::remote::{LENS, Remote, appointment, listing, object, outgoing, text};

const KEY: &str = "firm/link/object-1";

fn now(bench: &Bench) -> Instant {
    bench.wire.clock.now()
}

#[tokio::test]
async fn consent_is_asked_exchanged_and_renewed_with_rotating_tokens() {
    let bench = Bench::new();
    let verifier = Verifier::new([7; VERIFIER_BYTES]);
    let url = bench.oauth.authorise(Wanted::Writing, "state", &verifier, None).expect("a URL");
    assert!(url.as_str().contains("code_challenge_method=S256"));
    bench.provider().auto_approve(Some(ADA));
    let asked = Request::get(url.to_string()).body(Bytes::new()).expect("a request");
    let Outcome::Answer(consent) = bench.provider().handle(bench.now(), &asked) else { panic!("no answer") };
    let back = url::Url::parse(consent.headers()["location"].to_str().expect("text")).expect("a URL");
    let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
    let tokens = bench.oauth.exchange(&*bench.wire, &code, &verifier, now(&bench)).await.expect("tokens");
    assert_eq!(bench.oauth.account(&*bench.wire, &tokens.access, now(&bench)).await.expect("a name"), ADA);
    assert_eq!(bench.oauth.granted(&tokens.scopes), kalends::upstream::oauth::Granted::Writing);
    let first = tokens.refresh.expect("a refresh token");
    let renewed = bench.oauth.refresh(&*bench.wire, &first, now(&bench)).await.expect("tokens");
    let second = renewed.refresh.expect("a new one each time");
    assert_ne!(secrecy::ExposeSecret::expose_secret(&first), secrecy::ExposeSecret::expose_secret(&second));
    assert!(bench.oauth.refresh(&*bench.wire, &second, now(&bench)).await.is_ok());
    // A code is good once.
    let again = bench.oauth.exchange(&*bench.wire, &code, &verifier, now(&bench)).await;
    assert!(matches!(again, Err(Failure::NeedsConsent(_))), "{again:?}");
}

#[tokio::test]
async fn a_code_is_typed_on_another_device() {
    let bench = Bench::new();
    let code = bench.oauth.device(&*bench.wire, Wanted::Writing, now(&bench)).await.expect("a code");
    let ask = || bench.oauth.device_tokens(&*bench.wire, &code.code, now(&bench));
    bench.wire.clock.advance_ms(code.interval_s * 1_000);
    assert!(matches!(ask().await, Ok(Device::Pending)));
    let at = bench.now();
    bench.provider().decide_device(at, &code.user_code, Some(ADA)).expect("typed");
    bench.wire.clock.advance_ms(code.interval_s * 1_000);
    let Ok(Device::Granted(tokens)) = ask().await else { panic!("it was typed") };
    assert!(tokens.refresh.is_some());
    assert_eq!(bench.oauth.account(&*bench.wire, &tokens.access, now(&bench)).await.expect("a name"), ADA);
    let declined = bench.oauth.device(&*bench.wire, Wanted::Reading, now(&bench)).await.expect("a code");
    let at = bench.now();
    bench.provider().decide_device(at, &declined.user_code, None).expect("declined");
    bench.wire.clock.advance_ms(declined.interval_s * 1_000);
    let refused = bench.oauth.device_tokens(&*bench.wire, &declined.code, now(&bench)).await;
    assert!(matches!(refused, Err(Failure::NeedsConsent(_))), "{refused:?}");
}

#[tokio::test]
async fn the_numbers_of_the_sign_in_lead_to_what_can_be_done() {
    let bench = Bench::new();
    let scopes = ["offline_access", "User.Read", "Calendars.ReadWrite"];
    for (code, consent) in [
        (700_082, true),
        (50_173, true),
        (50_076, true),
        (65_001, true),
        (90_094, true),
        (7_000_222, false),
        (700_016, false),
    ] {
        let at = bench.now();
        let held = bench.provider().grant(at, ADA, "client", &scopes).refresh_token.into();
        bench.fault(Rule::new(Fault::Aadsts { code }));
        match bench.oauth.refresh(&*bench.wire, &held, now(&bench)).await {
            Err(Failure::NeedsConsent(text)) => assert!(consent && text.contains(&code.to_string()), "{code}: {text}"),
            Err(Failure::Refused(text)) => assert!(!consent && text.contains(&code.to_string()), "{code}: {text}"),
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn both_statuses_of_a_conflict_are_one() {
    for (conflict, duplicate) in [(412, 400), (409, 409)] {
        let bench = Bench::new();
        {
            let mut provider = bench.provider();
            let settings = provider.settings_mut();
            (settings.conflict_status, settings.duplicate_status) = (conflict, duplicate);
        }
        let up = bench.upstream();
        let first =
            up.create(bench.at(), KEY, &outgoing(&bench, &appointment("Visit"), None), false).await.expect("made");
        // The same transaction with another content is refused, and what it made is found.
        let other = up.create(bench.at(), KEY, &outgoing(&bench, &appointment("Other"), None), false).await;
        assert_eq!(other, Err(Failure::Exists), "{duplicate}");
        assert_eq!(up.find(bench.at(), KEY).await.expect("asked").expect("found").0, first.id);
        bench.rename(&first.id, "Theirs");
        let out = outgoing(&bench, &appointment("Ours"), Some(&first.item));
        assert_eq!(
            up.update(bench.at(), &first.id, &first.item, &out, false).await,
            Err(Failure::Changed),
            "{conflict}"
        );
        assert_eq!(bench.titles(), ["Theirs"]);
    }
}

#[tokio::test]
async fn many_items_are_asked_for_in_batches_each_with_its_own_outcome() {
    let bench = Bench::new();
    let mut ids: Vec<RemoteId> = (0..45).map(|n| bench.make(&format!("Item{n}"))).collect();
    ids.push(bench.make("Gone"));
    bench.delete(&ids[45]);
    let found = bench.upstream().fetch_all(bench.at(), &ids).await.expect("asked");
    assert_eq!(found.len(), 46);
    assert!(found[..45].iter().all(|(_, one)| matches!(one, Ok(Some(_)))));
    assert_eq!(found[45].1, Ok(None));
    assert_eq!(bench.provider().count(Call::Batch), 3);
}

#[tokio::test]
async fn a_page_at_another_server_is_not_followed() {
    let bench = Bench::new();
    bench.make("Item");
    bench.fault(Rule::new(Fault::ForeignNextLink { to: "http://evil.test/v1.0/x".into() }));
    let answer = listing(&bench, None).await;
    assert!(matches!(answer, Err(Failure::BadAnswer(_))), "{answer:?}");
}

#[tokio::test]
async fn only_three_requests_are_under_way_for_one_mailbox() {
    struct Slow {
        now: std::sync::atomic::AtomicUsize,
        most: std::sync::atomic::AtomicUsize,
    }
    impl kalends::upstream::http::Transport for Slow {
        fn send(
            &self,
            _: Request<Bytes>,
            _: kalends::upstream::http::Limits,
        ) -> futures_util::future::BoxFuture<'_, Result<http::Response<Bytes>, kalends::upstream::http::TransportError>>
        {
            use std::sync::atomic::Ordering::SeqCst;
            Box::pin(async move {
                let under_way = self.now.fetch_add(1, SeqCst) + 1;
                self.most.fetch_max(under_way, SeqCst);
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                self.now.fetch_sub(1, SeqCst);
                Ok(http::Response::new(Bytes::from_static(b"{\"value\":[]}")))
            })
        }
    }
    let slow = std::sync::Arc::new(Slow { now: 0.into(), most: 0.into() });
    let clock = std::sync::Arc::new(kalends::domain::time::ManualClock::at(Instant::from_ms(0)));
    let up = kalends::upstream::microsoft::Microsoft::new(slow.clone(), clock, "http://graph.test/v1.0".into());
    let (secret, calendar) = ("token".to_owned().into(), RemoteCalendarId("c".into()));
    let at = At { secret: &secret, account: ADA, calendar: &calendar };
    let calls = (0..12).map(|_| up.changes(at, None, None));
    assert!(futures_util::future::join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(slow.most.load(std::sync::atomic::Ordering::SeqCst), 3);
}

#[tokio::test]
async fn what_outlook_alone_knows_survives_our_edits_and_copies_are_not_ours() {
    let bench = Bench::new();
    let up = bench.upstream();
    let at = |hour: u8| json!({ "dateTime": format!("2026-12-01T{hour:02}:00:00"), "timeZone": "Europe/Vienna" });
    let id = RemoteId(bench.human(|person| {
        person.create(&json!({ "subject": "Visit", "start": at(9), "end": at(10), "importance": "high",
            "categories": ["Red"], "sensitivity": "personal", "showAs": "oof", "isReminderOn": true,
            "reminderMinutesBeforeStart": 45, "body": { "contentType": "html", "content": "<b>Bring</b> notes" } }))
    }));
    let held = up.fetch(bench.at(), &id).await.expect("asked").expect("there");
    let here = up.put(&held, None, LENS).expect("an object");
    let lines = text(&here);
    for line in [
        "CATEGORIES:Red\n",
        "CLASS:PRIVATE\n",
        "X-MICROSOFT-CDO-BUSYSTATUS:OOF\n",
        "TRIGGER:-PT45M\n",
        "DESCRIPTION:Bring notes\n",
    ] {
        assert!(lines.contains(line), "{line} is not in {lines}");
    }
    let renamed = object(
        lines
            .replace("SUMMARY:Visit", "SUMMARY:Visit2")
            .split("PRODID")
            .nth(1)
            .and_then(|rest| rest.split_once('\n'))
            .map_or("", |(_, rest)| rest.trim_end_matches("END:VCALENDAR\n").trim_end()),
    );
    let out = up.get(&renamed, Some(&held), LENS).expect("expressible");
    let written = up.update(bench.at(), &id, &held, &out, false).await.expect("updated");
    let there: Value = bench.provider().event(id.as_str()).expect("there");
    assert_eq!(
        (&there["subject"], &there["importance"], &there["sensitivity"]),
        (&json!("Visit2"), &json!("high"), &json!("personal"))
    );
    assert_eq!(up.mark(&written.item).as_deref(), Some(LENS.mark));
    bench.human(|person| person.copy(id.as_str(), 86_400_000));
    let (entries, _) = listing(&bench, None).await.expect("listed");
    let mut ours = 0;
    for entry in entries {
        let item = up.fetch(bench.at(), &entry.item).await.expect("asked").expect("there");
        ours += usize::from(up.mark(&item).is_some());
    }
    assert_eq!(ours, 1, "a copy has our properties and is not ours");
    assert_eq!(bench.mails(), 0);
}

#[tokio::test]
async fn an_event_with_guests_is_not_changed_behind_their_backs() {
    let bench = Bench::new();
    let up = bench.upstream();
    let at = |hour: u8| json!({ "dateTime": format!("2026-12-01T{hour:02}:00:00"), "timeZone": "Europe/Berlin" });
    let id = RemoteId(bench.human(|person| {
        person.create(&json!({ "subject": "Board", "start": at(9), "end": at(10),
            "attendees": [{ "emailAddress": { "address": "bob@example.org", "name": "Bob" }, "type": "required" }] }))
    }));
    let mails = bench.mails();
    let held = up.fetch(bench.at(), &id).await.expect("asked").expect("there");
    let out = up.get(&appointment("Other"), Some(&held), LENS).expect("expressible");
    let refused = up.update(bench.at(), &id, &held, &out, false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    let refused = up.delete(bench.at(), &id, Some(&held), false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");
    assert_eq!((bench.mails(), bench.titles()), (mails, vec!["Board".to_owned()]));
}

#[tokio::test]
async fn a_subscription_is_made_renewed_and_ended() {
    let bench = Bench::new();
    let up = bench.upstream();
    let made = up.watch(bench.at(), "channel-1", "https://cal.test/hook", "token").await.expect("made");
    assert_eq!(made.id, "channel-1");
    let minutes = (made.expires.ms() - bench.now()) / 60_000;
    assert!((9_000..10_080).contains(&minutes), "{minutes}");
    bench.wire.clock.advance_ms(6 * 86_400_000);
    let at = bench.now();
    let scopes = ["Calendars.ReadWrite"];
    let token = bench.provider().grant(at, ADA, "client", &scopes).access_token.into();
    let here = At { secret: &token, account: ADA, calendar: &bench.calendar };
    let renewed = up.renew(here, &made).await.expect("renewed").expect("there");
    assert!(renewed.expires > made.expires && renewed.resource == made.resource);
    assert_eq!(up.unwatch(here, &renewed).await, Ok(()));
    assert_eq!(up.unwatch(here, &renewed).await, Ok(()));
    assert_eq!(up.renew(here, &renewed).await, Ok(None), "what is gone is made anew");
}

#[tokio::test]
async fn a_zone_that_nobody_knows_moves_nothing_and_stays_as_it_is() {
    let bench = Bench::new();
    let up = bench.upstream();
    let at = |hour: u8| json!({ "dateTime": format!("2026-12-01T{hour:02}:00:00"), "timeZone": "Europe/Berlin" });
    let id = RemoteId(bench.human(|person| person.create(&json!({ "subject": "Odd", "start": at(9), "end": at(10) }))));
    bench.fault(Rule::new(Fault::CustomTimeZone).always());
    let held = up.fetch(bench.at(), &id).await.expect("asked").expect("there");
    let here = up.put(&held, None, LENS).expect("one appointment is at its moment in any zone");
    assert!(text(&here).contains("DTSTART:20261201T080000Z\n"), "{}", text(&here));
    let out = up.get(&here, Some(&held), LENS).expect("expressible");
    assert!(up.says(&held, &out));
    assert!(held.0.contains("tzone://Microsoft/Custom"), "{}", held.0);
}

#[tokio::test]
async fn an_instance_that_a_listing_leaves_out_once_is_there() {
    let bench = Bench::new();
    let up = bench.upstream();
    let event = |more: &str| {
        format!(
            "BEGIN:VEVENT\nUID:v@kalends\nDTSTAMP:20260101T000000Z\nSUMMARY:Visit\n{more}\
             DTEND;TZID=Europe/Berlin:20261204T100000\nEND:VEVENT"
        )
    };
    let series = "DTSTART;TZID=Europe/Berlin:20261204T090000\nRRULE:FREQ=WEEKLY;COUNT=3\n";
    let moved = "RECURRENCE-ID;TZID=Europe/Berlin:20261211T090000\nDTSTART;TZID=Europe/Berlin:20261211T080000\n";
    let moved = event(moved).replace("20261204T100000", "20261211T090000");
    let made = up.create(bench.at(), KEY, &outgoing(&bench, &object(&event(series)), None), false).await.expect("made");
    let out = outgoing(&bench, &object(&format!("{}\n{moved}", event(series))), Some(&made.item));
    bench.fault(Rule::new(Fault::OmitItem).at(Call::EventsInstances));
    let written = up.update(bench.at(), &made.id, &made.item, &out, false).await.expect("updated");
    assert_eq!(written.left, None);
    assert!(up.says(&written.item, &out), "{:?}", written.item);
}
