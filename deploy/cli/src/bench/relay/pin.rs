//! A reader and a writer that do not end.

use sqlx::{Connection, PgConnection};

use super::backlog::Backlog;

pub(super) struct Pin {
    reader: PgConnection,
    writer: PgConnection,
}

impl Pin {
    pub(super) async fn set(url: &str, backlog: &Backlog) -> anyhow::Result<Self> {
        let mut reader = PgConnection::connect(url).await?;
        let mut writer = PgConnection::connect(url).await?;
        for idle in [&mut reader, &mut writer] {
            sqlx::raw_sql("SET idle_in_transaction_session_timeout = 0")
                .execute(idle)
                .await?;
        }
        sqlx::raw_sql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM outbox_watermark")
            .execute(&mut reader)
            .await?;
        sqlx::raw_sql("BEGIN").execute(&mut writer).await?;
        backlog.insert(&mut writer, 1).await?;
        Ok(Self { reader, writer })
    }

    pub(super) async fn release(mut self) -> anyhow::Result<()> {
        sqlx::raw_sql("COMMIT").execute(&mut self.writer).await?;
        self.writer.close().await?;
        Ok(self.reader.close().await?)
    }
}
