//! What every provider must do, whoever it is.

use kalends::upstream::{Failure, Folded};

use super::remote::{LENS, Remote, Trouble, appointment, folded, listing, object, outgoing, present, text};

const KEY: &str = "firm/link/object-1";

/// What is created is found, listed, marked, and comes back as it went; nobody is mailed.
pub async fn create_find_list(remote: &dyn Remote) {
    let upstream = remote.upstream();
    assert_eq!(upstream.find(remote.at(), KEY).await.expect("asked"), None);
    let sent = appointment("Visit");
    let written = upstream.create(remote.at(), KEY, &outgoing(remote, &sent, None), false).await.expect("created");
    assert_eq!(written.left, None);
    if let Some(id) = upstream.id_for(KEY) {
        assert_eq!(written.id, id);
    }
    assert_eq!(remote.titles(), ["Visit"]);
    let (id, found) = upstream.find(remote.at(), KEY).await.expect("asked").expect("found");
    assert_eq!(id, written.id);
    let (entries, cursor) = listing(remote, None).await.expect("listed");
    assert!(cursor.is_some());
    let listed = present(folded(remote, None, &entries, &id).await);
    let fetched = upstream.fetch(remote.at(), &id).await.expect("asked").expect("there");
    for item in [&written.item, &found, &listed, &fetched] {
        assert_eq!(upstream.normal(item), upstream.normal(&written.item));
        assert_eq!(upstream.mark(item).as_deref(), Some(LENS.mark));
        assert_eq!(upstream.uid(item).as_deref(), Some("Visit@kalends"));
        assert!(upstream.may_write(item));
        assert!(upstream.says(item, &outgoing(remote, &sent, Some(item))));
        let back = upstream.put(item, Some(&sent), LENS).expect("an object");
        assert_eq!(text(&back), text(&sent));
        let elsewhere = upstream.put(item, None, LENS).expect("an object");
        assert_eq!(elsewhere.uid(), sent.uid());
    }
    assert_eq!(remote.mails(), 0);
}

/// A lost answer leaves one item, and a second try says that it is there.
pub async fn lost_answers(remote: &dyn Remote) {
    let upstream = remote.upstream();
    for (number, trouble) in
        [Trouble::AnswerLost, Trouble::AnswerCut, Trouble::Nonsense, Trouble::Huge].into_iter().enumerate()
    {
        let (title, key) = (format!("Visit{number}"), format!("{KEY}/{number}"));
        let sent = outgoing(remote, &appointment(&title), None);
        remote.trouble(trouble);
        let lost = upstream.create(remote.at(), &key, &sent, false).await;
        assert!(matches!(lost, Err(Failure::Unknown(_))), "{trouble:?}: {lost:?}");
        assert!(upstream.find(remote.at(), &key).await.expect("asked").is_some(), "{trouble:?}");
        // It says that it is there, or gives what is there.
        match upstream.create(remote.at(), &key, &sent, false).await {
            Err(Failure::Exists) => {}
            Ok(written) => {
                let found = upstream.find(remote.at(), &key).await.expect("asked").expect("found");
                assert_eq!(written.id, found.0, "{trouble:?}");
            }
            other => panic!("{trouble:?}: {other:?}"),
        }
        assert_eq!(remote.titles().len(), number + 1, "{trouble:?}");
    }
    remote.trouble(Trouble::RequestLost);
    let sent = outgoing(remote, &appointment("Other"), None);
    let lost = upstream.create(remote.at(), "other", &sent, false).await;
    assert!(matches!(lost, Err(Failure::Unknown(_))), "{lost:?}");
    assert_eq!(upstream.find(remote.at(), "other").await.expect("asked"), None);
    assert!(upstream.create(remote.at(), "other", &sent, false).await.is_ok());
}

