"""Writes one example per event, as JSON and as Avro bytes, with an Avro implementation that is not ours.

The test `golden` holds our bytes against these. Run `pip install fastavro` first; `--check` only
compares what is there.
"""

import io
import json
import pathlib
import sys
import uuid

import fastavro

HERE = pathlib.Path(__file__).parent
SCHEMAS = HERE.parent.parent / "schemas"


def example(schema, name):
    """A value that tells fields apart: it is made of the field's name."""
    if isinstance(schema, list):
        return None if "external" not in name else "EXT-1"
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind == "record":
        return {field["name"]: example(field["type"], field["name"]) for field in schema["fields"]}
    if kind == "array":
        return [example(schema["items"], name + str(n)) for n in range(2)]
    if kind == "enum":
        return schema["symbols"][-1]
    if isinstance(schema, dict) and schema.get("logicalType") == "uuid":
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))
    return {
        "string": name + " ü",
        "int": len(name),
        "long": len(name) * 10_000_000_000,
        "double": 0.25,
        "boolean": True,
    }[kind]


def main():
    for file in sorted(SCHEMAS.glob("*/*.avsc")):
        schema = json.loads(file.read_text())
        value = example(schema, schema["name"])
        datum = io.BytesIO()
        fastavro.schemaless_writer(datum, fastavro.parse_schema(schema), value)
        fixture = {"value": value, "bytes": datum.getvalue().hex()}
        path = HERE / f"{file.stem}.json"
        if "--check" not in sys.argv:
            path.write_text(json.dumps(fixture, indent=2, ensure_ascii=False) + "\n")
            continue
        kept = json.loads(path.read_text())
        read = fastavro.schemaless_reader(
            io.BytesIO(bytes.fromhex(kept["bytes"])), fastavro.parse_schema(schema)
        )
        assert json.loads(json.dumps(read, default=str)) == kept["value"], file
    print(f"{len(list(SCHEMAS.glob('*/*.avsc')))} events")


main()
