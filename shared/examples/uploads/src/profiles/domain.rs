//! What makes a profile complete.

use serde::Serialize;
use utoipa::ToSchema;

use crate::contract::{ImageKind, ImageUploaded};

/// What a user has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) avatar: bool,
    pub(super) cover: bool,
    /// Pictures in the gallery.
    pub(super) gallery: i64,
    /// Whether any picture has a title and a tag.
    pub(super) described: bool,
}

/// What would raise the score.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Missing {
    /// `avatar`, `cover`, `gallery` (three pictures) or `description` (a title and a tag).
    part: &'static str,
    points: i64,
}

impl Profile {
    pub(super) fn add(&mut self, image: &ImageUploaded) {
        match image.kind {
            ImageKind::Avatar => self.avatar = true,
            ImageKind::Cover => self.cover = true,
            ImageKind::Gallery => self.gallery += 1,
            // Of a newer producer.
            ImageKind::Unknown => {}
        }
        self.described |= !image.title.trim().is_empty() && !image.tags.is_empty();
    }

    /// 0 to 100.
    pub(super) fn score(&self) -> i64 {
        100 - self.missing().iter().map(|part| part.points).sum::<i64>()
    }

    pub(super) fn missing(&self) -> Vec<Missing> {
        let parts = [
            ("avatar", 40 * i64::from(!self.avatar)),
            ("cover", 20 * i64::from(!self.cover)),
            ("gallery", 10 * (3 - self.gallery).max(0)),
            ("description", 10 * i64::from(!self.described)),
        ];
        let missing = parts.into_iter().filter(|(_, points)| *points > 0);
        missing
            .map(|(part, points)| Missing { part, points })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use shared::event::new_id;

    use super::Profile;
    use crate::contract::ImageKind::{self, Avatar, Cover, Gallery, Unknown};
    use crate::contract::ImageUploaded;

    fn image(kind: ImageKind, title: &str, tags: &[&str]) -> ImageUploaded {
        ImageUploaded {
            image_id: new_id(),
            user_id: "alice".to_owned(),
            kind,
            title: title.to_owned(),
            tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
            picture: Vec::new(),
            content_type: "image/png".to_owned(),
        }
    }

    #[track_caller]
    fn check(images: &[ImageUploaded], score: i64, missing: &[&str]) {
        let mut profile = Profile::default();
        for image in images {
            profile.add(image);
        }
        assert_eq!(profile.score(), score);
        let parts: Vec<_> = profile
            .missing()
            .iter()
            .map(|missing| missing.part)
            .collect();
        assert_eq!(parts, missing);
    }

    #[test]
    fn every_part_counts_once_and_the_gallery_up_to_three_times() {
        let plain = |kinds: &[ImageKind]| -> Vec<_> {
            kinds.iter().map(|kind| image(*kind, "", &[])).collect()
        };
        check(&[], 0, &["avatar", "cover", "gallery", "description"]);
        check(&plain(&[Avatar]), 40, &["cover", "gallery", "description"]);
        check(
            &plain(&[Avatar; 5]),
            40,
            &["cover", "gallery", "description"],
        );
        check(&plain(&[Cover]), 20, &["avatar", "gallery", "description"]);
        check(
            &plain(&[Gallery; 2]),
            20,
            &["avatar", "cover", "gallery", "description"],
        );
        check(
            &plain(&[Gallery; 9]),
            30,
            &["avatar", "cover", "description"],
        );
        check(
            &plain(&[Avatar, Cover, Gallery, Gallery, Gallery]),
            90,
            &["description"],
        );
        check(
            &plain(&[Unknown]),
            0,
            &["avatar", "cover", "gallery", "description"],
        );
    }

    #[test]
    fn a_description_is_a_title_and_a_tag_of_one_picture() {
        let others = ["avatar", "cover", "gallery"];
        let all = ["avatar", "cover", "gallery", "description"];
        check(&[image(Unknown, "Kettle", &["copper"])], 10, &others);
        check(&[image(Unknown, "Kettle", &[])], 0, &all);
        check(&[image(Unknown, " ", &["copper"])], 0, &all);
        check(
            &[
                image(Unknown, "Kettle", &[]),
                image(Unknown, "", &["copper"]),
            ],
            0,
            &all,
        );
    }
}
