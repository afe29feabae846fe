//! The files of the results directory: `GET /results/{folder}/{file}`.
//!
//! Names come from outside, so nothing is opened but a report in a folder right below the directory. Links are not
//! followed: they may lead anywhere.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path as UrlPath, State};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;
use tokio::io::AsyncReadExt as _;
use tolerancia_service::openapi::{Answer, Api, Operation};
use tolerancia_service::problem::ApiProblem;

/// The page of a report.
pub(crate) const HTML: &str = "report.html";
/// The report for machines.
pub(crate) const JSON: &str = "report.json";
/// The report as text.
const MARKDOWN: &str = "report.md";

/// A longer name is no folder's: file systems allow no more.
const MAX_NAME: usize = 255;
/// So much of a file is in memory at a time.
const CHUNK: usize = 64 << 10;

/// The page is one file with its own style and its pictures in it, and no script.
const HTML_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
/// Other files are shown as they are.
const PLAIN_POLICY: &str = "default-src 'none'";

/// `/results/{folder}/{file}` of this directory.
pub(crate) fn routes(dir: PathBuf) -> Api {
    Api::new()
        .get("/results/{folder}/{file}", file, describe())
        .with_state(dir)
}

fn describe() -> Operation {
    Operation::new("result", "A report of an experiment")
        .path::<String>("folder", "The experiment's folder.", "2026-01-01T00-00-00Z")
        .path::<Name>("file", "The form of the report.", HTML)
        .answer(Answer::text(200, "text/html", "The page."))
        .answer(Answer::text(200, "text/markdown", "The text."))
        .answer(Answer::json::<serde_json::Map<String, serde_json::Value>>(
            200,
            "For machines.",
        ))
        .problem(400, "A name is no text.")
        .problem(404, "There is no such folder or no such report.")
        .problem(500, "The report cannot be read.")
}

/// What may be asked for.
#[derive(schemars::JsonSchema)]
#[schemars(inline)]
#[allow(dead_code)]
enum Name {
    #[schemars(rename = "report.html")]
    Html,
    #[schemars(rename = "report.md")]
    Markdown,
    #[schemars(rename = "report.json")]
    Json,
}

async fn file(
    State(dir): State<PathBuf>,
    names: Result<UrlPath<(String, String)>, PathRejection>,
) -> Result<Response, ApiProblem> {
    let UrlPath((folder, name)) = names.map_err(|rejection| ApiProblem::bad_request(rejection.body_text()))?;
    let Some((media_type, policy)) = kind(&name) else {
        return Err(ApiProblem::not_found(format!(
            "only {HTML}, {MARKDOWN} and {JSON} are here: the other files are in the folder itself"
        )));
    };
    if !is_name(&folder) {
        return Err(ApiProblem::not_found(
            "that is no folder's name: GET /api/live lists them",
        ));
    }
    let path = dir.join(&folder).join(&name);
    let opened = tokio::task::spawn_blocking(move || open_file(&dir, &folder, &name)).await;
    let opened = opened.map_err(io::Error::from).and_then(|opened| opened);
    let file = opened.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ApiProblem::not_found(format!(
            "there is no {}: the experiment has not written it yet, or somebody has removed it",
            path.display()
        )),
        _ => ApiProblem::internal(format!(
            "{} cannot be read ({error}): make it readable for the user that runs the dashboard",
            path.display()
        )),
    })?;
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    Ok((headers, body(file)).into_response())
}

/// Media type and content security policy of a file that may be asked for.
fn kind(name: &str) -> Option<(&'static str, &'static str)> {
    match name {
        HTML => Some(("text/html; charset=utf-8", HTML_POLICY)),
        MARKDOWN => Some(("text/markdown; charset=utf-8", PLAIN_POLICY)),
        JSON => Some(("application/json", PLAIN_POLICY)),
        _ => None,
    }
}

/// Whether this may be the name of a folder of results: of one step, and not hidden.
pub(crate) fn is_name(name: &str) -> bool {
    let is_odd = |c: char| matches!(c, '/' | '\\') || c.is_control();
    !name.is_empty() && name.len() <= MAX_NAME && !name.starts_with('.') && !name.contains(is_odd)
}

/// Opens a regular file in a folder of the directory; both names have been checked. Neither may be a link. Blocks.
///
/// # Errors
/// `NotFound` when there is no such folder or file or one of them is a link or something else; others as they come.
pub(crate) fn open_file(dir: &Path, folder: &str, name: &str) -> io::Result<File> {
    let is_absent = |errno: Errno| matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
    let explained = |errno: Errno| {
        if is_absent(errno) {
            io::ErrorKind::NotFound.into()
        } else {
            io::Error::from(errno)
        }
    };
    let folders = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    // A named pipe would keep us waiting for its other end.
    let files = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let dir = open(dir, folders, Mode::empty()).map_err(explained)?;
    let folder = openat(&dir, folder, folders | OFlags::NOFOLLOW, Mode::empty()).map_err(explained)?;
    let file = File::from(openat(&folder, name, files, Mode::empty()).map_err(explained)?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(file)
}

/// A file as a body, read as fast as it is taken.
fn body(file: File) -> Body {
    let file = tokio::fs::File::from_std(file);
    Body::from_stream(stream::try_unfold(file, async |mut file| {
        let mut chunk = Vec::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok::<_, io::Error>((read > 0).then_some((chunk, file)))
    }))
}

#[cfg(test)]
mod tests;
