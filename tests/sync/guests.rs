//! Nobody is mailed unless a user asked for exactly that.

use kalends::domain::sync::{Direction, LinkPolicy, RunKind};
use kalends::domain::time::{DAY_MS, MINUTE_MS};
use kalends::upstream::Failure;

use crate::double::Fault;
use crate::house::{House, INTERVAL, event, retitled};

fn meeting(uid: &str) -> String {
    event(
        uid,
        "DTSTART:20261201T100000Z\nDTEND:20261201T110000Z\nSUMMARY:M\nSEQUENCE:0\nORGANIZER:mailto:ada@example.com\n\
         ATTENDEE:mailto:guest@example.net",
    )
}

async fn resync(house: &House) {
    let mut tx = house.bench.store.write().await.unwrap();
    let now = tx.now();
    tx.ask_for_run(&house.ada.firm, &house.link, RunKind::Resync, now).await.unwrap();
    tx.queue_all(&house.ada.firm, &house.link).await.unwrap();
    tx.commit().await.unwrap();
    house.work().await;
}

#[tokio::test]
async fn class_9_a_link_mails_nobody_by_default() {
    let house = House::new(Direction::Both, LinkPolicy::default()).await;
    house.put(&meeting("a")).await;
    house.run().await;
    house.put(&retitled(&meeting("a"), "M", "M2")).await;
    house.work().await;
    resync(&house).await;
    house.delete("a").await;
    house.work().await;
    assert!(house.there.live().is_empty());
    assert_eq!(house.there.invitations(), 0);
}

#[tokio::test]
async fn class_9_only_a_users_own_edit_invites_and_each_guest_once_for_each_revision() {
    let policy = LinkPolicy { invite_attendees: true, ..LinkPolicy::default() };
    let house = House::new(Direction::Both, policy).await;
    house.there.human("theirs", &meeting("theirs"));
    house.run().await;
    assert_eq!(house.there.invitations(), 0, "what was imported was invited to elsewhere");
    house.put(&meeting("a")).await;
    let lost = || Fault::After(Failure::Unknown("cut".to_owned()));
    house.there.fault("create", lost());
    house.work().await;
    house.later(MINUTE_MS).await;
    house.later(INTERVAL).await;
    assert_eq!(house.there.invitations(), 1, "a call whose answer was lost is not made again");
    resync(&house).await;
    house.later(DAY_MS).await;
    assert_eq!(house.there.invitations(), 1, "a resync is nobody's edit");
    house.put(&retitled(&meeting("a"), "M", "M2")).await;
    house.work().await;
    assert_eq!(house.there.invitations(), 1, "the same revision");
    house.put(&meeting("a").replace("SEQUENCE:0", "SEQUENCE:1")).await;
    house.work().await;
    assert_eq!(house.there.invitations(), 2, "another revision");
}
