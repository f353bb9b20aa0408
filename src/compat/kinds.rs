//! The kinds of changes: what each means, how much it asks in which direction, and which kind is its way back.

use super::Direction::{Access, Call, Contract, State};
use super::{Direction, Level};

/// A kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Its name. Contract.
    pub id: &'static str,
    /// What it means, in one line.
    pub what: &'static str,
    /// Its level in a schema of inputs; for a kind with a `direction`, its only level.
    pub input: Level,
    /// Its level in a schema of outputs; for a kind with a `direction`, its only level.
    pub output: Level,
    /// The side it is always on; `None` for a kind of schemas, which is on the side that the schema is on.
    pub direction: Option<Direction>,
    /// The kind of the same change read backwards.
    pub mirror: &'static str,
    /// Whether who looks after safety should see it.
    pub security: bool,
}

impl Kind {
    /// How much it asks in a direction.
    pub fn level(&self, direction: Direction) -> Level {
        match direction {
            Direction::Output => self.output,
            _ => self.input,
        }
    }

    const fn mirrored(self, mirror: &'static str) -> Self {
        Self { mirror, ..self }
    }

    const fn secure(self) -> Self {
        Self {
            security: true,
            ..self
        }
    }
}

const fn kind(
    id: &'static str,
    mirror: &'static str,
    (input, output): (Level, Level),
    direction: Option<Direction>,
    what: &'static str,
) -> Kind {
    Kind {
        id,
        what,
        input,
        output,
        direction,
        mirror,
        security: false,
    }
}

/// Fewer values satisfy the schema.
const fn narrows(id: &'static str, mirror: &'static str, what: &'static str) -> Kind {
    let levels = (Level::Breaking, Level::Compatible);
    kind(id, mirror, levels, None, what)
}

/// More values satisfy the schema.
const fn widens(id: &'static str, mirror: &'static str, what: &'static str) -> Kind {
    let levels = (Level::Compatible, Level::Breaking);
    kind(id, mirror, levels, None, what)
}

/// Neither, or nobody can tell.
const fn unclear(id: &'static str, what: &'static str) -> Kind {
    kind(id, id, (Level::Breaking, Level::Breaking), None, what)
}

/// Says something to people, and asserts nothing.
const fn says(id: &'static str, mirror: &'static str, what: &'static str) -> Kind {
    kind(id, mirror, (Level::Patch, Level::Patch), None, what)
}

const fn fixed(
    level: Level,
    direction: Direction,
    id: &'static str,
    mirror: &'static str,
    what: &'static str,
) -> Kind {
    kind(id, mirror, (level, level), Some(direction), what)
}

const fn breaks(
    direction: Direction,
    id: &'static str,
    mirror: &'static str,
    what: &'static str,
) -> Kind {
    fixed(Level::Breaking, direction, id, mirror, what)
}

const fn extends(
    direction: Direction,
    id: &'static str,
    mirror: &'static str,
    what: &'static str,
) -> Kind {
    fixed(Level::Compatible, direction, id, mirror, what)
}

const fn mends(
    direction: Direction,
    id: &'static str,
    mirror: &'static str,
    what: &'static str,
) -> Kind {
    fixed(Level::Patch, direction, id, mirror, what)
}

/// Whether a kind of schemas says something to people only.
pub(super) fn is_of_words(id: &str) -> bool {
    matches!(
        id,
        "title_changed"
            | "schema_description_changed"
            | "comment_changed"
            | "examples_changed"
            | "default_added"
            | "default_removed"
            | "default_changed"
            | "deprecated_added"
            | "deprecated_removed"
            | "read_only_changed"
            | "write_only_changed"
            | "content_changed"
            | "annotation_changed"
    )
}

