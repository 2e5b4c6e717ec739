#!/usr/bin/env python3
"""-pass and -config scripts: what they may do, what stops them, and how the process that runs them is watched."""
import os
import re
import signal
import subprocess
import sys
import time

from harness import DIGITS, main

IDLE = 'pass("p", { run = function(graph) end })\n'


def in_pass(body, head=''):
    """A script whose pass does this; its body starts in line 2, behind the head."""
    return f'{head}pass("p", {{ run = function(graph)\n{body}\nend }})\n'


# What a hostile script does, and what is said (None: anything, where it depends on the machine's speed which limit it meets first).
ATTACKS = {
    'while true do end': 'for more than',
    'repeat until false': 'for more than',
    'while true do pcall(function() while true do end end) end': 'for more than',
    'pcall(function() pcall(function() while true do end end) end) print("on")': 'for more than',
    'local t = setmetatable({}, { __index = function(t, k) return t[k + 1] end }) local x = t[1]': 'C stack overflow',
    'local function f() return f() end f()': 'for more than',
    'local function f() return 1 + f() end f()': 'more than 64 MiB',
    'local f <close> = setmetatable({}, { __close = function() while true do end end }) error("x")': 'for more than',
    'local c = coroutine.wrap(function() while true do end end) c()': "Lua's 'coroutine' is not available",
    'string.find(("a"):rep(200000), ".-.-.-.-b")': 'runs for too long',
    '("a"):rep(200):gsub("a*a*a*a*a*a*a*a*b", "")': 'runs for too long',
    'string.match(("a"):rep(100000), ".-.-.-b$")': 'runs for too long',
    'pcall(string.find, ("a"):rep(200000), ".-.-.-.-b")': 'runs for too long',
    'for x in (("a"):rep(200000)):gmatch(".-.-.-.-b") do end': 'runs for too long',
    'table.move({}, 1, math.maxinteger - 1, 2)': 'runs for too long',
    'table.move(setmetatable({}, { __index = rawlen, __newindex = rawequal }), 1, 1 << 60, 2)': None,
    'table.insert(setmetatable({}, { __len = function() return 1 << 60 end, __index = rawlen, __newindex = rawequal }), 1, 1)': None,
    'local s = string.rep("", 1 << 62)': 'runs for too long',
    'setmetatable({}, { __gc = function() while true do end end })': "'__gc' is not available",
    'setmetatable({}, { __mode = "k" })': "'__mode' is not available",
    'local t = {} for i = 1, 1e9 do t[i] = i end': 'more than 64 MiB',
    'local s = "x" while true do s = s .. s end': 'more than 64 MiB',
    'while true do pcall(function() local s = "x" while true do s = s .. s end end) end': 'more than 64 MiB',
    'string.rep("x", 1 << 40)': 'too large',
    'local s = string.rep("", 1 << 40, "")': 'runs for too long',
    'string.format("%99999d", 1)': 'invalid conversion',
    'local function f() return pcall(f) end f() while true do end': 'for more than',
    'local function f() pcall(f) pcall(f) end f()': 'for more than',
    'local t = {} for i = 1, 1e5 do t = setmetatable({}, { __call = t }) end t()': None,
    'local t = setmetatable({}, {}) getmetatable(t).__call = t t()': 'runs for too long',
    'local m = { __eq = function(a, b) return a == b end } local c = setmetatable({}, m) == setmetatable({}, m)': 'C stack overflow',
    'local m = { __lt = function(a, b) while true do end end } local c = setmetatable({}, m) < setmetatable({}, m)': 'for more than',
    'local x <close> = setmetatable({}, { __close = function() string.find(("a"):rep(99999), ".-.-.-b") end }) while true do end': 'for more than',
    'local t = {} for i = 1, 1e5 do t[i] = i end table.sort(t, function() return true end)': 'invalid order function',
    'table.sort({ 1, 2 }, function() while true do end end)': 'for more than',
    'table.sort(setmetatable({}, { __len = function() return 1 << 30 end, __index = function() return 1 end, __newindex = rawequal }))': None,
    'table.concat(setmetatable({}, { __index = function() return "" end }), "", 1, 1 << 60)': 'for more than',
    'string.gsub("aaa", "a", function() while true do end end)': 'for more than',
    'local function f(s) return s:gsub(".", f) end f("a")': 'C stack overflow',
    'string.find(("("):rep(1 << 20), ".-%b()")': 'runs for too long',
    'local s, p = ("a"):rep(1 << 22), ("a"):rep(1 << 21) .. "b" while true do s:find(p, 1, true) end': None,
    'for i = 1, math.huge do end': 'for more than',
    '::a:: goto a': 'for more than',
    'while true do pcall(table.unpack, {}, 1, 900000) end': None,
    'xpcall(function() while true do end end, function() while true do end end)': "Lua's 'xpcall' is not available",
    'error({})': 'an error that is no text but a table',
    'error(nil)': 'an error that is no text but nil',
    'error(7)': '7',
    'error(setmetatable({}, { __tostring = function() while true do end end }))': 'an error that is no text but a table',
    'rawset(_ENV, "error", function() while true do end end) error()': 'for more than',
    'local t = {} for i = 1, 1e6 do t[i] = 0 end while true do table.insert(t, 1, 0) end': None,
    'while true do use "sigma" end': None,
    'table.concat({ string.rep("x", 1 << 24), string.rep("x", 1 << 24), string.rep("x", 1 << 24) })': 'more than 64 MiB',
    'string.dump(function() end)': 'attempt to call a nil value',
    'load("\\27Lua")()': "Lua's 'load' is not available",
    'loadfile("/etc/passwd")': "Lua's 'loadfile' is not available",
    'dofile("/etc/passwd")': "Lua's 'dofile' is not available",
    'require("os")': "Lua's 'require' is not available",
    'os.execute("id")': "Lua's 'os' is not available",
    'io.open("/etc/passwd")': "Lua's 'io' is not available",
    'debug.sethook()': "Lua's 'debug' is not available",
    'collectgarbage("stop")': "Lua's 'collectgarbage' is not available",
    'getmetatable("").__index.io.open("x")': 'attempt to index a nil value',
    'local e = getmetatable(_ENV) e.__index = nil': 'attempt to',
    'while true do print(("x"):rep(1000)) end': 'prints more than 1024 KiB',
    'for k in pairs({ [{}] = 1 }) do end': 'pairs has no order for a key that is a table',
}


