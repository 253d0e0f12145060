//! A service does not start on what would break a promise later, and says what to do.

use apache_avro::Uuid;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::config::{CommonConfig, Profile};
use shared::contract::topic;
use shared::db;
use shared::event::{Event, Topic};
use shared::service::{Service, start};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::other_postgres::OtherPostgres;
use crate::harness::{World, defaults, until};

/// Inventory, which reads and writes.
fn inventory() -> Service {
    inventory::service(defaults::of(&[]))
}

/// Why a service with these settings does not start.
async fn refusal(service: Service, config: CommonConfig) -> String {
    match start(service, config, Clock::default()).await {
        Err(error) => format!("{error:#}"),
        Ok(running) => {
            running.stop().await.expect("it stops");
            "it starts".to_owned()
        }
    }
}

#[track_caller]
fn says(refusal: &str, words: &[&str]) {
    for word in words {
        assert!(refusal.contains(word), "`{word}` is missing: {refusal}");
    }
}

async fn execute(pool: &PgPool, sql: impl Into<String>) {
    let sql = AssertSqlSafe(sql.into());
    sqlx::raw_sql(sql)
        .execute(pool)
        .await
        .expect("the statement");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_is_told_must_be_safe() {
    let world = World::empty().await;
    let config = || world.config("inventory");
    assert_eq!(refusal(inventory(), config()).await, "it starts");

    for spoil in [
        (|config, addr| config.http_addr = Some(addr)) as fn(&mut CommonConfig, _),
        |config, addr| config.ops_addr = Some(addr),
    ] {
        let mut open = config();
        spoil(&mut open, "0.0.0.0:0".parse().expect("an address"));
        says(
            &refusal(inventory(), open).await,
            &["0.0.0.0", "LISTEN_BEYOND_LOOPBACK=true"],
        );
    }

    let mut secure = config();
    secure.profile = Profile::Secure;
    says(
        &refusal(inventory(), secure.clone()).await,
        &["PROFILE=secure", "JWT_ISSUER"],
    );
    secure.auth.jwt_issuer = "our-issuer".to_owned();
    says(
        &refusal(inventory(), secure.clone()).await,
        &["DATABASE_URL", "password", "ALTER ROLE"],
    );
    let mut plain = secure.clone();
    plain.auth.jwt_jwks_url = Some("http://issuer/keys".to_owned());
    says(
        &refusal(inventory(), plain).await,
        &["JWT_JWKS_URL", "https"],
    );
    // With a password of its own, the topics are what is left to refuse.
    let admin = PgPool::connect(&world.parts.endpoints.postgres)
        .await
        .expect("the superuser");
    let role = format!("secure_{}", world.namespace.trim_end_matches('.'));
    execute(
        &admin,
        format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'of-its-own'"),
    )
    .await;
    let (_, host) = secure.database_url.rsplit_once('@').expect("a host");
    secure.database_url = format!("postgres://{role}:of-its-own@{host}");
    says(
        &refusal(inventory(), secure).await,
        &["PROFILE=secure", "has 1 copies"],
    );

    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_must_neither_forget_nor_be_of_another_time() {
    let world = World::empty().await;
    let pool = world.pool("inventory");
    let refused = async || refusal(inventory(), world.config("inventory")).await;

    execute(
        pool,
        "UPDATE outbox_watermark SET tx_id = '9000000000000' WHERE shard = 1",
    )
    .await;
    says(
        &refused().await,
        &["9000000000000", "set outbox_watermark.tx_id to '0'"],
    );
    execute(pool, "UPDATE outbox_watermark SET tx_id = '0'").await;

    for sql in [
        "UPDATE _sqlx_migrations SET success = false WHERE version = 2",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        execute(pool, sql).await;
        says(&refused().await, &["migration 2", "ticketrail init"]);
    }
    execute(pool, "DROP TABLE _sqlx_migrations").await;
    says(&refused().await, &["ticketrail init"]);

    let url = world.database_url("fraud");
    let (_, name) = url
        .split('?')
        .next()
        .and_then(|url| url.rsplit_once('/'))
        .expect("a name");
    let fraud = world.pool("fraud");
    execute(
        fraud,
        format!("ALTER DATABASE {name} SET synchronous_commit = off"),
    )
    .await;
    let fraud = fraud::service(defaults::of(&[]));
    says(
        &refusal(fraud, world.config("fraud")).await,
        &["synchronous_commit=off", "switch it on"],
    );

    let admin = PgPool::connect(&world.parts.endpoints.postgres)
        .await
        .expect("the superuser");
    let other = OtherPostgres::beside(&admin).await;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let serving = other.serve(&format!("{setting}=off")).await;
        let refusal = db::check_durability(&serving.pool)
            .await
            .expect_err(setting);
        says(
            &format!("{refusal:#}"),
            &[&format!("{setting}=off"), "switch it on"],
        );
    }
    std::fs::write(other.data().join("standby.signal"), "").expect("its folder is ours");
    let replica = other.serve("hot_standby=on").await;
    let refusal = db::check_durability(&replica.pool)
        .await
        .expect_err("it is a replica");
    says(&format!("{refusal:#}"), &["replica", "primary"]);
    drop(replica);

    world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_must_neither_forget_nor_outlive_the_inbox() {
    let world = World::empty().await;
    let kafka = world.init.kafka();
    let name = |topic: &str| format!("{}{topic}", world.namespace);
    let refused = async || refusal(inventory(), world.config("inventory")).await;

    for topic in [
        "order.events",
        "inventory.events",
        "order.events.inventory.dlt",
    ] {
        alter(&kafka, &name(topic), &[("cleanup.policy", "compact")]).await;
        says(
            &refused().await,
            &[&name(topic), "cleanup.policy=compact", "set it to delete"],
        );
        alter(&kafka, &name(topic), &[("cleanup.policy", "delete")]).await;
    }
    for retention_ms in ["-1", "864000000"] {
        alter(
            &kafka,
            &name("order.events"),
            &[("retention.ms", retention_ms)],
        )
        .await;
        says(
            &refused().await,
            &[&name("order.events"), "processed_events", retention_ms],
        );
    }
    alter(
        &kafka,
        &name("order.events"),
        &[("retention.ms", "604800000")],
    )
    .await;
    // It is not read there, so it may be kept for as long as anybody likes.
    let kept = [("cleanup.policy", "delete"), ("retention.ms", "-1")];
    alter(&kafka, &name("inventory.events"), &kept).await;
    assert_eq!(refused().await, "it starts");

    world.close().await;
}

async fn alter(kafka: &ClientConfig, topic: &str, settings: &[(&str, &str)]) {
    let client: AdminClient<DefaultClientContext> = kafka.create().expect("a client");
    let mut alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
    for (name, value) in settings {
        alter = alter.set(name, value);
    }
    let altered = client.alter_configs([&alter], &AdminOptions::new()).await;
    for result in altered.expect("Kafka answers") {
        result.unwrap_or_else(|(_, code)| panic!("{topic}: {code}"));
    }
    // The controller has agreed; the broker that is asked next hears of it a little later.
    until(&format!("{topic} to be altered"), async || {
        let topic = [ResourceSpecifier::Topic(topic)];
        let described = client
            .describe_configs(&topic, &AdminOptions::new())
            .await
            .map_err(|error| error.to_string())?;
        let described = described[0].as_ref().map_err(ToString::to_string)?;
        for (name, value) in settings {
            let found = described.entries.iter().find(|entry| entry.name == *name);
            let found = found.and_then(|entry| entry.value.as_deref());
            if found != Some(*value) {
                return Err(format!("{name} is {found:?}"));
            }
        }
        Ok(())
    })
    .await;
}

/// An event that nobody registered.
#[derive(Serialize, Deserialize)]
struct Unheard {
    id: Uuid,
}

impl Event for Unheard {
    const TYPE: &'static str = "Unheard";
    const TOPIC: Topic = topic::INVENTORY_EVENTS;
    const SCHEMA: &'static str = r#"{"type": "record", "name": "Unheard", "namespace": "test",
        "fields": [{"name": "id", "type": {"type": "string", "logicalType": "uuid"}}]}"#;

    fn partition_key(&self) -> String {
        self.id.to_string()
    }
}

/// An event that holds itself.
#[derive(Serialize, Deserialize)]
struct Nested {
    inner: Option<Box<Nested>>,
}

impl Event for Nested {
    const TYPE: &'static str = "Nested";
    const TOPIC: Topic = topic::INVENTORY_EVENTS;
    const SCHEMA: &'static str = r#"{"type": "record", "name": "Nested", "namespace": "test",
        "fields": [{"name": "inner", "type": ["null", "Nested"]}]}"#;

    fn partition_key(&self) -> String {
        "nested".to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_must_be_registered_and_must_not_hold_itself() {
    let world = World::empty().await;
    let service = || Service::new("inventory", 0, &inventory::MIGRATIONS);

    let unheard = service().publishes::<Unheard>();
    let unheard = refusal(unheard, world.config("inventory")).await;
    says(
        &unheard,
        &["test.Unheard", "not registered", "ticketrail init"],
    );

    let nested = service().publishes::<Nested>();
    let nested = refusal(nested, world.config("inventory")).await;
    says(&nested, &["Nested", "holds itself"]);

    world.close().await;
}
