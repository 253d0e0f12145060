//! A backlog in the outbox, and rows that come meanwhile, through the relay: records a second.
//!
//! The limit is a bare producer with the same options, which sends the same records, ready made,
//! from memory.
//!
//! Pinned, a reader and a writer have been at work since before the first record, and go on: no
//! dead row can be removed, and the watermark cannot move past the writer. It is put beside the
//! same without them.

mod backlog;
mod bare;
mod pin;
mod topic;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use shared::contract::inventory::StockReserved;
use shared::event::Event;
use shared::kafka::Names;
use sqlx::{Connection, PgConnection};

use self::backlog::Backlog;
use self::pin::Pin;
use self::topic::Topic;
use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use super::watch::{UNPUBLISHED, Watch};

const SERVICE: &str = "inventory";
const WARM_UP_ROWS: u32 = 40_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const PUBLISHED_WITHIN: Duration = Duration::from_secs(120);

pub(super) struct Relay {
    rows: u32,
    pinned: bool,
    round: Option<Round>,
}

struct Round {
    number: u32,
    /// Of each subject that is a relay.
    databases: BTreeMap<Subject, String>,
}

impl Relay {
    pub(super) fn new(rows: u32) -> Self {
        Self {
            rows,
            pinned: false,
            round: None,
        }
    }

    pub(super) fn pinned(rows: u32) -> Self {
        Self {
            pinned: true,
            ..Self::new(rows)
        }
    }

    async fn backlog(
        &self,
        parts: &Parts,
        number: u32,
        subject: Subject,
    ) -> anyhow::Result<String> {
        let url = parts
            .fresh_database(SERVICE, &database(number, subject))
            .await?;
        Backlog::new(parts, &url).await?.fill(self.rows).await?;
        Ok(url)
    }
}

impl Workload for Relay {
    fn about(&self) -> About {
        About {
            name: if self.pinned { "relay-pinned" } else { "relay" },
            unit: "records",
            subjects: if self.pinned {
                &[Subject::Ours, Subject::Clean]
            } else {
                &[Subject::Ours, Subject::Limit]
            },
        }
    }

    fn warm_up(&self) -> Self {
        Self {
            pinned: self.pinned,
            ..Self::new(self.rows.min(WARM_UP_ROWS))
        }
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        let mut databases = BTreeMap::new();
        for subject in self.about().subjects {
            parts.fresh_topics(&namespace(number, *subject)).await?;
            if *subject != Subject::Limit {
                let url = self.backlog(parts, number, *subject).await?;
                databases.insert(*subject, url);
            }
        }
        self.round = Some(Round { number, databases });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let Round { number, databases } = self.round.as_ref().expect("it was prepared");
        let namespace = namespace(*number, subject);
        let topic = Names::new(&namespace).topic(StockReserved::TOPIC.0);
        let topic = Topic::new(parts.kafka(), topic).await?;
        if subject == Subject::Limit {
            return bare::run(parts, &databases[&Subject::Ours], &topic).await;
        }
        let relaying = Relaying {
            parts,
            url: &databases[&subject],
            namespace: &namespace,
            topic: &topic,
            rows: self.rows,
        };
        relaying.run(self.pinned && subject == Subject::Ours).await
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(Round { number, .. }) = self.round.take() else {
            return Ok(());
        };
        for subject in self.about().subjects {
            parts.drop_database(&database(number, *subject)).await?;
            parts.drop_topics(&namespace(number, *subject)).await?;
        }
        Ok(())
    }
}

fn database(round: u32, subject: Subject) -> String {
    format!("relay{round}_{}", subject.name())
}

fn namespace(round: u32, subject: Subject) -> String {
    format!("relay{round}.{}.", subject.name())
}

struct Relaying<'a> {
    parts: &'a Parts,
    url: &'a str,
    namespace: &'a str,
    topic: &'a Topic,
    rows: u32,
}

impl Relaying<'_> {
    async fn run(&self, pinned: bool) -> anyhow::Result<Measured> {
        let parts = self.parts;
        let backlog = Backlog::new(parts, self.url).await?;
        let pin = if pinned {
            Some(Pin::set(self.url, &backlog).await?)
        } else {
            None
        };
        let program = parts.service(SERVICE, self.url, self.namespace)?;
        let watch = Watch {
            parts,
            who: "the relay",
            every: LOOK_EVERY,
            records: u64::from(self.rows),
        };
        let published = async {
            tokio::select! {
                published = watch.until_done(async || self.topic.records().await) => published,
                ended = backlog.trickle() => Err(ended),
            }
        };
        let ((), mut measured) = tokio::try_join!(parts.start_service(program), published)?;
        if let Some(pin) = pin {
            let window = self.unpublished().await?;
            measured.details.insert("window_rows", window);
            // Stopped as it is: what lies above the watermark is sent once more, and what the
            // writer has written only now, for the first time.
            parts.kill_service(SERVICE).await?;
            pin.release().await?;
            parts.restart_service(SERVICE).await?;
            tokio::time::timeout(PUBLISHED_WITHIN, self.until_published())
                .await
                .context("the relay does not get through what it sends again")??;
        }
        // What came meanwhile is published, too.
        parts.stop_service(SERVICE).await?;
        let rows = self.rows_written(&mut measured).await?;
        let records = self.topic.records().await?;
        let repeated = records.saturating_sub(rows);
        if records < rows || !pinned && repeated > 0 {
            let wrong = format!("{records} records of {rows} rows are on the topic");
            measured.wrong.push(wrong);
        }
        if pinned {
            measured
                .details
                .insert("repeated_after_kill", repeated as f64);
        }
        Ok(measured)
    }

    /// Until the watermark is past the last row.
    async fn until_published(&self) -> anyhow::Result<()> {
        while self.unpublished().await? > 0.0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn unpublished(&self) -> anyhow::Result<f64> {
        let mut connection = PgConnection::connect(self.url).await?;
        let rows = sqlx::query_scalar(UNPUBLISHED)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(rows)
    }

    /// Also tells how many dead rows there are.
    async fn rows_written(&self, measured: &mut Measured) -> anyhow::Result<u64> {
        let mut connection = PgConnection::connect(self.url).await?;
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE topic = $1")
            .bind(StockReserved::TOPIC.0)
            .fetch_one(&mut connection)
            .await?;
        let dead: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables
             WHERE relname LIKE 'outbox\\_%' AND relname NOT LIKE '%watermark%'",
        )
        .fetch_one(&mut connection)
        .await?;
        connection.close().await?;
        measured.details.insert("dead_rows", dead as f64);
        Ok(u64::try_from(rows)?)
    }
}