def complaint(t, text, option, message, line, *limits):
    """What is wrong with how the script was stopped; '': it was, in time, with the place in it."""
    t.write('a.lua', text)
    started = time.monotonic()
    r = t.run('tiny.ir', option, 'a.lua', '-target', 'generic', '-quantize', 'none', '-o', 'm.c', *limits, code=None)
    seconds = time.monotonic() - started
    place = re.search(r'^a\.lua:(\d+):\d+: error: (.*)$', r.stderr, re.M)
    said = f'{text}\n{r.stderr[-1000:]}'
    by_clock = place and 'runs for too long' in place[2]  # on a busy machine that may come first
    if r.returncode != 1 or not place or int(place[1]) != line or not (by_clock or (message or '') in place[2]):
        return f'exit code {r.returncode}, no "{message}" in line {line}: {said}'
    if seconds >= 5:
        return f'stopped after {seconds:.1f} s: {said}'
    written = [f for f in t.files() if f.startswith('m.')]
    for name in written:
        os.unlink(t.dir / name)
    return f'files appeared: {said}' if written else ''


def test_attacks_while_a_file_is_read(t):
    """Each is stopped, with its place. What would run for ever is given less time than usual, to save ours."""
    t.tiny()
    patient = ('more than 64 MiB', 'prints more')
    wrong = [complaint(t, '\n\n' + text, '-config', message, 3, *([] if message in patient else ['-script-seconds', '1']))
             for text, message in ATTACKS.items()]
    assert not any(wrong), '\n'.join(filter(None, wrong))


def test_attacks_in_a_pass(t):
    """Some of them, with the usual limits."""
    t.tiny()
    wrong = [complaint(t, in_pass(text), '-pass', message, 2) for text, message in list(ATTACKS.items())[::7]]
    assert not any(wrong), '\n'.join(filter(None, wrong))


def test_limits_of_time(t):
    """They hold by the clock where others have the processor, and for all calls together; they can be widened."""
    t.tiny()
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-o', 'm.c', '-pass', 'a.lua']
    t.write('a.lua', in_pass('local s = ("a"):rep(99999) s:find(".-.-.-.-b")'))
    busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(2 * os.cpu_count())]
    try:
        started = time.monotonic()
        t.fail(*args, message='a.lua:2:1: error: this line of a script runs for too long')
        seconds = time.monotonic() - started
    finally:
        for p in busy:
            p.kill()
            p.wait()
    assert seconds < 5, seconds
    spin = 'for i = 1, 4e6 do local x = i * i end'
    t.write('a.lua', ''.join(f'pass("p{i}", {{ run = function() {spin} end }})\n' for i in range(16)))
    t.fail(*args, '-script-seconds', '0.4', message='(-script-seconds gives it more)')
    t.run(*args, '-script-seconds=100')


