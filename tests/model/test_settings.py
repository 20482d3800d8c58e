"""venvship.toml: what it may say, and how everything wrong with it is said at once."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvship.errors import SettingsError
from venvship.model import bounds
from venvship.model.setting import declared_sections, declared_settings
from venvship.model.settings import BuildSettings, HookSettings, LockSettings, Settings
from venvship.model.settings_check import CHECK_KINDS, Check
from venvship.model.settings_form import health_digest, settings_json, settings_toml, toml_value
from venvship.model.settings_layers import Layer
from venvship.model.settings_reading import decode_settings, parse_settings, settings_of

FULL = """
name = "shop"
python = "3.11"
lockfile = "requirements.txt"
keep = 5
keep_days = 0
keep_failed = 2
link = "auto"
store = "store"

[lock]
inputs = ["requirements.in"]
cooldown_days = 0.5

[build]
sdists = ["Old_Package", "*"]
timeout = 600
optimize = [2, 0]
closed = true
overlap = ["pkg/version.py", "pkg"]
bad_record = ["Some.Thing"]
extras = ["web"]
groups = ["dev"]

[hooks]
prepare = ["shop-admin", "migrate", ""]
restart = ["/usr/bin/systemctl", "restart", "shop.service"]
notify = ["/usr/local/bin/tell-ops"]
timeout = 60

[[check]]
name = "imports"
when = "candidate"
import = ["shop.wsgi"]

[[check]]
name = "answers"
http = "http://127.0.0.1:8000/healthz"
status = 204
body = "{release}"
timeout = 5
interval = 1
deadline = 60
successes = 3
required = false

[[check]]
name = "listens"
tcp = "[::1]:8000"

[[check]]
name = "self-test"
command = ["shop-admin", "check"]
"""


def parse(text: str, folder_name: str = "shop") -> Settings:
    return parse_settings(text, path="/srv/shop/venvship.toml", folder_name=folder_name)


def problems(text: str) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    found = caught.value.data["problems"]
    assert all(p["message"] in caught.value.message for p in found)
    assert len({p["key"] for p in found}) == len(found)
    return {p["key"]: p["message"] for p in found}


def test_an_empty_file_is_all_defaults() -> None:
    assert parse("", folder_name="warehouse") == Settings(name="warehouse")
    assert Settings(name="x").lockfile == ("requirements.txt",)
    assert Settings(name="x").keep == 5


def test_every_key_is_read() -> None:
    assert parse(FULL) == Settings(
        name="shop",
        python="3.11",
        lock=LockSettings(inputs=("requirements.in",), cooldown_days=0.5),
        build=BuildSettings(
            sdists=("old-package", "*"),
            optimize=(0, 2),
            closed=True,
            overlap=("pkg/version.py", "pkg"),
            bad_record=("some-thing",),
            extras=("web",),
            groups=("dev",),
        ),
        hooks=HookSettings(
            prepare=("shop-admin", "migrate", ""),
            restart=("/usr/bin/systemctl", "restart", "shop.service"),
            notify=("/usr/local/bin/tell-ops",),
        ),
        checks=(
            Check(name="imports", when="candidate", kind="import", target=("shop.wsgi",), deadline=0),
            Check(
                name="answers",
                when="live",
                kind="http",
                target=("http://127.0.0.1:8000/healthz",),
                status=(204,),
                body="{release}",
                deadline=60,
                successes=3,
                required=False,
            ),
            Check(name="listens", when="live", kind="tcp", target=("[::1]:8000",), deadline=30),
            Check(name="self-test", when="live", kind="command", target=("shop-admin", "check"), deadline=30),
        ),
    )


def test_durations_are_floats_however_they_are_written() -> None:
    settings = parse("keep_days = 3\n[build]\ntimeout = 5\n")
    assert isinstance(settings.keep_days, float)
    assert isinstance(settings.build.timeout, float)


def test_the_deadline_defaults_to_one_attempt_for_candidates_and_half_a_minute_when_live() -> None:
    settings = parse(
        '[[check]]\nname = "a"\nwhen = "candidate"\ntcp = "h:1"\n[[check]]\nname = "b"\ntcp = "h:1"'
    )
    assert [check.deadline for check in settings.checks] == [0.0, 30.0]


def test_several_requirements_files_are_one_lockfile() -> None:
    assert parse('lockfile = ["a.txt", "b.txt"]').lockfile == ("a.txt", "b.txt")
    assert parse('lockfile = ["pylock.toml"]').lockfile == ("pylock.toml",)


def test_all_problems_of_a_file_are_reported_at_once_with_their_dotted_paths() -> None:
    found = problems("""
