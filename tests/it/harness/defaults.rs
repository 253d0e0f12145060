//! Settings as the services themselves default them.

use clap::{Args, Parser};

#[derive(Parser)]
struct Only<C: Args> {
    #[command(flatten)]
    config: C,
}

pub(crate) fn of<C: Args>(settings: &[&str]) -> C {
    let args = std::iter::once("test").chain(settings.iter().copied());
    Only::<C>::try_parse_from(args)
        .expect("the settings of a test are valid")
        .config
}
