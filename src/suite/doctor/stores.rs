//! What a target may be given besides: a clock that moves, a folder, an object store.

use mock_services::Service;
use serde_json::json;

use super::talk::Doctor;
use super::visit::{Errand, Seen, Way, credential, told};
use crate::requirement::Profile;
use crate::suite::applicability::Capabilities;
use crate::suite::clock::Clock;

impl Doctor<'_, '_> {
    /// The clock, where one is configured.
    pub(super) async fn clock(&mut self) {
        const CHECK: &str = "clock";
        let Some(url) = &self.subject.options.clock else {
            self.diagnosis.skip(
                CHECK,
                "no clock is configured: cases that move it do not apply",
            );
            return;
        };
        let time = self.subject.options.times.request;
        let moved = match Clock::new(url) {
            Ok(clock) => clock.advance(1, time).await,
            Err(reason) => Err(reason),
        };
        match moved {
            Ok(()) => self
                .diagnosis
                .ok(CHECK, format!("POST {url}/advance moves the clock")),
            Err(reason) => self.diagnosis.wrong(
                CHECK,
                reason,
                "answer POST /advance with 2xx there (spec/harness.md, section 7), or take the clock out of the definition",
            ),
        }
    }

    /// The folder and the object store.
    pub(super) async fn stores(&mut self, taken: bool, capabilities: &Capabilities) {
        let options = self.subject.options;
        let folder = options.files.as_ref().map(|files| files.path().to_owned());
        for (check, scheme) in [("folder", "file"), ("objects", "s3")] {
            let schemes = capabilities.schemes.as_ref();
            let offered = schemes.is_none_or(|all| all.iter().any(|one| one == scheme));
            let configured = if scheme == "file" {
                folder.is_some()
            } else {
                options.objects
            };
            let why = if !capabilities.profiles.contains(&Profile::Storage) {
                Some("the target does not declare storage")
            } else if !offered {
                Some("the target does not offer this scheme")
            } else if !configured {
                Some("nothing of the kind is configured: its cases do not apply")
            } else if !taken || self.silent {
                Some("the target did not come so far")
            } else if self.way == Way::Neither {
                Some("the target executes nothing")
            } else if self.way == Way::Session && !options.claims.model {
                Some("the model is not scripted")
            } else {
                None
            };
            match why {
                Some(why) => self.diagnosis.skip(check, why),
                None => {
                    self.store(check, folder.as_deref().unwrap_or_default())
                        .await
                }
            }
        }
    }

    async fn store(&mut self, check: &'static str, folder: &str) {
        const NAME: &str = "doctor.txt";
        let of_folder = check == "folder";
        let errand = if of_folder {
            Errand {
                manifest: "notes-folder",
                action: "read_note",
                input: json!({"path": NAME}),
                files: json!({NAME: "here"}),
            }
        } else {
            Errand {
                manifest: "notes-bucket",
                action: "write_note",
                input: json!({"path": NAME, "content": "here"}),
                files: json!({}),
            }
        };
        let observed = match self.run(&errand).await {
            Ok(observed) => observed,
            Err(reason) => return self.diagnosis.skip(check, reason),
        };
        let seen = Seen {
            observed: &observed,
            way: self.way,
        };
        let fate = if seen.observed.control.obstacle().is_some() {
            seen.registration().map(told).unwrap_or_default()
        } else {
            seen.fate()
        };
        if of_folder {
            let content = seen
                .result()
                .and_then(|result| result.pointer("/output/content").cloned());
            if content == Some(json!("here")) {
                return self
                    .diagnosis
                    .ok(check, format!("a file in {folder} is read"));
            }
            return self.diagnosis.wrong(
                check,
                format!("a file in {folder} was not read: {fate}"),
                format!("allow the root file://{folder}/ (OAP_TEST_FOLDER and ${{folder}} name it), and read what is written meanwhile (spec/harness.md, section 9)"),
            );
        }
        match seen.calls(Service::Objects).first() {
            Some(call) if credential(call).is_none() => self
                .diagnosis
                .ok(check, "an object is written, signed with the key"),
            Some(call) => self.diagnosis.wrong(
                check,
                format!(
                    "the object store was called {} the key in AWS_ACCESS_KEY_ID",
                    credential(call).unwrap_or_default()
                ),
                "sign requests with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
            None => self.diagnosis.wrong(
                check,
                format!("the object store was not reached: {fate}"),
                "ask it at the address in AWS_ENDPOINT_URL_S3, and allow the root s3://notes-bucket/ (spec/harness.md, section 9)",
            ),
        }
    }
}
