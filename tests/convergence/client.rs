//! A calendar program with a copy of the calendar, edits that wait, and the habits of its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::dice::Dice;
use crate::ledger::{Ledger, Outcome, markers};
use crate::node::{Faults, Node, Reply};
use crate::wire;

/// How a program learns what changed, and what it does when a write is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Polls ctag and token, syncs without a level, takes the server's copy after 412.
    Apple,
    /// Syncs, reads again after each PUT, overwrites after 412.
    Thunderbird,
    /// Syncs in pages and keeps the token of each; drops its edit after 412, puts anew what is gone.
    Davx5,
    /// Asks for a window of time and compares tags.
    Davx5Window,
    /// Lists tags and compares.
    Vdirsyncer,
}

pub const PROFILES: [Profile; 5] =
    [Profile::Apple, Profile::Thunderbird, Profile::Davx5, Profile::Davx5Window, Profile::Vdirsyncer];

#[derive(Clone, Debug)]
struct Copy {
    tag: String,
    text: String,
}

/// What the user did that the server does not know yet.
#[derive(Clone, Debug)]
struct Edit {
    /// The state it is made on; `None` for a new object.
    base: Option<Copy>,
    /// `None` for a deletion.
    text: Option<String>,
}

pub struct Client {
    profile: Profile,
    name: String,
    path: String,
    ledger: Arc<Ledger>,
    made: usize,
    copies: BTreeMap<String, Copy>,
    edits: BTreeMap<String, Edit>,
    token: String,
    ctag: String,
    /// During a first sync: what was listed so far.
    listed: Option<BTreeSet<String>>,
}

impl Client {
    pub fn new(profile: Profile, name: String, path: String, ledger: Arc<Ledger>) -> Client {
        Client {
            profile,
            name,
            path,
            ledger,
            made: 0,
            copies: BTreeMap::new(),
            edits: BTreeMap::new(),
            token: String::new(),
            ctag: String::new(),
            listed: Some(BTreeSet::new()),
        }
    }

    pub fn name(&self) -> String {
        format!("{:?} {}", self.profile, self.name)
    }

    pub fn replica(&self) -> BTreeMap<String, String> {
        self.copies.iter().map(|(href, copy)| (href.clone(), copy.text.clone())).collect()
    }

    /// The user does something, or the program syncs.
    pub async fn step(&mut self, node: &Node, dice: &mut Dice) {
        for _ in 0..dice.below(3) {
            self.work(dice);
        }
        if dice.one_in(20) && !self.token.is_empty() {
            // The token is of another life of the store.
            self.token = self.token.replace("kalends-", "kalends-0");
        }
        if dice.below(3) > 0 {
            self.sync(node, dice, Faults::SOME).await;
        }
    }

