//! The five services in this process, with databases and topics of their own.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::config::CommonConfig;
use shared::kafka::admin;
use shared::service::setup::{self, TopicConfig};
use shared::service::{Running, Service};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use ticketrail::client::{Answer, Client};
use ticketrail::init::Init;
use ticketrail::local::databases;
use ticketrail::local::mail::{Mail, read_all};
use ticketrail::services::NAMES;
use uuid::Uuid;

use super::parts::{Parts, parts};
use super::{defaults, probe, until};

static WORLDS: AtomicU32 = AtomicU32::new(0);

pub(crate) struct World {
    pub(crate) parts: &'static Parts,
    /// Before every topic and group of this world; customers carry it, too.
    pub(crate) namespace: String,
    pub(crate) clock: Clock,
    pub(crate) init: Init,
    /// Stories put more poison on topics than a service would stand by itself.
    pub(crate) dead_letters_surge: usize,
    /// Databases of services from outside the suite.
    guests: BTreeMap<&'static str, String>,
    pools: BTreeMap<&'static str, PgPool>,
    running: HashMap<&'static str, Vec<Running>>,
    closed: bool,
}

/// What differs from the services' own defaults.
#[derive(Default, Clone)]
pub(crate) struct Settings {
    pub(crate) order: Vec<&'static str>,
    pub(crate) fraud: Vec<&'static str>,
    pub(crate) shipment: Vec<&'static str>,
    pub(crate) notification: Vec<&'static str>,
}

impl World {
    /// All five services, one instance each.
    pub(crate) async fn start() -> Self {
        Self::with(&Settings::default()).await
    }

    pub(crate) async fn with(settings: &Settings) -> Self {
        let mut world = Self::empty().await;
        for name in NAMES {
            world.run(name, settings).await;
        }
        world
    }

