//! Postgres 17 from relocatable binaries.
//!
//! The server refuses to run as root, so root hands it to an unprivileged user. Binaries and data
//! then lie in the system's temporary folder, since a home folder is often closed to that user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::cache::{Cache, short_hash};
use super::databases;
use super::error::{Doing, Error, Result};
use super::health::Health;
use super::layout::Layout;
use super::process::Ask;
use super::program::{Kind, Program, User};
use super::progress::Progress;
use super::{maven, tools};

const POM: &str = include_str!("../../../local/postgres/pom.xml");

/// A crash before may leave gigabytes of log to go through again.
const HEALTHY_WITHIN: Duration = Duration::from_secs(180);

const SETTINGS: [(&str, &str); 15] = [
    // No order is confirmed that a power cut could undo.
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    // Few and slow checkpoints, or they are what a measurement sees.
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("checkpoint_completion_target", "0.9"),
    ("shared_buffers", "256MB"),
    ("wal_compression", "off"),
    ("track_wal_io_timing", "on"),
    ("autovacuum", "on"),
    ("max_connections", "300"),
    // A client that hangs inside a transaction must not hold its locks for ever.
    ("idle_in_transaction_session_timeout", "60s"),
    ("listen_addresses", "127.0.0.1"),
    // A socket's path is short by law of the system, and nobody needs one.
    ("unix_socket_directories", ""),
    ("logging_collector", "off"),
];

pub(crate) async fn install(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux-amd64",
        "aarch64" => "linux-arm64v8",
        other => {
            let how = "use docker compose on this machine";
            return Err(Error::missing(format!("Postgres for {other}"), how));
        }
    };
    let place = if is_root() {
        Cache::at(folder_of_root()?)?
    } else {
        cache.clone()
    };
    let fill = async |folder: &Path| {
        progress.say("postgres", "fetching 17.6");
        let fetch = maven::Fetch {
            part: "postgres",
            pom: POM,
            goal: maven::Goal::Unpack,
        };
        fetch
            .into(folder, &[("platform", platform)], cache, progress)
            .await?;
        maven::untar("postgres", folder, ".txz", cache, progress).await?;
        // The filling folder may be private to root, but its final user is another.
        open_to_all(folder)
    };
    place
        .provide("postgres-17.6", &[POM, platform], progress, fill)
        .await
}

/// Fetched, with a data folder that is ready to be served.
pub(crate) async fn program(
    layout: &Layout,
    cache: &Cache,
    progress: &Progress,
) -> Result<Program> {
    let binaries = install(cache, progress).await?.join("bin");
    let home = home(&layout.dir)?;
    let user = unprivileged()?;
    let data = home.join("data");
    let link = layout.dir.join("postgres");
    if user.is_some() && !link.is_symlink() {
        follow_folder(&home, &link, progress)?;
    }
    if !data.exists() {
        if user.is_some() {
            progress.say("postgres", format!("its data lies in {}", home.display()));
        }
        initialize(
            &binaries,
            &home,
            user,
            &layout.log("postgres-init"),
            progress,
        )
        .await?;
    }

    let port = layout.ports().postgres;
    let mut program = Program::new(
        "postgres",
        Kind::Part,
        binaries.join("postgres"),
        layout.log("postgres"),
    )
    .args([
        "-D".to_owned(),
        data.display().to_string(),
        "-p".to_owned(),
        port.to_string(),
    ])
    .address(format!("127.0.0.1:{port}"))
    .healthy(Health::Postgres(databases::admin_url(port)), HEALTHY_WITHIN);
    for (name, value) in SETTINGS {
        program = program.args(["-c".to_owned(), format!("{name}={value}")]);
    }
    program.user = user;
    program.ask = Ask::Interrupt;
    program.pid_file = Some(data.join("postmaster.pid"));
    Ok(program)
}