def test_limits_of_observers(t):
    """Time comes with the data, so that there may be any number of calls; but what is left of it is lost."""
    t.tiny(samples=400)
    t.write('a.lua', """local n = 0
local o = observer("o", {
  state = { a = 0, b = 0 },
  observe = function(s, x) s.a, s.b = math.min(s.a, x:min()), math.max(s.b, x:max()) end,
  finish = function(s) END return s.a, s.b end,
})
default { activation = o {} }""".replace('END', ''))
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-o', 'm.c', '-pass', 'a.lua', '-script-seconds', '1']
    t.run(*args)
    for f in ('m.c', 'm.h'):
        os.unlink(t.dir / f)
    t.write('a.lua', t.read('a.lua').replace(b'return s.a', b'while true do end return s.a'))
    t.fail(*args, message='a.lua:5:3: error: this script runs for more than')


def test_an_observer_on_the_command_line(t):
    """-observer knows those of scripts, with parameters; what a script does not define is said to be unknown."""
    t.tiny()
    t.write('a.lua', """observer("wide", {
  what = "the range and a margin",
  params = { margin = 1, other = 2 },
  state = { a = 0, b = 0 },
  observe = function(s, x) s.a, s.b = math.min(s.a, x:min()), math.max(s.b, x:max()) end,
  finish = function(s, p) return s.a - p.margin, s.b + p.margin end,
})""")
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-name', 'm']
    table = t.run(*args, '-pass', 'a.lua', '-observer', 'wide=3', '-print-qconfig').stdout
    assert 'wide margin=3, u8' in table and 'preset qcc, -observer wide=3' in table, table
    code = []
    t.write('b.lua', t.read('a.lua').decode().replace('observer(', 'local w = observer(') + '\ndefault { activation = w { margin = 3 } }')
    for more in (['-pass', 'a.lua', '-observer', 'wide=3'], ['-config', './a.lua', '-observer', 'wide,margin=3'], ['-pass', 'b.lua'],
                 ['-pass', 'a.lua']):
        t.run(*args, *more, '-o', 'm.c')
        code.append(re.sub(rb' \* With the script .*\n', b'', t.read('m.c')))
    assert code[0] == code[1] == code[2] != code[3]
    t.run(*args, '-pass', 'sigma', '-observer', 'sigma=3', '-o', 'm.c')
    listed = t.run('-print-observers', '-pass', 'a.lua').stdout
    assert re.search(r'^wide +the range and a margin\n  margin=1, of any size\n  other=2, of any size\n', listed, re.M), listed
    t.fail(*args, '-pass', 'a.lua', '-observer', 'wild', '-o', 'n.c', message="there is no observer 'wild'; did you mean 'wide'?")
    t.fail(*args, '-pass', 'a.lua', '-observer', 'wide,x=1', '-o', 'n.c', message="wide has no parameter 'x'; there are: margin, other")
    t.fail(*args, '-pass', 'a.lua', '-observer', 'wide=x', '-o', 'n.c', message="the margin of wide is a number of any size, not 'x'")
    t.fail(*args, '-observer', 'wide', '-o', 'n.c', code=2, message="there is no observer 'wide'")
    t.write('a.lua', 'observer("o", { what = 3, state = {}, observe = print, finish = print })')
    t.fail(*args, '-pass', 'a.lua', '-o', 'n.c', message="'what' is a text")


def test_attacks_on_the_graph(t):
    """Rewrites without end, in time and in memory of qcc, caught errors among them."""
    t.tiny()
    head = 'local r = graph:tensor("r").producer '
    for body in ('while true do graph:set(r, {}) end',
                 'while true do graph:rewrite(function() end) end',
                 'while true do pcall(graph.replace, graph, r, "relu", { r }) end',
                 'while true do pcall(graph.remove, graph, r) end',
                 'while true do pcall(graph.match, graph, "mul(", r) end',
                 'local i = 0 while true do i = i + 1 graph:match("add(%a, " .. i .. ")", r) end',
                 'graph:rewrite(function() while true do graph:node("relu", { r }, {}, { before = r }) end end)',
                 'while true do local s = tostring(graph) .. tostring(r) .. r.result.type end',
                 'while true do graph:constant(1) end',
                 'local p = "%x" for i = 1, 12 do p = "add(" .. p .. ", (_ | %q))" end while true do graph:match(p, r) end'):
        script = in_pass(head + body).replace('run', 'after = "canonicalize", run', 1)
        wrong = complaint(t, script, '-pass', 'more than', 2, *([] if 'constant' in body else ['-script-seconds', '1']))
        assert not wrong, wrong


def test_attacks_in_an_observer(t):
    """Its functions run in other threads than the file did."""
    t.tiny()
    head = 'local o = observer("o", { state = { n = 0 }, finish = function() return 0, 1 end, observe = function(s, x)\n'
    tail = '\nend })\ndefault { activation = o {} }\n'
    for body in ('while true do end', 'string.find(("a"):rep(200000), ".-.-.-.-b")', 's.n = 0 / 0', 's.n = "x"', 's.n = nil',
                 'error("no")', 'local t = {} for i = 1, 1e9 do t[i] = i end'):
        t.write('a.lua', head + body + tail)
        t.fail('tiny.ir', '-calib', 'calib.npz', '-config', 'a.lua', '-o', 'm.c', message='a.lua:2:' if 's.n' not in body else 'a.lua:')
    t.write('a.lua', head.replace('0, 1', '1, 0') + tail)
    r = t.fail('tiny.ir', '-calib', 'calib.npz', '-config', 'a.lua', '-o', 'm.c', message='the observer o gives a range')
    assert r.stderr.count('error:') == 1, r.stderr


