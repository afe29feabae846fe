"""deploy/k8s: what the schemas allow and this system does not."""

from __future__ import annotations

from pathlib import Path

import tools
import yaml
from facts import SERVICES, Facts

BASE = "deploy/k8s/base"
FAULTS = "deploy/k8s/overlays/fault-injection"
SECRETS = f"{BASE}/secret.example.yaml"
# The oldest that has what the manifests use, and the newest whose schemas there are.
VERSIONS = ("1.28", "1.37")
# What compose has no use for: there, every replica has a port of its own, Kafka is one broker, and so on.
ONLY_HERE = {"PORT", "KAFKA_REPLICATION", "INSTANCE_ID", "FAULT_INJECTION"}


def check(facts: Facts, composed: dict) -> list[str]:
    secrets = list(yaml.safe_load_all((facts.root / SECRETS).read_text(encoding="utf-8")))
    found = placeholders(facts.root, secrets)
    environments = {}
    for folder, faults in [(BASE, False), (FAULTS, True)]:
        manifests, refused = tools.kustomize(facts.root, folder)
        found += refused
        if not manifests:
            continue
        found += schemas(folder, manifests)
        system = System(facts, manifests, secrets, faults)
        found += [f"{folder}: {text}" for text in system.check()]
        environments = system.environments()
    found += schemas(SECRETS, secrets)
    for name, environment in environments.items():
        found += agrees(name, environment, composed)
    return found


def schemas(where: str, manifests: list[dict]) -> list[str]:
    """What Kubernetes' schemas have against them; a finding of several versions once."""
    found: dict[str, str] = {}
    for manifest in manifests:
        name = f"{where}: {manifest.get('kind')} {(manifest.get('metadata') or {}).get('name')}"
        for version in VERSIONS:
            for text in tools.schema(manifest, version):
                found.setdefault(f"{name}: {text.rpartition(' (')[0]}", f"{name}: {text}")
    return list(found.values())


def placeholders(root: Path, secrets: list[dict]) -> list[str]:
    """The example has no real secret, and a secret.yaml made from it has no placeholder left."""
    found = []
    public = {"KAFKA_PROP_SECURITY_PROTOCOL", "KAFKA_PROP_SASL_MECHANISM"}
    for secret in secrets:
        for key, value in (secret.get("stringData") or {}).items():
            if key not in public and "REPLACE_" not in value:
                found.append(f"{SECRETS}: {key} is not a placeholder: secrets do not belong into the repository")
        if secret.get("data"):
            found.append(f"{SECRETS}: {secret['metadata']['name']} has data: placeholders in stringData are expected")
    for file in sorted((root / "deploy/k8s").rglob("secret.yaml")):
        if "REPLACE_" in file.read_text(encoding="utf-8"):
            found.append(f"{file.relative_to(root)}: there is still a placeholder in it")
    return found


def agrees(name: str, environment: dict, composed: dict) -> list[str]:
    """Compose and Kubernetes give a service the same variables, and where it matters the same values."""
    services = [service for service in composed if service.split("-")[0] == name]
    if not services:
        return []
    other = composed[services[0]].get("environment") or {}
    mine = {variable for variable in environment if not variable.startswith("KAFKA_PROP_")}
    found = [
        f"{BASE}: {name}: {variable} is set here, but not in docker-compose.yml"
        for variable in sorted(mine - other.keys() - ONLY_HERE)
    ]
    found += [
        f"docker-compose.yml: {services[0]}: {variable} is set here, but not in {BASE}"
        for variable in sorted(other.keys() - mine)
    ]
    if environment.get("REPLICAS") != other.get("REPLICAS"):
        found.append(f"{BASE}: {name}: REPLICAS is not that of docker-compose.yml")
    return found


