#!/usr/bin/env python3
"""-runtime include: the vector operations come from qcc's headers."""
import shutil

from harness import ROOT, main
from test_emitted import STRICT, command

CROSS = {'arm64': 'aarch64-linux-gnu-gcc', 'arm64+dotprod': 'aarch64-linux-gnu-gcc', 'arm64+i8mm': 'aarch64-linux-gnu-gcc'}
TARGETS = ['generic', 'x86-64-v3', 'x86-64-v3+avxvnni', 'x86-64-v4', 'x86-64-v4+avx512vnni', *CROSS]
MAIN = r'''
#include "m.h"
#include <stdio.h>
static _Alignas(64) unsigned char workspace[M_WORKSPACE_SIZE];
static float image[M_IMAGE_SIZE], logits[M_LOGITS_SIZE];
int main(void) {
  m_inputs in = {image};
  m_outputs out = {logits};
  for (int i = 0; i < M_IMAGE_SIZE; i++) image[i] = (float)(i % 17) / 17;
  if (m_run(&in, &out, workspace)) return 1;
  for (int i = 0; i < M_LOGITS_SIZE; i++) printf("%a\n", (double)logits[i]);
  return 0;
}
'''


def test_every_target(t):
    """Without a warning, by each compiler; the object needs nothing, as ever."""
    (t.dir / 'include').mkdir()
    (t.dir / 'include' / 'qcc').symlink_to(ROOT / 'runtime')
    for target in TARGETS:
        t.run(t.digits, '-target', target, '-runtime', 'include', '-o', 'm.c')
        text = t.read('m.c').decode()
        assert text.count('#include "qcc/vec_') == 1 and ' v_load_' not in text.split('_weights[')[0]
        ccs = [CROSS[target]] if target in CROSS else ['gcc', 'clang']
        for cc in (c for c in ccs if shutil.which(c)):
            for std in ('c99', 'gnu17') if target == 'generic' else ('c99',):
                command(cc, '-O1', f'-std={std}', *STRICT, f'-I{t.dir}/include', '-c', t.dir / 'm.c', '-o', t.dir / 'm.o')
                unknown = [s for s in command('nm', '-u', t.dir / 'm.o').split() if s not in ('U', '_GLOBAL_OFFSET_TABLE_')]
                assert not unknown, (target, cc, unknown)


def test_the_same_results(t):
    (t.dir / 'qcc').symlink_to(ROOT / 'runtime')
    t.write('main.c', MAIN)
    results = set()
    for kind in 'inline', 'include':
        t.run(t.digits, '-target', 'x86-64-v3', '-runtime', kind, '-o', 'm.c')
        command('cc', '-O1', f'-I{t.dir}', t.dir / 'main.c', t.dir / 'm.c', '-o', t.dir / kind)
        results.add(command(t.dir / kind))
    assert len(results) == 1 and results.pop().count('\n') == 10


def test_headers_are_installed(t):
    """All that the header of a target includes is among those that meson installs."""
    listed = (ROOT / 'runtime' / 'meson.build').read_text()
    assert "install_headers(runtime_headers, subdir: 'qcc')" in listed
    assert all(f"'{p.name}'" in listed for p in (ROOT / 'runtime').glob('*.h'))


def test_errors(t):
    t.fail(t.digits, '-target', 'generic,x86-64-v3', '-runtime', 'include', code=2,
           message="-runtime include takes one target, not 'generic,x86-64-v3'")


if __name__ == '__main__':
    raise SystemExit(main(globals()))
