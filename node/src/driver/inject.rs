//! Bugs on purpose: what the testbed switches on to see that its oracles notice.
//!
//! They are compiled in only under `--cfg lacewing_inject`, which simulation builds set. Released artefacts hold none.

/// `injected!(core, "bug-name")`: whether a named bug is switched on; `every 8` lets it strike every eighth time only.
/// A constant `false` outside simulation builds.
macro_rules! injected {
    ($core:expr, $bug:literal) => {
        injected!($core, $bug, every 1)
    };
    ($core:expr, $bug:literal, every $count:literal) => {{
        #[cfg(lacewing_inject)]
        {
            $core.trace.inject($bug) && {
                $core.injections += 1;
                $core.injections % $count == 0
            }
        }
        #[cfg(not(lacewing_inject))]
        {
            let _ = &$core;
            false
        }
    }};
}
pub(super) use injected;

#[cfg(lacewing_inject)]
use lacewing_core::machine::Bug;

/// Every bug that the driver can be told to have.
#[cfg(lacewing_inject)]
pub const BUGS: &[Bug] = &[
    Bug {
        name: "driver-cancel-forgotten",
        machine: "driver",
        what: "dropping a call's future does not cancel the call",
    },
    Bug {
        name: "driver-credit-lost",
        machine: "driver",
        what: "written bytes give the engine no new credit",
    },
    Bug { name: "driver-goodbye-cut", machine: "driver", what: "a closing link forgets its last bytes" },
    Bug { name: "driver-handler-twice", machine: "driver", what: "every handler is run twice" },
    Bug {
        name: "driver-outcome-lost",
        machine: "driver",
        what: "the outcome of every eighth call does not reach its caller",
    },
    Bug {
        name: "driver-wake-lost",
        machine: "driver",
        what: "every sixteenth time nobody wakes a link that has bytes to write",
    },
];
