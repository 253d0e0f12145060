//! A reader of Avro's binary form, driven by the schema's JSON.
//!
//! Written from the specification and apart from the services' codec, so that a mistake there is
//! not a mistake here. It fails rather than guesses: a length beyond the input, a branch that does
//! not exist, bytes left over.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

/// Our schemas nest three deep; a hostile one shall not overflow the stack.
const DEPTH_MAX: usize = 32;

pub(super) struct Schema {
    pub(super) full_name: String,
    nodes: Vec<Node>,
    root: usize,
}

enum Node {
    Null,
    Boolean,
    /// `int` and `long` look the same on the wire.
    Integer,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<(String, usize)>),
}

impl Schema {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let json: Value = serde_json::from_str(text).context("a schema is JSON")?;
        let mut parser = Parser {
            nodes: Vec::new(),
            names: HashMap::new(),
        };
        let root = parser.node(&json, "", 0)?;
        let full_name = full_name(&json, "").context("an event's schema has a name")?;
        Ok(Self {
            full_name,
            nodes: parser.nodes,
            root,
        })
    }

    /// Decodes all of `datum`, or says why not.
    pub(super) fn decode(&self, mut datum: &[u8]) -> anyhow::Result<Value> {
        let value = self.read(self.root, &mut datum, 0)?;
        ensure!(datum.is_empty(), "{} bytes are left over", datum.len());
        Ok(value)
    }

    fn read(&self, node: usize, from: &mut &[u8], depth: usize) -> anyhow::Result<Value> {
        ensure!(depth < DEPTH_MAX, "it nests too deep");
        Ok(match &self.nodes[node] {
            Node::Null => Value::Null,
            Node::Boolean => match take(from, 1)?[0] {
                0 => false.into(),
                1 => true.into(),
                other => bail!("{other} is no boolean"),
            },
            Node::Integer => long(from)?.into(),
            Node::Float => f32::from_le_bytes(take(from, 4)?.try_into()?).into(),
            Node::Double => f64::from_le_bytes(take(from, 8)?.try_into()?).into(),
            Node::Bytes => bytes(from)?.into(),
            Node::Text => std::str::from_utf8(bytes(from)?)?.into(),
            Node::Fixed(size) => take(from, *size)?.into(),
            Node::Enum(symbols) => branch(symbols, long(from)?)?.as_str().into(),
            Node::Union(branches) => {
                let branch = *branch(branches, long(from)?)?;
                self.read(branch, from, depth + 1)?
            }
            Node::Array(items) => {
                let mut values = Vec::new();
                blocks(from, |from| {
                    values.push(self.read(*items, from, depth + 1)?);
                    Ok(())
                })?;
                values.into()
            }
            Node::Map(items) => {
                let mut values = serde_json::Map::new();
                blocks(from, |from| {
                    let key = std::str::from_utf8(bytes(from)?)?.to_owned();
                    values.insert(key, self.read(*items, from, depth + 1)?);
                    Ok(())
                })?;
                values.into()
            }
            Node::Record(fields) => {
                let mut values = serde_json::Map::new();
                for (name, field) in fields {
                    values.insert(name.clone(), self.read(*field, from, depth + 1)?);
                }
                values.into()
            }
        })
    }
}

fn take<'a>(from: &mut &'a [u8], length: usize) -> anyhow::Result<&'a [u8]> {
    let (taken, rest) = from.split_at_checked(length).context("it ends too early")?;
    *from = rest;
    Ok(taken)
}

/// Seven bits a byte, least significant first; the lowest bit is the sign.
fn long(from: &mut &[u8]) -> anyhow::Result<i64> {
    let mut bits = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take(from, 1)?[0];
        bits |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
        }
    }
    bail!("a number has no end")
}

fn bytes<'a>(from: &mut &'a [u8]) -> anyhow::Result<&'a [u8]> {
    let length = long(from)?;
    take(
        from,
        usize::try_from(length).context("a length is negative")?,
    )
}

fn branch<T>(branches: &[T], index: i64) -> anyhow::Result<&T> {
    let found = usize::try_from(index)
        .ok()
        .and_then(|index| branches.get(index));
    found.with_context(|| format!("there is no branch {index}"))
}

/// Blocks of items, each with its count before it, up to an empty one.
fn blocks(
    from: &mut &[u8],
    mut item: impl FnMut(&mut &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    loop {
        let mut count = long(from)?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            // The block's size follows, for readers that skip it.
            long(from)?;
            count = count.checked_neg().context("a count is too large")?;
        }
        // Items of no bytes could ask for any number of them.
        ensure!(
            usize::try_from(count)? <= from.len(),
            "a count exceeds what follows"
        );
        for _ in 0..count {
            item(from)?;
        }
    }
}

struct Parser {
    nodes: Vec<Node>,
    names: HashMap<String, usize>,
}

