//! I3, I4 and I9 of inventory: shelves, ledger and reservations.
//!
//! The ledger is only ever appended to, so its sums are carried on from look to look, and only its
//! last pages are read again. A row that came to lie on an older page than that makes the sums
//! differ; then the whole ledger is read once more, in the same snapshot, before anything is said.
//!
//! Reservations change in place, and which of them are alive only the whole table says. It is read
//! in every look while it is small, and less often when reading it takes more than a tenth of the
//! time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::findings::Findings;

/// Some twenty thousand rows: more than what is being written at any moment.
const PAGES_AGAIN: i64 = 256;
const SHARE: u32 = 10;

type Shelf = (String, String);

/// On hand and reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Units(i64, i64);

#[derive(Default)]
pub(super) struct Books {
    /// Up to which page of the ledger the sums go.
    pages: i64,
    sums: BTreeMap<Shelf, Units>,
    scan_at: Option<Instant>,
}

impl Books {
    pub(super) async fn check(
        &mut self,
        database: &mut PgConnection,
        findings: &Findings,
    ) -> sqlx::Result<()> {
        let stock = stock(database).await?;
        for ((sku, warehouse), Units(on_hand, reserved)) in &stock {
            if *on_hand < 0 || *reserved < 0 || reserved > on_hand {
                findings.violated(
                    "I3",
                    format!("{sku} in {warehouse}: {on_hand} on hand, {reserved} reserved"),
                );
            }
        }
        let mut booked = self.ledger(database).await?;
        if first_difference(&stock, &booked).is_some() && self.pages > 0 {
            *self = Self {
                scan_at: self.scan_at,
                ..Self::default()
            };
            booked = self.ledger(database).await?;
        }
        if let Some((sku, warehouse)) = first_difference(&stock, &booked) {
            let shelf = (sku.clone(), warehouse.clone());
            let [has, by_ledger] = [&stock, &booked].map(|units| units.get(&shelf).copied());
            findings.violated(
                "I3",
                format!(
                    "{sku} in {warehouse}: {:?}, by the ledger {:?} (on hand, reserved)",
                    has.unwrap_or_default(),
                    by_ledger.unwrap_or_default()
                ),
            );
        }
        findings.checked("I3", stock.len());

        if self.scan_at.is_none_or(|at| Instant::now() >= at) {
            let begun = Instant::now();
            reservations(database, findings).await?;
            let took: Duration = begun.elapsed();
            self.scan_at = Some(begun + took * SHARE);
        }
        Ok(())
    }

    async fn ledger(
        &mut self,
        database: &mut PgConnection,
    ) -> sqlx::Result<BTreeMap<Shelf, Units>> {
        let pages: i64 = sqlx::query_scalar(
            "SELECT pg_relation_size('stock_ledger') / current_setting('block_size')::bigint",
        )
        .fetch_one(&mut *database)
        .await?;
        let settled = (pages - PAGES_AGAIN).max(self.pages);
        for (shelf, Units(on_hand, reserved)) in
            pages_of_ledger(database, self.pages, settled).await?
        {
            let sum = self.sums.entry(shelf).or_default();
            *sum = Units(sum.0 + on_hand, sum.1 + reserved);
        }
        self.pages = settled;
        let mut sums = self.sums.clone();
        for (shelf, Units(on_hand, reserved)) in
            pages_of_ledger(database, settled, i64::from(u32::MAX) - 1).await?
        {
            let sum = sums.entry(shelf).or_default();
            *sum = Units(sum.0 + on_hand, sum.1 + reserved);
        }
        Ok(sums)
    }
}

/// A shelf that is missing is an empty one.
fn first_difference<'b>(
    stock: &'b BTreeMap<Shelf, Units>,
    booked: &'b BTreeMap<Shelf, Units>,
) -> Option<&'b Shelf> {
    let shelves: BTreeSet<_> = stock.keys().chain(booked.keys()).collect();
    let units = |of: &BTreeMap<Shelf, Units>, shelf| of.get(shelf).copied().unwrap_or_default();
    shelves
        .into_iter()
        .find(|shelf| units(stock, shelf) != units(booked, shelf))
}

async fn stock(database: &mut PgConnection) -> sqlx::Result<BTreeMap<Shelf, Units>> {
    let rows: Vec<(String, String, i64, i64)> =
        sqlx::query_as("SELECT sku, warehouse, on_hand, reserved FROM stock")
            .fetch_all(database)
            .await?;
    Ok(shelves(rows))
}

async fn pages_of_ledger(
    database: &mut PgConnection,
    from: i64,
    to: i64,
) -> sqlx::Result<BTreeMap<Shelf, Units>> {
    if from == to {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(String, String, i64, i64)> = sqlx::query_as(
        "SELECT u.sku, u.warehouse, sum(u.d_on_hand)::bigint, sum(u.d_reserved)::bigint
         FROM stock_ledger AS l,
              unnest(l.skus, l.warehouses, l.d_on_hand, l.d_reserved)
                  AS u (sku, warehouse, d_on_hand, d_reserved)
         WHERE l.ctid >= format('(%s,0)', $1)::tid AND l.ctid < format('(%s,0)', $2)::tid
         GROUP BY u.sku, u.warehouse",
    )
    .bind(from)
    .bind(to)
    .fetch_all(database)
    .await?;
    Ok(shelves(rows))
}

fn shelves(rows: Vec<(String, String, i64, i64)>) -> BTreeMap<Shelf, Units> {
    rows.into_iter()
        .map(|(sku, warehouse, on_hand, reserved)| ((sku, warehouse), Units(on_hand, reserved)))
        .collect()
}

/// What live reservations hold, and whether their orders were buried.
async fn reservations(database: &mut PgConnection, findings: &Findings) -> sqlx::Result<()> {
    let (shelves, all, wrong, buried): (i64, i64, Vec<String>, Vec<String>) = sqlx::query_as(
        "WITH alive AS MATERIALIZED (
             SELECT order_id, warehouse, state, skus, quantities
             FROM reservations WHERE state IN ('held', 'releasing')
         ), held AS (
             SELECT u.sku, r.warehouse, sum(u.quantity) AS units
             FROM alive AS r, unnest(r.skus, r.quantities) AS u (sku, quantity)
             GROUP BY u.sku, r.warehouse)
         SELECT (SELECT count(*) FROM stock), (SELECT count(*) FROM reservations),
                ARRAY(SELECT format('%s in %s: %s reserved, %s held', sku, warehouse,
                                    coalesce(s.reserved, 0), coalesce(h.units, 0))
                      FROM stock AS s FULL JOIN held AS h USING (sku, warehouse)
                      WHERE coalesce(s.reserved, 0) <> coalesce(h.units, 0)),
                ARRAY(SELECT format('order %s was buried (%s) and has units %s in %s', order_id,
                                    t.cause, r.state, r.warehouse)
                      FROM alive AS r JOIN tombstones AS t USING (order_id))",
    )
    .fetch_one(database)
    .await?;
    for example in wrong {
        findings.violated("I4", example);
    }
    for example in buried {
        findings.violated("I9", example);
    }
    findings.checked("I4", usize::try_from(shelves + all).unwrap_or_default());
    findings.checked("I9", usize::try_from(all).unwrap_or_default());
    Ok(())
}
