#!/usr/bin/env python3
"""File tests: texts that say themselves how to run them and what comes out.

usage: run.py [--update] [--tool NAME=PATH ...] FILE_OR_FOLDER ...

In a test (any file with a RUN line), after `//` (in a test that starts with `-- RUN:`, after `--`):
  RUN: irtool -types %s     a command, run without a shell: the tool's name, %s the test file, %S its folder, %t a
                            fresh folder.
                            Several RUN lines run one after another; what they print is taken together.
  RUN: not irtool %s        the command must end with status 1 (a diagnostic); otherwise 0 is expected
  RUN: cmp A B              the tool `cmp` is built in: both files must have the same bytes
  OUT: text                 with the lines that follow: the whole of stdout
  ERR: text                 the whole of stderr
  CHECK: text               in this order, each is part of some line of stdout
  CHECK-NOT: text           part of no line of stdout
Where a test has no OUT line and no CHECK line, stdout must be empty; the same for ERR and stderr. In both, the
test's path reads %s, its folder %S and the fresh one %t. --update rewrites the OUT and ERR lines of tests that have none of the
CHECK lines; review the difference before it is committed.
"""
import difflib
import os
import shlex
import subprocess
import sys
import tempfile

TIMEOUT = 60


def comment(text):
    """What comments start with: a Lua test has its RUN line behind --."""
    return "--" if text.startswith("-- RUN:") else "//"


def directives(text, key):
    prefix = comment(text) + f" {key}:"
    lines = (line.strip("\r") for line in text.split("\n"))
    return [line[len(prefix):].removeprefix(" ") for line in lines if line.startswith(prefix)]


def compare_files(a, b):
    with open(a, "rb") as f, open(b, "rb") as g:
        if f.read() == g.read():
            return ""
    return f"{a} and {b} differ\n"


def run_commands(path, text, tools):
    """Returns (stdout, stderr, complaint)."""
    out, err = "", ""
    with tempfile.TemporaryDirectory() as folder:
        for command in directives(text, "RUN"):
            words = shlex.split(command)
            expected = 0
            if words[0] == "not":
                words, expected = words[1:], 1
            words = [w.replace("%s", path).replace("%S", os.path.dirname(path)).replace("%t", folder) for w in words]
            if words[0] == "cmp":
                complaint = compare_files(*words[1:])
                if complaint:
                    return out, err, complaint
                continue
            if words[0] not in tools:
                return out, err, f"no tool named '{words[0]}'"
            try:
                r = subprocess.run([tools[words[0]]] + words[1:], capture_output=True, timeout=TIMEOUT,
                                   stdin=subprocess.DEVNULL, check=False)
            except subprocess.TimeoutExpired:
                return out, err, f"'{command}' took longer than {TIMEOUT} s"
            out += r.stdout.decode(errors="backslashreplace")
            err += r.stderr.decode(errors="backslashreplace")
            if r.returncode != expected:
                return out, err, f"'{command}' ended with status {r.returncode}, not {expected}\n{err}"
        out, err = (s.replace(path, "%s").replace(folder, "%t").replace(os.path.dirname(path) + "/", "%S/") for s in (out, err))
    return out, err, ""


def difference(what, expected, got):
    if expected == got:
        return ""
    return "\n".join(difflib.unified_diff(expected, got, f"{what} expected", f"{what} printed", lineterm=""))


def lines_of(s):
    return [line.rstrip() for line in s.splitlines()]


def check_in_order(checks, lines):
    at = 0
    for want in checks:
        while at < len(lines) and want not in lines[at]:
            at += 1
        if at == len(lines):
            return f"CHECK: {want}\nis not in the output, or not in this order:\n" + "\n".join(lines)
        at += 1
    return ""


def judge(text, out, err):
    checks, absent = directives(text, "CHECK"), directives(text, "CHECK-NOT")
    complaint = ""
    if checks or absent:
        complaint = check_in_order(checks, lines_of(out))
        for unwanted in absent:
            if any(unwanted in line for line in lines_of(out)):
                complaint += f"CHECK-NOT: {unwanted}\nis in the output"
    else:
        complaint = difference("stdout", [s.rstrip() for s in directives(text, "OUT")], lines_of(out))
    return complaint + difference("stderr", [s.rstrip() for s in directives(text, "ERR")], lines_of(err))


def updated(text, out, err):
    start = comment(text)
    kept = [line for line in text.split("\n") if not line.startswith((f"{start} OUT:", f"{start} ERR:"))]
    while kept and not kept[-1].strip():
        kept.pop()
    kept += [f"{start} {key}: {line}".rstrip() for key, s in (("OUT", out), ("ERR", err)) for line in lines_of(s)]
    return "\n".join(kept) + "\n"


def tests_in(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in sorted(os.walk(path)):
                yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith((".ir", ".lua", ".test")))
        else:
            yield path


def main(args):
    tools, paths, update = {}, [], False
    args = list(args)
    while args:
        arg = args.pop(0)
        if arg == "--update":
            update = True
        elif arg == "--tool":
            name, path = args.pop(0).split("=", 1)
            tools[name] = path
        else:
            paths.append(arg)
    passed, failed = 0, []
    for path in tests_in(paths):
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as f:
            text = f.read()
        if not directives(text, "RUN"):
            continue
        out, err, complaint = run_commands(path, text, tools)
        if update and not complaint and not directives(text, "CHECK") and not directives(text, "CHECK-NOT"):
            fresh = updated(text, out, err)
            if fresh != text:
                with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="") as f:
                    f.write(fresh)
                print(f"updated {path}")
            text = fresh
        complaint = complaint or judge(text, out, err)
        if complaint:
            failed.append(path)
            print(f"FAIL {path}\n{complaint}\n")
        else:
            passed += 1
    print(f"{passed} passed, {len(failed)} failed" + "".join(f"\n  {path}" for path in failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
