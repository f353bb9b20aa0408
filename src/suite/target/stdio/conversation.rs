//! A conversation with one adapter: requests go out in lines, answers come back in any order, and nothing that the adapter writes
//! can hold the suite up or grow without bound.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot, watch};

use super::super::{Answer, HttpRequest, SendError};
use super::line::{self, Line, MOST_LINE};
use crate::suite::secrets::Secrets;

/// Lines that wait for the adapter to read them; who comes later waits with their own time running.
const WAITING_LINES: usize = 16;

/// How much of a wrong line is quoted, in characters.
const QUOTED: usize = 80;

/// How much of a wrong line is looked through for secrets before it is quoted, in bytes.
const LOOKED_THROUGH: usize = 64 << 10;

/// Where a conversation stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The adapter has not said yet that it is ready.
    Silent,
    /// Requests are answered.
    Ready,
    /// The adapter closed its output.
    Closed,
    /// It broke the protocol; the sentence says where and how.
    Broken(String),
}

/// What can be said to an adapter.
#[derive(Debug)]
pub(super) struct Conversation {
    outgoing: Mutex<Option<mpsc::Sender<Vec<u8>>>>,
    shared: Arc<Shared>,
}

impl Conversation {
    /// Talks over these two ends; requests are named by numbers from `first` on. Each end has a thread, which ends with the other
    /// side of it.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub(super) fn new(
        output: impl Read + Send + 'static,
        input: impl Write + Send + 'static,
        first: u64,
        secrets: Arc<Secrets>,
    ) -> Result<Self, String> {
        let (outgoing, lines) = mpsc::channel(WAITING_LINES);
        let shared = Arc::new(Shared {
            requests: Mutex::new(Requests {
                first,
                next: first,
                ..Requests::default()
            }),
            state: watch::Sender::new(State::Silent),
            secrets,
        });
        let ear = Arc::clone(&shared);
        thread("adapter-output", move || listen(output, &ear))?;
        thread("adapter-input", move || speak(input, lines))?;
        Ok(Self {
            outgoing: Mutex::new(Some(outgoing)),
            shared,
        })
    }

    /// Where it stands, now and later.
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.shared.state.subscribe()
    }

    /// Waits until the adapter closed its output or broke the protocol.
    pub(super) async fn over(&self) -> State {
        let mut state = self.state();
        let ended = state.wait_for(|state| matches!(state, State::Closed | State::Broken(_)));
        ended
            .await
            .map_or(State::Closed, |ended| State::clone(&ended))
    }

    /// The number of the next request.
    pub(super) fn next(&self) -> u64 {
        self.shared.requests().next
    }

    /// Sends a request and waits for its answer, as long as nobody drops this.
    pub(super) async fn exchange(&self, request: &HttpRequest) -> Result<Answer, SendError> {
        let gone = || SendError::Broken("the adapter ended".to_owned());
        let outgoing = lock(&self.outgoing).clone().ok_or_else(gone)?;
        let (asked, answer) = self.shared.ask().ok_or_else(gone)?;
        let line = line::write(&asked.id.to_string(), request)?;
        outgoing.send(line).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Closes the adapter's input, which asks it to end.
    pub(super) fn close(&self) {
        lock(&self.outgoing).take();
    }

    /// Nothing more comes, whoever may hold the output open: nobody waits any longer.
    pub(super) fn gone(&self) {
        self.shared.end(State::Closed);
    }
}

#[derive(Debug)]
struct Shared {
    requests: Mutex<Requests>,
    state: watch::Sender<State>,
    secrets: Arc<Secrets>,
}

/// The requests of a conversation. Those below `next` that are nowhere were answered.
#[derive(Debug, Default)]
struct Requests {
    first: u64,
    next: u64,
    open: BTreeMap<u64, oneshot::Sender<Result<Answer, SendError>>>,
    /// Nobody waits for these any more; their answers may still come.
    given_up: BTreeSet<u64>,
    ended: bool,
}

