//! What holds of looking for sessions.

use std::time::{Duration, Instant};

use super::{ODD, add, addition, at, begin, beginning, ending, refused};
use crate::store::ledger::{Addition, Beginning, Ledger, Place};

/// How long something may take that another connection has to see first.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn idle_sessions_are_found(ledger: &dyn Ledger) {
    let long_ago = |second: i64| at(second - 1_000_000_000);
    for (id, second) in [("idle-1", 1), ("idle-2", 2), ("idle-3", 3)] {
        let begun = Beginning {
            at: long_ago(second),
            ..beginning(id)
        };
        ledger.begin(begun).await.expect("begun");
    }
    let idle = async |second, most| {
        let mut found = ledger.idle(long_ago(second), most).await.expect("read");
        found.sort();
        found
    };
    assert_eq!(idle(1, 100).await, [""; 0]);
    assert_eq!(idle(2, 100).await, ["idle-1"]);
    assert_eq!(idle(9, 100).await, ["idle-1", "idle-2", "idle-3"]);
    assert_eq!(idle(9, 2).await.len(), 2);
    ledger.touch("idle-1", long_ago(20)).await.expect("noted");
    assert_eq!(idle(9, 100).await, ["idle-2", "idle-3"]);
    // A note that comes late takes nothing back.
    ledger.touch("idle-1", long_ago(1)).await.expect("noted");
    assert_eq!(idle(9, 100).await, ["idle-2", "idle-3"]);
    let called = Addition {
        at: long_ago(30),
        ..addition("idle-2", 1, 1)
    };
    add(ledger, called).await.expect("added");
    assert_eq!(idle(9, 100).await, ["idle-3"]);
    let kept = ledger.load("idle-1", 0).await.expect("read").expect("open");
    assert_eq!(kept.touched, long_ago(20));
}

pub(super) async fn calls_under_way_are_found(ledger: &dyn Ledger) {
    let found = async |wanted: &[&str]| {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut found = ledger.in_flight(1000).await.expect("read");
            found.retain(|id| id.starts_with("flies-"));
            found.sort();
            // In a shared ledger, letting go of a session is seen a moment later.
            if found == wanted || Instant::now() > until {
                assert_eq!(found, wanted);
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    for id in ["flies-1", "flies-2", "flies-3"] {
        begin(ledger, id).await;
        let call = Addition {
            in_flight: true,
            ..addition(id, 1, 1)
        };
        add(ledger, call).await.expect("added");
    }
    found(&["flies-1", "flies-2", "flies-3"]).await;
    assert_eq!(ledger.in_flight(2).await.expect("read").len(), 2);
    add(ledger, addition("flies-1", 2, 1)).await.expect("added");
    found(&["flies-2", "flies-3"]).await;
    ledger.touch("flies-2", at(5)).await.expect("noted");
    refused(add(ledger, addition("flies-2", 1, 1)).await);
    found(&["flies-2", "flies-3"]).await;
    add(ledger, ending("flies-2", 2)).await.expect("ended");
    add(ledger, addition("flies-3", 2, 0)).await.expect("added");
    found(&[]).await;
}

pub(super) async fn owners_find_their_open_sessions(ledger: &dyn Ledger) {
    let open = [("mine-b", 3), ("mine-a", 3), ("mine-Z", 1), ("mine-c", 7)];
    for (id, second) in open {
        let begun = Beginning {
            owner: ODD.to_owned(),
            at: at(second),
            ..beginning(id)
        };
        ledger.begin(begun).await.expect("begun");
    }
    let other = Beginning {
        owner: format!("{ODD}."),
        ..beginning("not-mine")
    };
    ledger.begin(other).await.expect("begun");
    // A call makes none newer.
    let called = Addition {
        at: at(500),
        ..addition("mine-a", 1, 1)
    };
    add(ledger, called).await.expect("added");
    ledger.touch("mine-Z", at(600)).await.expect("touched");
    let all: Vec<Place> = [("mine-c", 7), ("mine-b", 3), ("mine-a", 3), ("mine-Z", 1)]
        .map(|(id, second)| Place {
            opened: at(second),
            id: id.to_owned(),
        })
        .into();
    let found = async |after: Option<&Place>, most| {
        let found = ledger.owned(ODD, after.cloned(), most).await;
        found.expect("read")
    };
    assert_eq!(found(None, 100).await, all);
    assert_eq!(found(None, 3).await, all[..3]);
    for (index, place) in all.iter().enumerate() {
        assert_eq!(found(Some(place), 100).await, all[index + 1..], "{place:?}");
    }
    // A place needs no session in it.
    let between = Place {
        opened: at(3),
        id: "mine-aa".to_owned(),
    };
    assert_eq!(found(Some(&between), 100).await, all[2..]);
    assert_eq!(ledger.owned("nobody", None, 100).await, Ok(Vec::new()));
    add(ledger, ending("mine-b", 1)).await.expect("ended");
    assert_eq!(found(None, 2).await, [all[0].clone(), all[2].clone()]);
}

pub(super) async fn open_sessions_are_counted(ledger: &dyn Ledger) {
    let count = async || ledger.open_sessions().await.expect("read");
    let before = count().await;
    begin(ledger, "counted-1").await;
    begin(ledger, "counted-2").await;
    refused(ledger.begin(beginning("counted-2")).await);
    assert_eq!(count().await, before + 2);
    add(ledger, ending("counted-1", 1)).await.expect("ended");
    assert_eq!(count().await, before + 1);
}
