//! `kalends simulate`: worlds in which everything happens to the sync engine that can happen, one for every seed, and what
//! has to hold in each of them once it is quiet.
//!
//! A world has two people with calendars linked to accounts at a simulated Google and a simulated Outlook, a stranger in
//! another firm, and two nodes on one store. People edit on both sides, also while a link is worked on; the provider fails in every way it
//! knows; time jumps; leases lapse; processes die between any two steps. Then the faults stop, and the engine has to
//! bring both sides together. Everything hangs on the seed: the same seed lives the same life. It must never use the
//! clock, chance or network of the machine.
//!
//! | file | what it holds |
//! | --- | --- |
//! | `dice` | chance |
//! | `wire` | the way to the providers, past the node's gate |
//! | `person`, `outlook` | the providers' own pages; Outlook in the words of Google |
//! | `world` | people, calendars, accounts, links, nodes |
//! | `here`, `there` | what people do on each side |
//! | `owner` | what the owners of links do about them |
//! | `book` | what they did |
//! | `steps` | how a world goes on, and comes to rest |
//! | `check`, `kept` | what has to hold then |

mod book;
mod check;
mod dice;
mod here;
mod kept;
mod outlook;
mod owner;
mod person;
mod steps;
mod there;
mod wire;
mod world;

use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::json;

use super::{Done, Failure, Output};

/// Seeds without being told how many: a minute's work.
const SEEDS: u64 = 500;
/// Where there is one, a folder in memory: worlds are small and live for a tenth of a second.
const MEMORY: &str = "/dev/shm";
/// Progress is told every so many seeds.
const TELL_EVERY: u64 = 500;
/// So many violations are shown: beyond them it is one fault that breaks every world.
const SHOWN_MAX: usize = 50;

#[derive(clap::Args, Debug)]
pub(super) struct SimulateArgs {
    /// How many seeds
    #[arg(long, value_name = "N", default_value_t = SEEDS)]
    seeds: u64,
    /// The first seed; alone, only this one, with its whole story
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Begin with this seed
    #[arg(long, value_name = "S", conflicts_with = "seed", default_value_t = 0)]
    from: u64,
    /// Worlds at once [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

/// What broke in a world, and how.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The world's seed.
    pub seed: u64,
    /// What has to hold and does not.
    pub invariant: &'static str,
    /// How it does not.
    pub what: String,
    /// What happened before, if it was asked for.
    pub story: Vec<String>,
}

impl Violation {
    fn of(invariant: &'static str, what: impl Into<String>) -> Violation {
        Violation { seed: 0, invariant, what: what.into(), story: Vec::new() }
    }

    fn broken(error: impl fmt::Display) -> Violation {
        Violation::of("the world itself", error.to_string())
    }
}

impl<E: std::error::Error> From<E> for Violation {
    fn from(error: E) -> Violation {
        Violation::broken(error)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}: {}", self.seed, self.invariant, self.what)
    }
}

/// What comes of a part of a simulation.
type Fate<T> = Result<T, Violation>;

