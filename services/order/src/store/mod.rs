//! Every SQL statement of this service.

use sqlx::PgConnection;

use crate::domain::progress::Progress;

/// What was ordered, the price list, and the keys of requests.
pub(crate) mod orders;
/// How far orders are.
pub(crate) mod sagas;
/// What happened to them.
pub(crate) mod timeline;

/// Saves what a transaction did to the sagas it had locked.
pub(crate) async fn save(tx: &mut PgConnection, progress: &Progress) -> Result<(), sqlx::Error> {
    sagas::save(tx, progress.changed()).await?;
    sagas::save_acks(tx, progress.acks()).await?;
    timeline::append(tx, progress.entries()).await
}

/// A value in the database that this version does not know.
fn unreadable(column: &str, value: &str) -> sqlx::Error {
    sqlx::Error::Decode(format!("column {column} holds the unknown value `{value}`").into())
}

/// A Postgres array as text, for arrays within arrays: `unnest` flattens them otherwise.
fn array_literal<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let mut literal = String::from("{");
    for value in values {
        if literal.len() > 1 {
            literal.push(',');
        }
        literal.push('"');
        for c in value.as_ref().chars() {
            if matches!(c, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::array_literal;

    #[test]
    fn arrays_within_arrays_are_quoted() {
        assert_eq!(array_literal::<&str>([]), "{}");
        assert_eq!(array_literal(["A"]), r#"{"A"}"#);
        assert_eq!(
            array_literal(["A,B", "C\"D\\E", "{}", ""]),
            r#"{"A,B","C\"D\\E","{}",""}"#
        );
    }
}
