//! The interface against its own document: schemathesis makes requests by it, legal and illegal ones, and
//! holds every answer to it. `deploy/test.sh` installs schemathesis below `target/`.

use std::path::Path;
use std::process::Stdio;

use refundd::sandbox::{Fault, On, Rule};
use serde_json::json;
use tokio::process::Command;

use super::{Desk, gate};
use crate::support::service::request;
use crate::support::{wait_until, wait_within};

/// How long all of it may take: mostly some twenty seconds.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_to_any_request_is_as_the_document_says_and_none_is_a_defect() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = root.join("target/schemathesis/bin/schemathesis");
    assert!(program.exists(), "this test needs schemathesis: deploy/test.sh installs it");
    let desk = Desk::with(gate::with_tokens).await;
    refunds_in_many_states(&desk).await;

    let (folder, report) = (desk.shop.path("."), desk.shop.path("schemathesis.log"));
    let told = std::fs::File::create(&report).expect("the report can be written");
    let mut command = Command::new(program);
    command.arg("--config-file").arg(root.join("tests/it/ops/schemathesis.toml"));
    command.args(["--no-color", "run", "--header", "Authorization: Bearer operate"]);
    command.arg(format!("http://{}/openapi.json", desk.address));
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    command.stdout(told.try_clone().expect("a second handle")).stderr(told);
    let mut running = command.spawn().expect("schemathesis can be started");
    let ended = wait_within(PATIENCE, "schemathesis to end", || {
        let ended = running.try_wait().expect("a child of ours");
        async move { ended }
    });
    let ended = ended.await;
    let report = std::fs::read_to_string(report).expect("a report");
    assert!(ended.success(), "{report}");
    let tried = report.lines().find(|line| line.contains(" generated, ")).expect("a summary");
    eprintln!("proved: {}", tried.trim());

    let log = desk.shop.log(0);
    assert!(!log.contains("panicked") && !log.contains("defect"), "{log}");
    assert_eq!(desk.get("/healthz").await.status, 200, "it still lives");
    assert!(desk.shop.book().violations.is_empty(), "{:?}", desk.shop.book().violations);
}

/// The refunds that `schemathesis.toml` names.
async fn refunds_in_many_states(desk: &Desk) {
    let sandbox = desk.shop.sandbox.sandbox();
    let rule = |no: &str, on, fault| sandbox.add_fault(Rule::new(on, fault).refund_no(no));
    rule("ST-parked", On::Queries, Fault::WrongAmount);
    rule("ST-unknown", On::Both, Fault::EmptyBody);
    rule("ST-open", On::Submits, Fault::NeverSettle);
    for no in ["ST-settled", "ST-parked", "ST-unknown", "ST-open"] {
        desk.shop.push(&request(no, "shop-ca"));
    }
    for (no, state) in [
        ("ST-settled", "settled"),
        ("ST-parked", "parked"),
        ("ST-unknown", "unconfirmed"),
        ("ST-open", "processing"),
    ] {
        wait_until(&format!("{no} to be {state}"), async || {
            let auth = [("authorization", "Bearer read")];
            let path = format!("/v1/refunds/{no}");
            let seen = desk.ask(reqwest::Method::GET, &path, &auth, "").await;
            (seen.body["state"] == json!(state)).then_some(())
        })
        .await;
    }
}
