//! Topics in memory: partitions that grow, each record under a key, order kept within a partition.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::contract::topic::TOPICS;
use uuid::Uuid;

use crate::facts::Told;

const PARTITIONS: u8 = 2;

/// A record, which is also the outbox row it comes from.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: Uuid,
    /// What it was caused by.
    pub(super) cause: Uuid,
    pub(super) told: Told,
    pub(super) key: String,
    pub(super) at: DateTime<Utc>,
}

impl Record {
    pub(super) fn place(&self) -> Place {
        let sum: u32 = self.key.bytes().map(u32::from).sum();
        let partition = u8::try_from(sum % u32::from(PARTITIONS)).expect("few partitions");
        (self.told.fact.schema().topic.0, partition)
    }
}

/// Topic and partition.
pub(super) type Place = (&'static str, u8);

#[derive(Debug)]
pub(super) struct Bus(BTreeMap<Place, Vec<Record>>);

impl Bus {
    pub(super) fn new() -> Self {
        let topics = TOPICS.iter().map(|(topic, _)| topic.0);
        let places = topics.flat_map(|topic| (0..PARTITIONS).map(move |at| (topic, at)));
        Self(places.map(|place| (place, Vec::new())).collect())
    }

    pub(super) fn publish(&mut self, record: Record) {
        let place = self.0.get_mut(&record.place());
        place.expect("every topic is there").push(record);
    }

    pub(super) fn read(&self, place: Place) -> &[Record] {
        &self.0[&place]
    }

    /// What a service is assigned, all of it.
    pub(super) fn assigned(service: &str) -> Vec<Place> {
        TOPICS
            .iter()
            .filter(|(_, readers)| readers.contains(&service))
            .flat_map(|(topic, _)| (0..PARTITIONS).map(|at| (topic.0, at)))
            .collect()
    }
}
