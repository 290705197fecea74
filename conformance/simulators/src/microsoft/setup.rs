//! Setting the provider up, and what its administrators and the passing of time do to it.

use super::{
    Access, Delivery, Microsoft, PERSONAL_TENANT, Refused, Settings, Tokens,
    faults::Faults,
    oauth::Client,
    world::{Account, World},
};

/// Setting up.
impl Microsoft {
    /// How the provider is set.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.world.settings
    }

    /// What goes wrong, and when.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    /// From now on the provider's clock is so much further ahead of the caller's; backwards if negative.
    pub fn advance(&mut self, by_ms: i64) {
        self.ahead_ms = self.ahead_ms.saturating_add(by_ms);
    }

    /// A work account, whose tenant is its domain's, with its default calendar. The zone is the mailbox's.
    pub fn add_account(&mut self, email: &str, time_zone: &str) {
        let domain = email.rsplit('@').next().unwrap_or_default();
        let tenant = self.world.guid(&format!("tenant {domain}"));
        self.new_account(email, time_zone, tenant);
    }

    /// A personal account.
    pub fn add_personal_account(&mut self, email: &str, time_zone: &str) {
        self.new_account(email, time_zone, PERSONAL_TENANT.to_owned());
    }

    fn new_account(&mut self, email: &str, time_zone: &str, tenant: String) {
        let id = World::default_id(email);
        let name = email.split('@').next().unwrap_or_default().to_owned();
        let account = Account {
            guid: self.world.guid(&format!("account {email}")),
            name,
            tenant,
            zone: time_zone.to_owned(),
            default_calendar: id.clone(),
            calendars: Vec::new(),
            mailbox: true,
        };
        self.world.accounts.entry(email.to_owned()).or_insert(account);
        if !self.world.calendars.contains_key(&id) {
            self.world.new_calendar(email, &id, "Calendar");
        }
    }

    /// A calendar in an account's list. A calendar that exists already is shared with the account, with that access.
    pub fn add_calendar(&mut self, account: &str, id: &str, name: &str, access: Access) {
        match self.world.calendars.get(id) {
            None if access == Access::Own => self.world.new_calendar(account, id, name),
            None => {
                // Nobody's here: holidays, birthdays, somebody's in another tenant.
                let owner = format!("owner-of-{}@elsewhere.example", self.world.calendars.len());
                self.world.new_calendar(&owner, id, name);
                self.world.list_calendar(account, id, access);
            }
            Some(_) => self.world.list_calendar(account, id, access),
        }
    }

    /// What an account may do with a calendar that is shared with it.
    pub fn share(&mut self, account: &str, calendar: &str, access: Access) {
        self.world.list_calendar(account, calendar, access);
    }

    /// A calendar leaves an account's list.
    pub fn unshare(&mut self, account: &str, calendar: &str) {
        if let Some(own) = self.world.accounts.get_mut(account) {
            own.calendars.retain(|(id, _)| id != calendar);
        }
    }

    /// A calendar is deleted by its owner.
    pub fn delete_calendar(&mut self, calendar: &str) {
        self.world.drop_calendar(calendar);
    }

    /// An account loses its mailbox: no licence for Exchange.
    pub fn close_mailbox(&mut self, account: &str) {
        if let Some(own) = self.world.accounts.get_mut(account) {
            own.mailbox = false;
        }
    }

    /// An application, public without a secret. `http://localhost` stands for any port and path there.
    pub fn add_client(&mut self, id: &str, secret: Option<&str>, redirects: &[&str]) {
        let redirects = redirects.iter().map(|uri| (*uri).to_owned()).collect();
        let client = Client { secret: secret.map(str::to_owned), secret_expired: false, redirects, tenant: None };
        self.world.oauth.clients.insert(id.to_owned(), client);
    }

    /// From now on an application is for accounts of one tenant, or of any.
    pub fn restrict_client(&mut self, id: &str, tenant: Option<&str>) {
        if let Some(client) = self.world.oauth.clients.get_mut(id) {
            client.tenant = tenant.map(str::to_owned);
        }
    }

    /// An application's secret runs out.
    pub fn expire_secret(&mut self, id: &str) {
        if let Some(client) = self.world.oauth.clients.get_mut(id) {
            client.secret_expired = true;
        }
    }

    /// Tokens without the browser. With `offline_access` there is a refresh token.
    pub fn grant(&mut self, now_ms: i64, account: &str, client: &str, scopes: &[&str]) -> Tokens {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.world.new_grant(now_ms, account, client, scopes)
    }

    /// From now on authorisation requests are agreed to at once, for this account or the one that `login_hint` names.
    pub fn auto_approve(&mut self, account: Option<&str>) {
        self.world.oauth.auto_approve = account.map(str::to_owned);
    }

    /// From now on these scopes are not granted, though they are asked for.
    pub fn withhold_scopes(&mut self, scopes: &[&str]) {
        self.world.oauth.withheld = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    }

    /// A person enters a device's code and agrees for an account, or declines.
    pub fn decide_device(&mut self, now_ms: i64, user_code: &str, account: Option<&str>) -> Result<(), Refused> {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        self.world.decide_device(now_ms, user_code, account).map_err(|error| Refused(error.sentence()))
    }

    /// What an account granted ends, to one application or to all: refreshing answers with this AADSTS number from now on.
    pub fn revoke(&mut self, account: &str, client: Option<&str>, aadsts: u32) {
        self.world.end_grants(account, client, aadsts);
    }

    /// An account's access tokens run out.
    pub fn expire_access_tokens(&mut self, account: &str) {
        self.world.expire_access(account);
    }

    /// Which transactions made which events is forgotten: the same one makes another event.
    pub fn forget_transactions(&mut self) {
        self.world.transactions.clear();
    }

    /// All delta tokens of a calendar are forgotten: 410.
    pub fn expire_delta_tokens(&mut self, calendar: &str) {
        if let Some(calendar) = self.world.calendars.get_mut(calendar) {
            calendar.epoch += 1;
        }
    }
}

/// Notifications.
impl Microsoft {
    /// The notifications that are due, as faults leave them: each is to be POSTed once.
    pub fn deliveries(&mut self, now_ms: i64) -> Vec<Delivery> {
        self.world.subscriptions.take(now_ms.saturating_add(self.ahead_ms), &mut self.faults)
    }

    /// The receiver did not answer with 2xx: the notification comes again, later.
    pub fn delivery_failed(&mut self, now_ms: i64, delivery: &Delivery) {
        self.world.subscriptions.again(now_ms.saturating_add(self.ahead_ms), delivery);
    }

    /// When the next notification is due, on the caller's clock.
    pub fn next_delivery_ms(&self) -> Option<i64> {
        self.world.subscriptions.next_due_ms().map(|at| at.saturating_sub(self.ahead_ms))
    }

    /// A lifecycle notification for a subscription: `reauthorizationRequired`, `subscriptionRemoved` or `missed`.
    pub fn lifecycle(&mut self, now_ms: i64, subscription: &str, event: &str) -> bool {
        self.world.lifecycle(now_ms.saturating_add(self.ahead_ms), subscription, event)
    }

    /// All subscriptions are forgotten, and nobody is told.
    pub fn drop_subscriptions(&mut self) {
        self.world.subscriptions.all.clear();
    }

    /// The ids of the subscriptions that are alive.
    pub fn subscriptions(&self, now_ms: i64) -> Vec<String> {
        let now_ms = now_ms.saturating_add(self.ahead_ms);
        let alive = self.world.subscriptions.all.values().filter(|one| one.expires_ms > now_ms);
        alive.map(|one| one.id.clone()).collect()
    }
}
