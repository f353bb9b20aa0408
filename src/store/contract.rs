//! What holds of every ledger. Each function is one promise; [`all`] runs them one after another on one ledger that nobody else
//! uses. Names are not shared between them.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use jiff::Timestamp;

use super::ledger::{
    Addition, Archived, Beginning, Filed, KeptAnswer, Ledger, LedgerError, Registered, Retention,
};

/// How long something may take that another connection has to see first.
const PATIENCE: Duration = Duration::from_secs(30);

/// Characters that an encoding could lose: none, above the first plane, composed, of both directions, and ends of lines.
const ODD: &str = "\0 \u{1}é e\u{301} 𝒪𝔞𝔭 🦀 \u{202e}עברית\u{202c} \u{feff}\u{fffd} \\0 \\u0000 '\"$1%s\r\n\t\u{7f}";

/// All promises.
pub(crate) async fn all(ledger: &dyn Ledger) {
    nothing_is_there_at_first(ledger).await;
    sessions_are_kept(ledger).await;
    a_session_begins_once(ledger).await;
    rows_follow_each_other(ledger).await;
    names_do_not_run_together(ledger).await;
    refused_is_refused_wholly(ledger).await;
    a_transcript_ends_a_session(ledger).await;
    answers_are_kept(ledger).await;
    an_answer_with_rows_replaces_its_forerunner(ledger).await;
    manifests_are_kept(ledger).await;
    documents_are_kept_while_needed(ledger).await;
    idle_sessions_are_found(ledger).await;
    calls_under_way_are_found(ledger).await;
    open_sessions_are_counted(ledger).await;
    texts_come_back_as_they_were(ledger).await;
    large_rows_are_kept(ledger).await;
    many_rows_are_kept(ledger).await;
    sessions_go_on_beside_each_other(ledger).await;
    of_many_at_once_one_goes_on(ledger).await;
    what_is_old_is_let_go(ledger).await;
    the_oldest_are_let_go(ledger).await;
}

pub(crate) fn at(second: i64) -> Timestamp {
    // Microseconds are as fine as a store has to be.
    Timestamp::from_microsecond((1_700_000_000 + second) * 1_000_000 + 123_456).expect("a time")
}

pub(crate) fn beginning(id: &str) -> Beginning {
    Beginning {
        id: id.to_owned(),
        owner: format!("owner of {id}"),
        at: at(0),
        digest: format!("sha256:{id}"),
        document: format!("document of {id}"),
        row: format!("{id} 1"),
        answer: None,
    }
}

/// So many rows after this one; each tells its session and number.
pub(crate) fn addition(id: &str, after: u64, rows: u64) -> Addition {
    Addition {
        id: id.to_owned(),
        after,
        rows: (after + 1..=after + rows)
            .map(|number| format!("{id} {number}"))
            .collect(),
        at: at(1),
        in_flight: false,
        answer: None,
        transcript: None,
    }
}

fn ending(id: &str, after: u64) -> Addition {
    Addition {
        transcript: Some(format!("transcript of {id}")),
        ..addition(id, after, 1)
    }
}

pub(crate) fn answer(scope: &str, text: &str) -> KeptAnswer {
    KeptAnswer {
        scope: scope.to_owned(),
        fingerprint: format!("fingerprint of {scope}"),
        at: at(2),
        text: text.to_owned(),
    }
}

fn manifest(name: &str, version: &str, digest: &str) -> Registered {
    Registered {
        name: name.to_owned(),
        version: version.to_owned(),
        digest: digest.to_owned(),
        document: format!("document {digest}"),
    }
}

/// Keeps everything that is not said to go.
fn keep_all() -> Retention {
    Retention {
        transcripts_before: Timestamp::UNIX_EPOCH,
        most_transcripts: 1_000_000,
        answers_before: Timestamp::UNIX_EPOCH,
        most_answers: 1_000_000,
    }
}

async fn begin(ledger: &dyn Ledger, id: &str) {
    ledger.begin(beginning(id)).await.expect("begun");
}

/// As a runtime goes on with a session: claim it, add to it, let go of it.
pub(crate) async fn add(ledger: &dyn Ledger, addition: Addition) -> Result<(), LedgerError> {
    let id = addition.id.clone();
    ledger.claim(&id).await?;
    let added = ledger.add(addition).await;
    ledger.release(&id);
    added
}

/// The rows of an open session, which are checked to be without gaps.
async fn rows(ledger: &dyn Ledger, id: &str) -> Vec<String> {
    let kept = ledger.load(id, 0).await.expect("read").expect("open");
    let numbers = kept.rows.iter().map(|(number, _)| *number);
    assert!(
        numbers.eq(1..=kept.rows.len() as u64),
        "{id}: numbers with gaps"
    );
    kept.rows.into_iter().map(|(_, row)| row).collect()
}

