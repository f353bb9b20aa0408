//! Tells cargo that a new file under the embedded folders makes the binary stale; the embedding macro sees only the files it knew.

fn main() {
    for folder in [
        "spec",
        "conformance/cases",
        "fixtures",
        "assets",
        "src/embedded_build.rs",
    ] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
