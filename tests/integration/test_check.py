#!/usr/bin/env python3
"""What libclang makes of emitted C: all of it is taken, and a planted fault of each kind is refused, with its place."""
import os
import re
import subprocess
import sys
import tempfile

from harness import DIGITS, TINY, main

TARGETS = ['generic', 'x86-64-v3', 'x86-64-v3+avxvnni', 'x86-64-v4', 'x86-64-v4+avx512vnni', 'arm64', 'arm64+dotprod', 'arm64+i8mm']
LIST = 'generic,x86-64-v3,x86-64-v4+avx512vnni,arm64,arm64+i8mm'
# first line of what the run function does
BODY = '  if (((uintptr_t)workspace'


def emitted(t, target, *options):
    """m.c and m.h of a model with tables of some size; returns the text."""
    t.run(t.digits, '-target', target, '-o', 'm.c', *options)
    return t.read('m.c').decode()


def refuse(t, text, message, line=None, caret=None, target=None):
    """-check of a text that was m.c: the message, at the line that holds `line`, with a caret under `caret`."""
    t.write('m.c', text)
    args = ['-check', 'm.c'] + (['-target', target] if target else [])
    stderr = t.fail(*args, message=message).stderr
    if line:
        number = text[:text.index(line)].count('\n') + 1
        assert f'm.c:{number}:' in stderr, f'not at line {number}:\n{stderr}'
    if caret:
        lines = stderr.split('\n')
        at = next(i for i, s in enumerate(lines) if re.match(r' *\^~*$', s))
        marked = lines[at - 1][lines[at].index('^'):][:len(lines[at].strip())]
        assert marked == caret, f'the caret is under {marked!r}:\n{stderr}'


def plant(text, line, before=BODY):
    """A line into the run function."""
    assert before in text
    return text.replace(before, line + '\n' + before, 1)


def test_every_target_and_option(t):
    """Nothing that qcc emits is refused, and what was written passes -check by what it says of itself."""
    t.write('tiny.ir', TINY)
    for target in TARGETS + [LIST]:
        for options in ([], ['-threads', '-instrument', '-weights', 'incbin', '-max-workspace', '24K'], ['-runtime', 'include']):
            if ',' in target and '-runtime' in options:
                continue
            r = t.run(t.digits, '-target', target, '-o', 'm.c', '-v', *options)
            assert re.search(r'^stack about \d+ bytes: m_run\w* -> ', r.stderr, re.M), r.stderr
            t.run('-check', 'm.c')
        t.run('tiny.ir', '-target', target, '-quantize', 'none', '-Wno-float-model', '-o', 'm.c')
    t.run(t.digits, '-weights', 'obj', '-target', 'arm64', '-o', 'm.c')
    t.run(t.digits, '-layout', 'nhwc', '-io', 'quantized', '-o', 'm.c')
    assert 'digits_run' in t.run(t.digits, '-o', '-').stdout


def test_warnings(t):
    """Those of -Wall, -Wextra and -Wpedantic, and errors, on the host's target and on another one."""
    for target in ('x86-64-v3', 'arm64'):
        text = emitted(t, target)
        refuse(t, plant(text, '  int unused;'), "unused variable 'unused' [-Wunused-variable]", '  int unused;', 'unused')
        refuse(t, plant(text, '  if (in == out) return 1;'), '[-Wcompare-distinct-pointer-types]', '  if (in ==')
        refuse(t, plant(text, '  nothing();'), "implicit declaration of function 'nothing'", '  nothing();', 'nothing')
        refuse(t, plant(text, '  int a = ;'), 'expected expression', '  int a = ;')
        refuse(t, text + 'int m_extra(int a) { return a < 1u; }\n', '[-Wsign-compare]', 'int m_extra')
        refuse(t, text + 'const int m_empty[0];\n', '[-Wzero-length-array]', 'const int m_empty')
        refuse(t, text.replace('#include "m.h"', '#include "m.h"\n#include <string.h>'), "'string.h' file not found", '#include <string.h>')