name = "two\\nlines"
keep = 1
keeep_days = 3
sdists = ["x"]
link = "symlink"
lockfile = ["a.txt", "pylock.toml"]
[build]
timeout = true
optimize = [0, 3]
[hooks]
restart = "systemctl restart shop"
prepare = ["ok", 7]
[[check]]
name = "a"
http = "ftp://example/"
[[check]]
name = "A"
tcp = "127.0.0.1"
command = ["true"]
statsu = 200
[[check]]
status = 200
command = []
""")
    assert found.keys() == {
        "name", "keep", "keeep_days", "sdists", "link", "lockfile[1]", "build.timeout", "build.optimize[1]",
        "hooks.restart", "hooks.prepare[1]", "check[0].http", "check[1].name", "check[1].tcp", "check[1]",
        "check[1].statsu", "check[2].name", "check[2].status", "check[2].command",
    }  # fmt: skip
    assert found["keep"] == "must be at least 2"
    assert found["build.timeout"] == "must be a number, not a boolean"
    assert "never a string" in found["hooks.restart"]
    assert found["check[1]"].endswith("; found command and tcp")
    assert found["check[1].name"] == "check[0] has this name already"


@pytest.mark.parametrize(
    ("text", "key", "suggestion"),
    [
        ("kep = 3", "kep", "keep?"),
        ("Keep = 3", "Keep", "keep?"),
        ("sdists = []", "sdists", "build.sdists?"),
        (
            "[build]\nkeep_failed = 1",
            "build.keep_failed",
            "did you mean keep_failed, above the first [table]?",
        ),
        ("[hook]\n", "hook", "hooks?"),
        ("[[checks]]\n", "checks", "check?"),
        ("[hooks]\nxyzzy = 1", "hooks.xyzzy", "restart, restart_timeout, timeout"),
        ('[[check]]\nname="a"\ntcp="h:1"\ntime_out = 3', "check[0].time_out", "check[0].timeout?"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(text: str, key: str, suggestion: str) -> None:
    assert problems(text)[key].endswith(suggestion)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("name = 3", "name"),
        ('name = ""', "name"),
        ('name = " x"', "name"),
        ('name = "a\\u001b[31m"', "name"),
        (f'name = "{"x" * 101}"', "name"),
        ("python = 3.11", "python"),
        ('python = "3"', "python"),
        ('python = "python3"', "python"),
        ('python = "bin/python"', "python"),
        ('lockfile = ""', "lockfile"),
        ('[project]\npath = ""', "project.path"),
        ('[project]\nref = "--upload-pack=x"', "project.ref"),
        ('[project]\nref = "a:b"', "project.ref"),
        ('[project]\nref = "a b"', "project.ref"),
        ('[project]\nlockfile = "/srv/uv.lock"', "project.lockfile"),
        ('[project]\nlockfile = ["../uv.lock"]', "project.lockfile[0]"),
        ('[project]\nbuild_constraints = "."', "project.build_constraints"),
        ('[project]\nbuild = "sdist"', "project.build"),
        ('[project]\nbefore = "npm run build"', "project.before"),
        ('[project]\nshared = ["../media"]', "project.shared[0]"),
        ('[project]\nshared = ["a/b", "a"]', "project.shared"),
        ('[project]\ninclude = ["dist/", "!dist/x"]', "project.include[1]"),
        ('[project]\nexclude = ["[a"]', "project.exclude[0]"),
        ("lockfile = []", "lockfile"),
        ('lockfile = ["a", "a"]', "lockfile[1]"),
        ("keep = true", "keep"),
        ("keep = 2.0", "keep"),
        ("keep_days = -1", "keep_days"),
        ("keep_days = nan", "keep_days"),
        pytest.param(f"keep_days = 1{'0' * 400}", "keep_days", id="more than any float"),
        ("keep_days = 1979-05-27", "keep_days"),
        ("keep_failed = -1", "keep_failed"),
        ("link = 1", "link"),
        ('store = "a\\u0000b"', "store"),
        ("lock = 1", "lock"),
        ('[lock]\ninputs = "requirements.in"', "lock.inputs"),
        ("[build]\ntimeout = 0", "build.timeout"),
        ("[build]\ntimeout = inf", "build.timeout"),
        ("[build]\ntimeout = 1e12", "build.timeout"),
        ("[build]\noptimize = [true]", "build.optimize[0]"),
        ("[build]\noptimize = []", "build.optimize"),
        ("[build]\nclosed = 1", "build.closed"),
        ('[build]\nsdists = "*"', "build.sdists"),
        ('[build]\nsdists = ["a b"]', "build.sdists[0]"),
        ('[build]\nbad_record = ["*"]', "build.bad_record[0]"),
        ("[hooks]\nrestart = []", "hooks.restart"),
        ('[hooks]\nrestart = ["", "x"]', "hooks.restart[0]"),
        ('[hooks]\nrestart = ["a\\u0000"]', "hooks.restart[0]"),
        ("[hooks]\ntimeout = -1", "hooks.timeout"),
        ('[check]\nname = "a"', "check"),
        ('check = ["a"]', "check[0]"),
    ],
)
def test_wrong_values_are_refused(text: str, key: str) -> None:
    assert list(problems(text)) == [key]


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('name = "a/b"', "check[0].name"),
        ('name = ".."', "check[0].name"),
        ('name = "-a"', "check[0].name"),
        ('name = "restart"', "check[0].name"),
        (f'name = "{"a" * 65}"', "check[0].name"),
        ('when = "after"', "check[0].when"),
        ("status = 99", "check[0].status"),
        ('status = "200"', "check[0].status"),
        ("status = []", "check[0].status"),
        ("status = [200, 99]", "check[0].status[1]"),
        ("status = [200, 200]", "check[0].status[1]"),
        ('headers = ["Host: x"]', "check[0].headers"),
        ('headers = { "A B" = "x" }', "check[0].headers.A B"),
        ('headers = { A = "x\\r\\nB: y" }', "check[0].headers.A"),
        ('headers = { A = " x" }', "check[0].headers.A"),
        ('headers = { A = "\\u20ac" }', "check[0].headers.A"),
        ("headers = { A = 1 }", "check[0].headers.A"),
        ('headers = { Host = "x", host = "y" }', "check[0].headers.host"),
        ('headers = { Content-Length = "5" }', "check[0].headers.Content-Length"),
        ('ca = ""', "check[0].ca"),
        ('from_release = "yes"', "check[0].from_release"),
        ('body = ""', "check[0].body"),
        ("timeout = 0", "check[0].timeout"),
        ("interval = 0", "check[0].interval"),
        ("deadline = -1", "check[0].deadline"),
        ("successes = 0", "check[0].successes"),
        ('required = "yes"', "check[0].required"),
        ("name = 7", "check[0].name"),
    ],
)
def test_wrong_values_in_a_check_are_refused(line: str, key: str) -> None:
    name = "" if line.startswith("name") else 'name = "ok"\n'
    assert list(problems(f'[[check]]\n{name}http = "http://h/"\n{line}')) == [key]


@pytest.mark.parametrize(
    "target",
    [
        'http = "example.org/healthz"',
        'http = "http:///x"',
        'http = "http://host:99999/"',
        'http = "http://host:0/"',
        'http = "http://user:secret@host/"',
        'http = "http://ho st/"',
        'http = "unix:run/shop.sock"',
        'http = "file:///etc/passwd"',
        'http = ["http://h/"]',
        'tcp = "127.0.0.1"',
        'tcp = "::1:80"',
        'tcp = ":80"',
        'tcp = "h:0"',
        'tcp = "h:65536"',
        'tcp = "h:\\u0661"',
        'import = "shop.wsgi"',
        'import = ["shop wsgi"]',
        "import = []",
        'import = ["a..b"]',
        'command = "shop-admin check"',
    ],
)
def test_wrong_targets_of_a_check_are_refused(target: str) -> None:
    (key,) = problems(f'[[check]]\nname = "ok"\n{target}')
    assert key.startswith(f"check[0].{target.split(maxsplit=1)[0]}")


@pytest.mark.parametrize(
    "target",
    [
        'http = "https://host:8443/x?y=z"',
        'http = "unix:/run/shop.sock:/healthz"',
        'http = "http://[::1]:8000/{release}"',
        'tcp = "localhost:22"',
        'tcp = "[::1]:22"',
        'import = ["a", "b.c"]',
    ],
)
def test_these_targets_are_fine(target: str) -> None:
    (check,) = parse(f'[[check]]\nname = "ok"\n{target}').checks
    assert check.kind == target.split(maxsplit=1)[0]


def test_a_check_without_any_target_says_which_there_are() -> None:
    found = problems('[[check]]\nname = "a"\n')
    assert found == {"check[0]": f"must have exactly one of {', '.join(CHECK_KINDS)}; found none"}


@pytest.mark.parametrize("kind", CHECK_KINDS)
def test_a_check_of_each_kind_survives_toml(kind: str) -> None:
    declared = CHECK_KINDS[kind]
    settings = parse(f'[[check]]\nname = "{declared.name}"\n{kind} = {toml_value(declared.example)}')
    target = declared.read(declared.example)
    assert settings.checks == (Check(name=declared.name, kind=kind, target=target, **declared.defaults),)
    assert parse(settings_toml(settings)) == settings


@pytest.mark.parametrize("kind", CHECK_KINDS)
def test_the_keys_of_a_kind_are_declared_in_check_and_have_a_default(kind: str) -> None:
    assert {*CHECK_KINDS[kind].keys} <= declared_settings(Check).keys() & Check._field_defaults.keys()


def test_an_http_check_has_headers_statuses_and_an_authority() -> None:
    text = """
