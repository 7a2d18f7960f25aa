//! Meshes that are made up, the same ones each time.

use lacewing_core::capability::CapabilitySet;

/// Nodes that share a rack tag: what a selective query finds.
pub(super) const RACK: u32 = 10;

/// What a node says: about as much as a real one does, with a serial number that no other has.
pub(super) fn set_of(node: u32) -> CapabilitySet {
    let mut draw = Draw(u64::from(node));
    let cores = draw.one_of(&[4, 8, 16, 32, 64, 96, 128]);
    let mut tags = vec![
        format!("rack-{}", node / RACK),
        format!("hardware.cpu_cores={cores}"),
        format!("hardware.cpu_threads={}", cores * 2),
        format!("hardware.memory_gb={}", draw.one_of(&[8, 16, 32, 64, 96, 128, 256, 512])),
        format!("hardware.storage_gb={}", draw.below(4_000)),
        format!("hardware.network_gbps={}", draw.one_of(&[1, 10, 25, 100])),
        format!("software.os={}", draw.one_of(&["linux", "linux", "linux", "windows", "macos"])),
        format!("software.os_version=6.{}.0", draw.below(20)),
        format!("software.runtime.python=3.{}.{}", draw.below(14), draw.below(10)),
        format!("zone-{}", draw.below(12)),
    ];
    if draw.chance(2) {
        tags.push("batch".to_owned());
    }
    if draw.chance(3) {
        tags.push(format!("scope:tenant:t{}", draw.below(20)));
    }
    if draw.chance(2) {
        let vendor = draw.one_of(&["nvidia", "nvidia", "nvidia", "amd", "intel"]);
        tags.extend([
            "hardware.gpu".to_owned(),
            format!("hardware.gpu.vendor={vendor}"),
            format!("hardware.gpu.model={vendor}-{}", draw.below(9)),
            format!("hardware.gpu.vram_gb={}", draw.one_of(&[8, 16, 24, 48, 80])),
            format!("software.cuda_version=12.{}", draw.below(6)),
            format!("software.framework.pytorch=2.{}.0", draw.below(8)),
            format!("software.model.0.id=model-{}", draw.below(40)),
            format!("software.model.0.context_length={}", draw.one_of(&[4_096, 8_192, 32_768, 131_072])),
            "software.model.0.modalities=text,code".to_owned(),
        ]);
    }
    let metadata = [
        ("owner", format!("team-{}", draw.below(50))),
        ("priority", draw.one_of(&["low", "normal", "high"]).to_owned()),
        ("serial", format!("{:016x}", draw.next())),
    ];
    let mut set = CapabilitySet::new();
    for tag in tags {
        set.insert_tag(&tag).expect("the tag is well-formed and fits");
    }
    for (key, value) in metadata {
        set.insert_metadata(key, &value).expect("the entry is well-formed and fits");
    }
    set
}

/// `SplitMix64`: numbers that look random, and are the same each time.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }
}
