//! What Prometheus is told. Labels are bounded: never an id.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};

struct Instruments {
    published: Counter<u64>,
    consumed: Counter<u64>,
    duplicates: Counter<u64>,
    skipped: Counter<u64>,
    dead_letters: Counter<u64>,
    dead_letters_waiting: Gauge<i64>,
    retries: Counter<u64>,
    batch_duration: Histogram<f64>,
    batch_records: Histogram<u64>,
    lag: Gauge<i64>,
    outbox_pending: Gauge<i64>,
    outbox_oldest: Gauge<f64>,
    http_duration: Histogram<f64>,
    asked: Counter<u64>,
    deliveries_pending: Gauge<i64>,
    deliveries_oldest: Gauge<f64>,
    breaker_open: Gauge<i64>,
}

static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = global::meter("ticketrail");
    Instruments {
        published: meter.u64_counter("messaging.client.sent.messages").build(),
        consumed: meter
            .u64_counter("messaging.client.consumed.messages")
            .build(),
        duplicates: meter.u64_counter("ticketrail.inbox.duplicates").build(),
        skipped: meter.u64_counter("ticketrail.consumer.skipped").build(),
        dead_letters: meter.u64_counter("ticketrail.dead_letters").build(),
        dead_letters_waiting: meter.i64_gauge("ticketrail.dead_letters.waiting").build(),
        retries: meter.u64_counter("ticketrail.consumer.retries").build(),
        batch_duration: meter
            .f64_histogram("messaging.process.duration")
            .with_unit("s")
            .build(),
        batch_records: meter
            .u64_histogram("ticketrail.batch.records")
            .with_boundaries(vec![
                1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0,
            ])
            .build(),
        lag: meter.i64_gauge("ticketrail.consumer.lag").build(),
        outbox_pending: meter.i64_gauge("ticketrail.outbox.pending").build(),
        outbox_oldest: meter
            .f64_gauge("ticketrail.outbox.oldest")
            .with_unit("s")
            .build(),
        http_duration: meter
            .f64_histogram("http.server.request.duration")
            .with_unit("s")
            .build(),
        asked: meter.u64_counter("ticketrail.deliveries.attempts").build(),
        deliveries_pending: meter.i64_gauge("ticketrail.deliveries.pending").build(),
        deliveries_oldest: meter
            .f64_gauge("ticketrail.deliveries.oldest")
            .with_unit("s")
            .build(),
        breaker_open: meter.i64_gauge("ticketrail.breaker.open").build(),
    }
});

pub(crate) fn published(service: &'static str, records: u64) {
    INSTRUMENTS
        .published
        .add(records, &[KeyValue::new("service", service)]);
}

/// One batch through the frame.
pub(crate) struct Processed {
    pub(crate) group: &'static str,
    pub(crate) records: u64,
    pub(crate) duplicates: u64,
    pub(crate) dead_letters: u64,
    pub(crate) took: Duration,
}

pub(crate) fn processed(batch: &Processed) {
    let group = [KeyValue::new("group", batch.group)];
    INSTRUMENTS.consumed.add(batch.records, &group);
    INSTRUMENTS.duplicates.add(batch.duplicates, &group);
    INSTRUMENTS.dead_letters.add(batch.dead_letters, &group);
    INSTRUMENTS
        .batch_duration
        .record(batch.took.as_secs_f64(), &group);
    INSTRUMENTS.batch_records.record(batch.records, &group);
}

pub(crate) fn skipped(group: &'static str, records: u64) {
    INSTRUMENTS
        .skipped
        .add(records, &[KeyValue::new("group", group)]);
}

pub(crate) fn retried(group: &'static str) {
    INSTRUMENTS.retries.add(1, &[KeyValue::new("group", group)]);
}

pub(crate) fn lag(group: &'static str, topic: &str, records: i64) {
    INSTRUMENTS.lag.record(
        records,
        &[
            KeyValue::new("group", group),
            KeyValue::new("topic", topic.to_owned()),
        ],
    );
}

pub(crate) fn outbox(service: &'static str, pending: i64, oldest_s: f64) {
    let service = [KeyValue::new("service", service)];
    INSTRUMENTS.outbox_pending.record(pending, &service);
    INSTRUMENTS.outbox_oldest.record(oldest_s, &service);
}

pub(crate) fn http(route: String, method: String, status: u16, took: Duration) {
    INSTRUMENTS.http_duration.record(
        took.as_secs_f64(),
        &[
            KeyValue::new("http.route", route),
            KeyValue::new("http.request.method", method),
            KeyValue::new("http.response.status_code", i64::from(status)),
        ],
    );
}

/// Dead letters that nobody has settled, and what is parked behind them.
pub(crate) fn dead_letters_waiting(service: &'static str, open: i64, parked: i64) {
    for (state, letters) in [("open", open), ("parked", parked)] {
        let labels = [
            KeyValue::new("service", service),
            KeyValue::new("state", state),
        ];
        INSTRUMENTS.dead_letters_waiting.record(letters, &labels);
    }
}

/// One attempt to tell a provider something.
pub(crate) fn asked(service: &'static str, lane: &str, answer: &'static str) {
    let labels = [
        KeyValue::new("service", service),
        KeyValue::new("lane", lane.to_owned()),
        KeyValue::new("answer", answer),
    ];
    INSTRUMENTS.asked.add(1, &labels);
}

/// What waits in a lane, and whether its provider is taken to be away.
pub(crate) fn deliveries(
    service: &'static str,
    lane: &str,
    pending: i64,
    oldest_s: f64,
    breaker_open: bool,
) {
    let labels = [
        KeyValue::new("service", service),
        KeyValue::new("lane", lane.to_owned()),
    ];
    INSTRUMENTS.deliveries_pending.record(pending, &labels);
    INSTRUMENTS.deliveries_oldest.record(oldest_s, &labels);
    INSTRUMENTS
        .breaker_open
        .record(breaker_open.into(), &labels);
}
