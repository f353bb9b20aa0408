//! Generated actions, of each type.

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::shapes;
use super::words::{self, Names};

/// What an action takes beside its schemas, about, as compact JSON.
const FRAME: usize = 450;

/// Below this an action has what it must have and nothing else.
const LEAN: usize = 600;

/// One that can stand in when a later action fails: it takes the same arguments, is always there and asks nobody.
#[derive(Debug)]
struct Spare {
    name: String,
    input: Value,
}

/// Makes the actions of one part of a business, one after the other.
#[derive(Debug)]
pub(super) struct Workshop<'c> {
    chance: &'c mut Chance,
    names: &'c mut Names,
    domain: &'static str,
    things: &'static [&'static str],
    spare: Option<Spare>,
}

impl<'c> Workshop<'c> {
    pub(super) fn new(
        chance: &'c mut Chance,
        names: &'c mut Names,
        (domain, things): (&'static str, &'static [&'static str]),
    ) -> Self {
        Self {
            chance,
            names,
            domain,
            things,
            spare: None,
        }
    }

    /// One action of about this many bytes as compact JSON, if its type can be that large.
    pub(super) fn action(&mut self, room: usize) -> Map<String, Value> {
        if room < LEAN {
            return self.lean();
        }
        let large = room > 4 * FRAME;
        match self.chance.below(20) {
            0 if !large => self.code(room),
            1 if !large => self.read_file(),
            2 if !large => self.write_file(),
            3 => self.question(room),
            4 => self.plugin(room),
            _ => self.call(room),
        }
    }

    /// What all types have, and what people say for its name.
    fn begin(&mut self, kind: &str, verb: &str) -> (Map<String, Value>, String) {
        let thing = self.chance.word(self.things);
        let (name, said) = self.names.take(verb, thing);
        let why = self.chance.word(&[
            "Use it before anything is promised to a customer",
            "It answers within a second",
            "Only the branch that owns the data may ask for it",
            "Ask for a narrow period, or it takes long",
        ]);
        let mut action = Map::new();
        put(&mut action, "type", json!(kind));
        put(&mut action, "name", json!(name));
        let about = format!("For {}: {said}. {why}.", self.domain);
        put(&mut action, "description", json!(about));
        (action, name)
    }

    fn schemas(&mut self, action: &mut Map<String, Value>, room: usize) -> Value {
        let room = room.saturating_sub(FRAME);
        let share = room * self.chance.between(40, 55) / 100;
        let input = shapes::object(self.chance, share);
        let output = shapes::object(self.chance, room.saturating_sub(shapes::size(&input)));
        put(action, "input_schema", input.clone());
        put(action, "output_schema", output);
        input
    }

    /// A request to a service that takes one text and gives one.
    fn lean(&mut self) -> Map<String, Value> {
        let verb = self.chance.word(words::READS);
        let (mut action, name) = self.begin("invoke_api", verb);
        let about = format!("For {}: {}.", self.domain, name.replace('_', " "));
        put(&mut action, "description", json!(about));
        for name in ["input_schema", "output_schema"] {
            let text = json!({"type": "string", "maxLength": 80});
            put(
                &mut action,
                name,
                closed(json!({"reference": text}), &["reference"]),
            );
        }
        let endpoint = format!("https://api.{}.example.com/v1/references", self.domain);
        put(&mut action, "endpoint", json!(endpoint));
        put(&mut action, "method", json!("GET"));
        action
    }

    /// A request to a service.
    fn call(&mut self, room: usize) -> Map<String, Value> {
        let (method, verbs, effects): (_, _, &[&str]) = match self.chance.below(10) {
            0..=3 => ("GET", words::READS, &["read"]),
            4..=6 => ("POST", words::MAKES, &["write"]),
            7 => ("PUT", words::CHANGES, &["write"]),
            8 => ("PATCH", words::CHANGES, &["write"]),
            _ => ("DELETE", words::REMOVES, &["write", "critical"]),
        };
        let verb = self.chance.word(verbs);
        let (mut action, name) = self.begin("invoke_api", verb);
        let critical =
            effects.contains(&"critical") || (method == "POST" && self.chance.percent(10));
        let effects = if critical && method == "POST" {
            json!(["write", "cost"])
        } else {
            json!(effects)
        };
        let input = self.inherited(&mut action, room, critical);
        let path = name.replace('_', "-");
        put(
            &mut action,
            "endpoint",
            json!(format!(
                "https://api.{}.example.com/v{}/{path}",
                self.domain,
                self.chance.between(1, 3)
            )),
        );
        put(&mut action, "method", json!(method));
        put(
            &mut action,
            "auth",
            json!(format!("Bearer ${{{}_TOKEN}}", self.domain.to_uppercase())),
        );
        if self.chance.percent(25) {
            put(
                &mut action,
                "headers",
                json!({"Accept-Language": "en", "X-Tenant": "${TENANT}"}),
            );
        }
        put(
            &mut action,
            "timeout_ms",
            json!(500 * self.chance.between(2, 60)),
        );
        put(&mut action, "effects", effects);
        if method == "GET" && self.chance.percent(15) {
            put(
                &mut action,
                "cache",
                json!({"ttl_s": 30 * self.chance.between(1, 20)}),
            );
        }
        self.mapped(&mut action, &input);
        self.guarded(&mut action, method != "GET", critical);
        self.conditioned(&mut action, &input);
        self.placed(&mut action, &name);
        let hides = ["conditional", "feature_flag"];
        if !critical && !hides.iter().any(|member| action.contains_key(*member)) {
            self.spare = Some(Spare { name, input });
        }
        action
    }

    /// The schemas of a call, and now and then the fallback whose arguments it shares.
    fn inherited(&mut self, action: &mut Map<String, Value>, room: usize, critical: bool) -> Value {
        let fits = |spare: &Spare| shapes::size(&spare.input) < room;
        let spare = self.spare.take_if(|spare| !critical && fits(spare));
        let Some(spare) = spare.filter(|_| self.chance.percent(30)) else {
            return self.schemas(action, room);
        };
        let left = room.saturating_sub(FRAME + shapes::size(&spare.input));
        put(action, "input_schema", spare.input.clone());
        put(action, "output_schema", shapes::object(self.chance, left));
        let fallback = if self.chance.percent(50) {
            json!(spare.name)
        } else {
            let arguments = shapes::required(&spare.input).map(|(name, _)| {
                (
                    name.to_owned(),
                    Value::from(format!("{{{{ input.{name} }}}}")),
                )
            });
            let arguments: Map<String, Value> = arguments.collect();
            json!({"name": spare.name, "input": arguments})
        };
        put(action, "fallback_action", fallback);
        spare.input
    }

    /// A person decides something.
    fn question(&mut self, room: usize) -> Map<String, Value> {
        let (mut action, name) = self.begin("human_intervention", "clarify");
        let input = self.schemas(&mut action, room);
        let first = shapes::required(&input)
            .find(|(_, schema)| schema.get("type") == Some(&json!("string")));
        let prompt = match first {
            Some((member, _)) => {
                format!("Please look at {{{{ input.{member} }}}} and say how to go on.")
            }
            None => "Please say how to go on with what is listed here.".to_owned(),
        };
        put(&mut action, "prompt", json!(prompt));
        self.placed(&mut action, &name);
        action
    }

    /// What the runtime knows under a name.
    fn plugin(&mut self, room: usize) -> Map<String, Value> {
        let (mut action, name) = self.begin("plugin", "reconcile");
        let input = self.schemas(&mut action, room);
        put(
            &mut action,
            "plugin_reference",
            json!(format!("acme.{}.{name}", self.domain)),
        );
        self.guarded(&mut action, true, false);
        self.conditioned(&mut action, &input);
        self.placed(&mut action, &name);
        action
    }

    /// Code for the sandbox.
    fn code(&mut self, room: usize) -> Map<String, Value> {
        let (mut action, name) = self.begin("run_code", "tabulate");
        self.schemas(&mut action, room.min(FRAME + 800));
        let (runtime, code) = if self.chance.percent(50) {
            (
                "python3",
                "def generate(**given):\n    rows = sorted(given.items())\n    return {name: value for name, value in rows if value is not None}\n",
            )
        } else {
            (
                "javascript",
                "function generate(given) {\n  const rows = Object.entries(given).sort();\n  return Object.fromEntries(rows.filter(([, value]) => value !== null));\n}\n",
            )
        };
        put(&mut action, "runtime", json!(runtime));
        put(&mut action, "code", json!(code));
        put(
            &mut action,
            "limits",
            json!({"cpu_ms": 10 * self.chance.between(5, 20), "memory_mib": 64}),
        );
        put(&mut action, "effects", json!(["read"]));
        self.placed(&mut action, &name);
        action
    }

    fn read_file(&mut self) -> Map<String, Value> {
        let (mut action, name) = self.begin("read_file", "open");
        put(
            &mut action,
            "root",
            json!(format!("memory:{}/", self.domain)),
        );
        let path = json!({"type": "string", "pattern": "^[a-z0-9-]+\\.md$", "maxLength": 80});
        put(
            &mut action,
            "input_schema",
            closed(json!({"path": path}), &["path"]),
        );
        let size = json!({"type": "integer", "minimum": 0, "maximum": 1_048_576});
        let output = json!({
            "path": {"type": "string", "maxLength": 1024},
            "content": {"type": "string", "maxLength": 1_048_576},
            "encoding": {"const": "utf8"},
            "size": size,
            "etag": {"type": "string", "maxLength": 200},
        });
        put(
            &mut action,
            "output_schema",
            closed(output, &["path", "content", "encoding", "size"]),
        );
        put(&mut action, "effects", json!(["read"]));
        self.placed(&mut action, &name);
        action
    }

    fn write_file(&mut self) -> Map<String, Value> {
        let (mut action, name) = self.begin("write_file", "store");
        put(
            &mut action,
            "root",
            json!(format!("memory:{}/", self.domain)),
        );
        let input = json!({
            "path": {"type": "string", "pattern": "^[a-z0-9-]+\\.md$", "maxLength": 80},
            "content": {"type": "string", "minLength": 1, "maxLength": 65_536},
        });
        put(
            &mut action,
            "input_schema",
            closed(input, &["path", "content"]),
        );
        let output = json!({
            "path": {"type": "string", "maxLength": 1024},
            "size": {"type": "integer", "minimum": 0, "maximum": 1_048_576},
            "created": {"type": "boolean"},
            "etag": {"type": "string", "maxLength": 200},
        });
        put(
            &mut action,
            "output_schema",
            closed(output, &["path", "size", "created"]),
        );
        put(&mut action, "effects", json!(["write"]));
        self.guarded(&mut action, true, false);
        self.placed(&mut action, &name);
        action
    }

    /// Now and then a body of another form than the arguments, which all go into it.
    fn mapped(&mut self, action: &mut Map<String, Value>, input: &Value) {
        let properties = input.get("properties").and_then(Value::as_object);
        if self.chance.percent(12)
            && let Some(properties) = properties
        {
            let mut map = Map::new();
            put(&mut map, "/source", json!({"const": self.domain}));
            for name in properties.keys() {
                put(
                    &mut map,
                    &format!("/filter/{name}"),
                    json!(format!("/{name}")),
                );
            }
            put(action, "request_map", Value::Object(map));
        }
    }

    fn guarded(&mut self, action: &mut Map<String, Value>, writes: bool, critical: bool) {
        let mut control = Map::new();
        if self.chance.percent(60) {
            let scope = format!("{}:{}", self.domain, if writes { "write" } else { "read" });
            put(&mut control, "required_scopes", json!([scope]));
        }
        if self.chance.percent(40) {
            let unit = self.chance.word(&["min", "hour", "day"]);
            put(
                &mut control,
                "rate_limit",
                json!(format!("{}/{unit}", 10 * self.chance.between(1, 60))),
            );
        }
        if critical {
            put(&mut control, "verification", json!("approval"));
        }
        if !control.is_empty() {
            put(action, "access_control", Value::Object(control));
        }
    }

    fn conditioned(&mut self, action: &mut Map<String, Value>, input: &Value) {
        if self.chance.percent(20)
            && let Some(conditional) = shapes::conditional(input)
        {
            put(action, "conditional", json!(conditional));
        }
        if self.chance.percent(6) {
            put(
                action,
                "feature_flag",
                json!(format!("{}_preview", self.domain)),
            );
        }
    }

    /// Where the output goes: half of the time to a place of the action's own.
    fn placed(&mut self, action: &mut Map<String, Value>, name: &str) {
        let target = format!("/environment/{}/{name}", self.domain);
        let output = action
            .get("output_schema")
            .and_then(|schema| shapes::required(schema).next());
        let path = match (self.chance.below(4), output) {
            (0, _) => json!(target),
            (1, Some((member, _))) => json!({target: format!("/{member}")}),
            _ => return,
        };
        put(action, "result_path", path);
    }
}

fn put(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

fn closed(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
