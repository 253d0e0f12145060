//! Places where a process dies when a test asks for it. Without the feature `crash-points` all of
//! this is nothing.
//!
//! `CRASH_POINT=consumer.commit-returned:17` makes the process abort when it comes past that place
//! for the 17th time. An abort leaves nothing behind: no flush, no destructor, no goodbye.
//!
//! **A release never carries them**: a service that was built so refuses to start.

use anyhow::ensure;
use axum::response::Response;
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Every place there is, in the order in which an order passes them.
pub const POINTS: [&str; 20] = [
    "api.before-begin",
    "api.order-inserted",
    "api.outbox-inserted",
    "api.commit-sent",
    "api.commit-returned",
    "api.reply-half-written",
    "relay.read",
    "relay.produced",
    "relay.reported",
    "relay.watermark-moved",
    "consumer.polled",
    "consumer.attempt-recorded",
    "consumer.decoded",
    "consumer.dedup-inserted",
    "consumer.handled",
    "consumer.commit-sent",
    "consumer.commit-returned",
    "consumer.offsets-stored",
    "consumer.revoked",
    "saga.claimed",
];

/// A value that holds this ends the process that decodes it, as a decoder's own abort would.
pub const PAYLOAD: &[u8] = b"\xde\xadticketrail: abort the process that decodes this\xde\xad";

/// Whether this program has the crash points in it.
pub const COMPILED_IN: bool = cfg!(feature = "crash-points");

/// What is written to the log right before the end; the point's name follows.
pub const LAST_WORDS: &str = "crash point";

/// The name that `CRASH_POINT` and the seconds that `CRASH_CLOCK_SKEW_S` are read under.
pub const POINT_VARIABLE: &str = "CRASH_POINT";
pub const SKEW_VARIABLE: &str = "CRASH_CLOCK_SKEW_S";

/// Refuses to start with what has no place in production, or with a point that there is not.
pub(crate) fn check() -> anyhow::Result<()> {
    allow(COMPILED_IN, cfg!(debug_assertions))?;
    #[cfg(feature = "crash-points")]
    armed::check()?;
    Ok(())
}

fn allow(compiled_in: bool, debug: bool) -> anyhow::Result<()> {
    ensure!(
        debug || !compiled_in,
        "this release was built with the feature `crash-points`, by which a test ends processes; \
         build it without"
    );
    Ok(())
}

/// A point and how often it has to be passed.
#[cfg(any(feature = "crash-points", test))]
fn parse(text: &str) -> anyhow::Result<(&'static str, u64)> {
    let (name, hits) = text.split_once(':').unwrap_or((text, "1"));
    let Some(point) = POINTS.into_iter().find(|point| *point == name) else {
        anyhow::bail!(
            "there is no crash point `{name}`; there are {}",
            POINTS.join(", ")
        );
    };
    match hits.parse() {
        Ok(hits) if hits > 0 => Ok((point, hits)),
        _ => anyhow::bail!("`{hits}` is not how often a crash point can be passed"),
    }
}

/// Dies here, if this point is armed and it was passed often enough. In a part that many share a
/// name has no dot: the point is the sharer's, who said so by [`during`].
#[inline]
pub fn point(name: &str) {
    #[cfg(feature = "crash-points")]
    armed::pass(name);
    let _ = name;
}

/// Names whose the shared points inside of `work` are.
pub fn during<F: Future>(scope: &'static str, work: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "crash-points")]
    let work = armed::SCOPE.scope(scope, work);
    let _ = scope;
    work
}

/// Dies when `work` has said what it has to say and waits for its answer.
pub(crate) fn sent<F: Future>(name: &'static str, work: F) -> impl Future<Output = F::Output> {
    #[cfg(feature = "crash-points")]
    let work = armed::Sent {
        name,
        work: Box::pin(work),
    };
    let _ = name;
    work
}

/// Dies when half of the answer is on its way.
pub async fn halved(name: &'static str, answer: Response) -> Response {
    #[cfg(feature = "crash-points")]
    let answer = armed::halved(name, answer).await;
    let _ = name;
    answer
}

/// Dies when these bytes say so.
#[inline]
pub fn payload(bytes: &[u8]) {
    #[cfg(feature = "crash-points")]
    if bytes.windows(PAYLOAD.len()).any(|part| part == PAYLOAD) {
        armed::end("payload");
    }
    let _ = bytes;
}

/// The time as a process sees it whose clock is wrong.
#[inline]
pub(crate) fn skewed(now: DateTime<Utc>) -> DateTime<Utc> {
    #[cfg(feature = "crash-points")]
    let now = now + armed::clock_skew();
    now
}

/// A new time-ordered id as that process makes it.
#[inline]
pub(crate) fn skewed_id(id: Uuid) -> Uuid {
    #[cfg(feature = "crash-points")]
    let id = armed::skew_id(id);
    id
}

