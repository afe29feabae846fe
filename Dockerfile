# The image of all services: one binary, started with the name of a service.
#
#   docker build -t tolerancia:0.1.0 .
#   docker run --rm tolerancia:0.1.0 voter-svc --help
#
# Needs BuildKit, which is Docker's default since version 23. How to run it: docs/deploy.md.

FROM rust:1.95-slim-bookworm AS build

# cmake and g++ for libsql's SQLite, make for librdkafka. OpenSSL and zlib are linked dynamically.
# Versions are not pinned: Debian's mirrors keep only the newest of a release, and that is the one to have.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends cmake g++ libssl-dev make pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY services services
COPY lab lab
COPY sim sim
COPY cli cli

# Cargo goes by the time of a file's last change. The cache may have been filled from another checkout, whose files
# were older or newer than these, so all of ours count as changed; dependencies are taken from the cache.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    find crates services lab sim cli -type f -exec touch {} + \
    && cargo build --release --locked -p tolerancia --no-default-features \
    && install -D -m 0755 target/release/tolerancia /out/tolerancia

FROM debian:bookworm-slim

ARG REVISION=unknown
LABEL org.opencontainers.image.title="tolerancia" \
      org.opencontainers.image.description="A laboratory for fault tolerance: triple redundancy, real faults, measured detection and recovery" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim"

# ca-certificates: to verify Kafka and PostgreSQL over TLS. tini: see ENTRYPOINT.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 tini zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 tolerancia \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin tolerancia \
    && install -d -o 10001 -g 10001 -m 0750 /data

COPY --from=build /out/tolerancia /usr/local/bin/tolerancia
COPY --chmod=0755 deploy/healthcheck.sh /usr/local/bin/healthcheck

# Numeric, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001:10001
# A library that is missing shall fail the build, not the start.
RUN ["tolerancia", "--version"]

# A named volume that is mounted here for the first time takes over its owner. No VOLUME: that would leave an
# unnamed one behind for every service, and only the replicas have something to keep.
ENV BIND=0.0.0.0 \
    DATA_DIR=/data
WORKDIR /data
EXPOSE 5001 5002 5003 5004 5005 5006 5007

# Said, although it is the default: without it Docker takes any signal from `docker kill` for the order to stop, and
# does not restart the container afterwards.
STOPSIGNAL SIGTERM

# The kernel ignores SIGKILL and SIGSTOP that process 1 of a container sends to itself, and that is how the faults
# `crash` and `freeze` work. So process 1 is tini; it passes signals on and ends with the service's exit code.
ENTRYPOINT ["/usr/bin/tini", "--", "/usr/local/bin/tolerancia"]
CMD ["--help"]
