//! Replicas over one PostgreSQL, and PostgreSQL when it fails.

use std::time::Instant;

use super::server::Server;
use super::*;

const LEASE: Duration = Duration::from_secs(1);

async fn ledger(server: &Server) -> Postgres {
    let opened = Postgres::with(&server.url(), LEASE, LEASE * 8).await;
    opened.expect("opens")
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).expect("a time")
}

fn beginning(id: &str) -> Beginning {
    Beginning {
        id: id.to_owned(),
        owner: "ow\0ner".to_owned(),
        at: at(0),
        digest: "d".to_owned(),
        document: "{\"é\": 1}".to_owned(),
        row: "row 1".to_owned(),
        answer: None,
    }
}

fn addition(id: &str, after: u64, row: &str) -> Addition {
    Addition {
        id: id.to_owned(),
        after,
        rows: vec![row.to_owned()],
        at: at(1),
        in_flight: false,
        answer: None,
        transcript: None,
    }
}

fn answer(scope: &str, text: &str) -> KeptAnswer {
    KeptAnswer {
        scope: scope.to_owned(),
        fingerprint: "f".to_owned(),
        at: at(2),
        text: text.to_owned(),
    }
}

fn manifest(version: &str, digest: &str) -> Registered {
    Registered {
        name: "m".to_owned(),
        version: version.to_owned(),
        digest: digest.to_owned(),
        document: format!("document {digest}"),
    }
}

async fn rows(ledger: &Postgres, id: &str) -> Vec<String> {
    let kept = ledger.load(id, 0).await.expect("read").expect("open");
    let numbers = kept.rows.iter().map(|(number, _)| *number);
    assert!(numbers.eq(1..=kept.rows.len() as u64), "{:?}", kept.rows);
    kept.rows.into_iter().map(|(_, row)| row).collect()
}

fn unavailable<T: fmt::Debug>(result: Result<T, LedgerError>) {
    let error = result.expect_err("the database is gone");
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("secret-in-url"), "{error}");
}

/// One row by whoever has its turn: claim, look, add, let go.
async fn one_more(ledger: &Postgres, id: &str, row: &str) {
    ledger.claim(id).await.expect("claimed");
    let last = ledger.load(id, 0).await.expect("read").expect("open");
    let last = last.rows.len() as u64;
    let added = ledger.add(addition(id, last, row)).await;
    ledger.release(id);
    added.expect("nobody came between");
}

