//! Rules of the group `security`: credentials, addresses, grants, code, effects, and text that is not what it seems.

mod address;
mod code;
mod credentials;
mod effects;
mod endpoints;
mod grants;
mod hidden;
mod masks;
mod shapes;
mod texts;

use crate::lint::rule::{Check, Group, Preset, Rule};

pub(in crate::lint::rules) use address::{Inside, inside, parts};
pub(in crate::lint::rules) use credentials::{is_literal, random_part, speaks_of_a_secret};
pub(in crate::lint::rules) use effects::harm;
pub(in crate::lint) use masks::{secrets, secrets_in_text};
pub(in crate::lint::rules) use shapes::{
    find as find_credential, shown as credential_shown, user_information,
};
pub(in crate::lint::rules) use texts::each;

const SECRETS: &str = "secrets.md#1-variables";
const GOOD: &str = "manifests.md#6-keeping-a-manifest-good";
const CALLS: &str = "manifests.md#5-invoke_api";
const ROOTS: &str = "storage.md#1-definition";
const CONVENTION: &str = "sandbox.md#6-calling-convention";

const GROUP: Group = Group::Security;

/// The rules of this group.
pub(super) const RULES: &[Rule] = &[
    GROUP.broken(
        "known_credential",
        SECRETS,
        Check::Other(credentials::known),
        "a credential of a known form is written out",
        "Whoever can read the document has the credential, and documents are stored, listed and put into transcripts. Revoke it first, since it \
         is out already. Then refer to it by name in `auth` or a header, and let the operator give the value.",
    ),
    GROUP.broken(
        "credential_in_url",
        SECRETS,
        Check::Other(credentials::in_urls),
        "a URL holds user name and password",
        "URLs are written into logs everywhere, and this one is in a document that is sent around as well. Change the password, take both out of \
         the URL, and give them to the runtime as a secret.",
    ),
    GROUP.warned(
        "credential_member",
        SECRETS,
        Check::Other(credentials::members),
        "a member with the name of a secret has a literal value",
        "A default, a constant or a header called password or api_key is a credential for everybody who reads the document, even when it was \
         meant for tests only. Refer to a secret by its name, as in `${API_KEY}`, or leave the value out.",
    ),
    GROUP.warned(
        "credential_in_query",
        SECRETS,
        Check::Other(credentials::in_queries),
        "a parameter with the name of a secret has a literal value",
        "What stands behind `api_key=` or `token=` is a credential however short it is, and URLs are written into logs everywhere. Revoke it, and \
         send it in `auth` or a header that refers to it by name, as in `${API_KEY}`.",
    ),
    GROUP.warned(
        "secret_like_text",
        SECRETS,
        Check::Other(credentials::mixed),
        "a text has a part that looks like a random key",
        "Letters in both cases and digits without any order are rarely written by people, and often are keys of services that nobody has a \
         pattern for. Put a secret into the operator's configuration. Ignore the rule where the text is no secret.",
    ),
    GROUP.warned(
        "secret_in_endpoint",
        "SEC-002",
        Check::Manifest(endpoints::secret_variable),
        "an endpoint refers to a variable that sounds like a secret",
        "A variable in an endpoint is never replaced by a secret, because URLs end up in logs; the action fails with `missing_credential`. \
         Send the secret in `auth` or in a header.",
    ),
    GROUP.noted(
        "variable_in_host",
        "SEC-002",
        Check::Manifest(endpoints::variable_host),
        "a variable decides which host is called",
        "What is sent, credentials included, goes wherever the variable says. A typing error there sends them to a stranger. Write the host \
         out, or see to it that the operator binds each secret to its hosts.",
    ),
    GROUP.warned(
        "plain_http",
        CALLS,
        Check::Manifest(endpoints::plain),
        "an endpoint is called over http",
        "Anybody between the runtime and the service can read what is sent, and change what comes back and goes into the observation. Use https. \
         Loopback addresses are not reported.",
    ),
    GROUP.broken(
        "credential_over_http",
        CALLS,
        Check::Manifest(endpoints::credential_in_the_open),
        "a credential is sent over http",
        "Anybody between the runtime and the service can take the credential and use it for as long as it is valid. Use https, and change the \
         credential if it was ever sent so. Loopback addresses are not reported.",
    ),
    GROUP.warned(
        "private_address",
        "ACC-041",
        Check::Manifest(endpoints::private),
        "an endpoint is a private or link-local address, or that of a cloud's metadata",
        "Runtimes refuse such addresses with `address_refused`, because a manifest could otherwise reach what only the runtime's machine can \
         reach. The metadata address gives away the machine's own credentials. Name a host that is meant to be called.",
    ),
    GROUP.noted(
        "loopback_address",
        "ACC-041",
        Check::Manifest(endpoints::loopback),
        "an endpoint is on the runtime's own machine",
        "It works on the author's machine and nowhere else, and runtimes refuse loopback unless their operator allows it. Name the real \
         host before the manifest is shipped.",
    ),
    GROUP.noted(
        "auth_without_scheme",
        CALLS,
        Check::Manifest(endpoints::bare_auth),
        "the whole Authorization header is one variable",
        "`auth` is the value of the header as it stands, so the operator has to know that the secret must begin with its scheme. Services \
         answer 401 when it does not. Write the scheme in the manifest and keep only the token secret.",
    ),
    GROUP.warned(
        "scope_wildcard",
        "ACC-014",
        Check::Manifest(grants::scopes),
        "a required scope has a star in it",
        "Scopes are compared as whole texts, and `*` means nothing special. A caller would need a scope that is written with a star, so the \
         action can be called by nobody, or by tokens that were made wide by mistake. Name each scope.",
    ),
    GROUP.warned(
        "private_grant",
        "SBX-027",
        Check::Manifest(grants::private_grants),
        "code is granted a loopback, private or metadata address",
        "Such destinations are refused even when they are granted, unless the operator allows them, and whoever allows them lets the code of a \
         manifest into the inner network. Grant public hosts only.",
    ),
    GROUP.noted(
        "unused_grant",
        "SBX-025",
        Check::Manifest(grants::unused_grants),
        "code is granted a host that it never names",
        "A grant that is not needed is one that only somebody who changes the code can use. Take it back. Where the host comes from an \
         argument, the grant is right, and the argument deserves an `enum`.",
    ),
    GROUP.warned(
        "wide_root",
        STORAGE_LIMITS,
        Check::Manifest(grants::wide_roots),
        "a root is the whole disk, a folder of the machine, or a home",
        "The model chooses the path below the root. With `file:///` or `/etc` that is any file that the runtime can read or replace, keys and \
         programs included. Give the agent a folder that holds nothing else.",
    ),
    GROUP.noted(
        "whole_bucket",
        STORAGE_LIMITS,
        Check::Manifest(grants::whole_buckets),
        "an action may write anywhere in a bucket",
        "The model chooses the path, and with it which object of the bucket is replaced. That is right for a bucket that holds nothing else, \
         and later something else is put there. Give the action a prefix.",
    ),
    GROUP.noted(
        "root_within_root",
        ROOTS,
        Check::Manifest(grants::nested_roots),
        "an action may write where another one only reads",
        "What the second action reads looks like something that the agent cannot change, and the first one can change it. An agent \
         that was misled once can so mislead itself for ever. Give them roots beside each other.",
    ),
    Rule {
        preset: Preset::Recommended,
        ..GROUP.noted(
            "limits_above_default",
            "SBX-016",
            Check::Manifest(grants::limits),
            "code asks for more time or memory than the default",
            "A runtime lowers such a limit to its operator's ceiling, which is the default unless it was raised: 200 ms and 64 MiB. Code that \
             needs more then fails elsewhere. Let it do with less, or tell the operator.",
        )
    },
    GROUP.broken(
        "entrypoint_not_in_code",
        "SBX-043",
        Check::Manifest(code::entrypoints),
        "nothing in the code has the name of its entry point",
        "The runtime calls the function that `entrypoint` names, `generate` if it is absent. Without it each run fails with `sandbox_error`. \
         Define that function, or name the one that the code has.",
    ),
    GROUP.warned(
        "code_wants_environment",
        "SBX-007",
        Check::Manifest(code::environment),
        "code reads environment variables or program arguments",
        "Both are empty in the sandbox, so that no credential reaches code. The code would find nothing, or fail. Pass what it needs as an \
         argument; what is secret belongs into an API action.",
    ),
    GROUP.warned(
        "code_wants_network",
        "SBX-024",
        Check::Manifest(code::network),
        "code uses the network, and the action grants none",
        "Each attempt fails inside the code, and the run ends with `sandbox_network_denied`. List host and port in `network`, or better make the \
         call an API action, which is recorded with its request.",
    ),
    GROUP.warned(
        "code_wants_process",
        "SBX-006",
        Check::Manifest(code::processes),
        "code starts processes or threads, or loads native code",
        "The sandbox lets no code do that, whatever the operator says. Do the work in the function itself, or in several actions.",
    ),
    GROUP.warned(
        "module_syntax",
        CONVENTION,
        Check::Manifest(code::modules),
        "JavaScript imports or exports",
        "The code is a classic script: `import` and `export` are syntax errors there, and there is no `require`. Declare a global function, and \
         write out what it needs.",
    ),
    GROUP.noted(
        "dynamic_code",
        "SBX-005",
        Check::Manifest(code::dynamic),
        "code runs text as code",
        "The sandbox bounds what it can do, but not what it answers: when the text comes from an argument, the model writes the program. Parse \
         the argument, or choose among functions by name.",
    ),
    GROUP.noted(
        "unpromised_import",
        "SBX-039",
        Check::Manifest(code::imports),
        "Python code imports a module that not every runtime has",
        "Seven modules are promised: json, re, math, datetime, random, base64 and hashlib. Code that imports others works on one runtime and \
         fails on the next. Write out what is needed.",
    ),
    Rule {
        preset: Preset::Recommended,
        ..GROUP.noted(
            "extreme_timeout",
            CALLS,
            Check::Manifest(endpoints::timeouts),
            "a timeout is under 100 ms or over two minutes",
            "A very short one ends calls that succeed at the service, so that nobody knows whether the effect happened. A very long one lets one \
             hanging service hold the session. Choose what the service usually takes, times three.",
        )
    },
    GROUP.noted(
        "no_rate_limit",
        "ACC-027",
        Check::Manifest(effects::unlimited),
        "an action with an effect has no rate limit",
        "A model that repeats itself repeats the effect: mails, orders, deletions. A `rate_limit` bounds the damage for each user. Set it well \
         above what a person would do.",
    ),
    GROUP.warned(
        "undeclared_effect",
        GOOD,
        Check::Manifest(effects::undeclared),
        "an action that deletes or pays says nothing of effects and asks nobody",
        "By its name or its method the action does something that cannot be mended. Clients, reviewers and linters go by `effects`, and without \
         them treat it like a search. Declare the effect, and demand `\"verification\": \"approval\"`.",
    ),
    GROUP.warned(
        "effect_against_method",
        GOOD,
        Check::Manifest(effects::against_method),
        "an action that is declared as only reading calls PUT, PATCH or DELETE",
        "Readers trust the declaration, and give the action to agents that may only look. One of the two is wrong: declare the effect, or call \
         the service by a method that changes nothing.",
    ),
    GROUP.noted(
        "write_without_auth",
        CALLS,
        Check::Manifest(effects::anonymous),
        "an action writes to a service without any credential",
        "Either anybody may write there, or the call will be refused. Give it `auth`; where the service is open on purpose, or \
         the call only reads, say so in `effects`.",
    ),
    GROUP.warned(
        "hidden_characters",
        GOOD,
        Check::Other(hidden::characters),
        "a text or a name holds characters that are not seen",
        "Zero-width, direction-changing and tag characters let people read one text and models another, and make names that look equal differ. \
         Nothing good needs them in a manifest. Take them out, and look at who put them in.",
    ),
    GROUP.warned(
        "confusable_name",
        GOOD,
        Check::Other(hidden::confusable),
        "a name mixes Latin letters with ones that look like them",
        "A Cyrillic letter among Latin ones cannot be told by the eye. Whoever types the name gets another one, and a member so named passes a \
         review as the one that it is not. Write each name in one script.",
    ),
    GROUP.warned(
        "planted_instruction",
        GOOD,
        Check::Other(hidden::orders),
        "a description gives orders to the model",
        "Descriptions are shown to the model together with its task, so an order in one acts in every session, also where other actions are \
         called. Say what the action does and when to use it; keep orders out, and ask where this one came from.",
    ),
];

const STORAGE_LIMITS: &str = "STO-002";
