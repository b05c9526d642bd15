"""The calls that `bench.stream_load` makes, answered as flask-sse does it: Redis' publish and subscribe, a connection a client."""

from __future__ import annotations

import os
from collections.abc import Iterator

from flask import Flask, Response, jsonify, request, stream_with_context
from flask_sse import sse

app = Flask(__name__)
app.config["REDIS_URL"] = os.environ["REDIS_URL"]


@app.get("/api/v1/progress/stream")
def stream() -> Response:
    # flask-sse's own view, but for a first byte: its answer would begin with the first event.
    def messages() -> Iterator[str]:
        yield ": open\n\n"
        yield from map(str, sse.messages())

    return Response(stream_with_context(messages()), mimetype="text/event-stream")


@app.post("/api/v1/queue")
def create() -> tuple[Response, int]:
    return jsonify(queue_id=1), 201


@app.put("/api/v1/queue/<int:number>")
def update(number: int) -> Response:
    sse.publish({"queue_id": number, **request.get_json()})
    return jsonify(queue_id=number)
