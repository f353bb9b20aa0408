//! The ledger in a file, on disks that fail.

mod disk;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::store::contract::{self, addition, answer, at, beginning};
use crate::store::plain::Plain;
use disk::{Disk, Fault};

fn on(disk: &Disk) -> File {
    try_on(disk).expect("opens")
}

fn try_on(disk: &Disk) -> Result<File, OpenError> {
    let disk = disk.clone();
    File::with(PathBuf::from("a disk for tests"), None, move || {
        let builder = &mut Database::builder();
        builder
            .set_cache_size(1024 * 1024)
            .create_with_backend(disk.clone())
    })
}

/// The rows of these sessions, without gaps; the number of the last.
async fn last(ledger: &File, id: &str) -> u64 {
    let Some(kept) = ledger.load(id, 0).await.expect("read") else {
        return 0;
    };
    for (number, (kept, row)) in (1..).zip(&kept.rows) {
        assert_eq!((*kept, row), (number, &format!("{id} {number}")));
    }
    kept.rows.len() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_keeps_what_every_ledger_promises() {
    let folder = tempfile::tempdir().expect("a folder");
    contract::all(&File::open(folder.path()).expect("opens")).await;
}

#[tokio::test]
async fn it_is_there_after_a_new_start_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("a/b");
    let ledger = File::open(&inner).expect("opens");
    ledger.begin(beginning("s")).await.expect("begun");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&inner), mode(&inner.join(NAME))), (0o700, 0o600));
    let second = File::open(&inner).expect_err("in use");
    assert!(matches!(second, OpenError::InUse(_)), "{second}");
    drop(ledger);
    let ledger = File::open(&inner).expect("opens again");
    assert_eq!(last(&ledger, "s").await, 1);
}

#[test]
fn what_is_no_ledger_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(NAME);
    for garbage in [&b"not a ledger"[..], &[0xa5; 8192]] {
        fs::write(&path, garbage).expect("written");
        let error = File::open(folder.path()).expect_err("refused");
        assert!(matches!(error, OpenError::Unreadable(..)), "{error:?}");
        assert!(error.to_string().contains(NAME), "{error}");
        assert_eq!(fs::read(&path).expect("there"), garbage);
    }
    let error = File::open(&path).expect_err("no folder");
    assert!(matches!(error, OpenError::Folder(..)), "{error:?}");
}

#[test]
fn an_emptied_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(NAME);
    drop(File::open(folder.path()).expect("made"));
    fs::write(&path, b"").expect("emptied");
    let error = File::open(folder.path()).expect_err("refused");
    assert!(matches!(error, OpenError::Emptied(_)), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains(NAME) && text.contains("restore it from a copy, or remove it"),
        "{text}"
    );
    assert_eq!(fs::metadata(&path).expect("there").len(), 0);
    fs::remove_file(&path).expect("removed");
    File::open(folder.path()).expect("begins anew");
}

#[tokio::test]
async fn whoever_died_while_it_was_made_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let half = folder.path().join("sessions.redb.new");
    let whole = tempfile::tempdir().expect("a folder");
    drop(File::open(whole.path()).expect("made"));
    let whole = fs::read(whole.path().join(NAME)).expect("there");
    for length in [0, 1, 9, 100, 4096, whole.len() - 1, whole.len()] {
        fs::write(&half, &whole[..length]).expect("written");
        let ledger = File::open(folder.path()).expect("opens");
        ledger.begin(beginning("s")).await.expect("begun");
        drop(ledger);
        let ledger = File::open(folder.path()).expect("opens again");
        assert_eq!(last(&ledger, "s").await, 1, "{length}");
        drop(ledger);
        assert!(!half.exists(), "{length}");
        fs::remove_file(folder.path().join(NAME)).expect("removed");
    }
}

#[test]
fn of_many_who_make_it_one_has_it() {
    for _ in 0..30 {
        let folder = tempfile::tempdir().expect("a folder");
        let start = std::sync::Barrier::new(4);
        let opened = std::thread::scope(|scope| {
            let all: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        File::open(folder.path())
                    })
                })
                .collect();
            all.into_iter()
                .map(|one| one.join().expect("ended"))
                .collect::<Vec<_>>()
        });
        let (have, refused): (Vec<_>, Vec<_>) = opened.into_iter().partition(Result::is_ok);
        assert_eq!(have.len(), 1, "{refused:?}");
        for error in refused.into_iter().filter_map(Result::err) {
            assert!(matches!(error, OpenError::InUse(_)), "{error}");
        }
    }
}

