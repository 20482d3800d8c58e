"""Checkouts for the tests of a survey: names and texts."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import dedent

from venvship.model.survey.files import Files


def files(texts: Mapping[str, str]) -> Files:
    """A checkout that has these files; their texts may be indented."""
    contents = {name: dedent(text).encode() for name, text in texts.items()}
    return Files(tuple(contents), contents.__getitem__)


SETTINGS = dedent(
    """\
    import os
    from pathlib import Path

    BASE_DIR = Path(__file__).resolve().parent.parent
    SECRET_KEY = os.environ.get("SECRET_KEY", "only for development")
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.staticfiles"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
    STATIC_ROOT = Path(os.environ.get("VENVSHIP_GENERATED", BASE_DIR / "generated")) / "static"
    MEDIA_ROOT = BASE_DIR / "media"
    """
)

DJANGO = {
    "manage.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    "shop/__init__.py": "",
    "shop/settings.py": SETTINGS,
    "shop/wsgi.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")\n',
    "requirements.txt": "Django>=5\ngunicorn\n",
}
"""A Django project without packaging."""