/// An update changes what differs, in place, and only if nobody else did meanwhile.
pub async fn update_guarded(remote: &dyn Remote) {
    let upstream = remote.upstream();
    let sent = appointment("Visit");
    let first = upstream.create(remote.at(), KEY, &outgoing(remote, &sent, None), false).await.expect("created");
    let renamed = appointment("Visit2");
    let out = outgoing(remote, &renamed, Some(&first.item));
    assert!(!upstream.says(&first.item, &out));
    let second = upstream.update(remote.at(), &first.id, &first.item, &out, false).await.expect("updated");
    assert_eq!((second.id.clone(), remote.titles()), (first.id.clone(), vec!["Visit2".to_owned()]));
    assert!(upstream.says(&second.item, &outgoing(remote, &renamed, Some(&second.item))));

    let writes = remote.writes();
    let nothing = upstream
        .update(remote.at(), &first.id, &second.item, &outgoing(remote, &renamed, Some(&second.item)), false)
        .await
        .expect("nothing to do");
    assert_eq!((nothing.item, remote.writes()), (second.item.clone(), writes), "what is said already is not sent");

    remote.rename(&first.id, "Theirs");
    let out = outgoing(remote, &appointment("Ours"), Some(&second.item));
    assert_eq!(upstream.update(remote.at(), &first.id, &second.item, &out, false).await, Err(Failure::Changed));
    assert_eq!(remote.titles(), ["Theirs"]);
    let now = upstream.fetch(remote.at(), &first.id).await.expect("asked").expect("there");
    assert_ne!(upstream.normal(&now), upstream.normal(&second.item));
    let out = outgoing(remote, &appointment("Ours"), Some(&now));
    upstream.update(remote.at(), &first.id, &now, &out, false).await.expect("updated");
    assert_eq!(remote.titles(), ["Ours"]);
    assert_eq!(remote.mails(), 0);
}

/// Deleted twice is deleted; what was deleted can be created again under its key.
pub async fn delete_and_again(remote: &dyn Remote) {
    let upstream = remote.upstream();
    let sent = outgoing(remote, &appointment("Visit"), None);
    let first = upstream.create(remote.at(), KEY, &sent, false).await.expect("created");
    let (_, cursor) = listing(remote, None).await.expect("listed");
    remote.trouble(Trouble::AnswerLost);
    let lost = upstream.delete(remote.at(), &first.id, Some(&first.item), false).await;
    assert!(matches!(lost, Err(Failure::Unknown(_))), "{lost:?}");
    assert_eq!(upstream.delete(remote.at(), &first.id, Some(&first.item), false).await, Ok(()));
    assert_eq!(upstream.delete(remote.at(), &first.id, None, false).await, Ok(()));
    assert_eq!(remote.titles(), Vec::<String>::new());
    assert_eq!(upstream.fetch(remote.at(), &first.id).await, Ok(None));
    assert_eq!(upstream.find(remote.at(), KEY).await, Ok(None));
    let (entries, _) = listing(remote, cursor.as_deref()).await.expect("listed");
    assert_eq!(folded(remote, Some(&first.item), &entries, &first.id).await, Folded::Gone);

    let again = upstream.create(remote.at(), KEY, &outgoing(remote, &appointment("Back"), None), false).await;
    assert_eq!(remote.titles(), ["Back"], "{again:?}");
    let id = again.expect("created").id;
    assert_eq!(upstream.find(remote.at(), KEY).await.expect("asked").expect("found").0, id);

    remote.rename(&id, "Theirs");
    let stale = upstream.delete(remote.at(), &id, Some(&first.item), false).await;
    assert_eq!((stale, remote.titles()), (Err(Failure::Changed), vec!["Theirs".to_owned()]));
    assert_eq!(remote.mails(), 0);
}

