#!/usr/bin/env python3
"""-threads and -instrument: what is added, with the pool of the examples, under the thread sanitizer."""
import re
import shutil
import subprocess

from harness import ROOT, main
from test_emitted import FLOATS, INTEGERS, STRICT, command

THREADS = ROOT / 'examples' / 'threads'

LAYERS = r'''
#include "digits.h"
#include <stdio.h>
static _Alignas(64) unsigned char workspace[DIGITS_WORKSPACE_SIZE];
static float image[DIGITS_IMAGE_SIZE], logits[DIGITS_LOGITS_SIZE];
static void tell(void *user, int layer, int done) {
  if (!done) printf("%s %s %lld\n", digits_layers[layer].name, digits_layers[layer].op, digits_layers[layer].macs);
  if (done) printf("%d %s\n", layer, (const char *)user);
}
int main(void) {
  digits_inputs in = {image};
  digits_outputs out = {logits};
  return digits_run_layers(&in, &out, workspace, tell, "done");
}
'''


def demo(t, *cc):
    """The example, as its README has it."""
    t.run(t.digits, '-threads', '-o', 'digits.c')
    command(*cc, *STRICT, '-pthread', f'-I{THREADS}', f'-I{t.dir}', THREADS / 'demo.c', THREADS / 'pool.c',
            t.dir / 'digits.c', '-o', t.dir / 'demo')
    return t.dir / 'demo'


def test_the_example(t):
    """The same bits with 1 to 8 threads; each README line is one that is run here."""
    out = command(demo(t, 'cc', '-O2'), 8, 20)
    assert re.fullmatch(r'(\d threads: \d+ us, the same bits\n){8}', out), out
    readme = (THREADS / 'README.md').read_text()
    assert 'qcc examples/digits/digits.ir -threads -o digits.c' in readme and '-pthread' in readme


def test_no_races(t):
    """clang's thread sanitizer ends the program with an error where there is one."""
    cc = next((c for c in ('clang', 'gcc') if shutil.which(c)), 'cc')
    t.write('empty.c', 'int main(void) { return 0; }\n')
    flags = ['-O1', '-fsanitize=thread']
    built = subprocess.run([cc, *flags, t.dir / 'empty.c', '-o', t.dir / 'empty'], check=False, capture_output=True)
    if built.returncode or subprocess.run([t.dir / 'empty'], check=False, capture_output=True).returncode:
        print('left out: no thread sanitizer here')
        return
    out = command(demo(t, cc, *flags), 8, 3)
    assert out.count('the same bits') == 8, out


def test_layers(t):
    """Each begins and ends once, in order; the multiply-accumulates are the model's."""
    t.run(t.digits, '-instrument', '-o', 'digits.c')
    t.write('main.c', LAYERS)
    command('cc', '-O1', *STRICT, t.dir / 'main.c', t.dir / 'digits.c', '-o', t.dir / 'main')
    lines = command(t.dir / 'main').rstrip().split('\n')
    assert [line for line in lines if line.endswith(' done')] == [f'{i} done' for i in range(len(lines) // 2)]
    assert lines[1::2] == [f'{i} done' for i in range(len(lines) // 2)]
    header, code = (t.read(f'digits.{s}').decode() for s in 'hc')
    assert f'#define DIGITS_LAYERS {len(lines) // 2}\n' in header
    macs = sum(int(line.split()[-1]) for line in lines[::2])
    assert f' * {macs} multiply-accumulates' in code
    assert any(line.startswith('stem.conv conv2d ') or 'conv2d' in line for line in lines), lines


def test_absent_unless_asked_for(t):
    t.run(t.digits, '-o', 'digits.c')
    text = t.read('digits.c') + t.read('digits.h')
    assert not re.search(rb'parallel_for|layer_callback|part_begin|_layers', text)


def test_verify_does_all_of_them(t):
    """The parts in another order, and with callbacks, in one file of a list too."""
    for name, text in ('integers', INTEGERS), ('floats', FLOATS):
        t.write(f'{name}.ir', text)
        r = t.run(f'{name}.ir', '-quantize', 'none', '-target', 'generic', '-threads', '-instrument', '-verify')
        assert '0 mismatches' in r.stdout
    t.run(t.digits, '-threads', '-instrument', '-target', 'generic,native', '-name', 'net', '-o', 'net.c')
    header = t.read('net.h').decode()
    for name in ('net_select', 'net_select_threads', 'net_run_threads_generic', 'net_run_layers_generic'):
        assert f' {name}(' in header, name
    for cc in ['gcc', '-std=c99'], ['clang', '-std=gnu17']:
        if shutil.which(cc[0]):
            command(*cc, '-O1', *STRICT, '-c', t.dir / 'net.c', '-o', t.dir / 'net.o')
    assert ' U ' not in command('nm', t.dir / 'net.o')


if __name__ == '__main__':
    raise SystemExit(main(globals()))
