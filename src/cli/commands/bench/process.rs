//! What the kernel says of a process. Linux only; elsewhere there is nothing to read, and that is said.

use std::fs;

/// CPU time of a process so far, all its threads, microseconds. As fine as the kernel's clock tick, mostly
/// 10 ms. `None` if it is gone or the system has no `/proc`.
pub(super) fn cpu_us(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    ticks(&stat)?.checked_mul(1_000_000)?.checked_div(rustix::param::clock_ticks_per_second())
}

/// User and system time in the text of `/proc/PID/stat`, ticks: its fields 14 and 15.
fn ticks(stat: &str) -> Option<u64> {
    // The second field is a name in brackets that may hold anything.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let (user, system) = (fields.next()?, fields.next()?);
    user.parse::<u64>().ok()?.checked_add(system.parse().ok()?)
}

/// The most memory that a process has had in RAM so far, KiB.
pub(super) fn peak_rss_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The machine's load average of the last minute: above 0, others were at work as well.
pub(super) fn load_average() -> Option<String> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_process_is_read_whatever_its_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 500 0 0 0 120 34 0 0 20 0 3 0 100";
        assert_eq!(ticks(stat), Some(154));
        let own = std::process::id();
        assert!(cpu_us(own).is_some() && peak_rss_kib(own) > Some(100));
    }
}
