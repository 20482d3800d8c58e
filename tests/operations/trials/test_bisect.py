"""`bisect` through the command line: sets, exit codes, and a root that stays as it was."""

from __future__ import annotations

from tests.operations.trials.test_trial import tree, upgraded
from tests.support.roots import Site

__all__ = ["upgraded"]


def test_bisect_names_the_sets_and_changes_nothing(upgraded: tuple[Site, str, str]) -> None:
    site, good, bad = upgraded
    assert site.run("status").code == 0  # whatever a first look leaves is there
    before = tree(site)
    done = site.run("bisect", good, bad)

    assert (done.code, done.err) == (0, "")
    assert "Bad: b 1.0 → 2.0" in done.out
    assert "Bad together: c 1.0 → 2.0, e 1.0 → 2.0" in done.out
    assert "Not tried without these: g 1.0 → 2.0" in done.out
    assert "Good: a 1.0 → 2.0, d 1.0 → 2.0, f 1.0 → 2.0" in done.out
    assert tree(site) == before


def test_bisect_by_a_command_and_its_exit_codes(upgraded: tuple[Site, str, str]) -> None:
    site, good, bad = upgraded
    judge = ["python", "-c", "import b, sys; sys.exit(3 if b.VERSION == '2.0' else 0)"]
    data = site.run("--json", "bisect", good, bad, "--", *judge).data
    assert [one["changes"] for one in data["culprits"]] == [[{"name": "b", "from": "1.0", "to": "2.0"}]]
    assert site.open().bisect(good, bad, command=judge).to_json() == data

    # The releases the wrong way round, and a command that ends the search.
    for arguments in ([bad, good, "--", *judge], [good, bad, "--", "sh", "-c", "exit 130"]):
        refused = site.run("--json", "bisect", *arguments)
        assert refused.code == 40
        assert refused.json["error"]["slug"] == "not-told-apart"
        assert not site.debris()
