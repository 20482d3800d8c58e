"""`service`: what it prints is what systemd, supervisord, nginx and Caddy take, and runs the application."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import tomllib
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.daemons import supervisord
from tests.support.roots import Site, make_site
from tests.support.service import Slots
from tests.support.wheels import build_wheel

APP = "python -m web {socket}"


def needs(program: str, package: str) -> pytest.MarkDecorator:
    """Skip where a program is not there."""
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"there is no {program}: apt-get install {package}"
    )


def configure(site: Site, text: str) -> None:
    (site.path / "venvship.toml").write_text(text)


def printed(site: Site, *arguments: str) -> dict[str, str]:
    """The files that `service` prints, by path."""
    done = site.run("service", *arguments, "--json")
    assert done.code == 0, done.err
    return {file["path"]: file["content"] for file in done.data["files"]}


# -- systemd ------------------------------------------------------------------------------------------------

ON = """\
name = "shop"
[service]
start = ["/usr/bin/systemctl", "start", "shop@{slot}.service"]
stop = ["/usr/bin/systemctl", "stop", "shop@{slot}.service"]
health = "/healthz"
socket_dir = "/run/shop"
user = "daemon"
[env]
MODE = 'a 100% "$x" \\'
[hooks]
generate = ["true"]
"""


def test_the_template_is_for_both_slots_and_is_not_enabled(site: Site) -> None:
    configure(site, ON)
    files = printed(site, "systemd", "--app", "gunicorn shop.wsgi -w 2")
    unit = files["/etc/systemd/system/shop@.service"]
    for line in (
        "# /etc/systemd/system/shop@.service",
        "Description=shop, slot %i (venvship)",
        "User=daemon",
        'Environment="MODE=a 100%% \\"$x\\" \\\\"',
        "ExecStart=/run/shop/%i/bin/gunicorn --bind unix:/run/shop/%i.sock shop.wsgi -w 2",
        "Restart=always",
        "KillMode=mixed",
        "TimeoutStopSec=35",
        "ProtectSystem=full",
    ):
        assert f"{line}\n" in unit
    assert "[Install]" not in unit
    assert "RuntimeDirectory" not in unit
    orders = [line for line in unit.splitlines() if line.startswith(("After=", "Requires=", "Wants="))]
    assert orders == ["After=network.target"], "what `start` starts must not wait for the unit that starts it"
    boot = files["/etc/systemd/system/venvship-handover-shop.service"]
    assert "recover --boot\nExecStart=" in boot
    assert "handover ensure --boot\n" in boot
    assert "nginx.service" in next(line for line in boot.splitlines() if line.startswith("Before="))
    assert "WantedBy=multi-user.target" in boot
    folder = files["/etc/tmpfiles.d/venvship-shop.conf"].splitlines()[-1].split()
    assert folder[:3] == ["d", "/run/shop", "1775"]
    assert folder[4:] == ["daemon", "-"]


@pytest.mark.parametrize("told", ["by path", "by state"])
def test_before_the_first_release_the_sandbox_does_not_hide_its_interpreter(site: Site, told: str) -> None:
    python = "/home/x/bin/python3.11"
    configure(site, (f'python = "{python}"\n' if told == "by path" else "") + ON)
    if told == "by state":
        file = site.path / "state" / "python.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "setting": None, "path": python}))
    files = printed(site, "systemd", "--app", "gunicorn shop.wsgi")
    unit = files["/etc/systemd/system/shop@.service"]
    assert f"# Not with {python}, which it would hide:\n#ProtectHome=yes\n" in unit


def test_a_socket_that_would_be_in_the_way_is_removed_before_the_start(site: Site) -> None:
    configure(site, ON)
    unit = printed(site, "systemd", "--app", "granian shop:app")["/etc/systemd/system/shop@.service"]
    assert "\nExecStartPre=-/bin/rm -f /run/shop/%i.sock\nExecStart=" in unit
    sections = printed(site, "supervisor", "--app", "granian shop:app")["/etc/supervisor/conf.d/shop.conf"]
    assert """/bin/sh -c 'rm -f "$0"; exec "$@"' /run/shop/a.sock /run/shop/a/bin/granian --uds""" in sections
    for app in ("gunicorn shop.wsgi", "uwsgi --module shop:app"):
        unit = printed(site, "systemd", "--app", app)["/etc/systemd/system/shop@.service"]
        assert "ExecStartPre" not in unit


def test_requests_of_more_than_three_seconds_are_not_lost_by_hypercorn(site: Site) -> None:
    configure(site, ON)
    for app, seconds in (("hypercorn shop:app", 30), ("hypercorn shop:app --graceful-timeout 9", None)):
        unit = printed(site, "systemd", "--app", app)["/etc/systemd/system/shop@.service"]
        assert ("--graceful-timeout=30 " in unit) == (seconds == 30)


@needs("systemd-analyze", "systemd")
@pytest.mark.parametrize(
    ("name", "app", "options"),
    [
        ("slots", "gunicorn shop.wsgi", []),
        ("plain", "gunicorn shop.wsgi", []),
        ("worker", "celery -A shop worker", []),
        ("beat", "celery -A shop beat", []),
        ("daemon", "python -m shop.bot", []),
        ("job", "python -m shop.report", ["--job"]),
    ],
    ids=["slots", "plain", "worker", "beat", "daemon", "job"],
)
def test_systemd_finds_nothing_wrong(
    site: Site, tmp_path: Path, name: str, app: str, options: list[str]
) -> None:
    odd = 'my 5% "shop"'
    text = ON if name == "slots" else ON.partition("[service]")[0] + ON[ON.index("[env]") :]
    slots = tmp_path / "slots"
    configure(site, text.replace('"shop"', f"'{odd}'", 1).replace('"/run/shop"', f"'{slots}'"))
    folder = tmp_path / "units"
    folder.mkdir()
    for release in (site.path / "current", slots / "a"):
        (release / "bin").mkdir(parents=True)
        for program in ("gunicorn", "celery", "python"):
            (release / "bin" / program).symlink_to("/bin/true")
    if (site.path / "current").is_dir():
        shutil.move(site.path / "current", tmp_path / "release")
    found = printed(site, "systemd", "--app", app, *options)
    (site.path / "current").symlink_to(tmp_path / "release")
    units = []
    for path, content in found.items():
        if path.startswith("/etc/systemd/"):
            file = folder / os.path.basename(path).replace("@.", "@a.")
            file.write_text(content)
            units.append(str(file))
    done = subprocess.run(
        ["systemd-analyze", "verify", *units],
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "info"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if str(folder) in line or "shop" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


def test_a_worker_is_restarted_without_waiting_and_stops_slowly(site: Site) -> None:
    configure(site, 'name = "shop"\n')
    done = site.run("service", "systemd", "--app", "celery -A shop worker", "--json")
    [file, *_] = done.data["files"]
    assert file["path"].endswith("/shop-celery-worker.service")
    assert "TimeoutStopSec=600\n" in file["content"]
    assert f"ExecStart={site.path}/current/bin/celery -A shop worker\n" in file["content"]
    assert '"--no-block", "restart", "shop-celery-worker.service"]' in done.data["settings"]
    assert (done.data["role"], done.data["slots"]) == ("worker", False)


def test_the_hook_of_a_worker_under_supervisord_waits_for_no_task(site: Site) -> None:
    configure(site, 'name = "shop"\n')
    done = site.run("service", "supervisor", "--app", "rq worker", "--json")
    sudo = "/usr/bin/sudo -n " if os.geteuid() else ""
    line = " || ".join(f"{sudo}/usr/bin/supervisorctl {what} shop-rq" for what in ("signal TERM", "start"))
    assert tomllib.loads(done.data["settings"]) == {"hooks": {"restart": ["/bin/sh", "-c", line]}}
    (site.path / "venvship.toml").write_text('name = "shop"\n' + done.data["settings"])
    again = site.run("service", "supervisor", "--app", "rq worker", "--json")
    assert again.data["settings"] == ""


def test_supervisord_runs_no_jobs(site: Site) -> None:
    configure(site, 'name = "shop"\n')
    assert site.run("service", "supervisor", "--app", "python -m shop.report", "--job").code == 2


def test_the_scheduler_keeps_its_file_outside_of_the_release(site: Site) -> None:
    configure(site, 'name = "my shop"\n')
    [text] = printed(site, "systemd", "--app", "celery -A shop beat").values()
    assert "\nStateDirectory=my_shop\n" in text
    assert "--schedule=/var/lib/my_shop/celerybeat-schedule\n" in text
    [text] = printed(site, "systemd", "--app", "celery -A shop beat -s /x").values()
    assert "--schedule" not in text


def test_the_settings_that_go_with_it_are_told_until_they_are_there(site: Site) -> None:
    configure(site, 'name = "shop"\n')
    plain = site.run("service", "systemd", "--app", "gunicorn shop", "--json")
    assert plain.data["settings"].startswith("[hooks]\nrestart = [")
    assert "from_release = true" in plain.data["settings"]
    (site.path / "venvship.toml").write_text('name = "shop"\n' + plain.data["settings"])
    assert site.run("service", "systemd", "--app", "gunicorn shop", "--json").data["settings"] == ""
    configure(site, ON.replace('"start", "shop@', '"start", "other@'))
    advice = site.run("service", "systemd", "--app", "gunicorn shop").err
    assert '"start", "shop@{slot}.service"]' in advice
    assert "systemd-tmpfiles --create" in advice


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a root away")
def test_an_owner_who_is_not_root_gets_what_sudo_needs(site: Site, tmp_path: Path) -> None:
    configure(site, ON.replace('"shop"', '"shop.example"', 1))
    os.chown(site.path, 65534, 65534)
    os.chown(site.path / "venvship.toml", 65534, 65534)
    files = printed(site, "systemd", "--app", "gunicorn shop")
    [path] = [path for path in files if path.startswith("/etc/sudoers.d/")]
    assert path == "/etc/sudoers.d/venvship-shop_example", "sudo passes over names with a dot"
    rule = " ".join(files[path].replace("\\\n", "").split())
    for action in ("start", "stop"):
        for slot in ("a", "b"):
            assert f"/usr/bin/systemctl {action} shop.example@{slot}.service" in rule
    assert "nobody ALL=(root) NOPASSWD: " in rule
    [text] = (
        text
        for path, text in printed(site, "supervisor", "--app", "rq worker").items()
        if path.startswith("/etc/sudoers.d/")
    )
    for action in ("signal TERM", "start"):
        assert f"/usr/bin/supervisorctl {action} shop.example-rq" in text
    assert f"sudo chmod 0440 {path}\n" in site.run("service", "systemd", "--app", "gunicorn shop").err
    visudo = shutil.which("visudo", path="/usr/sbin:/usr/bin")
    if visudo is not None:
        (tmp_path / "sudoers").write_text(files[path])
        subprocess.run([visudo, "-cf", tmp_path / "sudoers"], check=True, capture_output=True)


# -- bad input ----------------------------------------------------------------------------------------------


def test_what_is_not_in_the_release_is_refused_with_what_is(service: Slots) -> None:
    service.site.release("1.0")
    done = service.site.run("service", "systemd", "--app", "gunicorn shop")
    assert done.code == 10
    assert "has no program gunicorn in its bin" in done.err


def test_without_a_server_in_the_release_the_line_to_type_is_said(service: Slots) -> None:
    done = service.site.run("service", "systemd")
    assert done.code == 10
    assert "nothing is live" in done.err
    service.site.release("1.0")
    done = service.site.run("service", "supervisor")
    assert done.code == 10
    assert "service supervisor --app 'gunicorn MODULE:NAME'" in done.err


def test_a_web_server_starts_no_application(site: Site) -> None:
    assert site.run("service", "nginx", "--app", "gunicorn shop").code == 2
    assert site.run("service", "caddy", "--job").code == 2


@pytest.mark.parametrize("kind", ["systemd", "supervisor", "nginx", "caddy"])
def test_a_socket_path_that_no_kernel_takes_is_refused(site: Site, kind: str) -> None:
    configure(site, ON.replace("/run/shop", "/run/" + "x" * 100))
    app = [] if kind in {"nginx", "caddy"} else ["--app", "gunicorn shop"]
    done = site.run("service", kind, *app)
    assert done.code == 10
    assert "107" in done.err


def test_an_unknown_user_is_refused(site: Site) -> None:
    configure(site, ON.replace('"daemon"', '"no-such-user"'))
    assert site.run("service", "systemd", "--app", "gunicorn shop").code == 10


def test_a_variable_in_a_path_is_refused_for_nginx(site: Site) -> None:
    configure(site, ON.replace("/run/shop", "/run/$shop"))
    assert site.run("service", "nginx").code == 2
    configure(site, ON.replace("/run/shop", "/run/{shop}"))
    assert site.run("service", "caddy").code == 2


# -- supervisord --------------------------------------------------------------------------------------------


class Supervisor:
    """A supervisord of the test's own, with the sections that were printed."""

    def __init__(self, folder: Path, sections: str) -> None:
        self.file = folder / "supervisord.conf"
        self.socket = folder / "supervisor.sock"
        self.file.write_text(supervisord(folder, sections, as_root=os.geteuid() == 0))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = shutil.which("supervisord")
        assert program is not None
        self.process = subprocess.Popen(
            [program, "-n", "-c", self.file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None


@needs("supervisord", "supervisor")
def test_supervisord_runs_the_slots_and_brings_the_live_one_up_when_it_starts(service: Slots) -> None:
    control = shutil.which("supervisorctl")
    file = service.folder / "supervisord.conf"
    start, stop = (f'["{control}", "-c", "{file}", "{verb}", "web-{{slot}}"]' for verb in ("start", "stop"))
    configure(
        service.site,
        f'name = "web"\nsyslog = false\n[service]\nsocket_dir = "{service.folder}"\nhealth = "/"\n'
        f"start = {start}\nstop = {stop}\ndrain = 0.2\n[env]\nODD = 'a ;b #c 100% \"d\" e'\n",
    )
    files = printed(service.site, "supervisor", "--app", APP)
    supervisor = Supervisor(service.folder, files["/etc/supervisor/conf.d/web.conf"])
    with ExitStack() as stack:
        stack.callback(supervisor.stop)
        supervisor.start()
        service.wait_for(supervisor.socket.exists)
        service.site.lock("1.0")
        # The program that brings up what is live has begun as well, and may hold the root for a moment.
        service.wait_for(lambda: service.site.run("release").code == 0)
        assert (service.version(), service.live) == ("1.0", "a")
        pid = int(service.ask()[1].split()[2])
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b'ODD=a ;b #c 100% "d" e' in environ
        service.site.release("1.1")
        assert (service.version(), service.live) == ("1.1", "b")
        assert not service.accepts("a")
        supervisor.stop()
        assert not service.accepts("b")
        supervisor.start()
        service.wait_for(lambda: service.accepts(service.live))
        assert service.version() == "1.1"


@needs("supervisord", "supervisor")
def test_supervisord_runs_a_plain_program(service: Slots) -> None:
    place = service.folder / "own.sock"
    configure(service.site, 'name = "my web"\nsyslog = false\n')
    service.site.release("1.0")
    [text] = printed(service.site, "supervisor", "--app", f"python -m web {place}").values()
    supervisor = Supervisor(service.folder, text)
    with ExitStack() as stack:
        stack.callback(supervisor.stop)
        supervisor.start()
        service.wait_for(place.exists)
        service.wait_for(lambda: service.ask(name="own.sock")[0] == 200)
        assert service.ask(name="own.sock")[1].split()[:2] == ["1.0", service.site.current]


# -- web servers --------------------------------------------------------------------------------------------


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def get(port: int, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")


def lead(service: Slots) -> None:
    """Two releases, the newer one live in slot b, the older one's assets in slot a."""
    settings = service.site.path / "venvship.toml"
    service.write_settings(
        "[hooks]\ngenerate = ['sh', '-c', 'python -c \"import web; print(web.VERSION)\" > t; "
        'cp t "$VENVSHIP_GENERATED/both.css"; cp t "$VENVSHIP_GENERATED/$(cat t).css"; rm t\']\n'
    )
    assert settings.exists()
    service.site.release("1.0")
    service.site.release("1.1")


def assert_served(service: Slots, port: int) -> None:
    def answers() -> bool:
        try:
            return get(port, "/")[0] == 200
        except OSError:
            return False

    service.wait_for(answers)
    assert get(port, "/")[1].split()[0] == "1.1"
    assert get(port, "/static/1.0.css") == (200, "1.0\n"), "of the slot that stopped"
    assert get(port, "/static/1.1.css") == (200, "1.1\n")
    assert get(port, "/static/none.css")[0] == 404
    for path in ("/static/../pyvenv.cfg", "/static/%2e%2e/pyvenv.cfg", "/static/../../b/pyvenv.cfg"):
        assert "home =" not in get(port, path)[1], path
    assert service.site.run("rollback").code == 0
    assert get(port, "/")[1].split()[0] == "1.0", "a kept connection would lead to the old slot"


@needs("nginx", "nginx")
def test_nginx_leads_to_the_live_slot_and_finds_assets_of_both(service: Slots) -> None:
    lead(service)
    port = free_port()
    [text] = printed(service.site, "nginx").values()
    folder = service.folder
    (folder / "site.conf").write_text(text.replace("listen 80;", f"listen 127.0.0.1:{port};"))
    user = "user root;\n" if os.geteuid() == 0 else ""
    kinds = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{kinds}include {folder}/site.conf;\n}}\n"
    )
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    assert "warn" not in tested.stderr.replace("user", "")
    with ExitStack() as stack:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        assert_served(service, port)


