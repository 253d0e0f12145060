use clap::Args;

use crate::{Stack, dev_keys};

#[derive(Args)]
pub(crate) struct Token {
    /// Whom the token is for.
    #[arg(long)]
    customer: String,
    /// Rights of staff: `stock`, `warehouse`, `review`, `operations`; may be given several times.
    #[arg(long)]
    scope: Vec<String>,
    #[arg(long, default_value_t = 24 * 3600)]
    valid_s: i64,
    #[command(flatten)]
    stack: Stack,
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let dir = self.stack.dir.display();
        eprintln!("A development token: whoever can read {dir} can make one.");
        let scope = self.scope.join(" ");
        println!(
            "{}",
            dev_keys::token(&self.stack.dir, &self.customer, &scope, self.valid_s)?
        );
        Ok(())
    }
}