def test_signals_reach_the_work(t):
    """What ends qcc ends the process that runs scripts, and the other way round."""
    t.tiny()
    t.write('a.lua', in_pass('print("ready") string.find(("a"):rep(200000), ".-.-.-.-b")'))
    command = [t.qcc, 'tiny.ir', '-quantize', 'none', '-pass', 'a.lua', '-o', 'm.c']
    for sig, code in ((signal.SIGTERM, -signal.SIGTERM), (signal.SIGINT, -signal.SIGINT), (signal.SIGKILL, -signal.SIGKILL)):
        with subprocess.Popen(command, cwd=t.dir, stderr=subprocess.PIPE, text=True) as p:
            assert p.stderr.readline() == 'ready\n'
            with open(f'/proc/{p.pid}/task/{p.pid}/children', encoding='ascii') as f:
                child = int(f.read())
            os.kill(p.pid, sig)
            assert p.wait(5) == code, p.returncode
        end = time.monotonic() + 2
        while os.path.exists(f'/proc/{child}') and open(f'/proc/{child}/stat', encoding='ascii').read().split()[2] != 'Z':
            assert time.monotonic() < end, 'the child lives on'
            time.sleep(0.01)
    with subprocess.Popen(command, cwd=t.dir, stderr=subprocess.PIPE, text=True) as p:
        assert p.stderr.readline() == 'ready\n'
        with open(f'/proc/{p.pid}/task/{p.pid}/children', encoding='ascii') as f:
            os.kill(int(f.read()), signal.SIGKILL)
        text = p.stderr.read()
        assert p.wait(5) == -signal.SIGKILL and 'a.lua:2:1: note: this line of a script was being run' in text, text
    assert not any(f.startswith('m.') for f in t.files())


def test_exit_codes(t):
    """They are those of a run without scripts."""
    t.tiny()
    t.write('a.lua', IDLE)
    t.run('tiny.ir', '-quantize', 'none', '-pass', 'a.lua', '-target', 'generic', '-o', 'm.c')
    t.fail('none.ir', '-pass', 'a.lua', '-o', 'n.c', message='No such file')
    t.fail('tiny.ir', '-pass', 'a.lua', '-target', 'pdp11', '-o', 'n.c', code=2, message="target 'pdp11'")
    t.fail('tiny.ir', '-pass', 'none.lua', '-o', 'n.c', message='none.lua: error: No such file')
    t.fail('tiny.ir', '-pass', 'nosuch', '-o', 'n.c', message="qcc has no script 'nosuch' of its own")
    t.fail('tiny.ir', '-pass', 'a.lua', '-o', 'a.lua', message='a.lua')


def test_the_same_code(t):
    """A script that changes nothing changes nothing but the comment, which names it with its hash."""
    t.tiny()
    t.write('a.lua', IDLE)
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-name', 'm', '-o']
    os.mkdir(t.dir / 'x')
    t.run(*args, 'x/m.c')
    t.run(*args, 'm.c', '-pass', 'a.lua', '-MD')
    line = re.search(rb'^ \* With the script a\.lua [0-9a-f]{16}\.\n', t.read('m.c'), re.M)
    assert line and t.read('m.c').replace(line[0], b'') == t.read('x/m.c'), t.read('m.c')[:400]
    assert b'a.lua' in t.read('m.d')
    t.write('a.lua', IDLE + '\n')
    t.run(*args, 'm.c', '-pass', 'a.lua')
    assert line[0] not in t.read('m.c')


GELU = """model g {
  input %x : f32[1, 8]
  %a = mul(%x, 0.70710677)
  %b = erf(%a)
  %c = add(%b, 1)
  %d = mul(%x, %c)
  %y = mul(%d, 0.5)
  output %y
}
"""