#[test]
fn a_newer_form_is_refused() {
    let disk = Disk::default();
    drop(on(&disk));
    let database = Database::builder().create_with_backend(disk.clone());
    let database = database.expect("opens");
    let transaction = database.begin_write().expect("begun");
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    let mut table = transaction.open_table(meta).expect("there");
    table.insert("format", 7).expect("written");
    drop(table);
    transaction.commit().expect("kept");
    drop(database);
    let error = try_on(&disk).expect_err("refused");
    assert!(matches!(error, OpenError::Newer(_, 7)), "{error:?}");
}

#[tokio::test]
async fn a_file_of_form_1_is_read_and_lists_its_sessions() {
    let disk = Disk::default();
    let ledger = on(&disk);
    ledger.begin(beginning("s")).await.expect("begun");
    let kept = ledger.load("s", 0).await.expect("read").expect("open");
    drop(ledger);
    let database = Database::builder().create_with_backend(disk.clone());
    let database = database.expect("opens");
    let transaction = database.begin_write().expect("begun");
    let meta = redb::TableDefinition::<&str, u64>::new("meta");
    let mut table = transaction.open_table(meta).expect("there");
    table.insert("format", 1).expect("written");
    drop(table);
    let sessions = redb::TableDefinition::<&str, &str>::new("sessions");
    let mut table = transaction.open_table(sessions).expect("there");
    let text = redb::ReadableTable::get(&table, "s");
    let text = text.expect("read").expect("there");
    let mut session: serde_json::Value = serde_json::from_str(text.value()).expect("JSON");
    drop(text);
    let members = session.as_object_mut().expect("an object");
    members.remove("opened").expect("there");
    table
        .insert("s", session.to_string().as_str())
        .expect("written");
    table.insert("torn", "{").expect("written");
    drop(table);
    let owned = redb::TableDefinition::<(&str, i64, &str), ()>::new("owned");
    transaction.delete_table(owned).expect("deleted");
    transaction.commit().expect("kept");
    drop(database);
    let ledger = on(&disk);
    assert_eq!(ledger.load("s", 0).await, Ok(Some(kept.clone())));
    let owned = ledger.owned(&kept.owner, None, 10).await.expect("read");
    let owned: Vec<_> = owned
        .iter()
        .map(|place| (place.id.as_str(), place.opened))
        .collect();
    assert_eq!(owned, [("s", kept.touched)]);
    drop(ledger);
    // The second time it is of the new form already.
    assert_eq!(on(&disk).load("s", 0).await, Ok(Some(kept)));
}

#[test]
fn no_room_to_open_it_is_no_damage() {
    let disk = Disk::default();
    disk.fail(Some((Fault::Write, 0)));
    let error = try_on(&disk).expect_err("full");
    assert!(matches!(error, OpenError::NoRoom(..)), "{error:?}");
    disk.fail(None);
    on(&disk);
}

#[tokio::test]
async fn a_text_that_is_too_large_is_refused_alone() {
    let ledger = on(&Disk::default());
    ledger.begin(beginning("s")).await.expect("begun");
    let text = String::from_utf8(vec![0; 256 * 1024 * 1024 + 1]).expect("text");
    let large = Addition {
        rows: vec![text],
        ..addition("s", 1, 0)
    };
    let small = ledger.begin(beginning("t"));
    let refused = ledger.add(large).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))));
    small.await.expect("begun");
    assert_eq!(last(&ledger, "s").await, 1);
}

/// Adds until the disk fails, makes it well, and goes on: what was acknowledged is there, and it recovers by itself.
async fn survives(fault: Fault, after: usize) {
    let disk = Disk::default();
    let ledger = on(&disk);
    ledger.begin(beginning("s")).await.expect("begun");
    let mut acknowledged = 1;
    disk.fail(Some((fault, after)));
    let error = loop {
        match ledger.add(addition("s", acknowledged, 2)).await {
            Ok(()) => acknowledged += 2,
            Err(error) => break error,
        }
        assert!(acknowledged < 2000, "the disk never failed");
    };
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    // While it is ill, nothing is acknowledged, whatever is asked.
    ledger.begin(beginning("t")).await.expect_err("still ill");
    disk.fail(None);
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = ledger.begin(beginning("u")).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Of what was not acknowledged all is there or nothing.
    let found = last(&ledger, "s").await;
    assert!([acknowledged, acknowledged + 2].contains(&found), "{found}");
    ledger.add(addition("s", found, 1)).await.expect("goes on");
    drop(ledger);
    let ledger = on(&disk);
    assert_eq!(last(&ledger, "s").await, found + 1, "{fault:?} {after}");
    assert_eq!(last(&ledger, "u").await, 1);
}

