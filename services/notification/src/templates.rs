//! What a mail says, as text and as HTML. Subject lines hold no text that a user chose.

use maud::{DOCTYPE, Markup, html};

use crate::domain::{Content, Notification};

/// A mail without its address.
pub(crate) struct Letter {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Both forms of a mail are made of the same paragraphs and list, so that they cannot differ.
struct Parts {
    subject: String,
    paragraphs: Vec<String>,
    list: Vec<String>,
}

pub(crate) fn write(notification: &Notification) -> Letter {
    let parts = parts(&notification.subject_id, &notification.content);
    let greeting = match &notification.recipient_name {
        Some(name) => format!("Hello {name},"),
        None => "Hello,".to_owned(),
    };
    Letter {
        text: text(&greeting, &parts),
        html: page(&greeting, &parts).into_string(),
        subject: parts.subject,
    }
}

fn parts(subject_id: &str, content: &Content) -> Parts {
    match content {
        Content::OrderReceived {
            lines,
            total_minor,
            currency,
        } => Parts {
            subject: format!("We received your order {subject_id}"),
            paragraphs: vec![
                format!("Thank you for your order {subject_id}."),
                format!("The total is {}.", money(*total_minor, currency)),
                "We tell you as soon as it is confirmed.".to_owned(),
            ],
            list: lines
                .iter()
                .map(|line| {
                    let price = money(line.unit_price_minor, currency);
                    format!("{} × {} at {price}", line.quantity, line.sku)
                })
                .collect(),
        },
        Content::OrderConfirmed => Parts {
            subject: format!("Your order {subject_id} is confirmed"),
            paragraphs: vec![
                format!("Your order {subject_id} is confirmed."),
                "Our warehouse is packing it now.".to_owned(),
            ],
            list: Vec::new(),
        },
        Content::OrderCancelled { reason, detail } => Parts {
            subject: format!("Your order {subject_id} was cancelled"),
            paragraphs: vec![
                format!("Your order {subject_id} was cancelled. {reason}"),
                detail.clone(),
                "You are not charged for it.".to_owned(),
            ],
            list: Vec::new(),
        },
        Content::OrderDispatched {
            carrier,
            tracking_number,
            lines,
        } => Parts {
            subject: format!("A parcel of your order {subject_id} is on its way"),
            paragraphs: vec![
                format!("A parcel of your order {subject_id} has left our warehouse."),
                format!("It travels with {carrier}. Tracking number: {tracking_number}"),
            ],
            list: lines
                .iter()
                .map(|line| format!("{} × {}", line.quantity, line.sku))
                .collect(),
        },
        Content::OrderRecalled {
            customer_id,
            detail,
        } => Parts {
            subject: format!("Recall: get back the goods of order {subject_id}"),
            paragraphs: vec![
                format!("Fraud was found after order {subject_id} had left."),
                format!("Customer: {customer_id}"),
                detail.clone(),
            ],
            list: Vec::new(),
        },
        Content::LowStock {
            sku,
            warehouse,
            available,
            threshold,
        } => Parts {
            subject: "Stock is running low".to_owned(),
            paragraphs: vec![
                format!("{sku} is running low in warehouse {warehouse}."),
                format!("Free units: {available}. Threshold: {threshold}."),
            ],
            list: Vec::new(),
        },
    }
}

fn text(greeting: &str, parts: &Parts) -> String {
    let mut text = format!("{greeting}\n\n");
    for paragraph in parts
        .paragraphs
        .iter()
        .filter(|paragraph| !paragraph.is_empty())
    {
        text.push_str(paragraph);
        text.push_str("\n\n");
    }
    for item in &parts.list {
        text.push_str("- ");
        text.push_str(item);
        text.push('\n');
    }
    text
}

fn page(greeting: &str, parts: &Parts) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (parts.subject) } }
            body {
                p { (greeting) }
                @for paragraph in parts.paragraphs.iter().filter(|text| !text.is_empty()) {
                    p { (paragraph) }
                }
                @if !parts.list.is_empty() {
                    ul { @for item in &parts.list { li { (item) } } }
                }
            }
        }
    }
}

/// `39.98 EUR`; yen have no smaller unit, dinars have thousands.
fn money(amount_minor: i64, currency: &str) -> String {
    let decimals = match currency {
        "CLP" | "ISK" | "JPY" | "KRW" | "VND" => 0,
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => 3,
        _ => 2,
    };
    if decimals == 0 {
        return format!("{amount_minor} {currency}");
    }
    let unit = 10_u64.pow(decimals);
    let sign = if amount_minor < 0 { "-" } else { "" };
    let (whole, rest) = (
        amount_minor.unsigned_abs() / unit,
        amount_minor.unsigned_abs() % unit,
    );
    let width = usize::try_from(decimals).expect("decimals are few");
    format!("{sign}{whole}.{rest:0width$} {currency}")
}

#[cfg(test)]
mod tests {
    use super::{money, page, parts, text};
    use crate::domain::{Content, PricedLine};

    #[track_caller]
    fn check_money(amount_minor: i64, currency: &str, expected: &str) {
        assert_eq!(money(amount_minor, currency), expected);
    }

    #[test]
    fn money_reads_as_people_write_it() {
        check_money(3_998, "EUR", "39.98 EUR");
        check_money(5, "EUR", "0.05 EUR");
        check_money(-1_999, "EUR", "-19.99 EUR");
        check_money(3_998, "JPY", "3998 JPY");
        check_money(3_998, "KWD", "3.998 KWD");
    }

    fn received() -> Content {
        let line = PricedLine {
            sku: "KETTLE".to_owned(),
            quantity: 2,
            unit_price_minor: 1_999,
        };
        Content::OrderReceived {
            lines: vec![line],
            total_minor: 3_998,
            currency: "EUR".to_owned(),
        }
    }

    #[test]
    fn both_forms_say_the_same() {
        let parts = parts("42", &received());
        let text = text("Hello,", &parts);
        let html = page("Hello,", &parts).into_string();
        for said in ["order 42", "39.98 EUR", "2 × KETTLE at 19.99 EUR"] {
            assert!(text.contains(said), "{said}: {text}");
            assert!(html.contains(said), "{said}: {html}");
        }
    }

    #[test]
    fn what_a_user_wrote_stays_text_and_out_of_the_subject() {
        let detail = "<script>alert(1)</script>\r\nBcc: everybody@example.org";
        let cancelled = Content::OrderCancelled {
            reason: String::new(),
            detail: detail.to_owned(),
        };
        let parts = parts("42", &cancelled);
        assert_eq!(parts.subject, "Your order 42 was cancelled");
        let html = page("Hello <b>,", &parts).into_string();
        assert!(
            !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
    }
}
