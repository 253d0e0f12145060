//! What a read of the outbox could see, so that the next one asks only for the rest.

use std::str::FromStr;

use anyhow::Context;

/// A Postgres snapshot: every transaction below `xmin` had ended, none from `xmax` on had begun,
/// and those in `in_flight` were open in between.
///
/// Rows of a transaction are new to the next reader exactly if this snapshot could not see it. So
/// no row is read twice and none is missed, however late a low id commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) xmin: u64,
    pub(super) xmax: u64,
    pub(super) in_flight: Vec<u64>,
}

impl Snapshot {
    /// The one that could see everything below the watermark, and nothing else.
    pub(super) fn below(watermark: u64) -> Self {
        Self {
            xmin: watermark,
            xmax: watermark,
            in_flight: Vec::new(),
        }
    }
}

impl FromStr for Snapshot {
    type Err = anyhow::Error;

    /// `xmin:xmax:xip,xip,…`, as `pg_current_snapshot()` prints it.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut parts = text.split(':');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let (xmin, xmax) = number()
            .zip(number())
            .with_context(|| format!("snapshot {text:?}"))?;
        let in_flight = parts
            .next()
            .unwrap_or_default()
            .split(',')
            .filter(|xid| !xid.is_empty())
            .map(|xid| xid.parse().with_context(|| format!("snapshot {text:?}")))
            .collect::<anyhow::Result<_>>()?;
        Ok(Self {
            xmin,
            xmax,
            in_flight,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Snapshot;

    #[track_caller]
    fn check(text: &str, expected: Option<(u64, u64, &[u64])>) {
        let parsed = text.parse::<Snapshot>().ok();
        let expected = expected.map(|(xmin, xmax, in_flight)| Snapshot {
            xmin,
            xmax,
            in_flight: in_flight.to_vec(),
        });
        assert_eq!(parsed, expected, "{text:?}");
    }

    #[test]
    fn snapshots_parse_as_postgres_prints_them() {
        check("10:20:10,14,15", Some((10, 20, &[10, 14, 15])));
        check("748:748:", Some((748, 748, &[])));
        check("", None);
        check("7", None);
        check("7:x:", None);
        check("7:8:nine", None);
    }
}