#[tokio::test]
async fn a_full_disk_loses_nothing() {
    for after in 0..16 {
        survives(Fault::Write, after).await;
    }
}

#[tokio::test]
async fn a_disk_that_does_not_flush_loses_nothing() {
    for after in 0..4 {
        survives(Fault::Flush, after).await;
    }
}

#[tokio::test]
async fn those_who_only_read_need_not_wait_for_a_writer() {
    let disk = Disk::default();
    let ledger = on(&disk);
    ledger.begin(beginning("s")).await.expect("begun");
    disk.fail(Some((Fault::Write, 0)));
    ledger.begin(beginning("t")).await.expect_err("full");
    disk.fail(None);
    let until = Instant::now() + Duration::from_secs(30);
    while let Err(error) = ledger.load("s", 0).await {
        assert!(Instant::now() < until, "{error}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(last(&ledger, "s").await, 1);
}

#[tokio::test]
async fn a_torn_write_loses_nothing() {
    let disk = Disk::default();
    let ledger = on(&disk);
    ledger.begin(beginning("s")).await.expect("begun");
    disk.record();
    // What was acknowledged when so much had been written.
    let mut acknowledged = vec![(0, 1)];
    for round in 0..5 {
        let after = 1 + round * 3;
        let with = Addition {
            answer: Some(answer(&format!("a {round}"), "text")),
            ..addition("s", after, 3)
        };
        ledger.add(with).await.expect("added");
        acknowledged.push((disk.written(), after + 3));
    }
    let end = disk.written();
    assert!(end > 10, "{end}");
    for cut in 0..=end {
        let at_least = acknowledged.iter().filter(|(written, _)| *written <= cut);
        let at_least = at_least.map(|(_, last)| *last).max().expect("the first");
        for torn in disk.torn(cut) {
            let ledger = on(&torn);
            let found = last(&ledger, "s").await;
            assert!(found >= at_least && found % 3 == 1, "{found} at {cut}");
            // Rows and the answer that came with them are there together.
            for round in 0..5 {
                let there = ledger.answer(&format!("a {round}")).await.expect("read");
                assert_eq!(there.is_some(), found >= 4 + round * 3, "at {cut}");
            }
            ledger.add(addition("s", found, 1)).await.expect("goes on");
        }
    }
}

#[derive(Debug, Clone)]
enum Deed {
    Begin(u8),
    Add {
        id: u8,
        wrong: bool,
        rows: u8,
        in_flight: bool,
        answer: bool,
    },
    End(u8),
    Touch(u8, u8),
    Answer(u8, u8),
    File(u8, u8),
    Remove(u8),
    Prune(u8, u8),
    Reopen,
    Crash,
}

fn deed() -> impl Strategy<Value = Deed> {
    let id = 0..4_u8;
    prop_oneof![
        2 => id.clone().prop_map(Deed::Begin),
        6 => (id.clone(), prop::bool::weighted(0.1), 0..4_u8, any::<bool>(), any::<bool>()).prop_map(
            |(id, wrong, rows, in_flight, answer)| Deed::Add { id, wrong, rows, in_flight, answer }
        ),
        1 => id.clone().prop_map(Deed::End),
        1 => (id.clone(), any::<u8>()).prop_map(|(id, second)| Deed::Touch(id, second)),
        1 => (id.clone(), any::<u8>()).prop_map(|(id, second)| Deed::Answer(id, second)),
        1 => (id.clone(), 0..2_u8).prop_map(|(id, digest)| Deed::File(id, digest)),
        1 => id.clone().prop_map(Deed::Remove),
        1 => (any::<u8>(), 0..4_u8).prop_map(|(second, most)| Deed::Prune(second, most)),
        1 => Just(Deed::Reopen),
        1 => Just(Deed::Crash),
    ]
}

/// Does the deed and tells what came of it.
async fn perform(ledger: &dyn Ledger, deed: &Deed) -> String {
    let id = |number: &u8| format!("s{number}");
    let after = async |id: &str| {
        let kept = ledger.load(id, 0).await.expect("read");
        kept.map_or(0, |kept| kept.rows.len() as u64)
    };
    match deed {
        Deed::Begin(number) => format!("{:?}", ledger.begin(beginning(&id(number))).await),
        Deed::Add {
            id: number,
            wrong,
            rows,
            in_flight,
            answer: with,
        } => {
            let id = id(number);
            let more = Addition {
                in_flight: *in_flight,
                answer: with.then(|| answer(&id, &format!("{rows}"))),
                ..addition(&id, after(&id).await + u64::from(*wrong), u64::from(*rows))
            };
            format!("{:?}", ledger.add(more).await)
        }
        Deed::End(number) => {
            let id = id(number);
            let last = Addition {
                transcript: Some(format!("transcript {id}")),
                at: at(i64::from(*number)),
                ..addition(&id, after(&id).await, 1)
            };
            format!("{:?}", ledger.add(last).await)
        }
        Deed::Touch(number, second) => {
            format!(
                "{:?}",
                ledger.touch(&id(number), at(i64::from(*second))).await
            )
        }
        Deed::Answer(number, second) => {
            let kept = KeptAnswer {
                at: at(i64::from(*second)),
                ..answer(&id(number), "alone")
            };
            format!("{:?}", ledger.keep_answer(kept).await)
        }
        Deed::File(number, digest) => {
            let filed = Registered {
                name: id(number),
                version: "1".to_owned(),
                digest: format!("sha256:s{digest}"),
                document: format!("document of s{digest}"),
            };
            format!("{:?}", ledger.file_manifest(filed, None).await)
        }
        Deed::Remove(number) => format!("{:?}", ledger.remove_manifest(&id(number), "1").await),
        Deed::Prune(second, most) => {
            let retention = Retention {
                transcripts_before: at(i64::from(*second) % 6),
                most_transcripts: u64::from(*most),
                answers_before: at(i64::from(*second)),
                most_answers: u64::from(*most),
            };
            format!("{:?}", ledger.prune(retention).await)
        }
        Deed::Reopen | Deed::Crash => String::new(),
    }
}

/// All that can be read.
async fn all_of(ledger: &dyn Ledger) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for number in 0..4 {
        let id = format!("s{number}");
        all.insert(
            format!("session {id}"),
            format!("{:?}", ledger.load(&id, 0).await),
        );
        all.insert(
            format!("transcript {id}"),
            format!("{:?}", ledger.archived(&id).await),
        );
        all.insert(
            format!("answer {id}"),
            format!("{:?}", ledger.answer(&id).await),
        );
        let document = ledger.document(&format!("sha256:{id}")).await;
        all.insert(format!("document {id}"), format!("{document:?}"));
    }
    all.insert(
        "manifests".to_owned(),
        format!("{:?}", ledger.manifests().await),
    );
    let revision = ledger.manifests_revision().await;
    all.insert("revision".to_owned(), format!("{revision:?}"));
    all.insert(
        "in flight".to_owned(),
        format!("{:?}", ledger.in_flight(9).await),
    );
    all.insert(
        "idle".to_owned(),
        format!("{:?}", ledger.idle(at(100), 9).await),
    );
    all.insert(
        "open".to_owned(),
        format!("{:?}", ledger.open_sessions().await),
    );
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_is_what_a_ledger_without_a_disk_is(deeds in prop::collection::vec(deed(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut disk = Disk::default();
            let plain = Plain::default();
            let mut ledger = Some(on(&disk));
            for deed in &deeds {
                match deed {
                    Deed::Reopen => {
                        drop(ledger.take());
                        ledger = Some(on(&disk));
                    }
                    Deed::Crash => {
                        disk = disk.crashed();
                        ledger = Some(on(&disk));
                    }
                    _ => {}
                }
                let file = ledger.as_ref().expect("open");
                let (came, expected) = (perform(file, deed).await, perform(&plain, deed).await);
                assert_eq!(came, expected, "{deed:?}");
                if matches!(deed, Deed::Reopen | Deed::Crash | Deed::Prune(..)) {
                    assert_eq!(all_of(file).await, all_of(&plain).await, "after {deed:?}");
                }
            }
            let file = ledger.as_ref().expect("open");
            assert_eq!(all_of(file).await, all_of(&plain).await);
        });
    }
}
