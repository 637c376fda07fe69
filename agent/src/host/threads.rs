//! How many threads work. Results do not depend on it.

use std::num::NonZero;
use std::sync::OnceLock;

/// More than most machines have cores for; each costs memory and time at the start.
pub const MOST: usize = 512;

/// What somebody has asked for.
static WANTED: OnceLock<usize> = OnceLock::new();

/// Works with so many threads from now on; the first call counts, and is to come before any work.
///
/// # Errors
/// What the pool of threads says, if it works already.
pub fn work_with(threads: usize) -> Result<(), rayon::ThreadPoolBuildError> {
    let threads = *WANTED.get_or_init(|| threads);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()
}

/// As many as somebody has asked for, or as this process may run at once.
#[must_use]
pub fn all_cores() -> usize {
    WANTED.get().copied().unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}
