//! `tolerancia report`: `report.md` and `report.html` once more, from `report.json`.

use std::path::{Path, PathBuf};

use tolerancia_lab::{console, report};

use crate::outcome::{DONE, Failure, Outcome};

/// Arguments of `tolerancia report`.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The folder that `tolerancia experiment --out DIR` has written.
    dir: PathBuf,
}

/// Draws the report again, as this version draws it. `report.json` stays as it is.
pub async fn run(args: ReportArgs) -> Outcome {
    let drawn = tokio::task::spawn_blocking(move || redraw(&args.dir)).await;
    let dir = drawn.map_err(|error| Failure::cannot(format!("the drawing broke off ({error})")))??;
    for name in ["report.md", "report.html"] {
        console::out(dir.join(name).display());
    }
    Ok(DONE)
}

fn redraw(dir: &Path) -> Result<PathBuf, Failure> {
    let report = report::read(dir).map_err(|error| Failure::cannot(error.to_string()))?;
    report::redraw(dir, &report).map_err(|error| {
        Failure::cannot(format!(
            "{} cannot be written ({error}): make the folder writable, or copy it to where you may write",
            dir.display()
        ))
    })?;
    Ok(dir.to_owned())
}
