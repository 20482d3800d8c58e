"""The notes, in a database."""

import os

from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

engine = create_engine(os.environ["BULLETIN_DATABASE"])


class Base(DeclarativeBase):
    """All tables."""


class Note(Base):
    """A note."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


def shown(note: Note) -> str:
    """A note as readers see it."""
    return note.text


def add(text: str) -> None:
    """Pin a note to the board."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Note(text=text))
        session.commit()


def notes() -> list[str]:
    """All notes."""
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        return [shown(note) for note in session.scalars(select(Note).order_by(Note.id))]