/// All kinds; those of the manifest first, those of schemas behind them.
#[rustfmt::skip]
pub const KINDS: &[Kind] = &[
    // The document.
    breaks(Contract, "manifest_name_changed", "manifest_name_changed", "the manifest goes by another name"),
    mends(Contract, "version_raised", "version_lowered", "the manifest declares a higher version"),
    mends(Contract, "version_lowered", "version_raised", "the manifest declares a lower version"),
    mends(Contract, "version_respelled", "version_respelled", "the same version is written in another form"),
    mends(Contract, "manifest_description_changed", "manifest_description_changed", "the description of the manifest is another"),
    breaks(Contract, "protocol_major_changed", "protocol_major_changed", "another major version of the protocol is spoken"),
    extends(Contract, "protocol_version_raised", "protocol_version_lowered", "a later minor version of the protocol is spoken"),
    extends(Contract, "protocol_version_lowered", "protocol_version_raised", "an earlier minor version of the protocol is spoken"),
    mends(Contract, "default_written", "default_omitted", "a member that was left out is written with the value it had by default"),
    mends(Contract, "default_omitted", "default_written", "a member with its default value is left out"),
    mends(Contract, "unknown_member_added", "unknown_member_removed", "a member that the specification does not define is new"),
    mends(Contract, "unknown_member_removed", "unknown_member_added", "a member that the specification does not define is gone"),
    mends(Contract, "unknown_member_changed", "unknown_member_changed", "a member that the specification does not define has another value"),
    breaks(Contract, "unreadable_changed", "unreadable_changed", "a part that is no part of a well-formed manifest differs"),
    breaks(Contract, "comparison_cut_short", "comparison_cut_short", "the documents are too large or too intricate to compare to the end"),
    // Actions.
    extends(Contract, "action_added", "action_removed", "there is a new action"),
    breaks(Contract, "action_removed", "action_added", "an action is gone"),
    breaks(Contract, "action_renamed", "action_renamed", "an action goes by another name and is the same else"),
    breaks(Contract, "action_type_changed", "action_type_changed", "an action is carried out in another way"),
    mends(Contract, "action_description_changed", "action_description_changed", "the description of an action is another"),
    breaks(Contract, "feature_flag_added", "feature_flag_removed", "an action needs a flag"),
    extends(Contract, "feature_flag_removed", "feature_flag_added", "an action needs no flag any more").secure(),
    breaks(Contract, "feature_flag_changed", "feature_flag_changed", "an action needs another flag"),
    breaks(State, "completes_goal_set", "completes_goal_unset", "the success of an action ends the session now"),
    breaks(State, "completes_goal_unset", "completes_goal_set", "the success of an action no longer ends the session"),
    breaks(Contract, "effect_added", "effect_removed", "an action has one more effect on the world").secure(),
    extends(Contract, "effect_removed", "effect_added", "an action has one effect less").secure(),
    // Intents.
    extends(Contract, "intent_added", "intent_removed", "there is a new intent"),
    breaks(Contract, "intent_removed", "intent_added", "an intent is gone"),
    breaks(Contract, "intent_renamed", "intent_renamed", "an intent goes by another name and is the same else"),
    extends(Contract, "intent_action_added", "intent_action_removed", "an intent allows one more action").secure(),
    breaks(Contract, "intent_action_removed", "intent_action_added", "an intent no longer allows an action"),
    mends(Contract, "intent_description_changed", "intent_description_changed", "the description of an intent is another"),
    // Where outputs go, and what else decides how a session goes on.
    breaks(State, "result_path_added", "result_path_removed", "an output that was merged goes to a place of its own"),
    breaks(State, "result_path_removed", "result_path_added", "an output that had its place is merged"),
    extends(State, "result_target_added", "result_target_removed", "an output goes to one more place"),
    breaks(State, "result_target_removed", "result_target_added", "an output no longer goes to a place"),
    breaks(State, "result_source_changed", "result_source_changed", "another part of the output goes to a place"),
    breaks(State, "conditional_added", "conditional_removed", "an action runs only under a condition"),
    extends(State, "conditional_removed", "conditional_added", "an action runs whatever the state is").secure(),
    breaks(State, "conditional_changed", "conditional_changed", "an action runs under another condition"),
    mends(State, "conditional_respelled", "conditional_respelled", "the same condition is written in another way"),
    extends(State, "fallback_added", "fallback_removed", "a failed action is followed by another"),
    breaks(State, "fallback_removed", "fallback_added", "a failed action is no longer followed by another"),
    breaks(State, "fallback_action_changed", "fallback_action_changed", "a failed action is followed by a different one"),
    breaks(State, "fallback_node_changed", "fallback_node_changed", "a fallback has other members"),
    mends(State, "fallback_node_respelled", "fallback_node_respelled", "the expressions of a fallback are written in another way"),
    // Access.
    breaks(Access, "scope_added", "scope_removed", "one more scope is needed").secure(),
    extends(Access, "scope_removed", "scope_added", "a scope is no longer needed").secure(),
    breaks(Access, "fallback_scope_added", "fallback_scope_removed", "a fallback needs one more scope, which its action demands too").secure(),
    extends(Access, "fallback_scope_removed", "fallback_scope_added", "a scope is no longer needed for a fallback").secure(),
    breaks(Access, "rate_limit_added", "rate_limit_removed", "calls are limited in number"),
    extends(Access, "rate_limit_removed", "rate_limit_added", "calls are no longer limited in number").secure(),
    breaks(Access, "rate_limit_tightened", "rate_limit_loosened", "fewer calls are admitted"),
    extends(Access, "rate_limit_loosened", "rate_limit_tightened", "more calls are admitted").secure(),
    breaks(Access, "rate_limit_changed", "rate_limit_changed", "calls are limited in another way, neither only more nor only less"),
    mends(Access, "rate_limit_respelled", "rate_limit_respelled", "the same limit is written in another form"),
    breaks(Access, "approval_added", "approval_removed", "every call goes through a person").secure(),
    extends(Access, "approval_removed", "approval_added", "calls no longer go through a person").secure(),
    // How actions are carried out: HTTP.
    breaks(Call, "method_changed", "method_changed", "requests have another method"),
    breaks(Call, "endpoint_host_changed", "endpoint_host_changed", "requests go to another host or port").secure(),
    breaks(Call, "endpoint_scheme_downgraded", "endpoint_scheme_upgraded", "requests are no longer encrypted").secure(),
    extends(Call, "endpoint_scheme_upgraded", "endpoint_scheme_downgraded", "requests are encrypted now"),
    extends(Call, "endpoint_path_changed", "endpoint_path_changed", "requests go to another path or carry another query"),
    mends(Call, "endpoint_respelled", "endpoint_respelled", "the same address is written in another form"),
    breaks(Call, "variable_added", "variable_removed", "the operator has to set one more variable").secure(),
    extends(Call, "variable_removed", "variable_added", "a variable is no longer needed"),
    extends(Call, "auth_added", "auth_removed", "requests carry a credential").secure(),
    extends(Call, "auth_removed", "auth_added", "requests carry no credential any more").secure(),
    extends(Call, "auth_changed", "auth_changed", "requests carry a credential of another form").secure(),
    extends(Call, "header_added", "header_removed", "requests carry one more header"),
    extends(Call, "header_removed", "header_added", "requests carry a header less"),
    extends(Call, "header_changed", "header_changed", "a header has another value"),
    mends(Call, "header_respelled", "header_respelled", "the name of a header has other capitals"),
    extends(Call, "variable_sent", "variable_withheld", "a header or the address carries the value of one more variable").secure(),
    extends(Call, "variable_withheld", "variable_sent", "a header or the address no longer carries the value of a variable"),
    extends(Call, "timeout_raised", "timeout_lowered", "a call may take longer"),
    breaks(Call, "timeout_lowered", "timeout_raised", "a call must be quicker"),
    extends(Call, "request_map_added", "request_map_removed", "requests are built from the arguments"),
    extends(Call, "request_map_removed", "request_map_added", "requests are the arguments as they are"),
    extends(Call, "request_map_changed", "request_map_changed", "requests are built in another way"),
    extends(Call, "response_map_added", "response_map_removed", "the output is built from the reply"),
    extends(Call, "response_map_removed", "response_map_added", "the output is the reply as it is"),
    extends(Call, "response_map_changed", "response_map_changed", "the output is built in another way"),
    breaks(Call, "cache_added", "cache_removed", "an output may be an earlier one"),
    extends(Call, "cache_removed", "cache_added", "an output is never an earlier one"),
    breaks(Call, "cache_time_raised", "cache_time_lowered", "an output may be older than before"),
    extends(Call, "cache_time_lowered", "cache_time_raised", "an output is not as old as it could be before"),
    extends(Call, "batch_added", "batch_removed", "concurrent calls may share a request"),
    extends(Call, "batch_removed", "batch_added", "each call has a request of its own"),
    extends(Call, "batch_changed", "batch_changed", "concurrent calls share a request in another way"),
    // Code, files, people, plugins.
    breaks(Call, "runtime_changed", "runtime_changed", "the code is of another language").secure(),
    mends(Call, "code_changed", "code_changed", "the code is another").secure(),
    mends(Call, "entrypoint_changed", "entrypoint_changed", "another function of the code is called"),
    extends(Call, "cpu_limit_raised", "cpu_limit_lowered", "the code may compute longer"),
    breaks(Call, "cpu_limit_lowered", "cpu_limit_raised", "the code may compute less long"),
    extends(Call, "memory_limit_raised", "memory_limit_lowered", "the code may use more memory"),
    breaks(Call, "memory_limit_lowered", "memory_limit_raised", "the code may use less memory"),
    breaks(Call, "network_granted", "network_withdrawn", "the code may reach one more address").secure(),
    extends(Call, "network_withdrawn", "network_granted", "the code may no longer reach an address"),
    mends(Call, "network_respelled", "network_respelled", "the same addresses are written in another form"),
    breaks(Call, "root_widened", "root_narrowed", "files lie under a folder above the former one").secure(),
    breaks(Call, "root_narrowed", "root_widened", "files lie under a folder below the former one"),
    breaks(Call, "root_changed", "root_changed", "files lie elsewhere").secure(),
    mends(Call, "root_respelled", "root_respelled", "the same folder is written in another form"),
    mends(Call, "prompt_changed", "prompt_changed", "people are asked in other words"),
    breaks(Call, "plugin_changed", "plugin_changed", "another plugin runs").secure(),
    // Schemas: the whole.
    narrows("schema_became_false", "schema_no_longer_false", "no value is accepted any more"),
    widens("schema_no_longer_false", "schema_became_false", "values are accepted where none was"),
    unclear("schema_added", "there is a schema where a manifest had none").mirrored("schema_removed"),
    unclear("schema_removed", "there is no schema where a manifest had one").mirrored("schema_added"),
    unclear("schema_unproven", "a part differs in a way that cannot be shown compatible"),
    unclear("dialect_changed", "the schema is of another draft, in which its keywords may mean something else"),
    says("dialect_respelled", "dialect_respelled", "the schema is of another draft, in which its keywords mean the same"),
    says("schema_respelled", "schema_respelled", "the schema is written in another way and accepts the same"),
    // Schemas: types and values.
    narrows("type_narrowed", "type_widened", "fewer types are accepted"),
    widens("type_widened", "type_narrowed", "more types are accepted"),
    unclear("type_changed", "other types are accepted"),
    narrows("enum_added", "enum_removed", "only listed values are accepted"),
    widens("enum_removed", "enum_added", "values need not be of a list any more"),
    narrows("enum_value_removed", "enum_value_added", "a listed value is gone"),
    widens("enum_value_added", "enum_value_removed", "there is one more listed value"),
    narrows("const_added", "const_removed", "only one value is accepted"),
    widens("const_removed", "const_added", "other values than one are accepted"),
    unclear("const_changed", "the one value that is accepted is another"),
    // Schemas: numbers.
    narrows("minimum_added", "minimum_removed", "numbers have a lower bound"),
    widens("minimum_removed", "minimum_added", "numbers have no lower bound any more"),
    narrows("minimum_raised", "minimum_lowered", "the lower bound is higher"),
    widens("minimum_lowered", "minimum_raised", "the lower bound is lower"),
    narrows("minimum_made_exclusive", "minimum_made_inclusive", "the lower bound itself is no longer accepted"),
    widens("minimum_made_inclusive", "minimum_made_exclusive", "the lower bound itself is accepted"),
    narrows("maximum_added", "maximum_removed", "numbers have an upper bound"),
    widens("maximum_removed", "maximum_added", "numbers have no upper bound any more"),
    narrows("maximum_lowered", "maximum_raised", "the upper bound is lower"),
    widens("maximum_raised", "maximum_lowered", "the upper bound is higher"),
    narrows("maximum_made_exclusive", "maximum_made_inclusive", "the upper bound itself is no longer accepted"),
    widens("maximum_made_inclusive", "maximum_made_exclusive", "the upper bound itself is accepted"),
    narrows("multiple_of_added", "multiple_of_removed", "numbers must be multiples of one"),
    widens("multiple_of_removed", "multiple_of_added", "numbers need not be multiples of one any more"),
    narrows("multiple_of_coarsened", "multiple_of_refined", "numbers must be multiples of a multiple"),
    widens("multiple_of_refined", "multiple_of_coarsened", "numbers may be multiples of a divisor"),
    unclear("multiple_of_changed", "numbers must be multiples of another number"),
    // Schemas: strings.
    narrows("min_length_added", "min_length_removed", "strings have a least length"),
    widens("min_length_removed", "min_length_added", "strings have no least length any more"),
    narrows("min_length_raised", "min_length_lowered", "strings must be longer"),
    widens("min_length_lowered", "min_length_raised", "strings may be shorter"),
    narrows("max_length_added", "max_length_removed", "strings have a greatest length"),
    widens("max_length_removed", "max_length_added", "strings have no greatest length any more"),
    narrows("max_length_lowered", "max_length_raised", "strings must be shorter"),
    widens("max_length_raised", "max_length_lowered", "strings may be longer"),
    narrows("pattern_added", "pattern_removed", "strings must match an expression"),
    widens("pattern_removed", "pattern_added", "strings need not match an expression any more"),
    unclear("pattern_changed", "strings must match another expression"),
    narrows("format_added", "format_removed", "strings must have a format"),
    widens("format_removed", "format_added", "strings need not have a format any more"),
    unclear("format_changed", "strings must have another format"),
    // Schemas: arrays.
    narrows("min_items_added", "min_items_removed", "arrays have a least length"),
    widens("min_items_removed", "min_items_added", "arrays have no least length any more"),
    narrows("min_items_raised", "min_items_lowered", "arrays must be longer"),
    widens("min_items_lowered", "min_items_raised", "arrays may be shorter"),
    narrows("max_items_added", "max_items_removed", "arrays have a greatest length"),
    widens("max_items_removed", "max_items_added", "arrays have no greatest length any more"),
    narrows("max_items_lowered", "max_items_raised", "arrays must be shorter"),
    widens("max_items_raised", "max_items_lowered", "arrays may be longer"),
    narrows("unique_items_added", "unique_items_removed", "no element may stand twice"),
    widens("unique_items_removed", "unique_items_added", "an element may stand twice"),
    says("prefix_item_added", "prefix_item_removed", "one more element has a schema of its own"),
    says("prefix_item_removed", "prefix_item_added", "one element less has a schema of its own"),
    narrows("contains_added", "contains_removed", "an array must hold a certain element"),
    widens("contains_removed", "contains_added", "an array need not hold a certain element any more"),
    narrows("min_contains_raised", "min_contains_lowered", "an array must hold more of the certain elements"),
    widens("min_contains_lowered", "min_contains_raised", "an array may hold fewer of the certain elements"),
    narrows("max_contains_added", "max_contains_removed", "the certain elements have a greatest number"),
    widens("max_contains_removed", "max_contains_added", "the certain elements have no greatest number any more"),
    narrows("max_contains_lowered", "max_contains_raised", "an array must hold fewer of the certain elements"),
    widens("max_contains_raised", "max_contains_lowered", "an array may hold more of the certain elements"),
    narrows("unevaluated_items_closed", "unevaluated_items_opened", "elements that no other keyword knows are refused"),
    widens("unevaluated_items_opened", "unevaluated_items_closed", "elements that no other keyword knows are accepted"),
    // Schemas: objects.
    narrows("required_added", "required_removed", "a member must be there"),
    widens("required_removed", "required_added", "a member may be absent"),
    kind("property_added", "property_removed", (Level::Compatible, Level::Compatible), None, "a member is declared that an open object accepted before, undeclared"),
    widens("property_removed", "property_added", "a member of an open object is no longer declared, and may be anything"),
    widens("property_allowed", "property_forbidden", "a member is accepted that was refused"),
    narrows("property_forbidden", "property_allowed", "a member is refused that was accepted"),
    narrows("additional_properties_closed", "additional_properties_opened", "undeclared members are refused"),
    widens("additional_properties_opened", "additional_properties_closed", "undeclared members are accepted"),
    narrows("additional_properties_restricted", "additional_properties_freed", "undeclared members must satisfy a schema"),
    widens("additional_properties_freed", "additional_properties_restricted", "undeclared members may be anything"),
    narrows("pattern_property_added", "pattern_property_removed", "members of certain names must satisfy a schema"),
    widens("pattern_property_removed", "pattern_property_added", "members of certain names may be anything"),
    widens("pattern_property_allowed", "pattern_property_forbidden", "a closed object accepts members of certain names"),
    narrows("pattern_property_forbidden", "pattern_property_allowed", "a closed object no longer accepts members of certain names"),
    narrows("property_names_added", "property_names_removed", "the names of members must satisfy a schema"),
    widens("property_names_removed", "property_names_added", "the names of members are free"),
    narrows("min_properties_added", "min_properties_removed", "objects have a least number of members"),
    widens("min_properties_removed", "min_properties_added", "objects have no least number of members any more"),
    narrows("min_properties_raised", "min_properties_lowered", "objects must have more members"),
    widens("min_properties_lowered", "min_properties_raised", "objects may have fewer members"),
    narrows("max_properties_added", "max_properties_removed", "objects have a greatest number of members"),
    widens("max_properties_removed", "max_properties_added", "objects have no greatest number of members any more"),
    narrows("max_properties_lowered", "max_properties_raised", "objects must have fewer members"),
    widens("max_properties_raised", "max_properties_lowered", "objects may have more members"),
    narrows("dependent_required_added", "dependent_required_removed", "a member demands another"),
    widens("dependent_required_removed", "dependent_required_added", "a member no longer demands another"),
    narrows("dependent_schema_added", "dependent_schema_removed", "a member demands that the object satisfies a schema"),
    widens("dependent_schema_removed", "dependent_schema_added", "a member no longer demands that the object satisfies a schema"),
    narrows("unevaluated_properties_closed", "unevaluated_properties_opened", "members that no other keyword knows are refused"),
    widens("unevaluated_properties_opened", "unevaluated_properties_closed", "members that no other keyword knows are accepted"),
    // Schemas: combinations.
    narrows("all_of_added", "all_of_removed", "one more schema must be satisfied as well"),
    widens("all_of_removed", "all_of_added", "one schema less must be satisfied as well"),
    narrows("any_of_added", "any_of_removed", "one of several schemas must be satisfied as well"),
    widens("any_of_removed", "any_of_added", "none of several schemas need be satisfied any more"),
    widens("any_of_branch_added", "any_of_branch_removed", "there is one more alternative"),
    narrows("any_of_branch_removed", "any_of_branch_added", "there is one alternative less"),
    narrows("one_of_added", "one_of_removed", "exactly one of several schemas must be satisfied as well"),
    widens("one_of_removed", "one_of_added", "several schemas need not be told apart any more"),
    widens("one_of_branch_added", "one_of_branch_removed", "there is one more alternative that excludes the others"),
    narrows("one_of_branch_removed", "one_of_branch_added", "there is one less of the alternatives that exclude each other"),
    narrows("any_of_became_one_of", "one_of_became_any_of", "of several alternatives only one may be satisfied"),
    widens("one_of_became_any_of", "any_of_became_one_of", "of several alternatives more than one may be satisfied"),
    unclear("one_of_overlap", "alternatives that exclude each other differ, and cannot be shown to have no value in common"),
    narrows("not_added", "not_removed", "values that satisfy a schema are refused"),
    widens("not_removed", "not_added", "values that satisfy a schema are no longer refused"),
    unclear("not_changed", "values that satisfy another schema are refused"),
    narrows("condition_added", "condition_removed", "values that satisfy a schema must satisfy another"),
    widens("condition_removed", "condition_added", "values that satisfy a schema need not satisfy another any more"),
    unclear("condition_changed", "what decides about a conditional schema is another"),
    // Schemas: what asserts nothing.
    says("title_changed", "title_changed", "the title is another"),
    says("schema_description_changed", "schema_description_changed", "the description is another"),
    says("comment_changed", "comment_changed", "the comment is another"),
    says("examples_changed", "examples_changed", "the examples are others"),
    says("default_added", "default_removed", "a default is named"),
    says("default_removed", "default_added", "no default is named any more"),
    kind("default_changed", "default_changed", (Level::Compatible, Level::Patch), None, "another default is named"),
    says("deprecated_added", "deprecated_removed", "it is marked as deprecated"),
    says("deprecated_removed", "deprecated_added", "it is no longer marked as deprecated"),
    says("read_only_changed", "read_only_changed", "the mark `readOnly` is another"),
    says("write_only_changed", "write_only_changed", "the mark `writeOnly` is another"),
    says("content_changed", "content_changed", "what a string holds is described in another way"),
    says("schema_name_changed", "schema_name_changed", "the schema or a part of it has another name"),
    says("annotation_changed", "annotation_changed", "a keyword that no draft defines differs"),
    says("ineffective_keyword_changed", "ineffective_keyword_changed", "a keyword differs that has no effect where it stands"),
    says("definition_added", "definition_removed", "a definition is new"),
    says("definition_removed", "definition_added", "a definition is gone"),
    says("unused_definition_changed", "unused_definition_changed", "a definition differs that nothing refers to"),
];

/// The kind of a name. One that is not in the table, which a test of this crate excludes, counts as not shown compatible.
pub(super) fn find(id: &str) -> &'static Kind {
    static UNPROVEN: Kind = unclear(
        "schema_unproven",
        "a part differs in a way that cannot be shown compatible",
    );
    debug_assert!(KINDS.iter().any(|kind| kind.id == id), "no kind {id}");
    KINDS.iter().find(|kind| kind.id == id).unwrap_or(&UNPROVEN)
}
