//! Bodies that nobody should have to read.

use crate::asking::{CALENDAR, ada, appendix_b, fixture};
use crate::support;

/// Every body in `fixtures/xml/hostile` that is for REPORT gets one of the answers its table names, and soon.
#[tokio::test]
async fn bodies_nobody_should_have_to_read_are_answered() {
    let bench = support::sqlite().await;
    let talk = ada(&bench).await;
    appendix_b(&talk).await;
    for rule in ["MINUTELY", "SECONDLY", "DAILY"] {
        let event = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:{rule}\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART:20000101T100000Z\r\nDTEND:20000101T110000Z\r\nRRULE:FREQ={rule}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        talk.put(&format!("{CALENDAR}{rule}.ics"), &event).await;
    }
    let mut asked = 0;
    for row in fixture("xml/hostile/README.md").lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, file, "REPORT", statuses, what, _] = cells.as_slice() else { continue };
        let body = fixture(&format!("xml/hostile/{}", file.trim_matches('`')));
        let path = if file.contains("principal") { "/dav/principals/" } else { CALENDAR };
        let reply = talk.report(path, &body.replace("{user}", "ada").replace("{calendar}", "calendar")).await;
        let expected: Vec<&str> = statuses.split(" or ").collect();
        assert!(expected.contains(&reply.status.to_string().as_str()), "{file}: {} for {statuses}", reply.status);
        for condition in
            ["valid-filter", "supported-report", "supported-collation", "supported-calendar-data", "valid-sync-token"]
        {
            if reply.status == 403 && what.contains(condition) {
                assert!(reply.body.contains(condition), "{file}: {}", reply.body);
            }
        }
        asked += 1;
    }
    assert!(asked >= 25, "only {asked} bodies for REPORT");
}
