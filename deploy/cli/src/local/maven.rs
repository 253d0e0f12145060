//! Jars and archives through Maven, which knows where they are and checks their checksums.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::cache::Cache;
use super::error::{Doing, Result};
use super::progress::Progress;
use super::tools;

/// Whether the artifacts are wanted as files, or what is inside them.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    Copy,
    Unpack,
}

pub(crate) struct Fetch<'a> {
    pub(crate) part: &'a str,
    pub(crate) pom: &'a str,
    pub(crate) goal: Goal,
}

impl Fetch<'_> {
    /// Puts what the pom names into `folder`.
    pub(crate) async fn into(
        self,
        folder: &Path,
        properties: &[(&str, &str)],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<()> {
        let maven = tools::required("mvn", "apt-get install maven")?;
        // Maven writes beside the file it reads, so it gets a copy.
        let recipe = folder.join("pom.xml");
        fs::write(&recipe, self.pom).doing(format!("writing {}", recipe.display()))?;

        let mut command = Command::new(maven);
        command
            .args(["-q", "-B", "--strict-checksums", "-f"])
            .arg(&recipe);
        command.args(
            properties
                .iter()
                .map(|(name, value)| format!("-D{name}={value}")),
        );
        command.arg(match self.goal {
            Goal::Copy => "dependency:copy-dependencies",
            Goal::Unpack => "dependency:unpack-dependencies",
        });
        command.arg(format!("-DoutputDirectory={}", folder.display()));

        // Two Mavens that fill one empty local repository trip over each other's downloads.
        let _turn = cache.lock("maven", None).await?;
        let log = cache.log(self.part);
        tools::run(command, self.part, "fetching", &log, progress).await
    }
}

/// Unpacks the one file in `folder` whose name ends so, and removes it.
pub(crate) async fn untar(
    part: &str,
    folder: &Path,
    ending: &str,
    cache: &Cache,
    progress: &Progress,
) -> Result<()> {
    let tar = tools::required("tar", "apt-get install tar")?;
    if ending == ".txz" {
        tools::required("xz", "apt-get install xz-utils")?;
    }
    let archive = fs::read_dir(folder)
        .doing(format!("reading {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.to_string_lossy().ends_with(ending))
        .ok_or(format!("no archive *{ending} in {}", folder.display()))
        .doing(format!("unpacking {part}"))?;

    let mut command = Command::new(tar);
    command
        .arg("--no-same-owner")
        .arg("-xf")
        .arg(&archive)
        .arg("-C")
        .arg(folder);
    tools::run(command, part, "unpacking", &cache.log(part), progress).await?;
    fs::remove_file(&archive).doing(format!("removing {}", archive.display()))
}
