//! Does nothing: Cargo heeds the build dependencies of packages with a build script alone.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
}