def test_calls(t):
    """What is called must be the file's, an instruction of the target's code, or a callback."""
    text = emitted(t, 'x86-64-v3')
    declared = text.replace('#include <float.h>', 'int puts(const char *s);\n#include <float.h>', 1)
    refuse(t, plant(declared, '  puts("");'), "'m_run' calls 'puts', which is not a function of the file", '  puts("");', 'puts')
    allocating = text.replace('#include <float.h>', 'void *malloc(size_t n);\nvoid free(void *p);\n#include <float.h>', 1)
    refuse(t, plant(allocating, '  free(malloc(8));'), "'m_run' calls 'malloc', which is not a function of the file")
    refuse(t, plant(declared, '  int (*const say)(const char *) = puts;\n  (void)say;'),
           "'m_run' takes the address of 'puts', which is not a function of the file", '= puts', 'puts')
    refuse(t, plant(text, '  (void)__builtin_alloca(64);'), "'m_run' calls '__builtin_alloca', which is none of the instructions", '__builtin_alloca(64)',
           '__builtin_alloca')
    refuse(t, plant(text, '  __builtin_trap();'), "calls '__builtin_trap', which is none of the instructions")
    refuse(t, plant(text, '  _mm_pause();'), "calls '_mm_pause', which is none of the instructions", '  _mm_pause();', '_mm_pause')
    builtin = text.replace('#include <float.h>', 'void __builtin_mine(void);\n#include <float.h>', 1)
    refuse(t, plant(builtin, '  __builtin_mine();'), "calls '__builtin_mine', which is not a function of the file")
    refuse(t, text + 'int m_by(int (*f)(int)) { return f(1); }\n', "'m_by' calls a pointer of type int (*)(int)", 'int m_by')
    refuse(t, text + 'typedef struct {\n  int (*f)(int);\n} m_table;\nint m_of(const m_table *t) { return t->f(1); }\n',
           "'m_of' calls a pointer that is no callback", 'int m_of')
    refuse(t, emitted(t, 'arm64').replace('  int32x4_t', '  int32x4_t', 1) + 'int m_nop(void) { __builtin_arm_wfi(); return 0; }\n',
           "calls '__builtin_arm_wfi', which is none of the instructions")


def test_recursion(t):
    """Of one function, of several, and through a pointer that is handed on."""
    text = emitted(t, 'generic')
    refuse(t, text + 'int m_self(int n) { return n ? m_self(n - 1) : 0; }\n', 'recursion: m_self -> m_self', 'int m_self', 'm_self')
    refuse(t, text + 'int m_even(int n);\nint m_odd(int n) { return n ? m_even(n - 1) : 0; }\n'
           'int m_even(int n) { return n ? m_odd(n - 1) : 1; }\n', 'recursion: m_odd -> m_even -> m_odd', 'int m_even(int n) {')
    refuse(t, text + 'int m_self(int n) {\n  int (*const p)(int) = m_self;\n  return n && p ? m_self(n - 1) : 0;\n}\n', 'recursion: m_self -> m_self',
           '  return n && p', 'm_self')
    threads = emitted(t, 'generic', '-threads')
    task = 'static void m_again(void *context, int i);\n' \
           'static void m_go(m_parallel_for parallel_for, void *pool) { parallel_for(pool, m_again, NULL, 1); }\n' \
           'static void m_again(void *context, int i) {\n  (void)i;\n  m_go((m_parallel_for)0, context);\n}\n' \
           'void m_start(void) { m_again(NULL, 0); }\n'
    refuse(t, threads + task, 'recursion: m_go -> m_again -> m_go')


