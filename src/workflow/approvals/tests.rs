//! Questions and their one decision.

use std::collections::BTreeSet;

use super::*;
use crate::runtime::parts::Reference;
use crate::workflow::node::Node;
use crate::workflow::request;
use crate::workflow::run::{Ready, Terms};
use crate::workflow::{bound, check};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

struct NoPlugins;

impl bound::Catalogue for NoPlugins {
    fn get(&self, _: &str) -> Option<Arc<crate::manifest::Action>> {
        None
    }
}

fn pause() -> Pause {
    let manifest = crate::runtime::fixture::manifest(&json!({}));
    let node = json!({"@type": "OpenAction:Action", "name": "probe"});
    let nodes: Vec<Node> = request::read_nodes(&Reference, &node, &[]).expect("a node");
    let bound = check::bind(&Reference, nodes, &manifest, None, &NoPlugins).expect("bound");
    Pause {
        manifest: Arc::new(manifest),
        terms: Terms::default(),
        node: bound.into_iter().next().expect("one"),
        ready: Ready {
            input: json!({}),
            defaulted: Vec::new(),
        },
        fallback: None,
        rest: Vec::new(),
        replans: 0,
    }
}

fn kept() -> Kept {
    Kept {
        open_action: "a".to_owned(),
        state: "s".to_owned(),
        members: BTreeMap::from([("goal".to_owned(), "g".to_owned())]),
    }
}

fn question(id: &str) -> Question {
    Question {
        id: id.to_owned(),
        asker: "alice".to_owned(),
        expires_at: NOW + LIFETIME,
        kept: kept(),
        pause: pause(),
        answer: Answer::new(202, json!({"id": id})),
    }
}

fn caller(subject: &str, scopes: &[&str]) -> Caller {
    let scopes: BTreeSet<String> = scopes.iter().map(|s| (*s).to_owned()).collect();
    Caller::known(subject, scopes)
}

fn store() -> Approvals {
    let store = Approvals::new(10, 1 << 20);
    store.hold(question("q"), None, NOW).expect("room");
    store
}

fn found(store: &Approvals, who: &Caller, sent: &Kept, now: Timestamp) -> Result<(), Code> {
    let found = store.find(&Reference, "q", who, sent, now);
    found.map(|_| ()).map_err(|error| error.code)
}

#[test]
fn who_asked_decides_or_who_may_decide_for_others() {
    let store = store();
    assert_eq!(found(&store, &caller("alice", &[]), &kept(), NOW), Ok(()));
    assert_eq!(
        found(&store, &caller("bob", &[DECIDE]), &kept(), NOW),
        Ok(())
    );
    for scopes in [&[][..], &["approval"], &["approval:*"]] {
        assert_eq!(
            found(&store, &caller("bob", scopes), &kept(), NOW),
            Err(Code::ApprovalNotFound)
        );
    }
    let unknown = store.find(&Reference, "other", &caller("alice", &[]), &kept(), NOW);
    assert_eq!(
        unknown.map(|_| ()).map_err(|e| e.code),
        Err(Code::ApprovalNotFound)
    );
}

#[test]
fn what_is_sent_must_be_what_was_kept_and_may_be_left_out() {
    let store = store();
    let alice = caller("alice", &[]);
    let left_out = Kept {
        members: BTreeMap::new(),
        ..kept()
    };
    assert_eq!(found(&store, &alice, &left_out, NOW), Ok(()));
    let other = |member: &'static str| Kept {
        members: BTreeMap::from([(member.to_owned(), "x".to_owned())]),
        ..kept()
    };
    for changed in [
        Kept {
            open_action: "b".to_owned(),
            ..kept()
        },
        Kept {
            state: "t".to_owned(),
            ..kept()
        },
        other("goal"),
        other("prune"),
    ] {
        assert_eq!(
            found(&store, &alice, &changed, NOW),
            Err(Code::ApprovalChanged)
        );
    }
}