async fn is_open(ledger: &dyn Ledger, id: &str) -> bool {
    ledger.load(id, 0).await.expect("read").is_some()
}

fn expected_rows(id: &str, last: u64) -> Vec<String> {
    (1..=last).map(|number| format!("{id} {number}")).collect()
}

fn refused<T>(result: Result<T, LedgerError>) {
    assert_eq!(result.err(), Some(LedgerError::Conflict));
}

async fn registered(ledger: &dyn Ledger, prefix: &str) -> Vec<Registered> {
    let mut all = ledger.manifests().await.expect("read");
    all.retain(|manifest| manifest.name.starts_with(prefix));
    all
}

pub(crate) async fn nothing_is_there_at_first(ledger: &dyn Ledger) {
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

pub(crate) async fn sessions_are_kept(ledger: &dyn Ledger) {
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

pub(crate) async fn a_session_begins_once(ledger: &dyn Ledger) {
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

pub(crate) async fn rows_follow_each_other(ledger: &dyn Ledger) {
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

pub(crate) async fn names_do_not_run_together(ledger: &dyn Ledger) {
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

pub(crate) async fn refused_is_refused_wholly(ledger: &dyn Ledger) {
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

pub(crate) async fn a_transcript_ends_a_session(ledger: &dyn Ledger) {
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

pub(crate) async fn answers_are_kept(ledger: &dyn Ledger) {
    let first = answer("alone", "first");
    ledger.keep_answer(first.clone()).await.expect("kept");
    assert_eq!(ledger.answer("alone").await, Ok(Some(first.clone())));
    refused(ledger.keep_answer(answer("alone", "second")).await);
    assert_eq!(ledger.answer("alone").await, Ok(Some(first)));
    assert_eq!(ledger.answer("alon").await, Ok(None));
    let with = answer("with a session", "text");
    let begun = Beginning {
        answer: Some(with.clone()),
        ..beginning("answered")
    };
    ledger.begin(begun).await.expect("begun");
    assert_eq!(ledger.answer("with a session").await, Ok(Some(with)));
    refused(ledger.keep_answer(answer("with a session", "other")).await);
}

/// A session's calls come one after another, so that an answer under the scope of a call is that of the same call, made once
/// more after its process died.
pub(crate) async fn an_answer_with_rows_replaces_its_forerunner(ledger: &dyn Ledger) {
    begin(ledger, "replaces").await;
    for (last, text) in [(1, "before"), (2, "after")] {
        let with = Addition {
            answer: Some(KeptAnswer {
                at: at(last as i64),
                ..answer("replaces", text)
            }),
            ..addition("replaces", last, 1)
        };
        add(ledger, with).await.expect("added");
        let kept = ledger
            .answer("replaces")
            .await
            .expect("read")
            .expect("there");
        assert_eq!((kept.text.as_str(), kept.at), (text, at(last as i64)));
    }
    assert_eq!(rows(ledger, "replaces").await, expected_rows("replaces", 3));
}

pub(crate) async fn manifests_are_kept(ledger: &dyn Ledger) {
    let revision = async || ledger.manifests_revision().await.expect("read");
    let mut last = revision().await;
    let first = manifest("m-b", "1.0.0", "sha256:m1");
    let filed = ledger
        .file_manifest(first.clone(), Some(answer("m1", "new")))
        .await;
    assert_eq!(filed, Ok(Filed::New));
    assert!(revision().await > last);
    last = revision().await;
    assert!(matches!(ledger.answer("m1").await, Ok(Some(_))));

    let filed = ledger
        .file_manifest(first.clone(), Some(answer("m2", "known")))
        .await;
    assert_eq!(filed, Ok(Filed::Known));
    assert!(matches!(ledger.answer("m2").await, Ok(Some(_))));
    let other = manifest("m-b", "1.0.0", "sha256:m-other");
    let filed = ledger
        .file_manifest(other, Some(answer("m3", "other")))
        .await;
    assert_eq!(filed, Ok(Filed::Other));
    assert_eq!(ledger.answer("m3").await, Ok(None));
    assert_eq!(ledger.document("sha256:m-other").await, Ok(None));
    assert_eq!(ledger.remove_manifest("m-b", "1.0.1").await, Ok(false));
    assert_eq!(ledger.remove_manifest("m", "1.0.0").await, Ok(false));
    assert_eq!(revision().await, last);

    let second = manifest("m-b", "0.9.0", "sha256:m2");
    // The same document under another name.
    let third = manifest("m-a", "1.0.0", "sha256:m1");
    for more in [second.clone(), third.clone()] {
        assert_eq!(ledger.file_manifest(more, None).await, Ok(Filed::New));
        assert!(revision().await > last);
        last = revision().await;
    }
    let in_order = [first.clone(), second.clone(), third.clone()];
    assert_eq!(registered(ledger, "m-").await, in_order);

    assert_eq!(ledger.remove_manifest("m-b", "1.0.0").await, Ok(true));
    assert!(revision().await > last);
    last = revision().await;
    assert_eq!(ledger.remove_manifest("m-b", "1.0.0").await, Ok(false));
    assert_eq!(revision().await, last);
    ledger.prune(keep_all()).await.expect("pruned");
    assert_eq!(
        registered(ledger, "m-").await,
        [second.clone(), third.clone()]
    );

    // What was taken out may come back with another document, as the latest.
    let anew = manifest("m-b", "1.0.0", "sha256:m-anew");
    assert_eq!(
        ledger.file_manifest(anew.clone(), None).await,
        Ok(Filed::New)
    );
    assert!(revision().await > last);
    assert_eq!(registered(ledger, "m-").await, [second, third, anew]);
}

pub(crate) async fn documents_are_kept_while_needed(ledger: &dyn Ledger) {
    let known = async |digest: &str| ledger.document(digest).await.expect("read");
    // Two sessions and a registration need the same one.
    for id in ["needs-1", "needs-2"] {
        let begun = Beginning {
            digest: "sha256:needed".to_owned(),
            document: "document sha256:needed".to_owned(),
            ..beginning(id)
        };
        ledger.begin(begun).await.expect("begun");
    }
    let filed = manifest("needed", "1", "sha256:needed");
    assert_eq!(ledger.file_manifest(filed, None).await, Ok(Filed::New));
    let there = Some("document sha256:needed".to_owned());
    for step in 0..3 {
        ledger.prune(keep_all()).await.expect("pruned");
        assert_eq!(known("sha256:needed").await, there, "step {step}");
        match step {
            0 => assert_eq!(ledger.remove_manifest("needed", "1").await, Ok(true)),
            1 => add(ledger, ending("needs-1", 1)).await.expect("ended"),
            _ => add(ledger, ending("needs-2", 1)).await.expect("ended"),
        }
    }
    ledger.prune(keep_all()).await.expect("pruned");
    assert_eq!(known("sha256:needed").await, None);
    // It comes back with the next session that needs it.
    let begun = Beginning {
        digest: "sha256:needed".to_owned(),
        document: "document sha256:needed".to_owned(),
        ..beginning("needs-3")
    };
    ledger.begin(begun).await.expect("begun");
    assert_eq!(known("sha256:needed").await, there);
}

pub(crate) async fn idle_sessions_are_found(ledger: &dyn Ledger) {
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

pub(crate) async fn calls_under_way_are_found(ledger: &dyn Ledger) {
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

pub(crate) async fn open_sessions_are_counted(ledger: &dyn Ledger) {
    let count = async || ledger.open_sessions().await.expect("read");
    let before = count().await;
    begin(ledger, "counted-1").await;
    begin(ledger, "counted-2").await;
    refused(ledger.begin(beginning("counted-2")).await);
    assert_eq!(count().await, before + 2);
    add(ledger, ending("counted-1", 1)).await.expect("ended");
    assert_eq!(count().await, before + 1);
}

pub(crate) async fn texts_come_back_as_they_were(ledger: &dyn Ledger) {
    let begun = Beginning {
        owner: ODD.to_owned(),
        digest: "sha256:odd".to_owned(),
        document: ODD.to_owned(),
        row: ODD.to_owned(),
        answer: Some(answer("odd", ODD)),
        ..beginning("odd")
    };
    ledger.begin(begun).await.expect("begun");
    let more = Addition {
        rows: vec![String::new(), ODD.to_owned()],
        ..addition("odd", 1, 0)
    };
    add(ledger, more).await.expect("added");
    assert_eq!(rows(ledger, "odd").await, [ODD, "", ODD]);
    let kept = ledger.load("odd", 0).await.expect("read").expect("open");
    assert_eq!(kept.owner, ODD);
    assert_eq!(
        ledger.document("sha256:odd").await,
        Ok(Some(ODD.to_owned()))
    );
    let kept = ledger.answer("odd").await.expect("read").expect("there");
    assert_eq!(kept.text, ODD);
    let last = Addition {
        transcript: Some(ODD.to_owned()),
        ..addition("odd", 3, 0)
    };
    add(ledger, last).await.expect("ended");
    let archived = ledger.archived("odd").await.expect("read").expect("there");
    assert_eq!(
        (archived.owner.as_str(), archived.transcript.as_str()),
        (ODD, ODD)
    );
    let filed = Registered {
        name: format!("odd {ODD}"),
        version: ODD.to_owned(),
        digest: "sha256:odd".to_owned(),
        document: ODD.to_owned(),
    };
    assert_eq!(
        ledger.file_manifest(filed.clone(), None).await,
        Ok(Filed::New)
    );
    assert_eq!(
        registered(ledger, "odd").await,
        std::slice::from_ref(&filed)
    );
    assert_eq!(ledger.remove_manifest(&filed.name, ODD).await, Ok(true));
}

pub(crate) async fn large_rows_are_kept(ledger: &dyn Ledger) {
    const SIZE: usize = 1024 * 1024;
    begin(ledger, "large").await;
    let large = |letter: &str| letter.repeat(SIZE / letter.len());
    for (last, letter) in [(1, "a"), (2, "é"), (3, "🦀")] {
        let more = Addition {
            rows: vec![large(letter)],
            ..addition("large", last, 0)
        };
        add(ledger, more).await.expect("added");
    }
    let kept = rows(ledger, "large").await;
    let same = [(1, "a"), (2, "é"), (3, "🦀")].map(|(row, letter)| kept[row] == large(letter));
    assert_eq!((kept.len(), same), (4, [true; 3]));
    let last = Addition {
        transcript: Some(large("t")),
        answer: Some(answer("large", &large("b"))),
        ..addition("large", 4, 0)
    };
    add(ledger, last).await.expect("ended");
    let archived = ledger
        .archived("large")
        .await
        .expect("read")
        .expect("there");
    assert!(archived.transcript == large("t"));
    let kept = ledger.answer("large").await.expect("read").expect("there");
    assert!(kept.text == large("b"));
}

pub(crate) async fn many_rows_are_kept(ledger: &dyn Ledger) {
    begin(ledger, "many").await;
    add(ledger, addition("many", 1, 9_900))
        .await
        .expect("added");
    for last in 9_901..9_911 {
        add(ledger, addition("many", last, 1)).await.expect("added");
    }
    add(ledger, addition("many", 9_911, 89))
        .await
        .expect("added");
    assert!(rows(ledger, "many").await == expected_rows("many", 10_000));
    let kept = ledger
        .load("many", 9_999)
        .await
        .expect("read")
        .expect("open");
    assert_eq!(kept.rows, [(10_000, "many 10000".to_owned())]);
    add(ledger, ending("many", 10_000)).await.expect("ended");
    assert!(!is_open(ledger, "many").await);
}

pub(crate) async fn sessions_go_on_beside_each_other(ledger: &dyn Ledger) {
    let one = async |number: usize| {
        let id = format!("beside-{number}");
        let begun = Beginning {
            answer: Some(answer(&id, "begun")),
            ..beginning(&id)
        };
        ledger.begin(begun).await.expect("begun");
        // A stranger's refusal in the same moment is no harm to the others.
        refused(ledger.keep_answer(answer(&id, "again")).await);
        for last in 1..8 {
            add(ledger, addition(&id, last, 1)).await.expect("added");
            refused(add(ledger, addition(&id, last, 1)).await);
        }
        if number.is_multiple_of(2) {
            add(ledger, ending(&id, 8)).await.expect("ended");
        }
    };
    join_all((0..50).map(one)).await;
    for number in 0..50_usize {
        let id = format!("beside-{number}");
        let kept = ledger.answer(&id).await.expect("read").expect("there");
        assert_eq!(kept.text, "begun");
        if number.is_multiple_of(2) {
            let archived = ledger.archived(&id).await.expect("read").expect("there");
            assert_eq!(archived.transcript, format!("transcript of {id}"));
            assert!(!is_open(ledger, &id).await);
        } else {
            assert_eq!(rows(ledger, &id).await, expected_rows(&id, 8));
        }
    }
}

pub(crate) async fn of_many_at_once_one_goes_on(ledger: &dyn Ledger) {
    let won = |results: Vec<Result<(), LedgerError>>| {
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(won, 1, "{results:?}");
        results.into_iter().filter(Result::is_err).for_each(refused);
    };
    won(join_all((0..20).map(|_| ledger.begin(beginning("race")))).await);
    let add_one = |number: u64| {
        let rows = vec![format!("row of {number}")];
        add(
            ledger,
            Addition {
                rows,
                ..addition("race", 1, 0)
            },
        )
    };
    won(join_all((0..20).map(add_one)).await);
    assert_eq!(rows(ledger, "race").await.len(), 2);
    let keep = |number: u64| ledger.keep_answer(answer("race", &number.to_string()));
    won(join_all((0..20).map(keep)).await);
    let file = |number: u64| {
        let one = manifest("race", "1", &format!("sha256:race-{number}"));
        ledger.file_manifest(one, None)
    };
    let filed = join_all((0..20).map(file)).await;
    let new = filed
        .iter()
        .filter(|filed| **filed == Ok(Filed::New))
        .count();
    let other = filed
        .iter()
        .filter(|filed| **filed == Ok(Filed::Other))
        .count();
    assert_eq!((new, other), (1, 19), "{filed:?}");
    assert_eq!(registered(ledger, "race").await.len(), 1);
}

pub(crate) async fn what_is_old_is_let_go(ledger: &dyn Ledger) {
    let day = |day: i64| at(1_000_000 + day * 86_400);
    for number in 1..=4_i64 {
        let id = format!("old-{number}");
        let kept = KeptAnswer {
            at: day(number),
            ..answer(&id, "text")
        };
        ledger.keep_answer(kept).await.expect("kept");
        begin(ledger, &id).await;
        add(
            ledger,
            Addition {
                at: day(number),
                ..ending(&id, 1)
            },
        )
        .await
        .expect("ended");
    }
    begin(ledger, "old-open").await;
    let old = Retention {
        transcripts_before: day(3),
        answers_before: day(2),
        ..keep_all()
    };
    // Pruning twice lets go of no more.
    for _ in 0..2 {
        ledger.prune(old).await.expect("pruned");
        for number in 1..=4 {
            let id = format!("old-{number}");
            let there = ledger.archived(&id).await.expect("read").is_some();
            assert_eq!(there, number >= 3, "transcript {id}");
            let there = ledger.answer(&id).await.expect("read").is_some();
            assert_eq!(there, number >= 2, "answer {id}");
        }
        // However old, what is open stays.
        assert_eq!(rows(ledger, "old-open").await, expected_rows("old-open", 1));
    }
    // A scope whose answer went is free again.
    ledger
        .keep_answer(answer("old-1", "anew"))
        .await
        .expect("kept");
    // The later time of an answer that was replaced is the one that counts.
    for (last, when) in [(1, day(1)), (2, day(5))] {
        let with = Addition {
            answer: Some(KeptAnswer {
                at: when,
                ..answer("old-again", "text")
            }),
            ..addition("old-open", last, 1)
        };
        add(ledger, with).await.expect("added");
    }
    ledger
        .prune(Retention {
            answers_before: day(4),
            ..keep_all()
        })
        .await
        .expect("pruned");
    assert!(matches!(ledger.answer("old-again").await, Ok(Some(_))));
    assert_eq!(
        ledger.answer("old-4").await.map(|kept| kept.is_some()),
        Ok(true)
    );
    assert_eq!(ledger.answer("old-3").await, Ok(None));
}

pub(crate) async fn the_oldest_are_let_go(ledger: &dyn Ledger) {
    let day = |day: i64| at(100_000_000 + day * 86_400);
    for number in [3_i64, 1, 4, 2] {
        let id = format!("most-{number}");
        let kept = KeptAnswer {
            at: day(number),
            ..answer(&id, "text")
        };
        ledger.keep_answer(kept).await.expect("kept");
        begin(ledger, &id).await;
        add(
            ledger,
            Addition {
                at: day(number),
                ..ending(&id, 1)
            },
        )
        .await
        .expect("ended");
    }
    let open = ledger.open_sessions().await.expect("read");
    let few = Retention {
        most_transcripts: 2,
        most_answers: 3,
        ..keep_all()
    };
    ledger.prune(few).await.expect("pruned");
    for number in 1..=4 {
        let id = format!("most-{number}");
        let there = ledger.archived(&id).await.expect("read").is_some();
        assert_eq!(there, number >= 3, "transcript {id}");
        let there = ledger.answer(&id).await.expect("read").is_some();
        assert_eq!(there, number >= 2, "answer {id}");
    }
    let none = Retention {
        most_transcripts: 0,
        most_answers: 0,
        ..keep_all()
    };
    ledger.prune(none).await.expect("pruned");
    assert_eq!(ledger.archived("most-4").await, Ok(None));
    assert_eq!(ledger.answer("most-4").await, Ok(None));
    assert_eq!(ledger.open_sessions().await, Ok(open));
}
