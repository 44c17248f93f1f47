"""FastAPI and SQLAlchemy under uvicorn: the same row, without a sign-in."""

from __future__ import annotations

from fastapi import FastAPI
from sqlalchemy import URL, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from benchmarks.baselines.shape import shape
from connectors_admin.settings import DATABASES, EMBEDDED_DATABASE

_database = DATABASES["default"]
if EMBEDDED_DATABASE:
    engine = create_engine(URL.create("sqlite", database=str(_database["NAME"])), pool_size=40)

    @event.listens_for(engine, "connect")
    def _like_ours(connection, _record):
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;")
else:
    engine = create_engine(
        URL.create(
            "postgresql+psycopg",
            username=_database["USER"],
            password=_database["PASSWORD"] or None,
            host=_database["HOST"],
            port=int(_database["PORT"] or 5432),
            database=_database["NAME"],
        ),
        pool_size=40,
    )
sessions = sessionmaker(engine)


class Base(DeclarativeBase):
    pass


class Operation(Base):
    __tablename__ = "operations_connectionoperation"

    id: Mapped[int] = mapped_column(primary_key=True)
    connection_id: Mapped[int]
    graph_id: Mapped[str] = mapped_column(String(128))
    status: Mapped[int]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    error_target: Mapped[str | None]


app = FastAPI()


@app.get("/operations/{key}")
def operation(key: int) -> dict:
    with sessions() as session:
        row = session.get(Operation, key)
        assert row
        return shape(row)


@app.get("/connections/{connection}/operations")
def operations(connection: int) -> dict:
    with sessions() as session:
        return {"value": [shape(row) for row in _rows(session, connection)]}


def _rows(session: Session, connection: int):
    newest = select(Operation).where(Operation.connection_id == connection)
    return session.scalars(newest.order_by(Operation.id.desc()).limit(100))
