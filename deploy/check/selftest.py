"""Breaks copies on purpose: a check that finds nothing in them proves nothing here."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

# The checks: a root, and the groups if not all; the findings of each group.
Check = Callable[..., "dict[str, list[str]]"]

COPIED = [
    "Dockerfile",
    ".dockerignore",
    "docker-compose.yml",
    "Cargo.toml",
    "Cargo.lock",
    "cli",
    "crates",
    "services",
    "lab",
    "deploy",
    "scripts",
]


class Mutation(NamedTuple):
    """A text that occurs in a file, what takes its place once, and what the finding must say."""

    group: str
    file: str
    old: str
    new: str
    finding: str


K8S = "deploy/k8s/base"
CONFIG = "crates/service/src/config.rs"
MUTATIONS = [
    # The program changes, and deployments do not follow.
    Mutation(
        "compose",
        CONFIG,
        'env = "INSTANCE_ID"',
        'env = "INSTANCE"',
        "INSTANCE_ID: inventory-svc reads no such variable",
    ),
    Mutation(
        "compose",
        CONFIG,
        'env = "BASE_PORT", default_value_t = 5001',
        'env = "BASE_PORT", default_value_t = 6001',
        "published ports are",
    ),
    Mutation("program", CONFIG, "self.monitor() + 2", "self.monitor() + 4", "the port of orders is not where it was"),
    Mutation("program", CONFIG, "self.monitor() + 3", "self.monitor() + 4", "the port of dashboard is not where it was"),
    Mutation("image", "Cargo.toml", '\nversion = "', '\nversion = "9.', "image.version is not 9."),
    Mutation("kubernetes", "Cargo.toml", '\nversion = "', '\nversion = "9.', "the version is 9."),
    # The image.
    Mutation("image", "Dockerfile", "USER 10001:10001", "USER tolerancia", "USER tolerancia"),
    Mutation("image", "Dockerfile", " --no-default-features", "", "without --no-default-features"),
    Mutation(
        "image",
        "Dockerfile",
        '["/usr/bin/tini", "--", "/usr/local/bin/tolerancia"]',
        '["/usr/local/bin/tolerancia"]',
        "without tini",
    ),
    Mutation("image", "Dockerfile", "FROM debian:bookworm-slim", "FROM debian:latest", "DL3007"),
    Mutation("image", "Dockerfile", " 5006 5007", " 5006", "the services listen on"),
    Mutation("image", "Dockerfile", "WORKDIR /src", "WORKDIR src", "DL3000"),
    Mutation("image", "Dockerfile", "DATA_DIR=/data", "DATA=/data", "ENV DATA: "),
    Mutation("image", ".dockerignore", "!lab\n", "", "lab is left out, but copied"),
    # Compose: the specification, interpolation, then this system.
    Mutation("compose", "docker-compose.yml", "    hostname: kafka", "    host_name: kafka", "host_name"),
    Mutation(
        "compose", "docker-compose.yml", "${KAFKA_HOST_PORT:-9092}:9092", "${KAFKA_HOST_PORT}:9092", "KAFKA_HOST_PORT"
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        "127.0.0.1:5002:5002",
        "127.0.0.1:5012:5002",
        "inventory-2: the published ports",
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        "127.0.0.1:5005:5005",
        "5005:5005",
        "voter: port 5005 is published on all addresses",
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        '  REPLICAS: "3"',
        '  REPLICAS: "3"\n  VOTING_TIMEOUT: "300"',
        "VOTING_TIMEOUT: inventory-svc reads no such",
    ),
    Mutation("compose", "docker-compose.yml", ",inventory-3:5003", "", "INVENTORY_URLS is"),
    Mutation(
        "compose",
        "docker-compose.yml",
        "image: postgres:",
        "image: postgres:latest # ",
        "image 'postgres:latest' is not pinned",
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        "image: apache/kafka:",
        "image: apache/kafka # ",
        "image 'apache/kafka' is not pinned",
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        "tolerancia:${POSTGRES_PASSWORD:-tolerancia}@",
        "tolerancia:secret@",
        "POSTGRES_URL does not follow",
    ),
    Mutation(
        "compose",
        "docker-compose.yml",
        '  FAULT_INJECTION: "on"',
        '  FAULT_INJECTION: "off"',
        "FAULT_INJECTION is not on",
    ),
    Mutation("compose", "docker-compose.yml", "  cap_drop: [ALL]\n", "", "capabilities"),
    Mutation(
        "compose", "docker-compose.yml", "cap_drop: [ALL]", "cap_drop: [ALL]\n  cap_add: [SYS_ADMIN]", "capabilities"
    ),
    Mutation("compose", "docker-compose.yml", "  read_only: true\n  tmpfs", "  tmpfs", "root file system can be written"),
    Mutation("compose", "docker-compose.yml", '["no-new-privileges:true"]', "[]", "no-new-privileges"),
    Mutation("compose", "docker-compose.yml", "  read_only: true\n  tmpfs", '  user: "0"\n  read_only: true\n  tmpfs', "user:"),
    Mutation(
        "compose",
        "docker-compose.yml",
        'test: [CMD, healthcheck, "5006"]',
        'test: [CMD, healthcheck, "5005"]',
        "does not ask port 5006",
    ),
    Mutation("compose", "docker-compose.yml", "http://voter:5005", "http://voter:5004", "dashboard: VOTER_URL is"),
    Mutation("compose", "docker-compose.yml", '      EXPERIMENTS: "off"\n', "", "dashboard: EXPERIMENTS is not off"),
    Mutation(
        "compose",
        "docker-compose.yml",
        'command: [dashboard]\n    environment:\n      <<: [*environment, *faults]',
        'command: [dashboard]\n    environment:\n      <<: *environment',
        "dashboard: FAULT_INJECTION is not on",
    ),
    Mutation("compose", "docker-compose.yml", "    internal: true\n", "", "`database` is not internal"),
    Mutation(
        "compose", "docker-compose.yml", "INTERNAL://kafka:19092", "INTERNAL://localhost:19092", "Kafka advertises"
    ),
    Mutation("compose", "docker-compose.yml", "restart: always", 'restart: "no"', "restart is not"),
    Mutation(
        "compose", "deploy/compose.env.example", "LOG_FORMAT=text", "LOG_FORMAT=json", "its values are not the defaults"
    ),
    # Kubernetes: the schemas, then this system.
    Mutation(
        "kubernetes",
        f"{K8S}/inventory.yaml",
        "  podManagementPolicy: Parallel",
        "  podManagementPolicies: Parallel",
        "podManagementPolicies",
    ),
    Mutation("kubernetes", f"{K8S}/voter.yaml", "  replicas: 2", '  replicas: "2"', "'2' is not of type"),
    Mutation("kubernetes", f"{K8S}/inventory.yaml", "  ordinals: { start: 1 }\n", "", "there is no instance 0"),
    Mutation("kubernetes", f"{K8S}/inventory.yaml", "apiVersion: apps/v1", "apiVersion: apps/v1beta1", "apps/v1beta1"),
    Mutation(
        "kubernetes", f"{K8S}/inventory.yaml", "containerPort: 5001", "containerPort: 5002", "containerPort is not 5001"
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/inventory.yaml",
        "httpGet: { path: /metrics, port: http }\n            periodSeconds: 10",
        "tcpSocket: { port: http }\n            periodSeconds: 10",
        "livenessProbe: an httpGet",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/orders.yaml",
        "  replicas: 1",
        "  replicas: 2",
        "orders: one replica with strategy Recreate",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/monitor.yaml",
        "          args: [monitor-svc]",
        "          command: [tolerancia]\n          args: [monitor-svc]",
        "the image's own entry point",
    ),
    Mutation(
        "kubernetes", f"{K8S}/monitor.yaml", "port: 5004, targetPort", "port: 80, targetPort", "its port is not 5004"
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/config.yaml",
        "  RUST_LOG: info",
        "  RUST_LOG: info\n  VOTES: many",
        "VOTES: inventory-svc reads no such variable",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/config.yaml",
        "  RUST_LOG: info",
        "  RUST_LOG: info\n  KAFKA_FETCH_WAIT_MS: '50'",
        "KAFKA_FETCH_WAIT_MS is set here, but not in docker-compose.yml",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/config.yaml",
        "inventory-3.inventory:5001",
        "inventory-0.inventory:5001",
        "INVENTORY_URLS is",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/config.yaml",
        'FAULT_INJECTION: "off"',
        'FAULT_INJECTION: "on"',
        "FAULT_INJECTION is not off",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/kustomization.yaml",
        "newTag: ",
        "newTag: latest # ",
        "tolerancia:latest: the version is",
    ),
    Mutation("kubernetes", f"{K8S}/kustomization.yaml", "  - orders.yaml\n", "", "there is no workload orders"),
    Mutation(
        "kubernetes",
        f"{K8S}/secret.example.yaml",
        "REPLACE_USER:REPLACE_PASSWORD@REPLACE_HOST",
        "admin:hunter2@db",
        "is not a placeholder",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/network-policies.yaml",
        "values: [dashboard, monitor, voter] }\n  policyTypes: [Egress]",
        "values: [dashboard, monitor] }\n  policyTypes: [Egress]",
        "Egress of voter",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/network-policies.yaml",
        "  name: services\nspec:\n  podSelector:\n    matchLabels: { app.kubernetes.io/name: tolerancia }\n    matchExpressions:\n"
        "      - { key: app.kubernetes.io/component, operator: In, values: [monitor, orders, voter] }",
        "  name: services\nspec:\n  podSelector:\n    matchLabels: { app.kubernetes.io/name: tolerancia }\n    matchExpressions:\n"
        "      - { key: app.kubernetes.io/component, operator: In, values: [monitor, voter] }",
        "Ingress of dashboard to orders",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/dashboard.yaml",
        'name: EXPERIMENTS, value: "off"',
        'name: EXPERIMENTS, value: "on"',
        "EXPERIMENTS is not off",
    ),
    Mutation("kubernetes", f"{K8S}/dashboard.yaml", "http://orders:5006", "http://orders", "ORDERS_URL is"),
    Mutation(
        "kubernetes",
        f"{K8S}/inventory.yaml",
        "  publishNotReadyAddresses: true\n",
        "",
        "publishNotReadyAddresses is expected",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/inventory.yaml",
        "            readOnlyRootFilesystem: true\n",
        "",
        "readOnlyRootFilesystem",
    ),
    Mutation(
        "kubernetes",
        f"{K8S}/monitor.yaml",
        "            allowPrivilegeEscalation: false\n",
        "",
        "no escalation",
    ),
    Mutation("kubernetes", f"{K8S}/orders.yaml", "        runAsNonRoot: true\n", "", "runAsNonRoot"),
    Mutation(
        "kubernetes", f"{K8S}/voter.yaml", "capabilities: { drop: [ALL] }", "capabilities: { drop: [NET_RAW] }", "drop [ALL]"
    ),
    Mutation(
        "kubernetes",
        "deploy/k8s/overlays/fault-injection/faults.yaml",
        'name: FAULT_INJECTION, value: "on"',
        'name: FAULTS, value: "on"',
        "FAULTS: inventory-svc reads no such",
    ),
    # Scripts.
    Mutation(
        "scripts", "deploy/healthcheck.sh", "set -euo pipefail", "cd $1 && set -euo pipefail\nrm -rf $x/*", "SC2115"
    ),
]


def run(root: Path, check: Check) -> int:
    """Checks an exact copy, then broken ones; each must have a finding that the exact one has not."""
    with tempfile.TemporaryDirectory(prefix="check-deploy-") as name:
        copy = Path(name)
        for part in COPIED:
            source = root / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("target", "__pycache__", "node_modules"))
            else:
                shutil.copy2(source, copy / part)
        known = check(copy)
        missed = [failure for mutation in MUTATIONS if (failure := tried(copy, mutation, known[mutation.group], check))]
    for failure in missed:
        print(failure)
    print(f"{len(MUTATIONS) - len(missed)} passed, {len(missed)} failed")
    return 1 if missed else 0


def tried(copy: Path, mutation: Mutation, known: list[str], check: Check) -> str | None:
    """What went wrong, if the mutation was not found."""
    file = copy / mutation.file
    before = file.read_text(encoding="utf-8")
    label = f"{mutation.file}: {mutation.old.strip()!r} -> {mutation.new.strip()!r}"
    if mutation.old not in before:
        return f"{label}: there is no such text any more; deploy/check/selftest.py must follow"
    try:
        file.write_text(before.replace(mutation.old, mutation.new, 1), encoding="utf-8")
        found = [text for text in check(copy, (mutation.group,))[mutation.group] if text not in known]
    finally:
        file.write_text(before, encoding="utf-8")
    if any(re.search(re.escape(mutation.finding), text) for text in found):
        return None
    return f"{label}: not found; instead: {found or 'nothing'}"
