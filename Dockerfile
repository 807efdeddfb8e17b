# The images of the system, one target each. Built from the top of the repository:
#   docker build --target counter .
# The classic builder builds every stage above its target, so stages that one image alone needs come after those before it.

ARG PYTHON_IMAGE=python:3.13-slim
ARG ETCD_IMAGE=gcr.io/etcd-development/etcd:v3.6.16

# What is in every image whose program talks to etcd.
FROM ${PYTHON_IMAGE} AS service
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# gRPC's newer engine takes every call through four more threads. Without it a call costs a fifth less.
ENV GRPC_EXPERIMENTS=-event_engine_client
WORKDIR /app
# Before the code, so that a changed line doesn't install everything again.
COPY app/requirements.txt ./
RUN pip install --no-cache-dir -r requirements.txt
COPY --chown=65532:65532 app/etcd ./etcd
COPY --chown=65532:65532 app/service ./service


FROM service AS counter
COPY --chown=65532:65532 app/counter ./counter
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
COPY --chown=65532:65532 app/service/__init__.py app/service/environment.py ./service/
COPY --chown=65532:65532 app/member ./member
USER 65532:65532
EXPOSE 2379 2380 2381
ENTRYPOINT ["python", "-m", "member"]


FROM service AS backup
# Snapshots are proven by an etcd that starts from them.
COPY --from=etcd-binaries /usr/local/bin/etcd /usr/local/bin/etcdctl /usr/local/bin/etcdutl /usr/local/bin/
COPY --chown=65532:65532 app/backup ./backup
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "backup"]


FROM service AS controller
COPY app/controller/requirements.txt ./controller/
RUN pip install --no-cache-dir -r controller/requirements.txt
COPY --chown=65532:65532 app/member ./member
COPY --chown=65532:65532 app/controller ./controller
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["python", "-m", "controller"]


FROM ${PYTHON_IMAGE} AS nfs
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nfs-ganesha nfs-ganesha-vfs \
    && rm -rf /var/lib/apt/lists/* \
    # Where it looks for the volume's file system. Docker makes this link in every container, other runtimes don't.
    && ln --symbolic --force /proc/self/mounts /etc/mtab
WORKDIR /app
COPY app/nfs ./nfs
# Root, with the capabilities that the pod has: it opens files by their handles, as whichever user a client is.
USER 0:0
EXPOSE 2049
ENTRYPOINT ["python", "-m", "nfs"]
