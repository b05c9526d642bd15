"""What can be said against an address of PostgreSQL's without connecting, so that a wrong one is refused at the start.

libpq would tell the same later, but with a part of the password in its words; and it takes room in gunicorn's master.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

PARAMETERS = frozenset(
    """application_name channel_binding client_encoding connect_timeout dbname fallback_application_name gssdelegation gssencmode
    gsslib host hostaddr keepalives keepalives_count keepalives_idle keepalives_interval krbsrvname load_balance_hosts
    max_protocol_version min_protocol_version oauth_client_id oauth_client_secret oauth_issuer oauth_scope options passfile
    password port replication require_auth requirepeer scram_client_key scram_server_key service servicefile ssl ssl_max_protocol_version
    ssl_min_protocol_version sslcert sslcertmode sslcompression sslcrl sslcrldir sslkey sslkeylogfile sslmode sslnegotiation
    sslpassword sslrootcert sslsni target_session_attrs tcp_user_timeout user""".split()  # noqa: SIM905  a list would be a page long
)
"""What libpq 18 and older ones know."""
VALUES = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
}
_ESCAPED = re.compile(r"%(?!00)[0-9A-Fa-f]{2}")
_NAME = re.compile(r"[a-z_]{2,40}")


def check(text: str) -> str:
    """The address as it is. Raises ValueError in words that hold nothing of a password."""
    if "%" in _ESCAPED.sub("", text):
        raise ValueError("holds a % that begins no percent-encoding: write a % of a password as %25")
    if any(mark.isspace() or not mark.isprintable() for mark in text):
        raise ValueError("holds a space or a control character: write one of a password as %20")
    parts = urlsplit(text)
    if parts.netloc.count("@") > 1 or parts.fragment:
        raise ValueError("holds one @ or # too many: write those of a password as %40 and %23")
    for parameter in parts.query.split("&") if parts.query else ():
        _check_parameter(parameter)
    return text


def _check_parameter(parameter: str) -> None:
    name, is_given, value = parameter.partition("=")
    if not is_given or name not in PARAMETERS:
        # What follows a ? may be the rest of a password.
        told = f" ({name})" if is_given and _NAME.fullmatch(name) and "@" not in value else ""
        raise ValueError(
            f"has a parameter after its ? that PostgreSQL does not know{told}; write a ? of a password as %3F"
        )
    known = VALUES.get(name)
    if known and value not in known:
        raise ValueError(f"has a wrong {name}: it should be one of {', '.join(known)}")
