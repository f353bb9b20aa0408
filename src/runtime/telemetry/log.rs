//! Where log lines go: a thread of its own writes them, so that a reader who takes nothing holds up no step.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::sync::oneshot;

use super::settings::LogSink;

/// Most lines that wait to be written; a reader who takes nothing costs no more memory than these.
const WAITING: usize = 8192;

/// What the thread is sent.
enum Order {
    Write(String),
    Tell(oneshot::Sender<()>),
}

/// Writes lines.
pub struct LogWriter {
    orders: SyncSender<Order>,
}

impl LogWriter {
    /// Opens the place and starts the thread, which ends with this.
    ///
    /// # Errors
    /// When the file cannot be opened, or there can be no further thread.
    pub fn start(sink: &LogSink) -> io::Result<Self> {
        let into: Box<dyn Write + Send> = match sink {
            LogSink::Stdout => Box::new(io::stdout()),
            LogSink::Stderr => Box::new(io::stderr()),
            LogSink::File(path) => {
                Box::new(OpenOptions::new().create(true).append(true).open(path)?)
            }
        };
        Self::into(into)
    }

    fn into(into: Box<dyn Write + Send>) -> io::Result<Self> {
        let (orders, ordered) = sync_channel(WAITING);
        thread::Builder::new()
            .name("log lines".to_owned())
            .spawn(move || write(&ordered, BufWriter::new(into)))?;
        Ok(Self { orders })
    }

    /// Writes a line some time soon; whether there was room for it.
    pub fn put(&self, line: String) -> bool {
        self.orders.try_send(Order::Write(line)).is_ok()
    }

    /// Told once everything put so far is written.
    pub fn written(&self) -> Option<oneshot::Receiver<()>> {
        let (tell, told) = oneshot::channel();
        let sent = self.orders.try_send(Order::Tell(tell));
        sent.is_ok().then_some(told)
    }
}

/// Writes until nobody can order any more. A place that takes nothing any more (a closed pipe, a full disk) loses its lines;
/// nothing could be told about it there.
fn write(ordered: &Receiver<Order>, mut into: impl Write) {
    while let Ok(first) = ordered.recv() {
        let mut next = Some(first);
        while let Some(order) = next {
            match order {
                Order::Write(mut line) => {
                    line.push('\n');
                    let _ = into.write_all(line.as_bytes());
                }
                Order::Tell(tell) => {
                    let _ = into.flush();
                    let _ = tell.send(());
                }
            }
            next = ordered.try_recv().ok();
        }
        let _ = into.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place that takes nothing before it is allowed to.
    struct Closed(std::sync::mpsc::Receiver<()>);

    impl Write for Closed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_file_gets_every_line_behind_what_it_had() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        std::fs::write(&path, "before\n").expect("written");
        let writer = LogWriter::start(&LogSink::File(path.clone())).expect("starts");
        assert!(writer.put("one".to_owned()) && writer.put("two".to_owned()));
        writer.written().expect("room").await.expect("told");
        assert_eq!(
            std::fs::read_to_string(&path).expect("read"),
            "before\none\ntwo\n"
        );
        let nowhere = LogSink::File(folder.path().join("no/such"));
        assert!(LogWriter::start(&nowhere).is_err());
    }

    #[test]
    fn a_reader_who_takes_nothing_holds_up_nobody() {
        let (open, closed) = std::sync::mpsc::channel();
        let writer = LogWriter::into(Box::new(Closed(closed))).expect("starts");
        let line = "x".repeat(16 * 1024);
        let taken = (0..WAITING * 2)
            .filter(|_| writer.put(line.clone()))
            .count();
        assert!((WAITING..WAITING * 2).contains(&taken));
        drop(open);
    }
}
