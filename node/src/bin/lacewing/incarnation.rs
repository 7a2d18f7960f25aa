//! The last incarnation of an identity, kept in a file beside its key.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lacewing::Incarnation;

use crate::failure::Failure;
use crate::keyfile::replace;

/// `<key file>.incarnation`: one decimal number.
pub(crate) struct IncarnationFile {
    path: PathBuf,
}

impl IncarnationFile {
    pub(crate) fn beside(key_file: &Path) -> Self {
        let mut path = OsString::from(key_file);
        path.push(".incarnation");
        Self { path: path.into() }
    }

    /// The incarnation of this life, which is on disk when this returns.
    pub(crate) fn begin(&self) -> Result<Incarnation, Failure> {
        let incarnation = Incarnation::at_boot(self.read()?, unix_ms_now());
        self.write(incarnation)?;
        Ok(incarnation)
    }

    fn read(&self) -> Result<Option<Incarnation>, Failure> {
        let shown = self.path.display();
        match fs::read_to_string(&self.path) {
            Ok(text) => match text.trim_end().parse() {
                Ok(number) => Ok(Some(Incarnation::new(number))),
                Err(_) => Err(Failure::usage(format!(
                    "{shown} holds no incarnation: expected a decimal number; without the file one is taken from the clock"
                ))),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::usage(format!("cannot read {shown}: {error}"))),
        }
    }

    pub(crate) fn write(&self, incarnation: Incarnation) -> Result<(), Failure> {
        replace(&self.path, format!("{incarnation}\n").as_bytes())
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", self.path.display())))
    }
}

#[expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "an incarnation is drawn from the wall clock, once, at boot"
)]
fn unix_ms_now() -> u64 {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
