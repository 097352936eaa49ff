#!/usr/bin/env python3
"""Runs another script again and again, in one process: a start of Python takes longer than what is asked of it.

  python3 tests/calls.py SCRIPT

Each line of stdin is a JSON array of arguments. Each call runs the script from its first line, with no variable of the call
before; only imported modules stay. It is answered with a line `{"code": exit code, "out": stdout, "err": stderr}`.
"""
import contextlib
import io
import json
import sys
import traceback


def call(code, script, args):
    out, err = io.StringIO(), io.StringIO()
    ended = 0
    sys.argv = [script, *args]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            exec(code, {"__name__": "__main__", "__file__": script})
        except SystemExit as e:
            # As the interpreter does: nothing is 0, a number is itself, anything else is printed.
            ended = e.code or 0
            if not isinstance(ended, int):
                print(ended, file=sys.stderr)
                ended = 1
        except BaseException:
            traceback.print_exc()
            ended = 1
    return {"code": ended, "out": out.getvalue(), "err": err.getvalue()}


def main():
    script = sys.argv[1]
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    for line in sys.stdin:
        print(json.dumps(call(code, script, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
