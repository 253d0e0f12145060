//! Every SQL statement of profiles.

use std::collections::BTreeMap;

use sqlx::{PgConnection, PgExecutor};

use super::domain::Profile;

type Row = (String, bool, bool, i64, bool);

/// Those of these users that there are, locked in their order.
#[tracing::instrument(name = "db.profiles.load", skip_all)]
pub(super) async fn load_profiles(
    tx: &mut PgConnection,
    users: impl Iterator<Item = &String>,
) -> Result<BTreeMap<String, Profile>, sqlx::Error> {
    let users: Vec<_> = users.collect();
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT user_id, avatar, cover, gallery, described
         FROM profiles
         WHERE user_id = ANY($1)
         ORDER BY user_id
         FOR UPDATE",
    )
    .bind(users)
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(profile).collect())
}

/// In the order in which they are locked: that of the map.
#[tracing::instrument(name = "db.profiles.save", skip_all)]
pub(super) async fn save_profiles(
    tx: &mut PgConnection,
    profiles: BTreeMap<String, Profile>,
) -> Result<(), sqlx::Error> {
    let (users, profiles): (Vec<_>, Vec<_>) = profiles.into_iter().unzip();
    let avatars: Vec<_> = profiles.iter().map(|profile| profile.avatar).collect();
    let covers: Vec<_> = profiles.iter().map(|profile| profile.cover).collect();
    let galleries: Vec<_> = profiles.iter().map(|profile| profile.gallery).collect();
    let described: Vec<_> = profiles.iter().map(|profile| profile.described).collect();
    sqlx::query(
        "INSERT INTO profiles (user_id, avatar, cover, gallery, described)
         SELECT user_id, avatar, cover, gallery, described
         FROM unnest($1::text[], $2::bool[], $3::bool[], $4::bigint[], $5::bool[])
              AS row (user_id, avatar, cover, gallery, described)
         ON CONFLICT ON CONSTRAINT profiles_pkey
         DO UPDATE SET avatar = excluded.avatar, cover = excluded.cover,
                       gallery = excluded.gallery, described = excluded.described",
    )
    .bind(users)
    .bind(avatars)
    .bind(covers)
    .bind(galleries)
    .bind(described)
    .execute(tx)
    .await?;
    Ok(())
}

#[tracing::instrument(name = "db.profiles.find", skip_all)]
pub(super) async fn find_profile(
    db: impl PgExecutor<'_>,
    user_id: &str,
) -> Result<Option<Profile>, sqlx::Error> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT user_id, avatar, cover, gallery, described FROM profiles WHERE user_id = $1",
    )
    .bind(user_id)
    .fetch_optional(db)
    .await?;
    Ok(row.map(profile).map(|(_, profile)| profile))
}

fn profile((user_id, avatar, cover, gallery, described): Row) -> (String, Profile) {
    let profile = Profile {
        avatar,
        cover,
        gallery,
        described,
    };
    (user_id, profile)
}
