# The worker and the commands, without the local Kafka and the test tools. Runs as nobody in particular.
# --build-arg ENGINE=compiled compiles the core of the engine; the compiler stays out of the image.
ARG ENGINE=plain
FROM python:3.13-slim AS build-plain
FROM python:3.13 AS build-compiled

FROM build-${ENGINE} AS build
ARG ENGINE

# The lock is installed first: its layer stays while only the code changes.
WORKDIR /src
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /app \
 && /app/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: \
    -r requirements/runtime.txt

COPY . .
# Built in an environment that does not reach the image, locked as well.
RUN python -m venv /build \
 && /build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/build.txt \
 && if [ "$ENGINE" = compiled ]; then export COMPILED=1; fi \
 && /build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /app/bin/pip install --no-cache-dir --no-deps /wheels/loyalty-*.whl

FROM python:3.13-slim

LABEL org.opencontainers.image.title="loyalty" \
      org.opencontainers.image.description="A streaming loyalty engine on Kafka" \
      org.opencontainers.image.licenses="Apache-2.0"

COPY --from=build /app /app
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/loyalty --create-home loyalty
USER 10001:10001
WORKDIR /var/lib/loyalty

ENV PATH=/app/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LOYALTY_DATA_DIRECTORY=/var/lib/loyalty/worker \
    LOYALTY_METRICS_HOST=0.0.0.0 \
    LOYALTY_METRICS_PORT=9464 \
    LOYALTY_LOG_JSON=true

EXPOSE 9464
STOPSIGNAL SIGTERM

# Alive, not ready: a long restore is no reason to be killed, as some supervisors do with what is unhealthy.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9464/healthz', timeout=4)"]

ENTRYPOINT ["loyalty"]
CMD ["worker"]
