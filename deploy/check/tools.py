"""The validators that others wrote, in the versions of requirements.txt. They run from this Python's own folder."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

HERE = Path(sys.executable).parent


class Unavailable(Exception):
    """A validator cannot be run: nothing is known about what it would have said."""


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a validator, with nothing of the caller's environment that could change its verdict."""
    clean = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}
    program = HERE / command[0]
    try:
        return subprocess.run(
            [str(program), *command[1:]], cwd=cwd, env=clean | (env or {}), capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{program.name}: {error}") from error


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def compose(root: Path, env_file: str) -> tuple[dict, list[str]]:
    """docker-compose.yml with everything filled in, and what docker compose has against it."""
    command = ["docker-compose", "--project-directory", str(root), "--file", str(root / "docker-compose.yml")]
    done = run(*command, "--env-file", env_file, "config", "--format", "json", cwd=root)
    # Warnings too: a variable that is not set becomes empty.
    findings = [f"docker-compose.yml: {line}" for line in lines(done.stderr)]
    if done.returncode != 0:
        return {}, findings or ["docker-compose.yml: docker compose refuses it"]
    return json.loads(done.stdout), findings


def kustomize(root: Path, folder: str) -> tuple[list[dict], list[str]]:
    """The manifests of a kustomization, and what kubectl has against it."""
    done = run("kubectl", "kustomize", folder, cwd=root)
    findings = [f"{folder}: {line}" for line in lines(done.stderr)]
    if done.returncode != 0:
        return [], findings or [f"{folder}: kubectl refuses it"]
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest], findings


def schema(manifest: dict, version: str) -> list[str]:
    """What the schema of that Kubernetes version has against a manifest. Unknown fields count."""
    return schema_of(json.dumps(manifest, sort_keys=True, default=str), version)


# Most manifests are the same in all kustomizations, and reading a schema takes long.
@functools.cache
def schema_of(text: str, version: str) -> list[str]:
    manifest = json.loads(text)
    try:
        from kubernetes_validate import SchemaNotFoundError, ValidationError, validate
    except ImportError as error:
        raise Unavailable(f"kubernetes-validate: {error}") from error
    if not isinstance(manifest.get("apiVersion"), str) or not isinstance(manifest.get("kind"), str):
        return [f"apiVersion or kind is missing (Kubernetes {version})"]
    try:
        validate(manifest, version, strict=True)
    except ValidationError as error:
        where = "/".join(str(step) for step in error.path)
        return [f"{where}: {error.message} (Kubernetes {version})"]
    except SchemaNotFoundError as error:
        return [f"{error.message} (Kubernetes {version})"]
    return []


def hadolint(root: Path) -> list[str]:
    done = run("hadolint", "--no-color", "--format", "gnu", "Dockerfile", cwd=root)
    return report("hadolint", done, lines(done.stdout))


def shellcheck(root: Path, scripts: list[Path]) -> list[str]:
    if not scripts:
        return []
    names = [str(script.relative_to(root)) for script in scripts]
    # Notes below a warning are left to whoever writes the script.
    options = ["--external-sources", "--source-path=SCRIPTDIR", "--severity=warning", "--format=gcc"]
    done = run("shellcheck", *options, *names, cwd=root)
    return report("shellcheck", done, lines(done.stdout))


def report(name: str, done: subprocess.CompletedProcess[str], findings: list[str]) -> list[str]:
    """A validator that failed and found nothing was not able to look."""
    if done.returncode != 0 and not findings:
        raise Unavailable(f"{name}: {done.stderr.strip() or 'ended with code ' + str(done.returncode)}")
    return findings
