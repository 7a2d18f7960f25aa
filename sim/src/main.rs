//! The testbed's command line: see `lacewing_sim::cli`.

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(lacewing_sim::cli::main() as u8)
}
