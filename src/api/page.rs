//! Lists in pages, with totals.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;

/// Items on a page unless asked otherwise.
const LIMIT_DEFAULT: u32 = 50;
/// Items on a page at most.
pub const LIMIT_MAX: u32 = 500;
/// Skipping further than this is no paging any more.
const OFFSET_MAX: u32 = 10_000_000;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are on all pages.
    #[schema(minimum = 0)]
    pub total: i64,
    /// How many were asked for. A page that would be too large holds fewer; go on after its last item.
    pub limit: u32,
    /// How many were skipped.
    pub offset: u32,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many.
    pub limit: u32,
    /// After how many.
    pub offset: u32,
}

/// The query of a list without filters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Items on a page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
    /// Items to skip.
    #[param(minimum = 0, maximum = 10_000_000, default = 0)]
    pub offset: Option<u32>,
}

impl Cut {
    /// What a query asks for.
    ///
    /// # Errors
    /// Beyond [`LIMIT_MAX`] or [`OFFSET_MAX`], or nothing at all.
    pub fn of(limit: Option<u32>, offset: Option<u32>) -> Result<Cut, Problem> {
        let (limit, offset) = (limit.unwrap_or(LIMIT_DEFAULT), offset.unwrap_or(0));
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::value("limit", format!("between 1 and {LIMIT_MAX}")));
        }
        if offset > OFFSET_MAX {
            return Err(Problem::value("offset", format!("at most {OFFSET_MAX}")));
        }
        Ok(Cut { limit, offset })
    }

    /// The page of a list that is at hand as a whole.
    #[must_use]
    pub fn page<T: ToSchema>(self, all: Vec<T>) -> Page<T> {
        let total = i64::try_from(all.len()).unwrap_or(i64::MAX);
        let items = all.into_iter().skip(self.offset as usize).take(self.limit as usize).collect();
        self.with(items, total)
    }

    /// A page with these items.
    #[must_use]
    pub fn with<T: ToSchema>(self, items: Vec<T>, total: i64) -> Page<T> {
        Page { items, total, limit: self.limit, offset: self.offset }
    }
}

impl PageQuery {
    /// What it asks for.
    ///
    /// # Errors
    /// As [`Cut::of`].
    pub fn cut(&self) -> Result<Cut, Problem> {
        Cut::of(self.limit, self.offset)
    }
}
