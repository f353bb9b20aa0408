//! Runtimes that name, offer or read code otherwise than its definition says (`spec/sandbox.md`, section 1).

use super::super::Mutant;
use crate::diagnostic::Violation;
use crate::manifest::{Manifest, RunCode};
use crate::requirement::Profile;
use crate::runtime::sandbox::asked;
use crate::sandbox::{Failure, Language, Program, Sandbox};
use crate::suite::options::test_secrets;

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [runtimes(), code()].into_iter().flatten().collect()
}

fn runtimes() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "code-runtimes-are-not-named",
            "SBX-001",
            "capabilities name no code runtime",
            fn runtimes(&self, _: &[Profile]) -> Vec<&'static str> {
                Vec::new()
            }
        ),
        swap_sandbox!(
            "every-python-is-python",
            "SBX-002",
            "takes any python3.N for the Python that there is",
            fn language(&self, profiles: &[Profile], runtime: &str) -> Option<Language> {
                let runtime = if runtime.starts_with("python3.") {
                    "python3"
                } else {
                    runtime
                };
                asked::language(profiles, runtime)
            }
        ),
        swap_sandbox!(
            "runtimes-begin-alike",
            "SBX-002",
            "takes a runtime whose name begins as that of an offered one does",
            fn language(&self, profiles: &[Profile], runtime: &str) -> Option<Language> {
                let offered = asked::runtimes(profiles);
                let alike = offered
                    .iter()
                    .find(|offered| offered.starts_with(runtime))?;
                asked::language(profiles, alike)
            }
        ),
        swap_sandbox!(
            "python3-alone-is-unknown",
            "SBX-002",
            "wants a minor version with python3",
            fn language(&self, profiles: &[Profile], runtime: &str) -> Option<Language> {
                asked::language(profiles, runtime).filter(|_| runtime != "python3")
            }
        ),
        swap_sandbox!(
            "unoffered-runtimes-are-registered",
            "SBX-002",
            "registers code that it cannot run",
            fn unsupported_runtimes(&self, _: &Manifest, _: &[Profile]) -> Vec<Violation> {
                Vec::new()
            }
        ),
    ]
}

/// The program with a reference in its code replaced.
fn replaced(language: Language, code: &RunCode, reference: &str, value: &str) -> Program {
    let program = asked::program(language, code);
    Program {
        code: program.code.replace(reference, value).into(),
        ..program
    }
}

fn code() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "code-is-not-looked-at",
            "SBX-003",
            "registers code that does not parse",
            fn check_code(&self, _: &Sandbox, _: &Program, _: bool) -> Result<(), Failure> {
                Ok(())
            }
        ),
        swap_sandbox!(
            "code-gets-secrets",
            "SBX-004",
            "replaces references to secrets in code",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                let secrets = test_secrets();
                let known = secrets.iter().find(|(name, _)| name == "CALENDAR_TOKEN");
                let secret = known.map_or("", |(_, secret)| secret);
                replaced(language, code, "${CALENDAR_TOKEN}", secret)
            }
        ),
        swap_sandbox!(
            "code-gets-variables",
            "SBX-004",
            "replaces references to endpoint variables in code",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                replaced(language, code, "${OAP_TEST_REGION}", "eu")
            }
        ),
        swap_sandbox!(
            "unset-references-in-code-vanish",
            "SBX-004",
            "takes references to nothing out of code",
            fn program(&self, language: Language, code: &RunCode) -> Program {
                replaced(language, code, "${OAP_TEST_UNSET}", "")
            }
        ),
    ]
}
