//! What the file's tables hold, and how each kind of work changes and reads them, inside one transaction.

use jiff::Timestamp;
use redb::{ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use crate::store::ledger::{
    Addition, Archived, Beginning, Count, Filed, Kept, KeptAnswer, LedgerError, Place, Registered,
    Retention,
};

/// The form of the tables.
const FORMAT: u64 = 2;

const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const SESSIONS: TableDefinition<'_, &str, &str> = TableDefinition::new("sessions");
const ROWS: TableDefinition<'_, (&str, u64), &str> = TableDefinition::new("rows");
const IN_FLIGHT: TableDefinition<'_, &str, ()> = TableDefinition::new("in_flight");
/// Owner, microsecond of the opening and id of each open session.
const OWNED: TableDefinition<'_, (&str, i64, &str), ()> = TableDefinition::new("owned");
const ANSWERS: TableDefinition<'_, &str, &str> = TableDefinition::new("answers");
const ANSWERS_BY_TIME: TableDefinition<'_, (i64, &str), ()> =
    TableDefinition::new("answers_by_time");
const TRANSCRIPTS: TableDefinition<'_, &str, (&str, &str)> = TableDefinition::new("transcripts");
const TRANSCRIPTS_BY_TIME: TableDefinition<'_, (i64, &str), ()> =
    TableDefinition::new("transcripts_by_time");
const MANIFESTS: TableDefinition<'_, u64, &str> = TableDefinition::new("manifests");
const DOCUMENTS: TableDefinition<'_, &str, &str> = TableDefinition::new("documents");
const COUNTS: TableDefinition<'_, &str, (i64, &str)> = TableDefinition::new("counts");

/// The largest text of one row, document or transcript, in bytes; the bounds of the runtime are below it.
const LARGEST_TEXT: usize = 256 * 1024 * 1024;

/// A session without its rows.
#[derive(Debug, Serialize, Deserialize)]
struct Session {
    owner: String,
    touched: Timestamp,
    digest: String,
    last: u64,
    /// Microsecond of the opening.
    opened: i64,
}

/// A session as form 1 had it.
#[derive(Debug, Deserialize)]
struct SessionOfForm1 {
    owner: String,
    touched: Timestamp,
    digest: String,
    last: u64,
}

/// A registered manifest without its document.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    name: String,
    version: String,
    digest: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    fingerprint: String,
    at: Timestamp,
    text: String,
}

/// Why a piece of work was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// By the rules of the ledger; the transaction goes on without it.
    Refused(LedgerError),
    /// By the storage; the transaction is lost.
    Lost(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::Lost(error.into())
    }
}

type Done<T> = Result<T, Failure>;

fn conflict<T>() -> Done<T> {
    Err(Failure::Refused(LedgerError::Conflict))
}

fn damaged(error: impl ToString) -> Failure {
    Failure::Refused(LedgerError::Damaged(error.to_string()))
}

fn small(text: &str) -> Done<()> {
    if text.len() > LARGEST_TEXT {
        let reason = "a text is larger than a file of this kind takes".to_owned();
        return Err(Failure::Refused(LedgerError::Unavailable(reason)));
    }
    Ok(())
}

fn text<T: Serialize>(value: &T) -> Done<String> {
    serde_json::to_string(value).map_err(damaged)
}

fn value<'t, T: Deserialize<'t>>(text: &'t str) -> Done<T> {
    serde_json::from_str(text).map_err(damaged)
}

/// Makes all tables, so that reading finds them, and checks the form.
///
/// # Errors
/// With the form of the file when it is a newer one.
pub(super) fn prepare(transaction: &WriteTransaction) -> Result<Result<(), u64>, redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let format = meta.get("format")?.map(|format| format.value());
    match format {
        Some(newer) if newer > FORMAT => return Ok(Err(newer)),
        Some(1) => {
            of_form_1(transaction)?;
            meta.insert("format", FORMAT)?;
        }
        Some(_) => {}
        None => {
            meta.insert("format", FORMAT)?;
        }
    }
    transaction.open_table(SESSIONS)?;
    transaction.open_table(OWNED)?;
    transaction.open_table(ROWS)?;
    transaction.open_table(IN_FLIGHT)?;
    transaction.open_table(ANSWERS)?;
    transaction.open_table(ANSWERS_BY_TIME)?;
    transaction.open_table(TRANSCRIPTS)?;
    transaction.open_table(TRANSCRIPTS_BY_TIME)?;
    transaction.open_table(MANIFESTS)?;
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(COUNTS)?;
    Ok(Ok(()))
}

