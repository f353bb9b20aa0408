//! A target that the harness started, however it is spoken to.

use std::sync::Arc;

use super::Target;
use super::command::{self, CommandTarget};
use super::stdio::{self, StdioTarget};
use crate::suite::verdict::RunError;

/// A running target of the harness' own.
pub enum Started {
    /// One that listens.
    Command(Arc<CommandTarget>),
    /// One behind an adapter.
    Stdio(Arc<StdioTarget>),
}

impl Started {
    /// Starts one that listens.
    ///
    /// # Errors
    /// As [`CommandTarget::start`].
    pub async fn listening(plan: command::Plan) -> Result<Self, RunError> {
        CommandTarget::start(plan).await.map(Self::Command)
    }

    /// Starts one behind an adapter.
    ///
    /// # Errors
    /// As [`StdioTarget::start`].
    pub async fn behind(plan: stdio::Plan) -> Result<Self, RunError> {
        StdioTarget::start(plan).await.map(Self::Stdio)
    }

    /// What is asked.
    pub fn target(&self) -> Arc<dyn Target> {
        match self {
            Self::Command(target) => Arc::clone(target) as _,
            Self::Stdio(target) => Arc::clone(target) as _,
        }
    }

    /// Ends it.
    pub async fn stop(&self) {
        match self {
            Self::Command(target) => target.stop().await,
            Self::Stdio(target) => target.stop().await,
        }
    }

    /// What there is to say of how it ended, with the last that it wrote; `None` when it never did by itself.
    pub fn remark(&self) -> Option<String> {
        match self {
            Self::Command(target) => target.remark(),
            Self::Stdio(target) => target.remark(),
        }
    }

    /// What it wrote last, without secrets.
    pub fn log(&self) -> String {
        match self {
            Self::Command(target) => target.log(),
            Self::Stdio(target) => target.log(),
        }
    }

    /// Waits until an adapter breaks its protocol, which ends a run.
    pub async fn broken(&self) -> RunError {
        match self {
            Self::Command(_) => std::future::pending().await,
            Self::Stdio(target) => target.broken().await,
        }
    }

    /// How an adapter broke its protocol, if it did; all that it wrote is known when it was stopped.
    pub fn broke(&self) -> Option<RunError> {
        match self {
            Self::Command(_) => None,
            Self::Stdio(target) => target.broke(),
        }
    }
}
