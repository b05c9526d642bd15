"""headway.toml is read as documented, or refused in one line that says where and what to write instead."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from core import settings
from core.config import Config, ConfigError, Seconds, parse, read
from core.config import alerts as kinds
from core.config import sources as sources
from core.config.sentinels import Sentinels
from core.fields import FieldError

EVERYTHING = """
[[tiles]]
id = "queue.mails"
title = "Mails waiting"
unit = "mails"
format = "compact"
group = "Mail"
warn = 100
bad = 1000
link = "/dashboard/jobs?status=queued"
source = { kind = "redis", command = "LLEN", key = "mails", url = "${MAILS}" }
every = "10s"
timeout = 2

[[tiles]]
id = "users"
source = { kind = "sql", query = "SELECT count(*) FROM users", url = "sqlite:///app.db" }

[[targets]]
name = "shop"
url = "http://10.0.0.7:8000/metrics"
headers = { Authorization = "Bearer ${SHOP}" }

[[channels]]
name = "team"
url = "slack://${SLACK}"
levels = ["warning", "error"]
quiet = { since = "22:00", until = "07:00", zone = "Europe/Berlin" }

[[alerts]]
id = "backlog"
when = { kind = "tile", tile = "queue.mails", above = 1000, clear = 500 }
for = "5m"
channel = "team"

[[logs.redact]]
pattern = "\\\\d{16}"

[retention]
logs = "2d"
logs_mb = 64

