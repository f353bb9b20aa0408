//! What a started target finds in its environment: the test environment of `spec/harness.md`, section 1, what its definition adds,
//! and little else of the harness' own.

use std::collections::BTreeMap;

use mock_services::{Credentials, MockServices, ModelWire, Service};

use super::definition::Definition;
use super::placeholders::{self, Values};
use crate::suite::options::test_secrets;

/// What a target gets of the harness' own environment.
const PASSED_ON: [&str; 3] = ["PATH", "HOME", "LANG"];

/// The secret that is too short to be granted.
const SHORT: (&str, &str) = ("OAP_TEST_SHORT", "ab12");

/// Name of the variable that holds the port a target listens on.
pub const PORT: &str = "PORT";

/// Reads a variable of the harness' own environment.
pub type Own<'o> = &'o dyn Fn(&str) -> Option<String>;

/// The secrets of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What the target is given, by the name that it knows: the test environment's, and those of the definition.
    pub given: Vec<(String, String)>,
    /// What goes with every request: (header, value).
    pub headers: Vec<(String, String)>,
}

impl Known {
    /// The test environment's secrets, those that a definition names, and its headers.
    ///
    /// # Errors
    /// When a variable that holds one is not set, with its name.
    pub fn of(definition: &Definition, own: Own<'_>) -> Result<Self, String> {
        let mut given = test_secrets();
        for (name, variable) in &definition.secrets {
            let value = value_of(variable, own)?;
            match given.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => *known = value,
                None => given.push((name.clone(), value)),
            }
        }
        let headers = definition
            .connect
            .headers_env
            .iter()
            .map(|(header, variable)| Ok((header.clone(), value_of(variable, own)?)))
            .collect::<Result<_, String>>()?;
        Ok(Self { given, headers })
    }

    /// Everything that is searched for and redacted: a header as a whole and without its scheme.
    pub fn searched(&self) -> Vec<(String, String)> {
        let mut searched = self.given.clone();
        for (header, value) in &self.headers {
            searched.push((header.clone(), value.clone()));
            if let Some((_, bare)) = value.rsplit_once(' ') {
                searched.push((header.clone(), bare.to_owned()));
            }
        }
        searched
    }

    /// What the mocks expect.
    pub fn credentials(&self) -> Credentials {
        let defaults = Credentials::default();
        let or = |name: &str, default: String| {
            let found = self.given.iter().find(|(known, _)| known == name);
            found.map_or(default, |(_, value)| value.clone())
        };
        Credentials {
            calendar: or("CALENDAR_TOKEN", defaults.calendar),
            email: or("EMAIL_TOKEN", defaults.email),
            crm: or("CRM_TOKEN", defaults.crm),
            model_key: or("OPENAI_API_KEY", defaults.model_key),
            object_key_id: or("AWS_ACCESS_KEY_ID", defaults.object_key_id),
            object_key: or("AWS_SECRET_ACCESS_KEY", defaults.object_key),
        }
    }

    fn named(&self, name: &str) -> Option<&str> {
        let found = self.given.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

fn value_of(variable: &str, own: Own<'_>) -> Result<String, String> {
    match own(variable) {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(format!(
            "the environment variable {variable} is not set; the target's definition takes a secret from it"
        )),
    }
}

/// What placeholders stand for, as far as the mocks decide it.
pub fn values_of(mocks: &MockServices, wire: ModelWire, known: &Known) -> Values {
    let mut values = Values::from([
        ("model_url", mocks.model_url_of(wire)),
        ("model_name", "scripted-model".to_owned()),
        ("calendar_url", mocks.service_url(Service::Calendar)),
        ("email_url", mocks.service_url(Service::Email)),
        ("crm_url", mocks.service_url(Service::Crm)),
        ("objects_url", mocks.service_url(Service::Objects)),
        ("otlp_url", mocks.collector().url().to_owned()),
    ]);
    if let Some(key) = known.named("OPENAI_API_KEY") {
        values.insert("model_key", key.to_owned());
    }
    values
}

/// The whole environment of a started target but for the mark of the run.
///
/// # Errors
/// When a value of the definition has a placeholder that stands for nothing here.
pub fn environment(
    definition: &Definition,
    known: &Known,
    values: &Values,
    own: Own<'_>,
) -> Result<BTreeMap<String, String>, String> {
    let mut environment = BTreeMap::new();
    let start = definition.start.clone().unwrap_or_default();
    for name in PASSED_ON
        .into_iter()
        .chain(start.inherit.iter().map(String::as_str))
    {
        if let Some(value) = own(name) {
            environment.insert(name.to_owned(), value);
        }
    }
    let inject = &definition.inject;
    let value = |name: &str| values.get(name).cloned();
    let told = [
        ("OPENAI_BASE_URL", value("model_url")),
        ("OPENAI_MODEL", value("model_name")),
        ("OAP_MODEL_TIMEOUT_MS", Some("1000".to_owned())),
        ("OAP_MODEL_WIRE", Some(inject.model_wire.to_string())),
        (
            "OAP_MODEL_STREAM",
            inject.model_stream.then(|| "true".to_owned()),
        ),
        (SHORT.0, Some(SHORT.1.to_owned())),
        ("OAP_TEST_REGION", Some("eu".to_owned())),
        ("OAP_TEST_PLUGIN_ORIGIN", value("calendar_url")),
        ("AWS_ENDPOINT_URL_S3", value("objects_url")),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            inject.otlp.as_ref().and_then(|_| value("otlp_url")),
        ),
        // What the makers' exporters wait for more spans is seconds unless somebody says otherwise.
        (
            "OTEL_BSP_SCHEDULE_DELAY",
            inject.otlp.as_ref().map(|_| "200".to_owned()),
        ),
        ("AWS_REGION", Some("us-east-1".to_owned())),
        ("AWS_ACCESS_KEY_ID", Some(known.credentials().object_key_id)),
        ("OAP_STORAGE_TIMEOUT_MS", Some("1000".to_owned())),
        ("OAP_STORAGE_FILE_BYTES", Some("65536".to_owned())),
        ("OAP_TEST_FOLDER", value("folder")),
        ("OAP_MANIFEST", value("manifest")),
        (PORT, value("port")),
    ];
    let told = told
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .chain(known.given.iter().cloned());
    for (name, value) in told {
        // In production it asks a model of its own, with what its maker hands it.
        if !inject.scripted_model()
            && is_of_the_model(&name)
            && !definition.secrets.contains_key(&name)
        {
            continue;
        }
        environment.insert(inject.variable(&name).to_owned(), value);
    }
    for (name, value) in &start.env {
        let value = placeholders::expand(value, values)
            .map_err(|reason| format!("[start] env.{name}: {reason}"))?;
        environment.insert(name.clone(), value);
    }
    Ok(environment)
}

