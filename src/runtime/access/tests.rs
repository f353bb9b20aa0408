//! Tokens, good and bad.

use jiff::Timestamp;
use proptest::prelude::*;
use ring::hmac;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Map, Value, json};

use super::super::parts::Reference;
use super::token::Defect;
use super::*;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SECRET: &[u8] = b"a-shared-key-of-32-bytes-or-more";
const NOW: i64 = 1_800_000_000;

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key pair")
}

fn auth() -> Auth {
    let public = pair().public_key().as_ref().try_into().expect("32 bytes");
    let key = |kid: &str, material| Key {
        kid: kid.to_owned(),
        material,
    };
    Auth {
        keys: vec![
            key("hs", Material::Hs256(SECRET.to_vec())),
            key("ed", Material::Ed25519(public)),
        ],
        tokens: vec![TableEntry {
            token: "static-token-0001".to_owned(),
            subject: "table-user".to_owned(),
            scopes: ["a", "b"].map(str::to_owned).into(),
        }],
        audience: Some("here".to_owned()),
        issuer: None,
    }
}

/// What signs.
#[derive(Clone, Copy)]
enum Signer {
    Shared(&'static [u8]),
    PublicAsShared,
    Pair,
    Nobody,
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(header: &Value, claims: &Value, signer: Signer) -> String {
    let text = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    );
    let mac = |key: &[u8]| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
    };
    let signature = match signer {
        Signer::Shared(key) => mac(key),
        Signer::PublicAsShared => mac(pair().public_key().as_ref()),
        Signer::Pair => pair().sign(text.as_bytes()).as_ref().to_vec(),
        Signer::Nobody => Vec::new(),
    };
    format!("{text}.{}", encode(signature))
}

fn good(claims: Value) -> Value {
    let mut all = json!({"sub": "alice", "exp": NOW + 600, "aud": "here", "scope": "x y"});
    for (name, value) in claims.as_object().unwrap_or(&Map::new()) {
        match value {
            Value::Null => drop(all.as_object_mut().and_then(|all| all.remove(name))),
            value => all[name] = value.clone(),
        }
    }
    all
}

fn seen(auth: &Auth, token: &str) -> Result<Caller, Defect> {
    let now = Timestamp::from_second(NOW).expect("a time");
    Reference.authenticate(auth, Some(token), now)
}

fn with_claims(claims: Value) -> Result<Caller, Defect> {
    let token = signed(
        &json!({"alg": "HS256", "kid": "hs"}),
        &good(claims),
        Signer::Shared(SECRET),
    );
    seen(&auth(), &token)
}

fn with_header(header: Value, signer: Signer) -> Result<Caller, Defect> {
    seen(&auth(), &signed(&header, &good(json!({})), signer))
}

#[test]
fn good_tokens_name_their_subject_and_scopes() {
    let alice = with_claims(json!({})).expect("valid");
    assert_eq!(
        (alice.subject.as_str(), alice.authenticated),
        ("alice", true)
    );
    assert!(alice.holds("x") && alice.holds("y") && !alice.holds("x y"));
    let ed = with_header(json!({"alg": "EdDSA", "kid": "ed"}), Signer::Pair);
    assert_eq!(ed, Ok(alice.clone()));
    let list = with_claims(json!({"scope": ["p", "q r"]})).expect("valid");
    assert!(list.holds("p") && list.holds("q r"));
    let none = with_claims(json!({"scope": null})).expect("valid");
    assert!(none.scopes.is_empty());
    let held = seen(&auth(), "static-token-0001").expect("in the table");
    assert_eq!(held.subject, "table-user");
    assert_eq!(held.missing(&["a", "c"].map(str::to_owned)), ["c"]);
}

#[test]
fn the_algorithm_is_pinned_to_the_key() {
    let shared = Signer::Shared(SECRET);
    for (alg, kid, signer) in [
        ("none", "hs", Signer::Nobody),
        ("None", "hs", Signer::Nobody),
        ("NONE", "ed", Signer::Nobody),
        ("hs256", "hs", shared),
        ("HS512", "hs", shared),
        ("EdDSA", "hs", shared),
        ("HS256", "ed", Signer::PublicAsShared),
        ("RS256", "ed", Signer::Pair),
        ("", "hs", shared),
    ] {
        let seen = with_header(json!({"alg": alg, "kid": kid}), signer);
        assert_eq!(seen, Err(Defect::Algorithm), "{alg} {kid}");
    }
    for header in [json!({"kid": "hs"}), json!({"alg": ["HS256"], "kid": "hs"})] {
        assert_eq!(with_header(header, shared), Err(Defect::Algorithm));
    }
}

#[test]
fn keys_are_selected_by_their_id() {
    let shared = Signer::Shared(SECRET);
    for header in [
        json!({"alg": "HS256"}),
        json!({"alg": "HS256", "kid": "HS"}),
        json!({"alg": "HS256", "kid": 1}),
        json!({"alg": "HS256", "kid": "../hs"}),
    ] {
        assert_eq!(with_header(header, shared), Err(Defect::UnknownKey));
    }
    let mut alone = auth();
    alone.keys.truncate(1);
    let token = signed(&json!({"alg": "HS256"}), &good(json!({})), shared);
    assert!(seen(&alone, &token).is_ok());
}

