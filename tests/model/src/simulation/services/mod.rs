//! The services' tables in memory, and around the product's decisions what its handlers do: load,
//! decide, save.

mod cases;
mod goods;
mod mails;
mod orders;
mod parcels;

pub(super) use cases::Cases;
pub(super) use goods::Goods;
pub(super) use mails::Mails;
pub(super) use orders::Orders;
pub(super) use parcels::{Labour, Open, Parcels};
