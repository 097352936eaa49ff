//! Queries: what they find, count and keep, and what they tell of the erased.

mod kept_lists;
mod limits;
mod of_the_page;
mod oracle;
mod tiers;
mod walks;
