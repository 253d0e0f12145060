//! A second Postgres, set up as no other test may have it.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tempfile::TempDir;

use super::until;

pub(crate) struct OtherPostgres {
    binaries: PathBuf,
    /// Who the server runs as: it refuses to be root.
    user: (u32, u32),
    home: TempDir,
}

pub(crate) struct Serving<'a> {
    of: &'a OtherPostgres,
    postgres: Child,
    pub(crate) pool: PgPool,
}

impl OtherPostgres {
    /// An empty cluster, from the binaries and for the user of the server behind this pool.
    pub(crate) async fn beside(admin: &PgPool) -> Self {
        let ask = async |sql: &'static str| -> String {
            sqlx::query_scalar(sql)
                .fetch_one(admin)
                .await
                .expect("the superuser may know")
        };
        let binaries = ask("SELECT setting FROM pg_config WHERE name = 'BINDIR'").await;
        let data = ask("SELECT current_setting('data_directory')").await;
        let owner = std::fs::metadata(data).expect("its folder is there");
        let home = tempfile::tempdir().expect("a folder");
        let user = (owner.uid(), owner.gid());
        chown(home.path(), Some(user.0), Some(user.1)).expect("its folder may be given away");
        let other = Self {
            binaries: binaries.into(),
            user,
            home,
        };
        let made = other
            .command("initdb")
            .args(["--username=postgres", "--auth=trust", "--no-sync", "-D"])
            .arg(other.data())
            .stdout(Stdio::null())
            .status()
            .expect("initdb starts");
        assert!(made.success(), "no cluster could be made");
        other
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command
            .uid(self.user.0)
            .gid(self.user.1)
            .current_dir(Path::new("/"));
        command
    }

    pub(crate) async fn serve(&self, setting: &str) -> Serving<'_> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let postgres = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", setting])
            .stderr(Stdio::null())
            .spawn()
            .expect("postgres starts");
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy(&url);
        let pool = pool.expect("an address");
        until("the other Postgres to serve", async || {
            sqlx::query("SELECT 1").execute(&pool).await.map(|_| ())
        })
        .await;
        Serving {
            of: self,
            postgres,
            pool,
        }
    }
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        let mut stop = self.of.command("pg_ctl");
        stop.args(["stop", "-m", "fast", "-D"]).arg(self.of.data());
        let _ = stop.stdout(Stdio::null()).status();
        let _ = self.postgres.wait();
    }
}
