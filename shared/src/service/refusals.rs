//! Why a service refuses to start. What would break a promise later is said at once, with what to
//! do about it; all of it is asked from here.

use std::net::SocketAddr;

use anyhow::{bail, ensure};
use rdkafka::ClientConfig;
use sqlx::PgPool;
use sqlx::migrate::Migrator;

use crate::config::{CommonConfig, Profile};
use crate::db;
use crate::http::auth::DEVELOPMENT_ISSUER;
use crate::kafka::{admin, client};

/// What installations and examples begin with, this suite's own among them.
const DEFAULT_PASSWORDS: [&str; 6] = [
    "ticketrail",
    "postgres",
    "password",
    "secret",
    "admin",
    "changeme",
];
/// One copy may be down, and another fail, without an acknowledged event being gone.
const REPLICATION_MIN: usize = 3;
const IN_SYNC_MIN: i64 = 2;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What can be said before anything outside is asked.
pub(super) fn of_settings(
    config: &CommonConfig,
    addrs: [SocketAddr; 2],
    consumer: &ClientConfig,
    producer: &ClientConfig,
) -> anyhow::Result<()> {
    for addr in addrs {
        ensure!(
            addr.ip().is_loopback() || config.listen_beyond_loopback,
            "{addr} is not loopback and traffic is not encrypted; if that is meant, as in a \
             container, set LISTEN_BEYOND_LOOPBACK=true"
        );
    }
    client::check_consumer(consumer)?;
    client::check_producer(producer)?;
    match config.profile {
        Profile::Dev => Ok(()),
        Profile::Secure => secrets(config),
    }
}

fn secrets(config: &CommonConfig) -> anyhow::Result<()> {
    let auth = &config.auth;
    ensure!(
        auth.jwt_issuer != DEVELOPMENT_ISSUER,
        "PROFILE=secure and JWT_ISSUER={DEVELOPMENT_ISSUER}: anybody can make tokens of the \
         development issuer; set JWT_ISSUER and JWT_JWKS_URL to your own"
    );
    if let Some(url) = &auth.jwt_jwks_url {
        ensure!(
            url.starts_with("https://"),
            "PROFILE=secure and JWT_JWKS_URL={url}: whoever stands in between could put keys of \
             their own there; use https"
        );
    }
    let password = password(&config.database_url);
    ensure!(
        !DEFAULT_PASSWORDS.contains(&password.as_str()),
        "PROFILE=secure and DATABASE_URL has a password that everybody knows; give the role one \
         of its own with ALTER ROLE"
    );
    Ok(())
}

/// Between the user's name and the host, as it stands there. Without one, certificates or the
/// server's own rules say who may come in.
fn password(url: &str) -> String {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    let password = user.split_once(':').map_or("", |(_, password)| password);
    password.to_owned()
}

/// A database that forgets, that is not the primary, or that is not of this version.
pub(super) async fn of_database(pool: &PgPool, migrations: &Migrator) -> anyhow::Result<()> {
    db::check_durability(pool).await?;
    db::check_migrations(pool, migrations).await?;
    db::check_watermark(pool).await
}

/// Topics that forget events, or remember them for longer than the inbox does.
///
/// `read` are those whose events the inbox must know; the others it is only written to.
pub(super) async fn of_topics(
    profile: Profile,
    kafka: &ClientConfig,
    read: &[String],
    written: &[String],
    inbox_days: i32,
) -> anyhow::Result<()> {
    let mut names: Vec<_> = read.iter().chain(written).cloned().collect();
    names.sort();
    names.dedup();
    let topics = admin::describe_topics(kafka, &names).await?;
    for topic in &topics {
        of_topic(profile, topic, read.contains(&topic.name), inbox_days)?;
    }
    Ok(())
}

