//! What a feed shows now, decided from its settings, its owner's calendars and the day; and the version of that, which
//! changes with each of them and with nothing else.

use sha2::{Digest, Sha256};

use crate::domain::access::Access;
use crate::domain::calendar::{Calendar, ScheduleTransparency};
use crate::domain::feed::{FeedKind, FeedPrivacy, FeedWindow, PrivateAppointments};
use crate::domain::recurrence::Window;
use crate::domain::time::{DAY_MS, Instant};
use crate::ics::zone::{Zone, tzdata_version};
use crate::store::FeedGrant;

/// Counts the changes of what is made of the same rows. Whoever changes what a feed writes adds one, so that no
/// subscriber keeps what an older program made.
const RENDERING: u32 = 1;
/// Busy times of a series are told one by one, which needs an end where the feed has none: a year back,
const BUSY_BACK_DAYS: i64 = 366;
/// and two years ahead, farther than people look for free time.
const BUSY_AHEAD_DAYS: i64 = 731;
/// Digits of the digest that make a version: 128 bits.
const VERSION_DIGITS: usize = 32;

/// One answer's worth of a feed.
#[derive(Debug)]
pub(super) struct Plan {
    /// The feed and its owner.
    pub grant: FeedGrant,
    /// The calendars it shows, oldest first.
    pub calendars: Vec<(Access, Calendar)>,
    /// The time it shows; `None`: all.
    pub window: Option<Window>,
    /// The time within which busy times of series are told.
    pub expanding: Window,
    /// The version of all this.
    pub version: Version,
}

/// What a feed's content is told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// A digest of everything that the content is made of.
    pub tag: String,
    /// When any of it was last changed; `None` where no time tells.
    pub modified: Option<Instant>,
}

impl Plan {
    /// The plan for an opened feed. `calendars` are those its owner may see; `epoch` is the store's.
    pub fn of(grant: FeedGrant, calendars: Vec<(Access, Calendar)>, epoch: &str, now: Instant) -> Plan {
        let settings = &grant.feed.settings;
        let midnight = Instant::from_ms(now.ms().div_euclid(DAY_MS).saturating_mul(DAY_MS));
        let days = |back: i64, ahead: i64| Window {
            from: midnight.plus_ms(-back.saturating_mul(DAY_MS)),
            to: midnight.plus_ms(ahead.saturating_add(1).saturating_mul(DAY_MS)),
        };
        let window = match settings.window {
            FeedWindow::Days { back, ahead } => Some(days(back.into(), ahead.into())),
            FeedWindow::All => None,
        };
        let tells_busy = settings.kind == FeedKind::FreeBusy
            || settings.privacy == FeedPrivacy::BusyOnly
            || settings.private == PrivateAppointments::Mask;
        let moves = window.is_some() || tells_busy;
        let mut calendars: Vec<(Access, Calendar)> =
            calendars.into_iter().filter(|(_, calendar)| shows(&grant, calendar)).collect();
        calendars.sort_by(|(_, a), (_, b)| a.id.as_str().cmp(b.id.as_str()));
        let version = version(&grant, &calendars, epoch, moves.then_some(midnight));
        let expanding = window.unwrap_or_else(|| days(BUSY_BACK_DAYS, BUSY_AHEAD_DAYS));
        Plan { grant, calendars, window, expanding, version }
    }

    /// The zone the owner's days begin in.
    pub fn owners_zone(&self) -> Zone {
        self.grant.owner.settings.timezone.as_deref().and_then(Zone::named).unwrap_or(Zone::Utc)
    }
}