class System:
    """The manifests of one kustomization."""

    def __init__(self, facts: Facts, manifests: list[dict], secrets: list[dict], faults: bool):
        self.facts, self.manifests, self.faults = facts, manifests, faults
        self.secrets = {s["metadata"]["name"]: s.get("stringData") or {} for s in secrets}
        self.config = {m["metadata"]["name"]: m.get("data") or {} for m in self.kind("ConfigMap")}

    def kind(self, *kinds: str) -> list[dict]:
        return [manifest for manifest in self.manifests if manifest.get("kind") in kinds]

    def workloads(self) -> dict[str, dict]:
        return {w["metadata"]["name"]: w for w in self.kind("StatefulSet", "Deployment")}

    def environments(self) -> dict[str, dict]:
        return {name: self.environment(pod(w)["containers"][0]) for name, w in self.workloads().items()}

    def environment(self, container: dict) -> dict:
        """A container's variables; those from elsewhere than the ConfigMap have no value here."""
        result: dict = {}
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                result |= self.config.get(source["configMapRef"]["name"], {})
            if "secretRef" in source:
                result |= dict.fromkeys(self.secrets.get(source["secretRef"]["name"], {}))
        return result | {item["name"]: item.get("value") for item in container.get("env", [])}

    def check(self) -> list[str]:
        found = []
        if self.kind("Secret"):
            found.append("a secret is part of the kustomization")
        missing = sorted(set(SERVICES.values()) - self.workloads().keys())
        if missing:
            return [*found, f"there is no workload {', '.join(missing)}"]
        for subcommand, name in SERVICES.items():
            found += [f"{name}: {text}" for text in self.workload(subcommand, self.workloads()[name])]
        found += self.replicas()
        found += self.page()
        found += self.services()
        found += self.policies()
        return found

    def workload(self, subcommand: str, workload: dict) -> list[str]:
        found = []
        spec, template = workload["spec"], pod(workload)
        container = template["containers"][0]
        image = container["image"].rpartition("/")[2].partition("@")[0]
        if image.rpartition(":")[2] != self.facts.version:
            found.append(f"image {container['image']}: the version is {self.facts.version} (Cargo.toml)")
        if container.get("command") is not None:
            found.append("command: the image's own entry point (tini) is needed, give args only")
        if container.get("args") != [subcommand]:
            found.append(f"args {container.get('args')} are not [{subcommand}]")
        single = subcommand in ("monitor-svc", "orders-svc")
        if single and (spec["replicas"] != 1 or spec.get("strategy", {}).get("type") != "Recreate"):
            found.append("one replica with strategy Recreate is expected: two at a time contradict each other")

        environment = self.environment(container)
        for variable in self.facts.unknown(subcommand, set(environment)):
            found.append(f"{variable}: {subcommand} reads no such variable")
        port = int(environment.get("PORT") or self.facts.port(subcommand))
        if [p["containerPort"] for p in container.get("ports", [])] != [port]:
            found.append(f"containerPort is not {port}, where the service listens")
        found += self.secret_use(container, environment, subcommand)
        found += probes(container, port)
        found += hardening(template, container)
        return found

    def secret_use(self, container: dict, environment: dict, subcommand: str) -> list[str]:
        found = []
        for item in container.get("env", []):
            reference = (item.get("valueFrom") or {}).get("secretKeyRef")
            if reference and reference["key"] not in self.secrets.get(reference["name"], {}):
                found.append(f"{item['name']}: {SECRETS} has no {reference['name']}/{reference['key']}")
            if item["name"] in ("POSTGRES_URL", "FAULT_TOKEN") and not reference:
                found.append(f"{item['name']} is written down: it belongs into a secret")
        for source in container.get("envFrom", []):
            if "configMapRef" in source and source["configMapRef"]["name"] not in self.config:
                found.append(f"there is no ConfigMap {source['configMapRef']['name']}")
        for data in self.config.values():
            found += [
                f"ConfigMap: {key} belongs into a secret"
                for key in data
                if key in ("POSTGRES_URL", "FAULT_TOKEN") or "PASSWORD" in key
            ]
        if ("POSTGRES_URL" in environment) != (subcommand in ("monitor-svc", "orders-svc")):
            found.append("POSTGRES_URL is for the monitor and orders, and for them only")
        injectable = self.faults and subcommand in ("inventory-svc", "monitor-svc", "dashboard")
        if injectable and (environment.get("FAULT_INJECTION") != "on" or "FAULT_TOKEN" not in environment):
            found.append("FAULT_INJECTION on with a FAULT_TOKEN is expected in this overlay")
        if not injectable and environment.get("FAULT_INJECTION") != "off":
            found.append("FAULT_INJECTION is not off")
        return found

    def replicas(self) -> list[str]:
        """The replicas' names and number, wherever they appear."""
        found = []
        inventory = self.workloads()["inventory"]
        spec = inventory["spec"]
        first, count = (spec.get("ordinals") or {}).get("start", 0), spec["replicas"]
        environment = self.environment(pod(inventory)["containers"][0])
        port = environment.get("PORT") or self.facts.base_port
        urls = ",".join(f"inventory-{n}.{spec['serviceName']}:{port}" for n in range(first, first + count))
        if first != 1:
            found.append("inventory: ordinals start at 0, but there is no instance 0")
        for name, own in self.environments().items():
            if own.get("REPLICAS") != str(count):
                found.append(f"{name}: REPLICAS is {own.get('REPLICAS')!r}, there are {count}")
            if own.get("INVENTORY_URLS") != urls:
                found.append(f"{name}: INVENTORY_URLS is {own.get('INVENTORY_URLS')!r}, the pods are {urls!r}")
        index = [
            e.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            for e in pod(inventory)["containers"][0]["env"]
            if e["name"] == "INSTANCE_ID"
        ]
        if index != ["metadata.labels['apps.kubernetes.io/pod-index']"]:
            found.append("inventory: INSTANCE_ID is not the pod's index")
        if spec.get("podManagementPolicy") != "Parallel" or not spec.get("volumeClaimTemplates"):
            found.append("inventory: podManagementPolicy Parallel and volumeClaimTemplates are expected")
        budgets = {b["metadata"]["name"]: b["spec"] for b in self.kind("PodDisruptionBudget")}
        if budgets.get("inventory", {}).get("minAvailable") != count // 2 + 1:
            found.append(f"inventory: a PodDisruptionBudget with minAvailable {count // 2 + 1}, a quorum, is expected")
        for name, budget in budgets.items():
            if name not in self.workloads() or not selects(budget["selector"], self.workloads()[name]):
                found.append(f"PodDisruptionBudget {name}: its selector finds no pods of {name}")
        return found

    def page(self) -> list[str]:
        """The dashboard: whom it asks, and that it starts nothing."""
        found = []
        environment = self.environments()["dashboard"]
        for subcommand, name in SERVICES.items():
            variable, url = f"{name.upper()}_URL", f"http://{name}:{self.facts.port(subcommand)}"
            if name in ("monitor", "voter", "orders") and environment.get(variable) != url:
                found.append(f"dashboard: {variable} is {environment.get(variable)!r}, the Service is {url!r}")
        if environment.get("EXPERIMENTS") != "off":
            found.append("dashboard: EXPERIMENTS is not off: an experiment is for systems on one host")
        return found

    def services(self) -> list[str]:
        found = []
        services = {s["metadata"]["name"]: s["spec"] for s in self.kind("Service")}
        for subcommand, name in SERVICES.items():
            service = services.get(name)
            if service is None:
                found.append(f"there is no Service {name}")
                continue
            if not selects({"matchLabels": service["selector"]}, self.workloads()[name]):
                found.append(f"Service {name}: its selector finds no pods of {name}")
            if [p["port"] for p in service["ports"]] != [self.facts.port(subcommand)]:
                found.append(f"Service {name}: its port is not {self.facts.port(subcommand)}")
            named = {p["name"] for p in pod(self.workloads()[name])["containers"][0]["ports"]}
            found += [
                f"Service {name}: the pods have no port {p['targetPort']}"
                for p in service["ports"]
                if p["targetPort"] not in named
            ]
        headless = services.get("inventory", {})
        if headless.get("clusterIP") != "None" or not headless.get("publishNotReadyAddresses"):
            found.append(
                "Service inventory: headless with publishNotReadyAddresses is expected, for replicas that catch up"
            )
        return found

    def policies(self) -> list[str]:
        found = []
        policies = self.kind("NetworkPolicy")
        if not any(
            p["spec"]["podSelector"] == {}
            and set(p["spec"]["policyTypes"]) == {"Ingress", "Egress"}
            and not p["spec"].get("ingress")
            and not p["spec"].get("egress")
            for p in policies
        ):
            found.append("NetworkPolicy: nothing denies everything that is not allowed")
        for policy in policies:
            selector = policy["spec"]["podSelector"]
            if selector and not any(selects(selector, w) for w in self.workloads().values()):
                found.append(f"NetworkPolicy {policy['metadata']['name']}: its selector finds no pods")
        ask = [(asker, "inventory") for asker in ("dashboard", "monitor", "voter")]
        ask += [("dashboard", asked) for asked in ("monitor", "orders", "voter")]
        for asker, asked in ask:
            found += [
                f"NetworkPolicy: {way} of {asker} to {asked} is not allowed"
                for way in ("Egress", "Ingress")
                if not self.lets(policies, asker, asked, way)
            ]
        return found

    def lets(self, policies: list[dict], asker: str, asked: str, way: str) -> bool:
        """Whether a policy lets the asker out to, or in at, the port of the asked."""
        asker_pods, asked_pods = self.workloads()[asker], self.workloads()[asked]
        here, there = (asker_pods, asked_pods) if way == "Egress" else (asked_pods, asker_pods)
        key, peers = ("egress", "to") if way == "Egress" else ("ingress", "from")
        port = pod(asked_pods)["containers"][0]["ports"][0]["containerPort"]
        return any(
            selects(policy["spec"]["podSelector"], here)
            and any(
                selects(peer["podSelector"], there)
                for peer in rule.get(peers, [])
                if "podSelector" in peer and "namespaceSelector" not in peer
            )
            and any(p["port"] == port for p in rule.get("ports", []))
            for policy in policies
            for rule in policy["spec"].get(key, [])
        )


