//! Three groups make something of every picture, and none of them waits for another.

use std::collections::BTreeSet;
use std::io::Cursor;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
use serde_json::{Value, json};

use crate::harness::{World, until};

struct Uploads {
    world: World,
}

impl Uploads {
    async fn open() -> Self {
        let mut world = World::empty().await;
        world.join("uploads", || uploads::uploads(())).await;
        world.join("thumbnails", || uploads::thumbnails(())).await;
        world.join("profiles", || uploads::profiles(())).await;
        world.join("search", || uploads::search(())).await;
        Self { world }
    }

    /// Uploads as a user, and returns the new image's id.
    async fn upload(&self, user: &str, upload: &Value) -> String {
        let key = shared::event::new_id().to_string();
        let (status, answer) = self.upload_under(user, &key, upload).await;
        assert_eq!(status, 202, "{answer}");
        answer["image_id"].as_str().expect("an id").to_owned()
    }

    async fn upload_under(&self, user: &str, key: &str, upload: &Value) -> (u16, Value) {
        let url = self.world.url("uploads", "/v1/images");
        let client = self.world.client(user);
        let answer = client.post_once(&url, key, upload).await;
        let answer = answer.expect("uploads answers");
        (answer.status.as_u16(), answer.body)
    }

    /// Type and bytes of a thumbnail.
    async fn thumbnail(&self, image_id: &str) -> Result<(String, Vec<u8>), String> {
        let dir = &self.world.parts.layout.dir;
        let token = ticketrail::dev_keys::token(dir, "alice", "", 60).expect("a token");
        let path = format!("/v1/thumbnails/{image_id}");
        let answer = reqwest::Client::new()
            .get(self.world.url("thumbnails", &path))
            .bearer_auth(token)
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| error.to_string())?;
        let content_type = answer.headers()["content-type"].to_str().expect("text");
        let content_type = content_type.to_owned();
        let png = answer.bytes().await.expect("all of it");
        Ok((content_type, png.to_vec()))
    }

    async fn until_small(&self, image_id: &str) {
        let (content_type, png) = until(&format!("a thumbnail of {image_id}"), async || {
            self.thumbnail(image_id).await
        })
        .await;
        assert_eq!(content_type, "image/png");
        let thumbnail = image::load_from_memory_with_format(&png, ImageFormat::Png);
        let thumbnail = thumbnail.expect("a PNG");
        assert_eq!((thumbnail.width(), thumbnail.height()), (100, 100));
    }

    /// Waits until a user's profile has this score, and returns what is missing.
    async fn until_score(&self, user: &str, score: i64) -> Vec<String> {
        let path = format!("/v1/profiles/{}", self.world.customer(user));
        let url = self.world.url("profiles", &path);
        until(&format!("{user} to have {score} points"), async || {
            let answer = self.world.client(user).get(&url).await;
            let profile = answer.and_then(|answer| answer.ok());
            let profile = profile.map_err(|error| error.to_string())?;
            if profile["score"] != score {
                return Err(profile.to_string());
            }
            let missing = profile["missing"].as_array().expect("a list");
            let part = |missing: &Value| missing["part"].as_str().expect("a name").to_owned();
            Ok(missing.iter().map(part).collect())
        })
        .await
    }

    async fn search(&self, query: &str) -> (u16, Value) {
        let path = format!("/v1/search?limit=50&q={query}");
        let url = self.world.url("search", &path);
        let answer = self.world.client("alice").get(&url).await;
        let answer = answer.expect("search answers");
        (answer.status.as_u16(), answer.body)
    }

    /// Waits until a search finds these images and no others.
    async fn until_found(&self, query: &str, expected: &[&String]) {
        let expected: BTreeSet<&str> = expected.iter().map(|id| id.as_str()).collect();
        until(&format!("{query} to find {expected:?}"), async || {
            let (status, answer) = self.search(query).await;
            assert_eq!(status, 200, "{answer}");
            let hits = answer["hits"].as_array().expect("a list").iter();
            let found: BTreeSet<_> = hits.filter_map(|hit| hit["image_id"].as_str()).collect();
            if found == expected {
                Ok(())
            } else {
                Err(answer.to_string())
            }
        })
        .await;
    }
}

