//! Some worlds of `kalends simulate` in the ordinary tests; a failing seed is replayed with `kalends simulate --seed N`.
#![cfg(feature = "demo")]

use kalends::cli::simulate::worlds;

/// A few seconds' work. Many more are lived by `conformance/runner.py simulation`.
const SEEDS: u64 = 40;

#[test]
fn worlds_come_to_rest_with_everything_as_it_should_be() {
    let (covered, violations) = worlds(0, SEEDS, 2, false, |_, _| {}).expect("worlds");
    let told: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert_eq!(covered.seeds, SEEDS);
    assert!(covered.crashes > 0 && covered.faults > 0 && covered.compared > 100, "{covered:?}");
}
