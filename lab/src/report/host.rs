//! What can be told of this machine: enough to know whether another one is alike, nothing that names it.

use super::model::Host;

/// Reads the files that Linux has for it. What is not there is not known.
pub(super) fn host() -> Host {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    Host {
        os: os(&read("/etc/os-release")),
        kernel: kernel(&read("/proc/sys/kernel/ostype"), &read("/proc/sys/kernel/osrelease")),
        cpu: cpu(&read("/proc/cpuinfo")),
        architecture: Some(std::env::consts::ARCH.to_owned()),
        memory_mib: memory_mib(&read("/proc/meminfo")),
    }
}

/// The value after a key, in a file of lines `key: value` or `key=value`.
fn value<'a>(text: &'a str, key: &str, separator: char) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(separator));
    let (_, value) = lines.find(|(name, _)| name.trim() == key)?;
    Some(value.trim()).filter(|value| !value.is_empty())
}

/// os-release(5).
fn os(text: &str) -> Option<String> {
    Some(value(text, "PRETTY_NAME", '=')?.trim_matches(['"', '\'']).to_owned())
}

fn kernel(kind: &str, release: &str) -> Option<String> {
    let (kind, release) = (kind.trim(), release.trim());
    (!release.is_empty()).then(|| format!("{kind} {release}").trim().to_owned())
}

/// Processors that are not from the PC's family call it otherwise, or do not say.
fn cpu(text: &str) -> Option<String> {
    let known = ["model name", "Model", "Processor", "cpu"];
    let model = known.into_iter().find_map(|key| value(text, key, ':'))?;
    Some(model.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn memory_mib(text: &str) -> Option<u64> {
    let kib: u64 = value(text, "MemTotal", ':')?.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_and_not_named() {
        assert_eq!(
            os("NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n").as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(
            kernel("Linux\n", "6.1.0-13-amd64\n").as_deref(),
            Some("Linux 6.1.0-13-amd64")
        );
        assert_eq!(
            cpu("processor\t: 0\nmodel name\t: Intel(R)  Xeon(R) CPU @ 2.20GHz\n").as_deref(),
            Some("Intel(R) Xeon(R) CPU @ 2.20GHz")
        );
        assert_eq!(memory_mib("MemTotal:       16384000 kB\nMemFree: 1 kB\n"), Some(16000));
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        assert_eq!(
            (os(""), kernel("", ""), cpu("flags:\n"), memory_mib("MemTotal: much\n")),
            (None, None, None, None)
        );
        assert!(host().architecture.is_some());
    }
}