    fn marker(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    fn work(&mut self, dice: &mut Dice) {
        let known: Vec<String> = self.copies.keys().cloned().collect();
        let marker = self.marker();
        if known.is_empty() || dice.one_in(3) {
            let text = wire::event(&marker, &marker, &marker);
            self.edits.insert(format!("{}{marker}.ics", self.path), Edit { base: None, text: Some(text) });
            return;
        }
        let href = known[dice.below(known.len())].clone();
        let copy = self.copies[&href].clone();
        let edit = self.edits.entry(href).or_insert(Edit { base: Some(copy.clone()), text: Some(copy.text) });
        let Some(text) = &edit.text else { return };
        edit.text = if dice.one_in(4) { None } else { Some(with_state(text, &marker)) };
    }

    /// Sends what waits and reads what is new; whether anything was sent.
    pub async fn sync(&mut self, node: &Node, dice: &mut Dice, faults: Faults) -> bool {
        let waiting: Vec<(String, Edit)> = self.edits.iter().map(|(href, edit)| (href.clone(), edit.clone())).collect();
        let sent = !waiting.is_empty();
        for (href, edit) in waiting {
            self.push(node, dice, faults, &href, edit).await;
        }
        // What breaks off here goes on with the next sync.
        let _ = match self.profile {
            Profile::Apple => self.poll(node, dice, faults).await,
            Profile::Thunderbird => self.changes(node, dice, faults, None, 100).await,
            Profile::Davx5 => {
                let limit = dice.between(1, 4);
                self.changes(node, dice, faults, Some(limit), 10).await
            }
            Profile::Davx5Window | Profile::Vdirsyncer => self.compare(node, dice, faults).await,
        };
        sent
    }

    async fn push(&mut self, node: &Node, dice: &mut Dice, faults: Faults, href: &str, edit: Edit) {
        let (born, state) = match (&edit.text, &edit.base) {
            (Some(text), _) => {
                let (born, state) = markers(text);
                (born, Some(state))
            }
            (None, Some(base)) => (markers(&base.text).0, None),
            (None, None) => {
                self.edits.remove(href);
                return;
            }
        };
        let base = edit.base.as_ref().map(|base| markers(&base.text).1);
        let condition = match &edit.base {
            Some(base) => ("if-match", base.tag.as_str()),
            None => ("if-none-match", "*"),
        };
        let method = if edit.text.is_some() { "PUT" } else { "DELETE" };
        let headers = [condition, ("content-type", "text/calendar; charset=utf-8")];
        let reply = node.ask(dice, faults, method, href, &headers, edit.text.clone().unwrap_or_default()).await;
        let note = |outcome| self.ledger.note(&self.name, &born, base.as_deref(), state.as_deref(), outcome);
        match reply.as_ref().map(|reply| reply.status) {
            None => note(Outcome::Unknown),
            Some(201 | 204) => {
                note(Outcome::Done);
                self.edits.remove(href);
                match edit.text {
                    Some(text) => {
                        let tag = reply.and_then(|reply| reply.etag).expect("what is stored is what was sent");
                        self.copies.insert(href.to_owned(), Copy { tag, text });
                    }
                    None => drop(self.copies.remove(href)),
                }
                if self.profile == Profile::Thunderbird {
                    let _ = self.fetch(node, dice, faults, vec![href.to_owned()], 100).await;
                }
            }
            Some(404 | 412) => self.refused(node, dice, faults, href, edit).await,
            Some(_) => panic!("{method} {href}: {reply:?}"),
        }
    }

    /// Somebody was faster, or an earlier try arrived after all.
    async fn refused(&mut self, node: &Node, dice: &mut Dice, faults: Faults, href: &str, edit: Edit) {
        let Some(there) = node.ask(dice, faults, "GET", href, &[], String::new()).await else { return };
        self.edits.remove(href);
        match there.status {
            200 => {
                let copy = Copy { tag: there.etag.expect("a tag"), text: there.body };
                let overwrites = self.profile == Profile::Thunderbird;
                if let Some(text) = edit.text.filter(|text| overwrites && *text != copy.text) {
                    let text = with_state(&text, &self.marker());
                    self.edits.insert(href.to_owned(), Edit { base: Some(copy.clone()), text: Some(text) });
                }
                self.copies.insert(href.to_owned(), copy);
            }
            404 => {
                self.copies.remove(href);
                let anew = matches!(self.profile, Profile::Davx5 | Profile::Davx5Window);
                if let Some(text) = edit.text.filter(|_| anew) {
                    let text = with_state(&text, &self.marker());
                    self.edits.insert(href.to_owned(), Edit { base: None, text: Some(text) });
                }
            }
            _ => panic!("{there:?}"),
        }
    }

    async fn poll(&mut self, node: &Node, dice: &mut Dice, faults: Faults) -> Option<()> {
        let reply = node.ask(dice, faults, "PROPFIND", &self.path, &[("depth", "0")], wire::POLL.to_owned()).await?;
        assert_eq!(reply.status, 207, "{}", reply.body);
        let ctag = reply.body.split("getctag>").nth(1).expect("a ctag").to_owned();
        if ctag != self.ctag || !self.token.contains("kalends-") || self.listed.is_some() {
            self.changes(node, dice, faults, None, 50).await?;
            // Read before the changes: what came in between makes the next poll differ.
            self.ctag = ctag;
        }
        Some(())
    }

    /// sync-collection to its end.
    async fn changes(
        &mut self,
        node: &Node,
        dice: &mut Dice,
        faults: Faults,
        limit: Option<usize>,
        at_once: usize,
    ) -> Option<()> {
        loop {
            let body = wire::sync(&self.token, self.profile != Profile::Apple, limit);
            let reply = node.ask(dice, faults, "REPORT", &self.path, &[("depth", "1")], body).await?;
            if reply.status == 403 && reply.body.contains("valid-sync-token") {
                assert!(!self.token.is_empty(), "the empty token is always taken");
                self.token.clear();
                self.listed = Some(BTreeSet::new());
                continue;
            }
            let said = wire::responses(&reply);
            assert!(limit.is_some() || !said.truncated, "only who sets a limit is cut off");
            assert!(limit.is_none_or(|limit| said.found.len() + said.gone.len() <= limit), "{}", reply.body);
            assert!(!self.token.is_empty() || said.gone.is_empty(), "a first sync lists what is there: {}", reply.body);
            let changed =
                said.found.iter().filter(|(href, tag, _)| self.copies.get(href).is_none_or(|c| c.tag != *tag));
            let changed = changed.map(|(href, ..)| href.clone()).collect();
            self.fetch(node, dice, faults, changed, at_once).await?;
            for href in &said.gone {
                self.copies.remove(href);
            }
            if let Some(listed) = &mut self.listed {
                listed.extend(said.found.iter().map(|(href, ..)| href.clone()));
            }
            let token = said.token.expect("a token");
            assert!(!said.truncated || token != self.token, "a page goes on");
            self.token = token;
            if !said.truncated {
                if let Some(listed) = self.listed.take() {
                    self.copies.retain(|href, _| listed.contains(href));
                }
                return Some(());
            }
        }
    }

    /// Everything's tags, compared.
    async fn compare(&mut self, node: &Node, dice: &mut Dice, faults: Faults) -> Option<()> {
        let (method, body) = match self.profile {
            Profile::Vdirsyncer => ("PROPFIND", wire::TAGS.to_owned()),
            _ => ("REPORT", wire::query()),
        };
        let said = wire::responses(&node.ask(dice, faults, method, &self.path, &[("depth", "1")], body).await?);
        let there: BTreeMap<&String, &String> =
            said.found.iter().filter(|(href, ..)| *href != self.path).map(|(href, tag, _)| (href, tag)).collect();
        self.copies.retain(|href, _| there.contains_key(href));
        let changed = there.iter().filter(|(href, tag)| self.copies.get(**href).is_none_or(|copy| copy.tag != ***tag));
        let changed = changed.map(|(href, _)| (*href).clone()).collect();
        self.fetch(node, dice, faults, changed, if self.profile == Profile::Vdirsyncer { 30 } else { 10 }).await
    }

    async fn fetch(
        &mut self,
        node: &Node,
        dice: &mut Dice,
        faults: Faults,
        hrefs: Vec<String>,
        at_once: usize,
    ) -> Option<()> {
        for some in hrefs.chunks(at_once) {
            let reply: Reply =
                node.ask(dice, faults, "REPORT", &self.path, &[("depth", "1")], wire::multiget(some)).await?;
            let said = wire::responses(&reply);
            assert_eq!(said.found.len() + said.gone.len(), some.len(), "each href has its answer: {}", reply.body);
            for (href, tag, text) in said.found {
                // XML readers turn CRLF into LF; programs put it back.
                let text = text.expect("its text").replace("\r\n", "\n").replace('\n', "\r\n");
                self.copies.insert(href, Copy { tag, text });
            }
            for href in said.gone {
                self.copies.remove(&href);
            }
        }
        Some(())
    }
}

/// The same object in another state.
fn with_state(text: &str, state: &str) -> String {
    let line = |line: &str| match line.strip_prefix("SUMMARY:") {
        Some(_) => format!("SUMMARY:{state}\r\n"),
        None => format!("{line}\r\n"),
    };
    text.lines().map(line).collect()
}
