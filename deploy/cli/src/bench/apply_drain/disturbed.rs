//! The same drain with something that disturbs it, beside the same without.

use sqlx::{Connection, PgConnection};

use super::drain::{self, How};
use super::oracle::Expected;
use super::orders::{self, Mix};
use super::preload::{self, Load};
use super::{SERVICE, WARM_UP_EVENTS, oracle};
use crate::bench::parts::Parts;
use crate::bench::report::Subject;
use crate::bench::rounds::{About, Measured, Workload};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Disturbance {
    /// Events that come again, records that cannot be read, and a kill half way.
    Repeats,
    /// Nine orders of ten want the same article.
    HotSku,
    /// The inbox knows so many events already.
    History {
        events: u32,
    },
    /// Every order's trace is recorded.
    Traces,
    /// Two processes share the work.
    TwoInstances,
    FourInstances,
}

pub(in crate::bench) struct Disturbed {
    by: Disturbance,
    events: u32,
    round: Option<Round>,
}

struct Round {
    ours: Side,
    clean: Side,
}

/// A topic, a database, and what should become of them.
struct Side {
    namespace: String,
    database: String,
    url: String,
    expected: Expected,
}

const SUBJECTS: &[Subject] = &[Subject::Ours, Subject::Clean];

impl Disturbed {
    pub(in crate::bench) fn new(by: Disturbance, events: u32) -> Self {
        Self {
            by,
            events,
            round: None,
        }
    }

    async fn side(&self, parts: &Parts, number: u32, subject: Subject) -> anyhow::Result<Side> {
        let by = match subject {
            Subject::Ours => Some(self.by),
            _ => None,
        };
        let database = format!("disturbed{number}_{}", subject.name());
        let url = match by {
            Some(Disturbance::History { events }) => {
                let history = remembering(parts, events).await?;
                parts.copy_database(SERVICE, &history, &database).await?
            }
            _ => parts.fresh_database(SERVICE, &database).await?,
        };
        let mix = match by {
            Some(Disturbance::Repeats) => Mix::Repeated,
            Some(Disturbance::HotSku) => Mix::Hot,
            Some(
                Disturbance::History { .. }
                | Disturbance::Traces
                | Disturbance::TwoInstances
                | Disturbance::FourInstances,
            )
            | None => Mix::Uniform,
        };
        let load = Load {
            events: self.events,
            mix,
            traced: by == Some(Disturbance::Traces),
        };
        orders::seed_stock(&url).await?;
        let namespace = format!("disturbed{number}.{}.", subject.name());
        parts.fresh_topics(&namespace).await?;
        let mut expected = preload::run(parts, &namespace, &url, load).await?;
        if let Some(Disturbance::History { events }) = by {
            expected.known_before = i64::from(events);
        }
        Ok(Side {
            namespace,
            database,
            url,
            expected,
        })
    }
}

impl Workload for Disturbed {
    fn about(&self) -> About {
        About {
            name: match self.by {
                Disturbance::Repeats => "apply-drain-dup",
                Disturbance::HotSku => "hot-sku",
                Disturbance::History { .. } => "history-growth",
                Disturbance::Traces => "otel-cost",
                Disturbance::TwoInstances => "two-instances",
                Disturbance::FourInstances => "four-instances",
            },
            unit: "records",
            subjects: SUBJECTS,
        }
    }

    fn warm_up(&self) -> Self {
        // What is to be remembered is written once, and has no place in a warm-up.
        let by = match self.by {
            Disturbance::History { .. } => Disturbance::HotSku,
            by => by,
        };
        Self::new(by, self.events.min(WARM_UP_EVENTS))
    }

    async fn prepare(&mut self, parts: &Parts, number: u32) -> anyhow::Result<()> {
        self.round = Some(Round {
            ours: self.side(parts, number, Subject::Ours).await?,
            clean: self.side(parts, number, Subject::Clean).await?,
        });
        Ok(())
    }

    async fn measure(&mut self, parts: &Parts, subject: Subject) -> anyhow::Result<Measured> {
        let round = self.round.as_ref().expect("it was prepared");
        let (side, how) = match subject {
            Subject::Ours => {
                let how = How {
                    killed: self.by == Disturbance::Repeats,
                    traced: self.by == Disturbance::Traces,
                    instances: match self.by {
                        Disturbance::TwoInstances => 2,
                        Disturbance::FourInstances => 4,
                        _ => 1,
                    },
                    ..How::default()
                };
                (&round.ours, how)
            }
            _ => (&round.clean, How::default()),
        };
        let records = side.expected.records;
        let drained = drain::ours(parts, &side.namespace, &side.url, records, how);
        let mut measured = drained.await?;
        measured.wrong = oracle::check(&side.url, &side.expected).await?;
        Ok(measured)
    }

    async fn clear(&mut self, parts: &Parts) -> anyhow::Result<()> {
        let Some(Round { ours, clean, .. }) = self.round.take() else {
            return Ok(());
        };
        for side in [ours, clean] {
            parts.drop_database(&side.database).await?;
            parts.drop_topics(&side.namespace).await?;
        }
        Ok(())
    }
}

/// A database whose inbox has so many events of today. Made once, and copied for each round.
async fn remembering(parts: &Parts, events: u32) -> anyhow::Result<String> {
    let name = format!("history_{events}");
    if parts.has_database(&name).await? {
        return Ok(name);
    }
    let url = parts.fresh_database(SERVICE, &name).await?;
    let mut connection = PgConnection::connect(&url).await?;
    // As ids that were drawn one after the other since midnight.
    sqlx::query(
        "INSERT INTO processed_events (event_id)
         SELECT (lpad(to_hex(ms), 12, '0') || '7' || substr(random, 1, 3)
                 || '8' || substr(random, 4, 15))::uuid
         FROM (SELECT (extract(epoch FROM midnight) * 1000
                       + extract(epoch FROM now() - midnight) * 1000 * number / $1)::bigint AS ms,
                      md5(number::text) AS random
               FROM generate_series(1, $1::bigint) AS number,
                    date_trunc('day', now(), 'UTC') AS midnight) AS drawn",
    )
    .bind(i64::from(events))
    .execute(&mut connection)
    .await?;
    sqlx::query("VACUUM ANALYZE processed_events")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(name)
}
