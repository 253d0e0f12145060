//! One set of real parts for the whole test run, which ends with it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use sqlx::{AssertSqlSafe, ConnectOptions, PgConnection};
use std::str::FromStr;
use ticketrail::init::Init;
use ticketrail::local::{Endpoints, Layout, Progress, databases, ports};
use ticketrail::{dev_keys, services};
use tokio::sync::OnceCell;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_ticketrail-it");

static PARTS: OnceCell<Parts> = OnceCell::const_new();

pub(crate) struct Parts {
    pub(crate) layout: Layout,
    pub(crate) endpoints: Endpoints,
    /// Databases with every table and schema id, to be cloned.
    templates: BTreeMap<&'static str, String>,
    /// The launcher stops everything when this closes, and so whenever the tests end.
    _stdin: ChildStdin,
    _launcher: Child,
}

pub(crate) async fn parts() -> &'static Parts {
    PARTS.get_or_init(start).await
}

async fn start() -> Parts {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    wipe_former(folder);
    let dir = folder.join(format!("it-{}", std::process::id()));
    let offset = ports::find_free_offset().expect("a range of free ports");
    let mut launcher = Command::new(BINARY)
        .args([
            "up",
            "--parts-only",
            "--until-stdin-closes",
            "--port-offset",
            &offset.to_string(),
        ])
        .arg("--dir")
        .arg(&dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary under test starts");
    let stdin = launcher.stdin.take().expect("it is piped");
    let stdout = launcher.stdout.take().expect("it is piped");
    let ready = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map(|_| line)
    });
    let line = ready
        .await
        .expect("the reader does not panic")
        .expect("its output is text");
    assert_eq!(line.trim(), "ready", "the real parts did not start");

    let layout = Layout::new(&dir, offset).expect("the offset was free");
    let endpoints = layout.endpoints();
    dev_keys::ensure(&layout.dir).expect("the folder is writable");
    let mut templates = BTreeMap::new();
    for name in services::NAMES {
        let template = format!("template_{name}");
        databases::create_database(&endpoints.postgres, &template)
            .await
            .expect("a template");
        templates.insert(name, template);
    }
    let mut init = Init::of(&layout);
    let template = |name: &str| Some(databases::url(layout.ports().postgres, &templates[name]));
    init.order_database_url = template("order");
    init.inventory_database_url = template("inventory");
    init.shipment_database_url = template("shipment");
    init.notification_database_url = template("notification");
    init.fraud_database_url = template("fraud");
    init.kafka_namespace = "template.".to_owned();
    init.topics.partitions = 1;
    init.apply(&Progress::quiet())
        .await
        .expect("topics, schemas and tables");
    Parts {
        layout,
        endpoints,
        templates,
        _stdin: stdin,
        _launcher: launcher,
    }
}

/// What a run leaves stays to be looked at until the next run.
fn wipe_former(folder: &Path) {
    for entry in folder.read_dir().expect("cargo has made it").flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("it-") || name.starts_with("stack-") {
            let dir = entry.path();
            let wiped = Layout::new(&dir, 0).and_then(|layout| layout.wipe());
            // One that runs beside this refuses.
            if wiped.is_ok() && dir.exists() {
                std::fs::remove_dir_all(&dir).expect("a former run's folder");
            }
        }
    }
}

impl Parts {
    /// A database of this test's own, with the service's tables.
    pub(crate) async fn clone_database(&self, service: &str, name: &str) -> String {
        let template = &self.templates[service];
        let url = databases::url(self.layout.ports().postgres, template);
        self.copy_database(&url, template, name).await
    }

    /// The role that owns the original owns the copy, so its address differs in the database alone.
    pub(crate) async fn copy_database(&self, url: &str, original: &str, name: &str) -> String {
        let mut admin: PgConnection =
            sqlx::postgres::PgConnectOptions::from_str(&self.endpoints.postgres)
                .expect("an address")
                .connect()
                .await
                .expect("the superuser may connect");
        let owner = sqlx::postgres::PgConnectOptions::from_str(url).expect("an address");
        let owner = owner.get_username().to_owned();
        // Sessions that were closed just now may still be ending.
        super::until(&format!("{original} to be free"), async || {
            let busy: i64 = sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1",
            )
            .bind(original)
            .fetch_one(&mut admin)
            .await
            .map_err(|error| error.to_string())?;
            if busy == 0 {
                Ok(())
            } else {
                Err(format!("{busy} sessions"))
            }
        })
        .await;
        let statement = format!("CREATE DATABASE {name} TEMPLATE {original} OWNER {owner}");
        sqlx::query(AssertSqlSafe(statement))
            .execute(&mut admin)
            .await
            .expect("a copy");
        let (before, after) = url.rsplit_once(original).expect("it names the database");
        format!("{before}{name}{after}")
    }
}
