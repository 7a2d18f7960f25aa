//! How much memory this process has, as Linux tells it. Elsewhere it stays unknown.

/// Bytes of memory of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    /// What it has now.
    pub(super) resident: u64,
    /// The most that it ever had.
    pub(super) peak: u64,
}

impl Memory {
    /// Of this process.
    pub(super) fn look() -> Option<Self> {
        Self::read(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    fn read(status: &str) -> Option<Self> {
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kib * 1024)
        };
        Some(Self { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

#[cfg(test)]
mod tests {
    use super::Memory;

    #[test]
    fn both_figures_are_read() {
        let status = "Name:\tbench\nVmPeak:\t  90 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(Memory::read(status), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(Memory::read("VmRSS:\t 1024 kB\n"), None);
        assert_eq!(Memory::read("VmRSS:\t many kB\nVmHWM:\t 1 kB\n"), None);
    }
}
