//! Rules of the group `ergonomics`: what makes a manifest easy to use, for models and for people.

mod descriptions;
mod inputs;
mod names;
pub(in crate::lint::rules) mod words;

use crate::lint::rule::{Check, Found, Group, Preset, Rule, Severity};
use crate::lint::subject::Subject;

const GOOD: &str = "manifests.md#6-keeping-a-manifest-good";
const ACTIONS: &str = "manifests.md#2-actions";
const DIGEST: &str = "manifests.md#4-two-spellings";
const CALLS: &str = "manifests.md#5-invoke_api";

type Run = fn(&Subject<'_>, &mut Found<'_>);

/// Could be better, and only who asks for everything wants to know.
const fn noted(
    id: &'static str,
    clause: &'static str,
    run: Run,
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        id,
        group: Group::Ergonomics,
        severity: Severity::Note,
        preset: Preset::Strict,
        clause,
        summary,
        why,
        check: Check::Manifest(run),
    }
}

/// Could be better, and most authors want to know.
const fn told(
    id: &'static str,
    clause: &'static str,
    run: Run,
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        preset: Preset::Recommended,
        ..noted(id, clause, run, summary, why)
    }
}

/// Will surprise somebody.
const fn warned(
    id: &'static str,
    clause: &'static str,
    run: Run,
    summary: &'static str,
    why: &'static str,
) -> Rule {
    Rule {
        severity: Severity::Warning,
        ..told(id, clause, run, summary, why)
    }
}

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    noted(
        "missing_description",
        ACTIONS,
        descriptions::missing,
        "the manifest, an action or an intent has no description",
        "A model chooses among actions by their names and descriptions, and people among manifests and intents. Without a description the \
         choice is a guess. One sentence is enough: what it does, when to use it, what comes back.",
    ),
    noted(
        "undescribed_argument",
        ACTIONS,
        descriptions::undescribed,
        "an argument has no description",
        "The model fills in arguments from the schema alone. A name such as `date` does not say of what, or in which zone. Say in the \
         schema what is meant, with the unit.",
    ),
    told(
        "thin_description",
        ACTIONS,
        descriptions::thin,
        "a description repeats the name or is too short to say anything",
        "`create_event: Create event.` tells a model nothing that it did not know. Say what the action does, when to use it rather than \
         another one, and what comes back.",
    ),
    noted(
        "long_description",
        ACTIONS,
        descriptions::long,
        "a description has more than 1000 characters",
        "Every step sends it to the model, together with those of all other actions. What matters drowns in it. Keep to what is \
         needed for the choice, and put the rest into the arguments' descriptions.",
    ),
    noted(
        "long_prompt",
        "MAN-013",
        descriptions::long_prompts,
        "the question of a human intervention has more than 1500 characters",
        "People answer long questions without reading them, and the answer is then worth nothing. Ask one thing, and show only what is \
         needed to decide it.",
    ),
    warned(
        "same_description",
        ACTIONS,
        descriptions::same,
        "two actions have the same description",
        "A model that reads one description twice chooses between the actions by chance. It is often a copy that nobody finished. Say of \
         each what the other one does not do.",
    ),
    told(
        "untrimmed_description",
        ACTIONS,
        descriptions::untrimmed,
        "a description begins or ends with white space",
        "The text goes into prompts as it stands, and the white space with it; it also changes the manifest's digest. Take it out.",
    ),
    told(
        "unfinished_text",
        GOOD,
        descriptions::unfinished,
        "TODO, FIXME or filler was left in a text",
        "Descriptions and prompts are read by models and people, who take the mark for a part of the text, and code with it is not \
         finished. Finish it, or take it out.",
    ),
    warned(
        "similar_names",
        "MAN-008",
        names::similar,
        "two names are one slip of the hand apart",
        "Models and people mistype names, and a slip that gives another name is executed instead of refused. Rename one of the two. \
         Plurals, numbers and words with another first letter are not reported.",
    ),
    warned(
        "names_differ_in_case",
        "MAN-008",
        names::same_but_case,
        "two names differ in capitals or separators only",
        "Names are compared letter by letter, so `send_mail` and `sendMail` are two actions, and nobody knows which is which. Give one of \
         them a name that says the difference.",
    ),
    noted(
        "mixed_naming_style",
        GOOD,
        names::styles,
        "names are written in different styles",
        "In one list `book_room`, `bookTable` and `book-flight` invite misspelling. Write all of them like most of them are written.",
    ),
    noted(
        "vague_name",
        GOOD,
        names::vague,
        "an action has a name that says nothing",
        "A name such as `run` or `action1` leaves the choice to the description alone, and says nothing in logs and transcripts. Name the \
         verb and what it acts on.",
    ),
    warned(
        "untrimmed_name",
        ACTIONS,
        names::untrimmed,
        "the name of a member, or one of its values, has white space at an end",
        "`\"email \"` and `\"email\"` are two members, and no editor shows the difference. Arguments by the right name are then refused or \
         lost. Take the white space out, here and wherever the name is used.",
    ),
    noted(
        "shadowed_length",
        "EXP-010",
        names::shadowed_length,
        "a member is called `length`",
        "In expressions `.length` gives the member of that name and not the count, so a conditional that counts members reads something \
         else without a word. Give the member another name.",
    ),
    noted(
        "identical_actions",
        GOOD,
        names::identical,
        "two actions differ in nothing but their names",
        "A model has to choose where there is no choice, and each change has to be made twice. Keep one of them.",
    ),
    told(
        "actions_without_intents",
        GOOD,
        inputs::many_actions,
        "more than 50 actions, and no intent",
        "All actions are shown to the model at each step, and it chooses the worse the more there are. Group them into intents, so that a \
         session is shown only what its goal needs, or make several manifests of it.",
    ),
    noted(
        "crowded_input",
        GOOD,
        inputs::crowded,
        "an action takes more than 20 arguments",
        "Models leave arguments out, or make them up, when there are many. Group what belongs together in objects, or make several actions of \
         one.",
    ),
    noted(
        "long_enum",
        GOOD,
        inputs::long_enums,
        "an enum has more than 100 members",
        "The whole list is part of every prompt, and of every refusal that tells the model what was wrong. Let an action look values up, or \
         describe them by a pattern.",
    ),
    noted(
        "open_input",
        ACTIONS,
        inputs::open,
        "an input admits members that are not declared",
        "A misspelt optional argument gets through unnoticed, and the action runs without it. With `\"additionalProperties\": false` the \
         model is told, and asked again. Add it unless the service takes members of any name.",
    ),
    noted(
        "unbounded_string",
        ACTIONS,
        inputs::strings,
        "a text of an input may be of any length",
        "A model that goes wrong goes on and on, and the service gets all of it. Give texts a `maxLength`; an enum, a format or a pattern \
         serves as well.",
    ),
    noted(
        "unbounded_array",
        ACTIONS,
        inputs::arrays,
        "an array of an input may have any number of elements",
        "One call with ten thousand recipients is one call for every rate limit. Give arrays a `maxItems` that a person would find \
         reasonable.",
    ),
    noted(
        "unbounded_object",
        ACTIONS,
        inputs::objects,
        "a map of an input may have any number of members",
        "An object whose names are free is a list by another name, and wants a bound as lists do. Add `maxProperties`.",
    ),
    warned(
        "inexact_number",
        DIGEST,
        inputs::inexact,
        "an integer is past 2^53",
        "Digests are taken of canonical JSON, whose numbers are doubles, so the last digits of such an integer are lost, and two manifests that \
         differ in them have one digest. JavaScript loses them as well. Write identifiers as strings.",
    ),
    told(
        "empty_member",
        CALLS,
        inputs::empty,
        "an optional member is empty",
        "An empty list or object says what its absence says, and makes a reader look for what is missing. Leave it out.",
    ),
    noted(
        "stated_default",
        CALLS,
        inputs::stated,
        "a member states its default",
        "What is written down looks as if it mattered. Leave defaults out, so that what differs from them is seen.",
    ),
];
