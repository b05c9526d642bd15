"""What apps call the figures of their pulse: the names that well-known exporters give them, the likelier ones first."""

from __future__ import annotations

REQUESTS = (
    "flask_http_request_total",  # prometheus-flask-exporter
    "django_http_responses_total_by_status_total",  # django-prometheus
    "starlette_requests_total",  # starlette_exporter
    "fastapi_responses_total",
    "headway_http_requests_total",
    "http_requests_total",  # prometheus-fastapi-instrumentator, Go, Rust, Ruby and many more
    "http_server_requests_seconds_count",  # Micrometer, as in Spring
    "http_server_request_duration_seconds_count",  # OpenTelemetry
    "http_request_duration_seconds_count",  # express-prom-bundle
)
DURATIONS = (
    "flask_http_request_duration_seconds",
    "django_http_requests_latency_including_middlewares_seconds",
    "django_http_requests_latency_seconds_by_view_method",
    "starlette_request_duration_seconds",
    "fastapi_requests_duration_seconds",
    "headway_http_request_duration_seconds",
    "http_request_duration_highr_seconds",  # the instrumentator's, of finer steps than its other one
    "http_request_duration_seconds",
    "http_server_requests_seconds",
    "http_server_request_duration_seconds",
)
STATUS_LABELS = ("status", "status_code", "code", "http_status", "http_response_status_code", "http_status_code")
MEMORY = ("process_resident_memory_bytes", "headway_process_resident_memory_bytes")
CPU = ("process_cpu_seconds_total", "headway_process_cpu_seconds_total")