def test_state(t):
    """Variables of the file and static ones are const."""
    text = emitted(t, 'generic')
    refuse(t, text + 'int m_count;\n', "'m_count' is state", 'int m_count', 'm_count')
    refuse(t, text + 'const char *m_name = "";\n', "'m_name' is state", 'const char *m_name', 'm_name')
    refuse(t, text + 'extern int m_elsewhere;\n', "'m_elsewhere' is state")
    refuse(t, text + 'static int *const m_list = (int[]){1, 2};\nint m_next(int i) { return m_list[i]++; }\n', "is state: a compound literal of the file",
           'static int *const')
    refuse(t, text + 'static const struct {\n  int *p;\n} m_s[2] = {{0}, {(int[]){1}}};\nint m_next(int i) { return (*m_s[i].p)++; }\n',
           "is state: a compound literal of the file", '} m_s[2]')
    refuse(t, text + 'int m_get(void) {\n  extern int elsewhere;\n  return elsewhere;\n}\n', "'elsewhere' is state", '  extern int', 'elsewhere')
    refuse(t, text + 'static __thread int m_mine;\nint m_next(void) { return m_mine++; }\n', "'m_mine' is state", 'static __thread', 'm_mine')
    refuse(t, plant(text, '  static int runs;\n  (void)runs;'), "'runs' is state: a static variable that is not const", '  static int runs', 'runs')
    refuse(t, plant(text, '  static int runs[2][2];\n  (void)runs;'), "'runs' is state")
    t.write('m.c', plant(text, '  static const int runs[2][2] = {{1, 2}, {3, 4}};\n  (void)runs;'))
    t.run('-check', 'm.c')


def test_arrays_of_variable_length(t):
    text = emitted(t, 'generic') + 'int m_vla(int n) {\n  char a[n];\n  return (int)sizeof a;\n}\n'
    refuse(t, text, "'a' is an array of variable length", '  char a[n]', 'a')


def test_assembler(t):
    """That of the target's code alone."""
    text = emitted(t, 'x86-64-v3')
    refuse(t, plant(text, '  __asm__ volatile("call puts");'), 'assembler that the target\'s code is not made of: "call puts"',
           '  __asm__ volatile("call', '__asm__')
    refuse(t, text + '__asm__(".globl puts");\n', 'assembler that the target\'s code is not made of')
    refuse(t, text + '#define A __asm__\nA(".globl puts");\n', 'assembler that the target\'s code is not made of', '#define A', '__asm__')
    refuse(t, text + '#define A(x, y) x##y\nA(__as, m__)(".globl puts");\n', 'a directive that could hide what the code does: ##', '#define A', 'define')


def test_what_hides(t):
    """Attributes that call, and directives that turn warnings off or move the file to elsewhere."""
    for target in ('generic', 'arm64'):
        text = emitted(t, target)
        refuse(t, text + 'static void m_end(int *p) { (*p)++; }\nint m_f(void) {\n  int x __attribute__((cleanup(m_end))) = 3;\n  return x;\n}\n',
               "the attribute 'cleanup' is none of the emitted code's", '  int x __attr', 'cleanup')
        refuse(t, text + 'void m_first(void);\n__attribute__((constructor)) void m_first(void) {}\n', "the attribute 'constructor'", '__attribute__((con',
               'constructor')
        refuse(t, text + '#pragma GCC diagnostic ignored "-Wunused-parameter"\nint m_f(int n) { return 0; }\n',
               'a directive that could hide what the code does: pragma GCC diagnostic ignored', '#pragma GCC diagnostic ignored "-Wunused-p', 'pragma')
        refuse(t, text + '# 1 "m.h" 3\nint m_count;\n', 'a directive that could hide what the code does: line', '# 1 "m.h"', '1')


def test_tables(t):
    """Large ones are not clang's to read: what is wrong in them is found all the same, at its place, and so is what follows."""
    text = emitted(t, 'generic')
    tables = [(len(m[1]), m.start(1)) for m in re.finditer(r'static const int8_t \w+\[\] v_aligned =\n    (".*?");\n\n', text, re.S)]
    size, at = max(tables)
    assert size > 5000
    at += 1
    refuse(t, text[:at] + r'\400' + text[at:], 'octal escape sequence out of range', '"\\400')
    refuse(t, text.replace('-Woverlength-strings', '-Wunused'), '[-Woverlength-strings]')
    numbers = ', '.join(['1'] * 3000)
    for body, message in ((numbers + ', 300', 'implicit conversion'), (numbers + ', x', "use of undeclared identifier 'x'"),
                          (numbers + ', 1, 2', 'excess elements in array initializer')):
        refuse(t, text + f'const int8_t m_table[3001] = {{{body}}};\n'.replace('const int8_t m_table', 'extern const int8_t m_table[3001];\nconst int8_t m_table'),
               message)
    refuse(t, text + f'static const int32_t m_table[3000] = {{\n    {numbers}\n}};\n', "unused variable 'm_table'", 'static const int32_t m_table', 'm_table')