#[test]
fn what_a_token_must_hold() {
    for (claims, defect) in [
        (json!({"exp": null}), Defect::Expired),
        (json!({"exp": "2099"}), Defect::Expired),
        (json!({"exp": NOW - 61}), Defect::Expired),
        (json!({"nbf": NOW + 61}), Defect::NotYet),
        (json!({"nbf": "soon"}), Defect::NotYet),
        (json!({"aud": null}), Defect::Audience),
        (json!({"aud": "there"}), Defect::Audience),
        (json!({"aud": ["there"]}), Defect::Audience),
        (json!({"aud": "here "}), Defect::Audience),
        (json!({"sub": null}), Defect::Subject),
        (json!({"sub": ""}), Defect::Subject),
        (json!({"sub": 5}), Defect::Subject),
        (json!({"sub": "é".repeat(257)}), Defect::Subject),
        (json!({"scope": 5}), Defect::Scope),
        (json!({"scope": [5]}), Defect::Scope),
    ] {
        assert_eq!(with_claims(claims.clone()), Err(defect), "{claims}");
    }
    for claims in [
        json!({"exp": NOW - 59}),
        json!({"exp": NOW as f64 + 0.5}),
        json!({"exp": 1e300}),
        json!({"nbf": NOW + 59}),
        json!({"aud": ["there", "here"]}),
        json!({"sub": "é".repeat(256)}),
        json!({"iss": "whoever"}),
    ] {
        assert!(with_claims(claims.clone()).is_ok(), "{claims}");
    }
    let mut strict = auth();
    strict.issuer = Some("us".to_owned());
    let token = |iss: Value| {
        let header = json!({"alg": "HS256", "kid": "hs"});
        signed(&header, &good(json!({"iss": iss})), Signer::Shared(SECRET))
    };
    assert!(seen(&strict, &token(json!("us"))).is_ok());
    for other in [json!(null), json!("them"), json!(["us"])] {
        assert_eq!(seen(&strict, &token(other)), Err(Defect::Issuer));
    }
}

#[test]
fn signatures_and_forms() {
    let header = json!({"alg": "HS256", "kid": "hs"});
    let wrong = Signer::Shared(b"another-key-that-nobody-configured");
    assert_eq!(with_header(header.clone(), wrong), Err(Defect::Signature));
    assert_eq!(
        with_header(header.clone(), Signer::Nobody),
        Err(Defect::Signature)
    );
    let ed = json!({"alg": "EdDSA", "kid": "ed"});
    assert_eq!(
        with_header(ed, Signer::Shared(SECRET)),
        Err(Defect::Signature)
    );
    let token = signed(&header, &good(json!({})), Signer::Shared(SECRET));
    let (text, signature) = token.rsplit_once('.').expect("parts");
    let forged = format!(
        "{}.{}",
        encode(header.to_string()),
        encode(good(json!({"sub": "bob"})).to_string())
    );
    assert_eq!(
        seen(&auth(), &format!("{forged}.{signature}")),
        Err(Defect::Signature)
    );
    let critical = json!({"alg": "HS256", "kid": "hs", "crit": ["exp"]});
    assert_eq!(
        with_header(critical, Signer::Shared(SECRET)),
        Err(Defect::Critical)
    );
    for bad in [
        "",
        ".",
        "..",
        "a.b",
        "static-token-0002",
        "static-token-000",
        text,
        &format!("{token}."),
        &format!("{token}="),
        &format!(" {token}"),
        &format!("{text}.{signature}!"),
        &format!("{}.x", "A".repeat(token::LONGEST_TOKEN)),
    ] {
        assert_eq!(seen(&auth(), bad), Err(Defect::Malformed), "{bad}");
    }
    let twice = r#"{"alg":"none","alg":"HS256","kid":"hs"}"#;
    let token = format!(
        "{}.{}.{signature}",
        encode(twice),
        encode(good(json!({})).to_string())
    );
    assert_eq!(seen(&auth(), &token), Err(Defect::Malformed));
}

#[test]
fn no_key_and_no_token_is_shown() {
    let shown = format!("{:?} {:?} {:?}", auth(), auth().keys, auth().tokens);
    assert!(!shown.contains("static-token") && !shown.contains("a-shared-key"));
    let secrets: Vec<String> = auth().secrets().map(str::to_owned).collect();
    assert_eq!(
        secrets,
        ["a-shared-key-of-32-bytes-or-more", "static-token-0001"]
    );
    let token = "a.secret.token";
    let refusal = Reference.unauthenticated(Some(token), Defect::Expired);
    assert_eq!(refusal, Reference.unauthenticated(None, Defect::Signature));
}

#[test]
fn the_scheme_is_bearer() {
    assert_eq!(token::bearer("Bearer abc"), Some("abc"));
    assert_eq!(token::bearer("bEARER  abc "), Some("abc"));
    for other in [
        "Bearer",
        "Bearer ",
        "Basic abc",
        "abc",
        "",
        "Bearer\tabc",
        "xBearer abc",
    ] {
        assert_eq!(token::bearer(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_token_by_chance(text in ".{0,64}", header in "[A-Za-z0-9_-]{0,40}", claims in "[A-Za-z0-9_-]{0,40}") {
        prop_assert!(seen(&auth(), &text).is_err());
        let parts = format!("{header}.{claims}.{header}");
        prop_assert!(seen(&auth(), &parts).is_err());
    }
}