def test_the_list_of_passes(t):
    """Passes can be added, dropped and moved, within what the pipeline needs."""
    t.write('g.ir', GELU)

    def names(script):
        t.write('a.lua', script)
        return [line.split()[0] for line in t.run('-print-passes', '-pass', 'a.lua').stdout.split('\n\n')[0].splitlines()]

    usual = names('')
    assert usual[:3] == ['canonicalize', 'gelu', 'qdq'] and names('print(#passes())') == usual
    assert names(IDLE).index('p') == usual.index('observe')
    assert names('pass("p", { after = "canonicalize", run = function() end })')[1] == 'p'
    assert names('pass("p", { before = "canonicalize", run = function() end })')[0] == 'p'
    assert names('drop "gelu"') == [n for n in usual if n != 'gelu']
    assert names('move("gelu", { after = "ranges" })')[-1] == 'gelu'
    for script, message in (
            ('drop "gleu"', "there is no pass 'gleu'; did you mean 'gelu'?"),
            ('drop "observe"', "the pass 'observe' is needed, and cannot be dropped"),
            ('move("refine", { before = "io" })', "the pass 'refine' has its place, and cannot be moved"),
            ('move("gelu", { after = "gelu" })', 'a pass cannot be moved to itself'),
            ('move("gelu", {})', 'move takes a place'),
            ('move("gelu", { after = "observe" })', "nothing can come between the passes 'observe' and 'quantize'"),
            ('pass("p", { after = "quantize", run = function() end })', 'nothing can come between'),
            ('pass("p", { after = "x", before = "y", run = function() end })', "'before' and 'after' exclude each other"),
            ('pass("gelu", { run = function() end })', "there is a pass 'gelu' already"),
            ('pass("a b", { run = function() end })', 'a pass has a name of letters'),
            ('pass("p", {})', 'a pass has a function'),
            ('pass("p", { run = 3 })', 'a pass has a function'),
            ('pass("p", { rum = 3 })', "pass has no 'rum'"),
            ('pass("p", { rum = 1, b = 2, zz = 3, mum = 4, a = 5, run = print })', "pass has no 'a'"),
            ('use "nosuch"', "qcc has no script 'nosuch' of its own")):
        t.write('a.lua', script)
        t.fail('g.ir', '-pass', 'a.lua', '-o', 'm.c', message='a.lua:1:1: error: ' + message)
    t.write('a.lua', in_pass('drop "gelu"'))
    t.fail('g.ir', '-quantize', 'none', '-pass', 'a.lua', '-o', 'm.c', message='cannot be changed while a pass runs')


def test_every_list_compiles(t):
    """Whatever may be dropped or moved: the code computes what the graph does."""
    free = ['gelu', 'qdq', 'fuse', 'equalize', 'tables', 'ranges']
    t.tiny()
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-pass', 'a.lua', '-Wno-float-op']
    for name in free + ['refine']:
        t.write('a.lua', f'drop "{name}"')
        t.run(*args, '-verify')
    for name in free:
        for place in ('before = "canonicalize"', 'after = "refine"', 'after = "ranges"'):
            if name not in place:
                t.write('a.lua', f'move("{name}", {{ {place} }})')
                t.run(*args, '-emit', 'ir', '-o', 'm.ir')


def test_passes_are_dumped(t):
    """-dump-after and -stop-after know them, and say what they do not know."""
    t.write('g.ir', GELU)
    t.write('a.lua', 'pass("mine", { after = "gelu", run = function(g) print(g) end })')
    r = t.run('g.ir', '-pass', 'a.lua', '-stop-after', 'mine', '-dump-after', 'mine', '-o', '-')
    assert 'gelu(%x)' in r.stdout and '// after mine' in r.stderr and r.stderr.count('gelu(%x)') == 2, r.stderr
    t.fail('g.ir', '-pass', 'a.lua', '-stop-after', 'nosuch', '-o', '-', message="-stop-after: there is no pass 'nosuch'")


