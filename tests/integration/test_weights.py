#!/usr/bin/env python3
"""-weights: constants in a file of their own, by the assembler or the linker."""
import shutil

from harness import DIGITS, main
from test_emitted import STRICT, command

FILES = {'string': [], 'incbin': ['m.bin'], 'obj': ['m_weights.o']}
MAIN = r'''
#include "one.h"
#include "two.h"
#include <stdio.h>
#include <string.h>
static _Alignas(64) unsigned char workspace[ONE_WORKSPACE_SIZE];
static float image[ONE_IMAGE_SIZE], logits[2][ONE_LOGITS_SIZE];
int main(void) {
  one_inputs in = {image};
  one_outputs out = {logits[0]};
  two_inputs in2 = {image};
  two_outputs out2 = {logits[1]};
  for (int i = 0; i < ONE_IMAGE_SIZE; i++) image[i] = (float)(i % 17) / 17;
  if (one_run(&in, &out, workspace) || two_run(&in2, &out2, workspace)) return 1;
  puts(memcmp(logits[0], logits[1], sizeof logits[0]) ? "differ" : "equal");
  return 0;
}
'''


def compilers():
    return [c for c in ('gcc', 'clang') if shutil.which(c)]


def test_files(t):
    """Which there are, that the depfile names them, and that they take the weights out of the C file."""
    size = {}
    for kind, more in FILES.items():
        t.run(t.digits, '-target', 'x86-64-v3', '-weights', kind, '-o', f'{kind}/m.c', '-MD', code=1)  # no such folder
        (t.dir / kind).mkdir()
        t.run(t.digits, '-target', 'x86-64-v3', '-weights', kind, '-o', f'{kind}/m.c', '-MD')
        assert sorted(p.name for p in (t.dir / kind).iterdir()) == sorted(['m.c', 'm.h', 'm.d', *more])
        assert all(f'{kind}/{name}' in t.read(f'{kind}/m.d').decode().split(':')[0] for name in more)
        size[kind] = len(t.read(f'{kind}/m.c'))
    assert t.read('string/m.h') == t.read('incbin/m.h') == t.read('obj/m.h')
    assert 2 * size['incbin'] < size['string'] and 2 * size['obj'] < size['string'], size
    assert len(t.read('incbin/m.bin')) % 64 == 0 and t.read('incbin/m.bin') in t.read('obj/m_weights.o')


def test_two_models_in_one_program(t):
    """Built from another folder, by each compiler, position independent or not, without a warning."""
    t.write('main.c', MAIN)
    (t.dir / 'build').mkdir()
    plain, every = [['-O0', '-std=c11']], [['-O1', '-std=c11'], ['-O0', '-fPIC'], ['-O0', '-static', '-fno-pie']]
    for one, two, ways in ('incbin', 'obj', every), ('string', 'incbin', plain):
        for name, kind in ('one', one), ('two', two):
            t.run(t.digits, '-target', 'x86-64-v3', '-weights', kind, '-o', f'{name}.c')
        objects = [f'{n}_weights.o' for n, k in (('one', one), ('two', two)) if k == 'obj']
        for cc in compilers():
            for flags in ways:
                command(cc, *flags, *STRICT, f'-I{t.dir}', t.dir / 'main.c', t.dir / 'one.c', t.dir / 'two.c',
                        *(t.dir / o for o in objects), '-o', t.dir / 'build' / 'main', cwd=t.dir / 'build')
                assert command(t.dir / 'build' / 'main') == 'equal\n', (one, two, cc, flags)


def test_the_path_can_be_given(t):
    """By a macro, where the file does not lie beside the C file; without it the assembler says what it misses."""
    t.run(t.digits, '-target', 'x86-64-v3', '-weights', 'incbin', '-o', 'm.c')
    (t.dir / 'm.bin').rename(t.dir / 'other.bin')
    command('cc', '-c', f'-DM_WEIGHTS_FILE="{t.dir}/other.bin"', t.dir / 'm.c', '-o', t.dir / 'm.o')


def test_the_same_bits(t):
    for target, kind in ('x86-64-v3', 'obj'), ('generic', 'incbin'), ('arm64', 'obj'), ('arm64+dotprod', 'incbin'):
        if target.startswith('arm') and not (shutil.which('qemu-aarch64') and shutil.which('aarch64-linux-gnu-gcc')):
            print('left out: no compiler or runner for ARM')
            continue
        out = t.run(t.digits, '-target', target, '-weights', kind, '-verify').stdout
        assert ' 0 mismatches' in out, out
    for model, options in (DIGITS / 'digits.ir', ['-target', 'generic', '-quantize', 'none']), (t.digits, ['-target', 'x86-64-v3,arm64,generic']):
        r = t.run(model, *options, '-weights', 'incbin', '-o', 'l.c')
        command('cc', '-O0', *STRICT, f'-I{t.dir}', '-c', t.dir / 'l.c', '-o', t.dir / 'l.o')
        assert not r.stderr, r.stderr


def test_errors(t):
    for options, message in (
            (['-weights', 'incbin', '-o', '-'], "-weights makes a second file: it needs -o FILE.c, not '-'"),
            (['-weights', 'obj', '-target', 'generic'], "-weights obj is for one architecture (-weights incbin for any), "
                                                        "not for 'generic'"),
            (['-weights', 'obj', '-target', 'x86-64-v3,arm64'], "not for 'arm64'"),
            (['-weights', 'string', '-weights', 'file'], "unknown value 'file' of -weights"),
            (['-weights', 'incbin', '-o', 'm.c', '-MF', 'm.bin'], "two outputs have the same name 'm.bin'")):
        t.fail(t.digits, *options, code=2, message=message)
    assert t.files() == []


if __name__ == '__main__':
    raise SystemExit(main(globals()))
