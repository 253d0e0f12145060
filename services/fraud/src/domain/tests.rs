//! Stories of transactions, told without a database.

use chrono::{DateTime, TimeDelta, Utc};
use shared::batch::{Decision, Events, Reject};
use shared::contract::fraud::TransactionBlocked;
use shared::contract::order::TransactionCreated;
use uuid::Uuid;

use super::review::{Case, Label, Ruling, rule};
use super::{
    Docket, Features, Holder, Judgement, Origin, Policy, Score, Transaction, Verdict, answer,
    close, judge, take_in,
};

const POLICY: Policy = Policy {
    hold: 0.6,
    block: 0.9,
    bureau_takes: TimeDelta::seconds(45),
};

fn now() -> DateTime<Utc> {
    DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn created(number: u128) -> TransactionCreated {
    TransactionCreated {
        transaction_id: Uuid::from_u128(number),
        order_id: order(number),
        customer_id: "alice".to_owned(),
        card: "tok_alice".to_owned(),
        amount_minor: 3_998,
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        channel: "web".to_owned(),
        item_count: 2,
    }
}

fn order(number: u128) -> Uuid {
    Uuid::from_u128(1_000 + number)
}

fn origin() -> Origin {
    Origin {
        event_id: Uuid::from_u128(77),
        traceparent: None,
    }
}

fn scored(value: f64) -> Score {
    Score {
        value,
        model_version: "test".to_owned(),
        reasons: vec!["a reason".to_owned()],
    }
}

fn take(docket: &mut Docket, event: &TransactionCreated) -> Result<Option<Features>, Reject> {
    take_in(docket, event, now())
}

/// As the batch handler does it for one event, with a score of the test's choice.
fn receive(docket: &mut Docket, event: &TransactionCreated, score: f64) -> Decision {
    match take(docket, event)? {
        None => Ok(Events::none()),
        Some(_) => judge(docket, event, scored(score), origin(), POLICY, now()),
    }
}

fn verdict_of(docket: &Docket, number: u128) -> (&'static str, i32) {
    let judgement = &docket.judgements[&order(number)];
    (judgement.verdict.name(), judgement.version)
}

#[track_caller]
fn check(event: &TransactionCreated, score: f64, verdict: &str, tells: &[&str]) -> Docket {
    let mut docket = Docket::default();
    docket.blocked.insert(
        Holder::Card("tok_stolen".to_owned()),
        "reported stolen".to_owned(),
    );
    let events = receive(&mut docket, event, score).expect("the event is sound");
    assert_eq!(events.types(), tells);
    let number = event.transaction_id.as_u128();
    assert_eq!(verdict_of(&docket, number).0, verdict);
    docket
}

#[test]
fn the_score_decides_within_the_hard_rules() {
    check(&created(1), 0.59, "approved", &["TransactionApproved"]);
    check(&created(1), 0.6, "held", &["TransactionHeld"]);
    check(&created(1), 0.9, "blocked", &["TransactionBlocked"]);

    let large = TransactionCreated {
        amount_minor: 500_001,
        ..created(1)
    };
    check(&large, 0.1, "held", &["TransactionHeld"]);
    check(&large, 0.95, "blocked", &["TransactionBlocked"]);
}

#[test]
fn a_card_on_the_block_list_is_blocked_and_says_why() {
    let stolen = TransactionCreated {
        card: "tok_stolen".to_owned(),
        ..created(1)
    };
    let docket = check(&stolen, 0.05, "blocked", &["TransactionBlocked"]);
    let score = &docket.judgements[&order(1)].score;
    assert_eq!(
        score.reasons[0],
        "the card is on the block list: reported stolen"
    );
    assert_eq!(score.value.to_bits(), 1.0_f64.to_bits());
}

#[test]
fn the_second_transaction_of_a_batch_sees_the_first() {
    let mut docket = Docket::default();

    let first = take(&mut docket, &created(1)).expect("sound").expect("new");
    let second = take(&mut docket, &created(2)).expect("sound").expect("new");

    assert_eq!((first.customer.hour.count, first.card.hour.count), (0, 0));
    assert_eq!((second.customer.hour.count, second.card.hour.count), (1, 1));
    assert_eq!(second.customer.month.sum_minor, 3_998);
}

#[test]
fn a_replayed_transaction_has_no_second_effect() {
    let mut docket = Docket::default();
    receive(&mut docket, &created(1), 0.7).expect("sound");
    let (histories, judgements) = (docket.histories.clone(), docket.judgements.clone());

    let again = receive(&mut docket, &created(1), 0.7).expect("sound");

    assert!(again.is_empty());
    assert_eq!(
        (docket.histories, docket.judgements),
        (histories, judgements)
    );
    assert_eq!(docket.transactions.len(), 1);
}

#[test]
fn what_contradicts_itself_is_rejected_and_leaves_no_trace() {
    #[track_caller]
    fn check(event: &TransactionCreated, code: &str) {
        let mut docket = Docket::default();
        receive(&mut docket, &created(1), 0.1).expect("sound");
        let histories = docket.histories.clone();

        let reject = take(&mut docket, event).expect_err("it contradicts the first");

        assert_eq!(reject.code, code);
        assert_eq!(docket.histories, histories);
        assert_eq!(docket.transactions.len(), 1);
    }
    check(
        &TransactionCreated {
            order_id: order(1),
            ..created(2)
        },
        "second-transaction",
    );
    check(
        &TransactionCreated {
            order_id: order(2),
            ..created(1)
        },
        "transaction-of-another-order",
    );
    check(
        &TransactionCreated {
            amount_minor: -1,
            ..created(2)
        },
        "negative-amount",
    );
}

#[test]
fn a_cancellation_closes_what_is_open_and_nothing_else() {
    #[track_caller]
    fn check(card: &str, score: f64, after: (&str, i32)) {
        let mut docket = Docket::default();
        let event = TransactionCreated {
            card: card.to_owned(),
            ..created(1)
        };
        receive(&mut docket, &event, score).expect("sound");

        for _ in 0..2 {
            assert!(
                close(&mut docket, order(1), now())
                    .expect("accepted")
                    .is_empty()
            );
        }

        assert_eq!(verdict_of(&docket, 1), after);
        assert!(docket.buried.is_empty());
    }
    check("tok_alice", 0.1, ("approved", 1));
    check("tok_alice", 0.7, ("closed", 1));
    check("tok_alice", 0.95, ("blocked", 1));
    check("tok_slow_alice", 0.1, ("closed", 0));
}

#[test]
fn a_transaction_behind_its_cancellation_is_recorded_and_not_judged() {
    let mut docket = Docket::default();
    close(&mut docket, order(1), now()).expect("accepted");
    assert!(docket.buried.contains(&order(1)));

    let events = receive(&mut docket, &created(1), 0.95).expect("sound");

    assert!(events.is_empty());
    assert_eq!(verdict_of(&docket, 1), ("closed", 0));
    assert_eq!(docket.transactions.len(), 1);
}

#[test]
fn a_slow_card_is_decided_when_the_bureau_has_answered() {
    #[track_caller]
    fn check(card: &str, score: f64, tells: &str) -> (Judgement, Events) {
        let mut docket = Docket::default();
        let event = TransactionCreated {
            card: card.to_owned(),
            ..created(1)
        };
        assert!(
            receive(&mut docket, &event, score)
                .expect("sound")
                .is_empty()
        );
        let mut judgement = docket.judgements[&order(1)].clone();
        assert_eq!(
            judgement.verdict.due_at(),
            Some(now() + TimeDelta::seconds(45))
        );

        let events = answer(&mut judgement, card, event.amount_minor, POLICY, now());

        assert_eq!((events.types(), judgement.version), (vec![tells], 1));
        assert!(answer(&mut judgement, card, event.amount_minor, POLICY, now()).is_empty());
        (judgement, events)
    }
    check("tok_slow_alice", 0.1, "TransactionApproved");
    check("tok_slow_alice", 0.7, "TransactionHeld");
    let (judgement, events) = check("tok_slow_stolen", 0.1, "TransactionBlocked");
    assert_eq!(judgement.decided_by, "bureau");
    let (version, blocked) = events
        .find::<TransactionBlocked>()
        .expect("it tells the block");
    assert_eq!((version, blocked.order_id), (1, order(1)));
    assert_eq!(blocked.reasons[0], "the bureau knows the card as stolen");
}

fn case(verdict: Verdict, version: i32) -> Case {
    let TransactionCreated {
        transaction_id: id,
        order_id,
        customer_id,
        card,
        ..
    } = created(1);
    let transaction = Transaction {
        id,
        order_id,
        customer_id,
        card,
        amount_minor: 129_900,
        currency: "EUR".to_owned(),
        country: "DE".to_owned(),
        channel: "web".to_owned(),
        item_count: 1,
        occurred_at: now(),
    };
    let judgement = Judgement {
        transaction_id: id,
        order_id,
        verdict,
        score: scored(0.7),
        decided_by: "model".to_owned(),
        version,
        decided_at: now(),
    };
    Case {
        judgement,
        transaction,
        label: None,
    }
}

fn label(ruling: Ruling, reviewer: &str) -> Label {
    Label {
        ruling,
        reviewer: reviewer.to_owned(),
        note: "called back".to_owned(),
        at: now(),
    }
}

#[test]
fn a_reviewer_decides_a_held_transaction_once() {
    let mut case = case(Verdict::Held { origin: origin() }, 1);

    let events = rule(&mut case, label(Ruling::Approve, "rita")).expect("it is held");
    assert_eq!(events.types(), ["TransactionApproved"]);
    assert_eq!(
        (case.judgement.version, case.judgement.decided_by.as_str()),
        (2, "rita")
    );

    let again = rule(&mut case, label(Ruling::Approve, "ruth")).expect("the same ruling");
    assert!(again.is_empty());
    assert_eq!(case.label, Some(label(Ruling::Approve, "rita")));

    let other = rule(&mut case, label(Ruling::Block, "ruth"))
        .err()
        .expect("it is decided");
    assert_eq!(other.code, "already-decided");
}

#[test]
fn what_is_not_held_cannot_be_ruled_on() {
    #[track_caller]
    fn check(verdict: Verdict, code: &str) {
        let mut case = case(verdict, 1);
        let reject = rule(&mut case, label(Ruling::Approve, "rita"))
            .err()
            .expect("refused");
        assert_eq!(reject.code, code);
        assert_eq!(case.label, None);
    }
    check(Verdict::Approved, "already-decided");
    check(Verdict::Blocked, "already-decided");
    check(Verdict::Closed, "order-cancelled");
    check(
        Verdict::Pending {
            due_at: now(),
            origin: origin(),
        },
        "bureau-awaited",
    );
}