impl Shared {
    fn requests(&self) -> MutexGuard<'_, Requests> {
        lock(&self.requests)
    }

    fn ask(self: &Arc<Self>) -> Option<(Asked, oneshot::Receiver<Result<Answer, SendError>>)> {
        let mut requests = self.requests();
        if requests.ended {
            return None;
        }
        let id = requests.next;
        requests.next = id.saturating_add(1);
        let (sender, receiver) = oneshot::channel();
        requests.open.insert(id, sender);
        let asked = Asked {
            id,
            shared: Arc::clone(self),
        };
        Some((asked, receiver))
    }

    /// Takes in a line of the adapter.
    fn take_in(&self, line: &[u8]) -> Result<(), String> {
        let said = line::read(line)?;
        let silent = *self.state.borrow() == State::Silent;
        match said {
            Line::Greeting if silent => {
                self.state.send_replace(State::Ready);
                Ok(())
            }
            Line::Greeting => Err("it says once more that it is ready".to_owned()),
            Line::Answer(..) if silent => Err(
                r#"it is an answer before the first line {"ready": true, "protocol": "oap-stdio/1"}"#
                    .to_owned(),
            ),
            Line::Answer(id, answer) => self.answer(&id, answer),
        }
    }

    fn answer(&self, id: &str, answer: Result<Answer, SendError>) -> Result<(), String> {
        let mut requests = self.requests();
        let number = id
            .parse::<u64>()
            .ok()
            .filter(|number| number.to_string() == id)
            .filter(|number| (requests.first..requests.next).contains(number))
            .ok_or("no request has its id")?;
        if let Some(waiting) = requests.open.remove(&number) {
            // Whoever has just stopped waiting does not mind.
            let _ = waiting.send(answer);
            return Ok(());
        }
        if requests.given_up.remove(&number) {
            return Ok(());
        }
        Err("its id was answered already".to_owned())
    }

    /// The conversation is over; the first reason stands.
    fn end(&self, end: State) {
        let mut requests = self.requests();
        if requests.ended {
            return;
        }
        requests.ended = true;
        let why = match &end {
            State::Broken(why) => why.clone(),
            _ => "the adapter ended".to_owned(),
        };
        for (_, waiting) in std::mem::take(&mut requests.open) {
            let _ = waiting.send(Err(SendError::Broken(why.clone())));
        }
        self.state.send_replace(end);
    }

    fn broken(&self, number: u64, why: &str, line: &[u8]) {
        let read = String::from_utf8_lossy(line.get(..LOOKED_THROUGH).unwrap_or(line));
        let mut quoted: String = self
            .secrets
            .redact_text(&read)
            .chars()
            .take(QUOTED)
            .flat_map(char::escape_debug)
            .collect();
        if line.len() > QUOTED {
            quoted.push('…');
        }
        self.end(State::Broken(format!(
            "the adapter's line {number} breaks oap-stdio/1: {}; the line begins: {quoted}",
            self.secrets.redact_text(why)
        )));
    }
}

/// A request that waits for its answer; dropped, it is given up.
struct Asked {
    id: u64,
    shared: Arc<Shared>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        let mut requests = self.shared.requests();
        if requests.open.remove(&self.id).is_some() {
            requests.given_up.insert(self.id);
        }
    }
}

fn listen(output: impl Read, shared: &Shared) {
    let mut output = BufReader::with_capacity(64 << 10, output);
    for number in 1_u64.. {
        let mut line = Vec::new();
        let most = u64::try_from(MOST_LINE).unwrap_or(u64::MAX);
        // An output that cannot be read is at its end.
        let _ = (&mut output)
            .take(most.saturating_add(1))
            .read_until(b'\n', &mut line);
        if line.pop_if(|last| *last == b'\n').is_none() {
            if line.len() > MOST_LINE {
                let why = format!("it has more than {MOST_LINE} bytes");
                shared.broken(number, &why, &line);
                break;
            }
            // What was cut off says nothing.
            shared.end(State::Closed);
            return;
        }
        if let Err(why) = shared.take_in(&line) {
            shared.broken(number, &why, &line);
            break;
        }
    }
    // Whoever goes on writing must not wait for a reader.
    let _ = std::io::copy(&mut output, &mut std::io::sink());
}

/// How many of so many waiting requests are answered by what an adapter writes; the door for fuzzing.
pub fn overheard(output: &[u8], requests: usize) -> usize {
    let shared = Arc::new(Shared {
        requests: Mutex::default(),
        state: watch::Sender::new(State::Silent),
        secrets: Arc::new(Secrets::new([])),
    });
    let waiting: Vec<_> = (0..requests).filter_map(|_| shared.ask()).collect();
    listen(output, &shared);
    let answered = waiting
        .into_iter()
        .map(|(_asked, mut answer)| answer.try_recv());
    answered
        .filter(|answer| matches!(answer, Ok(Ok(_))))
        .count()
}