/// People's changes come with the cursor, each once, and page by page.
pub async fn changes_come(remote: &dyn Remote) {
    let upstream = remote.upstream();
    let made: Vec<_> = (0..7).map(|n| remote.make(&format!("Item{n}"))).collect();
    remote.trouble(Trouble::ShortPages);
    let (entries, cursor) = listing(remote, None).await.expect("listed");
    for (n, id) in made.iter().enumerate() {
        let item = present(folded(remote, None, &entries, id).await);
        let object = upstream.put(&item, None, LENS).expect("an object");
        assert!(text(&object).contains(&format!("SUMMARY:Item{n}\n")), "{}", text(&object));
        assert_eq!(upstream.mark(&item), None);
    }
    let cursor = cursor.expect("complete");
    let (nothing, next) = listing(remote, Some(&cursor)).await.expect("listed");
    if upstream.lists_all() {
        for id in &made {
            let held = present(folded(remote, None, &entries, id).await);
            let own: Vec<_> = nothing.iter().filter(|entry| entry.item == *id).cloned().collect();
            assert_eq!(upstream.fold(Some(&held), &own), Folded::Present(held), "nothing changed");
        }
    } else {
        assert_eq!(nothing, [], "nothing changed");
    }
    let held = present(folded(remote, None, &entries, &made[1]).await);
    let gone = present(folded(remote, None, &entries, &made[2]).await);
    remote.rename(&made[1], "New");
    remote.delete(&made[2]);
    let (changed, _) = listing(remote, next.as_deref()).await.expect("listed");
    let renamed = present(folded(remote, Some(&held), &changed, &made[1]).await);
    assert!(text(&upstream.put(&renamed, None, LENS).expect("an object")).contains("SUMMARY:New\n"));
    assert_eq!(folded(remote, Some(&gone), &changed, &made[2]).await, Folded::Gone);
    if upstream.lists_all() {
        assert!(changed.iter().all(|entry| entry.item != made[2]));
        return;
    }
    assert!(changed.iter().all(|entry| [&made[1], &made[2]].contains(&&entry.item)));

    remote.trouble(Trouble::CursorForgotten);
    assert_eq!(listing(remote, Some(&cursor)).await, Err(Failure::CursorLost));
    assert_eq!(listing(remote, Some("of another world")).await, Err(Failure::CursorLost));
    let (all, complete) = listing(remote, None).await.expect("listed");
    assert!(complete.is_some() && all.len() >= 6);
}

const SERIES: &str = "BEGIN:VEVENT\nUID:s@kalends\nDTSTAMP:20260101T000000Z\nSUMMARY:Daily\n\
    DTSTART;TZID=Europe/Berlin:20261020T090000\nDTEND;TZID=Europe/Berlin:20261020T100000\nRRULE:FREQ=DAILY;COUNT=10\n\
    EXDATE;TZID=Europe/Berlin:20261022T090000\nEND:VEVENT\n\
    BEGIN:VEVENT\nUID:s@kalends\nDTSTAMP:20260101T000000Z\nSUMMARY:Moved\nRECURRENCE-ID;TZID=Europe/Berlin:20261026T090000\n\
    DTSTART;TZID=Europe/Berlin:20261026T110000\nDTEND;TZID=Europe/Berlin:20261026T123000\nX-OWN:1\nEND:VEVENT";

/// A series goes there with its exceptions and comes back with those of people there.
pub async fn series(remote: &dyn Remote) {
    let upstream = remote.upstream();
    let sent = object(SERIES);
    let written = upstream.create(remote.at(), KEY, &outgoing(remote, &sent, None), false).await.expect("created");
    assert_eq!(written.left, None);
    let there = remote.occurrences();
    assert_eq!(there.len(), 9, "{there:?}");
    assert!(there.contains(&("2026-10-26T10:00:00Z".into(), "Moved".into())), "{there:?}");
    assert!(there.contains(&("2026-10-27T08:00:00Z".into(), "Daily".into())), "{there:?}");
    assert!(!there.iter().any(|(start, _)| start.starts_with("2026-10-22")), "{there:?}");
    let fetched = upstream.fetch(remote.at(), &written.id).await.expect("asked").expect("there");
    assert_eq!(upstream.normal(&fetched), upstream.normal(&written.item));
    assert_eq!(text(&upstream.put(&fetched, Some(&sent), LENS).expect("an object")), text(&sent));
    assert!(upstream.says(&fetched, &outgoing(remote, &sent, Some(&fetched))));

    // Moved back, another one left out, all an hour later: three edits, one after the other.
    let mut held = fetched;
    let plain =
        SERIES.split("\nBEGIN:VEVENT\nUID:s@kalends\nDTSTAMP:20260101T000000Z\nSUMMARY:Moved").next().expect("a part");
    for (lines, count, gone, there_now) in [
        (plain.to_owned(), 9, "2026-10-26T10:00:00Z", "2026-10-26T08:00:00Z"),
        (
            plain.replace("20261022T090000\n", "20261022T090000,20261026T090000\n"),
            8,
            "2026-10-26T08:00:00Z",
            "2026-10-25T08:00:00Z",
        ),
        (plain.replace("T090000", "T083000"), 9, "2026-10-20T07:00:00Z", "2026-10-26T07:30:00Z"),
        (SERIES.to_owned(), 9, "2026-10-26T07:30:00Z", "2026-10-26T10:00:00Z"),
    ] {
        let wanted = object(&lines);
        let out = outgoing(remote, &wanted, Some(&held));
        let written = upstream.update(remote.at(), &written.id, &held, &out, false).await.expect("updated");
        assert_eq!(written.left, None, "{lines}");
        let there = remote.occurrences();
        let starts: Vec<&str> = there.iter().map(|(start, _)| start.as_str()).collect();
        assert_eq!(there.len(), count, "{lines}\n{there:?}");
        assert!(!starts.contains(&gone) && starts.contains(&there_now), "{lines}\n{there:?}");
        held = upstream.fetch(remote.at(), &written.id).await.expect("asked").expect("there");
        assert_eq!(upstream.normal(&held), upstream.normal(&written.item), "{lines}");
        assert!(upstream.says(&held, &outgoing(remote, &wanted, Some(&held))), "{lines}");
        assert_eq!(text(&upstream.put(&held, Some(&wanted), LENS).expect("an object")), text(&wanted), "{lines}");
    }
    assert_eq!(remote.titles().iter().filter(|title| *title == "Daily").count(), 1, "the series is there once");
    assert_eq!(remote.mails(), 0);
}

