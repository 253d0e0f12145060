//! Levels of the SKUs that a batch touches.

use std::collections::BTreeMap;

use shared::batch::Events;
use shared::contract::inventory::{LowStock, StockLevelChanged};

use super::channels::{Channel, available_to_sell};

/// Units of one SKU in one warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    pub warehouse: String,
    pub on_hand: i64,
    /// Promised to orders, and still here.
    pub reserved: i64,
    /// The alarm is raised when fewer units than this are free.
    pub threshold: i64,
    /// The alarm was raised; it re-arms when as many as the threshold are free again.
    pub low: bool,
    changed: bool,
}

impl Level {
    pub fn new(warehouse: String, on_hand: i64, reserved: i64, threshold: i64, low: bool) -> Self {
        Self {
            warehouse,
            on_hand,
            reserved,
            threshold,
            low,
            changed: false,
        }
    }

    pub fn available(&self) -> i64 {
        self.on_hand - self.reserved
    }
}

/// One SKU: the aggregate behind `stock.events`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Article {
    /// Of the last event of this SKU.
    version: i32,
    levels: Vec<Level>,
    version_changed: bool,
}

impl Article {
    pub fn available_in(&self, warehouse: &str) -> i64 {
        self.level(warehouse).map_or(0, Level::available)
    }

    pub fn level(&self, warehouse: &str) -> Option<&Level> {
        self.levels
            .iter()
            .find(|level| level.warehouse == warehouse)
    }
}

/// Every SKU of a batch that exists, locked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock(BTreeMap<String, Article>);

impl Stock {
    pub fn load(&mut self, sku: String, version: i32, level: Level) {
        let article = self.0.entry(sku).or_default();
        article.version = version;
        article.levels.push(level);
    }

    pub fn article(&self, sku: &str) -> Option<&Article> {
        self.0.get(sku)
    }

    pub fn level(&self, sku: &str, warehouse: &str) -> Option<&Level> {
        self.article(sku)?.level(warehouse)
    }

    /// Moves units, and raises or re-arms the alarm. What may move was checked by the caller.
    pub(super) fn move_units(
        &mut self,
        sku: &str,
        warehouse: &str,
        d_on_hand: i32,
        d_reserved: i32,
    ) -> Events {
        self.change(sku, warehouse, |level| {
            level.on_hand += i64::from(d_on_hand);
            level.reserved += i64::from(d_reserved);
        })
    }

    pub(super) fn set_threshold(&mut self, sku: &str, warehouse: &str, threshold: i64) -> Events {
        self.change(sku, warehouse, |level| level.threshold = threshold)
    }

    fn change(&mut self, sku: &str, warehouse: &str, change: impl FnOnce(&mut Level)) -> Events {
        let article = self
            .0
            .get_mut(sku)
            .expect("the caller saw this SKU in the loaded stock");
        let level = article
            .levels
            .iter_mut()
            .find(|level| level.warehouse == warehouse)
            .expect("the caller saw this SKU in this warehouse");
        change(level);
        level.changed = true;

        let below = level.available() < level.threshold;
        let crossed = below && !level.low;
        level.low = below;
        if !crossed {
            return Events::none();
        }
        article.version += 1;
        article.version_changed = true;
        Events::one(
            article.version,
            LowStock {
                sku: sku.to_owned(),
                warehouse: warehouse.to_owned(),
                available: level.available(),
                threshold: level.threshold,
            },
        )
    }

    pub fn changed_levels(&self) -> impl Iterator<Item = (&str, &Level)> {
        self.0.iter().flat_map(|(sku, article)| {
            article
                .levels
                .iter()
                .filter(|level| level.changed)
                .map(|level| (sku.as_str(), level))
        })
    }

    pub fn changed_versions(&self) -> impl Iterator<Item = (&str, i32)> {
        self.0
            .iter()
            .filter(|(_, article)| article.version_changed)
            .map(|(sku, article)| (sku.as_str(), article.version))
    }
}

/// A SKU's level over all warehouses, beside the one that was told last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub sku: String,
    pub version: i32,
    pub on_hand: i64,
    pub reserved: i64,
    /// On hand and reserved; `None` before the first time.
    pub told: Option<(i64, i64)>,
}

/// Tells the levels that differ from what was told, and keeps only those.
pub fn tell_levels(levels: &mut Vec<Told>, channels: &[Channel]) -> Events {
    let mut events = Events::none();
    levels.retain_mut(|level| {
        let latest = Some((level.on_hand, level.reserved));
        if level.told == latest {
            return false;
        }
        level.version += 1;
        level.told = latest;
        let available = level.on_hand - level.reserved;
        events.push(
            level.version,
            StockLevelChanged {
                sku: level.sku.clone(),
                on_hand: level.on_hand,
                reserved: level.reserved,
                available,
                channels: available_to_sell(available, channels),
            },
        );
        true
    });
    events
}
