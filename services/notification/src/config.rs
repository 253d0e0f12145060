//! Settings that only notification has.

use clap::Args;
use lettre::message::Mailbox;

use crate::domain::Addressing;
use crate::smtp::Server;

#[derive(Debug, Clone, Args)]
pub struct Config {
    /// The mail server: `smtp://host:port`, with `?tls=required` for STARTTLS, or
    /// `smtps://user:password@host`.
    #[arg(
        long,
        env = "SMTP_URL",
        default_value = "smtp://127.0.0.1:1025",
        hide_env_values = true
    )]
    pub(crate) smtp_url: Server,
    /// Who the mails are from.
    #[arg(
        long,
        env = "MAIL_FROM",
        default_value = "Ticketrail <orders@ticketrail.example>"
    )]
    pub mail_from: Mailbox,
    /// Ends every Message-ID.
    #[arg(long, env = "MAIL_DOMAIN", default_value = "ticketrail.example", value_parser = domain)]
    pub mail_domain: String,
    /// Who hears about low stock and recalls.
    #[arg(
        long,
        env = "MAIL_OPERATIONS",
        default_value = "operations@ticketrail.example"
    )]
    pub mail_operations: Mailbox,
    /// Where customers get mail who left no address.
    #[arg(
        long,
        env = "MAIL_CUSTOMER_DOMAIN",
        default_value = "customers.example",
        value_parser = domain
    )]
    pub mail_customer_domain: String,
}

impl Config {
    pub(crate) fn addressing(&self) -> Addressing {
        Addressing {
            operations: self.mail_operations.clone(),
            customer_domain: self.mail_customer_domain.clone(),
            message_domain: self.mail_domain.clone(),
        }
    }
}

fn domain(name: &str) -> Result<String, String> {
    lettre::Address::new("postmaster", name).map_err(|error| error.to_string())?;
    Ok(name.to_owned())
}
