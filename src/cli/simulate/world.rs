//! One seed's world: two people with calendars linked to their accounts, a stranger in another firm, the provider, and
//! two nodes with an engine each on one store.

use std::path::Path;
use std::sync::{Arc, MutexGuard};

use kalends_simulators::google::Google;
use kalends_simulators::microsoft::Microsoft;

use super::book::Book;
use super::dice::Dice;
use super::person::{Providers, Shared};
use super::wire::Wire;
use super::{Covered, Fate, Violation};
use crate::crypto::{Chance, KeyRing};
use crate::domain::access::{Access, Caller, Credential, Right, Role};
use crate::domain::calendar::{CalendarSettings, ComponentSet};
use crate::domain::ids::{ConnectionId, LinkId, Slug, UserName};
use crate::domain::sync::{
    ConflictPolicy, ConnectionStatus, DeletePolicy, Direction, LinkPolicy, PrivatePolicy, Rule, RuleField, RuleOperator,
};
use crate::domain::sync::{Provider as Which, RemoteCalendarId};
use crate::domain::time::{Clock, Instant, MINUTE_MS, ManualClock};
use crate::store::{Database, Gate, LinkSettings, NewConnection, NewLink, NewUser, Store, User};
use crate::sync::engine::{Engine, Secret, seal_secret};
use crate::upstream::google::Setup;
use crate::upstream::microsoft;
use crate::upstream::registry::{Settings, Upstreams};

/// 2026-11-21T08:00:00Z
const START: Instant = Instant::from_ms(1_795_248_000_000);
/// How often links run by themselves.
pub(super) const INTERVAL_MS: i64 = 15 * MINUTE_MS;
const CLIENT: &str = "client";
/// The account at Microsoft.
const OUTLOOK: &str = "ada@outlook.example";
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "UTC", "Asia/Tokyo"];

/// A calendar here.
pub(super) struct Here {
    pub(super) access: Access,
    pub(super) caller: Caller,
}

/// A link as the world knows it.
#[derive(Clone)]
pub(super) struct Linked {
    pub(super) id: LinkId,
    pub(super) connection: ConnectionId,
    /// Which of [`World::calendars`].
    pub(super) here: usize,
    /// Whose the calendar there is.
    pub(super) provider: Which,
    /// The calendar there.
    pub(super) there: String,
    pub(super) account: String,
    pub(super) settings: LinkSettings,
    /// How it was set before, each with the time until when.
    pub(super) past: Vec<(i64, LinkSettings)>,
}

/// A node: an engine behind a gate.
pub(super) struct Node {
    pub(super) engine: Engine,
    pub(super) gate: Arc<Gate>,
}

/// The world.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) dice: Dice,
    pub(super) clock: Arc<ManualClock>,
    pub(super) keys: Arc<KeyRing>,
    pub(super) store: Store,
    pub(super) provider: Shared,
    pub(super) people: Vec<User>,
    pub(super) calendars: Vec<Here>,
    pub(super) links: Vec<Linked>,
    pub(super) nodes: Vec<Node>,
    pub(super) book: Book,
    pub(super) covered: Covered,
    pub(super) told: Vec<String>,
    pub(super) loud: bool,
    /// Its provider leaves something out of its listings of changes for good.
    pub(super) deaf: bool,
}

pub(super) fn caller(user: &User) -> Caller {
    Caller {
        firm: user.firm.clone(),
        user: user.id.clone(),
        name: user.name.clone(),
        role: user.role,
        credential: Credential::Password,
        most: Right::Own,
    }
}

fn keys() -> Fate<Arc<KeyRing>> {
    Ok(Arc::new(KeyRing::parse(&"11".repeat(32)).map_err(Violation::broken)?))
}

/// A store as it is born, to be copied for every seed.
pub(super) async fn template(folder: &Path) -> Fate<std::path::PathBuf> {
    let file = folder.join("template.db");
    let clock = Arc::new(ManualClock::at(START));
    let chance = Arc::new(Chance::seeded(7));
    let store = Store::open(&Database::Sqlite(file.clone()), &*keys()?, clock, chance).await?;
    store.close().await;
    Ok(file)
}

