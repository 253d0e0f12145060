//! Stories told through one harness, on real parts: one file per theme, the title is the claim.

mod harness;

mod api;
mod bad_requests;
mod compensation;
mod conformance;
mod crash_recovery;
mod credentials;
mod dead_letters;
mod duplicates;
mod golden;
mod instances;
mod key_order;
mod marketplaces;
mod onboarding;
mod order_fulfilment;
mod outages;
mod overload;
mod poison;
mod properties;
mod refusals;
mod relay;
mod repair;
mod shutdown;
mod tidy;
mod tokens;
mod uploads;
mod watch;