fn is_of_the_model(name: &str) -> bool {
    name.starts_with("OPENAI_") || name.starts_with("OAP_MODEL_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn definition(text: &str) -> Definition {
        Definition::parse(text, Path::new("t.toml")).expect("a definition")
    }

    fn own(name: &str) -> Option<String> {
        let value = match name {
            "PATH" => "/bin",
            "VIRTUAL_ENV" => "/venv",
            "CI_TOKEN" => "ci-token-000001",
            "CI_HEADER" => "Bearer head-token-0001",
            "UNRELATED" => "x",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn values() -> Values {
        Values::from([
            ("port", "8080".to_owned()),
            ("model_url", "http://127.0.0.1:1/v1".to_owned()),
            ("model_name", "scripted-model".to_owned()),
        ])
    }

    #[test]
    fn a_target_gets_the_test_environment_and_little_else() {
        let definition = definition(
            "[start]\ncommand = ['x']\ninherit = ['VIRTUAL_ENV', 'NOT_SET']\nenv = {A = 'p${port}'}\n\
             [inject]\nmodel_url = 'MODEL'\n[secrets]\nCALENDAR_TOKEN = 'CI_TOKEN'",
        );
        let known = Known::of(&definition, &own).expect("known");
        let found = environment(&definition, &known, &values(), &own).expect("an environment");
        let get = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(get("PATH"), Some("/bin"));
        assert_eq!(get("VIRTUAL_ENV"), Some("/venv"));
        assert_eq!(get("A"), Some("p8080"));
        assert_eq!(get("PORT"), Some("8080"));
        assert_eq!(get("MODEL"), Some("http://127.0.0.1:1/v1"));
        assert_eq!(get("OPENAI_BASE_URL"), None);
        assert_eq!(get("CALENDAR_TOKEN"), Some("ci-token-000001"));
        assert_eq!(get("OAP_TEST_SHORT"), Some("ab12"));
        assert_eq!(get("UNRELATED"), None);
        assert_eq!(get("OAP_TEST_UNSET"), None);
        assert_eq!(known.credentials().calendar, "ci-token-000001");
    }

    #[test]
    fn another_wire_has_variables_of_its_own() {
        let definition = definition(
            "[start]\ncommand = 'x'\n[inject]\nmodel_wire = 'anthropic'\nmodel_stream = true\nmodel_name = 'NAME'",
        );
        let known = Known::of(&definition, &own).expect("known");
        let found = environment(&definition, &known, &values(), &own).expect("an environment");
        let get = |name: &str| found.get(name).map(String::as_str);
        assert_eq!(get("ANTHROPIC_BASE_URL"), Some("http://127.0.0.1:1/v1"));
        assert_eq!(get("ANTHROPIC_API_KEY"), Some("sk-test-model-key-0001"));
        assert_eq!(get("NAME"), Some("scripted-model"));
        assert_eq!(get("OAP_MODEL_WIRE"), Some("anthropic"));
        assert_eq!(get("OAP_MODEL_STREAM"), Some("true"));
        assert!(!found.keys().any(|name| name.starts_with("OPENAI_")));
    }

    #[test]
    fn in_production_nothing_is_said_of_the_model() {
        let definition = definition("[start]\ncommand = 'x'\n[inject]\nmodel = false");
        let known = Known::of(&definition, &own).expect("known");
        let found = environment(&definition, &known, &values(), &own).expect("an environment");
        assert!(!found.keys().any(|name| is_of_the_model(name)));
        assert!(found.contains_key("EMAIL_TOKEN"));
    }

    #[test]
    fn headers_are_secrets_with_and_without_their_scheme() {
        let definition = definition(
            "[connect]\nbase_url = 'http://127.0.0.1:1'\nheaders_env = {Authorization = 'CI_HEADER'}",
        );
        let known = Known::of(&definition, &own).expect("known");
        let searched = known.searched();
        for value in ["Bearer head-token-0001", "head-token-0001"] {
            assert!(searched.iter().any(|(_, known)| known == value), "{value}");
        }
        let none = |_: &str| None;
        assert!(Known::of(&definition, &none).is_err_and(|e| e.contains("CI_HEADER is not set")));
    }
}
