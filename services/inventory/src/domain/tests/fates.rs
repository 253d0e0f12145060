//! What becomes of an order, whatever the order of its events.

use super::*;

#[track_caller]
fn check_story(
    stock: &[(&str, &str, i64)],
    story: &[Step],
    published: &[(i32, &str)],
    states: &[(&str, &str)],
) {
    let mut world = World::new(stock);
    world.tell(story);
    assert_eq!(world.published, published, "{story:?}");
    assert_eq!(world.states(), states, "{story:?}");

    // The same again finds the state it left behind.
    let (stock, ledger) = (world.book.stock.clone(), world.book.ledger.len());
    world.tell(story);
    assert_eq!(world.published, published, "again: {story:?}");
    assert_eq!(world.states(), states, "again: {story:?}");
    assert_eq!(world.book.stock, stock, "again: {story:?}");
    assert_eq!(world.book.ledger.len(), ledger, "again: {story:?}");
}

const RESERVED: (i32, &str) = (1, "StockReserved");
const REJECTED: (i32, &str) = (1, "StockRejected");
const RELEASED: (i32, &str) = (2, "StockReleased");
const RELEASED_FIRST: (i32, &str) = (1, "StockReleased");

const ALL_HELD: &[(&str, &str)] = &[("BER", "held"), ("WAW", "held")];
const ALL_FREE: &[(&str, &str)] = &[("BER", "released"), ("WAW", "released")];
const ALL_GONE: &[(&str, &str)] = &[("BER", "shipped"), ("WAW", "shipped")];

#[test]
fn an_order_is_reserved_and_ends_shipped_or_released() {
    check_story(SPLIT, &[Placed], &[RESERVED], ALL_HELD);
    check_story(SPLIT, &[Placed, CANCELLED], &[RESERVED, RELEASED], ALL_FREE);
    check_story(
        SPLIT,
        &[Placed, CANCELLED_LATE],
        &[RESERVED],
        &[("BER", "releasing"), ("WAW", "releasing")],
    );
    check_story(
        SPLIT,
        &[Placed, CANCELLED_LATE, Voided],
        &[RESERVED, RELEASED],
        ALL_FREE,
    );
    check_story(
        SPLIT,
        &[Placed, Dispatched("WAW")],
        &[RESERVED],
        &[("BER", "held"), ("WAW", "shipped")],
    );
    check_story(
        SPLIT,
        &[Placed, Dispatched("WAW"), Dispatched("BER")],
        &[RESERVED],
        ALL_GONE,
    );
}

#[test]
fn a_dispatch_that_won_the_race_goes_forward_with_the_whole_order() {
    let (ber, waw) = (Dispatched("BER"), Dispatched("WAW"));
    for story in [
        [Placed, CANCELLED_LATE, ber, waw],
        [Placed, ber, CANCELLED_LATE, waw],
        [Placed, ber, waw, CANCELLED_LATE],
    ] {
        check_story(SPLIT, &story, &[RESERVED], ALL_GONE);
    }
    check_story(
        SPLIT,
        &[Placed, CANCELLED_LATE, ber],
        &[RESERVED],
        &[("BER", "shipped"), ("WAW", "releasing")],
    );
}

#[test]
fn a_rejected_order_acknowledges_its_cancellation_once() {
    check_story(EMPTY, &[Placed], &[REJECTED], &[("-", "rejected")]);
    for story in [
        vec![Placed, CANCELLED],
        vec![Placed, Voided, CANCELLED],
        vec![Placed, CANCELLED, Voided],
    ] {
        check_story(EMPTY, &story, &[REJECTED, RELEASED], &[("-", "cancelled")]);
    }
}

#[test]
fn every_interleaving_of_a_cancellation_ends_with_one_acknowledgement() {
    for story in permutations(&[Placed, CANCELLED, Voided]) {
        let overtaken = story.iter().position(|step| *step == CANCELLED)
            < story.iter().position(|step| *step == Placed);
        let published: &[_] = if overtaken {
            &[RELEASED_FIRST]
        } else {
            &[RESERVED, RELEASED]
        };
        let states = if overtaken {
            &[("-", "cancelled")][..]
        } else {
            ALL_FREE
        };
        check_story(SPLIT, &story, published, states);
    }
    // That an order was confirmed takes our reservation: its cancellation cannot overtake that.
    check_story(
        SPLIT,
        &[Placed, Voided, CANCELLED_LATE],
        &[RESERVED, RELEASED],
        ALL_FREE,
    );
    check_story(
        SPLIT,
        &[Placed, CANCELLED_LATE, Voided],
        &[RESERVED, RELEASED],
        ALL_FREE,
    );
}

fn permutations(steps: &[Step]) -> Vec<Vec<Step>> {
    let Some((first, rest)) = steps.split_first() else {
        return vec![Vec::new()];
    };
    permutations(rest)
        .into_iter()
        .flat_map(|rest| {
            (0..=rest.len()).map(move |at| {
                let mut story = rest.clone();
                story.insert(at, *first);
                story
            })
        })
        .collect()
}

#[test]
fn what_shipment_can_never_say_is_refused_and_leaves_no_trace() {
    for (before, step, code) in [
        (vec![], Dispatched("BER"), "dispatched-without-reservation"),
        (
            vec![Placed],
            Dispatched("MAD"),
            "dispatched-without-reservation",
        ),
        (
            vec![CANCELLED],
            Dispatched("BER"),
            "dispatched-without-reservation",
        ),
        (
            vec![Placed, CANCELLED],
            Dispatched("BER"),
            "dispatched-after-release",
        ),
        (
            vec![Placed, Dispatched("BER")],
            Voided,
            "voided-after-dispatch",
        ),
    ] {
        let mut world = World::new(SPLIT);
        world.tell(&before);
        let left = world.book.clone();

        let reject = world.step(step).err().expect("this cannot be");

        assert_eq!(reject.code, code);
        assert_eq!(world.book, left);
    }
}
