//! One service on the rail: its tables, inbox, outbox and dead letters, and how far it has read.
//!
//! What the frame does in one transaction happens here in one step. A crash drops what the process
//! had in memory: positions fall back to the committed offsets, the relay to its watermark.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use shared::batch::{Batch, Cause, Events, Outgoing};
use shared::event::Envelope;
use uuid::Uuid;

use super::bus::{Bus, Place, Record};
use super::dice::Dice;
use super::seen::Seen;
use crate::facts::{Fact, Told};
use crate::readers::received;

/// A service's tables, and its handler over them: load, decide, save.
pub(super) trait Handler: Clone {
    type Incoming;
    const NAME: &'static str;

    fn read(fact: &Fact) -> Option<Self::Incoming>;

    fn handle(&mut self, batch: &Batch<Self::Incoming>, dice: &mut Dice) -> Outgoing;
}

pub(super) struct Node<H> {
    pub(super) tables: H,
    pub(super) outbox: Vec<Record>,
    /// What was never to be refused, and was.
    pub(super) refused: Vec<String>,
    /// Every event that was ever processed, forgotten or not.
    pub(super) processed: HashSet<Uuid>,
    inbox: HashSet<Uuid>,
    /// Dead letters, and what is parked behind them, by topic and key.
    letters: BTreeMap<(&'static str, String), Vec<Record>>,
    /// What this service cannot decode until somebody mends it.
    unreadable: BTreeSet<Uuid>,
    positions: HashMap<Place, usize>,
    committed: HashMap<Place, usize>,
    sent: usize,
    watermark: usize,
}

/// What becomes of the process around a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Survives,
    CrashesBeforeCommit,
    CrashesAfterCommit,
}

impl<H: Handler> Node<H> {
    pub(super) fn new(tables: H) -> Self {
        let starts: HashMap<_, _> = Bus::assigned(H::NAME)
            .into_iter()
            .map(|place| (place, 0))
            .collect();
        Self {
            tables,
            outbox: Vec::new(),
            refused: Vec::new(),
            processed: HashSet::new(),
            inbox: HashSet::new(),
            letters: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            positions: starts.clone(),
            committed: starts,
            sent: 0,
            watermark: 0,
        }
    }

    /// Reads a few records of some partitions and processes them in one transaction.
    pub(super) fn poll(
        &mut self,
        bus: &Bus,
        now: DateTime<Utc>,
        faults: bool,
        dice: &mut Dice,
        seen: &mut Seen,
    ) -> bool {
        let mut records = Vec::new();
        let mut ends = Vec::new();
        for place in Bus::assigned(H::NAME) {
            let from = self.positions[&place];
            let waiting = &bus.read(place)[from..];
            // Topics come in any order between each other, whoever published first.
            if waiting.is_empty() || faults && dice.chance(50) {
                continue;
            }
            let count = 1 + dice.below(waiting.len());
            records.extend_from_slice(&waiting[..count]);
            ends.push((place, from + count));
        }
        if records.is_empty() {
            return false;
        }
        let fate = match dice.below(100) {
            0..5 if faults => Fate::CrashesBeforeCommit,
            5..10 if faults => Fate::CrashesAfterCommit,
            _ => Fate::Survives,
        };
        if faults {
            self.damage(&records, dice);
        }

        if fate == Fate::CrashesBeforeCommit {
            seen.crashes_before_commit += 1;
            // The transaction is rolled back by the crash.
            self.tables
                .clone()
                .handle(&self.admit(&records, now).batch, dice);
            seen.relay_repeats += self.crash();
            return true;
        }
        self.transact(&records, now, dice, seen);
        if fate == Fate::CrashesAfterCommit {
            seen.crashes_after_commit += 1;
            seen.relay_repeats += self.crash();
            return true;
        }
        for (place, end) in ends {
            self.positions.insert(place, end);
            // Offsets are stored after the commit, and now and then only.
            if dice.chance(60) {
                self.committed.insert(place, end);
            }
        }
        true
    }

    /// The frame's part: inbox, dead letters and what they hold back, and first-seen events once
    /// each, at their first position.
    fn admit(&self, records: &[Record], now: DateTime<Utc>) -> Admitted<H::Incoming> {
        let mut admitted = Admitted {
            new: HashSet::new(),
            aside: Vec::new(),
            batch: Batch::new(now, Vec::new(), Vec::new()),
        };
        let (mut events, mut duplicates) = (Vec::new(), Vec::new());
        let mut held_back: HashSet<_> = self.letters.keys().cloned().collect();
        for record in records {
            let Some(incoming) = H::read(&record.told.fact) else {
                continue;
            };
            let event = received(incoming, &record.told, record.id, record.at);
            let known = self.inbox.contains(&record.id);
            if known || !admitted.new.insert(record.id) {
                duplicates.push(event.envelope);
                continue;
            }
            let key = (record.place().0, record.key.clone());
            if self.unreadable.contains(&record.id) || held_back.contains(&key) {
                held_back.insert(key);
                admitted.aside.push(record.clone());
                continue;
            }
            events.push(event);
        }
        admitted.batch = Batch::new(now, events, duplicates);
        admitted
    }