@needs("caddy", "caddy")
def test_caddy_leads_to_the_live_slot_and_finds_assets_of_both(service: Slots) -> None:
    lead(service)
    port = free_port()
    [text] = printed(service.site, "caddy").values()
    file = service.folder / "Caddyfile"
    file.write_text(
        "{\n    admin off\n    auto_https off\n}\n" + text.replace(":80 {", f"http://127.0.0.1:{port} {{")
    )
    environ = {"PATH": os.environ["PATH"], "HOME": str(service.folder)}
    arguments = ["--adapter", "caddyfile", "--config", str(file)]
    checked = subprocess.run(
        ["caddy", "validate", *arguments], env=environ, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    with ExitStack() as stack:
        process = subprocess.Popen(
            ["caddy", "run", *arguments], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        assert_served(service, port)


def test_a_version_of_any_length_in_the_lockfile_stops_nothing(site: Site) -> None:
    configure(site, 'name = "shop"\n')
    (site.path / "requirements.txt").write_text("gunicorn==" + "9" * 5000 + "\n")
    text = printed(site, "systemd", "--app", "gunicorn shop.wsgi")["/etc/systemd/system/shop.service"]
    assert "--no-control-socket" in text


def test_the_server_and_the_django_application_of_the_live_release_are_found(
    tmp_path: Path, known_python: Path
) -> None:
    wsgi = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\napplication = None\n"
    files = {"shop/__init__.py": "", "shop/settings.py": "", "shop/wsgi.py": wsgi}
    config = {"gunicorn/__init__.py": "", "gunicorn/config.py": "cli = ['--no-control-socket']\n"}
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    built = {
        "dep": build_wheel(wheels, "gunicorn", "27.0", files=config, scripts={"gunicorn": "shop:main"}),
        "1.0": build_wheel(wheels, "shop", "1.0", files=files),
    }
    site = make_site(tmp_path / "root", built, tmp_path / "store", tmp_path / "home", known_python)
    configure(site, 'name = "shop"\n[env]\nDJANGO_SETTINGS_MODULE = "shop.settings"\n')
    site.lock("1.0")
    before = printed(site, "systemd", "--app", "gunicorn shop.wsgi:application")
    advice = site.run("service", "systemd", "--app", "gunicorn shop.wsgi:application").err
    assert "  sudo systemctl enable shop.service\n" in advice
    assert "venvship.toml:\n" in advice
    site.release("1.0")
    with (site.path / "venvship.toml").open("a") as settings:
        settings.write('[hooks]\nprepare = ["true"]\n')
    advice = site.run("service", "systemd").err
    assert "  sudo systemctl enable --now shop.service\n" in advice
    assert "venvship.toml, in the [hooks] that is there:\n" in advice
    options = "--bind 127.0.0.1:8000 --no-control-socket"
    for units in (before, printed(site, "systemd")):
        text = units["/etc/systemd/system/shop.service"]
        assert f"ExecStart={site.path}/current/bin/gunicorn {options} shop.wsgi:application\n" in text