#[cfg(feature = "crash-points")]
mod armed {
    use std::pin::Pin;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::task::{Context, Poll};
    use std::time::Duration;

    use anyhow::Context as _;
    use axum::body::{Body, to_bytes};
    use axum::http::header::CONTENT_LENGTH;
    use axum::response::Response;
    use chrono::TimeDelta;
    use futures::{StreamExt, stream};
    use uuid::Uuid;

    use super::{LAST_WORDS, POINT_VARIABLE, SKEW_VARIABLE, parse};

    /// Long enough that the server has handed over what it got so far.
    const HALF_AN_ANSWER: Duration = Duration::from_millis(50);

    struct Armed {
        point: &'static str,
        left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let (point, hits) = parse(&std::env::var(POINT_VARIABLE).ok()?).ok()?;
        let left = AtomicU64::new(hits);
        Some(Armed { point, left })
    });

    static SKEW: LazyLock<TimeDelta> = LazyLock::new(|| skew().ok().flatten().unwrap_or_default());

    tokio::task_local! {
        pub(super) static SCOPE: &'static str;
    }

    pub(super) fn check() -> anyhow::Result<()> {
        if let Ok(text) = std::env::var(POINT_VARIABLE) {
            parse(&text).context(POINT_VARIABLE)?;
        }
        skew().map(|_| ())
    }

    fn skew() -> anyhow::Result<Option<TimeDelta>> {
        let Ok(text) = std::env::var(SKEW_VARIABLE) else {
            return Ok(None);
        };
        let seconds = text
            .parse()
            .with_context(|| format!("{SKEW_VARIABLE}={text} is not a number of seconds"))?;
        Ok(TimeDelta::try_seconds(seconds))
    }

    pub(super) fn clock_skew() -> TimeDelta {
        *SKEW
    }

    /// The first 48 bits are the milliseconds.
    pub(super) fn skew_id(id: Uuid) -> Uuid {
        let ms = i128::from(SKEW.num_milliseconds());
        let moved = i128::try_from(id.as_u128() >> 80).map_or(0, |at| at + ms);
        let moved = u128::try_from(moved).unwrap_or_default();
        Uuid::from_u128(moved << 80 | id.as_u128() & ((1 << 80) - 1))
    }

    /// The armed point's whole name, if this is it, passed often enough.
    fn due(name: &str) -> Option<&'static str> {
        let armed = ARMED.as_ref()?;
        let here = if name.contains('.') {
            armed.point == name
        } else {
            let scope = SCOPE.try_with(|scope| *scope).unwrap_or("rail");
            armed
                .point
                .strip_prefix(scope)
                .and_then(|rest| rest.strip_prefix('.'))
                == Some(name)
        };
        (here && armed.left.fetch_sub(1, Ordering::Relaxed) == 1).then_some(armed.point)
    }

    pub(super) fn pass(name: &str) {
        if let Some(point) = due(name) {
            end(point);
        }
    }

    /// Says what happened, because the exit signal alone does not say where.
    pub(super) fn end(name: &str) -> ! {
        eprintln!("{LAST_WORDS} {name}");
        std::process::abort()
    }

    pub(super) struct Sent<F> {
        pub(super) name: &'static str,
        pub(super) work: Pin<Box<F>>,
    }

    impl<F: Future> Future for Sent<F> {
        type Output = F::Output;

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
            let polled = self.work.as_mut().poll(context);
            if polled.is_pending() {
                // What was sent is the kernel's now; only the answer is missing.
                pass(self.name);
            }
            polled
        }
    }

    pub(super) async fn halved(name: &'static str, answer: Response) -> Response {
        if due(name).is_none() {
            return answer;
        }
        let (mut parts, body) = answer.into_parts();
        let Ok(mut first) = to_bytes(body, usize::MAX).await else {
            end(name);
        };
        // The client knows how much it still misses.
        parts.headers.insert(CONTENT_LENGTH, first.len().into());
        first.truncate(first.len() / 2);
        let half = stream::once(async { Ok::<_, std::convert::Infallible>(first) });
        let rest = stream::once(async move {
            tokio::time::sleep(HALF_AN_ANSWER).await;
            end(name)
        });
        Response::from_parts(parts, Body::from_stream(half.chain(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_with_crash_points_does_not_start() {
        let refused = allow(true, false).expect_err("it must not run");
        assert!(refused.to_string().contains("crash-points"), "{refused}");
        for (compiled_in, debug) in [(false, false), (false, true), (true, true)] {
            allow(compiled_in, debug).expect("nothing is wrong with it");
        }
    }

    #[test]
    fn a_point_is_named_and_counted() {
        assert_eq!(parse("relay.read").expect("a point"), ("relay.read", 1));
        assert_eq!(parse("relay.read:17").expect("a point"), ("relay.read", 17));
        for wrong in ["", "relay", "relay.read:", "relay.read:0", "relay.read:x"] {
            parse(wrong).expect_err(wrong);
        }
    }
}
