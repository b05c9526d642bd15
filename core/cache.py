"""The cache: flask-caching on the store, values as JSON, never pickle. (Being built.)"""

from __future__ import annotations

from flask import Flask

from core.store import Store


class Cache:
    def __init__(self, app: Flask, store: Store) -> None: ...
