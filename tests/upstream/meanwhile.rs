//! A person changes one part of a series while we write another in several calls.

use std::sync::PoisonError;

use kalends::domain::sync::RemoteId;
use kalends::upstream::Failure;
use serde_json::json;

use super::remote::{LENS, Remote, object, outgoing, text};
use super::{google, microsoft};

const SERIES: &str = "BEGIN:VEVENT\nUID:s@here\nDTSTAMP:20260101T000000Z\nSUMMARY:Daily\n\
    DTSTART;TZID=Europe/Berlin:20261201T090000\nDTEND;TZID=Europe/Berlin:20261201T100000\nRRULE:FREQ=DAILY;COUNT=9\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:s@here\nDTSTAMP:20260101T000000Z\nSUMMARY:Ours\nRECURRENCE-ID;TZID=Europe/Berlin:20261202T090000\n\
    DTSTART;TZID=Europe/Berlin:20261202T090000\nDTEND;TZID=Europe/Berlin:20261202T100000\nEND:VEVENT";

/// Writes a series, then lets a person rename its fourth instance in the middle of our change of `from` to `to`: what the
/// connector says of that.
async fn meanwhile(
    remote: &dyn Remote,
    (from, to): (&str, &str),
    person: impl FnOnce(&RemoteId) + Send,
) -> (Vec<String>, Vec<String>) {
    let up = remote.upstream();
    let sent = outgoing(remote, &object(SERIES), None);
    let made = up.create(remote.at(), "key", &sent, false).await.expect("created");
    assert_eq!(made.left, None);
    let edited = object(&SERIES.replace(from, to));
    let wanted = outgoing(remote, &edited, Some(&made.item));
    person(&made.id);
    let written = up.update(remote.at(), &made.id, &made.item, &wanted, false).await.expect("written");
    assert_eq!(written.left, Some(Failure::Changed), "it has to be looked at");
    let titles = |item| {
        let said = text(&up.put(item, Some(&edited), LENS).expect("an object"));
        said.lines().filter_map(|line| line.strip_prefix("SUMMARY:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let now = up.fetch(remote.at(), &made.id).await.expect("asked").expect("there");
    (titles(&written.item), titles(&now))
}

#[tokio::test]
async fn what_a_person_did_meanwhile_at_google_is_not_taken_for_agreed_on() {
    let bench = google::Bench::new();
    let person = |id: &RemoteId| {
        let fourth = bench.provider().first_occurrences(google::ADA, id.as_str(), 4)[3].clone();
        let mut meanwhile = bench.wire.meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
        *meanwhile = Some((google::ADA.to_owned(), fourth, json!({ "summary": "Theirs" })));
    };
    let (agreed, now) = meanwhile(&bench, ("SUMMARY:Daily", "SUMMARY:Weekly"), person).await;
    assert_eq!(agreed, ["Weekly", "Ours"]);
    assert_eq!(now, ["Weekly", "Ours", "Theirs"]);
}

#[tokio::test]
async fn what_a_person_did_meanwhile_at_outlook_is_not_taken_for_agreed_on() {
    // A change of the series, and one of an instance.
    for change in [("SUMMARY:Daily", "SUMMARY:Weekly"), ("SUMMARY:Ours", "SUMMARY:Mine")] {
        let bench = microsoft::Bench::new();
        let calendar = bench.calendar.as_str().to_owned();
        let person = |id: &RemoteId| {
            let fourth = bench.provider().human(bench.now(), &calendar).occurrences(id.as_str(), 4)[3].clone();
            let mut meanwhile = bench.wire.meanwhile.lock().unwrap_or_else(PoisonError::into_inner);
            *meanwhile = Some((calendar.clone(), fourth, json!({ "subject": "Theirs" })));
        };
        let (agreed, now) = meanwhile(&bench, change, person).await;
        let ours = ["Daily", "Ours"].map(|title| if change.0.ends_with(title) { &change.1[8..] } else { title });
        assert_eq!(agreed, ours, "{change:?}");
        assert_eq!(now, [&ours[..], &["Theirs"]].concat(), "{change:?}");
    }
}
