//! How each fault is brought about, and by what it is seen to have struck.

mod links;
mod offsets;
mod parts;
mod records;
mod services;

pub(super) use offsets::set_back;
pub(super) use records::ABORTING;

use super::arena::Arena;
use super::plan::Fault;

/// What was seen of a fault that struck. One that is not seen to strike is an error.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) evidence: String,
    pub(super) kills: u64,
    pub(super) kills_in_flight: u64,
    /// Partitions that changed hands while their former owner had a batch of them.
    pub(super) rebalances_in_flight: u64,
    /// Records that were sent to somebody who had them already.
    pub(super) delivered_again: u64,
}

impl Seen {
    fn by(evidence: impl Into<String>) -> Self {
        Self {
            evidence: evidence.into(),
            ..Self::default()
        }
    }
}

/// Returns when it is over, and its target works again.
pub(super) async fn strike(arena: &Arena, fault: &Fault) -> anyhow::Result<Seen> {
    match fault {
        Fault::Crash {
            service,
            point,
            pass,
        } => services::crash(arena, service, point, *pass).await,
        Fault::Kill { service } => services::kill(arena, service).await,
        Fault::Pause { service, seconds } => services::pause(arena, service, *seconds).await,
        Fault::Zombie { service, seconds } => services::zombie(arena, service, *seconds).await,
        Fault::Twin { service, seconds } => services::twin(arena, service, *seconds).await,
        Fault::Skew {
            service,
            by_s,
            seconds,
        } => services::skew(arena, service, *by_s, *seconds).await,
        Fault::Roll => services::roll(arena).await,
        Fault::Outage { part, seconds } => parts::outage(arena, part, *seconds).await,
        Fault::Cut { service, cuts } => links::cut(arena, service, *cuts).await,
        Fault::Slow {
            service,
            delay_ms,
            seconds,
        } => links::slow(arena, service, *delay_ms, *seconds).await,
        Fault::HalfOpen { service, seconds } => links::half_open(arena, service, *seconds).await,
        Fault::Abort { service } => records::abort(arena, service).await,
        Fault::Rewind { service, records } => offsets::rewind(arena, service, *records).await,
    }
}
