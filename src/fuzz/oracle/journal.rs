//! Which calls of the journal are accounted for. Calls made one after another stand there in that order; of calls at the same time only
//! what they are tells whose they are.

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
    /// Whether calls can stand between those that are looked for: something ran at the same time, or cannot be foreseen.
    pub mixed: bool,
}

impl<'a> Journal<'a> {
    /// Nothing is accounted for.
    pub fn new(calls: &'a [Call]) -> Self {
        Self {
            calls,
            used: vec![false; calls.len()],
            mixed: false,
        }
    }

    fn unused(&self) -> impl Iterator<Item = (usize, &'a Call)> {
        let free = self.calls.iter().enumerate();
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

    /// The calls that nothing has accounted for.
    pub fn left(&self) -> Vec<&'a Call> {
        self.unused().map(|(_, call)| call).collect()
    }
}
