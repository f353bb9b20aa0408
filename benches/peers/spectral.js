// A ruleset for Spectral with checks like those of `oap-conform lint`: the schema of a manifest, schemas held against their
// meta-schema, and a dozen smaller ones. MANIFEST_SCHEMA names the file.
const { readFileSync } = require("node:fs");
const functions = require("@stoplight/spectral-functions");
const schema = JSON.parse(readFileSync(process.env.MANIFEST_SCHEMA, "utf8"));
delete schema.$id;

const all = (...given) => given.map((part) => `$.actions[*]${part}`);
const rule = (given, then, severity = "warn") => ({ given, then, severity, message: "{{description}} {{error}}" });

module.exports = {
  rules: {
    "manifest-schema": rule("$", { function: functions.schema, functionOptions: { schema, dialect: "draft2020-12", allErrors: true } }, "error"),
    "schemas-are-schemas": rule(
      [...all(".input_schema"), ...all(".output_schema")],
      { function: functions.schema, functionOptions: { schema: { $ref: "https://json-schema.org/draft/2020-12/schema" }, dialect: "draft2020-12" } },
      "error",
    ),
    "action-name": rule("$.actions[*].name", { function: functions.pattern, functionOptions: { match: "^[a-z][a-z0-9_]*$" } }),
    "action-description": rule("$.actions[*]", { field: "description", function: functions.truthy }),
    "intent-description": rule("$.intents[*]", { field: "description", function: functions.truthy }),
    "manifest-description": rule("$", { field: "description", function: functions.truthy }),
    "https-only": rule("$.actions[*].endpoint", { function: functions.pattern, functionOptions: { match: "^https://" } }),
    "no-literal-credential": rule("$.actions[*].auth", { function: functions.pattern, functionOptions: { match: "\\$\\{" } }),
    "closed-inputs": rule("$.actions[*].input_schema", { field: "additionalProperties", function: functions.defined }),
    "bounded-texts": rule("$.actions[*].input_schema..[?(@ && @.type=='string' && !@.enum)]", { field: "maxLength", function: functions.defined }),
    "bounded-arrays": rule("$.actions[*].input_schema..[?(@ && @.type=='array')]", { field: "maxItems", function: functions.defined }),
    "described-members": rule("$.actions[*].input_schema.properties[*]", { function: functions.truthy, field: "description" }, "hint"),
    "no-wildcard-scope": rule("$.actions[*].access_control.required_scopes[*]", { function: functions.pattern, functionOptions: { notMatch: "\\*" } }),
    "effects-known": rule("$.actions[*].effects[*]", { function: functions.enumeration, functionOptions: { values: ["read", "write", "cost", "critical"] } }),
  },
};
