//! Load on any runtime over the wire: an open loop that never waits for answers, and that looks at each of them.
//!
//! ```text
//! schedule → arrivals → queue → seats → suite::execute through a gate → matcher, judge → tally → comparison, report
//! ```
//!
//! When a request is due is decided before anything is sent, and its latency is counted from then: a target that stalls is charged
//! for all that would have come meanwhile. There is no second harness either: a [`seat`] runs an ordinary case again and again by
//! the suite's own `execute`, and a [`gate`] between it and the target holds each timed request back until one is due. So every
//! answer is matched as in `run`, and after each round the judge looks at what the model and the services saw.

pub mod campaign;
pub mod compare;
pub mod contender;
pub mod gate;
pub mod knee;
pub mod pace;
pub mod report;
pub mod schedule;
pub mod seat;
pub mod tally;
pub mod terms;
pub mod workload;

pub use campaign::{Watch, bench};
pub use contender::Entrant;
pub use report::Outcome;
pub use terms::{Bound, Plan, Rate};
pub use workload::Workload;
