//! Idempotency keys, against a map from key to what was asked first.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicU32, Ordering};

use futures::future::join_all;
use proptest::collection::vec;
use proptest::prelude::Strategy;
use ticketrail::client::Answer;
use uuid::Uuid;

use super::{check, runtime};
use crate::harness::World;
use crate::harness::world::{Settings, order_id, order_of};

/// A customer, a key and a body, each by number.
type Asked = (usize, usize, u32);

/// What is sent at the same time, round after round.
fn rounds() -> impl Strategy<Value = Vec<Vec<Asked>>> {
    vec(vec((0..2_usize, 0..3_usize, 1..3_u32), 1..8), 1..4)
}

#[test]
fn a_key_is_one_order_for_its_customer_whoever_asks_when() {
    let runtime = runtime();
    let world = runtime.block_on(async {
        let mut world = World::empty().await;
        world.run("order", &Settings::default()).await;
        world
    });
    let cases = AtomicU32::new(0);

    check(&runtime, 32, &rounds(), async |rounds| {
        let case = cases.fetch_add(1, Ordering::Relaxed);
        // The model: under which key which body became which order.
        let mut orders: BTreeMap<(usize, usize), (u32, Uuid)> = BTreeMap::new();
        for round in rounds {
            let answers = join_all(round.iter().map(|asked| ask(&world, case, *asked))).await;
            for ((customer, key, body), answer) in round.iter().zip(&answers) {
                // Of several that come at once, any may be the first.
                if answer.status == 202 {
                    let placed = (*body, order_id(&answer.body));
                    let first = *orders.entry((*customer, *key)).or_insert(placed);
                    if first != placed {
                        return Err(format!("key {key} is {first:?} and {placed:?}"));
                    }
                }
            }
            for ((customer, key, body), answer) in round.iter().zip(&answers) {
                let first = orders.get(&(*customer, *key));
                let expected = match first {
                    Some((first, _)) if first == body => 202,
                    Some(_) => 422,
                    None => return Err(format!("key {key} was refused: {}", answer.body)),
                };
                // Somebody else's request under this key is not decided yet.
                if answer.status != expected && answer.status != 409 {
                    return Err(format!("{} not {expected}: {}", answer.status, answer.body));
                }
            }
        }
        let ids: HashSet<_> = orders.values().map(|(_, id)| id).collect();
        let placed: i64 =
            sqlx::query_scalar("SELECT count(*) FROM orders WHERE customer_id LIKE $1")
                .bind(world.customer(&format!("c{case}-%")))
                .fetch_one(world.pool("order"))
                .await
                .map_err(|error| error.to_string())?;
        if ids.len() != orders.len() || usize::try_from(placed) != Ok(orders.len()) {
            return Err(format!("{placed} orders for {} keys", orders.len()));
        }
        Ok(())
    });

    runtime.block_on(world.close());
}

async fn ask(world: &World, case: u32, (customer, key, body): Asked) -> Answer {
    let customer = format!("c{case}-{customer}");
    let order = order_of(&[("MUG", body)]);
    world
        .place_with_key(&customer, &format!("key-{key}"), order)
        .await
}
