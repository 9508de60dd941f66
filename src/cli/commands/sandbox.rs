//! `refundd sandbox`: the gateway emulator alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Signals;
use crate::cli::{CliError, Context, Exit};
use crate::sandbox::{Sandbox, Settings};

/// What kind of gateway to play.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(long, default_value = "127.0.0.1:8791")]
    listen: SocketAddr,
    /// What was paid for an order that nobody added, in cents; 0 refuses unknown orders
    #[arg(long, value_name = "CENTS", default_value_t = 1_000_000)]
    auto_orders: u64,
    /// How long a refund stays in processing, ms
    #[arg(long, default_value_t = 2_000)]
    settle_after_ms: u64,
    /// All settings as JSON, faults included; the flags above are then not looked at
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

/// Plays the gateway until told to stop. Prints where it listens and with which keys.
pub(in crate::cli) async fn run(args: Args, context: &Context) -> Result<Exit, CliError> {
    let settings = match &args.settings {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|err| CliError::Io(format!("cannot read {}", path.display()), err))?;
            serde_json::from_str(&text).map_err(|err| {
                CliError::Usage(format!("{} is not a sandbox setting: {err}", path.display()))
            })?
        }
        None => Settings {
            listen: args.listen,
            auto_orders: (args.auto_orders > 0).then_some(args.auto_orders),
            settle_after_ms: args.settle_after_ms,
            ..Settings::default()
        },
    };
    let mut signals = Signals::listen()?;
    let cannot = |err| CliError::Io(format!("cannot listen on {}", settings.listen), err);
    let running = Sandbox::start(settings.clone()).await.map_err(cannot)?;
    let out = context.output;
    out.line(&format!(
        "iotpay      {}  merchant_id {}  key {}",
        running.base_url(),
        settings.iotpay.merchant_id,
        settings.iotpay.key
    ))?;
    out.line(&format!(
        "ionlinepay  {}  merchant_id {}  key {}",
        running.ionlinepay_url(),
        settings.ionlinepay.merchant_id,
        settings.ionlinepay.key
    ))?;
    out.line(&format!("book        {}/book", running.base_url()))?;
    out.line(&format!("faults      {}/faults  (GET, PUT)", running.base_url()))?;
    let exit = signals.next().await;
    running.shutdown().await;
    Ok(exit)
}
