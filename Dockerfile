# One image for every deployment: alone on a laptop (fahrwerk up, the default) or as many services,
# each told by its arguments and FAHRWERK_ settings what it serves.
#
#   docker build -t fahrwerk .
#   docker run -p 8080:8080 -v fahrwerk:/var/lib/fahrwerk fahrwerk
#   docker run -e FAHRWERK_DATABASE_URL=... fahrwerk serve
FROM python:3.11-slim AS apps

# The web apps, by the Node that PyPI has: nothing of it reaches the image that runs.
WORKDIR /build
COPY requirements-web.lock requirements-map.lock ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r requirements-web.lock
COPY tools tools
COPY web web
RUN .venv/bin/python tools/web.py build

FROM python:3.11-slim

# Numbers, because Kubernetes' runAsNonRoot cannot tell from a name; the name, because PostgreSQL
# asks the system for the one it runs as.
RUN groupadd --gid 10001 fahrwerk \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/fahrwerk fahrwerk \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/fahrwerk

WORKDIR /opt/fahrwerk

# Packages before the source: this layer is built again only when the lock changes.
COPY requirements.lock ./
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: \
        --require-hashes --requirement requirements.lock

COPY LICENSE README.md pyproject.toml ./
COPY src src
# Beside the pages' own code, where an installed package looks for them.
COPY --from=apps /build/web/dist src/fahrwerk/front/dist
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

# An image listens to the network, so the conveniences of a laptop (shown mail, scripted gateway
# faults) are off; -e FAHRWERK_DEV=true brings them back for a try-out.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FAHRWERK_DEV=false \
    FAHRWERK_DATA=/var/lib/fahrwerk \
    FAHRWERK_HTTP_HOST=0.0.0.0 \
    FAHRWERK_HTTP_PORT=8080

USER 10001:10001
WORKDIR /var/lib/fahrwerk
VOLUME /var/lib/fahrwerk
EXPOSE 8080

# Python, because the slim image has neither curl nor wget. The first start makes a database. What
# serves no HTTP (fahrwerk work) is run with --no-healthcheck.
HEALTHCHECK --start-period=60s --interval=15s --timeout=5s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['FAHRWERK_HTTP_PORT']}/health\", timeout=4)"]

ENTRYPOINT ["fahrwerk"]
CMD ["up"]
