//! Which warehouses fill an order: the nearest that has all of it, else what each has, nearest
//! first.

use std::collections::BTreeMap;

use crate::events::Line;

/// Units of one SKU from one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allocation {
    pub(crate) warehouse: String,
    pub(crate) sku: String,
    pub(crate) quantity: i32,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shortfall {
    pub(crate) sku: String,
    pub(crate) requested: i32,
    pub(crate) available: i64,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// Those of one warehouse stand together.
    Reserved(Vec<Allocation>),
    Rejected(Vec<Shortfall>),
}

/// Free units by SKU and warehouse.
pub(crate) type Free = BTreeMap<(String, String), i64>;

pub(crate) fn place(lines: &[Line], route: &[String], free: &Free) -> Placed {
    let has = |sku: &str, warehouse: &str| {
        let shelf = (sku.to_owned(), warehouse.to_owned());
        free.get(&shelf).copied().unwrap_or(0).max(0)
    };
    let shortfalls: Vec<_> = lines
        .iter()
        .map(|line| Shortfall {
            sku: line.sku.clone(),
            requested: line.quantity,
            available: route.iter().map(|stop| has(&line.sku, stop)).sum(),
        })
        .filter(|line| line.available < i64::from(line.requested))
        .collect();
    if !shortfalls.is_empty() {
        return Placed::Rejected(shortfalls);
    }
    let fills = |stop: &&String| {
        let mut lines = lines.iter();
        lines.all(|line| has(&line.sku, stop) >= i64::from(line.quantity))
    };
    let stops = match route.iter().find(fills) {
        Some(one) => std::slice::from_ref(one),
        None => route,
    };
    let mut wanted: Vec<i32> = lines.iter().map(|line| line.quantity).collect();
    let mut allocations = Vec::new();
    for stop in stops {
        for (line, wanted) in lines.iter().zip(&mut wanted) {
            let here = has(&line.sku, stop).min(i64::from(*wanted));
            let quantity = i32::try_from(here).expect("no more than is wanted");
            if quantity > 0 {
                *wanted -= quantity;
                allocations.push(Allocation {
                    warehouse: stop.clone(),
                    sku: line.sku.clone(),
                    quantity,
                });
            }
        }
    }
    Placed::Reserved(allocations)
}

#[cfg(test)]
mod tests {
    use super::{Free, Line, Placed, place};

    #[track_caller]
    fn check(free: &[(&str, i64)], wanted: i32, expected: &[(&str, i32)]) {
        let route = ["BER", "WAW"].map(str::to_owned);
        let lines = [Line {
            sku: "MUG".to_owned(),
            quantity: wanted,
        }];
        let free: Free = free
            .iter()
            .map(|(warehouse, units)| (("MUG".to_owned(), (*warehouse).to_owned()), *units))
            .collect();
        let found = match place(&lines, &route, &free) {
            Placed::Reserved(allocations) => allocations,
            Placed::Rejected(_) => Vec::new(),
        };
        let found: Vec<_> = found
            .iter()
            .map(|allocation| (allocation.warehouse.as_str(), allocation.quantity))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_nearest_that_has_all_of_it_gives_it() {
        check(&[("BER", 5), ("WAW", 5)], 3, &[("BER", 3)]);
        check(&[("BER", 2), ("WAW", 5)], 3, &[("WAW", 3)]);
        check(&[("BER", 2), ("WAW", 2)], 3, &[("BER", 2), ("WAW", 1)]);
        check(&[("BER", 2)], 3, &[]);
    }
}