impl World {
    /// The world of a seed, in this folder.
    pub(super) async fn new(seed: u64, template: &Path, folder: &Path) -> Fate<World> {
        let file = folder.join("kalends.db");
        std::fs::copy(template, &file)?;
        let clock = Arc::new(ManualClock::at(START));
        let keys = keys()?;
        let chance = Arc::new(Chance::seeded(seed));
        let store = Store::open(&Database::Sqlite(file), &keys, clock.clone(), chance).await?;
        let provider = Providers::new(seed);
        let mut world = World {
            seed,
            dice: Dice::new(seed),
            clock,
            keys,
            store,
            provider,
            people: Vec::new(),
            calendars: Vec::new(),
            links: Vec::new(),
            nodes: Vec::new(),
            book: Book::default(),
            covered: Covered { seeds: 1, ..Covered::default() },
            told: Vec::new(),
            loud: false,
            deaf: false,
        };
        world.nodes = vec![world.node("one"), world.node("two")];
        world.settle().await?;
        Ok(world)
    }

    /// A fresh engine, as after a start of its process.
    pub(super) fn node(&self, name: &str) -> Node {
        let gate = Arc::new(Gate::default());
        let transport = Arc::new(Wire {
            provider: Arc::clone(&self.provider),
            clock: Arc::clone(&self.clock),
            gate: Arc::clone(&gate),
        });
        let mut setup =
            Setup::new(CLIENT.to_owned(), "secret".to_owned().into(), "https://kalends.example/cb".to_owned());
        setup.api_url = "https://google.example/calendar/v3".to_owned();
        setup.token_url = "https://google.example/token".to_owned();
        setup.revoke_url = "https://google.example/revoke".to_owned();
        let mut outlook = microsoft::Setup::new(
            CLIENT.to_owned(),
            Some("secret".to_owned().into()),
            "https://kalends.example/cb".to_owned(),
        );
        outlook.graph_url = "http://graph.example/v1.0".to_owned();
        outlook.authority_url = "http://login.example".to_owned();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let registry =
            Arc::new(Upstreams::new(&Settings { google: Some(setup), microsoft: Some(outlook) }, transport, &clock));
        let store = self.store.behind(Arc::clone(&gate));
        Node { engine: Engine::new(store, Arc::clone(&self.keys), registry, name.to_owned(), None), gate }
    }

