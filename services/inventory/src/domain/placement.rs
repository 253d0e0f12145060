//! Which warehouses fill an order: one if it can, else few, nearest first.

use std::collections::HashMap;

use shared::contract::inventory::{AllocatedLine, StockAllocation, StockShortfall};
use shared::contract::order::OrderLine;

use super::orders::{Reservation, State};
use super::stock::{Article, Stock};

const EARTH_RADIUS_KM: f64 = 6371.0;

/// Where on Earth, in degrees.
#[derive(Debug, Clone, Copy)]
pub struct Position {
    pub latitude: f64,
    pub longitude: f64,
}

impl Position {
    /// Along the great circle.
    fn distance_km(self, other: Self) -> f64 {
        let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let chord = half(self.latitude, other.latitude)
            + self.latitude.to_radians().cos()
                * other.latitude.to_radians().cos()
                * half(self.longitude, other.longitude);
        2.0 * EARTH_RADIUS_KM * chord.sqrt().asin()
    }
}

/// The warehouses, ranked for every country that is known.
#[derive(Debug, Clone, Default)]
pub struct Network {
    by_code: Vec<Stop>,
    by_country: HashMap<String, Vec<Stop>>,
}

#[derive(Debug, Clone)]
struct Stop {
    warehouse: String,
    /// `None` where the country's position is unknown.
    distance_km: Option<u32>,
}

impl Network {
    pub fn new(
        mut warehouses: Vec<(String, Position)>,
        countries: Vec<(String, Position)>,
    ) -> Self {
        warehouses.sort_by(|(a, _), (b, _)| a.cmp(b));
        let by_country = countries
            .into_iter()
            .map(|(country, destination)| {
                let mut stops: Vec<Stop> = warehouses
                    .iter()
                    .map(|(code, position)| Stop {
                        warehouse: code.clone(),
                        distance_km: Some(position.distance_km(destination).round() as u32),
                    })
                    .collect();
                stops.sort_by_key(|stop| stop.distance_km);
                (country, stops)
            })
            .collect();
        let by_code = warehouses
            .into_iter()
            .map(|(warehouse, _)| Stop {
                warehouse,
                distance_km: None,
            })
            .collect();
        Self {
            by_code,
            by_country,
        }
    }

    /// Nearest first; by code where the country is unknown.
    fn route(&self, country: &str) -> &[Stop] {
        self.by_country.get(country).unwrap_or(&self.by_code)
    }
}

/// What one warehouse gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) warehouse: String,
    pub(super) skus: Vec<String>,
    pub(super) quantities: Vec<i32>,
}

impl Share {
    pub(super) fn allocation(&self) -> StockAllocation {
        let lines = self.skus.iter().zip(&self.quantities);
        StockAllocation {
            warehouse: self.warehouse.clone(),
            lines: lines
                .map(|(sku, quantity)| AllocatedLine {
                    sku: sku.clone(),
                    quantity: *quantity,
                })
                .collect(),
        }
    }

    pub(super) fn into_reservation(self) -> Reservation {
        Reservation {
            warehouse: self.warehouse,
            state: State::Held,
            skus: self.skus,
            quantities: self.quantities,
            saved: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    /// Nearest first.
    pub(super) shares: Vec<Share>,
    /// Why these warehouses, as a sentence.
    pub(super) why: String,
}

/// Finds units for every line, or says what is short. Changes nothing.
pub(super) fn place(
    stock: &Stock,
    network: &Network,
    country: &str,
    lines: &[OrderLine],
) -> Result<Placement, Vec<StockShortfall>> {
    let wanted: Vec<Wanted<'_>> = lines
        .iter()
        .map(|line| Wanted {
            line,
            article: stock.article(&line.sku),
        })
        .collect();
    let route = network.route(country);

    if let Some(first) = route.iter().position(|stop| fills(&[stop], &wanted)) {
        let stop = &route[first];
        return Ok(Placement {
            shares: take(&[stop], &wanted),
            why: why_one(stop, first, country),
        });
    }
    let shortfalls = shortfalls(&wanted, route);
    if !shortfalls.is_empty() {
        return Err(shortfalls);
    }
    // Two parcels if two warehouses can; beyond that every nearest one gives what it has.
    let pair = (0..route.len())
        .flat_map(|near| (near + 1..route.len()).map(move |far| [&route[near], &route[far]]))
        .find(|pair| fills(pair, &wanted));
    let shares = match &pair {
        Some(pair) => take(pair, &wanted),
        None => take(&route.iter().collect::<Vec<_>>(), &wanted),
    };
    let why = why_split(&shares, route, country);
    Ok(Placement { shares, why })
}

/// A line, and what there is of it.
struct Wanted<'a> {
    line: &'a OrderLine,
    /// `None` for a SKU that nobody knows.
    article: Option<&'a Article>,
}

impl Wanted<'_> {
    fn available_in(&self, stop: &Stop) -> i64 {
        self.article
            .map_or(0, |article| article.available_in(&stop.warehouse))
    }
}

