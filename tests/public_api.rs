//! The public interface, line by line: a change of it is seen before a user sees it.
//!
//! Written anew by `UPDATE_PUBLIC_API=1 cargo test --all-features --test public_api`; a change belongs in the CHANGELOG.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn the_public_interface_is_the_one_that_was_agreed_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let agreed = root.join("tests/public_api.txt");
    // Beside the other builds, which would otherwise be waited for.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let rustdoc = Command::new(env!("CARGO"))
        .args(["rustdoc", "--lib", "--all-features", "--quiet", "--package", "tollgate", "--target-dir"])
        .arg(&target)
        .args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"])
        // The format is not stable, so the tool that reads it says below which one it knows.
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(root)
        .status()
        .expect("cargo starts");
    assert!(rustdoc.success(), "rustdoc fails: {rustdoc}");
    let interface = public_api::Builder::from_rustdoc_json(target.join("doc/tollgate.json"))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .unwrap_or_else(|error| {
            panic!(
                "this toolchain's rustdoc writes another format than the crate `public-api` reads; \
                 take the version of it that belongs to `rustc --version`: {error}"
            )
        })
        .to_string();

    if env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&agreed, &interface).expect("the file can be written");
        return;
    }
    let agreed = fs::read_to_string(&agreed).expect("tests/public_api.txt is there");
    let gone: Vec<_> = agreed.lines().filter(|line| !interface.lines().any(|now| now == *line)).collect();
    let new: Vec<_> = interface.lines().filter(|line| !agreed.lines().any(|then| then == *line)).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "the public interface has changed; if that is meant, run with UPDATE_PUBLIC_API=1.\ngone: {gone:#?}\nnew: {new:#?}"
    );
}
