//! calendarView/delta, and what it does not tell.

use serde_json::{Value, json};

use super::{
    super::{Fault, Rule},
    ADA, Bench, EVENTS, WORK, event_path, hour, weekly,
};

const VIEW: &str = "/v1.0/me/calendars/AAMkADwork%3D/calendarView/delta?startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-03-20T00:00:00Z";

/// A whole round: its entries, how many pages, and where the next begins.
fn round(bench: &mut Bench, from: &str) -> (Vec<Value>, usize, String) {
    let (mut entries, mut pages, mut path) = (Vec::new(), 0, from.to_owned());
    loop {
        let got = bench.get(&path);
        assert_eq!(got.status, 200, "{}", got.body);
        entries.extend(got.values().iter().cloned());
        pages += 1;
        path = got.next();
        if got.body.get("@odata.deltaLink").is_some() {
            return (entries, pages, path);
        }
    }
}

fn removed(entries: &[Value]) -> usize {
    entries.iter().filter(|one| one["@removed"]["reason"] == "deleted").count()
}

#[test]
fn a_round_begins_empty_and_tells_what_is_in_the_window() {
    let mut bench = Bench::new();
    bench.create(hour("One"));
    bench.create(weekly("Group"));
    let first = bench.get(VIEW);
    assert_eq!((first.values().len(), first.next().contains("skiptoken")), (0, true));
    let (entries, pages, _) = round(&mut bench, VIEW);
    assert_eq!((entries.len(), pages), (3, 2));
    let occurrence = entries.iter().find(|one| one["type"] == "occurrence").unwrap();
    let members: Vec<&String> = occurrence.as_object().unwrap().keys().collect();
    assert_eq!(members, ["@odata.type", "@odata.etag", "type", "start", "end", "id", "seriesMasterId"]);
    assert_eq!(entries.iter().find(|one| one["type"] == "singleInstance").unwrap()["subject"], "One");
}

#[test]
fn a_delta_calls_removed_what_is_outside_of_its_window() {
    let mut bench = Bench::new();
    let one = bench.create(hour("One")).text("id");
    let series = bench.create(weekly("Group")).text("id");
    let (_, _, link) = round(&mut bench, VIEW);
    assert_eq!(round(&mut bench, &link).0, Vec::<Value>::new());
    let mut far = hour("Far");
    far["start"]["dateTime"] = json!("2027-03-10T09:00:00");
    far["end"]["dateTime"] = json!("2027-03-10T10:00:00");
    bench.create(far);
    let (entries, _, link) = round(&mut bench, &link);
    assert_eq!((entries.len(), removed(&entries)), (1, 1), "an event that nobody saw is removed");
    bench.call("PATCH", &event_path(&series), json!({ "subject": "All" }));
    let (entries, _, link) = round(&mut bench, &link);
    assert_eq!((entries.len(), removed(&entries)), (2, 0), "all occurrences of the series in the window come again");
    let view = format!("/v1.0/me/calendars/{WORK}/calendarView?startDateTime=2026-03-16&endDateTime=2026-03-18");
    let second = bench.get(&view).all("id")[0].to_owned();
    bench.call("DELETE", &event_path(&second), Value::Null);
    let (entries, _, link) = round(&mut bench, &link);
    assert_eq!((entries.len(), removed(&entries)), (1, 0), "nothing is said of an occurrence that is gone");
    bench.call("DELETE", &event_path(&one), Value::Null);
    let (entries, _, _) = round(&mut bench, &link);
    assert_eq!((entries[0]["id"].as_str(), removed(&entries)), (Some(one.as_str()), 1));
    bench.microsoft.settings_mut().delta_tells_cancelled = true;
    let (entries, _, _) = round(&mut bench, &link);
    assert_eq!(removed(&entries), 1);
}

