//! Key files: one line of text, `lacewing-node-key-v1` or `lacewing-network-key-v1` and 64 hexadecimal digits.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use lacewing::PublicKey;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Longest key file that is read; longer ones are something else.
const FILE_BYTES_MAX: u64 = 256;

/// What a key is for. Each has its own first word, so that one cannot be taken for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    Node,
    Network,
}

impl KeyKind {
    fn word(self) -> &'static str {
        match self {
            Self::Node => "lacewing-node-key-v1",
            Self::Network => "lacewing-network-key-v1",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Node => "node key",
            Self::Network => "network key",
        }
    }
}

/// Reads a key that nobody else can read.
pub(crate) fn read(path: &Path, kind: KeyKind) -> Result<Zeroizing<[u8; 32]>, Failure> {
    let shown = path.display();
    let noun = kind.noun();
    let cannot = |error: io::Error| Failure::usage(format!("cannot read the {noun} file {shown}: {error}"));
    let file = File::open(path).map_err(cannot)?;
    check_private(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(cannot)?;
    let digits = text.trim_end().strip_prefix(kind.word()).and_then(|rest| rest.strip_prefix(' '));
    // `PublicKey` is the type that reads 64 digits; the bytes are wiped with the array that they are copied to.
    let key = digits.and_then(|digits| digits.parse::<PublicKey>().ok()).ok_or_else(|| {
        Failure::usage(format!(
            "{shown} is no {noun} file: expected one line, {} and 64 hexadecimal digits, as lacewing keygen writes it",
            kind.word()
        ))
    })?;
    Ok(Zeroizing::new(key.0))
}

/// Refuses a key that others can read: they have it already, or will.
#[cfg(unix)]
fn check_private(file: &File, path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::PermissionsExt;

    let shown = path.display();
    let metadata =
        file.metadata().map_err(|error| Failure::usage(format!("cannot read {shown}: {error}")))?;
    let mode = metadata.permissions().mode() & 0o777;
    // No bit beside those of the owner.
    if mode | 0o700 == 0o700 {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "the key file {shown} can be read by others (mode {mode:04o}): run chmod 600 {shown}, and make a new key if \
         somebody may have read it"
    )))
}

#[cfg(not(unix))]
fn check_private(_: &File, _: &Path) -> Result<(), Failure> {
    Ok(())
}

/// Writes a key that nobody else can read.
pub(crate) fn write(path: &Path, kind: KeyKind, key: &[u8; 32], force: bool) -> Result<(), Failure> {
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
    for part in [kind.word(), " ", &Zeroizing::new(PublicKey(*key).to_string()), "\n"] {
        text.push_str(part);
    }
    let result = if force { replace(path, text.as_bytes()) } else { create(path, text.as_bytes()) };
    result.map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            Failure::usage(format!(
                "{} exists; give --force to overwrite it, the key in it is lost then",
                path.display()
            ))
        } else {
            Failure::usage(format!("cannot write {}: {error}", path.display()))
        }
    })
}

/// Creates a file with mode 0600 that must not exist yet.
fn create(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(data)?;
    file.sync_all()
}

/// Writes a file in one step: at any moment it holds the old or the new content, also after a power cut. Mode 0600.
pub(crate) fn replace(path: &Path, data: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = path.with_file_name(name);
    // What a crashed predecessor with the same process id may have left.
    let _ = fs::remove_file(&beside);
    let result = create(&beside, data).and_then(|()| fs::rename(&beside, path));
    if result.is_err() {
        let _ = fs::remove_file(&beside);
    }
    result
}
