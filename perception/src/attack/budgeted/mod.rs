//! Attacks within a budget: steps along the gradient, Auto-PGD, and random squares.

pub(super) mod apgd;

pub(super) mod gradient_steps;

pub(super) mod square;
