//! Recurrence and zones line by line, for judges that are no Rust: `conformance/recurrence.py` asks, this answers.
//!
//! One JSON object a line in, one out. An object: `{"ics": …, "reader": "Europe/Berlin", "from": s, "to": s}` answers
//! `{"instances": [[start, end], …], "truncated": false}`, whole days as `["2026-01-05", "2026-01-06"]`, else seconds since
//! the epoch. A zone to be written: `{"vtimezone": "Europe/Berlin", "from_year": 2020}` answers `{"text": …}`. A zone to be
//! read: `{"definition": "BEGIN:VTIMEZONE…", "from": s, "to": s}` answers `{"hours": [[s, offset], …]}`, one entry for each
//! whole hour at which the offset is another than an hour before.

use std::io::{self, BufRead, BufWriter, Write};

use bytes::Bytes;
use jiff::Timestamp;
use kalends::domain::object::CalendarObject;
use kalends::domain::recurrence::{Window, expand};
use kalends::domain::time::Instant;
use kalends::ics::Document;
use kalends::ics::zone::{Definition, Zone, vtimezone};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(untagged)]
enum Question {
    Object { ics: String, reader: String, from: i64, to: i64 },
    Write { vtimezone: String, from_year: i16 },
    Read { definition: String, from: i64, to: i64 },
}

fn main() -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(question) => answer(question).unwrap_or_else(|why| json!({ "error": why })),
            Err(error) => json!({ "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()
}

fn answer(question: Question) -> Result<Value, String> {
    match question {
        Question::Object { ics, reader, from, to } => {
            let object = CalendarObject::parse(Bytes::from(ics)).map_err(|error| error.to_string())?;
            let reader = Zone::named(&reader).ok_or("no such zone")?;
            let window = Window { from: Instant::from_ms(from * 1000), to: Instant::from_ms(to * 1000) };
            let expansion = expand(&object, window, &reader);
            let instances: Vec<Value> = expansion
                .instances
                .iter()
                .map(|instance| match instance.dates() {
                    Some((first, after)) => json!([first.to_string(), after.to_string()]),
                    None => json!([instance.starts.at.ms() / 1000, instance.ends.at.ms() / 1000]),
                })
                .collect();
            Ok(json!({ "instances": instances, "truncated": expansion.truncated }))
        }
        Question::Write { vtimezone: name, from_year } => {
            Ok(json!({ "text": vtimezone(&name, from_year, None).ok_or("no such zone")? }))
        }
        Question::Read { definition, from, to } => {
            let document = Document::parse(&Bytes::from(definition)).map_err(|error| error.to_string())?;
            let zone = document.components().next().and_then(Definition::of).ok_or("not a zone")?;
            let offset = |at: i64| Timestamp::from_second(at).map(|at| zone.offset(at).seconds()).unwrap_or_default();
            let mut hours: Vec<(i64, i32)> = Vec::new();
            for at in (from..to).step_by(3600) {
                let here = offset(at);
                if hours.last().is_none_or(|(_, last)| *last != here) {
                    hours.push((at, here));
                }
            }
            Ok(json!({ "hours": hours }))
        }
    }
}
