"""Doors between rooms: a signature in ``contract.py``, its body in ``queries.py`` / ``actions.py``.

``@query`` reads, ``@action`` changes. A caller sees one function and cannot tell where it runs:
*local* is a plain call; *wire* sends arguments and result through the wire format first, so that
what works in one process works across two; a room in ``places`` is served by another process
(``kernel.elsewhere``). All refuse to be called inside a transaction: there may be a network behind
any door.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, get_type_hints
from uuid import UUID

import msgspec

from fahrwerk.kernel import audit, db, errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from fahrwerk.kernel.call import Call

P = ParamSpec("P")
R = TypeVar("R")

runner = "local"
"""How doors run in this process: ``local`` or ``wire`` (FAHRWERK_DOORS)."""
places: dict[str, Callable[[Door, tuple[Any, ...], dict[str, Any]], Awaitable[Any]]] = {}
"""Who asks the rooms that are served elsewhere, by room."""
known: dict[str, Door] = {}
"""All doors, by name."""
_outermost: ContextVar[bool] = ContextVar("outermost_door", default=True)


class Door:
    """One function of a contract."""

    __slots__ = ("furniture", "here", "name", "room", "signature")

    def __init__(self, signature: Callable[..., Any], furniture: str) -> None:
        self.signature = signature
        self.furniture = furniture
        self.room = signature.__module__.split(".")[1]
        self.name = f"{self.room}.{signature.__name__}"
        self.here: Callable[..., Awaitable[Any]]
        """Runs it in this process."""

    @property
    def types(self) -> dict[str, Any]:
        """Of its arguments and, as ``return``, its result."""
        return _types(self.signature)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments by name."""
        return dict(inspect.signature(self.signature).bind(*args, **kwargs).arguments)


def is_outermost() -> bool:
    """True outside every deed of staff, and for what riders do."""
    return _outermost.get()


@contextlib.contextmanager
def within_a_deed(notes: list[audit.Note]) -> Iterator[None]:
    """For the block, what is done is part of a deed that another process writes down."""
    token, listening = _outermost.set(False), audit.notes.set(notes)
    try:
        yield
    finally:
        audit.notes.reset(listening)
        _outermost.reset(token)


def query(signature: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """A question: may be repeated freely. Its body stands in the room's ``queries``."""
    return _door(signature, "queries")


def action(signature: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """A verb that changes something. Its body stands in the room's ``actions``.

    What a privileged person does through one is written to the audit log: before it is done, so
    that nothing is done that cannot be written down, and then with its outcome.
    """
    return _door(signature, "actions")


def _door(signature: Callable[P, Awaitable[R]], furniture: str) -> Callable[P, Awaitable[R]]:
    room = signature.__module__.split(".")[1]
    name = signature.__name__
    body: Callable[..., Awaitable[R]] | None = None

    def find() -> Callable[..., Awaitable[R]]:
        nonlocal body
        if body is None:
            module = importlib.import_module(f"fahrwerk.{room}.{furniture}")
            body = getattr(module, name)
            expected, given = inspect.signature(signature), inspect.signature(body)
            if list(expected.parameters) != list(given.parameters):
                raise TypeError(f"{room}.{furniture}.{name} does not fit its contract {expected}")
        return body

    async def here(*args: Any, **kwargs: Any) -> R:
        call: Call = args[0] if args else kwargs["call"]
        call.in_time()
        function = find()
        if runner == "wire":
            args, kwargs = _over_the_wire(signature, args, kwargs)
        if furniture == "actions" and call.is_staff and _outermost.get():
            return await _audited(function, call, f"{room}.{name}", args, kwargs)
        result = await _wire_errors(function, args, kwargs)
        return _wire_result(signature, result) if runner == "wire" else result

    door = known[f"{room}.{name}"] = Door(signature, furniture)
    door.here = here

    @functools.wraps(signature)
    async def through(*args: P.args, **kwargs: P.kwargs) -> R:
        if db.in_transaction.get():
            raise RuntimeError(f"{room}.{name} was called inside a transaction")
        if (place := places.get(room)) is not None:
            args[0].in_time()  # type: ignore[attr-defined]
            return await place(door, args, kwargs)  # type: ignore[no-any-return]
        return await here(*args, **kwargs)

    through.__door__ = (room, furniture, name)  # type: ignore[attr-defined]
    return through


async def _audited(
    function: Callable[..., Awaitable[R]], call: Call, name: str, args: Any, kwargs: Any
) -> R:
    # Ids only: other arguments may be names, phone numbers or secrets.
    subject = next((str(a) for a in (*args, *kwargs.values()) if isinstance(a, UUID)), "")
    begun = await audit.begin(call, name, subject)
    token = _outermost.set(False)
    notes: list[audit.Note] = []
    listening = audit.notes.set(notes)
    outcome = "error"
    try:
        result = await _wire_errors(function, args, kwargs)
        outcome = "done"
        return result
    except errors.Problem as problem:
        outcome, problem.is_told = problem.error_code, True
        raise
    finally:
        audit.notes.reset(listening)
        _outermost.reset(token)
        await audit.complete(call, begun, name, subject, outcome, notes)


async def _wire_errors(function: Callable[..., Awaitable[R]], args: Any, kwargs: Any) -> R:
    """In wire mode a problem arrives as its general kind, as it would from another process."""
    if runner != "wire":
        return await function(*args, **kwargs)
    try:
        return await function(*args, **kwargs)
    except errors.Problem as problem:
        details = msgspec.msgpack.decode(msgspec.msgpack.encode(problem.details))
        kind = errors.KINDS[errors.kind_of(problem)]
        raise kind(problem.text, code=problem.error_code, **details) from None


@functools.cache
def _types(signature: Callable[..., Any]) -> dict[str, Any]:
    module = importlib.import_module(signature.__module__)
    return get_type_hints(signature, globalns=vars(module))


def _copied(value: Any, kind: Any) -> Any:
    # Floats may be infinite (an absent deadline); msgpack carries that, JSON would not.
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)


def _over_the_wire(
    signature: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    types = _types(signature)
    bound = inspect.signature(signature).bind(*args, **kwargs)
    for name, value in bound.arguments.items():
        bound.arguments[name] = _copied(value, types[name])
    return bound.args, bound.kwargs


def _wire_result(signature: Callable[..., Any], result: Any) -> Any:
    return _copied(result, _types(signature)["return"])
