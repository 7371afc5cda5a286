"""Runs code inside the walls and says how it went. Everything here shares a process with hostile code.

Decides: what running means: like ``python FILE`` with exit handlers and non-daemon threads for a single snippet; like a
notebook cell for a block of a session, in one namespace, with the value of a last expression shown on request.
Does not: protect anything. A reply from here is the snippet's own word: it can claim to have ended well, and no more than that.
What the kernel and the zygote saw overrules it, and a reply counts only with the nonce of the request it answers.
"""

import ast
import atexit
import importlib
import linecache
import os
import sys
import threading
import traceback
import types
from typing import Any

from data_tools.sandbox import channel
from data_tools.sandbox.display import plain_text

MAX_ERROR_CHARACTERS = 2000
MAX_TRACEBACK_CHARACTERS = 20_000
MAX_DISPLAY_CHARACTERS = 2**20


def tell_ready(replies: int, walls: dict[str, str]) -> None:
    """Say that the walls are up. Until here no foreign code has run, so this message cannot be forged."""
    channel.send(replies, {"ready": walls})


def tell_setup_failed(replies: int, error: BaseException) -> None:
    """Say why no code was run."""
    channel.send(replies, {"setup_failed": str(error) or type(error).__name__})


def serve(requests: int, replies: int) -> None:
    """Answer requests until one says it is the last, or the caller is gone. Never returns."""
    _forget_the_zygote()
    buffer = bytearray()
    namespace = _fresh_main()
    while (request := channel.receive(requests, buffer)) is not None:
        reply = _call(request) if "call" in request else _run(request, namespace)
        if request["last"]:
            reply = _finish(reply)
        _flush()
        channel.send(replies, reply | {"nonce": request["nonce"]})
        if request["last"]:
            break
    os._exit(0)


def _forget_the_zygote() -> None:
    atexit._clear()
    if "numpy.random" in sys.modules:
        # A fork copies the state of the global generator; without this two runs would draw the same numbers and look
        # reproducible.
        sys.modules["numpy.random"].seed()


def _fresh_main() -> dict[str, Any]:
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv[:] = ["snippet.py"]
    return main.__dict__


def _run(request: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    source, name = request["code"], request["name"]
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        # Not ast.parse, whose frame would stand in the traceback of a syntax error.
        tree: Any = compile(source, name, "exec", ast.PyCF_ONLY_AST)
        shown = tree.body.pop() if request["display"] and tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), namespace)
        if shown is None:
            return {"status": "ok"}
        value = eval(compile(ast.Expression(shown.value), name, "eval"), namespace)
        return {"status": "ok", "display": _shown(value, namespace)}
    except BaseException as error:
        return _failure(error)


def _shown(value: Any, namespace: dict[str, Any]) -> str:
    if value is None:
        return ""
    namespace["_"] = value
    return plain_text(value)[:MAX_DISPLAY_CHARACTERS]


def _call(request: dict[str, Any]) -> dict[str, Any]:
    module, function = request["call"].split(":")
    try:
        value = getattr(importlib.import_module(module), function)(*request["arguments"])
        channel.pack({"value": value})
    except BaseException as error:
        return _failure(error)
    return {"status": "ok", "value": value}


def _finish(reply: dict[str, Any]) -> dict[str, Any]:
    """Do what the interpreter does at its end: wait for threads, run exit handlers."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except BaseException as error:
        return _failure(error)
    return reply


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return {"status": "ok"}
        if not isinstance(error.code, int):
            print(error.code, file=sys.stderr)
        return {"status": "exception", "error": _line(error)}
    try:
        text = "".join(traceback.format_exception(type(error), error, _own_frames(error.__traceback__)))
        sys.stderr.write(
            text
            if len(text) <= MAX_TRACEBACK_CHARACTERS
            else f"{text[: MAX_TRACEBACK_CHARACTERS // 2]}\n…\n{text[-MAX_TRACEBACK_CHARACTERS // 2 :]}"
        )
    except BaseException:
        # An exception may refuse to be printed; its type's name is all there is then.
        sys.stderr.write(f"{type(error).__name__}\n")
    return {"status": "memory" if isinstance(error, MemoryError) else "exception", "error": _line(error)}


def _own_frames(frames: types.TracebackType | None) -> types.TracebackType | None:
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return frames


def _line(error: BaseException) -> str:
    try:
        # The last line: what comes before it in a syntax error is where it is.
        return " ".join(list(traceback.format_exception_only(type(error), error))[-1].split())[:MAX_ERROR_CHARACTERS]
    except BaseException:
        return type(error).__name__


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            # Closed or replaced by the code; what it wrote before is in the pipe.
            continue
