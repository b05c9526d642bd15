"""What a pickle says, without doing what it says: its opcodes are walked as data, so no class is looked up and nothing is called.

Text, numbers, lists and maps come out as they are; of dates, UUIDs, decimals and the like their text; of anything else its
class' name, such as `<app.models.User>`.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

from services.brokers.pickled_values import Made, Named, Pairs

MOST_STEPS = 20_000
"""Opcodes: some 20 ms."""


class NoPickle(ValueError):
    """The text says what is wrong, and goes on behind "because"."""


class _Mark:
    """Where a list or a map begins on the stack."""


_MARK = _Mark()


class _Machine(NamedTuple):
    stack: list[Any]
    memo: dict[int, Any]

    def to_mark(self) -> list[Any]:
        """What was put on the stack since the last mark, taken off together with it."""
        for at in range(len(self.stack) - 1, -1, -1):
            if self.stack[at] is _MARK:
                found = self.stack[at + 1 :]
                del self.stack[at:]
                return found
        raise NoPickle("it is damaged: a list in it has no beginning")

    def last(self, count: int) -> list[Any]:
        """So many values off the stack, in their order."""
        if count > len(self.stack):
            raise NoPickle("it is damaged: a value is missing in it")
        found = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return found

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise NoPickle("it is damaged: a value in it is of the wrong kind")
        return self.stack[-1]


def read(data: bytes) -> Any:
    """Lists for all that holds values in order, `Pairs` for maps, `Named` and `Made` for classes and objects. A value may stand in
    itself. Raises NoPickle."""
    machine = _Machine([], {})
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if steps >= MOST_STEPS:
                raise NoPickle(f"it has more than {MOST_STEPS:,} parts")
            if opcode.name == "STOP":
                return machine.last(1)[0]
            step = _STEPS.get(opcode.name)
            if step is None:
                raise NoPickle(f"it holds what only its own program can read ({opcode.name})")
            step(machine, argument)
    except NoPickle:
        raise
    # genops raises these for what is cut off or lies about its length; a number of many digits is a ValueError as well. Of odd
    # escapes in text it warns.
    except (ValueError, OverflowError, IndexError, Warning) as fault:
        raise NoPickle("it is damaged, or cut off") from fault
    raise NoPickle("it is damaged, or cut off")


def _push(machine: _Machine, argument: Any) -> None:
    machine.stack.append(argument)


def _pushing(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make())


def _from_mark(make: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make(machine.to_mark()))


def _from_last(count: int, make: Callable[[list[Any]], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.stack.append(make(machine.last(count)))


def _pop(machine: _Machine, _: Any) -> None:
    machine.last(1)


def _pop_mark(machine: _Machine, _: Any) -> None:
    machine.to_mark()


def _append(machine: _Machine, _: Any) -> None:
    (value,) = machine.last(1)
    machine.top(list).append(value)


def _extend(machine: _Machine, _: Any) -> None:
    values = machine.to_mark()
    machine.top(list).extend(values)


def _set_item(machine: _Machine, _: Any) -> None:
    key, value = machine.last(2)
    _put(machine, [(key, value)])


def _set_items(machine: _Machine, _: Any) -> None:
    _put(machine, _paired(machine.to_mark()))


def _put(machine: _Machine, pairs: list[tuple[Any, Any]]) -> None:
    """Into a map, or an object that is one (an OrderedDict, a Counter)."""
    into = machine.top(Made if machine.stack and isinstance(machine.stack[-1], Made) else Pairs)
    into.pairs.extend(pairs)


def _paired(values: list[Any]) -> list[tuple[Any, Any]]:
    return list(zip(values[::2], values[1::2], strict=True))


def _keep(machine: _Machine, place: int | None) -> None:
    machine.top(object)
    machine.memo[len(machine.memo) if place is None else place] = machine.stack[-1]


def _get(machine: _Machine, place: int) -> None:
    if place not in machine.memo:
        raise NoPickle("it is damaged: it points to a value that it does not hold")
    machine.stack.append(machine.memo[place])


def _global(machine: _Machine, argument: str) -> None:
    machine.stack.append(Named(*argument.split(" ", 1)))


def _stack_global(machine: _Machine, _: Any) -> None:
    module, name = machine.last(2)
    if not isinstance(module, str) or not isinstance(name, str):
        raise NoPickle("it is damaged: a class in it has no name")
    machine.stack.append(Named(module, name))


def _made(parts: list[Any]) -> Made:
    maker, *given = parts
    arguments = given[0] if given and isinstance(given[0], list) else []
    return Made(maker, arguments)


def _build(machine: _Machine, _: Any) -> None:
    (state,) = machine.last(1)
    if isinstance(made := machine.top(object), Made):
        made.state = state


def _instance(machine: _Machine, argument: str) -> None:
    machine.stack.append(Made(Named(*argument.split(" ", 1)), machine.to_mark()))


def _object(machine: _Machine, _: Any) -> None:
    values = machine.to_mark()
    if not values:
        raise NoPickle("it is damaged: an object in it has no class")
    machine.stack.append(Made(values[0], values[1:]))


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"), _push),
    **dict.fromkeys(("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _push),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _push),
    "NONE": _pushing(lambda: None),
    "NEWTRUE": _pushing(lambda: True),
    "NEWFALSE": _pushing(lambda: False),
    "MARK": _pushing(lambda: _MARK),
    "EMPTY_LIST": _pushing(list),
    "EMPTY_TUPLE": _pushing(list),
    "EMPTY_SET": _pushing(list),
    "EMPTY_DICT": _pushing(Pairs),
    **dict.fromkeys(("LIST", "TUPLE", "FROZENSET"), _from_mark(list)),
    "DICT": _from_mark(lambda values: Pairs(_paired(values))),
    "TUPLE1": _from_last(1, list),
    "TUPLE2": _from_last(2, list),
    "TUPLE3": _from_last(3, list),
    "APPEND": _append,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), _extend),
    "SETITEM": _set_item,
    "SETITEMS": _set_items,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, _: machine.stack.append(machine.top(object)),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), _keep),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _get),
    "GLOBAL": _global,
    "STACK_GLOBAL": _stack_global,
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _from_last(2, _made)),
    "NEWOBJ_EX": _from_last(3, _made),
    "BUILD": _build,
    "INST": _instance,
    "OBJ": _object,
}
"""What each opcode does to the stack. Those that are not here need the program that wrote them: they refer to what lies elsewhere."""
