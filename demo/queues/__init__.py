"""A Redis with RQ and Celery workers on it that know nothing of Headway: the demo's `[[queues]]`."""