/// Failures are what they are, and nothing is concluded from what cannot be read.
pub async fn failures(remote: &dyn Remote) {
    let upstream = remote.upstream();
    let sent = outgoing(remote, &appointment("Visit"), None);
    let first = upstream.create(remote.at(), KEY, &sent, false).await.expect("created");
    let out = outgoing(remote, &appointment("Visit2"), Some(&first.item));
    for trouble in [
        Trouble::TooMany,
        Trouble::Wait(30),
        Trouble::Ill,
        Trouble::Html,
        Trouble::Nonsense,
        Trouble::Huge,
        Trouble::AnswerLost,
        Trouble::AnswerCut,
        Trouble::Redirect,
        Trouble::TokenRefused,
    ] {
        remote.trouble(trouble);
        let read = upstream.changes(remote.at(), None, None).await.expect_err("no listing");
        remote.trouble(trouble);
        let fetched = upstream.fetch(remote.at(), &first.id).await.expect_err("no item");
        for failure in [&read, &fetched] {
            let fits = match trouble {
                Trouble::TooMany => matches!(failure, Failure::RateLimited(..)),
                Trouble::Wait(s) => {
                    matches!(failure, Failure::RateLimited(_, Some(after)) if after.as_secs() == u64::from(s))
                }
                Trouble::Ill | Trouble::AnswerLost | Trouble::AnswerCut => matches!(failure, Failure::Transient(..)),
                Trouble::TokenRefused => *failure == Failure::Unauthorised,
                _ => matches!(failure, Failure::BadAnswer(_)),
            };
            assert!(fits, "{trouble:?} when reading: {failure:?}");
        }
        if matches!(trouble, Trouble::TooMany | Trouble::Wait(_) | Trouble::TokenRefused | Trouble::Redirect) {
            remote.trouble(trouble);
            let write =
                upstream.update(remote.at(), &first.id, &first.item, &out, false).await.expect_err("not written");
            assert_eq!(remote.titles(), ["Visit"], "{trouble:?}: {write:?}");
        }
    }
    remote.trouble(Trouble::Forbidden);
    let refused = upstream.update(remote.at(), &first.id, &first.item, &out, false).await;
    assert!(matches!(refused, Err(Failure::Refused(_))), "{refused:?}");

    remote.trouble(Trouble::WrongTypes);
    match upstream.changes(remote.at(), None, None).await {
        Ok(batch) => assert!(!batch.unreadable.is_empty() && batch.entries.is_empty(), "{batch:?}"),
        Err(failure) => assert!(matches!(failure, Failure::BadAnswer(_)), "{failure:?}"),
    }
    assert_eq!(remote.titles(), ["Visit"]);
}
