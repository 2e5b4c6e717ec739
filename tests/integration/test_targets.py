#!/usr/bin/env python3
"""Lists of targets: one file, and the function that chooses among its variants for the CPU."""
import itertools
import re
import shutil
import subprocess

from harness import main
from test_emitted import FLOATS, INTEGERS, STRICT, command

X86 = ['x86-64-v3', 'x86-64-v3+avxvnni', 'x86-64-v4', 'x86-64-v4+avx512vnni']
ARM = ['arm64', 'arm64+dotprod', 'arm64+i8mm']
MODELS = {'integers': INTEGERS, 'floats': FLOATS}
ARM_CC, ARM_RUN = 'aarch64-linux-gnu-gcc', ['qemu-aarch64', '-L', '/usr/aarch64-linux-gnu']

# Prints the variant that is chosen, or none, and whether each that is given by number computes what generic does.
PROGRAM = r'''
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if HWCAPS
#define ASK net_select(strtoul(argv[1], NULL, 16), strtoul(argv[2], NULL, 16))
#else
#define ASK net_select()
#endif
int main(int argc, char **argv) {
  net_run_function chosen = ASK;
  const char *name = "none";
  (void)argc;
  (void)argv;
  (void)chosen;
%s
  puts(name);
  return 0;
}
'''


def c_name(target):
    return 'net_run_' + re.sub(r'\W', '_', target)


def program(names):
    """The text of main.c."""
    tests = []
    for name in names:
        guard = {'x': '__x86_64__', 'a': '__aarch64__'}.get(name[0])
        line = f'  if (chosen == {c_name(name)}) name = "{name}";'
        tests.append(f'#if defined({guard})\n{line}\n#endif' if guard else line)
    return '#include "net.h"\n' + PROGRAM % '\n'.join(tests)


def emit(t, targets, model='integers'):
    """net.c and main.c in a fresh folder."""
    folder = t.dir / (model + '-' + '-'.join(targets))
    folder.mkdir()
    t.write(f'{model}.ir', MODELS[model])
    t.run(f'{model}.ir', '-quantize', 'none', '-target', ','.join(targets), '-name', 'net', '-o', folder / 'net.c')
    (folder / 'main.c').write_text(program(targets))
    return folder


def build(folder, *cc):
    """The program's path."""
    hwcaps = int('hwcap' in (folder / 'net.h').read_text())
    command(*cc, *STRICT, '-O1', f'-DHWCAPS={hwcaps}', '-o', folder / 'program', folder / 'net.c', folder / 'main.c')
    return folder / 'program'


def chosen(path, *args, on=()):
    """What the program says."""
    r = subprocess.run([*on, path, *args], capture_output=True, text=True, check=False, timeout=60)
    assert r.returncode == 0, f'{on} {path} ended with {r.returncode}: {r.stderr}'
    return r.stdout.strip()


def have(t, *tools):
    """Whether all are there; what is not is said."""
    missing = [tool for tool in tools if not shutil.which(tool)]
    if missing:
        print(f'left out: no {", ".join(missing)}')
    return not missing


def test_any_list_compiles_without_a_word(t):
    """On CPUs that have variants in it, and on those that have none."""
    lists = [X86, [*ARM, 'generic', 'x86-64-v3'], ['x86-64-v4+avx512vnni', 'arm64+i8mm']]
    compilers = [['gcc', '-std=c99'], ['clang', '-std=gnu17'], [ARM_CC, '-std=c11']]
    if have(t, ARM_CC):
        compilers.append(['clang', '--target=aarch64-linux-gnu', '-isystem', '/usr/aarch64-linux-gnu/include'])
    for targets, model in itertools.product(lists, MODELS):
        folder = emit(t, targets, model)
        for cc in compilers:
            if have(t, cc[0]):
                made = ['-O1', '-o', folder / 'net.o'] if cc[0] == 'gcc' else ['-fsyntax-only']
                command(*cc, *made, *STRICT, '-c', folder / 'net.c')
        symbols = command('nm', folder / 'net.o').split('\n')
        assert not [s for s in symbols if ' U ' in s], symbols
        offered = {s.split()[-1] for s in symbols if ' T ' in s}
        assert offered == {c_name(n) for n in targets if n[0] != 'a'} | {'net_select'}, offered


def test_a_single_target_is_named_as_always(t):
    folder = emit(t, ['generic'])
    text = (folder / 'net.h').read_text() + (folder / 'net.c').read_text()
    assert 'net_select' not in text and 'int net_run(const' in text and '#if defined(__x86_64__)' not in text