macro_rules! covered {
    ($($(#[$doc:meta])* $name:ident,)+) => {
        /// What seeds covered.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Covered {
            $($(#[$doc])* pub $name: u64,)+
        }

        impl Covered {
            fn add(&mut self, other: &Covered) {
                $(self.$name += other.$name;)+
            }

            fn json(&self) -> serde_json::Value {
                json!({ $(stringify!($name): self.$name,)+ })
            }
        }
    };
}

covered! {
    /// Worlds.
    seeds,
    /// Links.
    links,
    /// Events that people made.
    events,
    /// What people did to them.
    edits,
    /// Looks of an engine at a link.
    works,
    /// Processes that died.
    crashes,
    /// Nodes that were thought dead and were not.
    lapses,
    /// Works during which people edited.
    meddled,
    /// Faults of the provider that struck.
    faults,
    /// Worlds with faults that need a person.
    harsh,
    /// Requests to the provider.
    requests,
    /// Runs that the guard stopped.
    guarded,
    /// Conflicts left open.
    conflicts,
    /// Mappings left alone with a reason.
    parked,
    /// Mappings whose both sides were compared.
    compared,
    /// Runs that were undone.
    undone,
    /// Times that a link was set otherwise.
    settings,
    /// Connections that were ended, to be taken up again.
    disconnected,
    /// Notices of a provider.
    notices,
}

/// A folder for worlds with a store to begin with.
struct Ground {
    folder: tempfile::TempDir,
    template: PathBuf,
}

impl Ground {
    fn new() -> Fate<Ground> {
        let memory = Path::new(MEMORY);
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory)? } else { tempfile::tempdir()? };
        let template = runtime()?.block_on(world::template(folder.path()))?;
        Ok(Ground { folder, template })
    }

    /// One world from its beginning to its end. `loud`: a violation comes with the story.
    fn live(&self, seed: u64, loud: bool) -> Fate<Covered> {
        let folder = tempfile::tempdir_in(self.folder.path())?;
        let lived = runtime()?.block_on(async {
            let mut world = world::World::new(seed, &self.template, folder.path()).await?;
            world.loud = loud;
            let lived = match world.live().await {
                Ok(()) => world.check().await,
                failed => failed,
            };
            let (covered, story) = world.end();
            world.store.close().await;
            lived.map(|()| covered).map_err(|violation| Violation { story, ..violation })
        });
        lived.map_err(|violation| Violation { seed, ..violation })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Lives so many seeds from the first, on so many threads; what they covered, and what broke, by seed. `each` hears of
/// every seed that is over.
///
/// # Errors
/// No world could be made at all.
pub fn worlds(
    from: u64,
    count: u64,
    threads: usize,
    loud: bool,
    each: impl Fn(u64, usize) + Sync,
) -> Result<(Covered, Vec<Violation>), Violation> {
    // In a thread of its own: the caller may be inside a runtime already.
    let ground = std::thread::scope(|scope| scope.spawn(Ground::new).join());
    let ground = ground.unwrap_or_else(|_| Err(Violation::broken("no folder could be made")))?;
    let (next, broken) = (AtomicU64::new(0), AtomicBool::new(false));
    let sum = Mutex::new((Covered::default(), Vec::<Violation>::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= count || broken.load(Ordering::SeqCst) {
                        return;
                    }
                    let lived = ground.live(from.saturating_add(at), loud);
                    let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                    match lived {
                        Ok(covered) => sum.0.add(&covered),
                        Err(violation) => sum.1.push(violation),
                    }
                    broken.store(sum.1.len() >= 200, Ordering::SeqCst);
                    each(sum.0.seeds, sum.1.len());
                }
            });
        }
    });
    let (covered, mut violations) = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    violations.sort_by_key(|v| v.seed);
    Ok((covered, violations))
}

pub(super) fn simulate(args: &SimulateArgs, output: &Output) -> Done {
    let (from, count) = args.seed.map_or((args.from, args.seeds), |seed| (seed, 1));
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    #[expect(
        clippy::disallowed_methods,
        reason = "how long it took is told to whoever waits, and used for nothing else"
    )]
    let began = std::time::Instant::now();
    let often = if std::io::stderr().is_terminal() { 20 } else { TELL_EVERY };
    let tell = |done: u64, broken: usize| {
        if done.is_multiple_of(often) && count > often {
            output.progress(format!("{done} of {count} seeds, {broken} broken, {} s", began.elapsed().as_secs()));
        }
    };
    let lived = worlds(from, count, threads, args.seed.is_some(), tell);
    let (covered, violations) = lived.map_err(|v| Failure::new(v.to_string()))?;
    let seconds = began.elapsed().as_secs_f64();
    for violation in violations.iter().take(SHOWN_MAX) {
        let story = violation.story.join("\n");
        output.say(
            format!("{story}{}{violation}", if story.is_empty() { "" } else { "\n" }),
            &json!({ "seed": violation.seed, "invariant": violation.invariant, "what": violation.what }),
        );
    }
    let mut all = covered.json();
    if let Some(all) = all.as_object_mut() {
        all.insert("seconds".to_owned(), json!(seconds));
        all.insert("violations".to_owned(), json!(violations.len()));
    }
    let (held, links, events) = (covered.seeds, covered.links, covered.events);
    output.say(
        format!(
            "{held} of {count} seeds hold, {seconds:.1} s: {links} links, {events} events, {} edits, {} works, {} crashes, \
             {} lapsed leases, {} faults, {} requests, {} mappings compared",
            covered.edits, covered.works, covered.crashes, covered.lapses, covered.faults, covered.requests,
            covered.compared
        ),
        &all,
    );
    match violations.first() {
        None => Ok(()),
        Some(first) => Err(Failure::new(format!(
            "{} of {count} seeds break an invariant; replay the first with: kalends simulate --seed {}",
            violations.len(),
            first.seed
        ))),
    }
}
