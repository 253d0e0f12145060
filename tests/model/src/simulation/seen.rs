//! What happened on all days together: a law that was never put to the test has not been kept.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) orders: usize,
    pub(super) events: usize,
    pub(super) duplicates: usize,
    pub(super) crashes_before_commit: usize,
    pub(super) crashes_after_commit: usize,
    pub(super) relay_repeats: usize,
    pub(super) rewinds: usize,
    pub(super) forgotten: usize,
    pub(super) dead_letters: usize,
    pub(super) parked: usize,
    pub(super) deadlines: usize,
    pub(super) late_replies: usize,
    pub(super) lost_races: usize,
    pub(super) recalls: usize,
    pub(super) two_parcels: usize,
    /// Orders by how they ended: completed, or why not.
    pub(super) ends: BTreeMap<String, usize>,
}

impl Seen {
    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            orders,
            events,
            duplicates,
            crashes_before_commit,
            crashes_after_commit,
            relay_repeats,
            rewinds,
            forgotten,
            dead_letters,
            parked,
            deadlines,
            late_replies,
            lost_races,
            recalls,
            two_parcels,
            ends,
        } = other;
        self.orders += orders;
        self.events += events;
        self.duplicates += duplicates;
        self.crashes_before_commit += crashes_before_commit;
        self.crashes_after_commit += crashes_after_commit;
        self.relay_repeats += relay_repeats;
        self.rewinds += rewinds;
        self.forgotten += forgotten;
        self.dead_letters += dead_letters;
        self.parked += parked;
        self.deadlines += deadlines;
        self.late_replies += late_replies;
        self.lost_races += lost_races;
        self.recalls += recalls;
        self.two_parcels += two_parcels;
        for (end, count) in ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
    }

    /// What has to have happened, with how often it has.
    pub(super) fn required(&self) -> Vec<(String, usize)> {
        let ends = [
            "completed",
            "CUSTOMER",
            "OUT_OF_STOCK",
            "FRAUD",
            "CARRIER",
            "DEADLINE",
        ];
        let counted = ends.map(|end| {
            let count = self.ends.get(end).copied().unwrap_or_default();
            (format!("ended: {end}"), count)
        });
        [
            ("duplicates", self.duplicates),
            ("crashes before a commit", self.crashes_before_commit),
            ("crashes after a commit", self.crashes_after_commit),
            ("events that were published again", self.relay_repeats),
            ("rewinds", self.rewinds),
            ("forgotten inboxes", self.forgotten),
            ("dead letters", self.dead_letters),
            ("parked events", self.parked),
            ("deadlines that passed", self.deadlines),
            ("replies after their deadline", self.late_replies),
            (
                "cancellations that lost against a dispatch",
                self.lost_races,
            ),
            ("recalls", self.recalls),
            ("orders in two parcels", self.two_parcels),
        ]
        .into_iter()
        .map(|(what, count)| (what.to_owned(), count))
        .chain(counted)
        .collect()
    }
}