/// Notes when sessions of form 1 were opened, for which only their last call is known. One that cannot be read is left as it is.
fn of_form_1(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    let mut sessions = transaction.open_table(SESSIONS)?;
    let mut owned = transaction.open_table(OWNED)?;
    let mut found = Vec::new();
    for session in sessions.iter()? {
        let (id, session) = session?;
        if let Ok(session) = serde_json::from_str::<SessionOfForm1>(session.value()) {
            found.push((id.value().to_owned(), session));
        }
    }
    for (id, session) in found {
        let opened = session.touched.as_microsecond();
        owned.insert((session.owner.as_str(), opened, id.as_str()), ())?;
        let session = Session {
            owner: session.owner,
            touched: session.touched,
            digest: session.digest,
            last: session.last,
            opened,
        };
        if let Ok(session) = serde_json::to_string(&session) {
            sessions.insert(id.as_str(), session.as_str())?;
        }
    }
    Ok(())
}

fn count(transaction: &WriteTransaction, name: &str) -> Result<u64, redb::Error> {
    let mut meta = transaction.open_table(META)?;
    let next = meta.get(name)?.map_or(0, |number| number.value()) + 1;
    meta.insert(name, next)?;
    Ok(next)
}

fn check_answer(transaction: &WriteTransaction, answer: Option<&KeptAnswer>) -> Done<()> {
    let Some(answer) = answer else {
        return Ok(());
    };
    small(&answer.text)?;
    let answers = transaction.open_table(ANSWERS)?;
    let known = answers.get(answer.scope.as_str())?.is_some();
    if known { conflict() } else { Ok(()) }
}

fn put_answer(transaction: &WriteTransaction, answer: Option<KeptAnswer>) -> Done<()> {
    let Some(answer) = answer else {
        return Ok(());
    };
    let scope = answer.scope.as_str();
    let mut by_time = transaction.open_table(ANSWERS_BY_TIME)?;
    let mut answers = transaction.open_table(ANSWERS)?;
    let written = text(&Answer {
        fingerprint: answer.fingerprint,
        at: answer.at,
        text: answer.text,
    })?;
    let before = answers.insert(scope, written.as_str())?;
    // Rows were written before this: a forerunner that cannot be read must not refuse what comes in its place.
    if let Some(before) = before
        && let Ok(before) = value::<Answer>(before.value())
    {
        by_time.remove((before.at.as_millisecond(), scope))?;
    }
    by_time.insert((answer.at.as_millisecond(), scope), ())?;
    Ok(())
}

/// Every check comes before the first change, so that what is refused leaves nothing behind.
pub(super) fn begin(transaction: &WriteTransaction, beginning: Beginning) -> Done<()> {
    small(&beginning.row)?;
    small(&beginning.document)?;
    check_answer(transaction, beginning.answer.as_ref())?;
    let id = beginning.id.as_str();
    let mut sessions = transaction.open_table(SESSIONS)?;
    if sessions.get(id)?.is_some() {
        return conflict();
    }
    let opened = beginning.at.as_microsecond();
    let session = text(&Session {
        owner: beginning.owner.clone(),
        touched: beginning.at,
        digest: beginning.digest.clone(),
        last: 1,
        opened,
    })?;
    sessions.insert(id, session.as_str())?;
    transaction
        .open_table(OWNED)?
        .insert((beginning.owner.as_str(), opened, id), ())?;
    transaction
        .open_table(ROWS)?
        .insert((id, 1), beginning.row.as_str())?;
    let mut documents = transaction.open_table(DOCUMENTS)?;
    if documents.get(beginning.digest.as_str())?.is_none() {
        documents.insert(beginning.digest.as_str(), beginning.document.as_str())?;
    }
    put_answer(transaction, beginning.answer)
}