    /// The simulated Google.
    pub(super) fn google(&self) -> MutexGuard<'_, Google> {
        self.provider.google()
    }

    /// The simulated Outlook.
    pub(super) fn microsoft(&self) -> MutexGuard<'_, Microsoft> {
        self.provider.microsoft()
    }

    /// What it covered, and what happened in it if that was to be told.
    pub(super) fn end(&mut self) -> (Covered, Vec<String>) {
        let mut story = std::mem::take(&mut self.told);
        let mut covered = self.covered;
        covered.links = self.links.len() as u64;
        let (google, outlook) = (self.google(), self.microsoft());
        covered.requests = google.count_all() + outlook.seen().len() as u64;
        if self.loud {
            let theirs = outlook.seen().iter().map(|seen| (seen.at_ms, &seen.request, format!("{:?}", seen.status)));
            let all = google.seen().iter().map(|seen| (seen.at_ms, &seen.request, format!("{:?}", seen.status)));
            for (at_ms, request, status) in all.chain(theirs) {
                let (at, method, path) = (Instant::from_ms(at_ms), request.method(), request.uri());
                let guard = request.headers().get("if-match");
                let body = String::from_utf8_lossy(request.body());
                story.push(format!("{at} {method} {path} {status} {guard:?} {body}"));
            }
        }
        drop((google, outlook));
        (covered, story)
    }

    pub(super) fn clock_now(&self) -> Instant {
        self.clock.now()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().ms()
    }

    /// Tells what happens, for whoever replays a seed.
    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        if self.loud {
            let line = line();
            self.told.push(format!("{} {line}", self.clock.now()));
        }
    }

    async fn settle(&mut self) -> Fate<()> {
        self.google().add_client(CLIENT, "secret", &["https://kalends.example/cb"]);
        self.microsoft().add_client(CLIENT, Some("secret"), &["https://kalends.example/cb"]);
        let ada = self.person("default", "ada", &["calendar", "second"]).await?;
        let bob = self.person("default", "bob", &["calendar"]).await?;
        let eve = self.person("elsewhere", "eve", &["calendar"]).await?;
        let first = self.account(ada, "ada@example.com", Which::Google).await?;
        let other = self.account(ada, "ada.work@example.com", Which::Google).await?;
        let bobs = self.account(bob, "bob@example.com", Which::Google).await?;
        let eves = self.account(eve, "eve@example.com", Which::Google).await?;
        let zone = self.zone();
        self.google().add_calendar(
            "ada@example.com",
            "team@group.example",
            "Team",
            kalends_simulators::google::Role::Owner,
            &zone,
        );
        self.link(0, &first, "ada@example.com", "ada@example.com", None).await?;
        if self.dice.percent(50) {
            // The same calendar in a third place, or one of its own.
            let outlook = self.account(ada, OUTLOOK, Which::Microsoft).await?;
            let there = self.microsoft().default_calendar(OUTLOOK).unwrap_or_default();
            let here = usize::from(self.dice.percent(40));
            self.link(here, &outlook, OUTLOOK, &there, None).await?;
        }
        if self.dice.percent(60) {
            self.link(0, &other, "ada.work@example.com", "ada.work@example.com", None).await?;
        }
        if self.dice.percent(50) {
            self.link(1, &first, "ada@example.com", "team@group.example", None).await?;
        }
        if self.dice.percent(50) {
            self.link(2, &bobs, "bob@example.com", "bob@example.com", None).await?;
        }
        let plain =
            LinkSettings { direction: Direction::Both, interval_ms: INTERVAL_MS, policy: LinkPolicy::default() };
        self.link(3, &eves, "eve@example.com", "eve@example.com", Some(plain)).await?;
        Ok(())
    }

    fn zone(&mut self) -> String {
        (*self.dice.pick(&ZONES).unwrap_or(&"UTC")).to_owned()
    }

    async fn person(&mut self, firm: &str, name: &str, calendars: &[&str]) -> Fate<usize> {
        let mut tx = self.store.write().await?;
        let firm = tx.ensure_firm(firm).await?;
        let new = NewUser {
            name: UserName::parse(name).map_err(Violation::broken)?,
            role: Role::Staff,
            display_name: None,
            email: Some(format!("{name}@example.org")),
            password_hash: None,
        };
        let user = tx.add_user(&firm, &new).await?;
        let caller = caller(&user);
        for slug in calendars {
            let slug = Slug::parse(slug).map_err(Violation::broken)?;
            let found = tx.calendar_for(&caller, &user.name, &slug, Right::Own).await;
            let (access, _) = match found {
                Ok(found) => found,
                Err(_) => {
                    let settings = CalendarSettings::named(slug.as_str(), ComponentSet::EVENTS);
                    tx.create_calendar(&caller, &slug, &settings).await.map_err(Violation::broken)?
                }
            };
            self.calendars.push(Here { access, caller: caller.clone() });
        }
        tx.commit().await?;
        self.people.push(user);
        Ok(self.people.len() - 1)
    }

    async fn account(&mut self, person: usize, account: &str, provider: Which) -> Fate<ConnectionId> {
        let zone = self.zone();
        match provider {
            Which::Microsoft => self.microsoft().add_account(account, &zone),
            _ => self.google().add_account(account, &zone),
        }
        let user = self.people.get(person).cloned().ok_or_else(|| Violation::broken("nobody"))?;
        let new = NewConnection {
            provider,
            account: account.to_owned(),
            label: account.to_owned(),
            scopes: String::new(),
            token_expires: None,
        };
        let mut tx = self.store.write().await?;
        let id = tx.connect((&user.firm, &user.id), &new).await?.ok_or_else(|| Violation::broken("no connection"))?;
        tx.commit().await?;
        self.consent(&user, &id, account, provider).await?;
        Ok(id)
    }

    /// Tokens of an account: for the API, for new ones, and for how many seconds.
    pub(super) fn granted(&self, account: &str, provider: Which) -> (String, String, i64) {
        let now = self.now_ms();
        if provider == Which::Microsoft {
            let scopes = ["offline_access", "User.Read", "MailboxSettings.Read", "Calendars.ReadWrite"];
            let tokens = self.microsoft().grant(now, account, CLIENT, &scopes);
            (tokens.access_token, tokens.refresh_token, tokens.expires_in)
        } else {
            let scopes = ["calendar.events", "calendar.calendarlist.readonly"];
            let tokens = self.google().grant(now, account, CLIENT, &scopes);
            (tokens.access_token, tokens.refresh_token, tokens.expires_in)
        }
    }

    /// Somebody consents (again) to what the connection does.
    pub(super) async fn consent(&mut self, user: &User, id: &ConnectionId, account: &str, provider: Which) -> Fate<()> {
        let now = self.clock.now();
        let (access, refresh, lasts) = self.granted(account, provider);
        let secret = Secret { access, refresh: Some(refresh) };
        let mut tx = self.store.write().await?;
        let held = tx.connection(&user.firm, id).await?.ok_or_else(|| Violation::broken("no connection"))?;
        let sealed = seal_secret(&self.keys, self.store.chance(), id, &secret);
        let expires = Some(now.plus_ms(lasts * 1000));
        tx.set_connection_secret(&user.firm, id, held.secret_version, &sealed, expires).await?;
        tx.set_connection_status(&user.firm, id, ConnectionStatus::Active, None).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn link(
        &mut self,
        here: usize,
        connection: &ConnectionId,
        account: &str,
        there: &str,
        settings: Option<LinkSettings>,
    ) -> Fate<()> {
        let settings = match settings {
            Some(settings) => settings,
            None => self.settings(),
        };
        let calendar = self.calendars.get(here).ok_or_else(|| Violation::broken("no calendar"))?;
        let (firm, user) = (calendar.caller.firm.clone(), calendar.caller.user.clone());
        let new = NewLink {
            connection: connection.clone(),
            calendar: calendar.access.calendar().clone(),
            remote: RemoteCalendarId(there.to_owned()),
            remote_name: there.to_owned(),
            zone: "UTC".to_owned(),
            settings: settings.clone(),
        };
        let mut tx = self.store.write().await?;
        let id = tx.add_link((&firm, &user), &new).await?.ok_or_else(|| Violation::broken("no link"))?;
        tx.commit().await?;
        let told = format!("link {there}: {settings:?}");
        self.tell(|| told);
        self.links.push(Linked {
            id,
            connection: connection.clone(),
            here,
            provider: if self.provider.is_outlook(there) { Which::Microsoft } else { Which::Google },
            there: there.to_owned(),
            account: account.to_owned(),
            settings,
            past: Vec::new(),
        });
        Ok(())
    }

    /// What somebody might set about a link.
    pub(super) fn settings(&mut self) -> LinkSettings {
        let direction = match self.dice.below(10) {
            0 => Direction::Push,
            1 => Direction::Pull,
            _ => Direction::Both,
        };
        let mut policy = LinkPolicy {
            private: match self.dice.below(3) {
                0 => PrivatePolicy::Exclude,
                1 => PrivatePolicy::Mask,
                _ => PrivatePolicy::Include,
            },
            conflict: match self.dice.below(6) {
                0 => ConflictPolicy::KeepPlatform,
                1 => ConflictPolicy::KeepExternal,
                2 => ConflictPolicy::MostRecent,
                _ => ConflictPolicy::Manual,
            },
            delete: match self.dice.below(5) {
                0 => Some(DeletePolicy::Cancel),
                1 => Some(DeletePolicy::MarkExternalRemoved),
                2 => None,
                _ => Some(DeletePolicy::Delete),
            },
            ..LinkPolicy::default()
        };
        if self.dice.percent(20) {
            policy.filters.rules.push(Rule {
                field: RuleField::Category,
                operator: RuleOperator::NotEquals,
                value: "hidden".to_owned(),
            });
        }
        if self.dice.percent(10) {
            policy.omit_notes = true;
        }
        if self.dice.percent(10) {
            policy.field_mapping.insert("title".to_owned(), "Appointment: {title}".to_owned());
        }
        LinkSettings { direction, interval_ms: INTERVAL_MS, policy }
    }
}
