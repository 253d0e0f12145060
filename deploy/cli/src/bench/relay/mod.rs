//! A backlog in the outbox, and rows that come meanwhile, through the relay: records a second.
//!
//! The limit is a bare producer with the same options, which sends the same records, ready made,
//! from memory.

mod backlog;
mod bare;
mod topic;

use std::time::Duration;

use shared::contract::inventory::StockReserved;
use shared::event::Event;
use shared::kafka::Names;
use sqlx::{Connection, PgConnection};

use self::backlog::Backlog;
use self::topic::Topic;
use super::parts::Parts;
use super::report::Subject;
use super::rounds::{About, Measured, Workload};
use super::watch::Watch;

const SERVICE: &str = "inventory";
const WARM_UP_ROWS: u32 = 40_000;
const LOOK_EVERY: Duration = Duration::from_millis(50);
const SUBJECTS: &[Subject] = &[Subject::Ours, Subject::Limit];

pub(super) struct Relay {
    rows: u32,
    round: Option<Round>,
}

struct Round {
    number: u32,
    url: String,
}

impl Relay {
    pub(super) fn new(rows: u32) -> Self {
        Self { rows, round: None }
    }
}

impl Workload for Relay {
    fn about(&self) -> About {
        About {
            name: "relay",
            unit: "records",
            subjects: SUBJECTS,
        }
    }

    fn warm_up(&self) -> Self {
        Self::new(self.rows.min(WARM_UP_ROWS))
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        let url = parts.fresh_database(SERVICE, &database(number)).await?;
        for subject in SUBJECTS {
            parts.fresh_topics(&namespace(number, *subject)).await?;
        }
        Backlog::new(parts, &url).await?.fill(self.rows).await?;
        self.round = Some(Round { number, url });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.as_ref().expect("it was prepared");
        let namespace = namespace(round.number, subject);
        let topic = Names::new(&namespace).topic(StockReserved::TOPIC.0);
        let topic = Topic::new(parts.kafka(), topic).await?;
        match subject {
            Subject::Limit => bare::run(parts, &round.url, &topic).await,
            _ => ours(parts, &round.url, &namespace, &topic, self.rows).await,
        }
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(Round { number, .. }) = self.round.take() else {
            return Ok(());
        };
        parts.drop_database(&database(number)).await?;
        for subject in SUBJECTS {
            parts.drop_topics(&namespace(number, *subject)).await?;
        }
        Ok(())
    }
}

fn database(round: u32) -> String {
    format!("relay{round}")
}

fn namespace(round: u32, subject: Subject) -> String {
    format!("relay{round}.{}.", subject.name())
}

async fn ours(
    parts: &Parts,
    url: &str,
    namespace: &str,
    topic: &Topic,
    rows: u32,
) -> anyhow::Result<Measured> {
    let program = parts.service(SERVICE, url, namespace)?;
    let backlog = Backlog::new(parts, url).await?;
    let watch = Watch {
        parts,
        who: "the relay",
        every: LOOK_EVERY,
        records: u64::from(rows),
    };
    let published = async {
        tokio::select! {
            published = watch.until_done(async || topic.records().await) => published,
            ended = backlog.trickle() => Err(ended),
        }
    };
    let ((), mut measured) = tokio::try_join!(parts.start_service(program), published)?;
    // What came meanwhile is published, too, and every row once.
    parts.stop_service(SERVICE).await?;
    let mut connection = PgConnection::connect(url).await?;
    let inserted: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox WHERE topic = $1")
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
    let records = topic.records().await?;
    if Ok(records) != u64::try_from(inserted) {
        let wrong = format!("{records} records of {inserted} rows are on the topic");
        measured.wrong.push(wrong);
    }
    Ok(measured)
}
