//! What is sent and answered, and what must be right about it.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use image::ImageFormat;
use serde::{Deserialize, Serialize};
use shared::http::error::{ApiError, FieldError};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::contract::{ImageKind, ImageUploaded};

/// A record ends at 256 KiB; the words beside the picture need little of the rest.
const PICTURE_BYTES_MAX: usize = 180 * 1024;
const TAGS_MAX: usize = 10;
const TEXT_CHARS_MAX: usize = 100;
const TITLE_RULE: &str = "must have at most 100 characters, none of control";
const TAGS_RULE: &str = "must be at most 10, each of 1 to 100 characters, none of control";
const PICTURE_RULE: &str = "must be a PNG or a JPEG of at most 180 KiB, as base64";

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Upload {
    kind: Kind,
    #[serde(default)]
    #[schema(max_length = 100, example = "My new kettle")]
    title: String,
    #[serde(default)]
    #[schema(max_items = 10, example = json!(["kettle", "copper"]))]
    tags: Vec<String>,
    /// A PNG or a JPEG of at most 180 KiB, as base64.
    picture: String,
}

/// Where the picture is shown.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Avatar,
    Cover,
    Gallery,
}

/// The picture is ours now, and will not be lost.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct Accepted {
    pub(super) image_id: Uuid,
    /// Follow the picture's way through all services by this.
    pub(super) trace_id: Option<String>,
}

impl Upload {
    /// What is told of it, or every field at fault. Whether the picture is whole is not asked here:
    /// that takes time, and whoever uploads does not wait.
    pub(super) fn event(self, image_id: Uuid, user_id: String) -> Result<ImageUploaded, ApiError> {
        let picture = BASE64_STANDARD.decode(&self.picture).unwrap_or_default();
        let content_type = content_type(&picture).filter(|_| picture.len() <= PICTURE_BYTES_MAX);
        let is_tag = |tag: &String| !tag.trim().is_empty() && is_text(tag);
        let tags_fit = self.tags.len() <= TAGS_MAX && self.tags.iter().all(is_tag);
        let rules = [
            ("title", is_text(&self.title), TITLE_RULE),
            ("tags", tags_fit, TAGS_RULE),
            ("picture", content_type.is_some(), PICTURE_RULE),
        ];
        let broken = rules.iter().filter(|(_, holds, _)| !holds);
        let errors: Vec<_> = broken
            .map(|(field, _, rule)| FieldError {
                field: (*field).to_owned(),
                detail: (*rule).to_owned(),
            })
            .collect();
        match content_type {
            Some(content_type) if errors.is_empty() => Ok(ImageUploaded {
                image_id,
                user_id,
                kind: match self.kind {
                    Kind::Avatar => ImageKind::Avatar,
                    Kind::Cover => ImageKind::Cover,
                    Kind::Gallery => ImageKind::Gallery,
                },
                title: self.title,
                tags: self.tags,
                picture,
                content_type: content_type.to_owned(),
            }),
            _ => Err(ApiError::invalid(errors)),
        }
    }
}

fn is_text(text: &str) -> bool {
    text.chars().count() <= TEXT_CHARS_MAX && !text.contains(char::is_control)
}

fn content_type(picture: &[u8]) -> Option<&'static str> {
    match image::guess_format(picture) {
        Ok(format @ (ImageFormat::Png | ImageFormat::Jpeg)) => Some(format.to_mime_type()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    use serde_json::{Value, json};
    use shared::event::new_id;

    use super::{PICTURE_BYTES_MAX, Upload};
    use crate::contract::ImageKind;

    /// As long as wanted, and a PNG as far as its first bytes go.
    fn picture(bytes: usize) -> Value {
        let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
        picture.resize(bytes, 0);
        json!(BASE64_STANDARD.encode(picture))
    }

    fn upload(field: &str, value: Value) -> serde_json::Result<Upload> {
        let mut upload = json!({
            "kind": "gallery", "title": "A kettle", "tags": ["copper"], "picture": picture(100),
        });
        upload[field] = value;
        serde_json::from_value(upload)
    }

    /// Puts one value into a good upload and expects the field at fault, if one is.
    #[track_caller]
    fn check(field: &str, value: Value, right: bool) {
        let upload = upload(field, value).expect("the right form");
        match upload.event(new_id(), "alice".to_owned()) {
            Ok(_) => assert!(right, "{field} is taken"),
            Err(error) => {
                let error = format!("{error:?}");
                let named = error.contains(&format!("field: {field:?}"));
                assert!(!right && named, "{error}");
            }
        }
    }

    #[test]
    fn a_field_at_fault_is_named() {
        check("title", json!(""), true);
        check("title", json!("é".repeat(100)), true);
        check("title", json!("é".repeat(101)), false);
        check("title", json!("a\nb"), false);
        check("tags", json!([]), true);
        check("tags", json!(vec!["x"; 10]), true);
        check("tags", json!(vec!["x"; 11]), false);
        check("tags", json!([" "]), false);
        check("tags", json!(["x".repeat(101)]), false);
        check("picture", picture(PICTURE_BYTES_MAX), true);
        check("picture", picture(PICTURE_BYTES_MAX + 1), false);
        check("picture", json!("not base64!"), false);
        check("picture", json!(""), false);
        check("picture", json!("R0lGODlhAQABAAAAACw="), false);
    }

    #[test]
    fn what_is_no_upload_is_refused() {
        assert!(upload("kind", json!("avatar")).is_ok());
        assert!(upload("kind", json!("selfie")).is_err());
        assert!(upload("kind", json!("unknown")).is_err());
        assert!(upload("user_id", json!("bob")).is_err());
        assert!(upload("picture", json!(null)).is_err());
    }

    #[test]
    fn the_event_tells_whose_picture_it_is_and_what_it_begins_like() {
        let jpeg = BASE64_STANDARD.encode([0xff, 0xd8, 0xff, 0xe0, 0, 0]);
        let upload: Upload =
            serde_json::from_value(json!({ "kind": "cover", "picture": jpeg })).expect("the form");
        let event = upload.event(new_id(), "alice".to_owned()).expect("right");
        assert_eq!(event.user_id, "alice");
        assert_eq!(event.kind, ImageKind::Cover);
        assert_eq!(event.content_type, "image/jpeg");
        assert_eq!(event.picture.len(), 6);
    }
}
