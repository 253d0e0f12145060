//! Kafka as one process that is broker and controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::process::Command;

use super::cache::Cache;
use super::error::{Doing, Result};
use super::health::Health;
use super::layout::{Layout, Tuning};
use super::ports::Ports;
use super::program::{Kind, Program};
use super::progress::Progress;
use super::{java, maven, tools};

const POM: &str = include_str!("../../../local/kafka/pom.xml");

/// The one that the build file names.
pub(crate) const VERSION: &str = "4.3.1";

/// Fixed, or kept data would refuse to start.
const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

/// A busy machine of two cores compiles and starts other things meanwhile.
const HEALTHY_WITHIN: Duration = Duration::from_secs(120);

pub(crate) async fn install(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    let fill = async |folder: &Path| {
        progress.say("kafka", format!("fetching {VERSION}"));
        let fetch = maven::Fetch {
            part: "kafka",
            pom: POM,
            goal: maven::Goal::Copy,
        };
        fetch.into(folder, &[], cache, progress).await
    };
    let name = format!("kafka-{VERSION}");
    cache.provide(&name, &[POM], progress, fill).await
}

/// Fetched, with formatted storage.
pub(crate) async fn program(
    layout: &Layout,
    cache: &Cache,
    progress: &Progress,
) -> Result<Program> {
    let (java, jars) = tokio::try_join!(java::provide(cache, progress), install(cache, progress))?;
    let folder = layout.dir.join("kafka");
    let data = folder.join("data");
    let properties = folder.join("server.properties");
    fs::create_dir_all(&folder).doing(format!("creating {}", folder.display()))?;
    fs::write(&properties, settings(layout.ports(), &data))
        .doing(format!("writing {}", properties.display()))?;

    let class_path = ["-cp".to_owned(), format!("{}/*", jars.display())];
    let quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn";
    if !data.join("meta.properties").exists() {
        let mut command = Command::new(&java);
        command
            .args(["-XX:TieredStopAtLevel=1", quiet])
            .args(&class_path);
        command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]);
        command.arg(&properties);
        let log = layout.log("kafka-format");
        tools::run(command, "kafka", "formatting its storage", &log, progress).await?;
    }

    let address = format!("127.0.0.1:{}", layout.ports().kafka);
    Ok(Program::new("kafka", Kind::Part, java, layout.log("kafka"))
        .args(machine(layout.tuning).iter().copied())
        .args([quiet, "-Dorg.slf4j.simpleLogger.showDateTime=true"])
        .args(class_path)
        .args(["kafka.Kafka".to_owned(), properties.display().to_string()])
        .healthy(Health::Kafka(address.clone()), HEALTHY_WITHIN)
        .address(address))
}

fn machine(tuning: Tuning) -> &'static [&'static str] {
    match tuning {
        Tuning::Light => &["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        Tuning::Bench => &["-Xms1g", "-Xmx2g"],
    }
}

fn settings(ports: Ports, data: &Path) -> String {
    let Ports {
        kafka,
        kafka_controller,
        ..
    } = ports;
    format!(
        "\
node.id=1
process.roles=broker,controller
listeners=PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{kafka_controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{kafka}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:{kafka_controller}
log.dirs={data}

# There is one broker.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
# What is not compacted is read again at each start. When a coordinator's partition changes hands
# during that, Kafka 4.3.1 may take the first reading for the second, half done, and what it then
# writes keeps the group from ever being read again.
offsets.topic.segment.bytes=1048576

# A topic nobody declared is a mistake to be told about.
auto.create.topics.enable=false
log.retention.hours=168

# A new member works at once, and a dead one's partitions move on within seconds.
group.initial.rebalance.delay.ms=0
group.consumer.heartbeat.interval.ms=500
group.consumer.min.heartbeat.interval.ms=500
group.consumer.session.timeout.ms=6000
group.consumer.min.session.timeout.ms=3000

# After a hard end the controller lets the same broker in again only when its session is over.
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000

# Tests leave hundreds of topics behind: small files, and a small share of the heap for cleaning.
log.segment.bytes=134217728
log.index.size.max.bytes=1048576
log.cleaner.dedupe.buffer.size=16777216
",
        data = data.display()
    )
}