def test_rewrites_that_are_wrong(t):
    """Shown in the script, with the place in the model where there is one; the graph stays as it was."""
    t.write('g.ir', GELU)
    find = 'local x, y = graph:tensor("x"), graph:tensor("y").producer local c = graph:tensor("c")\n'
    for body, message in (
            ('graph:replace(y, "gleu", { x })', "there is no operator 'gleu'; did you mean 'gelu'?"),
            ('graph:replace(y, "gelu", { x, x })', 'gelu takes exactly 1 operand, not 2'),
            ('graph:replace(y, "gelu", { false })', 'operand 1 of gelu is missing'),
            ('graph:replace(y, "gelu", { x }, { aproximate = "tanh" })', "gelu has no attribute 'aproximate'; did you mean 'approximate'?"),
            ('graph:replace(y, "gelu", { x }, { approximate = "exp" })', "the attribute 'approximate' of gelu is \"none\" or \"tanh\", not exp"),
            ('graph:replace(y, "clip", { x }, { min = "1" })', "the attribute 'min' of clip is a number"),
            ('graph:replace(y, "clip", { x }, { min = 0/0 })', "the attribute 'min' of clip is a number"),
            ('graph:replace(y, "softmax", { x }, { axis = 7 })', 'axis'),
            ('graph:replace(y, "reshape", { x }, { shape = { 8 } })', "'y' is f32[1, 8], but reshape gives f32[8]"),
            ('graph:replace(y, "transpose", { x }, { perm = { 0, 0 } })', 'perm'),
            ('graph:replace(y, "transpose", { x }, { perm = { 0, 1.5 } })', "the attribute 'perm' of transpose is a list of integers"),
            ('graph:replace(y, "relu", { y })', 'this rewrite makes the graph invalid and was taken back'),
            ('graph:remove(y)', "'y' is used, and cannot be removed"),
            ('graph:remove(x)', 'remove takes a node, not a tensor'),
            ('graph.remove(y)', 'call it with a colon: graph:remove(...)'),
            ('graph:redirect(y)', 'redirect takes a tensor, not a no value'),
            ('graph:redirect(y, x)', "the output 'y' cannot become 'x'"),
            ('graph:redirect(c, y)', "this rewrite makes the graph invalid and was taken back: operand 'y' of mul is not defined before it"),
            ('graph:set_operand(y, 3, x)', 'mul has 2 operands, there is none 3'),
            ('graph:set_operand(y, 1, false)', 'is missing'),
            ('graph:set_operand(y, 1.5, x)', 'the place of an operand is a whole number, not 1.5'),
            ('graph:set_operand(y)', 'the place of an operand is a whole number, not no value'),
            ('graph:replace(y, {}, { x })', 'an operator is a text, not table'),
            ('graph:constant(0, { shape = { 1.5 } })', 'a dimension is a whole number, not 1.5'),
            ('graph:constant(0, { scale = 1, axis = "x" })', "'axis' is a whole number, not x"),
            ('graph:constant(0, { scale = { {} } })', "'scale' is a number, or a list of them"),
            ('graph:constant(0, { name = {} })', "'name' is a text, not table"),
            ('graph:set(y, { act_min = 1, act_max = 0 })', 'act_min 1 is above act_max 0'),
            ('graph:node("relu", { x })', 'a node alone is used by nothing'),
            ('graph:constant({ 1, 2 }, { shape = { 3 } })', 'a constant of the shape [3] has 3 values, not 2'),
            ('graph:constant({ 1, 300 }, { dtype = "u8" })', '300 is no value of u8'),
            ('graph:constant({ 1, "2" })', 'value 2 of a constant is a string, no number'),
            ('graph:constant(0, { shape = { 1 << 28, 1 << 28 } })', 'a shape beyond the limits'),
            ('for i = 1, 9 do graph:constant(0, { shape = { 1 << 13, 1 << 12 } }) end', 'the scripts make qcc take more than 256 MiB'),
            ('graph:constant(1, { dtype = "f31" })', "there is no element type 'f31'"),
            ('graph:constant(1, { scale = 1, axis = 0 })', 'there is no axis 0'),
            ('graph:rewrite(function() graph:rewrite(function() end) end)', 'a rewrite in a rewrite'),
            ('graph.name = "x"', 'the fields of a graph cannot be set'),
            ('y.name = "x"', 'the fields of a node cannot be set'),
            ('local z = x.nosuch', "a tensor has no 'nosuch'"),
            ('x:values()', "'x' is no constant"),
            ('graph:match("mul(", y)', "in the pattern: expected a pattern at character 5"),
            ('graph:match("mull(%x, %y)", y)', "there is no operator 'mull'"),
            ('graph:match("gelu(%x){ a = 1 }", y)', "gelu has no attribute 'a'"),
            ('graph:match("relu(%x, %x)", y)', 'relu takes at most 1 operands'),
            ('graph:nodes("mull")', "there is no operator 'mull'"),
            ('keep = y.operands[1].producer graph:replace(y, "gelu", { x }) keep = keep.op', 'this node, mul, is not in the graph any more')):
        t.write('a.lua', in_pass(find + body).replace('run', 'after = "canonicalize", run', 1))
        args = ['g.ir', '-quantize', 'none', '-target', 'generic', '-pass', 'a.lua', '-o', 'm.c']
        r = t.fail(*args, message='a.lua:3:')
        assert message in r.stderr and re.search(r'^ *\^~*$', r.stderr, re.M), f'{body}: {r.stderr}'


def test_a_rewrite_is_taken_back(t):
    """Every node, tensor, attribute and name; what went before in the same rewrite, too."""
    t.write('g.ir', GELU)
    t.write('a.lua', """pass("p", { after = "canonicalize", run = function(graph)
  local before = tostring(graph)
  local y, x = graph:tensor("y").producer, graph:tensor("x")
  local ok, message = pcall(graph.rewrite, graph, function()
    local n = graph:node("tanh", { graph:constant(3, { shape = { 1, 8 } }) }, {}, { name = "new", before = y })
    graph:set_operand(y, 2, n)
    graph:set(y, { act_min = 1 })
    graph:replace(graph:tensor("d").producer, "max", { x, n })
    graph:redirect(graph:tensor("c"), y.result)
  end)
  assert(not ok and message:find("was taken back: ", 1, true), message)
  assert(tostring(graph) == before)
  ok, message = pcall(graph.rewrite, graph, function()
    graph:bypass(graph:tensor("b").producer)
    error("not so")
  end)
  assert(not ok and message:find("not so", 1, true), message)
  assert(tostring(graph) == before and not graph:tensor("new"))
  assert(y.attrs.act_min == -math.huge and #y.operands == 2)
end })""")
    t.run('g.ir', '-quantize', 'none', '-target', 'generic', '-pass', 'a.lua', '-verify')


