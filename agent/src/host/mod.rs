//! The machine that the program runs on: files, run folders, signals, progress on the terminal.

pub mod program;

pub mod files;

pub mod threads;

pub mod console;

pub mod folder_lock;

pub mod run_folder;

pub mod interrupt;

pub mod progress;

pub mod pace;