fn speak(mut input: impl Write, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(line) = lines.blocking_recv() {
        // Who does not read any more has ended, and the other thread learns of it.
        if input.write_all(&line).is_err() || input.flush().is_err() {
            return;
        }
    }
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(|_| ())
        .map_err(|error| format!("no thread can be started for the adapter: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::io::{Lines, PipeReader, PipeWriter};
    use std::time::Duration;

    const READY: &str = "{\"ready\": true, \"protocol\": \"oap-stdio/1\"}\n";

    /// The adapter's side.
    struct Adapter {
        says: PipeWriter,
        hears: Lines<BufReader<PipeReader>>,
    }

    impl Adapter {
        fn say(&mut self, text: &str) {
            self.says.write_all(text.as_bytes()).expect("written");
        }

        fn hear(&mut self) -> Value {
            let line = self.hears.next().expect("a line").expect("read");
            serde_json::from_str(&line).expect("JSON")
        }

        fn answer(&mut self, id: &str, status: u16) {
            self.say(&answer(id, status));
        }
    }

    fn answer(id: &str, status: u16) -> String {
        let line = json!({"id": id, "status": status, "headers": [], "body": null});
        format!("{line}\n")
    }

    fn talk() -> (Conversation, Adapter) {
        let (output, says) = std::io::pipe().expect("a pipe");
        let (hears, input) = std::io::pipe().expect("a pipe");
        let secrets = Secrets::new([("KEY".to_owned(), "s3cr3t-value".to_owned())]);
        let talk = Conversation::new(output, input, 5, Arc::new(secrets)).expect("threads");
        let hears = BufReader::new(hears).lines();
        (talk, Adapter { says, hears })
    }

    /// Lets the adapter act while somebody waits.
    async fn act<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.expect("it acts")
    }

    #[tokio::test]
    async fn answers_come_in_any_order() {
        let (talk, mut adapter) = talk();
        adapter.say(READY);
        let (one, two) = (HttpRequest::new("GET", "/1"), HttpRequest::new("GET", "/2"));
        let acting = act(move || {
            let (first, second) = (adapter.hear(), adapter.hear());
            let ids = [&first["id"], &second["id"]].map(|id| id.as_str().expect("text"));
            assert_eq!(ids, ["5", "6"]);
            let status = |line: &Value| if line["path"] == "/1" { 201 } else { 202 };
            adapter.answer(ids[1], status(&second));
            adapter.answer(ids[0], status(&first));
            adapter
        });
        let (one, two, _adapter) = tokio::join!(talk.exchange(&one), talk.exchange(&two), acting);
        assert_eq!(one.expect("answered").status, 201);
        assert_eq!(two.expect("answered").status, 202);
        assert_eq!(talk.next(), 7);
    }

    #[tokio::test]
    async fn a_late_answer_is_thrown_away_and_a_second_one_is_not() {
        let (talk, mut adapter) = talk();
        adapter.say(READY);
        let request = HttpRequest::new("GET", "/1");
        let waited = tokio::time::timeout(Duration::from_millis(20), talk.exchange(&request));
        assert!(waited.await.is_err());
        let acting = act(move || {
            for _ in 0..2 {
                let id = adapter.hear()["id"].as_str().expect("text").to_owned();
                adapter.answer(&id, 200);
            }
            adapter
        });
        let (answered, mut adapter) = tokio::join!(talk.exchange(&request), acting);
        assert!(answered.is_ok());
        adapter.answer("5", 200);
        let State::Broken(why) = talk.over().await else {
            panic!("broken");
        };
        assert!(
            why.contains("line 4") && why.contains("answered already"),
            "{why}"
        );
        assert!(talk.exchange(&request).await.is_err());
    }

    #[tokio::test]
    async fn what_breaks_the_protocol_names_its_line_and_no_secret() {
        for (text, says) in [
            ("loading…\n", "line 1 breaks oap-stdio/1: it is not JSON"),
            (
                &answer("5", 200),
                "line 1 breaks oap-stdio/1: it is an answer before",
            ),
            (
                &format!("{READY}{READY}"),
                "line 2 breaks oap-stdio/1: it says once more",
            ),
            (
                &format!("{READY}{}", answer("5", 200)),
                "line 2 breaks oap-stdio/1: no request has its id",
            ),
            (
                &format!("{READY}key s3cr3t-value\n"),
                "begins: key [REDACTED]",
            ),
        ] {
            let (talk, mut adapter) = talk();
            adapter.say(text);
            let State::Broken(why) = talk.over().await else {
                panic!("{text}");
            };
            assert!(why.contains(says), "{why}");
            assert!(!why.contains("s3cr3t"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_line_without_end_is_bounded_and_holds_nobody_up() {
        let (talk, mut adapter) = talk();
        let flood = act(move || {
            let block = vec![b'x'; 1 << 16];
            for _ in 0..(MOST_LINE >> 16) + 32 {
                adapter.says.write_all(&block).expect("read");
            }
        });
        let (state, ()) = tokio::join!(talk.over(), flood);
        let State::Broken(why) = state else {
            panic!("broken");
        };
        assert!(why.contains("more than 33554432 bytes"), "{why}");
    }

    #[tokio::test]
    async fn an_adapter_that_ends_leaves_nobody_waiting() {
        let (talk, mut adapter) = talk();
        adapter.say(READY);
        let request = HttpRequest::new("GET", "/1");
        let acting = act(move || {
            adapter.hear();
            adapter.say("{\"id\": \"5\", \"sta");
        });
        let (answered, ()) = tokio::join!(talk.exchange(&request), acting);
        assert!(matches!(answered, Err(SendError::Broken(_))));
        assert_eq!(talk.over().await, State::Closed);
    }

    #[tokio::test]
    async fn closing_ends_the_adapters_input() {
        let (talk, mut adapter) = talk();
        talk.close();
        assert!(act(move || adapter.hears.next().is_none()).await);
    }
}
