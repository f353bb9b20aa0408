//! What holds of letting go.

use jiff::Timestamp;

use super::{add, addition, answer, at, begin, ending, expected_rows, keep_all, rows};
use crate::store::ledger::{Addition, KeptAnswer, Ledger, Retention};

/// A session of this id that ended then, and an answer of the same name and time.
async fn ended_on(ledger: &dyn Ledger, id: &str, at: Timestamp) {
    let kept = KeptAnswer {
        at,
        ..answer(id, "text")
    };
    ledger.keep_answer(kept).await.expect("kept");
    begin(ledger, id).await;
    let end = Addition {
        at,
        ..ending(id, 1)
    };
    add(ledger, end).await.expect("ended");
}

pub(super) async fn what_is_old_is_let_go(ledger: &dyn Ledger) {
    let day = |day: i64| at(1_000_000 + day * 86_400);
    for number in 1..=4_i64 {
        ended_on(ledger, &format!("old-{number}"), day(number)).await;
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

pub(super) async fn the_oldest_are_let_go(ledger: &dyn Ledger) {
    let day = |day: i64| at(100_000_000 + day * 86_400);
    for number in [3_i64, 1, 4, 2] {
        ended_on(ledger, &format!("most-{number}"), day(number)).await;
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