/// Whether a feed shows a calendar: one of its owner's, chosen or, if none is, any. Calendars that make nobody busy
/// have no free-busy time, and no busy times unless they are chosen.
fn shows(grant: &FeedGrant, calendar: &Calendar) -> bool {
    let settings = &grant.feed.settings;
    if calendar.owner != grant.owner.id {
        return false;
    }
    let chosen = settings.calendars.iter().any(|id| id == calendar.id.as_str());
    let opaque = calendar.settings.transparency == ScheduleTransparency::Opaque;
    match (settings.kind, settings.privacy) {
        (FeedKind::FreeBusy, _) => opaque && (chosen || settings.calendars.is_empty()),
        (FeedKind::Calendar, FeedPrivacy::BusyOnly) => chosen || (opaque && settings.calendars.is_empty()),
        (FeedKind::Calendar, FeedPrivacy::Details | FeedPrivacy::TitlesOnly) => chosen || settings.calendars.is_empty(),
    }
}

fn version(grant: &FeedGrant, calendars: &[(Access, Calendar)], epoch: &str, midnight: Option<Instant>) -> Version {
    let feed = &grant.feed;
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update(part.as_bytes());
        digest.update([0]);
    };
    for part in [env!("CARGO_PKG_VERSION"), &RENDERING.to_string(), tzdata_version(), epoch, feed.id.as_str()] {
        add(part);
    }
    add(grant.owner.display_name.as_deref().unwrap_or_default());
    add(&serde_json::to_string(&feed.settings).unwrap_or_default());
    add(&feed.changed.ms().to_string());
    add(grant.owner.settings.timezone.as_deref().unwrap_or_default());
    add(&midnight.map(|day| day.ms().to_string()).unwrap_or_default());
    for (_, calendar) in calendars {
        add(calendar.id.as_str());
        add(&calendar.seq.0.to_string());
    }
    let mut tag = hex::encode(digest.finalize());
    tag.truncate(VERSION_DIGITS);
    let changes = calendars.iter().map(|(_, calendar)| calendar.modified);
    // The owner's zone decides where their free-busy days begin, and nobody notes when they change it.
    let is_timed = feed.settings.kind == FeedKind::Calendar;
    let modified = changes.chain([feed.changed]).chain(midnight).max().filter(|_| is_timed);
    Version { tag, modified }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::access::{Right, Role};
    use crate::domain::calendar::{CalendarSettings, ComponentSet, Seq};
    use crate::domain::feed::FeedSettings;
    use crate::domain::ids::{CalendarId, FeedId, FirmId, Slug, UserId, UserName};
    use crate::store::{Feed, User, UserSettings};

    const NOON: Instant = Instant::from_ms(20_000 * DAY_MS + DAY_MS / 2);

    fn grant(settings: FeedSettings) -> FeedGrant {
        let feed = Feed {
            id: FeedId::from_text("f"),
            label: "l".into(),
            settings,
            created: Instant::from_ms(1),
            changed: Instant::from_ms(2),
            expires: None,
            revoked: None,
            last_fetched: None,
            fetch_count: 0,
            secret_sealed: Vec::new(),
        };
        let owner = User {
            firm: FirmId::from_text("firm"),
            id: UserId::from_text("ada"),
            name: UserName::parse("ada").expect("a name"),
            role: Role::Staff,
            display_name: None,
            email: None,
            password_hash: None,
            settings: UserSettings::default(),
            created: Instant::from_ms(0),
            disabled: None,
        };
        FeedGrant { feed, owner }
    }

    fn calendar(id: &str, seq: i64, transparency: ScheduleTransparency) -> (Access, Calendar) {
        let calendar = Calendar {
            id: CalendarId::from_text(id),
            owner: UserId::from_text("ada"),
            owner_name: UserName::parse("ada").expect("a name"),
            slug: Slug::parse(id).expect("a slug"),
            settings: CalendarSettings { transparency, ..CalendarSettings::named(id, ComponentSet::ALL) },
            seq: Seq(seq),
            created: Instant::from_ms(0),
            modified: Instant::from_ms(seq),
        };
        (Access::checked(&grant(FeedSettings::default()).caller(), &calendar, Right::Read), calendar)
    }

    fn plan(settings: &FeedSettings, seqs: [i64; 2], now: Instant) -> Plan {
        let calendars = vec![
            calendar("b", seqs[1], ScheduleTransparency::Transparent),
            calendar("a", seqs[0], ScheduleTransparency::Opaque),
        ];
        Plan::of(grant(settings.clone()), calendars, "epoch", now)
    }

    #[test]
    fn a_version_changes_with_what_the_feed_is_made_of_and_with_nothing_else() {
        let all = FeedSettings::default();
        let one = FeedSettings { calendars: vec!["a".into()], ..all.clone() };
        let base = plan(&all, [5, 6], NOON).version;
        assert_eq!(plan(&all, [5, 6], NOON.plus_ms(DAY_MS / 3)).version, base, "the same day");
        assert_ne!(plan(&all, [5, 7], NOON).version.tag, base.tag);
        assert_ne!(plan(&all, [5, 6], NOON.plus_ms(DAY_MS)).version.tag, base.tag, "the window moved");
        assert_ne!(plan(&one, [5, 6], NOON).version.tag, base.tag);
        assert_eq!(plan(&one, [5, 6], NOON).version, plan(&one, [5, 9], NOON).version, "not one of its calendars");
        let midnight = Instant::from_ms(20_000 * DAY_MS);
        assert_eq!(base.modified, Some(midnight));
        let late = midnight.ms() + 77;
        assert_eq!(plan(&all, [5, late], NOON).version.modified, Some(Instant::from_ms(late)));
    }

    #[test]
    fn everything_without_busy_times_does_not_change_by_the_day() {
        let private = PrivateAppointments::Omit;
        let all = FeedSettings { window: FeedWindow::All, private, ..FeedSettings::default() };
        assert_eq!(plan(&all, [5, 6], NOON).version, plan(&all, [5, 6], NOON.plus_ms(DAY_MS)).version);
        assert_eq!(plan(&all, [5, 6], NOON).window, None);
        let busy = FeedSettings { privacy: FeedPrivacy::BusyOnly, ..all };
        assert_ne!(plan(&busy, [5, 6], NOON).version, plan(&busy, [5, 6], NOON.plus_ms(DAY_MS)).version);
    }

    #[test]
    fn a_window_is_whole_days_of_utc() {
        let window = FeedWindow::Days { back: 1, ahead: 2 };
        let window = plan(&FeedSettings { window, ..FeedSettings::default() }, [1, 1], NOON).window.expect("a window");
        assert_eq!(window.from, Instant::from_ms(19_999 * DAY_MS));
        assert_eq!(window.to, Instant::from_ms(20_003 * DAY_MS));
    }

    #[test]
    fn a_transparent_calendar_is_not_busy_unless_it_is_chosen() {
        let shown = |kind, privacy, calendars: &[&str]| {
            let calendars = calendars.iter().map(|id| (*id).to_owned()).collect();
            let plan = plan(&FeedSettings { kind, privacy, calendars, ..FeedSettings::default() }, [1, 1], NOON);
            plan.calendars.iter().map(|(_, c)| c.id.as_str().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(FeedKind::Calendar, FeedPrivacy::Details, &[]), "a b");
        assert_eq!(shown(FeedKind::Calendar, FeedPrivacy::Details, &["b", "gone"]), "b");
        assert_eq!(shown(FeedKind::Calendar, FeedPrivacy::BusyOnly, &[]), "a");
        assert_eq!(shown(FeedKind::Calendar, FeedPrivacy::BusyOnly, &["b"]), "b");
        assert_eq!(shown(FeedKind::FreeBusy, FeedPrivacy::Details, &["a", "b"]), "a");
    }

    #[test]
    fn a_calendar_of_somebody_else_is_never_shown() {
        let (access, mut foreign) = calendar("c", 1, ScheduleTransparency::Opaque);
        foreign.owner = UserId::from_text("bob");
        let settings = FeedSettings { calendars: vec!["c".into()], ..FeedSettings::default() };
        assert!(Plan::of(grant(settings), vec![(access, foreign)], "epoch", NOON).calendars.is_empty());
    }
}