    /// Databases and topics, nothing running.
    pub(crate) async fn empty() -> Self {
        let parts = parts().await;
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("w{number}.");
        let mut init = Init::of(&parts.layout);
        init.kafka_namespace.clone_from(&namespace);
        init.topics.partitions = 2;
        let mut pools = BTreeMap::new();
        for name in NAMES {
            let url = parts
                .clone_database(name, &format!("w{number}_{name}"))
                .await;
            let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url);
            pools.insert(name, pool.expect("an address"));
            let slot = match name {
                "order" => &mut init.order_database_url,
                "inventory" => &mut init.inventory_database_url,
                "shipment" => &mut init.shipment_database_url,
                "notification" => &mut init.notification_database_url,
                _ => &mut init.fraud_database_url,
            };
            *slot = Some(url);
        }
        admin::create_topics(&init.kafka(), &init.topic_specs(), 1)
            .await
            .expect("topics");
        Self {
            parts,
            namespace,
            clock: Clock::default(),
            init,
            dead_letters_surge: 1_000_000,
            guests: BTreeMap::new(),
            pools,
            running: HashMap::new(),
            closed: false,
        }
    }

    /// One more instance of a service.
    pub(crate) async fn run(&mut self, name: &'static str, settings: &Settings) {
        self.start_one(name, service(name, self, settings)).await;
    }

    /// A service from outside the suite, with a database, topics and schemas of its own.
    pub(crate) async fn join(&mut self, name: &'static str, service: impl Fn() -> Service) {
        if !self.guests.contains_key(name) {
            let database = format!("{}_{name}", self.namespace.trim_end_matches('.'));
            let url = databases::create_database(&self.parts.endpoints.postgres, &database)
                .await
                .expect("a database");
            let pool = PgPoolOptions::new().max_connections(2).connect_lazy(&url);
            self.pools.insert(name, pool.expect("an address"));
            self.guests.insert(name, url);
            let topics = TopicConfig {
                partitions: 2,
                replication: 1,
            };
            setup::init(&service(), &self.config(name), &topics)
                .await
                .unwrap_or_else(|error| panic!("{name} cannot be prepared: {error:#}"));
        }
        self.start_one(name, service()).await;
    }

    async fn start_one(&mut self, name: &'static str, service: Service) {
        let running = shared::service::start(service, self.config(name), self.clock.clone())
            .await
            .unwrap_or_else(|error| panic!("{name} does not start: {error:#}"));
        self.running.entry(name).or_default().push(running);
        self.until_ready(name).await;
    }

    async fn until_ready(&self, name: &'static str) {
        let addr = self.running[name]
            .last()
            .expect("it was just started")
            .ops_addr;
        until(&format!("{name} to be ready"), async || {
            let url = format!("http://{addr}/health/ready");
            let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
            if answer.status().is_success() {
                return Ok(());
            }
            Err(answer.text().await.unwrap_or_default())
        })
        .await;
    }

    /// What a service of this world is told.
    pub(crate) fn config(&self, name: &str) -> CommonConfig {
        let key = ticketrail::dev_keys::public_key_file(&self.parts.layout.dir);
        defaults::of(&[
            "--database-url",
            self.database_url(name),
            "--kafka-bootstrap-servers",
            &self.parts.endpoints.kafka,
            "--kafka-namespace",
            &self.namespace,
            "--schema-registry-url",
            &self.parts.endpoints.registry,
            "--http-addr",
            "127.0.0.1:0",
            "--ops-addr",
            "127.0.0.1:0",
            "--jwt-public-key-file",
            &key.display().to_string(),
            "--dead-letters-surge",
            &self.dead_letters_surge.to_string(),
        ])
    }

    pub(crate) fn database_url(&self, name: &str) -> &str {
        let url = match name {
            "order" => &self.init.order_database_url,
            "inventory" => &self.init.inventory_database_url,
            "shipment" => &self.init.shipment_database_url,
            "notification" => &self.init.notification_database_url,
            "fraud" => &self.init.fraud_database_url,
            guest => return &self.guests[guest],
        };
        url.as_deref().expect("every service has a database")
    }

    /// A copy of one of this world's databases, which nobody may be using.
    pub(crate) async fn clone_of(&self, url: &str, name: &str) -> String {
        let (_, original) = url
            .split('?')
            .next()
            .and_then(|url| url.rsplit_once('/'))
            .expect("the address names a database");
        self.parts.copy_database(url, original, name).await
    }

    pub(crate) fn pool(&self, name: &str) -> &PgPool {
        &self.pools[name]
    }

    /// Stops every instance of a service, gracefully.
    pub(crate) async fn stop(&mut self, name: &str) {
        for running in self.running.remove(name).unwrap_or_default() {
            running
                .stop()
                .await
                .unwrap_or_else(|error| panic!("{name} stops badly: {error:#}"));
        }
    }

    /// Ends every instance of a service as a crash would.
    pub(crate) async fn crash(&mut self, name: &str) {
        for running in self.running.remove(name).unwrap_or_default() {
            running.abort().await;
        }
    }

    pub(crate) fn url(&self, name: &str, path: &str) -> String {
        format!("http://{}{path}", self.running[name][0].api_addr)
    }

    /// An address of a service's operations port.
    pub(crate) fn operations_url(&self, name: &str, path: &str) -> String {
        let addr = self.running[name].last().expect("it runs").ops_addr;
        format!("http://{addr}{path}")
    }

    /// A customer's reference that no other world uses.
    pub(crate) fn customer(&self, name: &str) -> String {
        format!("{name}-{}", self.namespace.trim_end_matches('.'))
    }

    pub(crate) fn client(&self, name: &str) -> Client {
        self.staff(&self.customer(name), "")
    }

    pub(crate) fn staff(&self, subject: &str, scope: &str) -> Client {
        Client::new(&self.parts.layout.dir, subject, scope).expect("a token")
    }

    /// Places an order and returns its id.
    pub(crate) async fn place(&self, customer: &str, order: Value) -> Uuid {
        let key = shared::event::new_id().to_string();
        let answer = self.place_with_key(customer, &key, order).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        order_id(&answer.body)
    }

    pub(crate) async fn place_with_key(&self, customer: &str, key: &str, order: Value) -> Answer {
        self.client(customer)
            .post_once(&self.url("order", "/v1/orders"), key, &order)
            .await
            .expect("order answers")
    }

    pub(crate) async fn order(&self, customer: &str, id: Uuid) -> Value {
        let url = self.url("order", &format!("/v1/orders/{id}"));
        self.client(customer)
            .get(&url)
            .await
            .expect("order answers")
            .ok()
            .expect("an order")
    }

    /// Waits until the order has this status.
    pub(crate) async fn until_status(&self, customer: &str, id: Uuid, status: &str) -> Value {
        until(&format!("order {id} to be {status}"), async || {
            let view = self.order(customer, id).await;
            if view["status"] == status {
                Ok(view)
            } else {
                Err(view.to_string())
            }
        })
        .await
    }

    /// Takes the order's picking lists through all steps.
    pub(crate) async fn deliver(&self, id: Uuid) {
        self.warehouse(id, &["pick", "pack", "dispatch", "deliver"])
            .await;
    }

    /// Takes the order's picking lists up to a step, as warehouse staff does.
    pub(crate) async fn warehouse(&self, id: Uuid, steps: &[&str]) {
        let staff = self.staff("warehouse-staff", "warehouse");
        let lists = self.picking_lists(id, "released").await;
        for list in lists {
            for step in steps {
                let url = self.url("shipment", &format!("/v1/picking-lists/{list}/{step}"));
                let answer = staff
                    .post(&url, &json!({}))
                    .await
                    .expect("shipment answers");
                assert!(
                    answer.status.is_success(),
                    "{step} of {list}: {}",
                    answer.body
                );
            }
        }
    }

    /// Waits for the order's lists in a state, and returns their ids.
    pub(crate) async fn picking_lists(&self, id: Uuid, state: &str) -> Vec<Uuid> {
        until(
            &format!("picking lists of {id} that are {state}"),
            async || {
                let lists: Vec<Uuid> = sqlx::query_scalar(
                    "SELECT id FROM picking_lists
                 WHERE order_id = $1 AND state = $2
                 ORDER BY warehouse",
                )
                .bind(id)
                .bind(state)
                .fetch_all(self.pool("shipment"))
                .await
                .map_err(|error| error.to_string())?;
                if lists.is_empty() {
                    Err("none".to_owned())
                } else {
                    Ok(lists)
                }
            },
        )
        .await
    }

    /// Free and reserved units of a SKU over all warehouses.
    pub(crate) async fn stock(&self, sku: &str) -> (i64, i64) {
        sqlx::query_as(
            "SELECT coalesce(sum(on_hand - reserved), 0)::bigint, coalesce(sum(reserved), 0)::bigint
             FROM stock WHERE sku = $1",
        )
        .bind(sku)
        .fetch_one(self.pool("inventory"))
        .await
        .expect("inventory's tables")
    }

    /// Mails to one of this world's customers, or about one of its orders, as they came.
    pub(crate) async fn mails(&self, customer: &str, count: usize) -> Vec<Mail> {
        let to = format!("{}@", self.customer(customer));
        until(&format!("{count} mails to {to}"), async || {
            let mut mails =
                read_all(&self.parts.layout.mails()).map_err(|error| error.to_string())?;
            mails.retain(|mail| mail.to.iter().any(|address| address.starts_with(&to)));
            if mails.len() >= count {
                Ok(mails)
            } else {
                Err(format!("{} came", mails.len()))
            }
        })
        .await
    }

    /// Waits until nothing is on its way: outboxes published, every record consumed.
    pub(crate) async fn until_quiet(&self) {
        let topics: Vec<_> = shared::contract::topic::TOPICS
            .iter()
            .flat_map(|(topic, groups)| groups.iter().map(|group| (topic.0, *group)))
            .filter(|(_, group)| self.running.contains_key(group))
            .collect();
        until("everything to be published and consumed", async || {
            for name in self.pools.keys() {
                let pending = shared::outbox::pending(self.pool(name))
                    .await
                    .map_err(|error| error.to_string())?;
                if pending.rows > 0 && self.running.contains_key(name) {
                    return Err(format!("{} rows of {name} are not published", pending.rows));
                }
            }
            for (topic, group) in &topics {
                let full = format!("{}{topic}", self.namespace);
                let ends = probe::ends(&self.parts.endpoints.kafka, &full).await?;
                let read: HashMap<i32, i64> = sqlx::query_as::<_, (i32, i64)>(
                    "SELECT partition, next_offset FROM consumer_offsets WHERE topic = $1",
                )
                .bind(*topic)
                .fetch_all(self.pool(group))
                .await
                .map_err(|error| error.to_string())?
                .into_iter()
                .collect();
                for (partition, end) in ends {
                    let next = read.get(&partition).copied().unwrap_or(0).max(0);
                    if next < end {
                        return Err(format!(
                            "{group} is at {next} of {end} on {topic}/{partition}"
                        ));
                    }
                }
            }
            Ok(())
        })
        .await;
    }

    /// Every world ends with nothing left and nothing wrong.
    pub(crate) async fn close(mut self) {
        self.until_quiet().await;
        self.assert_no_dead_letters().await;
        self.close_with_dead_letters().await;
    }

    async fn assert_no_dead_letters(&self) {
        for name in self.pools.keys() {
            let letters: Vec<(String, i64)> = sqlx::query_as(
                "SELECT topic, count(*) FROM outbox WHERE version IS NULL GROUP BY topic",
            )
            .fetch_all(self.pool(name))
            .await
            .expect("the outbox");
            assert!(letters.is_empty(), "{name} has dead letters: {letters:?}");
        }
    }

    /// Dead letters that a service has written.
    pub(crate) async fn dead_letters(&self, name: &str) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE version IS NULL")
            .fetch_one(self.pool(name))
            .await
            .expect("the outbox")
    }

    /// For stories that put poison on a topic.
    pub(crate) async fn close_with_dead_letters(&mut self) {
        self.until_quiet().await;
        probe::assert_books_balance(self.pool("inventory")).await;
        for name in self.pools.keys().copied().collect::<Vec<_>>() {
            self.stop(name).await;
        }
        self.closed = true;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(
            self.closed || std::thread::panicking(),
            "a world was dropped without being closed, so nobody looked whether it was clean"
        );
    }
}

