//! Sign-ups, both integrators and their simulated providers, beside a running `ticketrail up`.

use shared::service::main_with;
use ticketrail::beside::{self, Guest, Party, Provider};

const ONBOARDING: Party = Party {
    guests: &[
        Guest {
            name: "signups",
            port: 8111,
            settings: |_| Vec::new(),
            run: |args| main_with(onboarding::signups, args),
        },
        Guest {
            name: "invitations",
            port: 8112,
            settings: |provider| {
                vec![("PROVIDER_URL", format!("{}/invitations", provider("chat")))]
            },
            run: |args| main_with(onboarding::invitations, args),
        },
        Guest {
            name: "bookings",
            port: 8113,
            settings: |provider| {
                vec![("PROVIDER_URL", format!("{}/bookings", provider("calendar")))]
            },
            run: |args| main_with(onboarding::bookings, args),
        },
    ],
    providers: &[
        Provider {
            name: "chat",
            port: 8194,
        },
        Provider {
            name: "calendar",
            port: 8195,
        },
    ],
};

fn main() -> std::process::ExitCode {
    beside::main(ONBOARDING)
}
