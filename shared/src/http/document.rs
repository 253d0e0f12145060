//! What the `OpenAPI` document says of every operation alike.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Response};
use utoipa::{PartialSchema, ToSchema};

use super::error::{FieldError, PROBLEM_JSON, Problem};

const TOKEN: &str = "token";
/// What `utoipa` calls a body unless told.
const JSON: &str = "application/json";

/// Names the service, its tokens, and the one form of every error.
pub(super) fn complete(service: &str, document: &mut OpenApi) {
    document.info.title = format!("Ticketrail {service}");
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.security = Some(vec![SecurityRequirement::new::<_, _, &str>(TOKEN, [])]);
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(
        TOKEN,
        SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .build(),
        ),
    );
    for (name, schema) in [
        (Problem::name(), Problem::schema()),
        (FieldError::name(), FieldError::schema()),
    ] {
        components.schemas.insert(name.into_owned(), schema);
    }
    for operation in document.paths.paths.values_mut().flat_map(operations) {
        let responses = &mut operation.responses.responses;
        responses
            .entry("default".to_owned())
            .or_insert_with(|| problem().into());
        for (status, response) in responses {
            let error = status.starts_with(['4', '5', 'd']);
            if let (true, RefOr::T(response)) = (error, response)
                && let Some(content) = response.content.shift_remove(JSON)
            {
                response.content.insert(PROBLEM_JSON.to_owned(), content);
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
        &mut item.patch,
    ]
    .into_iter()
    .flatten()
}

fn problem() -> Response {
    let mut response = Response::new("Any other error: `type` says which, `detail` what to do.");
    let schema = Ref::from_schema_name(Problem::name());
    let content = Content::new(Some(schema));
    response
        .content
        .insert(PROBLEM_JSON.to_owned(), content.into());
    response
}