fn of_topic(
    profile: Profile,
    topic: &admin::TopicSettings,
    is_read: bool,
    inbox_days: i32,
) -> anyhow::Result<()> {
    let name = &topic.name;
    ensure!(
        topic.cleanup_policy == "delete",
        "the topic {name} has cleanup.policy={}; a compacted topic forgets events: set it to \
         delete",
        topic.cleanup_policy
    );
    let inbox_ms = i64::from(inbox_days) * DAY_MS;
    let outlives_the_inbox = topic.retention_ms < 0 || topic.retention_ms > inbox_ms;
    if is_read && outlives_the_inbox {
        bail!(
            "the topic {name} has retention.ms={} and processed_events is kept for {inbox_ms} ms: \
             an event that comes again after that would act twice; set retention.ms to at most \
             that",
            topic.retention_ms
        );
    }
    if profile == Profile::Dev {
        return Ok(());
    }
    ensure!(
        topic.replication >= REPLICATION_MIN,
        "PROFILE=secure and the topic {name} has {} copies, not {REPLICATION_MIN}: make it with \
         KAFKA_REPLICATION={REPLICATION_MIN}, or reassign its partitions",
        topic.replication
    );
    ensure!(
        topic.in_sync_min >= IN_SYNC_MIN,
        "PROFILE=secure and the topic {name} has min.insync.replicas={}: one broker's loss could \
         take acknowledged events along; set it to {IN_SYNC_MIN}",
        topic.in_sync_min
    );
    ensure!(
        !topic.unclean_election,
        "PROFILE=secure and the topic {name} has unclean.leader.election.enable=true: a leader \
         that lacks events could be elected; set it to false"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{of_topic, password};
    use crate::config::Profile;
    use crate::kafka::admin::TopicSettings;

    fn good() -> TopicSettings {
        TopicSettings {
            name: "order.events".to_owned(),
            cleanup_policy: "delete".to_owned(),
            retention_ms: 604_800_000,
            replication: 3,
            in_sync_min: 2,
            unclean_election: false,
        }
    }

    #[track_caller]
    fn check(topic: &TopicSettings, in_dev: Option<&str>, in_secure: Option<&str>) {
        for (profile, expected) in [(Profile::Dev, in_dev), (Profile::Secure, in_secure)] {
            let refusal = of_topic(profile, topic, true, 9).err();
            let refusal = refusal.map(|refusal| refusal.to_string());
            match expected {
                None => assert_eq!(refusal, None, "{profile:?}"),
                Some(word) => {
                    let refusal = refusal.expect("it is refused");
                    assert!(refusal.contains(word), "{profile:?}: {refusal}");
                }
            }
        }
    }

    #[test]
    fn a_topic_that_could_forget_or_remember_too_long_is_refused() {
        let compacted = "cleanup.policy=compact";
        let retention = "retention.ms";
        check(&good(), None, None);
        let cleanup_policy = "compact,delete".to_owned();
        let topic = TopicSettings {
            cleanup_policy,
            ..good()
        };
        check(&topic, Some(compacted), Some(compacted));
        for retention_ms in [-1, 10 * super::DAY_MS] {
            let topic = TopicSettings {
                retention_ms,
                ..good()
            };
            check(&topic, Some(retention), Some(retention));
            assert!(
                of_topic(Profile::Dev, &topic, false, 9).is_ok(),
                "nobody reads it here"
            );
        }
        let topic = TopicSettings {
            replication: 1,
            ..good()
        };
        check(&topic, None, Some("has 1 copies"));
        let topic = TopicSettings {
            in_sync_min: 1,
            ..good()
        };
        check(&topic, None, Some("min.insync.replicas=1"));
        let topic = TopicSettings {
            unclean_election: true,
            ..good()
        };
        check(&topic, None, Some("unclean.leader.election.enable=true"));
    }

    #[test]
    fn a_password_is_found_in_an_address() {
        for (url, expected) in [
            ("postgres://order:s3cret@db:5432/order", "s3cret"),
            ("postgres://order:a:b@db/order?sslmode=verify-full", "a:b"),
            ("postgres://order@db/order", ""),
            ("postgres:///order?host=/run:x@y", ""),
        ] {
            assert_eq!(password(url), expected, "{url}");
        }
    }
}