    fn transact(
        &mut self,
        records: &[Record],
        now: DateTime<Utc>,
        dice: &mut Dice,
        seen: &mut Seen,
    ) {
        let Admitted { new, aside, batch } = self.admit(records, now);
        seen.duplicates += batch.duplicates().len();
        let outgoing = self.tables.handle(&batch, dice);
        for (at, reject) in outgoing.rejects() {
            let Envelope {
                event_type,
                aggregate_id,
                ..
            } = &batch.events()[*at].envelope;
            let what = format!("{}: {event_type} of {aggregate_id}: {reject}", H::NAME);
            self.refused.push(what);
        }
        self.processed
            .extend(batch.events().iter().map(|event| event.envelope.event_id));
        self.inbox.extend(new);
        for record in aside {
            let key = (record.place().0, record.key.clone());
            match self.letters.entry(key).or_default() {
                letters if letters.is_empty() => seen.dead_letters += 1,
                _ => seen.parked += 1,
            }
            let key = (record.place().0, record.key.clone());
            self.letters.entry(key).or_default().push(record);
        }
        self.enqueue(&outgoing, now, dice);
    }

    /// A transaction of another door than Kafka's.
    pub(super) fn publish(
        &mut self,
        cause: &Cause,
        events: Events,
        now: DateTime<Utc>,
        dice: &mut Dice,
    ) {
        self.enqueue(&Outgoing::caused_by(cause, events), now, dice);
    }

    fn enqueue(&mut self, outgoing: &Outgoing, now: DateTime<Utc>, dice: &mut Dice) {
        for (cause, version, event) in outgoing.events() {
            let fact = Fact::of(event);
            self.outbox.push(Record {
                id: dice.id(),
                cause: cause.id,
                key: fact.key(),
                told: Told { version, fact },
                at: now,
            });
        }
    }

    /// The relay sends some of what is new, and moves its watermark up to there now and then.
    pub(super) fn relay(&mut self, bus: &mut Bus, faults: bool, dice: &mut Dice) -> bool {
        let waiting = self.outbox.len() - self.sent;
        if waiting == 0 {
            return false;
        }
        let count = if faults {
            1 + dice.below(waiting)
        } else {
            waiting
        };
        for record in &self.outbox[self.sent..self.sent + count] {
            bus.publish(record.clone());
        }
        self.sent += count;
        if dice.chance(50) {
            self.watermark = self.sent;
        }
        true
    }

    /// The process dies, and another one begins where the tables and Kafka say. Tells how many rows
    /// are published again.
    pub(super) fn crash(&mut self) -> usize {
        self.positions = self.committed.clone();
        let again = self.sent - self.watermark;
        self.sent = self.watermark;
        again
    }

    /// An operator lets the group read again. With `forgetting`, from so long ago that the inbox
    /// has been pruned.
    pub(super) fn rewind(&mut self, forgetting: bool, bus: &Bus, dice: &mut Dice) {
        let places = Bus::assigned(H::NAME);
        let place = *dice.pick(&places).expect("every service reads something");
        let to = dice.below(self.positions[&place] + 1);
        if forgetting {
            let again = bus.read(place)[to..self.positions[&place]].iter();
            let held: HashSet<_> = self.letters.values().flatten().map(|it| it.id).collect();
            for record in again.filter(|record| !held.contains(&record.id)) {
                self.inbox.remove(&record.id);
            }
        }
        self.positions.insert(place, to);
        self.committed.insert(place, to);
    }

    /// Now and then a record is one that this service cannot decode yet.
    fn damage(&mut self, records: &[Record], dice: &mut Dice) {
        for record in records {
            let new = H::read(&record.told.fact).is_some() && !self.processed.contains(&record.id);
            if new && dice.below(300) == 0 {
                self.unreadable.insert(record.id);
            }
        }
    }

    /// Staff mends a dead letter and replays it, and what was parked behind it follows in order.
    pub(super) fn mend(&mut self, now: DateTime<Utc>, dice: &mut Dice, seen: &mut Seen) -> bool {
        let Some(key) = self.letters.keys().next().cloned() else {
            return false;
        };
        for record in self.letters.remove(&key).expect("it was there") {
            // The stored outcome is compared and set, so that it is replayed once.
            self.unreadable.remove(&record.id);
            self.inbox.remove(&record.id);
            self.transact(&[record], now, dice, seen);
        }
        true
    }

    /// Published events that this service should have processed, and has not.
    pub(super) fn missed<'b>(&self, bus: &'b Bus) -> Vec<&'b Record> {
        Bus::assigned(H::NAME)
            .into_iter()
            .flat_map(|place| bus.read(place))
            .filter(|record| H::read(&record.told.fact).is_some())
            .filter(|record| !self.processed.contains(&record.id))
            .collect()
    }
}

struct Admitted<I> {
    /// What the inbox keeps.
    new: HashSet<Uuid>,
    /// Dead letters, and what is parked behind them.
    aside: Vec<Record>,
    batch: Batch<I>,
}
