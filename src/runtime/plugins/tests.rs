//! Folders, descriptors and code.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{PluginCode, PluginFolder, Plugins};
use crate::manifest::InvokeApi;
use crate::runtime::StartError;
use crate::runtime::error::Code;
use crate::workflow::bound::Catalogue;

fn write(folder: &Path, name: &str, document: &Value) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("is made");
    fs::write(path, document.to_string()).expect("is written");
}

fn described(name: &str, patch: &Value) -> Value {
    let mut document = json!({"name": name, "input_schema": {"type": "object"}, "output_schema": {}, "code": "code/x.json"});
    for (name, value) in patch.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document
}

/// The code of a plugin that calls a service.
fn api(plugins: &Plugins, name: &str) -> Arc<InvokeApi> {
    match plugins.code(name).expect("loads") {
        PluginCode::Api(api) => api,
        PluginCode::Module(_) => panic!("{name} is a module"),
    }
}

fn code(patch: &Value) -> Value {
    let mut document =
        json!({"type": "invoke_api", "endpoint": "https://erp.example.com/v1", "method": "POST"});
    for (name, value) in patch.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document
}

/// Why a folder with this one descriptor cannot be used.
fn defect(file: &str, document: &Value) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), file, document);
    match Plugins::known(PluginFolder::Directory(folder.path().to_owned())) {
        Err(StartError::Plugin {
            file: told,
            message,
        }) => {
            assert_eq!(told, file);
            message
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn wfl_102_the_test_plugins_are_known_and_nothing_is_loaded() {
    let plugins = Plugins::known(PluginFolder::Embedded).expect("starts");
    let names: Vec<&str> = plugins.names().collect();
    assert_eq!(
        names,
        [
            "oap_test.aborting",
            "oap_test.broken",
            "oap_test.echo",
            "oap_test.endless",
            "oap_test.guarded",
            "oap_test.missing",
            "oap_test.note",
            "oap_test.strict",
            "oap_test_lookup"
        ]
    );
    let guarded = plugins.get("oap_test.guarded").expect("is known");
    assert_eq!(
        guarded
            .access_control
            .as_ref()
            .expect("is there")
            .required_scopes,
        ["plugin:use"]
    );
    assert!(!plugins.is_loaded("oap_test.note"));
    assert_eq!(
        api(&plugins, "oap_test.note").endpoint.source(),
        "${OAP_TEST_PLUGIN_ORIGIN}/p/v1/send"
    );
    assert!(plugins.is_loaded("oap_test.note"));
    assert!(!plugins.is_loaded("oap_test.strict"));
}

#[test]
fn wfl_104_code_that_cannot_be_loaded_fails_its_own_calls_only() {
    let plugins = Plugins::known(PluginFolder::Embedded).expect("starts");
    for name in ["oap_test.broken", "oap_test.missing", "nobody"] {
        let error = plugins.code(name).expect_err("fails");
        assert_eq!(error.code, Code::PluginError);
        assert!(!error.message.contains(".json"), "{}", error.message);
    }
    assert!(plugins.code("oap_test_lookup").is_ok());
}

#[test]
fn code_is_read_again_after_a_failure_and_never_after_a_success() {
    let folder = tempfile::tempdir().expect("a folder");
    write(
        folder.path(),
        "erp.create.json",
        &described("erp.create", &json!({})),
    );
    let plugins =
        Plugins::known(PluginFolder::Directory(folder.path().to_owned())).expect("starts");
    assert!(plugins.code("erp.create").is_err());
    write(
        folder.path(),
        "code/x.json",
        &code(&json!({"timeout_ms": 5})),
    );
    assert_eq!(api(&plugins, "erp.create").timeout.as_millis(), 5);
    fs::remove_file(folder.path().join("code/x.json")).expect("is removed");
    assert!(plugins.code("erp.create").is_ok());
}

#[test]
fn wfl_103_defects_of_descriptors_are_told_at_the_start() {
    for (file, document, told) in [
        ("a.json", described("b", &json!({})), "b.json"),
        ("a-b.json", described("a-b", &json!({})), "/name"),
        ("a..b.json", described("a..b", &json!({})), "/name"),
        (
            "a.json",
            described("a", &json!({"code": "../x.json"})),
            "/code",
        ),
        (
            "a.json",
            described("a", &json!({"code": "/etc/passwd"})),
            "/code",
        ),
        (
            "a.json",
            described("a", &json!({"code": "code/../../x"})),
            "/code",
        ),
        (
            "a.json",
            described("a", &json!({"code": ".hidden"})),
            "/code",
        ),
        ("a.json", described("a", &json!({"code": 1})), "/code"),
        (
            "a.json",
            described("a", &json!({"input_schema": 1})),
            "/input_schema",
        ),
        (
            "a.json",
            described("a", &json!({"access_control": {"rate_limit": "often"}})),
            "/access_control/rate_limit",
        ),
        (
            "a.json",
            described("a", &json!({"accessControl": {}})),
            "accessControl",
        ),
        ("a.json", json!({"name": "a", "code": "x"}), "output_schema"),
        ("a.json", json!({"name": "a"}), "code"),
        ("a.json", json!([]), "object"),
    ] {
        let message = defect(file, &document);
        assert!(message.contains(told), "{document}: {message}");
    }
    let missing = PluginFolder::Directory("/nonexistent/plugins".into());
    assert!(matches!(
        Plugins::known(missing),
        Err(StartError::Plugin { .. })
    ));
    assert_eq!(
        Plugins::known(PluginFolder::None)
            .expect("starts")
            .names()
            .count(),
        0
    );
}

#[test]
fn code_is_one_declared_call() {
    let folder = tempfile::tempdir().expect("a folder");
    let loads = |document: &Value| {
        write(folder.path(), "a.json", &described("a", &json!({})));
        write(folder.path(), "code/x.json", document);
        let plugins = Plugins::known(PluginFolder::Directory(folder.path().to_owned()));
        plugins.expect("starts").code("a").is_ok()
    };
    assert!(loads(&code(
        &json!({"auth": "Bearer ${ERP_TOKEN}", "request_map": {"/id": "/orderId"}})
    )));
    assert!(loads(&code(&json!({"endpoint": "${ORIGIN}/v1/${PATH}"}))));
    for patch in [
        json!({"type": "run_code"}),
        json!({"type": "plugin"}),
        json!({"endpoint": "${ORIGIN}"}),
        json!({"endpoint": "${ORIGIN}@evil.example/x"}),
        json!({"endpoint": "ftp://x.example"}),
        json!({"method": "get"}),
        json!({"headers": {"Host": "x"}}),
        json!({"timeout_ms": 0}),
    ] {
        assert!(!loads(&code(&patch)), "{patch}");
    }
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_the_folder() {
    let (inside, outside) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    write(outside.path(), "x.json", &code(&json!({})));
    write(inside.path(), "a.json", &described("a", &json!({})));
    fs::create_dir(inside.path().join("code")).expect("is made");
    std::os::unix::fs::symlink(
        outside.path().join("x.json"),
        inside.path().join("code/x.json"),
    )
    .expect("a link");
    let plugins =
        Plugins::known(PluginFolder::Directory(inside.path().to_owned())).expect("starts");
    assert_eq!(
        plugins.code("a").expect_err("fails").code,
        Code::PluginError
    );
}

#[test]
fn a_module_is_code_in_either_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let binary = b"\0asm\x01\0\0\0";
    for (file, bytes, entrypoint) in [
        ("x.wat", b"(module)".as_slice(), "generate"),
        ("x.wasm", binary, "start_here"),
    ] {
        let mut document = described("a", &json!({"code": file}));
        if entrypoint != "generate" {
            document["entrypoint"] = json!(entrypoint);
        }
        write(folder.path(), "a.json", &document);
        fs::write(folder.path().join(file), bytes).expect("is written");
        let plugins = Plugins::known(PluginFolder::Directory(folder.path().to_owned()));
        let PluginCode::Module(code) = plugins.expect("starts").code("a").expect("loads") else {
            panic!("{file} is no module");
        };
        assert_eq!(code.entrypoint, entrypoint);
        assert!(
            matches!(&*code.code, "(module)" | "AGFzbQEAAAA="),
            "{}",
            code.code
        );
        assert_eq!((code.cpu_ms, code.memory_mib), (200, 64));
    }
    for patch in [
        json!({"entrypoint": "generate"}),
        json!({"code": "x.wat", "entrypoint": "a b"}),
        json!({"code": "x.wat", "entrypoint": 1}),
    ] {
        write(folder.path(), "a.json", &described("a", &patch));
        let plugins = Plugins::known(PluginFolder::Directory(folder.path().to_owned()));
        assert!(plugins.is_err(), "{patch}");
    }
}
