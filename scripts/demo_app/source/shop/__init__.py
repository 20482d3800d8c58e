"""A web shop of one page, for scripts/demo to release."""

from __future__ import annotations

import importlib.metadata
import os
import sys

from flask import Flask, render_template

from shop.checkout import currency, total

app = Flask(__name__)
CATALOGUE = {"tea": 4, "biscuits": 3, "kettle": 29}
VERSION = importlib.metadata.version("shop")
RELEASE = os.path.basename(sys.prefix)
"""Which release this process runs from. Not from a variable: nothing but the files can know it as well."""


@app.get("/")
def catalogue() -> str:
    """The page that customers see."""
    return render_template("catalogue.txt", items=CATALOGUE, version=VERSION, release=RELEASE)


@app.get("/healthz")
def healthz() -> str:
    """Whether a customer could buy something; says which release it is that answers."""
    return f"{RELEASE} sells a kettle and tea for {total(CATALOGUE, 'kettle', 'tea')} {currency()}\n"
