"""A Django project is understood from its files, none of which is run."""

from __future__ import annotations

import pytest

from tests.model.survey.checkouts import DJANGO, files
from venvship.model.survey.django import Database, Django, find_django
from venvship.model.survey.expressions import UNKNOWN, FromVariable, InTree, Text


def found(**settings: str) -> Django:
    """What is found in the project, with this text as its settings."""
    django = find_django(files({**DJANGO, **{f"shop/{name}.py": text for name, text in settings.items()}}))
    assert django is not None
    return django


def test_a_checkout_without_django_has_none() -> None:
    assert find_django(files({"main.py": "print()\n", "manage.py": "print()\n"})) is None


def test_settings_database_static_files_and_media_are_found() -> None:
    django = find_django(files(DJANGO))
    assert django is not None
    assert (django.settings, django.file, django.manage) == ("shop.settings", "shop/settings.py", "manage.py")
    assert (django.wsgi, django.asgi) == ("shop.wsgi", "")
    assert django.databases == (Database("sqlite3", InTree("db.sqlite3")),)
    assert django.static_files
    assert django.generated
    assert django.media_root == InTree("media")
    assert django.variables == ()


@pytest.mark.parametrize("top", ["src", "backend/code"])
def test_a_project_in_a_folder_is_found(top: str) -> None:
    django = find_django(files({f"{top}/{name}": text for name, text in DJANGO.items()}))
    assert django is not None
    assert (django.settings, django.file) == ("shop.settings", f"{top}/shop/settings.py")
    assert django.wsgi == "shop.wsgi"
    assert django.media_root == InTree(f"{top}/media")


def test_the_settings_of_the_service_come_before_those_of_manage_py() -> None:
    wsgi = 'import os\nos.environ["DJANGO_SETTINGS_MODULE"] = "shop.production"\n'
    django = found(wsgi=wsgi, production="from .settings import *\nMEDIA_ROOT = '/srv/media'\n")
    assert django.settings == "shop.production"
    assert django.media_root == Text("/srv/media")
    assert django.databases == (Database("sqlite3", InTree("db.sqlite3")),)


def test_settings_that_import_each_other_come_to_an_end() -> None:
    assert found(settings="from .other import *\n", other="from .settings import *\n").databases == ()


def test_settings_that_are_no_python_are_passed_over() -> None:
    assert found(settings="DATABASES = {\n").databases == ()


@pytest.mark.parametrize(
    ("text", "database"),
    [
        ("DATABASES = {'default': dj_database_url.config()}", Database("", UNKNOWN, "DATABASE_URL")),
        (
            "DATABASES = {'default': dj_database_url.config(default='postgres://x/y')}",
            Database("postgresql", UNKNOWN, "DATABASE_URL"),
        ),
        (
            "DATABASES = {'default': env.db('DB', default='sqlite:///db.sqlite3')}",
            Database("sqlite3", Text("db.sqlite3"), "DB"),
        ),
        (
            "DATABASES = {'default': dj_database_url.parse(os.environ['DB_URL'])}",
            Database("", UNKNOWN, "DB_URL"),
        ),
        (
            "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': os.environ['DB']}}",
            Database("postgresql", FromVariable("DB", None)),
        ),
        ("DATABASES = databases()", Database("")),
        ("DATABASES = {}\nDATABASES['default'] = {'ENGINE': 'django.db.backends.mysql'}", Database("mysql")),
    ],
)
def test_a_database_is_understood_by_how_it_is_written(text: str, database: Database) -> None:
    assert found(settings=text).databases[-1] == database


def test_databases_under_a_condition_are_all_found() -> None:
    text = """\
    if os.environ.get("DB") == "postgres":
        DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
    else:
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
    """
    assert [one.engine for one in found(settings=text).databases] == ["postgresql", "sqlite3"]


def test_variables_that_the_settings_need_are_those_without_default_and_condition() -> None:
    text = """\
    SECRET_KEY = os.environ["SECRET_KEY"]
    ALLOWED_HOSTS = env.list("HOSTS")
    DEBUG = os.environ.get("DEBUG")
    TOKEN = os.environ["TOKEN"] if "TOKEN" in os.environ else None
    if not DEBUG:
        SENTRY = os.environ["SENTRY_DSN"]
    DATABASES = {"default": env.db("DATABASE_URL")}
    """
    assert found(settings=text).variables == ("DATABASE_URL", "HOSTS", "SECRET_KEY")


def test_variables_are_needed_too_where_another_one_is_not_set() -> None:
    text = """\
    if os.environ.get("DATABASE_URL"):
        DATABASES = {"default": env.db("DATABASE_URL")}
    elif env.bool("CLOUD", default=False):
        DATABASES = {"default": {"NAME": os.environ["CLOUD_NAME"]}}
    else:
        DATABASES = {"default": {"ENGINE": env("ENGINE"), "PORT": env("PORT", 1)}}
    if not os.getenv("KEY_FILE", ""):
        SECRET_KEY = env("SECRET_KEY")
    if env.bool("DEBUG", True):
        pass
    else:
        HOSTS = env("HOSTS")
    """
    assert found(settings=text).variables == ("ENGINE", "SECRET_KEY")


def test_a_variable_that_django_environ_declares_with_a_default_is_not_needed() -> None:
    text = """\
    env = environ.Env(DEBUG=(bool, False), PORT=int)
    DEBUG = env("DEBUG")
    PORT = env("PORT")
    """
    assert found(settings=text).variables == ("PORT",)


@pytest.mark.parametrize("call", ["load_dotenv()", "environ.Env.read_env(BASE_DIR / '.env')"])
def test_reading_a_dotenv_file_is_noticed(call: str) -> None:
    assert found(settings=call).reads_dotenv
    assert not found(settings="pass").reads_dotenv
