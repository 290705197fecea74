//! A program that writes through the JSON API beside the calendar programs.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::dice::Dice;
use crate::ledger::{Ledger, Outcome};
use crate::node::{Faults, Node, Reply};

/// An appointment as it was last read.
struct Known {
    id: String,
    tag: String,
    born: String,
    state: String,
}

pub struct Writer {
    name: String,
    calendar: String,
    ledger: Arc<Ledger>,
    made: usize,
    known: Vec<Known>,
    /// Creations without an answer, which are asked for again under their key.
    waiting: Vec<String>,
}

impl Writer {
    pub fn new(name: String, calendar: String, ledger: Arc<Ledger>) -> Writer {
        Writer { name, calendar, ledger, made: 0, known: Vec::new(), waiting: Vec::new() }
    }

    pub async fn step(&mut self, node: &Node, dice: &mut Dice) {
        if let Some(waiting) = self.waiting.pop() {
            return self.create(node, dice, Faults::SOME, waiting).await;
        }
        match dice.below(6) {
            0 | 1 => {
                let marker = self.marker();
                self.create(node, dice, Faults::SOME, marker).await;
            }
            2 => self.read(node, dice).await,
            3 => self.delete(node, dice).await,
            _ => self.change(node, dice).await,
        }
    }

    /// Asks again for what nobody answered.
    pub async fn settle(&mut self, node: &Node, dice: &mut Dice) {
        while let Some(waiting) = self.waiting.pop() {
            self.create(node, dice, Faults::NONE, waiting).await;
        }
    }

    fn marker(&mut self) -> String {
        self.made += 1;
        format!("{}-{}", self.name, self.made)
    }

    async fn create(&mut self, node: &Node, dice: &mut Dice, faults: Faults, marker: String) {
        let body = json!({
            "title": marker, "notes": marker, "calendar": self.calendar,
            "start": "2026-06-02T10:00:00Z", "end": "2026-06-02T11:00:00Z",
        });
        let headers = [("content-type", "application/json"), ("idempotency-key", marker.as_str())];
        let reply = node.ask(dice, faults, "POST", "/api/appointments", &headers, body.to_string()).await;
        // 503: the first try under this key is still being worked on.
        match reply.as_ref().map(|reply| reply.status) {
            Some(201) => self.ledger.note(&self.name, &marker, None, Some(&marker), Outcome::Done),
            None | Some(503) => {
                self.ledger.note(&self.name, &marker, None, Some(&marker), Outcome::Unknown);
                self.waiting.push(marker);
            }
            Some(_) => panic!("{reply:?}"),
        }
    }

    async fn read(&mut self, node: &Node, dice: &mut Dice) {
        let path = format!("/api/appointments?calendar={}&limit=500", self.calendar);
        let Some(reply) = node.ask(dice, Faults::SOME, "GET", &path, &[], String::new()).await else { return };
        let page = json_of(&reply, 200);
        let items = page["items"].as_array().expect("items");
        let text = |item: &Value, name: &str| item[name].as_str().expect("text").to_owned();
        self.known = items
            .iter()
            .map(|item| Known {
                id: text(item, "id"),
                tag: text(item, "etag"),
                born: text(item, "notes"),
                state: text(item, "title"),
            })
            .collect();
        let mut born: Vec<&str> = self.known.iter().map(|known| known.born.as_str()).collect();
        born.sort_unstable();
        assert!(born.windows(2).all(|pair| pair[0] != pair[1]), "doubled: {born:?}");
    }

    async fn change(&mut self, node: &Node, dice: &mut Dice) {
        if self.known.is_empty() {
            return self.read(node, dice).await;
        }
        let state = self.marker();
        let index = dice.below(self.known.len());
        let known = self.known.swap_remove(index);
        let path = format!("/api/appointments/{}", known.id);
        let headers = [("content-type", "application/json"), ("if-match", known.tag.as_str())];
        let body = json!({ "title": state }).to_string();
        let reply = node.ask(dice, Faults::SOME, "PATCH", &path, &headers, body).await;
        self.settled(&known, Some(&state), reply.as_ref(), 200);
        if let Some(reply) = reply.filter(|reply| reply.status == 200) {
            let tag = json_of(&reply, 200)["etag"].as_str().expect("a tag").to_owned();
            self.known.push(Known { tag, state, ..known });
        }
    }

    async fn delete(&mut self, node: &Node, dice: &mut Dice) {
        if self.known.is_empty() {
            return self.read(node, dice).await;
        }
        let index = dice.below(self.known.len());
        let known = self.known.swap_remove(index);
        let path = format!("/api/appointments/{}", known.id);
        let headers = [("if-match", known.tag.as_str())];
        let reply = node.ask(dice, Faults::SOME, "DELETE", &path, &headers, String::new()).await;
        self.settled(&known, None, reply.as_ref(), 204);
    }

    fn settled(&self, known: &Known, state: Option<&str>, reply: Option<&Reply>, done: u16) {
        let outcome = match reply.map(|reply| reply.status) {
            None => Outcome::Unknown,
            Some(status) if status == done => Outcome::Done,
            Some(404 | 412) => return,
            Some(_) => panic!("{reply:?}"),
        };
        self.ledger.note(&self.name, &known.born, Some(&known.state), state, outcome);
    }
}

fn json_of(reply: &Reply, status: u16) -> Value {
    assert_eq!(reply.status, status, "{}", reply.body);
    serde_json::from_str(&reply.body).expect("JSON")
}
