//! What holds for anything that may come, on the real frame, stores and Postgres: generated cases
//! against models of some fifty lines. A case that fails is printed as small as it can be made.

mod idempotency;
mod saga;
mod stock;

use std::fmt::Debug;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Tries so many cases, one after another.
fn check<S: Strategy>(
    runtime: &Runtime,
    cases: u32,
    any: &S,
    holds: impl AsyncFn(S::Value) -> Result<(), String>,
) where
    S::Value: Debug,
{
    let config = Config {
        cases,
        // Each step towards a smaller case asks real parts again.
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let tried = TestRunner::new(config).run(any, |case| {
        let outcome = runtime.block_on(holds(case));
        outcome.map_err(TestCaseError::fail)
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}
