//! Nothing to link against: this package exists for its tests.
