# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
RUN python -m venv /venv
COPY requirements.txt .
RUN /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    && /venv/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN useradd --uid 10001 --no-create-home --home-dir /nonexistent headway \
    && install -d -o headway -g headway /data
COPY --from=build /venv /venv
WORKDIR /app
# The pattern takes headway.toml along where there is one.
COPY app.py gunicorn.conf.py headway.tom[l] ./
COPY core core
COPY services services
COPY panels panels
COPY routes routes
COPY templates templates
COPY static static
COPY migrations migrations
COPY deploy/healthy.py deploy/web.sh deploy/
COPY scripts/backup.py scripts/

# /data holds the embedded store where REDIS_URL is not set: mount a volume there. There is no VOLUME line, because
# Railway refuses images that have one.
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HEADWAY_HOST=0.0.0.0 \
    HEADWAY_DATA=/data
USER headway
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD ["python", "deploy/healthy.py"]
CMD ["gunicorn"]
