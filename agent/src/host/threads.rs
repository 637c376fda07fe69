//! How many threads simulate. Results do not depend on it.

use std::num::NonZero;

/// As many as this process may run at once.
#[must_use]
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}
