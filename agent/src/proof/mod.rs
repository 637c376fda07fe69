//! What no attack within a budget can change: bounds of the policy, and certificates of decisions.
//!
//! Bounds of what perception says go on through memory and policy to the decision, each beside what it bounds. They
//! show that no frame within a budget changes an action, of the networks as real functions and with a margin for f32, see
//! [`certificate`]; how little they show of networks that were not trained for them stands in `assets/results/certificates.md`.

pub mod policy;

pub mod certificate;
