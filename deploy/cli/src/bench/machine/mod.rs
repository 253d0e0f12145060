//! What the machine is like at this moment: its disk, its broker's pace, its load.

mod cpu;
mod flush;
mod hop;

pub(super) use cpu::Cpu;
pub(super) use flush::flush_ms;
pub(super) use hop::hop_ms;

/// How many processes have wanted a core during the last minute.
pub(super) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0)
}
