//! Jaeger 2, built once by the Go toolchain: it comes as source and as nothing else in reach.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::cache::Cache;
use super::error::{Doing, Error, Result};
use super::health::Health;
use super::layout::Layout;
use super::ports::Ports;
use super::program::{Kind, Program};
use super::progress::Progress;
use super::tools;

const MODULE: [(&str, &str); 3] = [
    ("go.mod", include_str!("../../../local/jaeger/go.mod")),
    ("go.sum", include_str!("../../../local/jaeger/go.sum")),
    ("tools.go", include_str!("../../../local/jaeger/tools.go")),
];
const PACKAGE: &str = "github.com/jaegertracing/jaeger/cmd/jaeger";

const HEALTHY_WITHIN: Duration = Duration::from_secs(60);

/// Older ones cannot fetch the newer toolchain that the module asks for.
const GO_MINOR_MIN: u32 = 21;

pub(crate) async fn install(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let recipe: Vec<&str> = MODULE.iter().map(|(_, text)| *text).collect();
    let fill = async |folder: &Path| build(folder, &cache.log("jaeger"), progress).await;
    let folder = cache.provide("jaeger-2", &recipe, progress, fill).await?;
    Ok(folder.join("jaeger"))
}

async fn build(folder: &Path, log: &Path, progress: &Progress) -> Result<()> {
    let go = find_go().await?;
    for (name, text) in MODULE {
        let file = folder.join(name);
        fs::write(&file, text).doing(format!("writing {}", file.display()))?;
    }
    progress.say(
        "jaeger",
        "building it from source, once: about five minutes on two cores",
    );
    // The lowest priority: the other parts start meanwhile, and nobody waits for a trace yet.
    let mut command = match tools::on_path("nice") {
        Some(nice) => {
            let mut nice = Command::new(nice);
            nice.args(["-n", "19"]).arg(go);
            nice
        }
        None => Command::new(go),
    };
    // The checksums of every module are in go.sum, so read-only also means: no other look-up.
    command.args([
        "build",
        "-v",
        "-mod=readonly",
        "-trimpath",
        "-ldflags=-s -w",
        "-o",
        "jaeger",
    ]);
    command
        .arg(PACKAGE)
        .current_dir(folder)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off");
    if std::env::var_os("GOTOOLCHAIN").is_none() {
        command.env("GOTOOLCHAIN", "auto");
    }
    tools::run(command, "jaeger", "building", log, progress).await
}

async fn find_go() -> Result<PathBuf> {
    let what = format!("Go 1.{GO_MINOR_MIN} or newer");
    let how = "apt-get install golang-go, or a newer one than your Debian's from its backports";
    let go = tools::on_path("go").ok_or_else(|| Error::missing(&what, how))?;
    let output = Command::new(&go)
        .args(["env", "GOVERSION"])
        .kill_on_drop(true)
        .output()
        .await;
    let output = output.doing("asking Go for its version")?;
    let minor = minor_version(&String::from_utf8_lossy(&output.stdout));
    if minor.is_some_and(|minor| minor >= GO_MINOR_MIN) {
        Ok(go)
    } else {
        Err(Error::missing(what, how))
    }
}

/// 26 of `go1.26.8`.
fn minor_version(text: &str) -> Option<u32> {
    text.trim()
        .strip_prefix("go1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

pub(crate) async fn program(
    layout: &Layout,
    cache: &Cache,
    progress: &Progress,
) -> Result<Program> {
    let binary = install(cache, progress).await?;
    let folder = layout.dir.join("jaeger");
    let config = folder.join("config.yaml");
    fs::create_dir_all(&folder).doing(format!("creating {}", folder.display()))?;
    fs::write(&config, settings(layout.ports())).doing(format!("writing {}", config.display()))?;
    let health = format!("http://127.0.0.1:{}/status", layout.ports().jaeger_health);
    Ok(
        Program::new("jaeger", Kind::Part, binary, layout.log("jaeger"))
            .args(["--config".to_owned(), config.display().to_string()])
            .address(layout.endpoints().jaeger)
            .healthy(Health::Http(health), HEALTHY_WITHIN),
    )
}

/// Its ports move only by a configuration; this one leaves out every receiver but OTLP, and no
/// batching, so that a span can be asked for as soon as it was accepted. Its traces of itself would
/// go to the standard port, where another stack's Jaeger may listen, or nobody: then it takes half
/// a minute to end.
fn settings(ports: Ports) -> String {
    let Ports {
        otlp_grpc,
        otlp_http,
        jaeger_query,
        jaeger_query_grpc,
        jaeger_health,
        ..
    } = ports;
    format!(
        "\
service:
  extensions: [jaeger_storage, jaeger_query, healthcheckv2]
  pipelines:
    traces:
      receivers: [otlp]
      exporters: [jaeger_storage_exporter]
  telemetry:
    metrics:
      level: none
    logs:
      level: warn
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{otlp_grpc}
      http:
        endpoint: 127.0.0.1:{otlp_http}
exporters:
  jaeger_storage_exporter:
    trace_storage: memory
extensions:
  jaeger_storage:
    backends:
      memory:
        memory:
          max_traces: 100000
  jaeger_query:
    enable_tracing: false
    storage:
      traces: memory
    http:
      endpoint: 127.0.0.1:{jaeger_query}
    grpc:
      endpoint: 127.0.0.1:{jaeger_query_grpc}
  healthcheckv2:
    use_v2: true
    http:
      endpoint: 127.0.0.1:{jaeger_health}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_the_second_number() {
        assert_eq!(minor_version("go1.26.8\n"), Some(26));
        assert_eq!(minor_version("go1.21\n"), Some(21));
        assert_eq!(minor_version("devel +abc"), None);
    }
}