def test_rules_in_a_pass(t):
    """A pass looks at the graph and says how it is quantized; behind observe it is too late."""
    rules = 'for n in graph:nodes("conv2d") do if n.attrs.groups > 1 then node(n.name, { mode = "float" }) end end'
    t.write('a.lua', in_pass(rules))
    args = [DIGITS / 'digits.ir', '-pass', 'a.lua', '-config', 'qnnpack']
    table = t.run(*args, '-print-qconfig').stdout
    assert 'a.lua:2: node' in table and 'histogram' in table, table
    t.run(*args, '-emit', 'ir', '-o', 'm.ir')
    assert ' in_float' in t.read('m.ir').decode()
    t.write('a.lua', 'pass("p", { after = "refine", run = function() default {} end })')
    t.fail(DIGITS / 'digits.ir', '-pass', 'a.lua', '-o', 'm.c', message='the rules of quantization are in use already')


def test_one_script_several_times(t):
    """Two scripts, one of qcc's own, and a configuration, in the order given."""
    t.tiny()
    t.write('a.lua', 'pass("first", { run = function() print("first") end })')
    t.write('b.lua', 'pass("second", { run = function() print("second") end })')
    t.write('c.lua', 'preset "minmax"')
    r = t.run('tiny.ir', '-calib', 'calib.npz', '-pass', 'a.lua', '-pass', 'b.lua', '-pass', 'silu', '-config', 'c.lua', '-target', 'generic',
              '-o', 'm.c')
    assert r.stderr == 'first\nsecond\n', r.stderr
    assert re.search(rb' \* With the script c\.lua \w{16}\.\n.* a\.lua \w+\.\n.* b\.lua \w+\.\n.* silu\.lua \w+\.\n', t.read('m.c'))
    t.fail('tiny.ir', '-pass', 'a.lua', '-pass', 'a.lua', '-o', 'n.c', message="there is a pass 'first' already")


def test_ops_that_no_code_is_made_of(t):
    """A pass behind those that replace them must not leave any."""
    t.write('g.ir', GELU)
    t.write('a.lua', 'pass("p", { after = "ranges", run = function(graph)\n'
            'local y = graph:tensor("y") graph:replace(y.producer, "flatten", { graph:tensor("x") }, { axis = 1 })\nend })')
    t.fail('g.ir', '-quantize', 'none', '-pass', 'a.lua', '-o', 'm.c', message="'y': flatten is left at the end")


SIGMA = 'local sigma = use "sigma"\npreset "minmax"\ndefault { activation = sigma { deviations = 3 } }\n'


def test_statistics_of_an_observer(t):
    """Written, read and put together they are those of the data; what is no state of it is refused."""
    import numpy as np
    x = t.tiny(samples=8)
    t.write('c.lua', SIGMA)
    np.savez(t.dir / 'a.npz', x=x[:3])
    np.savez(t.dir / 'b.npz', x=x[3:])
    args = ['tiny.ir', '-config', 'c.lua', '-target', 'generic', '-name', 'm']
    for name in 'ab':
        t.run(*args, '-calib', name + '.npz', '-emit', 'calibration', '-o', name + '.calib')
    code = []
    for files in (['calib.npz'], ['a.npz', 'b.npz'], ['a.calib', 'b.calib'], ['a.calib', 'b.npz']):
        t.run(*args, *[w for f in files for w in ('-calib', f)], '-o', 'm.c')
        code.append(t.read('m.c'))
    assert code.count(code[0]) == 4
    text = t.read('a.calib').decode()
    assert ': sigma(deviations = 3) {' in text and 'squares = [' in text, text
    t.write('a.calib', text.replace('sum = [', 'sum = [ 1,', 1))
    t.fail(*args, '-calib', 'a.calib', '-o', 'n.c', message="'sum' is a list of one number")
    t.write('a.calib', text.replace('sum = [', 'some = [', 1))
    t.fail(*args, '-calib', 'a.calib', '-o', 'n.c', message="sigma has no statistic 'some'")
    t.write('a.calib', text.replace('= 3)', '= 4)', 1))
    t.fail(*args, '-calib', 'a.calib', '-o', 'n.c', message='deviations')
    t.write('c.lua', 'local o = observer("o", { state = { n = 0 }, observe = function(s, x) s.n = x:max() end,'
                     ' finish = function(s) return 0, s.n end })\ndefault { activation = o {} }')
    for name in 'ab':
        t.run(*args, '-calib', name + '.npz', '-emit', 'calibration', '-o', name + '.calib')
    t.fail(*args, '-calib', 'a.calib', '-calib', 'b.calib', '-o', 'n.c', message='the observer o has no function merge')


