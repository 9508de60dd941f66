//! This machine: the ops address, open files, disk.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::report::Finding;
use crate::config::Settings;

/// How long whoever has the ops address may take to say who it is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Most bytes of its answer that are looked at.
const ANSWER_MAX: u64 = 64 * 1024;

/// Connections that the ops server takes at once, and what else a process keeps open.
const FILES_BESIDE: u64 = 512 + 64;

/// Free space under which the append-only file is in danger, bytes: a rewrite needs as much as the data.
const DISK_LOW: (u64, u64) = (100 << 20, 1 << 30);

/// All of them.
pub(super) async fn check(settings: &Settings) -> Vec<Finding> {
    let mut findings = listen(settings).await;
    findings.push(files(settings));
    findings.extend(disk(settings));
    findings
}

/// Whether the ops address is free, or a refundd has it.
async fn listen(settings: &Settings) -> Vec<Finding> {
    let Ok(address) = settings.ops.listen.parse::<SocketAddr>() else {
        return Vec::new(); // a finding of the configuration
    };
    let check = "ops.listen";
    if address.port() == 0 {
        let found = format!("{address}: refundd run picks a free port and logs it");
        return vec![Finding::ok(check, found)];
    }
    match TcpListener::bind(address).await {
        Ok(_) => vec![Finding::note(check, format!("{address} is free: no refundd runs there"))],
        Err(err) if err.kind() == std::io::ErrorKind::AddrInUse => taken(address).await,
        Err(err) => vec![
            Finding::error(check, format!("{address} cannot be had: {err}"))
                .because("refundd run does not start.")
                .remedy("ops.listen: an address of this machine, port above 1023, or port 0"),
        ],
    }
}

/// Who has the address, and how it is.
async fn taken(address: SocketAddr) -> Vec<Finding> {
    let check = "ops.listen";
    let health = ask(address, "/healthz").await;
    let version = health.as_ref().and_then(|health| health["version"].as_str());
    let Some(version) = version else {
        return vec![
            Finding::error(check, format!("{address} is taken by another program"))
                .because("refundd run does not start.")
                .remedy("ops.listen: another port, or 0 for a free one"),
        ];
    };
    let found = format!("a refundd {version} answers at {address}");
    let mut findings = vec![if version == env!("CARGO_PKG_VERSION") {
        Finding::ok(check, found)
    } else {
        Finding::note(check, format!("{found}; this one is {}", env!("CARGO_PKG_VERSION")))
    }];
    findings.push(match ask(address, "/readyz").await {
        Some(ready) if ready["ready"] == true => Finding::ok("ops.ready", "it does its work"),
        Some(ready) => not_ready(&ready),
        None => Finding::unknown("ops.ready", "/readyz was not answered"),
    });
    findings
}

fn not_ready(ready: &Value) -> Finding {
    let checks = ready["checks"].as_array().into_iter().flatten();
    let red = checks.filter(|check| check["ok"] == false).map(|check| {
        let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
        format!("{}: {}", text("name"), text("why"))
    });
    let red: Vec<_> = red.collect();
    Finding::error("ops.ready", format!("/readyz is red: {}", red.join("; ")))
        .because("that process takes in no requests or moves no refunds.")
        .remedy("see what is said of redis here, then its log")
}

/// One GET, answered with JSON or not at all.
async fn ask(address: SocketAddr, path: &str) -> Option<Value> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(ANSWER_MAX).read_to_end(&mut answer).await.ok()?;
        let answer = String::from_utf8(answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        serde_json::from_str(body).ok()
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten()
}

/// Open files: each call to a gateway and each client of the ops server is one.
fn files(settings: &Settings) -> Finding {
    let check = "machine.open_files";
    let concurrency = u64::from(settings.worker.concurrency);
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Finding::ok(check, "no limit");
    };
    let needed = concurrency.saturating_add(FILES_BESIDE);
    let found = format!("{limit} may be open here; worker.concurrency is {concurrency}");
    if limit >= needed {
        return Finding::ok(check, found);
    }
    let remedy = format!(
        "raise the limit to {needed} (systemd: LimitNOFILE={needed}; shell: ulimit -n {needed}), or \
         lower worker.concurrency"
    );
    let finding = if limit < concurrency { Finding::error } else { Finding::warning };
    finding(check, found).because("a busy worker may run out of connections.").remedy(remedy)
}

/// Room for the embedded Redis; without one the disk is another machine's.
fn disk(settings: &Settings) -> Option<Finding> {
    if settings.redis.url.is_some() {
        return None;
    }
    let check = "machine.disk";
    let folder = Path::new(&settings.redis.data_dir);
    // Before the first start the folder is not there; then it lies where refundd is started.
    let there = folder.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    Some(match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{} MiB free for redis.data_dir {}", free >> 20, folder.display());
            let full = "when the disk is full Redis refuses every write.";
            let remedy = "make room, or set redis.data_dir to a larger disk (move the folder)";
            if free < DISK_LOW.0 {
                Finding::error(check, found).because(full).remedy(remedy)
            } else if free < DISK_LOW.1 {
                Finding::warning(check, found).because(full).remedy(remedy)
            } else {
                Finding::ok(check, found)
            }
        }
        Err(err) => Finding::unknown(check, format!("{}: {err}", folder.display())),
    })
}
