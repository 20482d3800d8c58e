"""Who asks for a package, in the comments that pip-compile and uv write."""

from __future__ import annotations

from venvship.model.lockfiles.annotations import chains, constraint_of, input_of, requirers

LOCKFILE = b"""\
#
#    venvship lock
#
# from https://pypi.org/simple
#
asgiref==3.8 \\
    --hash=sha256:00
    # via django
Django[argon2]==5.2 \\
    --hash=sha256:00
    # via
    #   -c limits.txt
    #   -r requirements.in
    #   rest
    # from https://other.example/simple
rest==1.0
    # via shop (pyproject.toml)
loose==1.0
    # a word of a person
    #   rest
"""


def test_the_comments_of_both_forms_are_read() -> None:
    assert requirers(LOCKFILE) == {
        "asgiref": ("django",),
        "django": ("-c limits.txt", "-r requirements.in", "rest"),
        "rest": ("shop (pyproject.toml)",),
    }
    assert requirers(b"\xff\n    # via x\n") == {}


def test_an_input_a_constraint_and_a_package_are_told_apart() -> None:
    assert (input_of("-r requirements.in"), constraint_of("-r requirements.in")) == ("requirements.in", None)
    assert (input_of("-c limits.txt"), constraint_of("-c limits.txt")) == (None, "limits.txt")
    assert (input_of("shop (pyproject.toml)"), input_of("rest")) == ("pyproject.toml", None)


def test_chains_lead_from_the_inputs_the_shortest_first_and_follow_no_circle() -> None:
    assert chains("asgiref", requirers(LOCKFILE)) == (
        ("requirements.in", "django", "asgiref"),
        ("pyproject.toml", "rest", "django", "asgiref"),
    )
    assert chains("loose", requirers(LOCKFILE)) == ()
    assert chains("a", {"a": ("b",), "b": ("a", "-r in")}) == (("in", "b", "a"),)
    many = {"a": tuple(f"-r {number}" for number in range(9))}
    assert len(chains("a", many)) == 5


def test_the_shortest_chain_comes_first_however_the_comments_are_sorted() -> None:
    asks = {"a": ("near", "far"), "far": ("middle",), "middle": ("-r other.in",), "near": ("-r in",)}
    assert chains("a", asks) == (("in", "near", "a"), ("other.in", "middle", "far", "a"))
