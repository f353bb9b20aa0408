//! What holds of odd texts, of large and many ones, and of many calls at once.

use futures_util::future::join_all;

use super::{
    ODD, add, addition, answer, begin, beginning, ending, expected_rows, is_open, manifest,
    refused, registered, rows,
};
use crate::store::ledger::{Addition, Beginning, Filed, Ledger, LedgerError, Registered};

pub(super) async fn texts_come_back_as_they_were(ledger: &dyn Ledger) {
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

pub(super) async fn large_rows_are_kept(ledger: &dyn Ledger) {
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

pub(super) async fn many_rows_are_kept(ledger: &dyn Ledger) {
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

pub(super) async fn sessions_go_on_beside_each_other(ledger: &dyn Ledger) {
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

pub(super) async fn of_many_at_once_one_goes_on(ledger: &dyn Ledger) {
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
