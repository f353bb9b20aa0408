//! What holds of sessions and their rows.

use super::{
    add, addition, answer, at, begin, beginning, ending, expected_rows, is_open, keep_all,
    manifest, refused, registered, rows,
};
use crate::store::ledger::{Addition, Archived, Beginning, Filed, Ledger};

pub(super) async fn nothing_is_there_at_first(ledger: &dyn Ledger) {
    assert_eq!(ledger.load("none", 0).await, Ok(None));
    assert_eq!(ledger.archived("none").await, Ok(None));
    assert_eq!(ledger.answer("none").await, Ok(None));
    assert_eq!(ledger.document("none").await, Ok(None));
    assert_eq!(ledger.remove_manifest("none", "1").await, Ok(false));
    assert_eq!(ledger.touch("none", at(0)).await, Ok(()));
    ledger.release("none");
    refused(add(ledger, addition("none", 0, 1)).await);
    assert_eq!(ledger.load("none", 0).await, Ok(None));
    assert_eq!(ledger.prune(keep_all()).await, Ok(()));
}

pub(super) async fn sessions_are_kept(ledger: &dyn Ledger) {
    begin(ledger, "kept").await;
    let kept = ledger.load("kept", 0).await.expect("read").expect("open");
    assert_eq!(kept.owner, "owner of kept");
    assert_eq!(kept.touched, at(0));
    assert_eq!(kept.digest, "sha256:kept");
    assert_eq!(kept.rows, [(1, "kept 1".to_owned())]);
    add(ledger, addition("kept", 1, 2)).await.expect("added");
    let kept = ledger.load("kept", 0).await.expect("read").expect("open");
    assert_eq!(kept.touched, at(1));
    assert_eq!(rows(ledger, "kept").await, expected_rows("kept", 3));
    let kept = ledger.load("kept", 2).await.expect("read").expect("open");
    assert_eq!(kept.rows, [(3, "kept 3".to_owned())]);
    for beyond in [3, 8] {
        let kept = ledger
            .load("kept", beyond)
            .await
            .expect("read")
            .expect("open");
        assert_eq!(kept.rows, [], "after {beyond}");
        assert_eq!(kept.owner, "owner of kept");
    }
}

pub(super) async fn a_session_begins_once(ledger: &dyn Ledger) {
    begin(ledger, "once").await;
    let again = Beginning {
        owner: "another".to_owned(),
        row: "another row".to_owned(),
        answer: Some(answer("once", "kept with the second")),
        ..beginning("once")
    };
    refused(ledger.begin(again).await);
    assert_eq!(rows(ledger, "once").await, expected_rows("once", 1));
    assert_eq!(ledger.answer("once").await, Ok(None));
    let kept = ledger.load("once", 0).await.expect("read").expect("open");
    assert_eq!(kept.owner, "owner of once");
}

pub(super) async fn rows_follow_each_other(ledger: &dyn Ledger) {
    begin(ledger, "follow").await;
    for wrong in [0, 2, 7] {
        refused(add(ledger, addition("follow", wrong, 1)).await);
    }
    for last in 1..10 {
        add(ledger, addition("follow", last, 1))
            .await
            .expect("added");
        refused(add(ledger, addition("follow", last, 1)).await);
    }
    // None are added, and the session counts as called.
    let none = Addition {
        at: at(9),
        ..addition("follow", 10, 0)
    };
    add(ledger, none).await.expect("added");
    add(
        ledger,
        Addition {
            at: at(9),
            ..addition("follow", 10, 3)
        },
    )
    .await
    .expect("added");
    assert_eq!(rows(ledger, "follow").await, expected_rows("follow", 13));
    let kept = ledger
        .load("follow", 13)
        .await
        .expect("read")
        .expect("open");
    assert_eq!(kept.touched, at(9));
}

