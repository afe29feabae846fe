"""Dockerfile and .dockerignore: what no linter can know about this image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from facts import Facts

FILE = "Dockerfile"


@dataclass
class Instruction:
    word: str
    rest: str


def check(facts: Facts) -> list[str]:
    stages = parse((facts.root / FILE).read_text(encoding="utf-8"))
    if len(stages) < 2:
        return [f"{FILE}: a build stage and a final stage are expected"]
    findings = [f"{FILE}: {text}" for text in [*build(stages[0], facts), *final(stages[-1], facts)]]
    return findings + context(stages, facts.root)


def build(stage: list[Instruction], facts: Facts) -> list[str]:
    findings = []
    image = stage[0].rest.split()[0]
    if not re.fullmatch(rf"rust:{re.escape(facts.rust)}(\.\d+)?(-slim)?-bookworm", image):
        findings.append(
            f"{image} is not Rust {facts.rust} (Cargo.toml) on bookworm, whose libraries the final stage has"
        )
    cargo = [i.rest for i in stage if i.word == "RUN" and "cargo build" in i.rest]
    if len(cargo) != 1:
        return [*findings, "one `cargo build` is expected"]
    for wanted in ["--release", "--locked", "--no-default-features", "-p tolerancia "]:
        if wanted not in cargo[0]:
            findings.append(f"cargo build without {wanted.strip()}")
    if "--features" in cargo[0] or "--all-features" in cargo[0]:
        findings.append("the image is built with features: the embedded broker does not belong into it")
    if "embedded = [" not in (facts.root / "cli/Cargo.toml").read_text(encoding="utf-8"):
        findings.append("cli/Cargo.toml has no feature `embedded` any more: --no-default-features means something else")
    return findings


def final(stage: list[Instruction], facts: Facts) -> list[str]:
    findings = []
    last = {i.word: i.rest for i in stage}
    if not re.fullmatch(r"debian:bookworm-slim(@sha256:[0-9a-f]{64})?", stage[0].rest.split()[0]):
        findings.append(f"the final stage is {stage[0].rest}, not debian:bookworm-slim")
    user = last.get("USER", "root")
    if not re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", user):
        findings.append(f"USER {user}: a number other than 0 is needed, or Kubernetes cannot see that it is not root")
    if not last.get("ENTRYPOINT", "").startswith('["/usr/bin/tini", "--", "/usr/local/bin/tolerancia"'):
        findings.append("ENTRYPOINT: without tini the service is process 1, and `crash` and `freeze` do nothing")
    if last.get("STOPSIGNAL") != "SIGTERM":
        findings.append("STOPSIGNAL SIGTERM is missing: `docker kill --signal` would end restarts")
    environment = dict(re.findall(r'(\w+)=("[^"]*"|\S+)', " ".join(i.rest for i in stage if i.word == "ENV")))
    for subcommand in facts.environment:
        for name in facts.unknown(subcommand, set(environment)):
            findings.append(f"ENV {name}: {subcommand} reads no such variable")
    if environment.get("BIND") != "0.0.0.0":
        findings.append("ENV BIND is not 0.0.0.0: nobody outside of the container could connect")
    ports = {facts.port("inventory-svc", n) for n in (1, 2, 3)}
    ports |= {facts.port(s) for s in facts.environment if s != "inventory-svc"}
    exposed = {int(port) for port in last.get("EXPOSE", "").split()}
    if exposed != ports:
        findings.append(f"EXPOSE {sorted(exposed)}: the services listen on {sorted(ports)}")
    labels = " ".join(i.rest for i in stage if i.word == "LABEL")
    if f'org.opencontainers.image.version="{facts.version}"' not in labels:
        findings.append(f"LABEL: org.opencontainers.image.version is not {facts.version} (Cargo.toml)")
    return findings


def context(stages: list[list[Instruction]], root: Path) -> list[str]:
    """Whether what is copied is there, and let in."""
    ignore = (root / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:].strip("/") for line in ignore if line.startswith("!")}
    findings = []
    if "*" not in ignore:
        findings.append(".dockerignore: it no longer leaves out everything (`*`) but what is copied")
    copied = set()
    for instruction in [i for stage in stages for i in stage if i.word in ("COPY", "ADD")]:
        words = instruction.rest.split()
        if any(word.startswith("--from=") for word in words):
            continue
        for source in [word for word in words if not word.startswith("--")][:-1]:
            copied.add(source)
            if not (root / source).exists():
                findings.append(f"{FILE}: COPY {source}: there is no such file")
            if source not in let_in:
                findings.append(f".dockerignore: {source} is left out, but copied")
    members = re.search(r"members = \[(.*?)\]", (root / "Cargo.toml").read_text(encoding="utf-8"))
    for member in re.findall(r'"([\w-]+)', members.group(1) if members else ""):
        if member not in copied:
            findings.append(f"{FILE}: the workspace member {member} is not copied")
    return findings


def parse(text: str) -> list[list[Instruction]]:
    """The stages. Comments go, continued lines are joined."""
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\\\n\s*", "", text)
    stages: list[list[Instruction]] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word.upper() == "FROM":
            stages.append([])
        if word and stages:
            stages[-1].append(Instruction(word.upper(), rest.strip()))
    return stages