fn service(name: &str, world: &World, settings: &Settings) -> Service {
    let smtp = ["--smtp-url", world.parts.endpoints.smtp.as_str()];
    match name {
        "order" => order::service(defaults::of(&settings.order)),
        "inventory" => inventory::service(defaults::of(&[])),
        "shipment" => shipment::service(defaults::of(&settings.shipment)),
        "fraud" => fraud::service(defaults::of(&settings.fraud)),
        "notification" => {
            let mut args = smtp.to_vec();
            args.extend(&settings.notification);
            notification::service(defaults::of(&args))
        }
        other => panic!("{other} is no service"),
    }
}

pub(crate) fn order_id(body: &Value) -> Uuid {
    body["order_id"]
        .as_str()
        .and_then(|id| id.parse().ok())
        .expect("an order id")
}

/// The body of an order, to Germany.
pub(crate) fn order_of(lines: &[(&str, u32)]) -> Value {
    let lines: Vec<_> = lines
        .iter()
        .map(|(sku, quantity)| json!({ "sku": sku, "quantity": quantity }))
        .collect();
    json!({
        "lines": lines,
        "channel": "web",
        "ship_to": {
            "name": "Test Customer",
            "street": "Teststraße 1",
            "postal_code": "10115",
            "city": "Berlin",
            "country": "DE",
        },
    })
}