impl Parser {
    fn node(&mut self, json: &Value, namespace: &str, depth: usize) -> anyhow::Result<usize> {
        ensure!(depth < DEPTH_MAX, "the schema nests too deep");
        let node = match json {
            Value::String(name) => match primitive(name) {
                Some(node) => node,
                None => {
                    let known = self.names.get(&qualified(name, namespace));
                    return known
                        .copied()
                        .with_context(|| format!("the type {name} is unknown"));
                }
            },
            Value::Array(branches) => {
                let branches = branches
                    .iter()
                    .map(|json| self.node(json, namespace, depth + 1));
                Node::Union(branches.collect::<anyhow::Result<_>>()?)
            }
            Value::Object(object) => match object.get("type") {
                Some(Value::String(kind)) => {
                    return self.named_or_nested(kind, json, namespace, depth);
                }
                Some(nested) => return self.node(nested, namespace, depth + 1),
                None => bail!("a type is missing"),
            },
            other => bail!("{other} is no type"),
        };
        Ok(self.put(node))
    }

    fn put(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn named_or_nested(
        &mut self,
        kind: &str,
        json: &Value,
        namespace: &str,
        depth: usize,
    ) -> anyhow::Result<usize> {
        // Reserved before its fields are read: they may name it.
        let place = self.put(Node::Null);
        let name = full_name(json, namespace);
        if let Some(name) = &name {
            self.names.insert(name.clone(), place);
        }
        let inner = name
            .as_deref()
            .and_then(|name| name.rsplit_once('.'))
            .map_or("", |it| it.0);
        self.nodes[place] = match kind {
            "array" => Node::Array(self.node(&json["items"], namespace, depth + 1)?),
            "map" => Node::Map(self.node(&json["values"], namespace, depth + 1)?),
            "fixed" => Node::Fixed(usize::try_from(json["size"].as_u64().context("a size")?)?),
            "enum" => Node::Enum(serde_json::from_value(json["symbols"].clone())?),
            "record" => {
                let mut fields = Vec::new();
                for field in json["fields"].as_array().context("a record has fields")? {
                    let name = field["name"].as_str().context("a field has a name")?;
                    fields.push((
                        name.to_owned(),
                        self.node(&field["type"], inner, depth + 1)?,
                    ));
                }
                Node::Record(fields)
            }
            // With a logical type: the bytes are those of the plain one.
            plain => match primitive(plain) {
                Some(node) => node,
                None => Node::Union(vec![self.node(&plain.into(), namespace, depth + 1)?]),
            },
        };
        Ok(place)
    }
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" | "long" => Node::Integer,
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::Text,
        _ => return None,
    })
}

fn full_name(json: &Value, namespace: &str) -> Option<String> {
    let name = json["name"].as_str()?;
    Some(qualified(
        name,
        json["namespace"].as_str().unwrap_or(namespace),
    ))
}

fn qualified(name: &str, namespace: &str) -> String {
    if name.contains('.') || namespace.is_empty() {
        return name.to_owned();
    }
    format!("{namespace}.{name}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Schema;

    const SCHEMA: &str = r#"{"type": "record", "name": "Told", "namespace": "t", "fields": [
        {"name": "id", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "note", "type": ["null", "string"]},
        {"name": "lines", "type": {"type": "array", "items": {
            "type": "record", "name": "Line", "fields": [{"name": "quantity", "type": "int"}]}}},
        {"name": "more", "type": {"type": "map", "values": "Line"}},
        {"name": "why", "type": {"type": "enum", "name": "Why", "symbols": ["A", "B"]}},
        {"name": "score", "type": "double"},
        {"name": "sure", "type": "boolean"}]}"#;

    /// Written by hand, after the specification.
    fn datum() -> Vec<u8> {
        let mut datum = vec![4, b'i', b'd'];
        datum.extend([2, 2, b'!']);
        // Two items, then one in a block that tells its size: 1, -1, 64.
        datum.extend([4, 2, 1, 1, 4, 0x80, 0x01, 0]);
        datum.extend([2, 2, b'k', 0x7f, 0]);
        datum.push(2);
        datum.extend(0.5_f64.to_le_bytes());
        datum.push(1);
        datum
    }

    #[test]
    fn a_datum_is_read_as_its_schema_says() {
        let schema = Schema::parse(SCHEMA).expect("it parses");
        assert_eq!(schema.full_name, "t.Told");
        assert_eq!(
            schema.decode(&datum()).expect("it decodes"),
            json!({
                "id": "id", "note": "!", "why": "B", "score": 0.5, "sure": true,
                "lines": [{"quantity": 1}, {"quantity": -1}, {"quantity": 64}],
                "more": {"k": {"quantity": -64}},
            })
        );
    }

    #[test]
    fn what_is_cut_off_or_goes_on_is_refused() {
        let schema = Schema::parse(SCHEMA).expect("it parses");
        let datum = datum();
        for end in 0..datum.len() {
            assert!(schema.decode(&datum[..end]).is_err(), "cut after {end}");
        }
        assert!(schema.decode(&[&datum[..], &[0]].concat()).is_err());
        // An array that claims to be endless.
        assert!(
            schema
                .decode(&[0, 0, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0])
                .is_err()
        );
    }
}