def test_stack(t):
    """The estimate grows with a function's variables; blocks that do not live at once count once."""
    def bytes_of(text):
        t.write('m.c', text)
        return int(re.search(r'stack about (\d+) bytes: m_deep -> m_leaf', t.run('-check', '-v', 'm.c').stderr)[1])

    text = emitted(t, 'generic') + 'static int m_leaf(int n) {\nBLOCKS  return n;\n}\nint m_deep(void) { return m_leaf(3); }\n'
    block = '  {\n    int a[5000] = {0};\n    n += a[n];\n  }\n'
    assert bytes_of(text.replace('BLOCKS', block)) == 20004
    assert bytes_of(text.replace('BLOCKS', block + block)) == 20004
    nested = block.replace('int a', 'int b').replace('a[n]', 'b[n]').replace('  }\n', block + '  }\n')
    assert bytes_of(text.replace('BLOCKS', nested)) == 40004
    assert bytes_of(text.replace('BLOCKS', '  n += ((const int[5000]){1})[n];\n')) == 20004
    large = text.replace('BLOCKS', block.replace('5000', '40000'))
    refuse(t, large, 'about 160004 bytes of stack, more than 131072: m_leaf', 'static int m_leaf', 'm_leaf')
    r = t.run(t.digits, '-emit', 'report')
    assert re.search(r'^stack       about \d+ bytes: \w+_run -> ', r.stdout, re.M), r.stdout


def test_command_line(t):
    """-check needs a file, and a target: its own, or -target's."""
    text = emitted(t, 'generic')
    t.fail('-check', 'none.c', message='none.c: error:')
    t.fail('-check', 'm.c', '-o', 'x.c', code=2, message='-check checks a C file and does nothing else')
    t.fail('-check', '-no-check', 'm.c', code=2, message='-check and -no-check exclude each other')
    t.fail('-check', 'm.c', '-target', 'arm', code=2, message="unknown target 'arm'")
    t.write('m.c', text.replace(' * for generic', ' * of generic'))
    t.fail('-check', 'm.c', message='does not say what it is for: -target T', code=2)
    t.run('-check', 'm.c', '-target', 'arm64')
    os.unlink(t.dir / 'm.h')
    t.fail('-check', 'm.c', '-target', 'arm64', message="'m.h' file not found")
    t.run(t.digits, '-no-check', '-target', 'generic', '-o', 'm.c')
    assert t.read('m.c').decode() == text
    assert 'the C is not checked' in t.run(t.digits, '-no-check', '-v', '-o', 'm.c').stderr


def built_without_libclang(qcc):
    """Then it says so where it is asked to check, and writes C all the same."""
    with tempfile.TemporaryDirectory() as folder:
        def run(*args):
            return subprocess.run([qcc, *args], cwd=folder, capture_output=True, text=True, check=False)
        r = run(str(DIGITS / 'digits.ir'), '-v', '-o', 'm.c')
        assert r.returncode == 0, r.stderr
        if 'the C is not checked: qcc was built without libclang' not in r.stderr:
            return False
        r = run('-check', 'm.c')
        assert r.returncode == 1 and 'this qcc was built without libclang' in r.stderr and 'libclang-14-dev' in r.stderr, r.stderr
        return True


if __name__ == '__main__':
    if built_without_libclang(os.path.abspath(sys.argv[1])):
        print('skipped: this qcc was built without libclang')
        sys.exit(77)
    sys.exit(main(globals()))
