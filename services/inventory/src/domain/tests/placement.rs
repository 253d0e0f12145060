//! Which warehouses fill an order.

use shared::contract::inventory::{StockRejected, StockReserved};

use super::*;

#[track_caller]
fn check_placement(
    stock: &[(&str, &str, i64)],
    country: &str,
    lines: &[(&str, i32)],
    expected: &str,
    why: &str,
) {
    let mut world = World::new(stock);
    let events = world.place(country, lines).expect("the lines are fine");
    world.check_books();
    let (_, reserved) = events.find::<StockReserved>().expect("there is enough");
    let allocations: Vec<String> = reserved
        .allocations
        .iter()
        .map(|share| {
            let lines: Vec<String> = share
                .lines
                .iter()
                .map(|line| format!("{}:{}", line.sku, line.quantity))
                .collect();
            format!("{} {}", share.warehouse, lines.join(" "))
        })
        .collect();
    assert_eq!(allocations.join(" | "), expected);
    assert_eq!(reserved.placement, why);
}

#[test]
fn one_warehouse_fills_an_order_if_it_can_nearest_first() {
    let stock = &[
        ("MUG", "BER", 5),
        ("MUG", "MAD", 5),
        ("MUG", "WAW", 9),
        ("POT", "MAD", 1),
    ][..];
    let mugs = |quantity| [("MUG", quantity)];
    check_placement(
        stock,
        "DE",
        &mugs(5),
        "BER MUG:5",
        "BER is nearest to DE (260 km) and has every line",
    );
    check_placement(
        stock,
        "PT",
        &mugs(5),
        "MAD MUG:5",
        "MAD is nearest to PT (419 km) and has every line",
    );
    check_placement(
        stock,
        "DE",
        &mugs(6),
        "WAW MUG:6",
        "WAW is the nearest to DE (743 km) that has every line",
    );
    check_placement(
        stock,
        "DE",
        &[("MUG", 2), ("POT", 1)],
        "MAD MUG:2 POT:1",
        "MAD is the nearest to DE (1609 km) that has every line",
    );
    check_placement(
        stock,
        "AQ",
        &mugs(6),
        "WAW MUG:6",
        "WAW has every line; the way to AQ is not known, so warehouses are asked by code",
    );
}

#[test]
fn an_order_is_split_over_few_warehouses_nearest_first() {
    let stock = &[
        ("MUG", "BER", 1),
        ("MUG", "MAD", 6),
        ("MUG", "WAW", 5),
        ("POT", "BER", 2),
    ][..];
    let split = |warehouses| {
        format!("no warehouse has every line alone; split over {warehouses}, nearest to DE first")
    };
    check_placement(
        stock,
        "DE",
        &[("MUG", 6), ("POT", 1)],
        "BER MUG:1 POT:1 | WAW MUG:5",
        &split("BER and WAW"),
    );
    check_placement(
        stock,
        "DE",
        &[("MUG", 7)],
        "BER MUG:1 | MAD MUG:6",
        &split("BER and MAD"),
    );
    check_placement(
        stock,
        "DE",
        &[("MUG", 8)],
        "WAW MUG:5 | MAD MUG:3",
        &split("WAW and MAD"),
    );
    check_placement(
        stock,
        "DE",
        &[("MUG", 12)],
        "BER MUG:1 | WAW MUG:5 | MAD MUG:6",
        &split("BER, WAW and MAD"),
    );
    check_placement(
        stock,
        "AQ",
        &[("MUG", 7)],
        "BER MUG:1 | MAD MUG:6",
        "no warehouse has every line alone; split over BER and MAD by code, as the way to AQ is \
         not known",
    );
}

#[test]
fn a_short_order_is_rejected_as_a_whole_with_what_is_short() {
    let mut world = World::new(SPLIT);

    let events = world
        .place("DE", &[("MUG", 1), ("TRAY", 19), ("GHOST", 2)])
        .expect("a decision");

    let (version, rejected) = events.find::<StockRejected>().expect("it is short");
    let shortfalls: Vec<_> = rejected
        .shortfalls
        .iter()
        .map(|short| (short.sku.as_str(), short.requested, short.available))
        .collect();
    assert_eq!(
        (version, shortfalls),
        (1, vec![("TRAY", 19, 18), ("GHOST", 2, 0)])
    );
    assert_eq!(world.level("MUG", "BER"), (9, 0));
    assert!(world.book.ledger.is_empty());
}
