//! Binaries on disk, so that a kernel is compiled once on a machine and not once in a process.
//!
//! The folder is `KEOPS_CACHE`, or `keops-solve` in the user's folder for caches (`XDG_CACHE_HOME`, or `.cache` at home). If there is none, or
//! `KEOPS_CACHE` is empty, nothing is kept. An entry holds all that it depends on and a checksum, and is passed over if either is not
//! as expected. Files appear under their names complete or not at all.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

/// The first bytes of an entry.
const MAGIC: &[u8; 8] = b"keops-1\n";

/// Where binaries are kept.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The cache of this user.
    pub(crate) fn new() -> Self {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let folder = match env::var_os("KEOPS_CACHE") {
            Some(folder) if folder.is_empty() => None,
            Some(folder) => Some(PathBuf::from(folder)),
            None => set("XDG_CACHE_HOME")
                .or_else(|| set("LOCALAPPDATA"))
                .map(PathBuf::from)
                .or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")))
                .map(|caches| caches.join("keops-solve")),
        };
        Self { folder }
    }

    fn path(&self, key: &str) -> Option<PathBuf> {
        let name = format!("{:016x}.cubin", hash(key.as_bytes()));
        Some(self.folder.as_ref()?.join(name))
    }

    /// The binary of a key, if it is there and sound.
    pub(crate) fn read(&self, key: &str) -> Option<Vec<u8>> {
        let entry = fs::read(self.path(key)?).ok()?;
        let entry = entry.strip_prefix(MAGIC)?;
        let (length, entry) = entry.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (kept, entry) = entry.split_at_checked(length)?;
        let (checksum, binary) = entry.split_first_chunk::<8>()?;
        let sound = kept == key.as_bytes() && u64::from_le_bytes(*checksum) == hash(binary);
        sound.then(|| binary.to_vec())
    }

    /// Keeps a binary. A cache that cannot be written to is as good as none.
    pub(crate) fn write(&self, key: &str, binary: &[u8]) {
        static WRITES: AtomicUsize = AtomicUsize::new(0);
        let Some(path) = self.path(key) else {
            return;
        };
        let mut entry = MAGIC.to_vec();
        entry.extend((key.len() as u64).to_le_bytes());
        entry.extend(key.as_bytes());
        entry.extend(hash(binary).to_le_bytes());
        entry.extend(binary);
        let number = WRITES.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_extension(format!("{}-{number}", process::id()));
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        let written = folder
            .and_then(|()| fs::write(&unfinished, &entry))
            .and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
    }
}

/// FNV-1a (Fowler, Noll and Vo), in 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf29ce484222325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100000001b3)
    })
}

#[cfg(test)]
mod tests {
    use super::Cache;
    use std::fs;

    #[test]
    fn sound_entries_are_found_and_damaged_ones_are_not() {
        let folder = std::env::temp_dir().join(format!("keops-cache-{}", std::process::id()));
        let cache = Cache {
            folder: Some(folder.clone()),
        };
        assert_eq!(cache.read("a"), None);
        cache.write("a", b"binary");
        cache.write("b", b"");
        assert_eq!(cache.read("a").as_deref(), Some(&b"binary"[..]));
        assert_eq!(cache.read("b").as_deref(), Some(&b""[..]));
        assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 2);

        // Cut off anywhere, and with any byte changed.
        let path = cache.path("a").expect("a path");
        let entry = fs::read(&path).expect("the entry");
        for at in 0..entry.len() {
            fs::write(&path, &entry[..at]).expect("a writable folder");
            assert_eq!(cache.read("a"), None, "{at}");
            let mut changed = entry.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).expect("a writable folder");
            assert_eq!(cache.read("a"), None, "{at}");
        }
        // Another key whose entry stands in this place.
        fs::copy(cache.path("b").expect("a path"), &path).expect("a writable folder");
        assert_eq!(cache.read("a"), None);
        cache.write("a", b"again");
        assert_eq!(cache.read("a").as_deref(), Some(&b"again"[..]));
        fs::remove_dir_all(folder).expect("the folder");
    }

    #[test]
    fn without_a_folder_nothing_is_kept() {
        let cache = Cache { folder: None };
        cache.write("a", b"binary");
        assert_eq!(cache.read("a"), None);
    }
}
