//! Series that the other side cannot repeat: kept here and told, or carried as their instances.

use kalends::domain::sync::{
    DeletePolicy, Direction, LinkPolicy, LinkStatus, MappingState, ParkReason, PrivatePolicy, UnsupportedRecurrence,
};
use kalends::domain::time::DAY_MS;
use kalends::store::{LinkSettings, Warning};

use crate::double::Fault;
use crate::house::{House, INTERVAL, down, event, lost, retitled};

/// The last working day of each month, which the double cannot repeat.
pub const LAST: &str = "DTSTART:20261130T100000Z\nDTEND:20261130T110000Z\nSUMMARY:Pay\n\
     RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1";

pub fn policy(unsupported_recurrence: UnsupportedRecurrence) -> LinkPolicy {
    LinkPolicy { unsupported_recurrence, ..LinkPolicy::default() }
}

pub async fn expanding() -> House {
    House::new(Direction::Both, policy(UnsupportedRecurrence::Expand)).await
}

pub async fn set(house: &House, policy: LinkPolicy) {
    let mut tx = house.bench.store.write().await.unwrap();
    let settings = LinkSettings { direction: Direction::Both, interval_ms: INTERVAL, policy };
    assert!(tx.set_link(&house.ada.firm, &house.link, &settings).await.unwrap());
    tx.commit().await.unwrap();
}

pub async fn warnings(house: &House) -> Vec<Warning> {
    let mut tx = house.bench.store.read().await.unwrap();
    let figures = tx.link_figures(&house.ada.firm, &house.ada.id).await.unwrap();
    figures.get(&house.link).map(|f| f.warnings.clone()).unwrap_or_default()
}

/// Starts of what is there.
pub fn starts(house: &House) -> Vec<String> {
    let line = |ics: &String| ics.lines().find_map(|l| l.strip_prefix("DTSTART:")).unwrap_or_default().to_owned();
    let mut all: Vec<String> = house.there.live().values().map(line).collect();
    all.sort();
    all
}

/// The id there of what starts then.
pub fn at(house: &House, start: &str) -> String {
    let line = format!("DTSTART:{start}");
    house.there.live().into_iter().find(|(_, ics)| ics.contains(&line)).expect("it is there").0
}

/// Nothing is sent any more.
pub async fn is_quiet(house: &House) {
    house.later(INTERVAL).await;
    house.there.calls();
    house.later(INTERVAL).await;
    let writes: Vec<String> =
        house.there.calls().into_iter().filter(|c| ["create", "update", "delete"].contains(&c.as_str())).collect();
    assert_eq!(writes, Vec::<String>::new());
}

#[tokio::test]
async fn what_cannot_be_repeated_there_stays_here_and_is_told() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    let id = house.put(&event("a", LAST)).await;
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    let told: Vec<_> = preview.items.iter().map(|i| (i.action.as_str(), i.note.as_deref())).collect();
    assert_eq!(told, [("parked", Some("there is no pattern for it"))]);
    house.run().await;
    assert!(house.there.live().is_empty());
    let sentence = "there is no pattern for it".to_owned();
    assert_eq!(house.mapping(&id).await.unwrap().warnings, std::slice::from_ref(&sentence));
    let told = Warning { text: sentence.clone(), count: 1, object: Some(id.clone()) };
    assert_eq!(warnings(&house).await, std::slice::from_ref(&told));
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    assert_eq!(preview.warnings, [told.told()], "a preview of nothing tells it too");
    is_quiet(&house).await;
    // One that can be repeated goes, and nothing is told of it any more.
    house.put(&event("a", &LAST.replace(";BYSETPOS=-1", ""))).await;
    house.later(INTERVAL).await;
    assert_eq!((house.there.live().len(), warnings(&house).await.len()), (1, 0));
    // And one that was repeated there and cannot be any more says that it is old there.
    house.put(&event("a", LAST)).await;
    house.later(INTERVAL).await;
    let told = warnings(&house).await;
    assert!(told.iter().any(|w| w.text.contains("as it was before")), "{told:?}");
}

