//! How a mutant with one part swapped is written down.

/// A mutant that is the reference but for the methods given, with commas between them, as rustfmt sets them.
macro_rules! swap {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::Parts for Swapped {
            $($methods)+
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about workflows.
macro_rules! swap_workflow {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::workflow::parts::WorkflowParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn workflow(&self) -> &dyn $crate::workflow::parts::WorkflowParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about access.
macro_rules! swap_access {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::access::AccessParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn access(&self) -> &dyn $crate::runtime::access::AccessParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about sandboxed code.
macro_rules! swap_sandbox {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::sandbox::SandboxParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn sandbox(&self) -> &dyn $crate::runtime::sandbox::SandboxParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about files.
macro_rules! swap_storage {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::files::StorageParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn storage(&self) -> &dyn $crate::runtime::files::StorageParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about what workflows and access mean inside a session.
macro_rules! swap_session {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::session::parts::SessionParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn in_session(&self) -> &dyn $crate::runtime::session::parts::SessionParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about reading less.
macro_rules! swap_reads {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::reads::ReadsParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn reads(&self) -> &dyn $crate::runtime::reads::ReadsParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}

/// A mutant that is the reference but for these decisions about what its operator is told.
macro_rules! swap_telemetry {
    ($name:literal, $requirement:literal, $behaviour:literal, $($methods:item),+ $(,)?) => {{
        struct Swapped;
        impl $crate::runtime::telemetry::TelemetryParts for Swapped {
            $($methods)+
        }
        impl $crate::runtime::Parts for Swapped {
            fn telemetry(&self) -> &dyn $crate::runtime::telemetry::TelemetryParts {
                self
            }
        }
        $crate::mutants::Mutant::part($name, $requirement, $behaviour, Swapped)
    }};
}