def test_observers_of_weights(t):
    """Each channel has a state; so has a whole tensor."""
    t.tiny()
    t.write('c.lua', """local o = observer("o", {
  state = { lo = 0, hi = 0, calls = 0 },
  observe = function(s, x) s.lo, s.hi, s.calls = math.min(s.lo, x:min()), math.max(s.hi, x:max()), s.calls + 1 end,
  finish = function(s) assert(s.calls == 1) return s.lo, s.hi end,
})
default { weight = o { dtype = "s8", symmetric = true, quant_min = -127, quant_max = 127, per_channel = true } }
tuning "none" """)
    t.write('d.lua', 'tuning "none"')
    args = ['tiny.ir', '-calib', 'calib.npz', '-target', 'generic', '-name', 'm', '-o', 'm.c', '-config']
    code = []
    for config in ('c.lua', 'd.lua'):
        t.run(*args, config)
        code.append(re.sub(rb' \* With the script .*\n', b'', t.read('m.c')))
    assert code[0] == code[1]
    t.write('c.lua', t.read('c.lua').replace(b', per_channel = true', b', per_channel = false'))
    t.run(*args, 'c.lua')


def test_definitions_that_are_wrong(t):
    """Of observers."""
    t.tiny()
    body = 'observe = function() end, finish = function() end'
    for text, message in (
            ('observer("minmax", { state = {}, ' + body + ' })', "there is an observer 'minmax' already"),
            ('observer("a b", { state = {}, ' + body + ' })', "an observer's name is a word"),
            ('observer("o", { state = {}, finish = print })', 'an observer has a function: observe = '),
            ('observer("o", { state = {}, merge = 3, ' + body + ' })', 'an observer has a function: merge = '),
            ('observer("o", { stat = {}, ' + body + ' })', "observer has no 'stat'"),
            ('observer("o", { state = { "x" }, ' + body + ' })', 'parts of the state have names'),
            ('observer("o", { state = { samples = 0 }, ' + body + ' })', "'samples' is no name of a part of the state"),
            ('observer("o", { state = { x = "y" }, ' + body + ' })', "the state 'x' of an observer holds finite numbers, not y"),
            ('observer("o", { state = { x = { 1, {} } }, ' + body + ' })', "the state 'x' of an observer holds finite numbers, not table"),
            ('observer("o", { state = {}, params = { x = true }, ' + body + ' })', "the parameter 'x' has a number for its default"),
            ('local o = observer("o", { state = {}, params = { x = 1 }, ' + body + ' }) default { activation = o { y = 2 } }', "o has no 'y'")):
        t.write('a.lua', text)
        r = t.fail('tiny.ir', '-calib', 'calib.npz', '-pass', 'a.lua', '-o', 'm.c', message='a.lua:1:')
        assert message in r.stderr, f'{text}: {r.stderr}'
    t.write('a.lua', 'local o = observer("o", { state = { n = 0 }, observe = function(s) s.m = 1 end, finish = function() end })\n'
            'default { activation = o {} }')
    t.fail('tiny.ir', '-calib', 'calib.npz', '-pass', 'a.lua', '-o', 'm.c', message="the state of the observer o has no 'm'")


def test_an_error_is_said_where_the_pipeline_runs_twice(t):
    """-print-qconfig runs the passes beforehand, in silence."""
    t.tiny()
    t.write('a.lua', in_pass('nosuch()'))
    for more in ([], ['-o', 'm.c']):
        r = t.fail('tiny.ir', '-calib', 'calib.npz', '-pass', 'a.lua', '-print-qconfig', *more, message="there is no 'nosuch'")
        assert r.stderr.count('error:') == 1, r.stderr


def test_many_rewrites(t):
    """Checks of the verifier do not count as the script's time, up to a limit."""
    lines = ['model m {', '  input %x : f32[1, 8]'] + [f'  %t{i} = neg(%{f"t{i - 1}" if i else "x"})' for i in range(400)]
    t.write('m.ir', '\n'.join(lines + ['  output %t399', '}']) + '\n')
    t.write('a.lua', in_pass('for n in graph:nodes("neg") do graph:replace(n, "abs", n.operands) end'))
    out = t.run('m.ir', '-quantize', 'none', '-pass', 'a.lua', '-script-seconds', '12', '-stop-after', 'p', '-o', '-').stdout
    assert out.count('abs(') == 400, out[:400]


if __name__ == '__main__':
    sys.exit(main(globals()))
