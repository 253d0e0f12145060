//! Where fetched and built things lie, shared by every stack of this user.
//!
//! **A folder under its final name is complete**: it is filled under another name and then renamed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::error::{Doing, Error, Result};
use super::progress::Progress;

#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn of_user() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match (set("TICKETRAIL_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(own), ..) => PathBuf::from(own),
            (_, Some(caches), _) => Path::new(&caches).join("ticketrail"),
            (.., Some(home)) => Path::new(&home).join(".cache/ticketrail"),
            _ => {
                return Err(Error::missing(
                    "a cache folder",
                    "set TICKETRAIL_CACHE or HOME",
                ));
            }
        };
        Self::at(std::path::absolute(&root).doing("reading the cache folder's path")?)
    }

    pub(crate) fn at(root: PathBuf) -> Result<Self> {
        fs::create_dir_all(&root).doing(format!("creating {}", root.display()))?;
        Ok(Self { root })
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.log"))
    }

    /// The folder `name`, filled by `fill` when it is not there yet.
    ///
    /// `recipe` is the text that decides what is inside: another text means another folder.
    /// Of two processes that want the same folder, one fills it and the other waits.
    pub(crate) async fn provide<F>(
        &self,
        name: &str,
        recipe: &[&str],
        progress: &Progress,
        fill: F,
    ) -> Result<PathBuf>
    where
        F: AsyncFnOnce(&Path) -> Result<()>,
    {
        let name_in_full = format!("{name}-{}", short_hash(recipe));
        let ready = self.root.join(&name_in_full);
        if ready.exists() {
            return Ok(ready);
        }
        let _lock = self.lock(name, Some(progress)).await?;
        if ready.exists() {
            return Ok(ready);
        }

        let filling = self.root.join(format!("{name_in_full}.new"));
        if filling.exists() {
            fs::remove_dir_all(&filling).doing(format!("removing {}", filling.display()))?;
        }
        fs::create_dir_all(&filling).doing(format!("creating {}", filling.display()))?;
        fill(&filling).await?;
        fs::rename(&filling, &ready).doing(format!("naming {}", ready.display()))?;
        Ok(ready)
    }

    /// Asked again and again instead of waited for: a blocked thread could not be interrupted.
    pub(crate) async fn lock(&self, name: &str, progress: Option<&Progress>) -> Result<File> {
        let path = self.root.join(format!("{name}.lock"));
        let file = File::create(&path).doing(format!("creating {}", path.display()))?;
        let mut to_tell = progress;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => {
                    if let Some(progress) = to_tell.take() {
                        progress.say(name, "is being installed already, waiting for that");
                    }
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).doing(format!("locking {}", path.display()));
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

pub(crate) fn short_hash(texts: &[&str]) -> String {
    let digest = texts.iter().fold(Sha256::new(), |hash, text| {
        hash.chain_update(text).chain_update([0])
    });
    let hex = format!("{:x}", digest.finalize());
    hex[..10].to_owned()
}
