//! What each sales channel may sell.

use shared::contract::inventory::ChannelLevel;

/// A way to our customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    pub code: String,
    /// Units of every SKU that are kept back from it.
    pub buffer: i64,
}

/// Of so many free units, what each channel may sell; never less than nothing.
pub fn available_to_sell(free: i64, channels: &[Channel]) -> Vec<ChannelLevel> {
    channels
        .iter()
        .map(|channel| ChannelLevel {
            channel: channel.code.clone(),
            available: (free - channel.buffer).max(0),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Channel, available_to_sell};

    #[track_caller]
    fn check(free: i64, buffer: i64, expected: i64) {
        let channel = Channel {
            code: "amazon".to_owned(),
            buffer,
        };
        let levels = available_to_sell(free, &[channel]);
        assert_eq!(
            levels[0].available, expected,
            "{free} free, {buffer} kept back"
        );
    }

    #[test]
    fn a_channel_may_sell_what_is_free_less_its_buffer() {
        check(10, 0, 10);
        check(10, 3, 7);
        check(3, 3, 0);
        check(2, 3, 0);
        check(0, 0, 0);
    }
}
