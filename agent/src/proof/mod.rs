//! What no attack within a budget can change: bounds of the policy, and certificates of decisions.

pub mod policy;

pub mod certificate;
