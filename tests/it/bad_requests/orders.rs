//! Orders that are none.

use reqwest::Method;

use super::Case;

pub(super) const GOOD: &str = concat!(
    r#"{"lines":[{"sku":"KETTLE","quantity":1}],"channel":"web","ship_to":{"name":"Alice","#,
    r#""street":"Am Markt 1","postal_code":"10115","city":"Berlin","country":"DE"}}"#
);
/// The end of it.
const SHIP_TO: &str = concat!(
    r#"{"name":"Alice","street":"Am Markt 1","postal_code":"10115","city":"Berlin","#,
    r#""country":"DE"}"#
);

/// A good order with one part of its text replaced.
const REPLACED: &[(&str, &str, &str, u16)] = &[
    // Types, and fields that are missing or too many.
    (
        "lines that are null",
        r#"[{"sku":"KETTLE","quantity":1}]"#,
        "null",
        422,
    ),
    (
        "lines that are an object",
        r#"[{"sku":"KETTLE","quantity":1}]"#,
        "{}",
        422,
    ),
    (
        "lines that are text",
        r#"[{"sku":"KETTLE","quantity":1}]"#,
        r#""KETTLE""#,
        422,
    ),
    ("no lines", r#"[{"sku":"KETTLE","quantity":1}]"#, "[]", 422),
    (
        "a line that is null",
        r#"{"sku":"KETTLE","quantity":1}"#,
        "null",
        422,
    ),
    (
        "a line as a list",
        r#"{"sku":"KETTLE","quantity":1}"#,
        r#"["KETTLE",1]"#,
        422,
    ),
    (
        "a line of nothing",
        r#"{"sku":"KETTLE","quantity":1}"#,
        "{}",
        422,
    ),
    (
        "a line twice",
        r#""quantity":1}"#,
        r#""quantity":1},{"sku":"KETTLE","quantity":1}"#,
        422,
    ),
    ("no units", r#","quantity":1"#, "", 422),
    ("no destination", r#","ship_to""#, r#","ship_from""#, 422),
    (
        "a destination as a list",
        SHIP_TO,
        r#"["Alice","Am Markt 1","10115","Berlin","DE"]"#,
        422,
    ),
    ("a destination that is a number", SHIP_TO, "1", 422),
    ("a name that is a number", r#""Alice""#, "1", 422),
    ("a name that is a list", r#""Alice""#, r#"["Alice"]"#, 422),
    ("a channel that is null", r#""web""#, "null", 422),
    (
        "the customer in the body",
        r#"{"lines""#,
        r#"{"customer_id":"mallory","lines""#,
        422,
    ),
    (
        "a price",
        r#""quantity":1"#,
        r#""quantity":1,"unit_price_minor":1"#,
        422,
    ),
    ("a total", r#"{"lines""#, r#"{"total_minor":1,"lines""#, 422),
    (
        "a status",
        r#"{"lines""#,
        r#"{"status":"completed","lines""#,
        422,
    ),
    (
        "a role",
        r#"{"lines""#,
        r#"{"role":"operations","lines""#,
        422,
    ),
    (
        "a prototype",
        r#"{"lines""#,
        r#"{"__proto__":{"scope":"operations"},"lines""#,
        422,
    ),
    (
        "a field twice",
        r#""channel":"web""#,
        r#""channel":"web","channel":"amazon""#,
        422,
    ),
    ("a field in capitals", r#""channel""#, r#""Channel""#, 422),
    (
        "a card as a list",
        r#"{"lines""#,
        r#"{"payment":["tok_visa"],"lines""#,
        422,
    ),
    (
        "a card's number",
        r#"{"lines""#,
        r#"{"payment":{"card_token":"4111111111111111"},"lines""#,
        422,
    ),
    (
        "a card's number with dashes",
        r#"{"lines""#,
        r#"{"payment":{"card_token":"4111-1111-1111-1111"},"lines""#,
        422,
    ),
    // Forms of numbers.
    ("zero units", r#""quantity":1"#, r#""quantity":0"#, 422),
    (
        "minus zero units",
        r#""quantity":1"#,
        r#""quantity":-0"#,
        422,
    ),
    ("negative units", r#""quantity":1"#, r#""quantity":-1"#, 422),
    (
        "a thousand and one units",
        r#""quantity":1"#,
        r#""quantity":1001"#,
        422,
    ),
    (
        "units with a fraction of nothing",
        r#""quantity":1"#,
        r#""quantity":1.0"#,
        422,
    ),
    ("half a unit", r#""quantity":1"#, r#""quantity":0.5"#, 422),
    (
        "units with an exponent",
        r#""quantity":1"#,
        r#""quantity":1e0"#,
        422,
    ),
    (
        "units beyond 32 bits",
        r#""quantity":1"#,
        r#""quantity":2147483648"#,
        422,
    ),
    (
        "units that wrap to one",
        r#""quantity":1"#,
        r#""quantity":4294967297"#,
        422,
    ),
    (
        "units beyond 64 bits",
        r#""quantity":1"#,
        r#""quantity":18446744073709551617"#,
        422,
    ),
    (
        "units of a thousand digits",
        r#""quantity":1"#,
        r#""quantity":1e400"#,
        400,
    ),
    ("units as text", r#""quantity":1"#, r#""quantity":"1""#, 422),
    (
        "units that are true",
        r#""quantity":1"#,
        r#""quantity":true"#,
        422,
    ),
    (
        "units with a leading zero",
        r#""quantity":1"#,
        r#""quantity":01"#,
        400,
    ),
    (
        "units with a plus",
        r#""quantity":1"#,
        r#""quantity":+1"#,
        400,
    ),
    (
        "units in hexadecimal",
        r#""quantity":1"#,
        r#""quantity":0x1"#,
        400,
    ),
    (
        "units that are no number",
        r#""quantity":1"#,
        r#""quantity":NaN"#,
        400,
    ),
    (
        "infinite units",
        r#""quantity":1"#,
        r#""quantity":Infinity"#,
        400,
    ),
    // Text.
    ("an unknown SKU", "KETTLE", "UNICORN", 422),
    ("a SKU in lower case", "KETTLE", "kettle", 422),
    ("a SKU with a space", "KETTLE", "KETTLE ", 422),
    ("a SKU of wide letters", "KETTLE", "ＫＥＴＴＬＥ", 422),
    (
        "a SKU with a letter of another script",
        "KETTLE",
        "КETTLE",
        422,
    ),
    (
        "a SKU with an invisible space",
        "KETTLE",
        "KET\u{200b}TLE",
        422,
    ),
    ("a SKU with a quote", "KETTLE", "KETTLE' OR '1'='1", 422),
    ("a SKU with a zero", "KETTLE", r"KETTLE\u0000", 422),
    ("a name with a zero", "Alice", r"Al\u0000ice", 422),
    (
        "a name of two lines",
        "Alice",
        r"A\r\nBcc: all@example.org",
        422,
    ),
    ("a name with a line separator", "Alice", r"A\u2028B", 422),
    ("a name with a C1 control", "Alice", r"A\u0085B", 422),
    ("a name that is deleted", "Alice", r"\u007f", 422),
    (
        "a name that is written backwards",
        "Alice",
        r"A\u202eecila",
        422,
    ),
    ("a name that is isolated", "Alice", r"A\u2066B", 422),
    ("a name of invisible spaces", "Alice", r"\u200b\u200b", 422),
    ("a name of spaces", "Alice", "   ", 422),
    ("a name of wide spaces", "Alice", r"\u3000\u2003", 422),
    ("an empty name", "Alice", "", 422),
    ("half a surrogate pair", "Alice", r"\ud800", 400),
    (
        "surrogates the wrong way round",
        "Alice",
        r"\udc00\ud800",
        400,
    ),
    ("half an escape", "Alice", r"\u12", 400),
    ("an escape that is none", "Alice", r"\x41", 400),
    ("a country in lower case", r#""DE""#, r#""de""#, 422),
    ("a country of wide letters", r#""DE""#, r#""ＤＥ""#, 422),
    ("a country of three letters", r#""DE""#, r#""DEU""#, 422),
    ("a channel in capitals", r#""web""#, r#""WEB""#, 422),
    (
        "a channel with a letter of another script",
        r#""web""#,
        r#""wеb""#,
        422,
    ),
    ("a channel of two lines", r#""web""#, r#""web\n""#, 422),
    // JSON that is none.
    ("a comma too many", "]", ",]", 400),
    ("a comma too few", r#","channel""#, r#""channel""#, 400),
    ("single quotes", r#""web""#, "'web'", 400),
    ("a comment", r#"{"lines""#, r#"{/* */"lines""#, 400),
    ("a raw line break in text", "Alice", "Ali\nce", 400),
];

fn order(token: &str, what: impl Into<String>, body: impl Into<Vec<u8>>, expected: u16) -> Case {
    Case::new("order", Method::POST, "/v1/orders", what, expected)
        .token(token)
        .header("idempotency-key", shared::event::new_id().to_string())
        .json(body)
}

pub(super) fn bodies(token: &str) -> Vec<Case> {
    let mut cases: Vec<_> = REPLACED
        .iter()
        .map(|(what, part, by, expected)| {
            assert!(GOOD.contains(part), "{what}");
            order(token, *what, GOOD.replacen(part, by, 1), *expected)
        })
        .collect();
    let endless = "x".repeat(129);
    let lines: Vec<_> = (0..101)
        .map(|n| format!(r#"{{"sku":"SKU{n}","quantity":1}}"#))
        .collect();
    let list = r#"[[{"sku":"KETTLE","quantity":1}],"web",null,{"name":"A"},null]"#;
    for (what, body, expected) in [
        (
            "a name of 129",
            GOOD.replace("Alice", &endless).into_bytes(),
            422,
        ),
        (
            "a SKU of 129",
            GOOD.replace("KETTLE", &endless).into_bytes(),
            422,
        ),
        (
            "101 lines",
            GOOD.replace(r#"{"sku":"KETTLE","quantity":1}"#, &lines.join(","))
                .into(),
            422,
        ),
        (
            "a reference of 65",
            GOOD.replace(
                "{\"lines",
                &format!("{{\"external_ref\":\"{}\",\"lines", &endless[..65]),
            )
            .into_bytes(),
            422,
        ),
        ("nothing", Vec::new(), 400),
        ("white space", b" \n\t ".to_vec(), 400),
        ("null", b"null".to_vec(), 422),
        ("a number", b"1".to_vec(), 422),
        ("text", GOOD.replace('"', "'").into(), 400),
        ("an order as a list", list.into(), 422),
        ("a list of orders", format!("[{GOOD}]").into(), 422),
        ("two orders", format!("{GOOD}{GOOD}").into(), 400),
        (
            "half an order",
            GOOD.as_bytes()[..GOOD.len() / 2].to_vec(),
            400,
        ),
        (
            "an order after a byte order mark",
            [b"\xef\xbb\xbf", GOOD.as_bytes()].concat(),
            400,
        ),
        (
            "UTF-16",
            GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            400,
        ),
        (
            "Latin-1",
            GOOD.replace("Alice", "@")
                .into_bytes()
                .iter()
                .map(|b| if *b == b'@' { 0xe9 } else { *b })
                .collect(),
            400,
        ),
        ("overlong UTF-8", replace_at(b"\xc0\x80"), 400),
        ("a surrogate in UTF-8", replace_at(b"\xed\xa0\x80"), 400),
        ("a raw zero", replace_at(b"\0"), 400),
        ("nested lists", "[".repeat(60_000).into(), 422),
        ("nested objects", r#"{"a":"#.repeat(10_000).into(), 422),
        (
            "lines in lines",
            GOOD.replace(r#"{"sku":"KETTLE","quantity":1}"#, &"[".repeat(20_000))
                .into(),
            422,
        ),
        ("64 KiB of spaces", vec![b' '; 65 * 1024], 413),
        (
            "an order and a megabyte",
            [GOOD.as_bytes(), &vec![b' '; 1 << 20]].concat(),
            413,
        ),
    ] {
        cases.push(order(token, what, body, expected));
    }
    cases
}

fn replace_at(bytes: &[u8]) -> Vec<u8> {
    let (before, after) = GOOD.split_once("Alice").expect("it names somebody");
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}