[outgoing]
allow = ["10.0.0.0/8"]
"""
ENVIRON = {"MAILS": "redis://mail:6379/1", "SHOP": "shop-token", "SLACK": "a/b/c"}


def test_everything_that_can_stand_in_the_file_is_read() -> None:
    config = parse(EVERYTHING, ENVIRON)

    assert config.tiles is not None
    mails, users = config.tiles
    assert mails.source == sources.Redis("LLEN", "mails", url="redis://mail:6379/1")
    assert (mails.every, mails.timeout, mails.bad) == (10.0, 2.0, 1000)
    assert (users.title, users.every) == (None, 30.0)
    assert config.targets[0].headers == {"Authorization": "Bearer shop-token"}
    assert config.channels[0].quiet and config.channels[0].quiet.but == ("error",)
    (alert,) = config.alerts
    assert alert.when == kinds.OnTile("queue.mails", above=1000, clear=500)
    assert (alert.for_, alert.keep, alert.severity) == (300.0, 60.0, "warning")
    assert (config.retention.logs, config.retention.logs_mb) == (2 * 86_400, 64)


def test_an_empty_file_and_none_at_all_are_the_same(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(settings.read({}), {}) == parse("", {}) == Config()


def test_the_usual_file_is_read_where_it_exists(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pathlib.Path("headway.toml").write_text('[[targets]]\nname = "a"\nurl = "http://a/metrics"\n')
    assert [target.name for target in read(settings.read({}), {}).targets] == ["a"]


TILE = '[[tiles]]\nid = "a"\n'
ALERT = '[[alerts]]\nid = "a"\n'
QUEUES = '[[queues]]\nkind = "rq"\nurl = "redis://localhost:6379/0"\n'
BACKED = "[[queues]]\nkind = 'celery'\nurl = 'amqp://b'\n"
SENTINELS = "[[queues]]\nkind = 'celery'\nurl = 'redis://b'\nresults = 'sentinel://s1'\n"
WATCHED = "[[queues]]\nkind = 'celery'\nmaster = 'm'\nurl = 'sentinel://:hunter1@s1:1/0;sentinel://s2:2/0'\n"
ALERT_ON_BROKER = ALERT + 'when = {kind = "broker_unavailable", broker = "BROKER"}\n'
CHANNEL = '[[channels]]\nname = "c"\nurl = "json://x"\n'

REFUSED = [
    ("x", "the file", "line|end of document"),
    ("a = " + "[" * 500, "the file", "nested too deeply"),
    (".".join("a" * 4000) + " = 1", "the file", "nested too deeply"),
    ("a = " + "1" * 5000, "the file", "no TOML.*5000 digits"),
    ("tiles = 3", "tiles", "a list"),
    (QUEUES + "queues = 'mail'", "[[queues]] number 1: queues", "a list, and is text"),
    (QUEUES + "queues = ['']", "[[queues]] number 1: queues[0]", "a queue's name of 1 to 200"),
    (QUEUES.replace("6379", "99999"), "[[queues]] number 1: url", "a number from 1 to 65535"),
    (QUEUES.replace("localhost:6379", "[::1"), "[[queues]] number 1: url", "can't be read"),
    (QUEUES.replace("localhost", ":p#ss@localhost"), "[[queues]] number 1: url", "%23"),
    (BACKED + "results = 'redis://localhost:0/1'", "[[queues]] number 1: results", "a number from 1 to 65535"),
    (BACKED.replace("'amqp://b'", "'amqp://b:5672;amqp://c:x'"), "[[queues]] number 1: url", "a number from 1 to 65535"),
    (SENTINELS, "[[queues]] number 1: master", "is missing.*mymaster"),
    (SENTINELS.replace("redis://", "sentinel://"), "[[queues]] number 1: master", "is missing"),
    (QUEUES + "master = 'm'", "[[queues]] number 1: master", "begin with sentinel:// alone"),
    (QUEUES + "sentinel_password = 'hunter2'", "[[queues]] number 1: sentinel_password", "sentinel:// alone"),
    (WATCHED.replace("s2:2/0", "s2:2/1"), "[[queues]] number 1: url", "different databases.*same one behind each"),
    (WATCHED.replace("s2", ":hunter2@s2"), "[[queues]] number 1: url", "different users or passwords.*sentinel_password"),
    (WATCHED.replace("s2:2/0", "s2:2/mail"), "[[queues]] number 1: url", "no number"),
    (WATCHED.replace("s2:2/0", "s2:2/0?master=m"), "[[queues]] number 1: url", "options behind"),
    (WATCHED.replace("s2:2", "s2:x"), "[[queues]] number 1: url", "a number from 1 to 65535"),
    (WATCHED.replace("sentinel://s2", "redis://s2"), "[[queues]] number 1: url", "each of its addresses"),
    (WATCHED.replace("sentinel://:", "redis://:"), "[[queues]] number 1: url", "each of its addresses"),
    (WATCHED + "results = 'sentinel://s:1/a'", "[[queues]] number 1: results", "no number"),
    (QUEUES.replace("/0", "/1;redis://b/1"), "[[queues]] number 1: url", "one address.*name these: sentinel://"),
    (BACKED.replace("amqp://b", "redis://:hunter2@a/1;redis://b/1"), "[[queues]] number 1: url", "names several servers"),
    (BACKED.replace("amqp://b", "amqp://a;redis+socket:///b"), "[[queues]] number 1: url", "names several servers"),
    (BACKED + "results = 'redis://a/1;redis://b/1'", "[[queues]] number 1: results", "names several servers"),
    (QUEUES + "prefix = 'a'", "[[queues]] number 1: prefix", "for Celery alone.*global_keyprefix"),
    (QUEUES + "results_prefix = ''", "[[queues]] number 1: results_prefix", "for Celery alone"),
    (QUEUES + "redbeat_key_prefix = 'a'", "[[queues]] number 1: redbeat_key_prefix", "for Celery alone"),
    (
        QUEUES + ALERT_ON_BROKER.replace("BROKER", "shop"),
        "[[alerts]] a: when.broker",
        "names shop, which is none of the brokers: rq",
    ),
    ("[[tile]]\nid = 'a'", "tile", "the fields are .*tiles"),
    ("[[tiles]]\ntitle = 'x'", "[[tiles]] number 1: id", "missing"),
    ("[[tiles]]\nid = 'a b'", "[[tiles]] a b: id", "letters, digits"),
    ("[[tiles]]\nid = 'a..b'", "[[tiles]] a..b: id", "letters, digits"),
    ("[[tiles]]\nid = '7'", "[[tiles]] 7: id", "letters, digits"),
    (TILE * 2, "tiles", "a twice"),
    (TILE + "[[tiles]]\nid = 'a.b'", "tiles: a.b", "beside a"),
    ("[[tiles]]\nid = 'notifications.x'", "tiles: notifications.x", "says itself"),
    ("[[tiles]]\nid = 'timestamp'", "tiles: timestamp", "says itself"),
    (TILE + "every = '5x'", "[[tiles]] a: every", "span of time"),
    (TILE + "every = 0", "[[tiles]] a: every", "span of time"),
    (TILE + "every = true", "[[tiles]] a: every", "span of time"),
    (TILE + "timeout = '2m'", "[[tiles]] a: timeout", "60s at most"),
    (TILE + "good = 'x'", "[[tiles]] a: good", "a number, and is text"),
    (TILE + "warn = nan", "[[tiles]] a: warn", "finite"),
    (TILE + f"unit = '{'x' * 21}'", "[[tiles]] a: unit", "should be text of 20 characters at most"),
    (TILE + "warn = 10\nbad = 5", "[[tiles]] a: bad", "below warn"),
    (TILE + "better = 'higher'\ngood = 5\nbad = 10", "[[tiles]] a: bad", "above good"),
    ("".join(f'[[tiles]]\nid = "a{at}"\n' for at in range(201)), "tiles", "200 is the most"),
    (TILE + "link = 'javascript:alert(1)'", "[[tiles]] a: link", "http"),
    (TILE + "link = '//evil'", "[[tiles]] a: link", "http"),
    (TILE + "format = 'euro'", "[[tiles]] a: format", "one of .*bytes"),
    (TILE + "colour = 'red'", "[[tiles]] a: colour", "the fields are .*unit, warn"),
    (TILE + "source = {kind = 'cobol'}", "[[tiles]] a: source.kind", "one of .*sql"),
    (TILE + "source = {kind = 'jobs', figure = 'lost'}", "[[tiles]] a: source.figure", "one of .*oldest"),
    (TILE + "source = {kind = 'jobs', figure = 'p95', agent = 'x'}", "[[tiles]] a: source.agent", "of all agents"),
    (TILE + "source = {kind = 'redis', command = 'KEYS', key = '*'}", "[[tiles]] a: source.command", "one of .*LLEN"),
    (TILE + "source = {kind = 'redis', command = 'HGET', key = 'x'}", "[[tiles]] a: source.args", "takes a field"),
    (TILE + "source = {kind = 'redis', command = 'LLEN', key = 'x', args = ['y']}", "[[tiles]] a: source.args", "takes nothing"),
    (TILE + "source = {kind = 'redis', command = 'LLEN', key = 'x', url = 'http://x'}", "[[tiles]] a: source.url", "redis://"),
    (TILE + "source = {kind = 'redis', command = 'GET', key = 'x', port = 1}", "[[tiles]] a: source.port", "the fields are args, command, key, url"),
    (TILE + "source = {kind = 'http', url = 'file:///etc/passwd', path = 'a'}", "[[tiles]] a: source.url", "http"),
    (TILE + "source = {kind = 'http', url = 'http://a b', path = 'a'}", "[[tiles]] a: source.url", "an address"),
    (TILE + "source = {kind = 'sql', query = 'SELECT 1', url = 'mysql://x'}", "[[tiles]] a: source.url", "postgresql"),
    (TILE + "source = {kind = 'metrics', url = 'http://x', metric = 'm', labels = {a = '~('}}", "[[tiles]] a: source.labels.a", "regular"),
    (TILE + "source = {kind = 'http', url = 'http://x', path = 'a', headers = {A = 'b\\r\\nC: d'}}".replace("'b", '"b').replace("d'", 'd"'), "[[tiles]] a: source.headers", "one line"),
    (TILE + "source = {kind = 'http', url = 'http://x', path = 'a', headers = {'A b' = 'c'}}", "[[tiles]] a: source.headers", "letters, digits"),
    ("[outgoing]\nschemes = ['Not one']", "outgoing.schemes[0]", "a kind of address"),
    (ALERT + "when = {kind = 'queue_depth', above = 'x'}", "[[alerts]] a: when.above", "whole number"),
    (ALERT + "when = {kind = 'queue_depth', above = 1, fro = 1}", "[[alerts]] a: when.fro", "the fields are above, agent, clear"),
    (ALERT + "when = {kind = 'tile', tile = 'x'}", "[[alerts]] a: when", "one of above and below"),
    (ALERT + "when = {kind = 'tile', tile = 'x', above = 1, below = 2}", "[[alerts]] a: when", "one of above and below"),
    (ALERT + "when = {kind = 'target_down', target = 'x'}", "[[alerts]] a: when.target", "none of the targets"),
    (ALERT + "channel = 'x'\nwhen = {kind = 'no_job', within = '1d'}", "[[alerts]] a: channel", "none of the channels"),
    (ALERT + "severity = 'loud'\nwhen = {kind = 'no_job', within = '1d'}", "[[alerts]] a: severity", "one of"),
    (CHANNEL + "quiet = {since = '25:00', until = '07:00'}", "[[channels]] c: quiet.since", "time of day"),
    (CHANNEL + "quiet = {since = '22:00', until = '07:00', zone = 'Mars/Base'}", "[[channels]] c: quiet.zone", "time zone"),
    (CHANNEL + "quiet = {since = '22:00', until = '07:00', zone = '../../etc/passwd'}", "[[channels]] c: quiet.zone", "time zone"),
    (CHANNEL.replace("json://x", "json://${NOT_SET}"), "[[channels]] c: url", "NOT_SET.*not set"),
    ("[[logs.redact]]\npattern = '('", "logs.redact[0].pattern", "regular expression"),
    ("[retention]\nlogs_mb = 0", "retention.logs_mb", "megabytes"),
    ("[prometheus]\nmatch = {'job-name' = 'x'}", "prometheus.match", "letters, digits and _"),
    ("[prometheus]\nmatch = {job = 3}", "prometheus.match", "its value as text"),
    ("[prometheus]\nmatch = {job = '~('}", "prometheus.match.job", "regular expression"),
    ("[prometheus]\nevery = '1h'", "prometheus.every", "5m at most"),
    ("[prometheus]\ntimeout = '1m'", "prometheus.timeout", "10s at most"),
    ("[prometheus]\nheaders = {X = \"a\\r\\nb\"}", "prometheus.headers", "on one line"),
    ("[prometheus]\nurl = 'http://p'", "prometheus.url", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "field", "says"), REFUSED)
def test_what_can_not_be_worked_with_is_refused_where_it_stands(text: str, field: str, says: str) -> None:
    with pytest.raises(FieldError, match=rf"(?s){says}") as refused:
        parse(text, {})
    assert refused.value.field.startswith(field)
    assert "hunter" not in str(refused.value)


@pytest.mark.parametrize("broker", ["rq", "rq-store", "celery"])
def test_a_rule_may_name_a_broker_that_is_declared_or_that_may_be_found_in_the_store(broker: str) -> None:
    assert parse(BACKED + ALERT_ON_BROKER.replace("BROKER", broker), {}).alerts
    assert parse(ALERT_ON_BROKER.replace("BROKER", broker), {}).alerts


def test_addresses_of_brokers_may_have_ports_sockets_and_several_hosts() -> None:
    for address in ("amqp://a:5672;amqp://b:5673", "redis+socket:///run/redis.sock", "amqps://u:p%2F@[::1]:5671//"):
        assert parse(BACKED.replace("amqp://b", address), {}).queues


def test_sentinels_stand_in_one_address_with_the_user_and_the_database_of_their_redis() -> None:
    text = WATCHED.replace("hunter1@s1:1/0", "p%2F%3B@[::1]:1").replace("s2:2/0", "s2")
    (broker,) = parse(text + "sentinel_username = 'u'\nsentinel_password = '${WORD}'", {"WORD": "w"}).queues
    assert broker.address == Sentinels((("::1", 1), ("s2", 26379)), "m", 0, None, "p/;", "u", "w")
    (broker,) = parse(WATCHED.replace("/0", "/3").replace("celery", "rq"), {}).queues
    assert broker.address == Sentinels((("s1", 1), ("s2", 2)), "m", 3, None, "hunter1")
    (broker,) = parse(SENTINELS + "master = 'm'", {}).queues
    assert (broker.address, broker.results_address) == ("redis://b", Sentinels((("s1", 26379),), "m"))


def test_a_source_that_leans_on_the_environment_needs_it() -> None:
    text = TILE + "source = {kind = 'prometheus', query = 'up'}"
    with pytest.raises(FieldError, match="PROMETHEUS_URL is not set"):
        parse(text, {}, settings=settings.read({}))
    assert parse(text, {}, settings=settings.read({"PROMETHEUS_URL": "http://localhost:9090"})).tiles
    with pytest.raises(FieldError, match="DATABASE_URL is not set"):
        parse(TILE + "source = {kind = 'sql', query = 'SELECT 1'}", {}, settings=settings.read({}))


@pytest.mark.parametrize(
    ("told", "seconds", "said"),
    [("30s", 30, "30s"), ("1h30m", 5400, "1h30m"), ("250ms", 0.25, "250ms"), (90, 90, "1m30s"), ("2d", 172_800, "2d"), (0.5, 0.5, "500ms")],
)  # fmt: skip
def test_spans_of_time_are_read_and_said_in_units(told: str | float, seconds: float, said: str) -> None:
    value = repr(told).replace("'", '"')
    (tile,) = parse(TILE + f"every = {value}", {}).tiles or ()
    assert tile.every == seconds
    assert str(tile.every) == said
    assert isinstance(tile.every, Seconds)


def test_a_file_that_can_not_be_read_says_which(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "headway.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=rf"{path} can't be read"):
        read(settings.read({"HEADWAY_CONFIG": str(path)}), {})
    path.write_text("[[tiles]]\nid = 1\n")
    with pytest.raises(ConfigError, match=rf"{path}: \[\[tiles\]\] number 1: id"):
        read(settings.read({"HEADWAY_CONFIG": str(path)}), {})


def test_the_check_from_the_shell_says_what_it_read_or_what_is_wrong(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "some.toml"

    def check() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "core.config", str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    missing = check()
    assert (missing.returncode, missing.stderr) == (
        1,
        f"{path} can't be read: [Errno 2] No such file or directory: {str(path)!r}\n",
    )
    path.write_text(TILE)
    assert (check().returncode, check().stdout) == (
        0,
        f"{path} is good (tiles: 1, targets: 0, alerts: 0, channels: 0)\n",
    )
    path.write_text(TILE + "every = 'soon'")
    refused = check()
    assert refused.returncode == 1
    assert refused.stderr == f"{path}: [[tiles]] a: every: should be a span of time, such as 30s, 5m or 1h30m\n"
