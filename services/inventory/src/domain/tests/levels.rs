//! Levels, alarms and the feed.

use shared::contract::inventory::{LowStock, StockLevelChanged};

use super::*;

#[test]
fn what_left_is_neither_on_hand_nor_reserved() {
    let mut world = World::new(SPLIT);
    world.tell(&[Placed]);
    assert_eq!(world.level("TRAY", "BER"), (6, 6));
    assert_eq!(world.level("TRAY", "WAW"), (6, 4));

    world.tell(&[Dispatched("BER")]);

    assert_eq!(world.level("TRAY", "BER"), (0, 0));
    assert_eq!(world.level("MUG", "BER"), (8, 0));
    assert_eq!(world.level("TRAY", "WAW"), (6, 4));
    assert_eq!(world.book.ledger.len(), 2, "one row per event");
}

/// The alarms of a change, as version and units free.
fn alarms(events: &Events) -> Option<(i32, i64)> {
    events
        .find::<LowStock>()
        .map(|(version, low)| (version, low.available))
}

#[test]
fn low_stock_is_raised_once_per_downward_crossing() {
    let mut world = World::new(&[("APRON", "BER", 5)]);
    let mut change = |step: &dyn Fn(&mut Book) -> Result<Events, Refusal>| {
        alarms(&step(&mut world.book).expect("the level is there"))
    };
    let note = || "counted".to_owned();
    let correct = |delta| {
        move |book: &mut Book| {
            adjust(
                book,
                "APRON",
                "BER",
                Adjustment::Correction { delta },
                note(),
                ORDER,
            )
        }
    };
    let threshold = |units| move |book: &mut Book| set_threshold(book, "APRON", "BER", units);

    assert_eq!(change(&threshold(3)), None);
    assert_eq!(change(&correct(-2)), None, "three are not fewer than three");
    assert_eq!(change(&correct(-1)), Some((1, 2)));
    assert_eq!(change(&correct(-1)), None, "raised already");
    assert_eq!(change(&correct(1)), None, "still below");
    assert_eq!(change(&correct(1)), None, "re-armed");
    assert_eq!(change(&correct(-1)), Some((2, 2)));
    assert_eq!(change(&threshold(2)), None, "re-armed by a lower threshold");
    assert_eq!(change(&threshold(9)), Some((3, 2)));
}

#[test]
fn a_reservation_that_crosses_the_threshold_raises_low_stock_with_it() {
    let mut world = World::new(&[("APRON", "BER", 5)]);
    set_threshold(&mut world.book, "APRON", "BER", 3).expect("the level is there");

    let events = world.place("DE", &[("APRON", 3)]).expect("there are five");

    assert_eq!(events.types(), ["StockReserved", "LowStock"]);
    assert_eq!(alarms(&events), Some((1, 2)));
    assert_eq!(
        world.book.stock.changed_versions().collect::<Vec<_>>(),
        [("APRON", 1)]
    );
}

#[test]
fn corrections_stop_at_what_is_promised() {
    let mut world = World::new(&[("APRON", "BER", 5)]);
    world
        .place("DE", &[("APRON", 3)])
        .expect("there are five")
        .types();
    let mut correct = |sku: &str, delta| {
        let correction = Adjustment::Correction { delta };
        adjust(
            &mut world.book,
            sku,
            "BER",
            correction,
            "counted".to_owned(),
            ORDER,
        )
        .err()
    };

    assert_eq!(
        correct("APRON", -3),
        Some(Refusal::BelowReserved {
            on_hand: 5,
            reserved: 3
        })
    );
    assert_eq!(correct("GHOST", 1), Some(Refusal::UnknownLevel));
    assert_eq!(correct("APRON", -2), None);
    assert_eq!(world.level("APRON", "BER"), (3, 3));
}

#[test]
fn the_feed_tells_only_levels_that_changed_and_the_first() {
    let level = |sku: &str, on_hand, told| Told {
        sku: sku.to_owned(),
        version: 4,
        on_hand,
        reserved: 1,
        told,
    };
    let mut levels = vec![
        level("MUG", 5, None),
        level("POT", 5, Some((5, 1))),
        level("TRAY", 5, Some((6, 1))),
    ];

    let channels = [Channel {
        code: "amazon".to_owned(),
        buffer: 3,
    }];

    let events = tell_levels(&mut levels, &channels);

    assert_eq!(events.types(), ["StockLevelChanged", "StockLevelChanged"]);
    let told: Vec<_> = levels
        .iter()
        .map(|level| (level.sku.as_str(), level.version, level.told))
        .collect();
    assert_eq!(told, [("MUG", 5, Some((5, 1))), ("TRAY", 5, Some((5, 1)))]);
    let (_, first) = events.find::<StockLevelChanged>().expect("the MUG's level");
    assert_eq!((first.available, first.channels[0].available), (4, 1));
    assert!(tell_levels(&mut levels, &channels).is_empty());
}
