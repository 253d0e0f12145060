//! A mail server for development: it accepts every mail and keeps it as a file.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use mail_parser::MessageParser;
use mailin_embedded::{Handler, Response, Server, response};

use super::error::{Doing, Result};

/// A client that keeps its connection open occupies one of these.
const SESSIONS_MAX: u32 = 128;
/// Far beyond any mail of ours; what is longer is refused instead of filling the memory.
const MAIL_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A mail that was accepted, as its reader would see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    pub file: PathBuf,
    pub message_id: Option<String>,
    pub from: Option<String>,
    pub to: Vec<String>,
    pub subject: Option<String>,
    /// The text part, decoded.
    pub body: String,
}

/// Serves until the process ends. It blocks, and it may be ended at any time: a mail is confirmed
/// only after its file has its final name.
pub fn serve(address: SocketAddr, dir: &Path) -> Result<Infallible> {
    fs::create_dir_all(dir).doing(format!("creating {}", dir.display()))?;
    let listener = TcpListener::bind(address).doing(format!("listening on {address}"))?;
    let mut server = Server::new(Inbox::new(dir));
    server
        .with_name("ticketrail")
        .with_num_threads(SESSIONS_MAX)
        .with_tcp_listener(listener);
    server.serve().doing("serving mail")?;
    Err("it stopped listening").doing("serving mail")
}

/// All mails in `dir`, in the order in which they were accepted.
pub fn read_all(dir: &Path) -> Result<Vec<Mail>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).doing(format!("reading {}", dir.display())),
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"))
        .collect();
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> Result<Mail> {
    let doing = || format!("reading {}", file.display());
    let bytes = fs::read(file).doing(doing())?;
    let message = MessageParser::default()
        .parse(&bytes)
        .ok_or("it is no mail")
        .doing(doing())?;
    let addresses = |header: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        let all = header.into_iter().flat_map(|header| header.iter());
        all.filter_map(|address| address.address())
            .map(str::to_owned)
            .collect()
    };
    Ok(Mail {
        file: file.to_owned(),
        message_id: message.message_id().map(str::to_owned),
        from: addresses(message.from()).into_iter().next(),
        to: addresses(message.to()),
        subject: message.subject().map(str::to_owned),
        body: message
            .body_text(0)
            .map(|text| text.trim_end().to_owned())
            .unwrap_or_default(),
    })
}

/// What one conversation has said so far; the server clones it for each connection.
#[derive(Clone)]
struct Inbox {
    dir: Arc<Path>,
    accepted: Arc<AtomicU64>,
    mail: Vec<u8>,
}

impl Inbox {
    fn new(dir: &Path) -> Self {
        Self {
            dir: Arc::from(dir),
            accepted: Arc::default(),
            mail: Vec::new(),
        }
    }

    /// By time and then by number, so that the names sort as the mails came.
    fn keep(&self) -> io::Result<()> {
        let millis = UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        let name = format!("{millis:013}-{}-{number:06}", std::process::id());
        let new = self.dir.join(format!("{name}.new"));
        fs::write(&new, &self.mail)?;
        fs::rename(&new, self.dir.join(format!("{name}.eml")))
    }
}

impl Handler for Inbox {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, _from: &str) -> Response {
        self.mail.clear();
        response::OK
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        if self.mail.len() + line.len() > MAIL_BYTES_MAX {
            return Err(io::Error::other("the mail is too long"));
        }
        self.mail.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        match self.keep() {
            Ok(()) => response::OK,
            Err(_) => response::INTERNAL_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_mail_is_read_back_decoded_and_in_order() {
        let dir = std::env::temp_dir().join(format!("ticketrail-mails-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        let mut inbox = Inbox::new(&dir);

        for number in 1..=2 {
            inbox.mail(IpAddr::from([127, 0, 0, 1]), "shop", "shop@example.org");
            let text = format!(
                "From: Shop <shop@example.org>\r\nTo: a@example.org, B <b@example.org>\r\n\
                 Message-ID: <{number}@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n\
                 shipped\r\n"
            );
            inbox.data(text.as_bytes()).expect("a short mail");
            assert_eq!(inbox.data_end().code, response::OK.code);
        }
        let mails = read_all(&dir).expect("both mails");
        fs::remove_dir_all(&dir).expect("its own folder");

        let ids: Vec<_> = mails
            .iter()
            .filter_map(|mail| mail.message_id.as_deref())
            .collect();
        assert_eq!(ids, ["1@example.org", "2@example.org"]);
        assert_eq!(mails[0].from.as_deref(), Some("shop@example.org"));
        assert_eq!(mails[0].to, ["a@example.org", "b@example.org"]);
        assert_eq!(mails[0].subject.as_deref(), Some("Grüße"));
        assert_eq!(mails[0].body, "shipped");
    }

    #[test]
    fn a_folder_without_mails_has_none() {
        assert_eq!(read_all(Path::new("/nonexistent")).expect("no mails"), []);
    }
}
