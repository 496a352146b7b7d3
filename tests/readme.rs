//! The README's program is the example that is compiled and run.

#[test]
fn the_program_in_the_readme_is_the_chat_example() {
    let readme = include_str!("../README.md");
    let shown = readme.split("```rust,no_run\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example = include_str!("../examples/chat.rs");
    assert!(example.ends_with(shown), "examples/chat.rs differs from the README");
}

#[test]
fn the_limits_in_the_readme_are_valid() {
    let readme = include_str!("../README.md");
    let shown = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    toml::from_str::<tollgate::Builder>(shown).unwrap().build().unwrap();
}
