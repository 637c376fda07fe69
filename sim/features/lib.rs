//! No code: this crate's manifest asks for features of other crates, so that the program, its window, its benchmarks and each package
//! built alone share one build of them.
