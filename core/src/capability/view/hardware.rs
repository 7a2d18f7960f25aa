//! The hardware of a node.

use super::{Lowering, number, text};
use crate::capability::schema::{self, Known};
use crate::capability::set::{CapabilitySet, SetError};
use crate::capability::tag::Axis;

use alloc::string::String;

const AXIS: Axis = Axis::Hardware;

/// Processors, memory, accelerators, and what the node can take on at once.
///
/// ```
/// use lacewing_core::capability::CapabilitySet;
/// use lacewing_core::capability::view::{Gpu, GpuVendor, Hardware};
///
/// let gpu = Gpu { vendor: Some(GpuVendor::Nvidia), vram_gb: Some(24), ..Gpu::default() };
/// let hardware = Hardware { memory_gb: Some(64), gpu: Some(gpu), ..Hardware::default() };
/// let mut set = CapabilitySet::new();
/// hardware.write_to(&mut set).unwrap();
/// assert!(set.has_tag("hardware.gpu") && set.has_tag("hardware.gpu.vendor=nvidia"));
/// assert_eq!(Hardware::of(&set), hardware);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hardware {
    /// Processor cores.
    pub cpu_cores: Option<u64>,
    /// Hardware threads.
    pub cpu_threads: Option<u64>,
    /// Memory in gigabytes.
    pub memory_gb: Option<u64>,
    /// The GPU, where there is one.
    pub gpu: Option<Gpu>,
    /// Storage in gigabytes.
    pub storage_gb: Option<u64>,
    /// Network bandwidth in gigabits a second.
    pub network_gbps: Option<u64>,
    /// What the node takes on at once.
    pub limits: RequestLimits,
}

/// A graphics processor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gpu {
    /// Who made it.
    pub vendor: Option<GpuVendor>,
    /// Its name.
    pub model: Option<String>,
    /// Its memory in gigabytes.
    pub vram_gb: Option<u64>,
    /// Compute units or streaming multiprocessors.
    pub compute_units: Option<u64>,
    /// Tensor cores.
    pub tensor_cores: Option<u64>,
    /// Half-precision speed in tenths of a TFLOPS.
    pub fp16_tflops_x10: Option<u64>,
}

/// Who made a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GpuVendor {
    /// NVIDIA.
    Nvidia,
    /// AMD.
    Amd,
    /// Intel.
    Intel,
    /// Apple.
    Apple,
    /// Qualcomm.
    Qualcomm,
    /// Anybody else; reads from every other name.
    Unknown,
}

impl GpuVendor {
    /// All vendors.
    pub const ALL: [Self; 6] =
        [Self::Nvidia, Self::Amd, Self::Intel, Self::Apple, Self::Qualcomm, Self::Unknown];

    /// The name that tags use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nvidia => "nvidia",
            Self::Amd => "amd",
            Self::Intel => "intel",
            Self::Apple => "apple",
            Self::Qualcomm => "qualcomm",
            Self::Unknown => "unknown",
        }
    }

    /// The vendor of this name, as tags write it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|vendor| vendor.name() == name)
    }
}

/// What a node takes on at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests at the same time.
    pub max_concurrent_requests: Option<u64>,
    /// Tokens in one request.
    pub max_tokens_per_request: Option<u64>,
    /// Requests a minute.
    pub rate_limit_rpm: Option<u64>,
    /// Requests in one batch.
    pub max_batch_size: Option<u64>,
    /// Bytes of one request.
    pub max_input_bytes: Option<u64>,
    /// Bytes of one answer.
    pub max_output_bytes: Option<u64>,
}

impl Hardware {
    /// What the tags of a set say. Any tag about the GPU says that there is one.
    pub fn of(set: &CapabilitySet) -> Self {
        let number = |key| number(set, AXIS, key);
        let gpu = Gpu {
            vendor: text(set, AXIS, "gpu.vendor")
                .map(|name| GpuVendor::from_name(&name).unwrap_or(GpuVendor::Unknown)),
            model: text(set, AXIS, "gpu.model"),
            vram_gb: number("gpu.vram_gb"),
            compute_units: number("gpu.compute_units"),
            tensor_cores: number("gpu.tensor_cores"),
            fp16_tflops_x10: number("gpu.fp16_tflops_x10"),
        };
        let has_gpu = set.values(AXIS, "gpu").next().is_some() || gpu != Gpu::default();
        Self {
            cpu_cores: number("cpu_cores"),
            cpu_threads: number("cpu_threads"),
            memory_gb: number("memory_gb"),
            gpu: has_gpu.then_some(gpu),
            storage_gb: number("storage_gb"),
            network_gbps: number("network_gbps"),
            limits: RequestLimits {
                max_concurrent_requests: number("limits.max_concurrent_requests"),
                max_tokens_per_request: number("limits.max_tokens_per_request"),
                rate_limit_rpm: number("limits.rate_limit_rpm"),
                max_batch_size: number("limits.max_batch_size"),
                max_input_bytes: number("limits.max_input_bytes"),
                max_output_bytes: number("limits.max_output_bytes"),
            },
        }
    }

    /// Puts the view in the place of all that the set says about known hardware keys.
    pub fn write_to(&self, set: &mut CapabilitySet) -> Result<(), SetError> {
        let mut lowering =
            Lowering::new(set, |axis, key| axis == AXIS && schema::lookup(axis, key) != Known::Unknown);
        lowering.number("hardware.cpu_cores", self.cpu_cores)?;
        lowering.number("hardware.cpu_threads", self.cpu_threads)?;
        lowering.number("hardware.memory_gb", self.memory_gb)?;
        if let Some(gpu) = &self.gpu {
            lowering.tag("hardware.gpu")?;
            lowering.text("hardware.gpu.vendor", gpu.vendor.map(GpuVendor::name))?;
            lowering.text("hardware.gpu.model", gpu.model.as_deref())?;
            lowering.number("hardware.gpu.vram_gb", gpu.vram_gb)?;
            lowering.number("hardware.gpu.compute_units", gpu.compute_units)?;
            lowering.number("hardware.gpu.tensor_cores", gpu.tensor_cores)?;
            lowering.number("hardware.gpu.fp16_tflops_x10", gpu.fp16_tflops_x10)?;
        }
        lowering.number("hardware.storage_gb", self.storage_gb)?;
        lowering.number("hardware.network_gbps", self.network_gbps)?;
        let limits = &self.limits;
        lowering.number("hardware.limits.max_concurrent_requests", limits.max_concurrent_requests)?;
        lowering.number("hardware.limits.max_tokens_per_request", limits.max_tokens_per_request)?;
        lowering.number("hardware.limits.rate_limit_rpm", limits.rate_limit_rpm)?;
        lowering.number("hardware.limits.max_batch_size", limits.max_batch_size)?;
        lowering.number("hardware.limits.max_input_bytes", limits.max_input_bytes)?;
        lowering.number("hardware.limits.max_output_bytes", limits.max_output_bytes)?;
        lowering.finish();
        Ok(())
    }
}
