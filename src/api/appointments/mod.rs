//! Appointments: every calendar object that is a VEVENT, whoever wrote it.
//!
//! | file | what |
//! | --- | --- |
//! | `input`, `schedule`, `people`, `reminders`, `text` | what a client may say, and the record it makes |
//! | `view` | an appointment as JSON |
//! | `find` | calendars and appointments by what a request names |
//! | `list`, `instances` | lists by filter; by exact time, and as instances |
//! | `single` | one: made, read, changed, deleted |
//! | `history`, `story` | what it was, and back; everything that happened to it |

mod find;
mod history;
mod input;
mod instances;
mod list;
mod people;
mod reminders;
mod schedule;
mod single;
mod story;
mod text;
mod view;

pub use history::{__path_deleted, __path_history, __path_restore, __path_version, deleted, history, restore, version};
pub use list::{__path_list, list};
pub use single::{__path_change, __path_create, __path_delete, __path_read, change, create, delete, read};

pub use find::{calendar_named, reader_zone};
pub use text::check_word;
