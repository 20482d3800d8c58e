"""Three applications with real dependencies go live with the commands of the get-started page, and no script.

Then each is upgraded, survives an upgrade that is broken, and goes back. What counts is the application's own
answer from `current`, not an exit status.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.applications import TEMPLATES, Application, application, start

pytestmark = pytest.mark.network

DJANGO_ASKED = """\
import json, os, sys
import django
django.setup()
from django.test import Client
answer = Client().get("/")
print(json.dumps([answer.status_code, answer.content.decode()]))
"""


# -- Django, in a src layout, with a wheel and a uv.lock -----------------------------------------------------

BOOK = """\
import django
django.setup()
from library.models import Book
print(Book.objects.create(title={title!r}).pk)
"""


@pytest.fixture
def library(tmp_path: Path) -> Application:
    """A Django project that uv has locked. Its variables are in `.env`, which git ignores."""
    made = application("library", tmp_path)
    (made.checkout / ".env").write_text(
        f"LIBRARY_SECRET=s3cret\nLIBRARY_DATABASE={tmp_path}/library.sqlite3\n"
    )
    made.tool("uv", "lock", "--quiet")
    made.commit({}, "Lock")
    return made


def ask_library(library: Application) -> str:
    """Request the library's page from the live release; it has to say that it is of that release."""
    variables = dict(line.split("=", 1) for line in library.read(".env").splitlines())
    status, page = library.python(DJANGO_ASKED, DJANGO_SETTINGS_MODULE="library.settings", **variables)
    assert status == 200
    assert f"<small>{library.current.name}</small>" in page
    (style,) = (word for word in page.split('"') if word.endswith(".css"))
    assert (library.current / "generated" / style.removeprefix("/static/")).read_text().startswith("body")
    return str(page)


def add_book(library: Application, title: str) -> None:
    variables = dict(line.split("=", 1) for line in library.read(".env").splitlines())
    library.python(BOOK.format(title=title), DJANGO_SETTINGS_MODULE="library.settings", **variables)


def test_a_django_project_with_a_wheel_and_a_uv_lock(library: Application) -> None:
    library.go_live()

    assert len(library.typed) == 2
    assert library.unchanged
    add_book(library, "the hobbit")
    assert "<p>the hobbit</p>" in ask_library(library)
    first = library.current

    # An upgrade, by cron: new code, a migration, another style sheet, another package.
    library.commit(
        {
            **library.replaced("pyproject.toml", ('< 5.3"]', '< 5.3", "inflection"]')),
            **library.replaced(
                "src/library/views.py",
                ("import sys\n", "import sys\n\nimport inflection\n"),
                ("return book.title", 'return f"{inflection.titleize(book.title)}, {book.pages} pages"'),
            ),
            **library.replaced(
                "src/library/models.py",
                (
                    "max_length=200)\n",
                    "max_length=200)\n    pages = models.IntegerField(default=0, db_default=0)\n",
                ),
            ),
            "src/library/migrations/0002_pages.py": (
                '"""Books have pages."""\n\nfrom django.db import migrations, models\n\n\n'
                'class Migration(migrations.Migration):\n    """The second."""\n\n'
                '    dependencies = [("library", "0001_initial")]\n    operations = [\n'
                '        migrations.AddField("Book", "pages", models.IntegerField(default=0, db_default=0))\n'
                "    ]\n"
            ),
            "src/library/static/library/site.css": "body { color: green }\n",
        },
        "Count pages",
    )
    refused = library.venvship(f"-C {library.root} release", exits=11)
    assert "uv lock" in refused.err, (
        "a lock that is older than the project is refused with the tool's command"
    )
    assert library.current == first
    library.tool("uv", "lock", "--quiet")
    library.commit({}, "Lock")
    done = library.cron()
    assert (done.code, done.err) == (0, "")
    assert "inflection" in done.out
    second = library.current
    assert second != first
    assert "<p>The Hobbit, 0 pages</p>" in ask_library(library)
    idle = library.cron()
    assert (idle.code, idle.out, idle.err) == (0, "", "")

    # One that is broken: no page can be shown.
    library.commit(library.replaced("src/library/urls.py", ("views.index", "views.books")), "Other pages")
    library.venvship(f"-C {library.root} release", exits=21)
    assert library.current == second
    assert "<p>The Hobbit, 0 pages</p>" in ask_library(library)
    mailed = library.cron()
    assert mailed.code == 21, (
        "what was refused before the switch may depend on the host: it is tried once more"
    )
    assert "library" in mailed.err
    assert library.current == second

    library.venvship(f"-C {library.root} rollback")
    assert library.current == first
    assert "<p>the hobbit</p>" in ask_library(library)
    add_book(library, "dune")
    assert "<p>dune</p>" in ask_library(library)
    assert library.unchanged