#[tokio::test]
async fn what_is_kept_is_read_again_by_another() {
    let Some(server) = Server::start().await else {
        return;
    };
    // All at once make the tables, and find them after that.
    let (a, b, c, d) = tokio::join!(
        ledger(&server),
        ledger(&server),
        ledger(&server),
        ledger(&server)
    );
    assert!(!format!("{a:?}{:?}", Target::read(&server.url())).contains("secret-in-url"));
    a.begin(beginning("s")).await.expect("begun");
    assert_eq!(b.begin(beginning("s")).await, Err(LedgerError::Conflict));
    let kept = b.load("s", 0).await.expect("read").expect("open");
    assert_eq!((kept.owner.as_str(), kept.touched), ("ow\0ner", at(0)));
    assert_eq!(
        b.document("d").await.expect("read").as_deref(),
        Some("{\"é\": 1}")
    );
    // Nothing without a claim, nothing after another row.
    let unclaimed = b.add(addition("s", 1, "x")).await;
    assert_eq!(unclaimed, Err(LedgerError::Conflict));
    b.claim("s").await.expect("claimed");
    assert_eq!(
        b.add(addition("s", 0, "x")).await,
        Err(LedgerError::Conflict)
    );
    let mut more = addition("s", 1, "row\0 2");
    more.rows.push("row 3".to_owned());
    more.in_flight = true;
    b.add(more).await.expect("added");
    assert_eq!(rows(&a, "s").await, ["row 1", "row\0 2", "row 3"]);
    let tail = a.load("s", 2).await.expect("read").expect("open");
    assert_eq!(tail.rows, [(3, "row 3".to_owned())]);
    assert_eq!(a.in_flight(9).await.expect("read"), Vec::<String>::new());
    b.release("s");
    // Waits until it is let go of, not for the lease.
    c.claim("s").await.expect("claimed");
    c.release("s");
    a.touch("s", at(9)).await.expect("touched");
    assert_eq!(a.idle(at(9), 9).await.expect("read"), Vec::<String>::new());
    assert_eq!(a.idle(at(10), 9).await.expect("read"), ["s"]);
    assert_eq!(a.open_sessions().await, Ok(1));
    // The end: rows go, the transcript and the answer stay.
    d.claim("s").await.expect("claimed");
    let last = Addition {
        rows: Vec::new(),
        transcript: Some("transcript".to_owned()),
        answer: Some(answer("k", "closed")),
        ..addition("s", 3, "")
    };
    d.add(last).await.expect("closed");
    d.release("s");
    assert_eq!(a.load("s", 0).await, Ok(None));
    let archived = a.archived("s").await.expect("read").expect("there");
    assert_eq!(
        (archived.owner.as_str(), archived.transcript.as_str()),
        ("ow\0ner", "transcript")
    );
    assert_eq!(b.answer("k").await, Ok(Some(answer("k", "closed"))));
    assert_eq!(
        b.keep_answer(answer("k", "x")).await,
        Err(LedgerError::Conflict)
    );
    let twice = Beginning {
        answer: Some(answer("k", "x")),
        ..beginning("t")
    };
    assert_eq!(a.begin(twice).await, Err(LedgerError::Conflict));
    assert_eq!(a.load("t", 0).await, Ok(None));
    a.claim("no such session").await.expect("nobody has it");
    a.release("no such session");
    manifests_and_pruning(&a, &b).await;
    newer_and_wrong(&server).await;
}

async fn manifests_and_pruning(a: &Postgres, b: &Postgres) {
    let before = b.manifests_revision().await.expect("read");
    let first = manifest("2.0.0", "m2");
    assert_eq!(a.file_manifest(first.clone(), None).await, Ok(Filed::New));
    assert_eq!(b.file_manifest(first.clone(), None).await, Ok(Filed::Known));
    let other = manifest("2.0.0", "m3");
    assert_eq!(b.file_manifest(other, None).await, Ok(Filed::Other));
    let second = manifest("1.0.0", "m1");
    let taken = b
        .file_manifest(second.clone(), Some(answer("k", "x")))
        .await;
    assert_eq!(taken, Err(LedgerError::Conflict));
    let filed = b
        .file_manifest(second.clone(), Some(answer("n", "x")))
        .await;
    assert_eq!(filed, Ok(Filed::New));
    assert_eq!(a.manifests().await, Ok(vec![first, second.clone()]));
    assert_eq!(b.remove_manifest("m", "2.0.0").await, Ok(true));
    assert_eq!(b.remove_manifest("m", "2.0.0").await, Ok(false));
    assert_eq!(a.manifests().await, Ok(vec![second]));
    assert_eq!(a.manifests_revision().await, Ok(before + 3));
    // What is old goes; documents that somebody needs stay.
    a.begin(beginning("u")).await.expect("begun");
    let keep = Retention {
        transcripts_before: Timestamp::MIN,
        most_transcripts: u64::MAX,
        answers_before: Timestamp::MIN,
        most_answers: u64::MAX,
    };
    a.prune(keep).await.expect("pruned");
    assert!(a.archived("s").await.expect("read").is_some());
    assert!(a.answer("k").await.expect("read").is_some());
    let documents = [
        a.document("d").await,
        a.document("m1").await,
        a.document("m2").await,
    ];
    let there = documents.map(|document| document.expect("read").is_some());
    assert_eq!(there, [true, true, false]);
    let few = Retention {
        transcripts_before: at(2),
        most_answers: 1,
        ..keep
    };
    a.prune(few).await.expect("pruned");
    assert!(a.archived("s").await.expect("read").is_none());
    let answers = [a.answer("k").await, a.answer("n").await];
    assert_eq!(
        answers
            .iter()
            .filter(|found| matches!(found, Ok(Some(_))))
            .count(),
        1
    );
}

