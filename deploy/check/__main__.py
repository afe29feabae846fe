"""Checks what is in this folder, docker-compose.yml and the Dockerfile. scripts/check-deploy.sh runs it.

Ends with 0: nothing found, 1: findings, 2: a validator could not be run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import cluster  # noqa: E402
import composed  # noqa: E402
import facts  # noqa: E402
import image  # noqa: E402
import tools  # noqa: E402

GROUPS = ("program", "image", "compose", "kubernetes", "scripts")
NOT_CHECKED = """\
Not checked here, because it takes a container engine or a cluster:
  that the image builds, and that the images of others exist under these tags;
  that anything starts: health, restarts, volumes and their owners, networks, signals;
  what a cluster's admission and network plugin make of the manifests."""


def check(root: Path, groups: tuple[str, ...] = GROUPS) -> dict[str, list[str]]:
    """The findings of each group."""
    known = facts.read(root)
    checks: dict[str, Callable[[], list[str]]] = {
        "program": lambda: known.unreadable,
        "image": lambda: [*tools.hadolint(root), *image.check(known)],
        "compose": lambda: composed.check(known),
        "kubernetes": lambda: cluster.check(known, tools.compose(root, "/dev/null")[0].get("services", {})),
        "scripts": lambda: tools.shellcheck(root, scripts(root)),
    }
    return {group: checks[group]() for group in groups}


def scripts(root: Path) -> list[Path]:
    return sorted([*(root / "scripts").glob("*.sh"), *(root / "deploy").rglob("*.sh")])


def main() -> int:
    parser = argparse.ArgumentParser(prog="check-deploy.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--self-test", action="store_true", help="break copies on purpose and see that each is found")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[2], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    try:
        if arguments.self_test:
            import selftest

            return selftest.run(root, check)
        findings = check(root)
    except tools.Unavailable as error:
        print(f"a validator cannot be run: {error}", file=sys.stderr)
        return 2
    for group, found in findings.items():
        print(f"{group:<11} {len(found)} findings" if found else f"{group:<11} ok")
        for text in found:
            print(f"  {text}")
    print(NOT_CHECKED)
    return 1 if any(findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
