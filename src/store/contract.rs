//! What holds of every ledger. Each function is one promise; [`all`] runs them one after another on one ledger that nobody else
//! uses. Names are not shared between them.

mod amounts;
mod answers;
mod found;
mod retention;
mod sessions;

use jiff::Timestamp;

use super::ledger::{Addition, Beginning, KeptAnswer, Ledger, LedgerError, Registered, Retention};

/// Characters that an encoding could lose: none, above the first plane, composed, of both directions, and ends of lines.
const ODD: &str = "\0 \u{1}é e\u{301} 𝒪𝔞𝔭 🦀 \u{202e}עברית\u{202c} \u{feff}\u{fffd} \\0 \\u0000 '\"$1%s\r\n\t\u{7f}";

/// All promises.
pub(crate) async fn all(ledger: &dyn Ledger) {
    sessions::nothing_is_there_at_first(ledger).await;
    sessions::sessions_are_kept(ledger).await;
    sessions::a_session_begins_once(ledger).await;
    sessions::rows_follow_each_other(ledger).await;
    sessions::names_do_not_run_together(ledger).await;
    sessions::refused_is_refused_wholly(ledger).await;
    sessions::a_transcript_ends_a_session(ledger).await;
    answers::answers_are_kept(ledger).await;
    answers::an_answer_with_rows_replaces_its_forerunner(ledger).await;
    answers::manifests_are_kept(ledger).await;
    answers::documents_are_kept_while_needed(ledger).await;
    answers::counts_are_replaced_by_who_has_seen_them(ledger).await;
    found::idle_sessions_are_found(ledger).await;
    found::calls_under_way_are_found(ledger).await;
    found::open_sessions_are_counted(ledger).await;
    found::owners_find_their_open_sessions(ledger).await;
    amounts::texts_come_back_as_they_were(ledger).await;
    amounts::large_rows_are_kept(ledger).await;
    amounts::many_rows_are_kept(ledger).await;
    amounts::sessions_go_on_beside_each_other(ledger).await;
    amounts::of_many_at_once_one_goes_on(ledger).await;
    retention::what_is_old_is_let_go(ledger).await;
    retention::the_oldest_are_let_go(ledger).await;
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
