//! `kalends import`: files of any size in constant memory, each object on its own. What is wrong with one costs only
//! itself and is reported with its line.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::calendars::{calendar_at, cause};
use super::{Done, Failure, Output};
use crate::app::App;
use crate::domain::access::{Access, Right};
use crate::domain::change::{Cause, Guard};
use crate::domain::ids::ResourceName;
use crate::domain::object::CalendarObject;
use crate::ics::import::{Import, Imported};
use crate::store::{PutError, PutOutcome, WriteTx};

/// Objects written in one transaction: large enough that commits do not count, small enough that a running server
/// gets its turn in between.
const BATCH: usize = 200;
/// After how many objects the database is to look how many there are; see [`crate::store::Store::take_measure`].
const MEASURED_AFTER: u64 = 1_000;
/// How often progress is told, in objects.
const PROGRESS_EVERY: u64 = 1_000;

#[derive(clap::Args, Debug)]
pub(super) struct ImportArgs {
    /// USER/SLUG
    calendar: String,
    /// An ICS file, a folder of them, or - for standard input
    source: PathBuf,
    /// Say what would happen and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// What became of the objects so far.
#[derive(Default)]
struct Tally {
    created: u64,
    replaced: u64,
    unchanged: u64,
    refused: u64,
    repaired: u64,
}

/// What is being imported into.
struct Importer<'a> {
    app: &'a App,
    output: &'a Output,
    access: Access,
    cause: Cause,
    /// In a dry run: the UIDs that would be in by now, since nothing is.
    dry_run: Option<HashSet<String>>,
    tally: Tally,
    is_measured: bool,
}

pub(super) async fn import(args: ImportArgs, app: &App, output: &Output) -> Done {
    let (caller, access, _) = calendar_at(app, &args.calendar, Right::Write).await?;
    let dry_run = args.dry_run.then(HashSet::new);
    let mut importer =
        Importer { app, output, access, cause: cause(&caller), dry_run, tally: Tally::default(), is_measured: false };
    if args.source.as_os_str() == "-" {
        // The file is read twice, which standard input cannot be.
        let mut spool = tempfile::tempfile()?;
        std::io::copy(&mut std::io::stdin().lock(), &mut spool)?;
        spool.rewind()?;
        importer.file("-", spool).await?;
    } else if args.source.is_dir() {
        for path in files_in(&args.source)? {
            importer.path(&path).await?;
        }
    } else {
        importer.path(&args.source).await?;
    }
    importer.finish()
}

/// The ICS files of a folder by name.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("ics")) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Failure::new(format!("there is no .ics file in {}", folder.display())));
    }
    files.sort();
    Ok(files)
}

impl Importer<'_> {
    async fn path(&mut self, path: &Path) -> Done {
        let file = File::open(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
        self.file(&path.display().to_string(), file).await
    }

    async fn file(&mut self, name: &str, mut file: File) -> Done {
        let import = Import::scan(BufReader::new(&file))?;
        for fault in &import.faults().first {
            self.refused(name, &fault.to_string());
        }
        let unlisted = import.faults().total.saturating_sub(import.faults().first.len());
        self.tally.refused += unlisted as u64;
        for repair in &import.repairs().first {
            self.noted(name, "repaired", &repair.to_string());
        }
        self.tally.repaired += import.repairs().total as u64;
        let total = import.objects_count();
        if total == 0 && import.faults().total == 0 {
            self.refused(name, "there is no appointment, task or journal entry in this file");
        }
        file.rewind()?;
        let mut done = 0_u64;
        let mut batch = Vec::with_capacity(BATCH);
        for object in import.objects(&file) {
            match object? {
                Ok(imported) => batch.push(imported),
                Err(fault) => self.refused(name, &fault.to_string()),
            }
            done += 1;
            if batch.len() >= BATCH {
                self.write(name, &mut batch).await?;
            }
            if done.is_multiple_of(PROGRESS_EVERY) {
                self.output.progress(format_args!("{name}: {done} of {total}"));
            }
        }
        self.write(name, &mut batch).await
    }

    /// Writes a batch in one transaction.
    async fn write(&mut self, name: &str, batch: &mut Vec<Imported>) -> Done {
        if batch.is_empty() {
            return Ok(());
        }
        let mut tx = self.app.store().write().await?;
        for imported in batch.drain(..) {
            let line = imported.line;
            let object = match CalendarObject::parse(imported.bytes) {
                Ok(object) => object,
                Err(fault) => {
                    self.refused(name, &format!("the object at line {line}: {fault}"));
                    continue;
                }
            };
            match self.put(&mut tx, &object).await {
                Ok(outcome) if outcome.created && self.is_new(object.uid()) => self.tally.created += 1,
                Ok(outcome) if outcome.changed => self.tally.replaced += 1,
                Ok(_) => self.tally.unchanged += 1,
                Err(PutError::Store(error)) => return Err(error.into()),
                Err(refusal) => self.refused(name, &format!("the object at line {line}: {refusal}")),
            }
        }
        if self.dry_run.is_none() {
            tx.commit().await?;
            let written = self.tally.created + self.tally.replaced + self.tally.unchanged;
            if !self.is_measured && written >= MEASURED_AFTER {
                self.is_measured = true;
                self.app.store().take_measure().await?;
            }
        }
        Ok(())
    }

    /// Puts an object under the name its UID has in the calendar already, or under a new one.
    async fn put(&self, tx: &mut WriteTx, object: &CalendarObject) -> Result<PutOutcome, PutError> {
        let wanted = ResourceName::for_uid(object.uid());
        let (access, cause) = (&self.access, &self.cause);
        match tx.put_object(access, &wanted, object, &Guard::NONE, cause).await {
            Err(PutError::UidConflict { name }) if name != wanted => {
                tx.put_object(access, &name, object, &Guard::NONE, cause).await
            }
            Err(PutError::UidConflict { .. }) => {
                // The name belongs to another UID that looks alike.
                let other = ResourceName::hashed(object.uid());
                tx.put_object(access, &other, object, &Guard::NONE, cause).await
            }
            other => other,
        }
    }

    /// Whether a UID that the calendar does not have has not come before in this import.
    fn is_new(&mut self, uid: &str) -> bool {
        self.dry_run.as_mut().is_none_or(|seen| seen.insert(uid.to_owned()))
    }

    fn refused(&mut self, file: &str, why: &str) {
        self.tally.refused += 1;
        self.noted(file, "refused", why);
    }

    /// Tells of one component, on stderr for people and on stdout in JSON.
    fn noted(&self, file: &str, what: &str, why: &str) {
        if self.output.is_json() {
            self.output.say("", &json!({ "file": file, "outcome": what, "why": why }));
        } else {
            let _ = writeln!(std::io::stderr().lock(), "{what}: {file}: {why}");
        }
    }

    fn finish(self) -> Done {
        let Tally { created, replaced, unchanged, refused, repaired } = self.tally;
        let would = if self.dry_run.is_some() { "would be " } else { "" };
        self.output.say(
            format_args!(
                "{would}imported: {created} new, {replaced} replaced, {unchanged} unchanged; {repaired} lines put \
                 right, {refused} refused"
            ),
            &json!({ "created": created, "replaced": replaced, "unchanged": unchanged, "repaired": repaired,
                "refused": refused, "dry_run": self.dry_run.is_some() }),
        );
        match refused {
            0 => Ok(()),
            1 => Err(Failure::new("one component was refused; the others are in")),
            n => Err(Failure::new(format!("{n} components were refused; the others are in"))),
        }
    }
}