async fn newer_and_wrong(server: &Server) {
    let url = server.url();
    let link = Target::read(&url).expect("a URL").connect(true).await;
    let link = link.expect("connects");
    // What form 1 had not is made up for.
    let form_1 = "UPDATE oap.counters SET number = 1 WHERE name = 'form';
        ALTER TABLE oap.sessions DROP COLUMN opened;
        DROP TABLE oap.counts; DROP FUNCTION oap.recount";
    link.client.batch_execute(form_1).await.expect("changed");
    let ledger = Postgres::connect(&url, LEASE).await.expect("opens");
    let known = ledger.load("u", 0).await.expect("read").expect("open");
    let owned = ledger.owned(&known.owner, None, 10).await.expect("read");
    let of_u = owned.iter().find(|place| place.id == "u");
    assert_eq!(of_u.map(|place| place.opened), Some(known.touched));
    ledger.begin(beginning("v")).await.expect("begun");
    drop(ledger);
    let newer = "UPDATE oap.counters SET number = 3 WHERE name = 'form'";
    link.client.batch_execute(newer).await.expect("changed");
    let error = Postgres::connect(&url, LEASE).await.expect_err("newer");
    assert_eq!(error, ConnectError::Newer(3));
    for wrong in [
        "nonsense",
        "postgres://u:w0rd@h:port/d",
        "mysql://u:w0rd@h/d",
    ] {
        let error = Postgres::connect(wrong, LEASE).await.expect_err("no URL");
        assert_eq!(error, ConnectError::Url);
        assert!(!error.to_string().contains("w0rd"));
    }
    let absent = url.replace("/postgres?", "/absent?");
    let error = Postgres::connect(&absent, LEASE).await.expect_err("absent");
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    assert!(!error.to_string().contains("secret-in-url"), "{error}");
}

#[tokio::test]
async fn it_is_a_ledger() {
    if let Some(server) = Server::start().await {
        crate::store::contract::all(&ledger(&server).await).await;
    }
}

