//! Every law sees what breaks it, and nothing where nothing is broken.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::database::CheckDatabase;
use super::laws;
use super::report::LawResult;
use crate::local::{self, Layout, Part, Progress, ports};

mod many;
mod planted;
mod promised;

use planted::PLANTED;
use promised::{HISTORY, PROMISED};

/// Ports are looked for where no other start is under way.
static ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const WORLD: &str = include_str!("world.sql");

#[tokio::test]
async fn every_law_sees_what_breaks_it_and_nothing_else() {
    let wrong = with_postgres("laws", judge).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs on a server of its own. Nothing panics before it has ended.
async fn with_postgres<T>(name: &str, run: impl AsyncFnOnce(String) -> anyhow::Result<T>) -> T {
    let folder = std::env::temp_dir().join(format!("ticketrail-{name}-{}", std::process::id()));
    let (layout, stack) = {
        let _one = ONE.lock().await;
        let offset = ports::find_free_offset().expect("free ports");
        let layout = Layout::new(&folder, offset).expect("a layout");
        let stack = local::start(&layout, &[Part::Postgres], &Progress::to_stderr())
            .await
            .expect("Postgres starts");
        (layout, stack)
    };

    let outcome = run(layout.endpoints().postgres).await;

    stack.shutdown().await.expect("it stops");
    layout.wipe().expect("it leaves nothing");
    outcome.expect("the laws can be asked")
}

/// What differs from the tables above.
async fn judge(admin: String) -> anyhow::Result<Vec<String>> {
    let database = CheckDatabase::create(&admin, "ticketrail_check_laws".to_owned()).await?;
    let mut check = database.connect().await?;
    sqlx::raw_sql(WORLD).execute(&mut check).await?;

    let mut wrong = Vec::new();
    let calm = after(&mut check, "SELECT").await?;
    compare(&mut wrong, "a world where all is well", &[], &calm);
    for (what, sql, expected) in PLANTED {
        compare(&mut wrong, what, expected, &after(&mut check, sql).await?);
    }

    sqlx::raw_sql(HISTORY).execute(&mut check).await?;
    let told = after(&mut check, "SELECT").await?;
    compare(&mut wrong, "a history that is true", &[], &told);
    for law in told.iter().filter(|law| law.checked == 0) {
        wrong.push(format!("{} had nothing to check", law.law));
    }
    for (what, sql, expected) in PROMISED {
        compare(&mut wrong, what, expected, &after(&mut check, sql).await?);
    }

    let mut covered: Vec<_> = PLANTED
        .iter()
        .chain(PROMISED)
        .flat_map(|planted| planted.2)
        .collect();
    covered.sort_unstable();
    for law in told {
        if covered.binary_search(&&law.law).is_err() {
            wrong.push(format!("nothing is planted against {}", law.law));
        }
    }
    check.close().await?;
    database.drop().await?;
    Ok(wrong)
}

/// The laws of a world with something planted in it, which is gone afterwards.
async fn after(check: &mut PgConnection, planted: &'static str) -> anyhow::Result<Vec<LawResult>> {
    let mut tx = check.begin().await?;
    sqlx::raw_sql(AssertSqlSafe(planted))
        .execute(&mut *tx)
        .await?;
    laws::prepare(&mut tx).await?;
    let results = laws::check(&mut tx).await?;
    tx.rollback().await?;
    Ok(results)
}

fn compare(wrong: &mut Vec<String>, what: &str, expected: &[&str], seen: &[LawResult]) {
    let broken: Vec<_> = seen.iter().filter(|law| law.violations > 0).collect();
    if broken
        .iter()
        .map(|law| law.law)
        .ne(expected.iter().copied())
    {
        wrong.push(format!(
            "{what} should break {expected:?} and breaks {broken:?}"
        ));
    }
    for law in broken {
        let named = |example: &String| NAMED.iter().any(|name| example.contains(name));
        if !law.examples.iter().any(named) && !law.examples.iter().any(|text| is_sum(text)) {
            wrong.push(format!("{what} is seen, and not named: {:?}", law.examples));
        }
    }
}

/// What an example is about: an order or a transaction, an event, goods, a position.
const NAMED: &[&str] = &["0a0a0a0a-", "0e0e0e0e-", "MUG", "POT", ".events/", ".dlt/"];

/// Sums are about nothing that has a name.
fn is_sum(example: &str) -> bool {
    example.contains(" orders ") || example.contains(" orders, ")
}
