//! The vault.

use serde_json::{Value, json};

use super::super::vault::{Reference, Token, VaultError};
use super::server::{MockVault, VAULT_TOKEN};
use super::*;

const CRM: &str = "/v1/secret/data/app/crm";

/// Reads one secret, in `token` at `secret/app/crm`.
async fn read(server: &MockVault) -> Result<BTreeMap<String, String>, VaultError> {
    let vault = Vault::new(server.settings(&[("A", "secret/app/crm#token")]));
    vault.expect("settings").read().await
}

#[tokio::test]
async fn each_path_is_asked_once_for_all_its_fields() {
    let server = MockVault::start().await;
    server.holds(
        CRM,
        &json!({"token": FIRST, "key": "the-key-of-crm\n", "other": 1}),
    );
    server.holds("/v1/team/kv/data/mail%20box", &json!({"token": SECOND}));
    let mut settings = server.settings(&[
        ("A", "secret/app/crm#token"),
        ("B", "/secret/data/app/crm#key"),
        ("C", "team/kv/data/mail box#token"),
    ]);
    settings.namespace = Some("team-a".to_owned());
    settings.address.push('/');
    let vault = Vault::new(settings).expect("settings");
    let read = vault.read().await.expect("read");
    let values: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        values,
        [("A", FIRST), ("B", "the-key-of-crm"), ("C", SECOND)]
    );
    assert_eq!(
        server.asked(),
        [
            format!("{CRM} team-a"),
            "/v1/team/kv/data/mail%20box team-a".to_owned()
        ]
    );
    assert!(!format!("{vault:?}").contains(VAULT_TOKEN));
}

#[tokio::test]
async fn what_cannot_be_had_is_said_without_what_was_answered() {
    let server = MockVault::start().await;
    let quoted = "answer-with-a-value-in-it";
    let entry = |fields: Value| json!({"data": {"data": fields}});
    for (status, body, said) in [
        (404, json!({}), "there is nothing at secret/data/app/crm"),
        (
            403,
            json!({"errors": [quoted]}),
            "may not read secret/data/app/crm",
        ),
        (503, json!(quoted), "cannot be reached: it answers 503"),
        (307, json!(quoted), "redirects are not followed"),
        (400, json!(quoted), "answers 400"),
        (200, json!(quoted), "is not JSON"),
        (
            200,
            json!({"data": {"token": quoted}}),
            "key-value engine of version 2",
        ),
        (
            200,
            json!({"data": {"data": null}}),
            "key-value engine of version 2",
        ),
        (200, entry(json!({"other": quoted})), "has no field token"),
        (200, entry(json!({"token": [quoted]})), "that is not a text"),
        (
            200,
            entry(json!({"token": "x".repeat(70_000)})),
            "of more than 65536 bytes",
        ),
        (200, json!("x".repeat(3 << 20)), "larger than"),
    ] {
        server.answers(CRM, status, body);
        let error = read(&server).await.expect_err("refused");
        let text = error.to_string();
        assert!(text.contains(said), "{text}");
        assert!(
            !text.contains(quoted) && !text.contains(VAULT_TOKEN),
            "{text}"
        );
        assert_eq!(error.is_unreachable(), status == 503);
    }
    server.takes("another-token");
    let denied = read(&server).await;
    assert!(matches!(denied, Err(VaultError::Denied(_))), "{denied:?}");
    let mut settings = server.settings(&[("A", "secret/a#b")]);
    drop(server);
    let gone = Vault::new(settings.clone()).expect("settings").read().await;
    assert!(gone.is_err_and(|error| error.is_unreachable()));
    for address in [
        "",
        "vault:8200",
        "https://u:p@host",
        "https://host?a",
        "ftp://host",
    ] {
        address.clone_into(&mut settings.address);
        let error = Vault::new(settings.clone()).expect_err("refused");
        assert!(error.to_string().contains("address"), "{error}");
    }
}

#[tokio::test]
async fn new_values_and_new_tokens_are_taken_and_the_last_good_ones_stay() {
    let server = MockVault::start().await;
    server.holds(CRM, &json!({"token": FIRST}));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, format!("{VAULT_TOKEN}\n")).expect("written");
    let mut settings = server.settings(&[("A", "secret/app/crm#token")]);
    settings.token = Token::File(file.clone());
    let mut vault = Vault::new(settings).expect("settings");
    assert_eq!(vault.first_token(), VAULT_TOKEN);
    let secrets = secrets(&[("A", FIRST)], &[VAULT_TOKEN], &Rotation::default());
    let value = || secrets.credentials().secret("A").map(str::to_owned);

    server.holds(CRM, &json!({"token": SECOND}));
    assert_eq!(vault.renew(&secrets).await, Vec::<String>::new());
    assert_eq!(value().as_deref(), Some(SECOND));

    let next = "token-of-the-vault-0002";
    server.takes(next);
    let denied = vault.renew(&secrets).await;
    assert!(denied[0].contains("may not read") && denied[0].contains("keep their values"));
    std::fs::write(&file, next).expect("written");
    server.holds(CRM, &json!({"token": "third-value-of-a"}));
    assert_eq!(vault.renew(&secrets).await, Vec::<String>::new());
    assert_eq!(value().as_deref(), Some("third-value-of-a"));
    for known in [FIRST, SECOND, "third-value-of-a", VAULT_TOKEN, next] {
        assert!(is_found(secrets.redactor(), known), "{known}");
    }
    // A vault that holds its own token grants it to nobody.
    server.holds(CRM, &json!({"token": next}));
    let refused = vault.renew(&secrets).await;
    assert!(refused[0].contains("the runtime's own"), "{refused:?}");

    drop(server);
    let gone = vault.renew(&secrets).await;
    assert!(gone[0].contains("cannot be reached"), "{gone:?}");
    assert_eq!(value().as_deref(), Some("third-value-of-a"));
    std::fs::remove_file(&file).expect("removed");
    let gone = vault.renew(&secrets).await;
    assert!(gone[0].contains("the token of the vault"), "{gone:?}");
}

#[test]
fn places_are_read_as_they_are_written_elsewhere() {
    let parsed = |text: &str| Reference::parse(text);
    assert_eq!(
        parsed("secret/app/crm#token"),
        parsed("secret/data/app/crm#token")
    );
    assert!(parsed("team/kv/data/crm#token").is_ok());
    let long = format!("secret/{}#t", "x".repeat(600));
    for bad in [
        "",
        "#",
        "secret#token",
        "secret/app",
        "secret/app#",
        "secret//app#t",
        "secret/./app#t",
        "secret/../sys/seal#t",
        "secret/%2e%2e/app#t",
        "secret/a\nb#t",
        &long,
    ] {
        assert!(parsed(bad).is_err(), "{bad}");
    }
}
