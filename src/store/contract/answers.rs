//! What holds of answers, manifests and counts, which belong to no session.

use futures_util::future::join_all;

use super::{
    ODD, add, addition, answer, at, begin, beginning, ending, expected_rows, keep_all, manifest,
    refused, registered, rows,
};
use crate::store::ledger::{Addition, Beginning, Count, Filed, KeptAnswer, Ledger, LedgerError};

pub(super) async fn answers_are_kept(ledger: &dyn Ledger) {
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
pub(super) async fn an_answer_with_rows_replaces_its_forerunner(ledger: &dyn Ledger) {
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

pub(super) async fn manifests_are_kept(ledger: &dyn Ledger) {
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

pub(super) async fn documents_are_kept_while_needed(ledger: &dyn Ledger) {
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

pub(super) async fn counts_are_replaced_by_who_has_seen_them(ledger: &dyn Ledger) {
    let known = async |scope: &str| ledger.count(scope).await.expect("read");
    let recount = async |before: Option<&str>, scope: &str, text: &str| {
        let count = Count {
            scope: scope.to_owned(),
            text: text.to_owned(),
            until: at(5),
        };
        ledger.recount(before.map(str::to_owned), count).await
    };
    assert_eq!(known("counted").await, None);
    assert_eq!(
        recount(Some("0"), "counted", "1").await,
        Err(LedgerError::Conflict)
    );
    assert_eq!(known("counted").await, None);
    assert_eq!(recount(None, "counted", "1").await, Ok(()));
    assert_eq!(
        recount(None, "counted", "2").await,
        Err(LedgerError::Conflict)
    );
    assert_eq!(recount(Some("1"), "counted", ODD).await, Ok(()));
    assert_eq!(
        recount(Some("1"), "counted", "3").await,
        Err(LedgerError::Conflict)
    );
    assert_eq!(known("counted").await.as_deref(), Some(ODD));
    assert_eq!(recount(None, "counted too", "1").await, Ok(()));
    // Of many at once one has seen it.
    let texts: Vec<String> = (0..8).map(|number| format!("at once {number}")).collect();
    let at_once = texts.iter().map(|text| recount(Some(ODD), "counted", text));
    let done = join_all(at_once).await;
    assert_eq!(
        done.iter().filter(|done| done.is_ok()).count(),
        1,
        "{done:?}"
    );
    assert_eq!(ledger.forget_counts(at(5)).await, Ok(()));
    assert!(
        known("counted")
            .await
            .is_some_and(|text| text.starts_with("at once"))
    );
    assert_eq!(ledger.forget_counts(at(6)).await, Ok(()));
    assert_eq!(
        (known("counted").await, known("counted too").await),
        (None, None)
    );
}
