"""Socket.IO (protocol 5) on the site's own port: python-socketio and python-engineio, with bounds on everything.

`websocket` is one client's connection, `outbox` what it has yet to get, `session` the client, `engine` all of them and their
heartbeat, `server` who may join and what they hear.
"""
