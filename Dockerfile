# The images of the system, one target each. Built from the top of the repository:
#   docker build --target counter .
# The classic builder builds every stage above its target, so the stage that only the members need comes after `counter`.

ARG PYTHON_IMAGE=python:3.13-slim
ARG ETCD_IMAGE=registry.k8s.io/etcd:3.6.5-0

FROM ${PYTHON_IMAGE} AS counter
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
# Before the code, so that a changed line doesn't install everything again.
COPY app/requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=65532:65532 app/etcd ./etcd
COPY --chown=65532:65532 app/service ./service
COPY --chown=65532:65532 app/counter ./counter
# gRPC's newer engine takes every call through four more threads. Without it a call costs a fifth less.
ENV GRPC_EXPERIMENTS=-event_engine_client
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["python", "-m", "counter"]


FROM ${ETCD_IMAGE} AS etcd-binaries


FROM ${PYTHON_IMAGE} AS etcd
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# nslookup, for whoever looks into a member.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bind9-dnsutils \
    && rm -rf /var/lib/apt/lists/*
COPY --from=etcd-binaries /usr/local/bin/etcd /usr/local/bin/etcdctl /usr/local/bin/etcdutl /usr/local/bin/
WORKDIR /app
COPY --chown=65532:65532 app/member ./member
USER 65532:65532
EXPOSE 2379 2380 2381
ENTRYPOINT ["python", "-m", "member"]