/// Root's data lies elsewhere, and a link in the stack's folder leads to it. Where somebody has
/// deleted that folder, the data goes, too: its relays would take for published what the new
/// broker has never heard of.
fn follow_folder(home: &Path, link: &Path, progress: &Progress) -> Result<()> {
    if home.exists() {
        let what = format!("its folder was deleted, and so is {} now", home.display());
        progress.say("postgres", what);
        fs::remove_dir_all(home).doing(format!("deleting {}", home.display()))?;
    }
    std::os::unix::fs::symlink(home, link).doing(format!("linking {}", link.display()))
}

/// Where the data of the stack in `dir` lies.
pub(crate) fn home(dir: &Path) -> Result<PathBuf> {
    if !is_root() {
        return Ok(dir.join("postgres"));
    }
    let name = short_hash(&[&dir.to_string_lossy()]);
    Ok(folder_of_root()?.join(format!("data-{name}")))
}

/// Made under another name and then renamed: half a data folder would never start.
async fn initialize(
    binaries: &Path,
    home: &Path,
    user: Option<User>,
    log: &Path,
    progress: &Progress,
) -> Result<()> {
    let doing = format!("creating {}", home.display());
    let new = home.join("data.new");
    let password = home.join("password");
    if new.exists() {
        fs::remove_dir_all(&new).doing(&doing)?;
    }
    fs::create_dir_all(home).doing(&doing)?;
    fs::set_permissions(home, fs::Permissions::from_mode(0o700)).doing(&doing)?;
    fs::write(&password, databases::PASSWORD).doing(&doing)?;
    let mut command = Command::new(binaries.join("initdb"));
    if let Some(user) = user {
        chown(home, Some(user.uid), Some(user.gid)).doing(&doing)?;
        chown(&password, Some(user.uid), Some(user.gid)).doing(&doing)?;
        command.uid(user.uid).gid(user.gid);
    }
    command
        .current_dir(home)
        .args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .args(["--locale-provider=builtin", "--builtin-locale=C.UTF-8"])
        .arg(format!("--pwfile={}", password.display()))
        .arg("-D")
        .arg(&new);
    tools::run(
        command,
        "postgres",
        "creating its data folder",
        log,
        progress,
    )
    .await?;
    fs::remove_file(&password).doing(&doing)?;
    fs::rename(&new, home.join("data")).doing(&doing)
}

/// Root runs programs from here, so nobody else may have made it.
fn folder_of_root() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join("ticketrail-postgres");
    let doing = format!("preparing {}", folder.display());
    fs::create_dir_all(&folder).doing(&doing)?;
    let found = fs::symlink_metadata(&folder).doing(&doing)?;
    if !found.is_dir() || found.uid() != 0 {
        return Err("it belongs to somebody else").doing(doing);
    }
    open_to_all(&folder)?;
    Ok(folder)
}

fn open_to_all(folder: &Path) -> Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
        .doing(format!("opening {}", folder.display()))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Root's stand-in, or nobody special.
fn unprivileged() -> Result<Option<User>> {
    if !is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").doing("reading the list of users")?;
    let nobody = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            ["nobody", _, uid, gid, ..] => Some(User {
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            }),
            _ => None,
        }
    });
    let how = "Postgres refuses to run as root, so add that user or run as another one";
    nobody
        .map(Some)
        .ok_or_else(|| Error::missing("the user nobody", how))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_with_the_folder_that_it_belongs_to() {
        let dir = std::env::temp_dir().join(format!("ticketrail-data-{}", std::process::id()));
        let (home, link) = (dir.join("home"), dir.join("postgres"));
        let progress = Progress::to_stderr();
        fs::create_dir_all(home.join("data")).expect("a folder");

        follow_folder(&home, &link, &progress).expect("it is ours");

        assert!(!home.exists());
        assert_eq!(fs::read_link(&link).expect("a link"), home);
        fs::remove_dir_all(&dir).expect("it is ours");
    }
}
