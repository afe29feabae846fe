"""docker-compose.yml: what the specification allows and this system does not."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import tools
from facts import SERVICES, Facts

FILE = "docker-compose.yml"
EXAMPLE = "deploy/compose.env.example"
REPLICAS = 3
# Settings unlike the defaults, to see where they arrive.
OTHER = {
    "POSTGRES_PASSWORD": "0therPassw0rd",
    "FAULT_TOKEN": "0therT0ken",
    "KAFKA_HOST_PORT": "19999",
    "LOG_FORMAT": "json",
    "RUST_LOG": "debug",
    "DASHBOARD_HOSTS": "other.example.org",
}


def check(facts: Facts) -> list[str]:
    found = [*settings(facts.root)]
    resolved, refused = tools.compose(facts.root, "/dev/null")
    if not resolved:
        return refused
    services = resolved["services"]
    names = [*(f"inventory-{n}" for n in range(1, REPLICAS + 1)), "monitor", "voter", "orders", "dashboard"]
    missing = sorted({*names, "kafka", "postgres"} - services.keys())
    if missing:
        return [*refused, f"{FILE}: there is no service {', '.join(missing)}"]
    for name in names:
        found += [f"{name}: {text}" for text in ours(facts, services, name)]
    for name, service in services.items():
        found += [f"{name}: {text}" for text in everybody(service)]
    found += backends(facts, services, resolved)
    return [*refused, *(f if f.startswith(EXAMPLE) else f"{FILE}: {f}" for f in found)]


def settings(root: Path) -> list[str]:
    """Each setting has an effect, the example says what the defaults are, and no secret is written down."""
    text = (root / FILE).read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    example = dict(re.findall(r"^(\w+)=(.*)$", (root / EXAMPLE).read_text(encoding="utf-8"), re.MULTILINE))
    found = [f"{EXAMPLE}: {name} is not there" for name in sorted(used - example.keys())]
    found += [f"{EXAMPLE}: {name} has no effect" for name in sorted(example.keys() - used)]
    defaults, refused = tools.compose(root, "/dev/null")
    shown, _ = tools.compose(root, str(root / EXAMPLE))
    if refused or not defaults:
        return found
    if shown != defaults:
        found.append(f"{EXAMPLE}: its values are not the defaults")
    with tempfile.NamedTemporaryFile("w", suffix=".env") as file:
        file.writelines(f"{name}={value}\n" for name, value in OTHER.items())
        file.flush()
        changed, _ = tools.compose(root, file.name)
    password, token = OTHER["POSTGRES_PASSWORD"], OTHER["FAULT_TOKEN"]
    for name, service in changed.get("services", {}).items():
        for variable, value in (service.get("environment") or {}).items():
            if variable in ("POSTGRES_PASSWORD", "POSTGRES_URL") and password not in (value or ""):
                found.append(f"{name}: {variable} does not follow the setting POSTGRES_PASSWORD")
            if variable == "FAULT_TOKEN" and value != token:
                found.append(f"{name}: {variable} does not follow the setting of that name")
    return found


def ours(facts: Facts, services: dict, name: str) -> list[str]:
    """One of the services of our image."""
    found = []
    service = services[name]
    base, _, number = name.partition("-")
    instance = int(number or 0)
    subcommand = next(sub for sub, short in SERVICES.items() if short == base)
    port = facts.port(subcommand, instance, REPLICAS)
    environment = service.get("environment") or {}

    if service.get("image") != f"tolerancia:{facts.version}":
        found.append(f"image {service.get('image')}: the version is {facts.version} (Cargo.toml)")
    if service.get("command") != [subcommand]:
        found.append(f"command {service.get('command')} is not [{subcommand}]")
    if service.get("entrypoint") is not None or service.get("init"):
        found.append("process 1 must be the image's own tini: no entrypoint, no init")
    for variable in facts.unknown(subcommand, set(environment)):
        found.append(f"{variable}: {subcommand} reads no such variable")

    found += published(service, {port: port})
    check = " ".join((service.get("healthcheck") or {}).get("test") or [])
    if check != f"CMD healthcheck {port}":
        found.append(f"healthcheck {check!r} does not ask port {port}")
    if service.get("restart") != "always":
        found.append("restart is not `always`: after a signal sent by hand a crash would be for good")
    if not service.get("read_only"):
        found.append("the root file system can be written")
    if service.get("user") is not None:
        found.append("user: the image's own is meant")
    if seconds(service.get("stop_grace_period", "0s")) < 10:
        found.append("stop_grace_period: what is under way needs up to 6 s")

    urls = ",".join(f"inventory-{n}:{facts.port('inventory-svc', n)}" for n in range(1, REPLICAS + 1))
    for variable, value in {"INVENTORY_URLS": urls, "REPLICAS": str(REPLICAS)}.items():
        if environment.get(variable) != value:
            found.append(f"{variable} is {environment.get(variable)!r}, not {value!r}")
    volumes = [(v.get("type"), v.get("source"), v.get("target")) for v in service.get("volumes", [])]
    if base == "inventory":
        if environment.get("INSTANCE_ID") != number:
            found.append(f"INSTANCE_ID is {environment.get('INSTANCE_ID')!r}")
        if volumes != [("volume", name, "/data")]:
            found.append(f"a volume of its own named {name} at /data is expected, not {volumes}")
    injectable = base in ("inventory", "monitor", "dashboard")
    if injectable and (environment.get("FAULT_INJECTION") != "on" or "FAULT_TOKEN" not in environment):
        found.append("FAULT_INJECTION is not on, or FAULT_TOKEN is not passed on")
    if not injectable and environment.get("FAULT_INJECTION", "off") != "off":
        found.append("FAULT_INJECTION is on: it has no faults")
    stored = base in ("monitor", "orders")
    if stored != ("POSTGRES_URL" in environment) or stored != ("database" in (service.get("networks") or {})):
        found.append("POSTGRES_URL and the network `database` are for the monitor and orders, and for them only")
    if base == "dashboard":
        found += page(facts, environment)
        # It waits for nobody.
        return found
    for needed in ["kafka", *(["postgres"] if stored else [])]:
        if (service.get("depends_on") or {}).get(needed, {}).get("condition") != "service_healthy":
            found.append(f"depends_on: {needed} with condition service_healthy is missing")
    return found


def page(facts: Facts, environment: dict) -> list[str]:
    """The dashboard: whom it asks, and that it starts nothing."""
    found = []
    for subcommand, name in SERVICES.items():
        variable, url = f"{name.upper()}_URL", f"http://{name}:{facts.port(subcommand, replicas=REPLICAS)}"
        if name in ("monitor", "voter", "orders") and environment.get(variable) != url:
            found.append(f"{variable} is {environment.get(variable)!r}, not {url!r}")
    if environment.get("EXPERIMENTS") != "off":
        found.append("EXPERIMENTS is not off: the services are not on its loopback")
    return found


def everybody(service: dict) -> list[str]:
    """Any service, those of others included."""
    found = []
    image = service.get("image", "")
    if not re.fullmatch(r"[\w./-]+:(?!latest)[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?", image):
        found.append(f"image {image!r} is not pinned to a version")
    if service.get("cap_drop") != ["ALL"] or service.get("cap_add") or service.get("privileged"):
        found.append("capabilities: cap_drop [ALL] and no more is expected")
    if "no-new-privileges:true" not in service.get("security_opt", []):
        found.append("security_opt: no-new-privileges:true is missing")
    if not (service.get("healthcheck") or {}).get("test"):
        found.append("there is no healthcheck")
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    if "memory" not in limits:
        found.append("no limit on memory")
    if "cpus" in limits:
        found.append("a limit on CPU: being held up by it looks like a fault")
    return found


def backends(facts: Facts, services: dict, resolved: dict) -> list[str]:
    """Kafka and PostgreSQL."""
    found = []
    kafka = services["kafka"]
    environment = kafka.get("environment") or {}
    if facts.kafka and kafka["image"].split("@")[0] != f"apache/kafka:{facts.kafka}":
        found.append(f"kafka: image {kafka['image']}: scripts/kafka.sh has Kafka {facts.kafka}")
    listeners = dict(item.split("://") for item in environment.get("KAFKA_LISTENERS", "").split(",") if "://" in item)
    advertised = dict(
        item.split("://") for item in environment.get("KAFKA_ADVERTISED_LISTENERS", "").split(",") if "://" in item
    )
    internal, external = advertised.get("INTERNAL", ""), advertised.get("EXTERNAL", "")
    for name in SERVICES.values():
        for service in [s for s in services if s.split("-")[0] == name]:
            bootstrap = (services[service].get("environment") or {}).get("KAFKA_BOOTSTRAP_SERVERS")
            if bootstrap != internal:
                found.append(f"{service}: KAFKA_BOOTSTRAP_SERVERS is {bootstrap!r}, Kafka advertises {internal!r}")
    if not listeners.get("INTERNAL", "").endswith(":" + internal.rpartition(":")[2]):
        found.append("kafka: INTERNAL is advertised on another port than it listens on")
    host, _, port = external.rpartition(":")
    if host != "127.0.0.1":
        found.append(f"kafka: EXTERNAL is advertised as {external!r}: only 127.0.0.1 is published")
    target = listeners.get("EXTERNAL", ":0").rpartition(":")[2]
    found += [f"kafka: {text}" for text in published(kafka, {int(port or 0): int(target)})]
    if internal.rpartition(":")[2] not in " ".join(kafka["healthcheck"]["test"]):
        found.append("kafka: the healthcheck does not look at the listener of the services")
    if {listeners.get("INTERNAL"), listeners.get("EXTERNAL")} & {None}:
        found.append("kafka: the listeners INTERNAL and EXTERNAL are expected")

    postgres = services["postgres"]
    found += [f"postgres: {text}" for text in published(postgres, {})]
    if list(postgres.get("networks") or {}) != ["database"]:
        found.append("postgres: it belongs into the network `database` alone")
    if not (resolved.get("networks", {}).get("database") or {}).get("internal"):
        found.append("networks: `database` is not internal")
    return found


def published(service: dict, wanted: dict[int, int]) -> list[str]:
    """Whether exactly these ports of the host lead to these of the container, from 127.0.0.1 only."""
    ports = service.get("ports", [])
    found = [
        f"port {p.get('published')} is published on {p.get('host_ip') or 'all addresses'}, not on 127.0.0.1"
        for p in ports
        if p.get("host_ip") != "127.0.0.1"
    ]
    actual = {int(p.get("published") or 0): p["target"] for p in ports}
    if actual != wanted:
        found.append(f"the published ports are {actual}, not {wanted}")
    return found


def seconds(duration: str) -> float:
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(n) * units[u] for n, u in re.findall(r"([\d.]+)(ms|[smh])", duration))
