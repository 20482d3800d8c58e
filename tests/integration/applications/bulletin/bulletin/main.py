"""The application."""

import os
import sys

from fastapi import FastAPI

from bulletin import board

app = FastAPI()


@app.get("/")
def page() -> dict[str, object]:
    """All notes, and the release that answers."""
    return {"notes": board.notes(), "release": os.path.basename(sys.prefix)}


@app.post("/")
def pin(text: str) -> None:
    """Pin a note to the board."""
    board.add(text)
