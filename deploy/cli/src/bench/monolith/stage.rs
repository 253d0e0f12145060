//! Both systems on one machine, with the parties outside.

use std::fmt;
use std::time::Duration;

use serde_json::json;

use super::figures::Phase;
use super::settle;
use crate::local::program::{Kind, Program};
use crate::local::{self, Health, Layout, Progress, databases, ports};
use crate::up::{self, Settings};
use crate::{dev_keys, services};

const GATEWAY_PORT: u16 = 8196;
const MONOLITH_PORT: u16 = 8197;
const USUAL_MS: u64 = 200;
const SLOW_MS: u64 = 2000;
const HEALTHY_WITHIN: Duration = Duration::from_secs(60);
/// What both sell plenty of.
const SKUS: [&str; 3] = ["KETTLE", "MUG", "POT"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shop {
    Monolith,
    Ticketrail,
}

impl Shop {
    pub(super) fn subject(self) -> &'static str {
        match self {
            Self::Monolith => "peer",
            Self::Ticketrail => "ours",
        }
    }
}

impl fmt::Display for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Monolith => "monolith",
            Self::Ticketrail => "Ticketrail",
        })
    }
}

pub(super) struct Stage {
    layout: Layout,
    stack: local::Stack,
    pub(super) monolith_database: String,
    http: reqwest::Client,
}

impl Stage {
    pub(super) async fn start(progress: &Progress) -> anyhow::Result<Self> {
        let dir = std::env::temp_dir().join(format!("ticketrail-bench-{}", std::process::id()));
        let layout = Layout::new(dir, ports::find_free_offset()?)?;
        let settings = Settings {
            automatic_warehouse: true,
            extra: &[("fraud", "SCORING_DELAY_MS", "200")],
        };
        let stack = up::start(&layout, &settings, progress).await?;
        let admin = layout.endpoints().postgres;
        let stage = Self {
            monolith_database: databases::create_database(&admin, "ticketrail_monolith").await?,
            layout,
            stack,
            http: reqwest::Client::builder().no_proxy().build()?,
        };
        stage.stack.spawn(stage.gateway()).await?;
        stage.set_gateway(USUAL_MS).await?;
        stage.stack.spawn(stage.monolith()).await?;
        Ok(stage)
    }

    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.stack.shutdown().await?;
        self.layout.wipe()?;
        // The issuer's keys are in it, too, which other stacks keep.
        if self.layout.dir.exists() {
            std::fs::remove_dir_all(&self.layout.dir)?;
        }
        Ok(())
    }

    /// The address of a service's own database.
    pub(super) fn database(&self, service: &str) -> String {
        self.layout.databases()[service].clone()
    }

    fn url(&self, port: u16) -> String {
        format!("http://127.0.0.1:{}", port + self.layout.port_offset)
    }

    fn gateway(&self) -> Program {
        let url = self.url(GATEWAY_PORT);
        let log = self.layout.log("gateway");
        Program::new("gateway", Kind::Part, &self.layout.ticketrail, log)
            .args(["provider", "--addr", url.trim_start_matches("http://")])
            .healthy(Health::Http(format!("{url}/health")), HEALTHY_WITHIN)
            .address(url)
    }

    fn monolith(&self) -> Program {
        let url = self.url(MONOLITH_PORT);
        let charges = format!("{}/charges", self.url(GATEWAY_PORT));
        let log = self.layout.log("monolith");
        Program::new("monolith", Kind::Service, &self.layout.ticketrail, log)
            .args([
                "peer",
                "monolith",
                "--addr",
                url.trim_start_matches("http://"),
            ])
            .args(["--database-url", &self.monolith_database])
            .args(["--gateway-url", &charges])
            .args(["--smtp-url", &self.layout.endpoints().smtp])
            .healthy(Health::Http(format!("{url}/health")), HEALTHY_WITHIN)
            .address(url)
    }

    /// So many orders, each of a customer of its own.
    pub(super) fn requests(
        &self,
        shop: Shop,
        orders: u32,
    ) -> anyhow::Result<Vec<reqwest::RequestBuilder>> {
        (0..orders)
            .map(|number| self.request(shop, SKUS[number as usize % SKUS.len()]))
            .collect()
    }

    fn request(&self, shop: Shop, sku: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let key = shared::event::new_id().to_string();
        let customer = format!("customer-{key}");
        let request = match shop {
            Shop::Monolith => self
                .http
                .post(format!("{}/orders", self.url(MONOLITH_PORT)))
                .json(&json!({ "customer_id": customer, "sku": sku, "quantity": 1 })),
            Shop::Ticketrail => self
                .http
                .post(format!("{}/v1/orders", self.layout.endpoints().order))
                .bearer_auth(dev_keys::token(&self.layout.dir, &customer, "", 3600)?)
                .json(&json!({
                    "lines": [{ "sku": sku, "quantity": 1 }],
                    "channel": "web",
                    "ship_to": {
                        "name": "Bench Customer",
                        "street": "Am Markt 1",
                        "postal_code": "10115",
                        "city": "Berlin",
                        "country": "DE",
                    },
                })),
        };
        Ok(request.header("Idempotency-Key", key))
    }

    /// Makes the parties outside behave as in a phase.
    pub(super) async fn enter(&self, shop: Shop, phase: Phase) -> anyhow::Result<()> {
        let delay = if phase == Phase::SlowGateway {
            SLOW_MS
        } else {
            USUAL_MS
        };
        match shop {
            Shop::Monolith => self.set_gateway(delay).await?,
            Shop::Ticketrail => self.set_scoring(delay).await?,
        }
        if phase == Phase::DeadMail {
            self.stack.kill("mail").await?;
        } else {
            self.stack.restart("mail").await?;
        }
        Ok(())
    }

    async fn set_gateway(&self, latency_ms: u64) -> anyhow::Result<()> {
        let faults = json!({ "latency_ms": latency_ms });
        let url = format!("{}/faults", self.url(GATEWAY_PORT));
        let set = self.http.put(url).json(&faults).send().await?;
        set.error_for_status()?;
        Ok(())
    }

    /// Its settings are read at its start.
    async fn set_scoring(&self, delay_ms: u64) -> anyhow::Result<()> {
        let fraud = services::program(&self.layout, "fraud", true)?
            .env("SCORING_DELAY_MS", delay_ms.to_string());
        self.stack.stop("fraud").await?;
        Ok(self.stack.spawn(fraud).await?)
    }

    /// Processes that have to run, and their memory.
    pub(super) async fn footprint(&self, shop: Shop) -> anyhow::Result<settle::Footprint> {
        const OF_MONOLITH: [&str; 3] = ["monolith", "postgres", "mail"];
        const NOT_OF_TICKETRAIL: [&str; 2] = ["monolith", "gateway"];
        let status = self.stack.status().await?;
        let own = status.iter().filter(|part| match shop {
            Shop::Monolith => OF_MONOLITH.contains(&part.name.as_str()),
            Shop::Ticketrail => !NOT_OF_TICKETRAIL.contains(&part.name.as_str()),
        });
        let mut footprint = settle::Footprint::default();
        for part in own {
            footprint.processes += 1;
            footprint.rss_bytes += part.rss_bytes;
        }
        Ok(footprint)
    }
}