#[test]
fn exceptions_may_be_missing_and_states_forgotten() {
    let mut bench = Bench::new();
    bench.create(weekly("Group"));
    let view = format!("/v1.0/me/calendars/{WORK}/calendarView?startDateTime=2026-03-16&endDateTime=2026-03-18");
    let second = bench.get(&view).all("id")[0].to_owned();
    bench.call("PATCH", &event_path(&second), json!({ "subject": "Other" }));
    let (entries, _, link) = round(&mut bench, VIEW);
    assert_eq!(entries.iter().find(|one| one["type"] == "exception").unwrap()["subject"], "Other");
    bench.microsoft.settings_mut().delta_omits_exceptions = true;
    assert_eq!(round(&mut bench, VIEW).0.len(), 1);
    let open = bench.get(VIEW).next();
    bench.microsoft.expire_delta_tokens(WORK);
    for path in [link.as_str(), open.as_str(), &format!("{VIEW}&$deltatoken=garbled")] {
        let refused = bench.get(path);
        assert_eq!((refused.status, refused.code()), (410, "SyncStateNotFound"), "{path}");
    }
    assert_eq!(bench.get(&format!("{VIEW}&$select=id")).status, 400);
    assert_eq!(bench.get("/v1.0/me/calendarView/delta").status, 400);
    assert_eq!(bench.get(&format!("{EVENTS}/delta")).status, 400);
    bench.microsoft.settings_mut().events_delta = true;
    let (entries, _, _) = round(&mut bench, &format!("{EVENTS}/delta()"));
    assert_eq!(entries[0]["type"], "seriesMaster");
}

#[test]
fn a_move_to_another_calendar_is_a_removal_here() {
    let mut bench = Bench::new();
    bench.create(hour("One"));
    let (_, _, link) = round(&mut bench, VIEW);
    let id = bench.microsoft.events(WORK)[0]["id"].as_str().unwrap().to_owned();
    let home = bench.microsoft.default_calendar(ADA).unwrap();
    bench.microsoft.human(bench.now_ms, WORK).move_to(&id, &home).unwrap();
    assert_eq!(removed(&round(&mut bench, &link).0), 1);
}

#[test]
fn deltas_are_bent() {
    let mut bench = Bench::new();
    let id = bench.create(hour("One")).text("id");
    let (_, _, link) = round(&mut bench, VIEW);
    let mut with = |fault: Fault, times: u32| {
        bench.microsoft.faults().clear();
        bench.microsoft.faults().push(Rule::new(fault).on("token=").times(times));
        round(&mut bench, &link).0
    };
    assert_eq!(with(Fault::RepeatChanges, 2).len(), 1);
    let strange = with(Fault::StrangeRemovals { count: 3 }, 1);
    assert_eq!(removed(&strange), 3);
    bench.call("DELETE", &event_path(&id), Value::Null);
    bench.create(hour("Two"));
    let mut with = |fault: Fault| {
        bench.microsoft.faults().clear();
        bench.microsoft.faults().push(Rule::new(fault).always());
        round(&mut bench, &link).0
    };
    assert_eq!(with(Fault::OmitDeletes).len(), 1);
    assert_eq!(with(Fault::StaleDelta { changes: 1 }).len(), 1);
    assert_eq!(removed(&with(Fault::FalseRemoval)), 2);
}

#[test]
fn the_clients_preferences_hold() {
    let mut bench = Bench::new();
    for subject in ["a", "b", "c"] {
        bench.create(hour(subject));
    }
    let headers = [("prefer", "odata.maxpagesize=2, IdType=\"ImmutableId\", outlook.timezone=\"Europe/Berlin\"")];
    let first = bench.call_with("GET", VIEW, Value::Null, &headers);
    let second = bench.call_with("GET", &first.next(), Value::Null, &headers);
    assert_eq!(second.values().len(), 2);
    assert_eq!(second.values()[0]["start"]["dateTime"], "2026-03-10T09:00:00.0000000");
    assert!(second.all("id")[0].starts_with("AAkALg"));
}