pub(super) fn add(transaction: &WriteTransaction, addition: Addition) -> Done<()> {
    addition.rows.iter().try_for_each(|row| small(row))?;
    addition
        .answer
        .iter()
        .try_for_each(|kept| small(&kept.text))?;
    addition
        .transcript
        .iter()
        .try_for_each(|text| small(text))?;
    let id = addition.id.as_str();
    let mut sessions = transaction.open_table(SESSIONS)?;
    let known = sessions.get(id)?.map(|known| known.value().to_owned());
    let Some(known) = known else {
        return conflict();
    };
    let mut session: Session = value(&known)?;
    if session.last != addition.after {
        return conflict();
    }
    let mut rows = transaction.open_table(ROWS)?;
    if let Some(transcript) = &addition.transcript {
        rows.retain_in((id, 0)..=(id, u64::MAX), |_, _| false)?;
        sessions.remove(id)?;
        transaction
            .open_table(OWNED)?
            .remove((session.owner.as_str(), session.opened, id))?;
        transaction.open_table(IN_FLIGHT)?.remove(id)?;
        let mut transcripts = transaction.open_table(TRANSCRIPTS)?;
        transcripts.insert(id, (session.owner.as_str(), transcript.as_str()))?;
        transaction
            .open_table(TRANSCRIPTS_BY_TIME)?
            .insert((addition.at.as_millisecond(), id), ())?;
        return put_answer(transaction, addition.answer);
    }
    for row in &addition.rows {
        session.last += 1;
        rows.insert((id, session.last), row.as_str())?;
    }
    session.touched = addition.at;
    sessions.insert(id, text(&session)?.as_str())?;
    let mut in_flight = transaction.open_table(IN_FLIGHT)?;
    if addition.in_flight {
        in_flight.insert(id, ())?;
    } else {
        in_flight.remove(id)?;
    }
    put_answer(transaction, addition.answer)
}

pub(super) fn touch(transaction: &WriteTransaction, id: &str, at: Timestamp) -> Done<()> {
    let mut sessions = transaction.open_table(SESSIONS)?;
    let known = sessions.get(id)?.map(|known| known.value().to_owned());
    if let Some(known) = known {
        let mut session: Session = value(&known)?;
        session.touched = session.touched.max(at);
        sessions.insert(id, text(&session)?.as_str())?;
    }
    Ok(())
}

pub(super) fn keep_answer(transaction: &WriteTransaction, answer: KeptAnswer) -> Done<()> {
    check_answer(transaction, Some(&answer))?;
    put_answer(transaction, Some(answer))
}

pub(super) fn recount(
    transaction: &WriteTransaction,
    before: Option<&str>,
    count: &Count,
) -> Done<()> {
    small(&count.text)?;
    let mut counts = transaction.open_table(COUNTS)?;
    let same = {
        let known = counts.get(count.scope.as_str())?;
        known.as_ref().map(|known| known.value().1) == before
    };
    if !same {
        return conflict();
    }
    let until = count.until.as_millisecond();
    counts.insert(count.scope.as_str(), (until, count.text.as_str()))?;
    Ok(())
}

pub(super) fn forget_counts(transaction: &WriteTransaction, before: Timestamp) -> Done<()> {
    let before = before.as_millisecond();
    transaction
        .open_table(COUNTS)?
        .retain(|_, (until, _)| until >= before)?;
    Ok(())
}

pub(super) fn file_manifest(
    transaction: &WriteTransaction,
    manifest: Registered,
    answer: Option<KeptAnswer>,
) -> Done<Filed> {
    small(&manifest.document)?;
    check_answer(transaction, answer.as_ref())?;
    let mut manifests = transaction.open_table(MANIFESTS)?;
    for known in manifests.iter()? {
        let known: Manifest = value(known?.1.value())?;
        if (&known.name, &known.version) == (&manifest.name, &manifest.version) {
            if known.digest != manifest.digest {
                return Ok(Filed::Other);
            }
            put_answer(transaction, answer)?;
            return Ok(Filed::Known);
        }
    }
    let number = count(transaction, "manifests")?;
    count(transaction, "revision")?;
    let mut documents = transaction.open_table(DOCUMENTS)?;
    documents.insert(manifest.digest.as_str(), manifest.document.as_str())?;
    let written = text(&Manifest {
        name: manifest.name,
        version: manifest.version,
        digest: manifest.digest,
    })?;
    manifests.insert(number, written.as_str())?;
    put_answer(transaction, answer)?;
    Ok(Filed::New)
}

