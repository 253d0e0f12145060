//! Schemas that hold themselves, which no datum's bytes bound.

use apache_avro::Schema;

/// The name of a record that can be reached from itself.
pub(super) fn find_recursion(schema: &Schema) -> Option<String> {
    find(schema, &mut Vec::new())
}

fn find(schema: &Schema, open: &mut Vec<String>) -> Option<String> {
    match schema {
        Schema::Record(record) => {
            open.push(record.name.fullname(None));
            let found = record
                .fields
                .iter()
                .find_map(|field| find(&field.schema, open));
            open.pop();
            found
        }
        Schema::Array(array) => find(&array.items, open),
        Schema::Map(map) => find(&map.types, open),
        Schema::Union(union) => union
            .variants()
            .iter()
            .find_map(|variant| find(variant, open)),
        Schema::Ref { name } => open
            .iter()
            .find(|record| **record == name.fullname(None))
            .cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;

    use super::find_recursion;

    #[track_caller]
    fn check(fields: &str, expected: Option<&str>) {
        let text = format!(
            r#"{{"type": "record", "name": "Node", "namespace": "n", "fields": [{fields}]}}"#
        );
        let schema = Schema::parse_str(&text).expect("a schema");
        assert_eq!(find_recursion(&schema).as_deref(), expected, "{fields}");
    }

    #[test]
    fn a_record_that_holds_itself_is_found() {
        check(r#"{"name": "a", "type": "int"}"#, None);
        check(r#"{"name": "a", "type": ["null", "Node"]}"#, Some("n.Node"));
        check(
            r#"{"name": "a", "type": {"type": "array", "items": "Node"}}"#,
            Some("n.Node"),
        );
        check(
            r#"{"name": "a", "type": {"type": "map", "values": "Node"}}"#,
            Some("n.Node"),
        );
        let leaf = r#"{"type": "record", "name": "Leaf", "fields": []}"#;
        // A name that is used twice is no recursion.
        check(
            &format!(r#"{{"name": "a", "type": {leaf}}}, {{"name": "b", "type": "Leaf"}}"#),
            None,
        );
        let branch = r#"{"type": "record", "name": "Branch", "fields": [
            {"name": "up", "type": ["null", "Node"]}]}"#;
        check(
            &format!(r#"{{"name": "a", "type": {branch}}}"#),
            Some("n.Node"),
        );
    }
}
