//! `tolerancia verify`: the oracle once more, from the files of an experiment's folder. It starts nothing, touches no
//! system and changes no file.

use std::path::PathBuf;

use tolerancia_lab::{archive, console};

use crate::outcome::{DONE, Failure, NO, Outcome};

/// Arguments of `tolerancia verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The folder that `tolerancia experiment --out DIR` has written.
    dir: PathBuf,

    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Verifies a folder. 0: everything agrees; 1: something contradicts the rest; 2: it cannot be verified.
pub async fn run(args: VerifyArgs) -> Outcome {
    let dir = args.dir;
    let verified = tokio::task::spawn_blocking(move || archive::verify(&dir)).await;
    let verified = verified.map_err(|error| Failure::cannot(format!("the verification broke off ({error})")))?;
    let verified = verified.map_err(|error| Failure::cannot(error.to_string()))?;
    if args.json {
        let json = serde_json::to_string_pretty(&verified);
        console::out(json.map_err(|error| Failure::cannot(format!("the result is no JSON ({error})")))?);
    } else {
        console::out(&verified);
    }
    Ok(if verified.agrees { DONE } else { NO })
}