pub(super) async fn names_do_not_run_together(ledger: &dyn Ledger) {
    let ids = ["n", "nn", "n-1", "n1", "N", "n_"];
    for id in ids {
        begin(ledger, id).await;
    }
    for id in ids {
        add(ledger, addition(id, 1, 1)).await.expect("added");
    }
    add(ledger, ending("n", 2)).await.expect("ended");
    assert!(!is_open(ledger, "n").await);
    for id in ids.into_iter().skip(1) {
        assert_eq!(rows(ledger, id).await, expected_rows(id, 2));
        assert_eq!(ledger.archived(id).await, Ok(None));
    }
}

pub(super) async fn refused_is_refused_wholly(ledger: &dyn Ledger) {
    ledger
        .keep_answer(answer("taken", "first"))
        .await
        .expect("kept");
    let begun = Beginning {
        answer: Some(answer("taken", "second")),
        ..beginning("whole-1")
    };
    refused(ledger.begin(begun).await);
    assert!(!is_open(ledger, "whole-1").await);

    begin(ledger, "whole-2").await;
    for transcript in [None, Some("half".to_owned())] {
        let wrong = Addition {
            in_flight: true,
            answer: Some(answer("whole-2", "half")),
            transcript,
            ..addition("whole-2", 5, 2)
        };
        refused(add(ledger, wrong).await);
        assert_eq!(rows(ledger, "whole-2").await, expected_rows("whole-2", 1));
        assert_eq!(ledger.answer("whole-2").await, Ok(None));
        assert_eq!(ledger.archived("whole-2").await, Ok(None));
        let flying = ledger.in_flight(1000).await.expect("read");
        assert!(!flying.contains(&"whole-2".to_owned()), "{flying:?}");
    }

    let before = ledger.manifests_revision().await.expect("read");
    let filed = manifest("whole", "1", "sha256:whole");
    refused(
        ledger
            .file_manifest(filed, Some(answer("taken", "second")))
            .await,
    );
    assert_eq!(registered(ledger, "whole").await, []);
    assert_eq!(ledger.manifests_revision().await, Ok(before));
    let kept = ledger.answer("taken").await.expect("read").expect("there");
    assert_eq!(kept.text, "first");
    // The name is free, as is the session's.
    let filed = manifest("whole", "1", "sha256:whole");
    assert_eq!(ledger.file_manifest(filed, None).await, Ok(Filed::New));
    begin(ledger, "whole-1").await;
}

pub(super) async fn a_transcript_ends_a_session(ledger: &dyn Ledger) {
    begin(ledger, "ends").await;
    let call = Addition {
        in_flight: true,
        ..addition("ends", 1, 3)
    };
    add(ledger, call).await.expect("added");
    assert_eq!(ledger.archived("ends").await, Ok(None));
    let last = Addition {
        answer: Some(answer("ends", "ended")),
        ..ending("ends", 4)
    };
    add(ledger, last.clone()).await.expect("ended");
    assert!(!is_open(ledger, "ends").await);
    let archived = Archived {
        owner: "owner of ends".to_owned(),
        transcript: "transcript of ends".to_owned(),
    };
    assert_eq!(ledger.archived("ends").await, Ok(Some(archived.clone())));
    let kept = ledger.answer("ends").await.expect("read").expect("there");
    assert_eq!(kept.text, "ended");
    refused(add(ledger, last).await);
    refused(add(ledger, addition("ends", 0, 1)).await);
    refused(add(ledger, addition("ends", 5, 1)).await);
    assert_eq!(ledger.touch("ends", at(50)).await, Ok(()));
    assert!(!is_open(ledger, "ends").await);
    assert_eq!(ledger.archived("ends").await, Ok(Some(archived)));
    let flying = ledger.in_flight(1000).await.expect("read");
    assert!(!flying.contains(&"ends".to_owned()), "{flying:?}");
    let idle = ledger.idle(at(1_000_000), 100_000).await.expect("read");
    assert!(!idle.contains(&"ends".to_owned()));
}
