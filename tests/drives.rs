//! Whole drives and whole runs: what needs more than one crate, or the program as a user starts it.

mod program;

mod tiny_run;

mod replay;
mod rooms;

mod determinism;

mod main_job;

mod hardening;

mod interrupted_run;

mod command_line;

mod damaged_run;

mod devices;

mod robustness_report;

mod shipped_drivers;

mod mangled_scenario;

mod found;

mod files_and_pipes;

mod kept_roads;

mod side_by_side;

mod architecture;
mod notices;
mod own_drivers;
mod settings_reference;
mod several_drivers;
mod shared_builds;
mod watching;