#[tokio::test]
async fn what_cannot_be_repeated_there_goes_out_as_its_instances() {
    let house = expanding().await;
    let id = house.put(&event("a", LAST)).await;
    let preview = house.desk.preview(house.ada.firm.clone(), house.link.clone()).await.unwrap();
    let created = preview.items.iter().filter(|i| i.action == "created" && i.object.as_ref() == Some(&id)).count();
    assert!(preview.items.iter().any(|i| i.action == "expanded"), "{preview:?}");
    house.run().await;
    let there = starts(&house);
    assert_eq!(there.len(), created);
    assert_eq!(there.get(..3).unwrap(), ["20261130T100000Z", "20261231T100000Z", "20270129T100000Z"]);
    assert!(house.there.live().values().all(|e| !e.contains("RRULE") && e.contains("SUMMARY:Pay")));
    assert_eq!(house.mapping(&id).await.unwrap().state, MappingState::Parked(ParkReason::Expanded));
    assert!(warnings(&house).await.iter().any(|w| w.text.contains("as single events")));
    is_quiet(&house).await;
    assert_eq!((house.count_here().await, starts(&house)), (1, there.clone()));

    // Time goes on, and what comes into the half year comes there; what is over stays.
    house.later(62 * DAY_MS).await;
    is_quiet(&house).await;
    let later = starts(&house);
    assert_eq!(later.len(), there.len() + 2);
    assert_eq!(later.get(..there.len()).unwrap(), there);

    // Another title here is another title of all of them; an instance that goes here goes there.
    house.put(&event("a", &format!("{}\nEXDATE:20270331T100000Z", LAST.replace("Pay", "Pay day")))).await;
    house.later(INTERVAL).await;
    assert!(house.there.live().values().all(|e| e.contains("SUMMARY:Pay day")));
    assert_eq!(starts(&house).len(), later.len() - 1);
    assert!(!starts(&house).contains(&"20270331T100000Z".to_owned()));
    is_quiet(&house).await;

    // Switched back, all of them go; and they come again.
    set(&house, policy(UnsupportedRecurrence::KeepLocal)).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert!(house.there.live().is_empty());
    set(&house, policy(UnsupportedRecurrence::Expand)).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert!(starts(&house).len() >= there.len());

    // A series that can be repeated takes their place, and the other way round.
    house.put(&event("a", &LAST.replace(";BYSETPOS=-1", ""))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(house.there.live().len(), 1);
    house.put(&event("a", LAST)).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert!(house.there.live().values().all(|e| !e.contains("RRULE")));
    assert!(house.there.live().len() > 3);

    house.delete("a").await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((house.there.live().len(), house.count_here().await), (0, 0));
    assert_eq!(house.status().await, LinkStatus::Active, "one series is one removal");
}

#[tokio::test]
async fn what_is_changed_of_an_instance_there_is_an_override_here() {
    for (delete, word) in [(DeletePolicy::Delete, "EXDATE"), (DeletePolicy::Cancel, "STATUS:CANCELLED")] {
        let expand = LinkPolicy { delete: Some(delete), ..policy(UnsupportedRecurrence::Expand) };
        let house = House::new(Direction::Both, expand).await;
        house.put(&event("a", LAST)).await;
        house.run().await;
        let count = starts(&house).len();
        house
            .there
            .edit(&at(&house, "20261231T100000Z"), |e| retitled(&e, "Pay", "Late").replace("20261231T1", "20270102T1"));
        house.later(INTERVAL).await;
        let here = house.here("a").await.unwrap();
        assert!(here.contains("RECURRENCE-ID:20261231T100000Z") && here.contains("SUMMARY:Late"), "{here}");
        assert!(here.contains("DTSTART:20270102T100000Z") && here.contains("SUMMARY:Pay"), "{here}");
        is_quiet(&house).await;
        assert_eq!(starts(&house).len(), count);

        house.there.remove(&at(&house, "20270129T100000Z"));
        house.later(INTERVAL).await;
        let here = house.here("a").await.unwrap();
        assert!(here.contains(word), "{delete:?}: {here}");
        assert_eq!(house.count_here().await, 1, "the series is there");
        is_quiet(&house).await;
        assert_eq!(starts(&house).len(), count - 1);

        // Both changed one instance to different ends: somebody decides, and the rest goes on.
        house.there.edit(&at(&house, "20270226T100000Z"), |e| retitled(&e, "Pay", "There"));
        let here = house.here("a").await.unwrap();
        house.put(&here.replacen("SUMMARY:Pay", "SUMMARY:Here", 1)).await;
        house.later(INTERVAL).await;
        let open = house.open_conflicts().await;
        assert_eq!(open.len(), 1, "{open:?}");
        assert!(open[0].object.as_ref().is_some_and(|id| !id.as_str().contains('@')));
        assert!(house.there.live().values().filter(|e| e.contains("SUMMARY:Here")).count() > 1);
    }
}

/// Whatever becomes of an answer, an instance is there once.
#[tokio::test]
async fn class_1_an_instance_whose_answer_is_lost_is_there_once() {
    let house = expanding().await;
    house.there.fault("create", Fault::After(lost()));
    house.there.fault("create", Fault::Before(down()));
    house.put(&event("a", LAST)).await;
    house.run().await;
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    let there = starts(&house);
    let mut once = there.clone();
    once.dedup();
    assert_eq!(there, once);
    house.there.fault("delete", Fault::After(lost()));
    set(&house, policy(UnsupportedRecurrence::KeepLocal)).await;
    house.work().await;
    set(&house, policy(UnsupportedRecurrence::Expand)).await;
    house.later(INTERVAL).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!(starts(&house), there);
    assert!(house.here("a").await.is_some_and(|e| !e.contains("EXDATE") && !e.contains("CANCELLED")));
}

/// A filter that does not want the series wants none of its instances; what is private stays here.
#[tokio::test]
async fn instances_are_shown_as_their_series_is() {
    let house = expanding().await;
    house.put(&event("a", &format!("{LAST}\nCLASS:PRIVATE"))).await;
    house.run().await;
    assert!(house.there.live().is_empty());
    house.put(&event("a", LAST)).await;
    house.later(INTERVAL).await;
    assert!(house.there.live().len() > 3);
    house.put(&event("a", &format!("{}\nCLASS:PRIVATE", LAST.replace("Pay", "Secret")))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert!(house.there.live().is_empty());
}

/// What a run carried of instances is not brought back as something else when the run is undone.
#[tokio::test]
async fn undoing_a_run_of_instances_doubles_nothing() {
    let house = expanding().await;
    house.put(&event("a", LAST)).await;
    house.run().await;
    let there = starts(&house);
    for run in house.runs().await {
        house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.ok();
    }
    assert_eq!((starts(&house), house.count_here().await), (Vec::new(), 1));
    set(&house, policy(UnsupportedRecurrence::KeepLocal)).await;
    house.later(INTERVAL).await;
    let run = house.last_run().await;
    house.desk.undo(house.ada.firm.clone(), run.id, "ada".to_owned()).await.ok();
    set(&house, policy(UnsupportedRecurrence::Expand)).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((starts(&house), house.count_here().await), (Vec::new(), 1), "it stays so until somebody edits it");
    house.put(&event("a", &LAST.replace("Pay", "Pay day"))).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((starts(&house), house.count_here().await), (there, 1));
}

/// A series that somebody cut in two there is two here, and nothing of it is lost or doubled.
#[tokio::test]
async fn class_12_a_series_cut_in_two_there_is_both_halves_here() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    let weekly = |uid: &str, start: &str, end: &str| {
        event(uid, &format!("DTSTART:{start}T100000Z\nDTEND:{start}T110000Z\nSUMMARY:Team\nRRULE:FREQ=WEEKLY;{end}"))
    };
    house.there.human("a", &weekly("a", "20261201", "COUNT=10"));
    house.run().await;
    house.there.human("a", &weekly("a", "20261201", "UNTIL=20261221T000000Z"));
    house.there.human("b", &weekly("b", "20261222", "COUNT=7"));
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert!(house.here("a").await.unwrap().contains("UNTIL=20261221T000000Z"));
    assert!(house.here("b").await.unwrap().contains("COUNT=7"));
    assert_eq!((house.count_here().await, house.there.live().len()), (2, 2));
    assert!(house.open_conflicts().await.is_empty());
    // And here.
    house.put(&weekly("b", "20261222", "COUNT=3")).await;
    house.put(&weekly("c", "20270112", "COUNT=4")).await;
    house.later(INTERVAL).await;
    is_quiet(&house).await;
    assert_eq!((house.count_here().await, house.there.live().len()), (3, 3));
}

/// An override that says nothing of how private it is, in a series that is.
#[tokio::test]
async fn an_instance_is_no_less_private_than_its_series() {
    for (private, shown) in [(PrivatePolicy::Mask, true), (PrivatePolicy::Exclude, false)] {
        let policy = LinkPolicy { private, ..policy(UnsupportedRecurrence::Expand) };
        let house = House::new(Direction::Both, policy).await;
        let lines = "RECURRENCE-ID:20261231T100000Z\nDTSTART:20261231T120000Z\nDTEND:20261231T130000Z\nSUMMARY:TAINT";
        let one = event("a", lines);
        let one = &one[one.find("BEGIN:VEVENT").unwrap()..one.find("END:VCALENDAR").unwrap()];
        let series =
            event("a", &format!("{LAST}\nCLASS:PRIVATE")).replace("END:VCALENDAR", &format!("{one}END:VCALENDAR"));
        house.put(&series).await;
        house.run().await;
        let there = house.there.live();
        assert_eq!(there.values().any(|ics| ics.contains("DTSTART:20261231T120000Z")), shown, "{private:?}");
        assert!(there.values().all(|ics| !ics.contains("TAINT") && !ics.contains("Pay")), "{there:?}");
    }
}

/// What a deletion there leaves out here changes nothing that the other instances say.
#[tokio::test]
async fn instances_that_go_there_one_after_the_other_are_no_conflict() {
    let zoned = LAST.replace("DTSTART:", "DTSTART;TZID=Europe/Berlin:").replace("DTEND:", "DTEND;TZID=Europe/Berlin:");
    for (lines, starts_at) in
        [(LAST.to_owned(), "DTSTART:"), (zoned.replace("00Z", "00"), "DTSTART;TZID=Europe/Berlin:")]
    {
        let expand = LinkPolicy { delete: Some(DeletePolicy::Delete), ..policy(UnsupportedRecurrence::Expand) };
        let house = House::new(Direction::Both, expand).await;
        house.put(&event("a", &lines)).await;
        house.run().await;
        let count = house.there.live().len();
        let at = |day: &str| {
            let line = format!("{starts_at}{day}T100000");
            house.there.live().into_iter().find(|(_, ics)| ics.contains(&line)).expect("it is there").0
        };
        // In two runs, and two in one run, while a third brings a zone of its own.
        house.there.remove(&at("20261231"));
        house.later(INTERVAL).await;
        house.there.edit(&at("20270129"), |e| {
            e.replace("DTSTART:20270129T100000Z", "DTSTART;TZID=America/New_York:20270129T110000")
                .replace("DTEND:20270129T110000Z", "DTEND;TZID=America/New_York:20270129T120000")
        });
        house.there.remove(&at("20270226"));
        house.there.remove(&at("20270331"));
        house.later(INTERVAL).await;
        assert_eq!(house.open_conflicts().await.len(), 0);
        is_quiet(&house).await;
        assert_eq!(house.there.live().len(), count - 3);
        assert_eq!(house.here("a").await.unwrap().matches("EXDATE").count(), 3);
    }
}