[[check]]
name = "answers"
http = "https://127.0.0.1/healthz"
status = [200, 204]
headers = { Host = "shop.example.com", X-Key = "" }
ca = "etc/own.pem"
from_release = true
"""
    (check,) = parse(text).checks
    assert (check.status, check.ca, check.from_release) == ((200, 204), "etc/own.pem", True)
    assert check.headers == {"Host": "shop.example.com", "X-Key": ""}
    assert parse(settings_toml(parse(text))) == parse(text)
    assert settings_json(parse(text))["check"][0]["status"] == [200, 204]


def test_a_new_key_of_a_check_ends_no_refusal_until_it_is_set() -> None:
    before = "60608c62c25d6ba78b33aee3dcfa82c7dce9f24d0557cd795c8aa716d5727664"
    http = '[[check]]\nname = "a"\nhttp = "https://h/"\n'
    tcp = '[[check]]\nname = "a"\ntcp = "h:1"\n'
    assert health_digest(parse(http)) == before
    more = ("status = 201", "status = [200, 201]", 'headers = { A = "b" }', 'ca = "x"', "from_release = true")
    assert len({before, *(health_digest(parse(http + line)) for line in more)}) == 6
    assert health_digest(parse(http + "from_release = false\nstatus = [200]")) == before
    assert health_digest(parse(tcp)) != health_digest(parse(tcp + "from_release = true"))


def test_an_authority_is_for_https_alone() -> None:
    for url in ("http://h/", "unix:/run/s:/"):
        found = problems(f'[[check]]\nname = "a"\nhttp = "{url}"\nca = "x.pem"')
        assert found == {"check[0].ca": "only a check of an https:// URL has it"}


def test_only_an_http_check_has_a_status_and_a_body() -> None:
    found = problems('[[check]]\nname = "a"\ntcp = "h:1"\nstatus = 200\nbody = "x"')
    assert found.keys() == {"check[0].status", "check[0].body"}


@pytest.mark.parametrize(
    "text", ["keep = ", "x = 1\nx = 2", "a = " + "[" * 2000 + "]" * 2000, "keep = " + "9" * 5000]
)
def test_what_is_not_toml_is_a_settings_error(text: str) -> None:
    assert list(problems(text)) == [""]


def test_bytes_that_are_not_utf_8_are_refused_with_their_line() -> None:
    with pytest.raises(SettingsError, match="not UTF-8, in line 3"):
        decode_settings(b"a = 1\n\nb = '\xff'\n", path="x.toml")


def test_a_file_of_absurd_size_is_refused() -> None:
    with pytest.raises(SettingsError, match="longer than"):
        decode_settings(b" " * (bounds.SETTINGS + 1), path="x.toml")


def test_a_byte_order_mark_is_no_problem() -> None:
    assert parse(decode_settings(b"\xef\xbb\xbfkeep = 3\n", path="x.toml")).keep == 3


@pytest.mark.parametrize("folder", ["a\x1bb", "\udcff", "", "   ", "x" * 300, "\x7f"])
def test_the_default_name_is_one_line_whatever_the_folder_is_called(
    folder: str,
) -> None:
    settings = parse("", folder_name=folder)
    assert settings.name
    assert settings.name.isprintable()
    assert parse(settings_toml(settings)) == settings


@pytest.mark.parametrize("text", ["", FULL])
def test_settings_survive_toml(text: str) -> None:
    settings = parse(text)
    assert parse(settings_toml(settings), folder_name="another") == settings


@pytest.mark.parametrize(
    "table", [Settings, Check, *(kind for kind, _ in declared_sections(Settings).values())]
)
def test_a_declared_default_is_what_its_reader_makes_of_it(table: type[Any]) -> None:
    for name, (_, declared) in declared_settings(table).items():
        default = table._field_defaults.get(name)
        assert default is None or declared.read(default) == default, name
        assert declared.candidate is None or declared.read(declared.candidate) == declared.candidate, name
        assert declared.example is None or declared.read(declared.example) is not None, name
        assert declared.text.endswith("."), name


arguments = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=4
).filter(lambda argv: argv[0] != "")


@given(argv=arguments, seconds=st.floats(min_value=1e-300, max_value=600000))
def test_any_argument_and_any_duration_survives_toml(argv: list[str], seconds: float) -> None:
    settings = Settings(name="x", hooks=HookSettings(restart=tuple(argv), timeout=seconds))
    assert parse(settings_toml(settings)) == settings


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from([*settings_json(Settings(name="x")), "name", "timeout", *CHECK_KINDS]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_shape_of_data_is_a_crash(data: object) -> None:
    if not isinstance(data, dict):
        data = {"check": data}
    with contextlib.suppress(SettingsError):
        settings_of([Layer("x.toml", data)], folder_name="x")


def test_a_refusal_of_an_older_version_still_applies() -> None:
    """The journal has these digests; with another one every hold of an environment would lapse."""
    older = FULL.replace("/usr/bin/systemctl", "systemctl")
    assert health_digest(parse(older)).startswith("f63c08e0db65f401d44959118f0c2f8b")
    assert health_digest(parse("")).startswith("5ef4c974094487b98dc1f849f60f05cd")


def test_each_hook_has_a_time_out_of_its_own_or_that_of_all() -> None:
    hooks = parse("[hooks]\ntimeout = 7\nprepare_timeout = 600\n").hooks
    assert [hooks.seconds(name) for name in ("prepare", "restart", "notify")] == [600.0, 7.0, 7.0]


def test_the_health_digest_changes_with_hooks_and_checks_only() -> None:
    base = parse(FULL)
    assert health_digest(parse(FULL.replace("keep = 5", "keep = 9"))) == health_digest(base)
    assert health_digest(parse(FULL.replace("timeout = 600", "timeout = 500"))) == health_digest(base)
    assert health_digest(parse(FULL.replace("successes = 3", "successes = 4"))) != health_digest(base)
    longer = base._replace(hooks=base.hooks._replace(restart_timeout=8.0))
    assert health_digest(longer) != health_digest(base)
    assert health_digest(parse(FULL.replace('"shop.service"', '"shop2.service"'))) != health_digest(base)