#[test]
fn one_decision_acts_and_one_that_fails_leaves_the_question_open() {
    let store = store();
    let claim = store.claim(&Reference, "q", NOW).expect("open");
    let second = store
        .claim(&Reference, "q", NOW)
        .map_err(|error| error.code);
    assert_eq!(second.err(), Some(Code::ApprovalUsed));
    drop(claim);
    let claim = store.claim(&Reference, "q", NOW).expect("open again");
    claim.use_up();
    drop(claim);
    let alice = caller("alice", &[]);
    assert_eq!(found(&store, &alice, &kept(), NOW), Err(Code::ApprovalUsed));
}

#[test]
fn a_question_expires_and_is_forgotten_a_day_later() {
    let store = store();
    let alice = caller("alice", &[]);
    let at = |hours: i64, seconds: i64| {
        NOW + SignedDuration::from_hours(hours) + SignedDuration::from_secs(seconds)
    };
    assert_eq!(found(&store, &alice, &kept(), at(24, 0)), Ok(()));
    assert_eq!(
        found(&store, &alice, &kept(), at(24, 1)),
        Err(Code::ApprovalExpired)
    );
    assert_eq!(
        found(&store, &alice, &kept(), at(48, 0)),
        Err(Code::ApprovalExpired)
    );
    assert_eq!(
        found(&store, &alice, &kept(), at(48, 1)),
        Err(Code::ApprovalNotFound)
    );
}

#[test]
fn an_identical_call_is_known_by_its_key_and_body() {
    let store = Approvals::new(10, 1 << 20);
    let key = |scope: &str, fingerprint: &str| RepeatKey {
        scope: scope.to_owned(),
        fingerprint: fingerprint.to_owned(),
    };
    store
        .hold(question("q"), Some(key("k", "f")), NOW)
        .expect("room");
    let known = |key: &RepeatKey, now| store.repeated(&Reference, key, now);
    assert!(
        matches!(known(&key("k", "f"), NOW), Known::Asked(Standing::Open, answer) if answer.body["id"] == "q")
    );
    assert!(matches!(known(&key("k", "g"), NOW), Known::Other));
    assert!(matches!(known(&key("l", "f"), NOW), Known::No));
    store.claim(&Reference, "q", NOW).expect("open").use_up();
    assert!(matches!(
        known(&key("k", "f"), NOW),
        Known::Asked(Standing::Used, _)
    ));
    assert!(
        matches!(repeat(Standing::Used), Repeat::Refuse(error) if error.code == Code::ApprovalUsed)
    );
    assert_eq!(repeat(Standing::Expired), Repeat::Run);
}

#[test]
fn room_is_made_by_decided_questions_and_never_by_open_ones() {
    let store = Approvals::new(4, 1 << 20);
    let of_bob = |id: &str| Question {
        asker: "bob".to_owned(),
        ..question(id)
    };
    for id in ["a", "b"] {
        store.hold(question(id), None, NOW).expect("room");
    }
    // Half of the room is nobody's alone.
    let more = store.hold(question("c"), None, NOW).map_err(|e| e.code);
    assert_eq!(more, Err(Code::CapacityExceeded));
    for id in ["x", "y"] {
        store.hold(of_bob(id), None, NOW).expect("room for others");
    }
    let full = store.hold(of_bob("z"), None, NOW).map_err(|e| e.code);
    assert_eq!(full, Err(Code::CapacityExceeded));
    store.claim(&Reference, "b", NOW).expect("open").use_up();
    store.hold(question("c"), None, NOW).expect("room now");
    let alice = caller("alice", &[]);
    assert!(store.find(&Reference, "a", &alice, &kept(), NOW).is_ok());
    assert!(store.find(&Reference, "b", &alice, &kept(), NOW).is_err());
    let small = Approvals::new(100, 100);
    assert!(small.hold(question("a"), None, NOW).is_err());
    // The day after, what expired goes first.
    let later = NOW + SignedDuration::from_hours(25);
    store.hold(question("d"), None, later).expect("room");
}
