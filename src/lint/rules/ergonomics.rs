//! Rules of the group `ergonomics`: what makes a manifest easy to use, for models and for people.

mod descriptions;
mod inputs;
mod names;
pub(in crate::lint::rules) mod words;

use crate::lint::rule::{Check, Group, Rule};

const GOOD: &str = "manifests.md#6-keeping-a-manifest-good";
const ACTIONS: &str = "manifests.md#2-actions";
const DIGEST: &str = "manifests.md#4-two-spellings";
const CALLS: &str = "manifests.md#5-invoke_api";

const GROUP: Group = Group::Ergonomics;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    GROUP.noted(
        "missing_description",
        ACTIONS,
        Check::Manifest(descriptions::missing),
        "the manifest, an action or an intent has no description",
        "A model chooses among actions by their names and descriptions, and people among manifests and intents. Without a description the \
         choice is a guess. One sentence is enough: what it does, when to use it, what comes back.",
    ),
    GROUP.noted(
        "undescribed_argument",
        ACTIONS,
        Check::Manifest(descriptions::undescribed),
        "an argument has no description",
        "The model fills in arguments from the schema alone. A name such as `date` does not say of what, or in which zone. Say in the \
         schema what is meant, with the unit.",
    ),
    GROUP.told(
        "thin_description",
        ACTIONS,
        Check::Manifest(descriptions::thin),
        "a description repeats the name or is too short to say anything",
        "`create_event: Create event.` tells a model nothing that it did not know. Say what the action does, when to use it rather than \
         another one, and what comes back.",
    ),
    GROUP.noted(
        "long_description",
        ACTIONS,
        Check::Manifest(descriptions::long),
        "a description has more than 1000 characters",
        "Every step sends it to the model, together with those of all other actions. What matters drowns in it. Keep to what is \
         needed for the choice, and put the rest into the arguments' descriptions.",
    ),
    GROUP.noted(
        "long_prompt",
        "MAN-013",
        Check::Manifest(descriptions::long_prompts),
        "the question of a human intervention has more than 1500 characters",
        "People answer long questions without reading them, and the answer is then worth nothing. Ask one thing, and show only what is \
         needed to decide it.",
    ),
    GROUP.warned(
        "same_description",
        ACTIONS,
        Check::Manifest(descriptions::same),
        "two actions have the same description",
        "A model that reads one description twice chooses between the actions by chance. It is often a copy that nobody finished. Say of \
         each what the other one does not do.",
    ),
    GROUP.told(
        "untrimmed_description",
        ACTIONS,
        Check::Manifest(descriptions::untrimmed),
        "a description begins or ends with white space",
        "The text goes into prompts as it stands, and the white space with it; it also changes the manifest's digest. Take it out.",
    ),
    GROUP.told(
        "unfinished_text",
        GOOD,
        Check::Manifest(descriptions::unfinished),
        "TODO, FIXME or filler was left in a text",
        "Descriptions and prompts are read by models and people, who take the mark for a part of the text, and code with it is not \
         finished. Finish it, or take it out.",
    ),
    GROUP.warned(
        "similar_names",
        "MAN-008",
        Check::Manifest(names::similar),
        "two names are one slip of the hand apart",
        "Models and people mistype names, and a slip that gives another name is executed instead of refused. Rename one of the two. \
         Plurals, numbers and words with another first letter are not reported.",
    ),
    GROUP.warned(
        "names_differ_in_case",
        "MAN-008",
        Check::Manifest(names::same_but_case),
        "two names differ in capitals or separators only",
        "Names are compared letter by letter, so `send_mail` and `sendMail` are two actions, and nobody knows which is which. Give one of \
         them a name that says the difference.",
    ),
    GROUP.noted(
        "mixed_naming_style",
        GOOD,
        Check::Manifest(names::styles),
        "names are written in different styles",
        "In one list `book_room`, `bookTable` and `book-flight` invite misspelling. Write all of them like most of them are written.",
    ),
    GROUP.noted(
        "vague_name",
        GOOD,
        Check::Manifest(names::vague),
        "an action has a name that says nothing",
        "A name such as `run` or `action1` leaves the choice to the description alone, and says nothing in logs and transcripts. Name the \
         verb and what it acts on.",
    ),
    GROUP.warned(
        "untrimmed_name",
        ACTIONS,
        Check::Manifest(names::untrimmed),
        "the name of a member, or one of its values, has white space at an end",
        "`\"email \"` and `\"email\"` are two members, and no editor shows the difference. Arguments by the right name are then refused or \
         lost. Take the white space out, here and wherever the name is used.",
    ),
    GROUP.noted(
        "shadowed_length",
        "EXP-010",
        Check::Manifest(names::shadowed_length),
        "a member is called `length`",
        "In expressions `.length` gives the member of that name and not the count, so a conditional that counts members reads something \
         else without a word. Give the member another name.",
    ),
    GROUP.noted(
        "identical_actions",
        GOOD,
        Check::Manifest(names::identical),
        "two actions differ in nothing but their names",
        "A model has to choose where there is no choice, and each change has to be made twice. Keep one of them.",
    ),
    GROUP.told(
        "actions_without_intents",
        GOOD,
        Check::Manifest(inputs::many_actions),
        "more than 50 actions, and no intent",
        "All actions are shown to the model at each step, and it chooses the worse the more there are. Group them into intents, so that a \
         session is shown only what its goal needs, or make several manifests of it.",
    ),
    GROUP.noted(
        "crowded_input",
        GOOD,
        Check::Manifest(inputs::crowded),
        "an action takes more than 20 arguments",
        "Models leave arguments out, or make them up, when there are many. Group what belongs together in objects, or make several actions of \
         one.",
    ),
    GROUP.noted(
        "long_enum",
        GOOD,
        Check::Manifest(inputs::long_enums),
        "an enum has more than 100 members",
        "The whole list is part of every prompt, and of every refusal that tells the model what was wrong. Let an action look values up, or \
         describe them by a pattern.",
    ),
    GROUP.noted(
        "open_input",
        ACTIONS,
        Check::Manifest(inputs::open),
        "an input admits members that are not declared",
        "A misspelt optional argument gets through unnoticed, and the action runs without it. With `\"additionalProperties\": false` the \
         model is told, and asked again. Add it unless the service takes members of any name.",
    ),
    GROUP.noted(
        "unbounded_string",
        ACTIONS,
        Check::Manifest(inputs::strings),
        "a text of an input may be of any length",
        "A model that goes wrong goes on and on, and the service gets all of it. Give texts a `maxLength`; an enum, a format or a pattern \
         serves as well.",
    ),
    GROUP.noted(
        "unbounded_array",
        ACTIONS,
        Check::Manifest(inputs::arrays),
        "an array of an input may have any number of elements",
        "One call with ten thousand recipients is one call for every rate limit. Give arrays a `maxItems` that a person would find \
         reasonable.",
    ),
    GROUP.noted(
        "unbounded_object",
        ACTIONS,
        Check::Manifest(inputs::objects),
        "a map of an input may have any number of members",
        "An object whose names are free is a list by another name, and wants a bound as lists do. Add `maxProperties`.",
    ),
    GROUP.warned(
        "inexact_number",
        DIGEST,
        Check::Manifest(inputs::inexact),
        "an integer is past 2^53",
        "Digests are taken of canonical JSON, whose numbers are doubles, so the last digits of such an integer are lost, and two manifests that \
         differ in them have one digest. JavaScript loses them as well. Write identifiers as strings.",
    ),
    GROUP.told(
        "empty_member",
        CALLS,
        Check::Manifest(inputs::empty),
        "an optional member is empty",
        "An empty list or object says what its absence says, and makes a reader look for what is missing. Leave it out.",
    ),
    GROUP.noted(
        "stated_default",
        CALLS,
        Check::Manifest(inputs::stated),
        "a member states its default",
        "What is written down looks as if it mattered. Leave defaults out, so that what differs from them is seen.",
    ),
];
