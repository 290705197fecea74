//! `kalends export`

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::calendars::calendar_at;
use super::{Done, Output};
use crate::app::App;
use crate::domain::access::{Access, Right};
use crate::domain::calendar::{Calendar, Seq};
use crate::domain::object::CalendarObject;
use crate::ics::Property;
use crate::ics::merge::Merger;

/// Objects read in one go.
const PAGE: u32 = 200;

#[derive(clap::Args, Debug)]
pub(super) struct ExportArgs {
    /// USER/SLUG
    calendar: String,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) async fn export(args: ExportArgs, app: &App, output: &Output) -> Done {
    let (_, access, calendar) = calendar_at(app, &args.calendar, Right::Read).await?;
    let Some(path) = &args.out else {
        write(app, &access, &calendar, &mut BufWriter::new(std::io::stdout().lock())).await?;
        return Ok(());
    };
    // Whole or not at all: an export that was cut must not pass for one.
    let part = path.with_extension("part");
    let mut file = BufWriter::new(File::create(&part)?);
    let written = write(app, &access, &calendar, &mut file).await;
    let objects = match written {
        Ok(objects) => objects,
        Err(failure) => {
            let _ = std::fs::remove_file(&part);
            return Err(failure);
        }
    };
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    std::fs::rename(&part, path)?;
    said(output, path, objects);
    Ok(())
}

fn said(output: &Output, path: &Path, objects: u64) {
    output.say(
        format_args!("wrote {objects} objects to {}", path.display()),
        &json!({ "file": path, "objects": objects }),
    );
}

async fn write(app: &App, access: &Access, calendar: &Calendar, out: &mut impl Write) -> Result<u64, super::Failure> {
    let mut tx = app.store().read().await?;
    let name = calendar.settings.display_name.as_deref().unwrap_or(calendar.slug.as_str());
    let mut head = vec![Property::text("X-WR-CALNAME", name), Property::text("NAME", name)];
    head.extend(calendar.settings.color.as_deref().map(|c| Property::text("X-APPLE-CALENDAR-COLOR", c)));
    let mut merger = Merger::default();
    out.write_all(&merger.head(&head))?;
    let (mut after, mut objects) = (Seq(0), 0);
    loop {
        let page = tx.bodies(access, after, calendar.seq, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.head.seq;
        for stored in page {
            let object = CalendarObject::from_stored(stored.bytes)?;
            out.write_all(&merger.add(object.document()))?;
            objects += 1;
        }
    }
    out.write_all(&merger.tail())?;
    out.flush()?;
    Ok(objects)
}
