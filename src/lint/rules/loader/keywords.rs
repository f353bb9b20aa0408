//! Rules that go by the JSON Schema keyword which the model's own members break.

use super::GROUP;
use crate::lint::{Check, Rule};

/// The rules.
pub(in crate::lint::rules) const RULES: &[Rule] = &[
    GROUP.refused(
        "type",
        "MAN-010",
        Check::Loader,
        "a member has a value of the wrong JSON type",
        "Values are never converted: \"5000\" is no number and \"yes\" no boolean. Write the value in the type that the member has.",
    ),
    GROUP.refused(
        "required",
        "MAN-010",
        Check::Loader,
        "a member is missing",
        "Without this member the object cannot be used, so registration refuses the manifest. Add it; if it seems to be there, its name may be \
         misspelt or spelled in the other of the two spellings.",
    ),
    GROUP.refused(
        "enum",
        "MAN-010",
        Check::Loader,
        "a value is none of those that the member can have",
        "The member takes one of a few words, spelled exactly so: methods in capitals, types and effects in lower case.",
    ),
    GROUP.refused(
        "pattern",
        "MAN-010",
        Check::Loader,
        "a text has not the form that the member needs",
        "Names, scopes, destinations and the like have a fixed form, so that they can stand in paths and references without quoting. The \
         message says which form it is.",
    ),
    GROUP.refused(
        "minLength",
        "MAN-010",
        Check::Loader,
        "a text is empty where it must say something",
        "An empty text in this place means nothing. Write one, or leave the member out if it is optional.",
    ),
    GROUP.refused(
        "maxLength",
        "EXP-027",
        Check::Loader,
        "a text is longer than it may be",
        "Expressions of more than 4096 bytes are refused when they are read. Such a decision belongs into the action itself.",
    ),
    GROUP.refused(
        "minimum",
        "MAN-010",
        Check::Loader,
        "a number is less than the least that the member can have",
        "A time limit of 0 would end every call before it begins. Write a number within the range, or leave the member out for the default.",
    ),
    GROUP.refused(
        "maximum",
        "MAN-010",
        Check::Loader,
        "a number is more than the most that the member can have",
        "Runtimes bound how long they wait and how long they keep replies, and refuse what is beyond. Write a number within the range.",
    ),
    GROUP.refused(
        "minItems",
        "MAN-001",
        Check::Loader,
        "an array is empty that needs an element",
        "A manifest without actions, and an intent without actions, let a model do nothing. Add one, or remove the intent.",
    ),
    GROUP.refused(
        "maxItems",
        "manifests.md#1-the-document",
        Check::Loader,
        "an array has more elements than it may have",
        "A manifest has at most 1000 actions and 1000 intents; a model chooses badly among far fewer. Divide the manifest.",
    ),
    GROUP.refused(
        "minProperties",
        "MAN-010",
        Check::Loader,
        "an object is empty that needs a member",
        "An empty map of a result or a request says nothing, and would throw all of it away. Write an entry, or leave the member out.",
    ),
    GROUP.refused(
        "uniqueItems",
        "MAN-010",
        Check::Loader,
        "a list names something twice",
        "The second entry has no meaning of its own, and is often a slip for another name. Name each once.",
    ),
];
