"""Each worker does what its how-to says: at HUP, TERM and QUIT, with tasks that it has begun."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.roots import finish
from tests.support.serving import SECONDS, Place, members

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "docs" / "_ext"))

from server_facts import WORKERS, WorkerFacts

pytestmark = pytest.mark.network

LONG = 5.0
"""Seconds of a long task."""

WATCHED = 3.0
"""Seconds in which nothing happens."""

SENT = {
    "celery": "import shop_celery; shop_celery.work.delay({seconds})",
    "dramatiq": "import shop_dramatiq; shop_dramatiq.work.send({seconds})",
    "rq": (
        "import os, redis, rq; broker = redis.from_url(os.environ['RQ_REDIS_URL']); "
        "rq.Queue(connection=broker).enqueue('shop.work', {seconds})"
    ),
}
"""How a task is sent."""

each = pytest.mark.parametrize(("name", "facts"), WORKERS.items(), ids=WORKERS)


@pytest.fixture
def broker(place: Place) -> Iterator[Callable[[str, float], None]]:
    """A redis that the workers of a place use; called, it sends a task."""
    if shutil.which("redis-server") is None:
        pytest.skip("there is no redis-server: apt-get install redis-server")
    path = place.folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", place.folder]
    server = subprocess.Popen(["redis-server", *options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    place.wait(path.exists, "no redis")
    place.variables |= {"RQ_REDIS_URL": f"unix://{path}"}

    def send(kind: str, seconds: float) -> None:
        place.variables["SHOP_BROKER"] = f"redis+socket://{path}" if kind == "celery" else f"unix://{path}"
        done = finish(
            place.shop.path / "current" / "bin" / "python",
            "-c",
            SENT[kind].format(seconds=seconds),
            cwd=Path("/"),
            env={"PATH": "/usr/bin:/bin", "SHOP_NOTES": f"{place.folder}/notes", **place.variables},
            timeout=SECONDS,
        )
        assert done.code == 0, done.err

    yield send
    server.kill()
    server.wait()


def ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


@each
def test_hup(place: Place, broker: Callable[[str, float], None], name: str, facts: WorkerFacts) -> None:
    old, new = place.shop.releases
    broker(name, 0)
    with place.running(facts.app) as process:
        place.wait(lambda: place.notes("done") == [old], "no task is done")
        before = members(process)
        place.lead(1)
        process.send_signal(signal.SIGHUP)
        if facts.hup == "ends":
            place.wait(lambda: ended(process), "it does not end")
            return
        place.wait(lambda: ended(process) or not before & members(process) - {str(process.pid)}, "no reload")
        assert not ended(process), place.log
        broker(name, 0)
        place.wait(lambda: len(place.notes("done")) == 2, "no task is done after HUP")
        assert place.notes("done") == [old, {"reloads": old, "renews": new}[facts.hup]]


@each
def test_term_with_a_task_in_hand(
    place: Place, broker: Callable[[str, float], None], name: str, facts: WorkerFacts
) -> None:
    broker(name, LONG)
    with place.running(facts.app) as process:
        place.wait(lambda: place.notes("begun"), "no task begins")
        process.send_signal(signal.SIGTERM)
        place.wait(lambda: ended(process), "it does not end")
        assert bool(place.notes("done")) == facts.finishes, place.log


@pytest.mark.parametrize("late", [True, False], ids=["acks-late", "acks-early"])
def test_celery_gives_back_what_takes_longer_than_its_soft_shutdown_if_it_is_not_acknowledged(
    place: Place, broker: Callable[[str, float], None], late: bool
) -> None:
    place.variables |= {"SHOP_SOFT": "2", "SHOP_LATE": "1" if late else ""}
    broker("celery", SECONDS)
    app = f"{WORKERS['celery'].app} --concurrency 2"
    with place.running(app) as process:
        place.wait(lambda: place.notes("begun"), "no task begins")
        process.send_signal(signal.SIGQUIT)
        place.wait(lambda: ended(process), "it does not end")
    assert not place.notes("done")
    if not late:
        broker("celery", 0)
    with place.running(app):
        if late:
            place.wait(lambda: len(place.notes("begun")) == 2, "the task is not begun again")
        else:
            place.wait(lambda: place.notes("done"), "the new task is not done")
            time.sleep(WATCHED)
            assert len(place.notes("begun")) == 2, "the old task is begun again"


def test_beat_keeps_its_schedule_where_it_is_told_to(
    place: Place, broker: Callable[[str, float], None]
) -> None:
    place.variables["SHOP_BROKER"] = f"redis+socket://{place.folder}/redis.sock"
    schedule = place.folder / "schedule"
    beat, worker = f"celery -A shop_celery beat --schedule={schedule}", "celery -A shop_celery worker"
    with place.running(worker), place.running(beat) as process:
        place.wait(lambda: place.notes("tick"), "nothing is sent")
        process.send_signal(signal.SIGTERM)
        place.wait(lambda: ended(process), "it does not end")
        assert process.returncode == 0
        assert list(place.folder.glob("schedule*"))
    assert not [path for path in place.shop.path.rglob("celerybeat*") if "site-packages" not in path.parts]


def test_each_of_two_schedulers_sends_every_task(place: Place, broker: Callable[[str, float], None]) -> None:
    broker("celery", 0)
    sent = (
        "import json, os, redis; broker = redis.from_url(os.environ['RQ_REDIS_URL']); "
        "heads = [json.loads(one)['headers'] for one in broker.lrange('celery', 0, -1)]; "
        "print(*{head['origin'] for head in heads if head['task'] == 'shop_celery.tick'}, sep='\\n')"
    )

    def senders() -> list[str]:
        python = place.shop.path / "current" / "bin" / "python"
        return finish(python, "-c", sent, cwd=Path("/"), env=place.variables, timeout=SECONDS).out.split()

    schedules = [place.folder / slot / "schedule" for slot in "ab"]
    for schedule in schedules:
        schedule.parent.mkdir()
    first, second = (f"celery -A shop_celery beat --schedule={schedule}" for schedule in schedules)
    with place.running(first), place.running(second):
        place.wait(lambda: len(senders()) == 2, "one of them sends nothing")


# -- what is no worker of a library -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM], ids=lambda number: number.name)
def test_a_daemon_is_of_one_release_to_its_end(place: Place, number: signal.Signals) -> None:
    with place.running("python -m shop_daemon") as process:
        place.wait(lambda: place.notes("begun"), "it does not begin")
        place.lead(1)
        (place.folder / "notes" / "go").touch()
        place.wait(lambda: place.notes("done"), "it imports nothing")
        assert (place.folder / "notes" / "late").read_text() == "1.0"
        process.send_signal(number)
        place.wait(lambda: ended(process), "it does not end")
        assert process.returncode == -number


def test_a_job_ends_in_the_release_that_it_began_in(place: Place) -> None:
    with place.running("python -m shop_daemon --once") as process:
        place.wait(lambda: place.notes("begun"), "it does not begin")
        place.lead(1)
        (place.folder / "notes" / "go").touch()
        place.wait(lambda: ended(process), "it does not end")
        assert process.returncode == 0
    assert (place.folder / "notes" / "late").read_text() == "1.0"
    assert place.notes("done") == [place.shop.releases[0]]