fn picture(format: ImageFormat) -> Vec<u8> {
    let image = ImageBuffer::from_fn(160, 120, |x, y| {
        Rgb(std::array::from_fn(|channel| {
            (x ^ y).to_le_bytes()[0] << channel
        }))
    });
    let mut file = Cursor::new(Vec::new());
    let encoded = DynamicImage::from(image).write_to(&mut file, format);
    encoded.expect("it encodes");
    file.into_inner()
}

fn upload_of(kind: &str, title: &str, tags: &[&str], picture: &[u8]) -> Value {
    let picture = BASE64_STANDARD.encode(picture);
    json!({ "kind": kind, "title": title, "tags": tags, "picture": picture })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_made_small_counted_and_found() {
    let uploads = Uploads::open().await;
    let (png, jpeg) = (picture(ImageFormat::Png), picture(ImageFormat::Jpeg));

    let avatar = upload_of("avatar", "", &[], &png);
    let avatar = uploads.upload("alice", &avatar).await;
    uploads.until_small(&avatar).await;
    let missing = uploads.until_score("alice", 40).await;
    assert_eq!(missing, ["cover", "gallery", "description"]);

    let kettle = upload_of("gallery", "My new kettle", &["copper"], &jpeg);
    let kettle = uploads.upload("alice", &kettle).await;
    uploads.until_small(&kettle).await;
    let missing = uploads.until_score("alice", 60).await;
    assert_eq!(missing, ["cover", "gallery"]);
    uploads.until_found("kettle", &[&kettle]).await;
    uploads.until_found("copper", &[&kettle]).await;
    uploads.until_found("teapot", &[]).await;
    uploads.until_score("bob", 0).await;
    uploads.world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_is_away_holds_up_nobody_and_catches_up() {
    let mut uploads = Uploads::open().await;
    let png = picture(ImageFormat::Png);
    let before = upload_of("avatar", "kettle", &["copper"], &png);
    let before = uploads.upload("alice", &before).await;
    uploads.until_small(&before).await;

    uploads.world.stop("thumbnails").await;
    let mut found = vec![before];
    for _ in 0..10 {
        let upload = upload_of("gallery", "kettle", &["copper"], &png);
        found.push(uploads.upload("alice", &upload).await);
    }
    uploads.until_score("alice", 80).await;
    let found: Vec<_> = found.iter().collect();
    uploads.until_found("kettle", &found).await;

    let thumbnails = || uploads::thumbnails(());
    uploads.world.join("thumbnails", thumbnails).await;
    for image_id in found {
        uploads.until_small(image_id).await;
    }
    uploads.world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_picture_is_a_dead_letter_of_thumbnails_alone() {
    let mut uploads = Uploads::open().await;
    let whole = picture(ImageFormat::Jpeg);
    let half = &whole[..whole.len() / 2];

    let broken = upload_of("avatar", "half a kettle", &["copper"], half);
    let broken = uploads.upload("alice", &broken).await;
    let next = upload_of("cover", "a whole kettle", &["copper"], &whole);
    let next = uploads.upload("alice", &next).await;

    uploads.until_small(&next).await;
    until("the dead letter", async || {
        match uploads.world.dead_letters("thumbnails").await {
            1 => Ok(()),
            letters => Err(format!("there are {letters}")),
        }
    })
    .await;
    assert!(uploads.thumbnail(&broken).await.is_err());
    uploads.until_score("alice", 70).await;
    uploads.until_found("kettle", &[&broken, &next]).await;
    for group in ["profiles", "search"] {
        assert_eq!(uploads.world.dead_letters(group).await, 0, "{group}");
    }
    uploads.world.close_with_dead_letters().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_comes_again_is_one_image() {
    let uploads = Uploads::open().await;
    let kettle = upload_of("gallery", "kettle", &[], &picture(ImageFormat::Png));

    // At the same time, and once more when both were answered.
    let (first, twin) = tokio::join!(
        uploads.upload_under("alice", "k1", &kettle),
        uploads.upload_under("alice", "k1", &kettle),
    );
    let late = uploads.upload_under("alice", "k1", &kettle).await;
    assert_eq!(first.0, 202, "{first:?}");
    assert_eq!((&first, &first), (&twin, &late));

    let mut other = kettle.clone();
    other["title"] = json!("another kettle");
    let (status, answer) = uploads.upload_under("alice", "k1", &other).await;
    assert_eq!(status, 422, "{answer}");
    assert_eq!(answer["type"], "/problems/idempotency-key-reused");
    let of_bob = uploads.upload("bob", &kettle).await;

    let of_alice = first.1["image_id"].as_str().expect("an id").to_owned();
    uploads.until_found("kettle", &[&of_alice, &of_bob]).await;
    uploads.until_score("alice", 10).await;
    let versions: Vec<i32> =
        sqlx::query_scalar("SELECT version FROM outbox WHERE key = $1 ORDER BY id")
            .bind(uploads.world.customer("alice"))
            .fetch_all(uploads.world.pool("uploads"))
            .await
            .expect("the outbox");
    assert_eq!(versions, [1], "a repeat is told to nobody");
    uploads.world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_found_after_a_restart() {
    let mut uploads = Uploads::open().await;
    let png = picture(ImageFormat::Png);
    let kettle = upload_of("gallery", "kettle", &[], &png);
    let first = uploads.upload("alice", &kettle).await;
    uploads.until_found("kettle", &[&first]).await;

    uploads.world.stop("search").await;
    let second = uploads.upload("alice", &kettle).await;
    uploads.world.join("search", || uploads::search(())).await;

    uploads.until_found("kettle", &[&first, &second]).await;
    uploads.world.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_the_reason() {
    let uploads = Uploads::open().await;
    let png = picture(ImageFormat::Png);
    let mut too_large = png.clone();
    too_large.resize(180 * 1024 + 1, 0);
    // A mebibyte as base64, and so a body that is a little larger.
    let huge = vec![0; 768 * 1024];
    let spoiled = |field: &str, value: Value| {
        let mut upload = upload_of("gallery", "kettle", &["copper"], &png);
        upload[field] = value;
        upload
    };
    let encoded = |bytes: &[u8]| json!(BASE64_STANDARD.encode(bytes));
    let cases = [
        ("price", spoiled("price", json!(1)), 422),
        ("user_id", spoiled("user_id", json!("bob")), 422),
        ("kind", spoiled("kind", json!("selfie")), 422),
        ("title", spoiled("title", json!("x".repeat(101))), 422),
        ("tags", spoiled("tags", json!(vec!["x"; 11])), 422),
        ("tags", spoiled("tags", json!("copper")), 422),
        ("picture", spoiled("picture", json!("!!!")), 422),
        ("picture", spoiled("picture", encoded(b"a poem")), 422),
        ("picture", spoiled("picture", encoded(&too_large)), 422),
        ("length", spoiled("picture", encoded(&huge)), 413),
    ];
    for (at_fault, upload, expected) in cases {
        let key = shared::event::new_id().to_string();
        let (status, answer) = uploads.upload_under("alice", &key, &upload).await;
        let detail = answer["detail"].as_str().expect("a sentence");
        assert_eq!(status, expected, "{at_fault}: {detail}");
        assert!(detail.contains(at_fault), "{at_fault}: {detail}");
    }

    let alice = uploads.world.client("alice");
    let url = uploads.world.url("uploads", "/v1/images");
    let upload = upload_of("gallery", "kettle", &[], &png);
    let keyless = alice.post(&url, &upload).await.expect("an answer");
    assert_eq!(keyless.status, 400, "{}", keyless.body);
    for query in ["%22kettle", "title:(", "colour:red", &"x".repeat(201)] {
        let (status, answer) = uploads.search(query).await;
        assert_eq!(status, 422, "{query}: {answer}");
    }
    let path = format!("/v1/profiles/{}", uploads.world.customer("bob"));
    let url = uploads.world.url("profiles", &path);
    let of_bob = alice.get(&url).await.expect("an answer");
    assert_eq!(of_bob.status, 404, "{}", of_bob.body);

    let told: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(uploads.world.pool("uploads"))
        .await
        .expect("the outbox");
    assert_eq!(told, 0, "none of them became an image");
    uploads.world.close().await;
}
