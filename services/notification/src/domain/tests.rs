//! Stories of mails, told without a mail server.

use chrono::{DateTime, TimeDelta, Utc};
use lettre::message::Mailbox;
use shared::contract::inventory::LowStock;
use shared::contract::notification::{NotificationFailed, NotificationSent};
use uuid::Uuid;

use super::{
    Addressing, Audience, Content, Notification, Outcome, Resend, State, announce, low_stock,
    resend, settle,
};

fn now() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn addressing() -> Addressing {
    Addressing {
        operations: "operations@ticketrail.example".parse().expect("a mailbox"),
        customer_domain: "customers.example".to_owned(),
        message_domain: "ticketrail.example".to_owned(),
    }
}

fn notification(attempts: i32) -> Notification {
    let id = Uuid::from_u128(7);
    Notification {
        id,
        subject_id: Uuid::from_u128(1).to_string(),
        kind: "order_confirmed".to_owned(),
        customer_id: Some("alice".to_owned()),
        recipient: "alice@customers.example".to_owned(),
        recipient_name: None,
        content: Content::OrderConfirmed,
        state: State::Pending {
            next_attempt_at: now() + TimeDelta::seconds(60),
        },
        attempts,
        resends: 0,
        message_id: addressing().message_id(id),
        causation_id: Uuid::from_u128(2),
        correlation_id: Uuid::from_u128(1).to_string(),
        traceparent: None,
        created_at: now(),
        sent_at: None,
        last_error: None,
    }
}

#[test]
fn an_accepted_mail_is_sent_and_told_of() {
    let mut mail = notification(3);

    settle(&mut mail, &Outcome::Accepted, now());

    assert_eq!((mail.state, mail.sent_at), (State::Sent, Some(now())));
    let events = announce(&mail, 5);
    let (version, sent) = events
        .find::<NotificationSent>()
        .expect("it tells of the mail");
    assert_eq!((version, sent.attempts), (5, 3));
    assert_eq!(
        sent.message_id,
        "<00000000-0000-0000-0000-000000000007@ticketrail.example>"
    );
}

#[test]
fn a_refused_mail_fails_and_says_why() {
    let mut mail = notification(1);

    settle(
        &mut mail,
        &Outcome::Refused("550 no such mailbox".to_owned()),
        now(),
    );

    assert_eq!(mail.state, State::Failed);
    let events = announce(&mail, 1);
    let (_, failed) = events
        .find::<NotificationFailed>()
        .expect("it tells of the failure");
    assert_eq!(failed.detail, "550 no such mailbox");
}

#[test]
fn a_mail_that_could_not_be_delivered_comes_again_with_backoff() {
    #[track_caller]
    fn check(attempts: i32, seconds: i64) {
        let tried = "connection refused".to_owned();
        for outcome in [
            Outcome::Postponed(tried.clone()),
            Outcome::Unreachable(tried.clone()),
        ] {
            let mut mail = notification(attempts);
            settle(&mut mail, &outcome, now());
            let next_attempt_at = now() + TimeDelta::seconds(seconds);
            assert_eq!(mail.state, State::Pending { next_attempt_at });
            assert!(announce(&mail, 1).is_empty());
        }
    }
    check(1, 1);
    check(2, 2);
    check(6, 32);
    check(7, 60);
    check(i32::MAX, 60);
}

#[test]
fn a_mail_nobody_tried_is_due_at_once_and_counts_no_try() {
    let mut mail = notification(2);

    settle(&mut mail, &Outcome::Untried, now());

    assert_eq!(
        (mail.state, mail.attempts),
        (
            State::Pending {
                next_attempt_at: now()
            },
            1
        )
    );
}

fn request(contact: Option<Mailbox>) -> Resend {
    Resend {
        causation_id: Uuid::from_u128(99),
        traceparent: None,
        contact,
    }
}

#[test]
fn a_sent_mail_goes_out_again_with_the_same_message_id_to_the_address_of_today() {
    let mut mail = notification(1);
    settle(&mut mail, &Outcome::Accepted, now());
    let before = mail.message_id.clone();
    let contact = "Alice <alice@home.example>".parse().expect("a mailbox");

    assert_eq!(resend(&mut mail, request(Some(contact)), now()), Ok(true));

    assert_eq!(
        mail.state,
        State::Pending {
            next_attempt_at: now()
        }
    );
    assert_eq!(
        (mail.message_id, mail.causation_id),
        (before, Uuid::from_u128(99))
    );
    assert_eq!(mail.recipient, "alice@home.example");
}

#[test]
fn a_mail_on_its_way_is_not_asked_for_twice_and_nobody_asks_for_ever() {
    let mut mail = notification(1);
    let before = mail.clone();
    assert_eq!(resend(&mut mail, request(None), now()), Ok(false));
    assert_eq!(mail, before);

    for _ in 0..10 {
        settle(&mut mail, &Outcome::Accepted, now());
        assert_eq!(resend(&mut mail, request(None), now()), Ok(true));
    }
    settle(&mut mail, &Outcome::Accepted, now());
    let refused = resend(&mut mail, request(None), now()).expect_err("ten times are enough");
    assert_eq!(refused.code, "resend-limit");
}

#[test]
fn every_crossing_of_a_threshold_is_a_mail_of_its_own() {
    let event = LowStock {
        sku: "KETTLE".to_owned(),
        warehouse: "BER".to_owned(),
        available: 2,
        threshold: 5,
    };
    let (first, second) = (low_stock(&event, 4), low_stock(&event, 9));
    assert_eq!(
        (first.kind.as_str(), second.kind.as_str()),
        ("low_stock:BER:4", "low_stock:BER:9")
    );
    assert!(first.content.is_urgent());
}

#[test]
fn mail_goes_to_the_contact_or_to_an_address_of_the_customers_own() {
    #[track_caller]
    fn check(customer: &str, contact: Option<&str>, expected: &str) {
        let contact = contact.map(|contact| contact.parse().expect("a mailbox"));
        let audience = Audience::Customer(customer.to_owned());
        let recipient = addressing().recipient(&audience, contact.as_ref());
        assert_eq!(recipient.email.to_string(), expected);
    }
    check(
        "alice",
        Some("Alice <alice@home.example>"),
        "alice@home.example",
    );
    check("alice", None, "alice@customers.example");
    check("alice.b_c-9", None, "alice.b_c-9@customers.example");
    // What cannot stand there as it is, or could be taken for another customer's.
    check(
        "Alice",
        None,
        "c-3bc51062973c458d5a6f2d8d64a02324@customers.example",
    );
    for odd in [
        ".alice",
        "al ice",
        "a@b",
        "a\r\nBcc: b",
        "ällice",
        "c-1",
        &"a".repeat(65),
    ] {
        let audience = Audience::Customer(odd.to_owned());
        let address = addressing().recipient(&audience, None).email;
        assert!(
            address.user().starts_with("c-") && address.user().len() == 34,
            "{address}"
        );
    }
}
