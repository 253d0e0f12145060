//! New users are invited and booked for, however their providers behave.

use serde_json::{Value, json};

use crate::harness::provider::Provider;
use crate::harness::{World, defaults, until};

struct Onboarding {
    world: World,
    chat: Provider,
    calendar: Provider,
}

impl Onboarding {
    async fn open() -> Self {
        let mut world = World::empty().await;
        let (chat, calendar) = (Provider::start().await, Provider::start().await);
        let signups = || onboarding::signups(());
        world.join("signups", signups).await;
        let url = chat.url("/invitations");
        let invitations = || onboarding::invitations(defaults::of(&["--provider-url", &url]));
        world.join("invitations", invitations).await;
        let url = calendar.url("/bookings");
        let bookings = || onboarding::bookings(defaults::of(&["--provider-url", &url]));
        world.join("bookings", bookings).await;
        Self {
            world,
            chat,
            calendar,
        }
    }

    async fn post(&self, body: &Value) -> (u16, Value) {
        let answer = reqwest::Client::new()
            .post(self.world.url("signups", "/v1/signups"))
            .json(body)
            .send()
            .await
            .expect("it answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.expect("JSON"))
    }

    /// Signs so many users up, one after the other.
    async fn sign_up(&self, users: std::ops::Range<u32>) -> Vec<String> {
        let mut ids = Vec::new();
        for user in users {
            let body = json!({ "name": "User", "email": format!("user-{user}@example.com") });
            let (status, answer) = self.post(&body).await;
            assert_eq!(status, 202, "{answer}");
            ids.push(answer["user_id"].as_str().expect("an id").to_owned());
        }
        ids
    }
}

/// Waits until a provider knows so many, in the order in which it heard of them.
async fn told(provider: &Provider, collection: &str, count: usize) -> Vec<Value> {
    let what = format!("{count} {collection}");
    let mut items = until(&what, async || {
        let items = provider.items(collection).await?;
        if items.len() == count {
            Ok(items)
        } else {
            Err(format!("there are {}", items.len()))
        }
    })
    .await;
    items.sort_by_key(|item| item["changed_by"].as_u64());
    items
}

fn users(items: &[Value]) -> Vec<String> {
    let user = |item: &Value| {
        item["value"]["user_id"]
            .as_str()
            .expect("a user")
            .to_owned()
    };
    items.iter().map(user).collect()
}

#[tokio::test]
async fn a_new_user_has_one_invitation_and_one_booking() {
    let onboarding = Onboarding::open().await;

    let ids = onboarding.sign_up(0..3).await;

    let mut invited = users(&told(&onboarding.chat, "invitations", 3).await);
    let mut booked = users(&told(&onboarding.calendar, "bookings", 3).await);
    let mut expected = ids;
    for users in [&mut invited, &mut booked, &mut expected] {
        users.sort();
    }
    assert_eq!((&invited, &booked), (&expected, &expected));
    onboarding.world.close().await;
}

#[tokio::test]
async fn a_provider_that_is_down_holds_nobody_up_and_then_gets_all_in_order() {
    let mut onboarding = Onboarding::open().await;
    onboarding.chat.kill();

    let ids = onboarding.sign_up(0..20).await;
    told(&onboarding.calendar, "bookings", 20).await;
    let heard = until("all of the backlog to wait", async || {
        let waiting: Vec<String> =
            sqlx::query_scalar("SELECT key FROM deliveries WHERE state = 'pending' ORDER BY place")
                .fetch_all(onboarding.world.pool("invitations"))
                .await
                .map_err(|error| error.to_string())?;
        if waiting.len() == ids.len() {
            Ok(waiting)
        } else {
            Err(format!("{} wait", waiting.len()))
        }
    })
    .await;
    onboarding.chat.restart().await;

    let invited = users(&told(&onboarding.chat, "invitations", 20).await);
    assert_eq!(invited, heard);
    onboarding.world.close().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_invites_nobody_twice() {
    let onboarding = Onboarding::open().await;
    onboarding
        .chat
        .suffer(json!({ "lose_answer_every": 2 }))
        .await;

    onboarding.sign_up(0..6).await;

    until("every delivery to be settled", async || {
        let waiting: i64 =
            sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE state <> 'delivered'")
                .fetch_one(onboarding.world.pool("invitations"))
                .await
                .map_err(|error| error.to_string())?;
        if waiting == 0 && onboarding.chat.items("invitations").await?.len() == 6 {
            Ok(())
        } else {
            Err(format!("{waiting} wait"))
        }
    })
    .await;
    let invited = told(&onboarding.chat, "invitations", 6).await;
    assert!(
        invited.iter().all(|item| item["effects"] == 1),
        "{invited:?}"
    );
    assert!(
        invited.iter().any(|item| item["requests"] != 1),
        "{invited:?}"
    );
    onboarding.world.close().await;
}

#[tokio::test]
async fn a_provider_that_refuses_one_user_still_gets_the_next() {
    let onboarding = Onboarding::open().await;
    onboarding.chat.suffer(json!({ "fail_every": 1 })).await;
    onboarding.sign_up(0..1).await;
    until("the provider to have failed for good", async || {
        let refused: Option<String> =
            sqlx::query_scalar("SELECT detail FROM deliveries WHERE state = 'refused'")
                .fetch_optional(onboarding.world.pool("invitations"))
                .await
                .map_err(|error| error.to_string())?;
        refused.ok_or_else(|| "it is still tried".to_owned())
    })
    .await;

    onboarding.chat.suffer(json!({})).await;
    onboarding.sign_up(1..2).await;

    told(&onboarding.chat, "invitations", 1).await;
    told(&onboarding.calendar, "bookings", 2).await;
    onboarding.world.close().await;
}

#[tokio::test]
async fn signing_up_again_is_answered_the_same() {
    let onboarding = Onboarding::open().await;

    let first = onboarding.sign_up(7..8).await;
    let second = onboarding.sign_up(7..8).await;

    assert_eq!(first, second);
    told(&onboarding.chat, "invitations", 1).await;
    onboarding.world.close().await;
}

#[tokio::test]
async fn a_sign_up_that_makes_no_sense_is_refused() {
    let onboarding = Onboarding::open().await;
    let refused = async |body: Value| onboarding.post(&body).await.0;

    assert_eq!(refused(json!({ "name": "Ada", "email": "ada" })).await, 422);
    assert_eq!(
        refused(json!({ "name": " ", "email": "ada@example.com" })).await,
        422
    );
    assert_eq!(refused(json!({ "email": "ada@example.com" })).await, 422);
    let unknown = json!({ "name": "Ada", "email": "ada@example.com", "admin": true });
    assert_eq!(refused(unknown).await, 422);
    onboarding.world.close().await;
}
