//! Uploads and the three groups behind them, beside a running `ticketrail up`.

use shared::service::main_with;
use ticketrail::beside::{self, Guest, Party};

const UPLOADS: Party = Party {
    guests: &[
        Guest {
            name: "uploads",
            port: 8121,
            settings: |_| Vec::new(),
            run: |args| main_with(uploads::uploads, args),
        },
        Guest {
            name: "thumbnails",
            port: 8122,
            // A batch of small files may be hundreds of large pictures.
            settings: |_| vec![("BATCH_RECORDS_MAX", "20".to_owned())],
            run: |args| main_with(uploads::thumbnails, args),
        },
        Guest {
            name: "profiles",
            port: 8123,
            settings: |_| Vec::new(),
            run: |args| main_with(uploads::profiles, args),
        },
        Guest {
            name: "search",
            port: 8124,
            settings: |_| Vec::new(),
            run: |args| main_with(uploads::search, args),
        },
    ],
    providers: &[],
};

fn main() -> std::process::ExitCode {
    beside::main(UPLOADS)
}
