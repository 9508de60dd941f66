//! What a Redis has spent so far, for `refundd bench`: the difference of two readings is what lay between.

use std::collections::BTreeMap;

use redis::aio::ConnectionManager;

use super::connection::{Connector, map_error};
use super::keys::Keys;
use crate::ports::LedgerError;

/// Keys looked at, or deleted, by one command.
const STEP: usize = 1_000;

/// Reads what one Redis has spent.
#[derive(Debug)]
pub struct Gauge {
    con: ConnectionManager,
    keys: Keys,
}

/// What one kind of command has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// How often it ran, inside scripts too.
    pub calls: u64,
    /// How long it ran, microseconds; of a script with all that it calls.
    pub micros: u64,
}

/// What a Redis has spent since it started, and what it holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its version.
    pub version: String,
    /// By command, in lower case.
    pub commands: BTreeMap<String, Spent>,
    /// CPU time of all its threads, user and system, microseconds.
    pub cpu_us: u64,
    /// CPU time of the thread that runs commands, microseconds; 0 before Redis 6.2.
    pub main_cpu_us: u64,
    /// Memory that its data take, bytes.
    pub used_memory: u64,
    /// Length of the append-only file, bytes; 0 without one. A rewrite makes it shorter.
    pub aof_bytes: u64,
}

impl Gauge {
    /// Connects.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis cannot be reached.
    pub async fn connect(connector: &Connector, keys: Keys) -> Result<Self, LedgerError> {
        Ok(Self { con: connector.shared().await?, keys })
    }

    /// Reads; one `INFO`.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis does not answer.
    pub async fn read(&self) -> Result<Reading, LedgerError> {
        let info = redis::cmd("INFO").arg("ALL").query_async(&mut self.con.clone()).await;
        let info: String = info.map_err(map_error)?;
        Ok(Reading::of(&info))
    }

    /// How many results there are; one `XLEN`.
    ///
    /// # Errors
    /// [`LedgerError`] if Redis does not answer.
    pub async fn results(&self) -> Result<u64, LedgerError> {
        let mut cmd = redis::cmd("XLEN");
        let length = cmd.arg(self.keys.results()).query_async(&mut self.con.clone()).await;
        length.map_err(map_error)
    }

    /// Deletes every key of the namespace, settled refunds and all.
    ///
    /// # Errors
    /// [`LedgerError`]; harmless to repeat.
    pub async fn erase(&self) -> Result<(), LedgerError> {
        let mut cursor = 0_u64;
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(self.keys.pattern()).arg("COUNT").arg(STEP);
            let found = scan.query_async(&mut self.con.clone()).await;
            let (next, keys): (u64, Vec<String>) = found.map_err(map_error)?;
            if !keys.is_empty() {
                let unlinked =
                    redis::cmd("UNLINK").arg(keys).query_async(&mut self.con.clone()).await;
                let _: u64 = unlinked.map_err(map_error)?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }
}

impl Reading {
    /// From the answer of `INFO ALL`. What Redis does not tell is 0.
    fn of(info: &str) -> Self {
        let lines = info.lines().filter_map(|line| line.trim_end().split_once(':'));
        let fields: BTreeMap<&str, &str> = lines.collect();
        let number = |name| fields.get(name).and_then(|text| text.parse().ok()).unwrap_or(0);
        let cpu = |names: [&str; 2]| {
            names.iter().filter_map(|name| fields.get(name)).map(|text| micros(text)).sum()
        };
        let commands = fields.iter().filter_map(|(name, text)| {
            Some((name.strip_prefix("cmdstat_")?.to_owned(), Spent::of(text)))
        });
        Self {
            version: fields.get("redis_version").copied().unwrap_or_default().to_owned(),
            commands: commands.collect(),
            cpu_us: cpu(["used_cpu_user", "used_cpu_sys"]),
            main_cpu_us: cpu(["used_cpu_user_main_thread", "used_cpu_sys_main_thread"]),
            used_memory: number("used_memory"),
            aof_bytes: number("aof_current_size"),
        }
    }
}

impl Spent {
    /// From `calls=8,usec=61,usec_per_call=7.62,…`.
    fn of(text: &str) -> Self {
        let parts = || text.split(',').filter_map(|part| part.split_once('='));
        let number = |wanted| {
            parts().find(|(name, _)| *name == wanted).and_then(|(_, n)| n.parse().ok()).unwrap_or(0)
        };
        Self { calls: number("calls"), micros: number("usec") }
    }
}

/// Seconds with a fraction, such as `12.345678`, in microseconds.
fn micros(text: &str) -> u64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let six = fraction.chars().chain("000000".chars()).take(6).collect::<String>();
    let number = |digits: &str| digits.parse::<u64>().unwrap_or(0);
    number(whole).saturating_mul(1_000_000).saturating_add(number(&six))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_has_commands_time_memory_and_the_length_of_the_file() {
        let reading = Reading::of(
            "# Server\r\nredis_version:7.0.15\r\nused_memory:1000\r\naof_current_size:77\r\n\
             used_cpu_sys:1.5\r\nused_cpu_user:2.000001\r\nused_cpu_sys_main_thread:0.25\r\n\
             # Commandstats\r\ncmdstat_client|setinfo:calls=2,usec=9,usec_per_call=4.50\r\n\
             cmdstat_xadd:calls=8,usec=61,usec_per_call=7.62,rejected_calls=0\r\n",
        );
        assert_eq!(reading.version, "7.0.15");
        assert_eq!((reading.cpu_us, reading.main_cpu_us), (3_500_001, 250_000));
        assert_eq!((reading.used_memory, reading.aof_bytes), (1_000, 77));
        assert_eq!(reading.commands["xadd"], Spent { calls: 8, micros: 61 });
        assert_eq!(reading.commands.len(), 2);
    }
}
