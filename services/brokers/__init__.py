"""The jobs that RQ and Celery already have: read beside their workers, kept as Headway's own, acted on through their libraries."""