#[tokio::test]
async fn each_addition_lands_once_however_many_want_to() {
    let Some(server) = Server::start().await else {
        return;
    };
    let ids = ["a", "b", "c"];
    let mut replicas = Vec::new();
    for _ in 0..4 {
        replicas.push(Arc::new(ledger(&server).await));
    }
    for id in ids {
        replicas[0].begin(beginning(id)).await.expect("begun");
    }
    let mut tasks = Vec::new();
    for (number, replica) in replicas.iter().enumerate() {
        for task in 0..50 {
            let replica = Arc::clone(replica);
            let id = ids[task % ids.len()];
            tasks.push(tokio::spawn(async move {
                one_more(&replica, id, &format!("{number}.{task}")).await;
            }));
        }
    }
    for task in tasks {
        task.await.expect("every claim is granted in time");
    }
    let mut seen = Vec::new();
    for id in ids {
        seen.extend(rows(&replicas[0], id).await.into_iter().skip(1));
    }
    seen.sort();
    let mut wanted: Vec<_> = (0..4)
        .flat_map(|number| (0..50).map(move |task| format!("{number}.{task}")))
        .collect();
    wanted.sort();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn who_dies_loses_what_it_held_and_nothing_else() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (dying, living) = (ledger(&server).await, ledger(&server).await);
    dying.begin(beginning("s")).await.expect("begun");
    dying.claim("s").await.expect("claimed");
    let mut intent = addition("s", 1, "intent");
    intent.in_flight = true;
    dying.add(intent).await.expect("added");
    // A lease is renewed as long as its holder lives.
    let waiting = tokio::time::timeout(LEASE * 2, living.claim("s")).await;
    assert!(waiting.is_err(), "{waiting:?}");
    assert_eq!(
        living.in_flight(9).await.expect("read"),
        Vec::<String>::new()
    );
    let died = Instant::now();
    dying.die();
    living.claim("s").await.expect("the lease is over");
    assert!(died.elapsed() < LEASE * 3, "{:?}", died.elapsed());
    assert_eq!(rows(&living, "s").await, ["row 1", "intent"]);
    // One that is slow rather than dead is kept out by the fence.
    let slow = ledger(&server).await;
    living.add(addition("s", 2, "result")).await.expect("added");
    slow.begin(beginning("t")).await.expect("begun");
    slow.claim("t").await.expect("claimed");
    slow.tasks[1].abort();
    living.claim("t").await.expect("the lease is over");
    assert_eq!(
        slow.add(addition("t", 1, "late")).await,
        Err(LedgerError::Conflict)
    );
    living.add(addition("t", 1, "early")).await.expect("added");
    assert_eq!(rows(&slow, "t").await, ["row 1", "early"]);
    // Who is ended in order lets go at once.
    drop(living);
    let ended = Instant::now();
    let last = ledger(&server).await;
    last.claim("s").await.expect("let go of");
    assert!(ended.elapsed() < LEASE, "{:?}", ended.elapsed());
    // A call that had not ended is found when nobody has it.
    let mut intent = addition("s", 3, "intent");
    intent.in_flight = true;
    last.add(intent).await.expect("added");
    last.release("s");
    let found = async {
        while last.in_flight(9).await.expect("read").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    found.await;
}

#[tokio::test]
async fn a_database_that_is_gone_is_said_to_be_and_found_again() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let kept = Arc::new(ledger(&server).await);
    kept.begin(beginning("s")).await.expect("begun");
    kept.claim("s").await.expect("claimed");
    kept.add(addition("s", 1, "before")).await.expect("added");
    // In the middle of many additions; those that were acknowledged are there.
    let writing = tokio::spawn({
        let kept = Arc::clone(&kept);
        async move {
            for number in 0_u64.. {
                let scope = format!("k{number}");
                if let Err(error) = kept.keep_answer(answer(&scope, "a")).await {
                    return (number, error);
                }
            }
            unreachable!("there are enough numbers")
        }
    });
    while kept.answer("k20").await.expect("read").is_none() {
        tokio::task::yield_now().await;
    }
    server.kill().await;
    let (number, error) = writing.await.expect("written");
    assert!(matches!(error, LedgerError::Unavailable(_)), "{error}");
    let gone = Instant::now();
    unavailable(kept.add(addition("s", 2, "lost")).await);
    unavailable(kept.load("s", 0).await);
    unavailable(kept.claim("t").await);
    unavailable(kept.keep_answer(answer("x", "a")).await);
    unavailable(kept.manifests_revision().await);
    unavailable(
        kept.prune(Retention {
            transcripts_before: at(0),
            most_transcripts: 1,
            answers_before: at(0),
            most_answers: 1,
        })
        .await,
    );
    assert!(gone.elapsed() < PATIENCE, "{:?}", gone.elapsed());
    server.run().await;
    for written in 0..number {
        let found = kept.answer(&format!("k{written}")).await.expect("read");
        assert!(found.is_some(), "{written} of {number}");
    }
    // Nobody else took the session meanwhile, so it goes on.
    kept.add(addition("s", 2, "after")).await.expect("added");
    assert_eq!(rows(&kept, "s").await, ["row 1", "before", "after"]);
    // Started again while nobody looked: nobody notices.
    server.kill().await;
    server.run().await;
    kept.add(addition("s", 3, "later")).await.expect("added");
    // A server that stands still is as good as gone.
    server.freeze(true);
    let frozen = Instant::now();
    let (read, written) = tokio::join!(kept.load("s", 0), kept.keep_answer(answer("y", "a")));
    unavailable(read);
    unavailable(written);
    assert!(frozen.elapsed() < PATIENCE * 3, "{:?}", frozen.elapsed());
    // Now that it is known, nobody waits for it any more, but for one call a second.
    let known = Instant::now();
    for _ in 0..200 {
        unavailable(kept.load("s", 0).await);
    }
    server.freeze(false);
    assert!(known.elapsed() < PATIENCE * 3, "{:?}", known.elapsed());
    while kept.load("s", 0).await.is_err() {
        tokio::task::yield_now().await;
    }
    kept.release("s");
    one_more(&kept, "s", "last").await;
    assert_eq!(rows(&kept, "s").await.len(), 5);
}
