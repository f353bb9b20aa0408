//! Rules of the group `target`: `oap-target.toml`, as JSON or YAML says it.

mod definition;
pub(in crate::lint::rules) mod members;

pub(in crate::lint::rules) use definition::is_id;

use crate::lint::rule::{Check, Group, Rule};

const DESCRIBED: &str = "harness.md#10-how-a-target-is-started-and-described";

const GROUP: Group = Group::Target;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    GROUP.refused(
        "target_shape",
        DESCRIBED,
        Check::Other(definition::shape),
        "the definition of a target does not have the published shape",
        "A definition that does not satisfy its schema is refused before anything is started. Members and their types are in \
         spec/schemas/target.json, which editors can check while you type.",
    ),
    GROUP.refused(
        "target_not_loadable",
        DESCRIBED,
        Check::Told,
        "the members of a target's definition do not fit together",
        "A definition without an address or a program, one with both ways to start, or a variable with a name that is none, has the right \
         shape and is refused all the same, before anything is started.",
    ),
    GROUP.refused(
        "malformed_toml",
        DESCRIBED,
        Check::Loader,
        "the text is not TOML",
        "Nothing can be read from a definition that is not TOML: texts stand in quotes, tables in brackets, and each member has one line. The \
         place is where the text stops being TOML; the slip is there or right before it.",
    ),
    GROUP.refused(
        "unknown_target_member",
        DESCRIBED,
        Check::Other(definition::unknown_members),
        "the definition of a target has a member that there is not",
        "Unknown members are refused, because a misspelt one would leave its default in force without a word. Correct the name. Variables of \
         the target belong under `start.env`.",
    ),
    GROUP.refused(
        "unknown_placeholder",
        DESCRIBED,
        Check::Other(definition::placeholders),
        "a placeholder has a name that there is not",
        "Only the names that the harness knows are replaced, and others are refused. A variable of the harness' own environment comes by \
         `inherit`. Write `$${name}` for a text that looks like a placeholder.",
    ),
    GROUP.warned(
        "target_credential",
        DESCRIBED,
        Check::Other(definition::credentials),
        "a credential is written out in the definition of a target",
        "The file is kept beside the code, and a value in it is not known to the harness as a secret, so it shows in reports. Name the \
         variable that holds it in `secrets` or `headers_env`: values from there are redacted everywhere.",
    ),
    GROUP.warned(
        "remote_target",
        DESCRIBED,
        Check::Other(definition::remote),
        "the target is not on this machine, and nothing says that this is meant",
        "Cases create, close and delete sessions and manifests, and send test secrets. Such a target is refused unless `allow_destructive` is \
         true. Set it for a target that is made for tests only, or start one here.",
    ),
    GROUP.warned(
        "remote_target_over_http",
        DESCRIBED,
        Check::Other(definition::remote_over_http),
        "a target elsewhere is reached over http",
        "The tokens of callers and the values of `headers_env` cross the network with every request, where anybody can read them. Use https.",
    ),
    GROUP.warned(
        "shell_syntax",
        DESCRIBED,
        Check::Other(definition::shell),
        "a command uses what only a shell understands",
        "The command is split into words and started without a shell, so `&&`, `|` or `$(…)` go to the program as arguments. Use `cwd` and \
         `env`, or start a shell yourself: [\"sh\", \"-c\", \"…\"].",
    ),
    GROUP.broken(
        "excused_unknown_requirement",
        DESCRIBED,
        Check::Other(definition::unknown_in_cannot),
        "`cannot` names a requirement that there is not",
        "The entry excuses nothing, and the requirement that was meant is judged. Ids are three capitals, a hyphen and three digits; the \
         tables in spec/requirements/ have them all.",
    ),
    GROUP.warned(
        "excused_twice",
        DESCRIBED,
        Check::Other(definition::repeated_in_cannot),
        "`cannot` has an entry twice",
        "Only one of the reasons is shown, and who removes one entry believes that the case is judged again. Keep one.",
    ),
    GROUP.noted(
        "empty_reason",
        DESCRIBED,
        Check::Other(definition::reasons),
        "a reason in `cannot` says nothing",
        "The reason stands in every report for as long as the entry does, and tells readers whether to wait or to mind. Say what is missing, \
         and until when.",
    ),
    GROUP.warned(
        "part_without_profile",
        DESCRIBED,
        Check::Other(definition::parts_of_profiles),
        "a part of a profile is declared without the profile",
        "A part such as sandbox.python comes with the profile sandbox. Without it the cases of the profile do not apply, and \
         those of the part are judged on nothing. Declare both.",
    ),
    GROUP.noted(
        "open_bind",
        DESCRIBED,
        Check::Other(definition::open_bind),
        "model and services listen on all networks",
        "For a target in a container that may be needed, and everybody near the machine can then ask the scripted model and read what the \
         services were sent. Bind the address of the container's network where there is one.",
    ),
];
