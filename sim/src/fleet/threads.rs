//! The threads that share the work of a fleet, and how it is cut for them.
//!
//! The calling thread takes part, rayon's threads help it: whoever is free takes the next shard. Shards grow smaller
//! from the first to the last, so that a slow core does not hold up the others at the end.

use crate::fleet::FleetError;
use rayon::ThreadPool;
use std::sync::Mutex;

/// What makes a lock's `expect` true here.
pub(crate) const WHOLE: &str = "nothing panics while it holds the lock";

/// Each shard takes this share of the worlds that are left for one thread: large shards first, which waste little on
/// schedules, and small ones last, so that threads end together although worlds and cores differ in speed.
///
/// # Source
/// Guided self-scheduling: Polychronopoulos and Kuck 1987, IEEE Transactions on Computers C-36 (12).
const SHARE_OF_A_SHARD: f64 = 0.5;

/// How many worlds each shard has, the largest first.
pub(crate) fn shard_sizes(worlds: usize, threads: usize) -> impl Iterator<Item = usize> {
    let share = if threads == 1 { 1.0 } else { SHARE_OF_A_SHARD / threads as f64 };
    let mut left = worlds;
    std::iter::from_fn(move || {
        let size = ((left as f64 * share).ceil() as usize).min(left);
        left -= size;
        (size > 0).then_some(size)
    })
}

/// The threads that step a fleet.
pub(crate) struct Crew {
    threads: usize,
    /// Helpers of its own, where rayon's are fewer than asked for.
    pool: Option<ThreadPool>,
}

impl Crew {
    /// So many threads, the caller's among them.
    ///
    /// # Errors
    /// [`FleetError::Threads`] if the system gives no more.
    pub fn new(threads: usize) -> Result<Self, FleetError> {
        let helpers = threads - 1;
        if helpers <= rayon::current_num_threads() {
            return Ok(Self { threads, pool: None });
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(helpers).build();
        let pool = pool.map_err(|error| FleetError::Threads { threads, reason: error.to_string() })?;
        Ok(Self { threads, pool: Some(pool) })
    }

    /// Runs each piece of work and returns what came of each, in order.
    ///
    /// The calling thread takes part and begins at once, while others still wake up.
    pub fn run<W: Send, R: Send>(&self, work: Vec<W>, run: impl Fn(W) -> R + Sync) -> Vec<R> {
        if self.threads == 1 {
            return work.into_iter().map(run).collect();
        }
        let queue = Mutex::new(work.into_iter().enumerate());
        let results = Mutex::new(Vec::new());
        let take_part = || {
            loop {
                let next = queue.lock().expect(WHOLE).next();
                let Some((index, piece)) = next else { break };
                let result = run(piece);
                results.lock().expect(WHOLE).push((index, result));
            }
        };
        let helpers = self.threads - 1;
        match &self.pool {
            Some(pool) => pool.in_place_scope(|scope| with_helpers(scope, helpers, &take_part)),
            None => rayon::in_place_scope(|scope| with_helpers(scope, helpers, &take_part)),
        }
        let mut results = results.into_inner().expect(WHOLE);
        results.sort_unstable_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

fn with_helpers<'scope>(scope: &rayon::Scope<'scope>, helpers: usize, take_part: &'scope (impl Fn() + Sync)) {
    (0..helpers).for_each(|_| scope.spawn(|_| take_part()));
    take_part();
}