pub(super) fn remove_manifest(
    transaction: &WriteTransaction,
    name: &str,
    version: &str,
) -> Done<bool> {
    let mut manifests = transaction.open_table(MANIFESTS)?;
    let mut found = None;
    for known in manifests.iter()? {
        let (number, known) = known?;
        let known: Manifest = value(known.value())?;
        if (known.name.as_str(), known.version.as_str()) == (name, version) {
            found = Some(number.value());
        }
    }
    if let Some(number) = found {
        manifests.remove(number)?;
        count(transaction, "revision")?;
    }
    Ok(found.is_some())
}

pub(super) fn prune(transaction: &WriteTransaction, retention: Retention) -> Done<()> {
    let mut answers = transaction.open_table(ANSWERS)?;
    let mut by_time = transaction.open_table(ANSWERS_BY_TIME)?;
    let too_many = by_time.len()?.saturating_sub(retention.most_answers);
    for (time, scope) in oldest(&by_time, too_many, retention.answers_before)? {
        by_time.remove((time, scope.as_str()))?;
        answers.remove(scope.as_str())?;
    }
    let mut transcripts = transaction.open_table(TRANSCRIPTS)?;
    let mut by_time = transaction.open_table(TRANSCRIPTS_BY_TIME)?;
    let too_many = by_time.len()?.saturating_sub(retention.most_transcripts);
    for (time, id) in oldest(&by_time, too_many, retention.transcripts_before)? {
        by_time.remove((time, id.as_str()))?;
        transcripts.remove(id.as_str())?;
    }
    let mut needed = std::collections::BTreeSet::new();
    for session in transaction.open_table(SESSIONS)?.iter()? {
        needed.insert(value::<Session>(session?.1.value())?.digest);
    }
    for manifest in transaction.open_table(MANIFESTS)?.iter()? {
        needed.insert(value::<Manifest>(manifest?.1.value())?.digest);
    }
    transaction
        .open_table(DOCUMENTS)?
        .retain(|digest, _| needed.contains(digest))?;
    Ok(())
}

/// The first so many entries, and those before a time.
fn oldest(
    by_time: &impl ReadableTable<(i64, &'static str), ()>,
    too_many: u64,
    before: Timestamp,
) -> Done<Vec<(i64, String)>> {
    let mut found = Vec::new();
    for entry in by_time.iter()? {
        let (key, ()) = entry.map(|(key, _)| (key, ()))?;
        let (time, name) = key.value();
        if found.len() as u64 >= too_many && time >= before.as_millisecond() {
            break;
        }
        found.push((time, name.to_owned()));
    }
    Ok(found)
}

/// What is read, in one view of the file.
pub(super) struct View<'v>(pub(super) &'v redb::ReadTransaction);

