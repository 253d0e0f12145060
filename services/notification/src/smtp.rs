//! Connections to the mail server, each kept for the next mail.
//!
//! lettre speaks SMTP. Its own pool leaves Nagle's algorithm on, which holds the end of each mail
//! back until the server has acknowledged what came before: 40 ms a mail. That is mended in lettre
//! after 0.11.23; with such a release, [`lettre::AsyncSmtpTransport`] takes the place of this file.

use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lettre::Message;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{SMTP_PORT, SUBMISSION_PORT, SUBMISSIONS_PORT};
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::Url;

/// Servers close what is idle for minutes.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// A connection that was used within this is there; another is asked first.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Where mails go, as its address says: `smtp://host`, with `?tls=required` or
/// `?tls=opportunistic` for STARTTLS, or `smtps://user:password@host`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    None,
    StartTls,
    StartTlsIfOffered,
    Tls,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error("the mail server cannot be reached: {0}")]
    Connect(#[from] std::io::Error),
    #[error(transparent)]
    Smtp(#[from] Error),
}

pub(crate) struct Connections {
    server: Server,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Connections {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            idle: Mutex::default(),
        }
    }

    pub(crate) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut connection = match self.reuse().await {
            Some(connection) => connection,
            None => self.server.connect().await?,
        };
        let sent = connection
            .send(message.envelope(), &message.formatted())
            .await;
        if !connection.has_broken() {
            let since = Instant::now();
            self.idle().push(Idle { connection, since });
        }
        sent?;
        Ok(())
    }

    /// One that is still there, the latest used first.
    async fn reuse(&self) -> Option<AsyncSmtpConnection> {
        loop {
            let Idle {
                mut connection,
                since,
            } = {
                let mut idle = self.idle();
                idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
                idle.pop()?
            };
            if since.elapsed() < TRUSTED_FOR || connection.test_connected().await {
                return Some(connection);
            }
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().expect("no holder panics")
    }
}

impl Server {
    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let hello = ClientId::default();
        let address = (self.host.as_str(), self.port);
        let mut connection = if self.security == Security::Tls {
            // lettre opens this one itself, and so it waits.
            let tls = Some(self.tls()?);
            AsyncSmtpConnection::connect_tokio1(address, None, &hello, tls, None).await?
        } else {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?
        };
        let start_tls = match self.security {
            Security::StartTls => true,
            Security::StartTlsIfOffered => connection.can_starttls(),
            Security::None | Security::Tls => false,
        };
        if start_tls {
            connection.starttls(self.tls()?, &hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn tls(&self) -> Result<TlsParameters, Error> {
        TlsParameters::new(self.host.clone())
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| error.to_string())?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or("it names no host")?.to_owned();
        let tls = url.query_pairs().find(|(name, _)| name == "tls");
        let tls = tls.map(|(_, value)| value);
        let (security, usual_port) = match (url.scheme(), tls.as_deref()) {
            ("smtp", None) => (Security::None, SMTP_PORT),
            ("smtp", Some("required")) => (Security::StartTls, SUBMISSION_PORT),
            ("smtp", Some("opportunistic")) => (Security::StartTlsIfOffered, SUBMISSION_PORT),
            ("smtps", _) => (Security::Tls, SUBMISSIONS_PORT),
            ("smtp", Some(other)) => {
                return Err(format!("tls is required or opportunistic, not {other}"));
            }
            (scheme, _) => return Err(format!("it begins with smtp or smtps, not {scheme}")),
        };
        let decoded = |text| {
            let decoded = percent_decode_str(text).decode_utf8();
            decoded.map(Into::into).map_err(|error| error.to_string())
        };
        let credentials = match url.password() {
            None => None,
            Some(password) => Some(Credentials::new(
                decoded(url.username())?,
                decoded(password)?,
            )),
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(usual_port),
            security,
            credentials,
        })
    }
}

#[cfg(test)]
mod tests {
    use lettre::transport::smtp::authentication::Credentials;

    use super::{Security, Server};

    #[track_caller]
    fn check(url: &str, port: u16, security: Security, credentials: Option<(&str, &str)>) {
        let expected = Server {
            host: "mail.example".to_owned(),
            port,
            security,
            credentials: credentials
                .map(|(user, password)| Credentials::new(user.to_owned(), password.to_owned())),
        };
        assert_eq!(url.parse(), Ok(expected), "{url}");
    }

    #[test]
    fn an_address_says_how_mails_are_sent() {
        check("smtp://mail.example", 25, Security::None, None);
        check("smtp://mail.example:1025", 1025, Security::None, None);
        let required = "smtp://mail.example?tls=required";
        check(required, 587, Security::StartTls, None);
        let opportunistic = "smtp://mail.example:2525?tls=opportunistic";
        check(opportunistic, 2525, Security::StartTlsIfOffered, None);
        check("smtps://mail.example", 465, Security::Tls, None);
        let credentials = Some(("us@er", "pass/word"));
        let url = "smtps://us%40er:pass%2Fword@mail.example";
        check(url, 465, Security::Tls, credentials);
    }

    #[test]
    fn an_address_that_says_nothing_of_the_kind_is_refused() {
        for url in [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example:port",
            "smtp://mail.example?tls=maybe",
            "smtps://user:%ff@mail.example",
        ] {
            assert!(url.parse::<Server>().is_err(), "{url}");
        }
    }
}
