"""What the program says about itself: read from its sources, so that deployments are compared with what is true."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

# Subcommand -> the name that deployments give to the service.
SERVICES = {
    "inventory-svc": "inventory",
    "monitor-svc": "monitor",
    "voter-svc": "voter",
    "orders-svc": "orders",
    "dashboard": "dashboard",
}
# librdkafka's properties: any name.
KAFKA_PROPERTY = "KAFKA_PROP_"


@dataclass
class Facts:
    """What deployments have to agree with."""

    root: Path
    version: str = ""
    rust: str = ""
    base_port: int = 0
    subcommands: set[str] = field(default_factory=set)
    environment: dict[str, set[str]] = field(default_factory=dict)
    kafka: str | None = None
    # What could not be read: the sources have changed, and this file must follow.
    unreadable: list[str] = field(default_factory=list)

    def port(self, subcommand: str, instance: int = 1, replicas: int = 3) -> int:
        """The port of a service whose PORT is not set, as `Ports` in config.rs computes it."""
        if subcommand == "inventory-svc":
            return self.base_port + instance - 1
        place = ["monitor-svc", "voter-svc", "orders-svc", "dashboard"].index(subcommand)
        return self.base_port + replicas + place

    def unknown(self, subcommand: str, names: set[str]) -> list[str]:
        """Those variables that the service does not read."""
        known = self.environment.get(subcommand, set())
        return sorted(name for name in names if name not in known and not name.startswith(KAFKA_PROPERTY))


def read(root: Path) -> Facts:
    facts = Facts(root)

    def text(path: str) -> str:
        try:
            return (root / path).read_text(encoding="utf-8")
        except OSError as error:
            facts.unreadable.append(f"{path}: {error.strerror}")
            return ""

    def find(path: str, pattern: str, what: str) -> str:
        found = re.search(pattern, text(path), re.DOTALL)
        if not found:
            facts.unreadable.append(f"{path}: {what} is not where it was; deploy/check/facts.py must follow")
            return ""
        return found.group(1)

    cargo = "Cargo.toml"
    facts.version = find(cargo, r'\[workspace\.package\][^\[]*?\nversion = "([^"]+)"', "the version")
    facts.rust = find(cargo, r'\nrust-version = "([^"]+)"', "the Rust version")
    config = "crates/service/src/config.rs"
    base = find(config, r'env = "BASE_PORT", default_value_t = (\d+)', "the base port")
    facts.base_port = int(base or 0)
    for place, rule in [
        ("monitor", r"self\.base \+ self\.replicas"),
        ("voter", r"self\.monitor\(\) \+ 1"),
        ("orders", r"self\.monitor\(\) \+ 2"),
        ("dashboard", r"self\.monitor\(\) \+ 3"),
    ]:
        find(config, rf"(fn {place}\(self\) -> u16 \{{\s*{rule})", f"the port of {place}")

    facts.subcommands = {
        kebab(name) for name in re.findall(r"\b(\w+)\(tolerancia_\w+::Args\)", text("cli/src/services.rs"))
    }
    for missing in SERVICES.keys() - facts.subcommands:
        facts.unreadable.append(f"cli/src/services.rs: there is no {missing} any more")

    common = variables(text(config))
    if "try_from_default_env" in text("crates/service/src/logging.rs"):
        common.add("RUST_LOG")
    for subcommand in SERVICES:
        sources = (root / "services" / subcommand / "src").rglob("*.rs")
        own = set().union(*(variables(source.read_text(encoding="utf-8")) for source in sources))
        facts.environment[subcommand] = common | own

    script = root / "scripts" / "kafka.sh"
    if script.exists():
        pinned = re.search(r"^version=(\S+)", script.read_text(encoding="utf-8"), re.MULTILINE)
        facts.kafka = pinned.group(1) if pinned else None
    return facts


def variables(source: str) -> set[str]:
    """The names in clap's `env = "NAME"`."""
    return set(re.findall(r'env = "([A-Z][A-Z0-9_]*)"', source))


def kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