impl View<'_> {
    pub(super) fn session(&self, id: &str, after: u64) -> Done<Option<Kept>> {
        let sessions = self.0.open_table(SESSIONS)?;
        let Some(known) = sessions.get(id)? else {
            return Ok(None);
        };
        let session: Session = value(known.value())?;
        let rows = self.0.open_table(ROWS)?;
        let mut found = Vec::new();
        for row in rows.range((id, after.saturating_add(1))..=(id, u64::MAX))? {
            let (number, row) = row?;
            found.push((number.value().1, row.value().to_owned()));
        }
        Ok(Some(Kept {
            owner: session.owner,
            touched: session.touched,
            digest: session.digest,
            rows: found,
        }))
    }

    pub(super) fn archived(&self, id: &str) -> Done<Option<Archived>> {
        let transcripts = self.0.open_table(TRANSCRIPTS)?;
        let found = transcripts.get(id)?.map(|found| {
            let (owner, transcript) = found.value();
            Archived {
                owner: owner.to_owned(),
                transcript: transcript.to_owned(),
            }
        });
        Ok(found)
    }

    pub(super) fn answer(&self, scope: &str) -> Done<Option<KeptAnswer>> {
        let answers = self.0.open_table(ANSWERS)?;
        let Some(found) = answers.get(scope)? else {
            return Ok(None);
        };
        let answer: Answer = value(found.value())?;
        Ok(Some(KeptAnswer {
            scope: scope.to_owned(),
            fingerprint: answer.fingerprint,
            at: answer.at,
            text: answer.text,
        }))
    }

    pub(super) fn count(&self, scope: &str) -> Done<Option<String>> {
        let counts = self.0.open_table(COUNTS)?;
        let found = counts.get(scope)?;
        Ok(found.map(|found| found.value().1.to_owned()))
    }

    pub(super) fn revision(&self) -> Done<u64> {
        let meta = self.0.open_table(META)?;
        Ok(meta.get("revision")?.map_or(0, |number| number.value()))
    }

    pub(super) fn manifests(&self) -> Done<Vec<Registered>> {
        let documents = self.0.open_table(DOCUMENTS)?;
        let mut found = Vec::new();
        for manifest in self.0.open_table(MANIFESTS)?.iter()? {
            let manifest: Manifest = value(manifest?.1.value())?;
            let document = documents
                .get(manifest.digest.as_str())?
                .ok_or_else(|| damaged("the document of a manifest is missing"))?;
            found.push(Registered {
                name: manifest.name,
                version: manifest.version,
                digest: manifest.digest,
                document: document.value().to_owned(),
            });
        }
        Ok(found)
    }

    pub(super) fn document(&self, digest: &str) -> Done<Option<String>> {
        let documents = self.0.open_table(DOCUMENTS)?;
        let found = documents.get(digest)?;
        Ok(found.map(|document| document.value().to_owned()))
    }

    pub(super) fn owned(
        &self,
        owner: &str,
        after: Option<&Place>,
        most: usize,
    ) -> Done<Vec<Place>> {
        let owned = self.0.open_table(OWNED)?;
        let first = (owner, i64::MIN, "");
        let range = match after {
            Some(place) => {
                owned.range(first..(owner, place.opened.as_microsecond(), place.id.as_str()))?
            }
            // No session was opened as late.
            None => owned.range(first..(owner, i64::MAX, ""))?,
        };
        let mut found = Vec::new();
        for entry in range.rev().take(most) {
            let (key, ()) = entry.map(|(key, _)| (key, ()))?;
            let (_, opened, id) = key.value();
            found.push(Place {
                opened: Timestamp::from_microsecond(opened).map_err(damaged)?,
                id: id.to_owned(),
            });
        }
        Ok(found)
    }

    pub(super) fn idle(&self, before: Timestamp, most: usize) -> Done<Vec<String>> {
        let mut found = Vec::new();
        for session in self.0.open_table(SESSIONS)?.iter()? {
            let (id, session) = session?;
            let session: Session = value(session.value())?;
            if session.touched < before {
                found.push(id.value().to_owned());
                if found.len() >= most {
                    break;
                }
            }
        }
        Ok(found)
    }

    pub(super) fn in_flight(&self, most: usize) -> Done<Vec<String>> {
        let in_flight = self.0.open_table(IN_FLIGHT)?;
        let found = in_flight.iter()?.take(most);
        let found = found.map(|entry| entry.map(|(id, _)| id.value().to_owned()));
        Ok(found.collect::<Result<_, _>>()?)
    }

    pub(super) fn open_sessions(&self) -> Done<u64> {
        Ok(self.0.open_table(SESSIONS)?.len()?)
    }
}

/// Whether an error means that the file is not what it was, rather than that it cannot be used now.
pub(super) fn is_damage(error: &redb::Error) -> bool {
    matches!(
        error,
        redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. }
    )
}
