# The image of one service: docker build -f deploy/service.Dockerfile --build-arg SERVICE=triage -t tocsin-triage .
# (The console must be built first for SERVICE=edge: `make setup`. The runner is no service and lies elsewhere: --build-arg SERVICE=runner
# --build-arg FOLDER=libs/runner, and `run` as its command.)
FROM python:3.11-slim AS build
ARG SERVICE
ARG FOLDER=services/${SERVICE}
WORKDIR /src
COPY requirements.lock ./
COPY protos protos
COPY libs/kernel libs/kernel
COPY libs/oncall libs/oncall
COPY libs/playbook libs/playbook
COPY libs/chassis libs/chassis
COPY ${FOLDER} ${FOLDER}
# The service's own closure, held to the locked versions; the build tools of the contracts stay in this stage.
RUN python -m venv /tocsin \
    && sed -E 's/ *\\$//; /^ *--hash/d' requirements.lock > constraints.txt \
    && python -m venv /tools && /tools/bin/pip install --no-cache-dir -c constraints.txt hatchling grpcio-tools mypy-protobuf protovalidate \
    && for part in protos libs/kernel libs/oncall libs/playbook libs/chassis ${FOLDER}; do /tools/bin/pip wheel --no-deps --no-build-isolation -w /wheels $part; done \
    && /tocsin/bin/pip install --no-cache-dir -c constraints.txt /wheels/*.whl

FROM python:3.11-slim
ARG SERVICE
ENV SERVICE=${SERVICE} PATH=/tocsin/bin:$PATH PYTHONUNBUFFERED=1
COPY --from=build /tocsin /tocsin
# What response keeps of evidence: mount a volume there, unless it lies in a bucket; what arrives passes through it in any case.
ENV TOCSIN_EVIDENCE_FOLDER=/var/lib/tocsin/evidence
RUN useradd --system --no-create-home tocsin && install --directory --owner=tocsin --mode=700 /var/lib/tocsin /var/lib/tocsin/evidence
USER tocsin
ENTRYPOINT ["/bin/sh", "-c", "exec tocsin-$SERVICE \"$@\"", "--"]
CMD ["serve"]
