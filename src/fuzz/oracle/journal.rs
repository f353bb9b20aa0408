//! Which calls of the journal are accounted for. Each step of a case has its own stretch of the journal. Within it calls made one after
//! another stand in that order; of calls at the same time only what they are tells whose they are.

use mock_services::Call;

use super::request::Wanted;
use super::said::is_model;
use super::session::Session;
use crate::suite::sight::model_request;

/// The calls of one run, with those that are accounted for.
#[derive(Debug, Clone)]
pub struct Journal<'a> {
    calls: &'a [Call],
    used: Vec<bool>,
    /// What comes from here on was not there yet when the present step was over.
    end: usize,
    /// Whether calls can stand between those that are looked for: something ran at the same time, or cannot be foreseen.
    pub mixed: bool,
}

impl<'a> Journal<'a> {
    /// Nothing is accounted for.
    pub fn new(calls: &'a [Call]) -> Self {
        Self {
            calls,
            used: vec![false; calls.len()],
            end: calls.len(),
            mixed: false,
        }
    }

    /// Begins the stretch of a step after which the journal had so many calls; `None`: all of them, because nobody counted.
    pub fn begin(&mut self, calls: Option<usize>) {
        self.end = calls.map_or(self.calls.len(), |calls| calls.min(self.calls.len()));
    }

    /// Ends the stretch of a step: whatever was not accounted for is nobody's from now on.
    pub fn over(&mut self) {
        self.used[..self.end].fill(true);
        self.mixed = false;
    }

    fn unused(&self) -> impl Iterator<Item = (usize, &'a Call)> {
        let free = self.calls[..self.end].iter().enumerate();
        free.filter(|(index, _)| !self.used[*index])
    }

    fn take(&mut self, index: usize) -> &'a Call {
        self.used[index] = true;
        &self.calls[index]
    }

    /// The next call to the model that this session can have made. Calls to services before it are what is left of nothing: they are
    /// returned beside it.
    pub fn model(&mut self, session: &Session) -> (Vec<&'a Call>, Option<&'a Call>) {
        if self.mixed {
            let own = self
                .unused()
                .filter(|(_, call)| is_model(call))
                .find(|(_, call)| {
                    let request = model_request(call);
                    request
                        .get("observation")
                        .is_some_and(|shown| session.differs(shown).is_none())
                });
            let own = own.map(|(index, _)| index);
            return (Vec::new(), own.map(|index| self.take(index)));
        }
        let mut strays = Vec::new();
        loop {
            let Some((index, call)) = self.unused().next() else {
                return (strays, None);
            };
            self.used[index] = true;
            if is_model(call) {
                return (strays, Some(call));
            }
            strays.push(call);
        }
    }

    /// The call that stands for a request.
    pub fn service(&mut self, wanted: &Wanted) -> Option<&'a Call> {
        let index = if self.mixed {
            let services = || self.unused().filter(|(_, call)| !is_model(call));
            let fits = services().find(|(_, call)| wanted.fits(call));
            fits.or_else(|| services().find(|(_, call)| wanted.is_near(call)))
                .map(|(index, _)| index)
        } else {
            self.unused()
                .next()
                .filter(|(_, call)| !is_model(call))
                .map(|(index, _)| index)
        };
        index.map(|index| self.take(index))
    }

    /// The next call to a service, whatever it is; none where the next one is to the model.
    pub fn any_service(&mut self) -> Option<&'a Call> {
        let (index, call) = self.unused().next()?;
        (!is_model(call)).then(|| self.take(index))
    }

    /// The calls of this stretch that nothing has accounted for.
    pub fn left(&self) -> Vec<&'a Call> {
        self.unused().map(|(_, call)| call).collect()
    }
}

/// A call that a service answered as it should.
#[cfg(test)]
pub(in crate::fuzz) fn sample_call(
    service: mock_services::Service,
    path: &str,
    body: serde_json::Value,
) -> Call {
    Call {
        seq: 1,
        at: 0,
        token: None,
        service,
        method: "POST".into(),
        path: path.into(),
        query: Vec::new(),
        headers: Default::default(),
        body,
        auth: mock_services::Auth::Ok,
        status: 200,
        entry: None,
        unmatched: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mock_services::Service;

    fn call(seq: u64) -> Call {
        Call {
            seq,
            ..sample_call(Service::Crm, "/v1/x", serde_json::Value::Null)
        }
    }

    #[test]
    fn a_step_sees_its_own_stretch() {
        let calls = [call(1), call(2), call(3)];
        let mut journal = Journal::new(&calls);
        let seen = |journal: &Journal<'_>| -> Vec<u64> {
            journal.left().iter().map(|call| call.seq).collect()
        };
        journal.begin(Some(1));
        assert_eq!(seen(&journal), [1]);
        journal.mixed = true;
        journal.over();
        assert!(!journal.mixed, "what is over mixes with nothing");
        journal.begin(Some(2));
        assert_eq!(journal.any_service().map(|call| call.seq), Some(2));
        journal.over();
        journal.begin(None);
        assert_eq!(seen(&journal), [3]);
    }
}