# -- FastAPI and SQLAlchemy, with a wheel and a poetry.lock --------------------------------------------------

HEALTH = '\n[[check]]\nname = "health"\ncommand = ["{bin}/python", "-m", "bulletin.health"]\ndeadline = 0\n'


class Unix(http.client.HTTPConnection):
    """A connection to a server that listens on a path."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with contextlib.chdir(self._path.parent):  # the whole path may be too long for an address
            self.sock.connect(self._path.name)


@pytest.fixture
def bulletin(tmp_path: Path) -> Application:
    """A FastAPI application that poetry has locked."""
    made = application("bulletin", tmp_path)
    (made.checkout / ".env").write_text(f"BULLETIN_DATABASE=sqlite:///{tmp_path}/bulletin.sqlite3\n")
    return made


@contextlib.contextmanager
def served(bulletin: Application) -> Iterator[Unix]:
    """Run the application by the server of the live release."""
    place = bulletin.home / "run"
    place.mkdir(exist_ok=True)
    path, log = place / "socket", place / "log"
    path.unlink(missing_ok=True)
    variables = dict(line.split("=", 1) for line in bulletin.read(".env").splitlines())
    with contextlib.chdir(place):
        argv: list[str | Path] = [
            bulletin.root / "current" / "bin" / "uvicorn",
            "--uds",
            path,
            "bulletin.main:app",
        ]
    server = start(argv, log, **variables)
    try:
        end = time.monotonic() + 300
        while not path.exists():
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        with contextlib.closing(Unix(path)) as connection:
            yield connection
    finally:
        server.terminate()
        server.wait(60)


def ask_bulletin(bulletin: Application, *, pin: str = "") -> list[str]:
    """Request the notes from a server of the live release, after another is pinned."""
    with served(bulletin) as connection:
        if pin:
            connection.request("POST", f"/?text={pin}")
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"null")
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.status == 200
        page: dict[str, Any] = json.loads(answer.read())
    assert page["release"] == bulletin.current.name
    return list(page["notes"])


def test_a_fastapi_application_with_a_wheel_and_a_poetry_lock(bulletin: Application) -> None:
    bulletin.go_live()

    assert len(bulletin.typed) == 2
    assert bulletin.unchanged
    assert ask_bulletin(bulletin, pin="free_kittens") == ["free_kittens"]
    first = bulletin.current

    # An upgrade, by cron: new code, another package.
    pyproject = bulletin.replaced("pyproject.toml", ('"uvicorn"]', '"uvicorn", "inflection >= 0.5"]'))
    board = bulletin.replaced(
        "bulletin/board.py",
        ("import os\n\n", "import os\n\nimport inflection\n"),
        ("return note.text", "return inflection.humanize(note.text)"),
    )
    bulletin.commit({**pyproject, **board}, "Readable notes")
    refused = bulletin.venvship(f"-C {bulletin.root} release", exits=11)
    assert "poetry lock" in refused.err
    assert bulletin.current == first
    bulletin.commit({"poetry.lock": (TEMPLATES / "bulletin-2.lock").read_text()}, "Lock")
    done = bulletin.cron()
    assert (done.code, done.err) == (0, "")
    second = bulletin.current
    assert second != first
    assert ask_bulletin(bulletin) == ["Free kittens"]
    idle = bulletin.cron()
    assert (idle.code, idle.out, idle.err) == (0, "", "")

    # One that is broken: it can be imported, and cannot read the database. It takes itself back.
    with (bulletin.root / "venvship.toml").open("a") as settings:
        settings.write(HEALTH)
    bulletin.commit(
        bulletin.replaced(
            "bulletin/board.py", ("    text: Mapped[str]\n", "    text: Mapped[str]\n    by: Mapped[str]\n")
        ),
        "Names",
    )
    bulletin.venvship(f"-C {bulletin.root} release", exits=22)
    assert bulletin.current == second
    assert ask_bulletin(bulletin) == ["Free kittens"]
    assert bulletin.cron().code == 25
    assert bulletin.current == second

    bulletin.venvship(f"-C {bulletin.root} rollback")
    assert bulletin.current == first
    assert ask_bulletin(bulletin, pin="found") == ["free_kittens", "found"]
    assert bulletin.unchanged


# -- Django without packaging, with requirements that pin nothing --------------------------------------------

UPLOADED = """\
import json
import django
django.setup()
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
print(Client().post("/", {"picture": SimpleUploadedFile(NAME, b"picture")}).status_code)
"""


@pytest.fixture
def gallery(tmp_path: Path) -> Application:
    """A Django project that is nothing but files."""
    return application("gallery", tmp_path)


def ask_gallery(gallery: Application, *, upload: str = "") -> str:
    """Request the gallery's page from the live release, after a picture is handed in."""
    variables = {"DJANGO_SETTINGS_MODULE": "gallery.settings"}
    if upload:
        assert gallery.python(f"NAME = {upload!r}\n{UPLOADED}", **variables) == 302
        # What outlives releases, by whatever path.
        assert (gallery.root / "shared" / "media" / upload).read_text() == "picture"
        assert (gallery.root / "current" / "app" / "media" / upload).read_text() == "picture"
    status, page = gallery.python(DJANGO_ASKED, **variables)
    assert status == 200
    assert f"<small>{gallery.current.name}</small>" in page
    return str(page)