def test_variants_share_what_is_equal(t):
    """A constant of two variants stands once, and so do operations; what differs has two names."""
    folder = emit(t, X86[:2])
    text = (folder / 'net.c').read_text()
    assert len(re.findall(r'^V_VEC v_s32 v_splat_s32\(', text, re.M)) == 1
    text = (emit(t, [X86[0], X86[3]]) / 'net.c').read_text()
    for isa, upper in ('avx2', 'AVX2'), ('avx512vnni', 'AVX512VNNI'):
        assert len(re.findall(f'^V_{upper}_VEC v_{isa}_s32 v_{isa}_splat_s32\\(', text, re.M)) == 1
    assert 'v_splat_s32(' not in text and len(re.findall(r'^V_BYTES uint64_t v_get_bytes\(', text, re.M)) == 1
    size = {}
    for targets in [X86[:1], X86[1:2], X86[:2]]:
        header = (emit(t, targets, 'floats') / 'net.h').read_text()
        size[len(targets), targets[0]] = int(re.search(r'NET_CONSTANTS_SIZE (\d+)', header).group(1))
    assert size[2, X86[0]] == size[1, X86[0]] == size[1, X86[1]], size


def test_workspace_is_enough_for_all(t):
    header = (emit(t, ['generic', 'x86-64-v4']) / 'net.h').read_text()
    one = int(re.search(r'NET_WORKSPACE_SIZE (\d+)', header).group(1))
    each = [int(n) for n in re.findall(r'NET_WORKSPACE_SIZE_\w+ (\d+)', header)]
    assert len(each) == 2 and one == max(each)


def test_the_best_that_this_cpu_runs(t):
    """Whatever the order of the list. qcc's own look at the CPU says the same."""
    rows = t.run('-print-targets').stdout
    here = [n for n in X86 if re.search(f'^{re.escape(n)} .*runs here', rows, re.M)]
    native = re.search('^(\\S+) .*runs here: native$', rows, re.M).group(1)
    for targets in [['generic', *X86], [*reversed(X86), 'generic'], X86[1:3], X86[:2]]:
        best = [n for n in X86 if n in here and n in targets]
        want = best[-1] if best else 'generic' if 'generic' in targets else 'none'
        assert chosen(build(emit(t, targets), 'gcc')) == want
    t.run('integers.ir', '-quantize', 'none', '-target', 'native', '-o', 'n.c')
    assert f' * for {native} (' in t.read('n.c').decode()


def test_old_cpus_meet_nothing_that_they_lack(t):
    """In qemu, which stops at an illegal instruction."""
    if not have(t, 'qemu-x86_64'):
        return
    cpus = {'Nehalem': None, 'Haswell': 'x86-64-v3', 'max': 'x86-64-v3'}
    for targets in [X86, ['x86-64-v4', 'generic', 'x86-64-v3']]:
        path = build(emit(t, targets), 'gcc', '-static')
        for cpu, want in cpus.items():
            nothing = 'generic' if 'generic' in targets else 'none'
            assert chosen(path, on=['qemu-x86_64', '-cpu', cpu]) == (want or nothing), cpu


def test_arm_goes_by_hwcaps(t):
    """Which the caller passes: 0 where they are not known."""
    if not have(t, ARM_CC, ARM_RUN[0]):
        return
    path = build(emit(t, ['arm64+i8mm', 'x86-64-v3', 'arm64', 'arm64+dotprod']), ARM_CC)
    dotprod, i8mm = f'{1 << 20:x}', f'{1 << 13:x}'
    for hwcaps, want in {('0', '0'): 'arm64', (dotprod, '0'): 'arm64+dotprod', (dotprod, i8mm): 'arm64+i8mm',
                         ('0', i8mm): 'arm64', ('ffefffff', 'ffffffff'): 'arm64'}.items():
        assert chosen(path, *hwcaps, on=ARM_RUN) == want, hwcaps
    path = build(emit(t, ['x86-64-v3', 'x86-64-v4']), ARM_CC)
    assert chosen(path, on=ARM_RUN) == 'none'


def test_verify_takes_each(t):
    """In the file that holds them all; what cannot be run here is said."""
    t.write('integers.ir', INTEGERS)
    rows = t.run('-print-targets').stdout
    r = t.run('integers.ir', '-quantize', 'none', '-verify', '-target', 'generic,' + ','.join(X86), '-name', 'net')
    lines = r.stdout.rstrip().split('\n')
    assert len(lines) == 1 + len(X86)
    for name, line in zip(['generic', *X86], lines):
        if re.search(f'^{re.escape(name)} .*runs here', rows, re.M):
            assert re.fullmatch(f'verify: {re.escape(name)}: \\d+ inputs, 0 mismatches', line), line
        else:
            assert line.startswith(f'verify: {name}: not run: this machine lacks '), line


if __name__ == '__main__':
    raise SystemExit(main(globals()))