fn fills(stops: &[&Stop], wanted: &[Wanted<'_>]) -> bool {
    wanted.iter().all(|wanted| {
        let available: i64 = stops.iter().map(|stop| wanted.available_in(stop)).sum();
        available >= i64::from(wanted.line.quantity)
    })
}

fn shortfalls(wanted: &[Wanted<'_>], route: &[Stop]) -> Vec<StockShortfall> {
    wanted
        .iter()
        .filter_map(|wanted| {
            let available: i64 = route.iter().map(|stop| wanted.available_in(stop)).sum();
            (available < i64::from(wanted.line.quantity)).then(|| StockShortfall {
                sku: wanted.line.sku.clone(),
                requested: wanted.line.quantity,
                available,
            })
        })
        .collect()
}

/// Each stop in turn gives what it has of what is still missing.
fn take(stops: &[&Stop], wanted: &[Wanted<'_>]) -> Vec<Share> {
    let mut missing: Vec<i32> = wanted.iter().map(|wanted| wanted.line.quantity).collect();
    let mut shares = Vec::with_capacity(stops.len());
    for stop in stops {
        let mut share = Share {
            warehouse: stop.warehouse.clone(),
            skus: Vec::with_capacity(wanted.len()),
            quantities: Vec::with_capacity(wanted.len()),
        };
        for (wanted, missing) in wanted.iter().zip(&mut missing) {
            let available = i32::try_from(wanted.available_in(stop)).unwrap_or(i32::MAX);
            let taken = available.min(*missing);
            if taken > 0 {
                *missing -= taken;
                share.skus.push(wanted.line.sku.clone());
                share.quantities.push(taken);
            }
        }
        if !share.skus.is_empty() {
            shares.push(share);
        }
    }
    shares
}

fn why_one(stop: &Stop, nearer: usize, country: &str) -> String {
    let warehouse = &stop.warehouse;
    match (stop.distance_km, nearer) {
        (None, _) => format!(
            "{warehouse} has every line; the way to {country} is not known, so warehouses are \
             asked by code"
        ),
        (Some(km), 0) => {
            format!("{warehouse} is nearest to {country} ({km} km) and has every line")
        }
        (Some(km), _) => {
            format!("{warehouse} is the nearest to {country} ({km} km) that has every line")
        }
    }
}

fn why_split(shares: &[Share], route: &[Stop], country: &str) -> String {
    let mut warehouses = String::new();
    for (index, share) in shares.iter().enumerate() {
        let separator = match index {
            0 => "",
            _ if index + 1 == shares.len() => " and ",
            _ => ", ",
        };
        warehouses.push_str(separator);
        warehouses.push_str(&share.warehouse);
    }
    match route.first().and_then(|stop| stop.distance_km) {
        Some(_) => format!(
            "no warehouse has every line alone; split over {warehouses}, nearest to {country} first"
        ),
        None => format!(
            "no warehouse has every line alone; split over {warehouses} by code, as the way to \
             {country} is not known"
        ),
    }
}