def test_a_django_project_without_packaging_and_pins(gallery: Application) -> None:
    gallery.go_live()

    assert len(gallery.typed) == 2
    assert gallery.unchanged
    assert "<p>one.png</p>" in ask_gallery(gallery, upload="one.png")
    assert (gallery.root / "shared" / "db.sqlite3").stat().st_size > 0
    assert not (gallery.checkout / "db.sqlite3").exists()
    assert not (gallery.checkout / "media").exists()
    shown = gallery.tool(str(gallery.root / "current" / "app" / "manage.py"), "showmigrations", "pictures")
    assert "[X] 0001_initial" in shown.out
    first = gallery.current

    # An upgrade, by hand: new code, another package, which nobody has locked yet.
    gallery.commit(
        {
            "requirements.txt": "Django\ninflection\n",
            **gallery.replaced(
                "pictures/views.py",
                ("import sys\n", "import sys\n\nimport inflection\n"),
                ("return picture.file.name", "return inflection.titleize(picture.file.name)"),
            ),
        },
        "Readable names",
    )
    refused = gallery.venvship(f"-C {gallery.root} release", exits=21)
    assert "asks for inflection, and the lockfile is from before that" in " ".join(refused.err.split())
    assert gallery.current == first
    assert "<p>one.png</p>" in ask_gallery(gallery)
    assert "inflection" in gallery.venvship(f"-C {gallery.root} lock").out
    gallery.venvship(f"-C {gallery.root} release")
    second = gallery.current
    assert second != first
    assert "<p>One.Png</p>" in ask_gallery(gallery)
    idle = gallery.cron()
    assert (idle.code, idle.out, idle.err) == (0, "", "")

    # One whose migration fails.
    gallery.commit(
        {
            "pictures/migrations/0002_clean.py": (
                '"""Clean up."""\n\nfrom django.db import migrations\n\n\n'
                'def clean(apps, editor):\n    """Remove what is not needed."""\n'
                '    apps.get_model("pictures", "Frame").objects.all().delete()\n\n\n'
                'class Migration(migrations.Migration):\n    """The second."""\n\n'
                '    dependencies = [("pictures", "0001_initial")]\n'
                "    operations = [migrations.RunPython(clean)]\n"
            )
        },
        "Clean up",
    )
    mailed = gallery.cron()
    assert mailed.code == 21
    assert second.name in mailed.out + mailed.err
    assert gallery.current == second
    assert "<p>One.Png</p>" in ask_gallery(gallery)

    # What is committed reaches the release by cron, too.
    (gallery.checkout / "pictures" / "migrations" / "0002_clean.py").unlink()
    gallery.commit(gallery.replaced("templates/index.html", ("Gallery", "Pictures")), "Another title")
    done = gallery.cron()
    assert (done.code, done.err) == (0, "")
    assert "<h1>Pictures</h1>" in ask_gallery(gallery)

    gallery.venvship(f"-C {gallery.root} rollback")
    assert gallery.current == second
    assert "<h1>Gallery</h1>" in ask_gallery(gallery)
    gallery.venvship(f"-C {gallery.root} rollback")
    assert gallery.current == first
    assert "<p>two.png</p>" in ask_gallery(gallery, upload="two.png")
    assert gallery.unchanged