def pod(workload: dict) -> dict:
    return workload["spec"]["template"]["spec"]


def selects(selector: dict, workload: dict) -> bool:
    labels = workload["spec"]["template"]["metadata"]["labels"]
    wanted = selector.get("matchLabels") or {}
    listed = selector.get("matchExpressions") or []
    return all(labels.get(k) == v for k, v in wanted.items()) and all(
        e["operator"] == "In" and labels.get(e["key"]) in e["values"] for e in listed
    )


def probes(container: dict, port: int) -> list[str]:
    found = []
    names = {p.get("name"): p["containerPort"] for p in container.get("ports", [])}
    for probe, path in [("startupProbe", "/metrics"), ("readinessProbe", "/health"), ("livenessProbe", "/metrics")]:
        get = (container.get(probe) or {}).get("httpGet")
        if not get:
            found.append(f"{probe}: an httpGet is expected; the kernel takes connections for a process that hangs")
            continue
        if get.get("path") != path:
            found.append(
                f"{probe} asks {get.get('path')}, not {path}: health is 503 during a catch-up, and faults touch it"
            )
        if names.get(get.get("port"), get.get("port")) != port:
            found.append(f"{probe} asks port {get.get('port')}, the service listens on {port}")
    return found


def hardening(template: dict, container: dict) -> list[str]:
    found = []
    security = template.get("securityContext") or {}
    own = container.get("securityContext") or {}
    if not security.get("runAsNonRoot") or (security.get("seccompProfile") or {}).get("type") != "RuntimeDefault":
        found.append("securityContext: runAsNonRoot and seccompProfile RuntimeDefault are expected")
    if (
        not own.get("readOnlyRootFilesystem")
        or own.get("allowPrivilegeEscalation") is not False
        or (own.get("capabilities") or {}).get("drop") != ["ALL"]
    ):
        found.append("securityContext: readOnlyRootFilesystem, no escalation and capabilities drop [ALL] are expected")
    if template.get("automountServiceAccountToken") is not False or template.get("enableServiceLinks") is not False:
        found.append("automountServiceAccountToken and enableServiceLinks are to be false")
    resources = container.get("resources") or {}
    if {"cpu", "memory"} - (resources.get("requests") or {}).keys() or "memory" not in (resources.get("limits") or {}):
        found.append("resources: requests for cpu and memory, and a limit on memory are expected")
    if "cpu" in (resources.get("limits") or {}):
        found.append("resources: a limit on CPU: being held up by it looks like a fault")
    return found
