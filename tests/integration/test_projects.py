#!/usr/bin/env python3
"""Users' projects in make, CMake and meson that call qcc as one more compiler, and rebuild when a model changes."""
import re
import shutil
import subprocess
import sys
import time

from harness import DIGITS, main

MAIN = '''#include <stdio.h>
#include "net.h"
int main(void) {
  static _Alignas(NET_WORKSPACE_ALIGN) unsigned char workspace[NET_WORKSPACE_SIZE + 1];
  static float x[NET_X_SIZE], y[NET_Y_SIZE];
  const net_inputs in = {x};
  const net_outputs out = {y};
  int i;
  for (i = 0; i < NET_X_SIZE; i++) x[i] = 1;
  if (net_run(&in, &out, workspace)) return 1;
  for (i = 0; i < NET_Y_SIZE; i++) printf("%.3f ", y[i]);
  return 0;
}
'''

MAKE = '''CFLAGS = -std=c11 -O2 -Wall -Wextra -Werror
app: main.o net.o
\t$(CC) -o $@ $^
main.o: net.c
net.c: net.ir
\t"$(QCC)" net.ir -o net.c -MD
-include net.d
'''

CMAKE = '''cmake_minimum_required(VERSION 3.20)
project(app C)
add_custom_command(OUTPUT net.c net.h
  COMMAND ${QCC} ${CMAKE_CURRENT_SOURCE_DIR}/net.ir -o net.c -MD -MF net.d
  DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/net.ir DEPFILE net.d)
add_executable(app main.c net.c)
target_include_directories(app PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
'''

MESON = '''project('app', 'c', default_options: ['c_std=c11', 'warning_level=2', 'werror=true'])
qcc = find_program(get_option('qcc'))
net = custom_target('net', input: 'net.ir', output: ['net.c', 'net.h'], depfile: 'net.d',
  command: [qcc, '@INPUT@', '-o', '@OUTPUT0@', '-MF', '@DEPFILE@'])
executable('app', 'main.c', net)
'''

# Borders to fill, wide ones too, and copies.
NO_LIBC = '''model net {
  weights "net.npz"
  calibrate "net.npz"
  input %x : f32[1, 8, 12, 12]
  %p = pad(%x) { pads = [0, 0, 9, 9, 0, 0, 9, 9] }
  %c = conv2d(%p, @w) { pad = [5, 5, 5, 5] }
  %d = conv2d(%x, @w) { pad = [1, 1, 1, 1] }
  %e = reshape(%x) { shape = [8, 144] }
  output %c, %d, %e
}
'''


def prepare(t):
    """The model with its calibration data, and the program."""
    import numpy as np
    t.tiny()
    text = (t.dir / 'tiny.ir').read_text().replace('model tiny {', 'model net {\n  weights "bias.npz"\n  calibrate "calib.npz"')
    t.write('net.ir', text.replace('[0.1, -0.2, 0.3]', '@bias'))
    np.savez(t.dir / 'bias.npz', bias=np.array([0.1, -0.2, 0.3], 'f4'))
    np.savez(t.dir / 'calib.npz', x=np.ones((2, 2, 4, 4), 'f4') * np.array([[[[1]]], [[[-1]]]], 'f4'))
    t.write('main.c', MAIN)


def step(t, *command):
    """Runs one command of the user's."""
    r = subprocess.run([str(c) for c in command], cwd=t.dir, capture_output=True, text=True, timeout=120, check=False)
    assert r.returncode == 0, f'{command}\n{r.stdout}{r.stderr}'
    return r.stdout


def close(text, want):
    """Whether the printed numbers are near."""
    got = [float(v) for v in text.split()]
    return len(got) == len(want) and all(abs(g - w) < 0.05 for g, w in zip(got, want))


def check(t, build, app):
    """Builds; runs; nothing to do when nothing changed; builds again when the weights change."""
    import numpy as np
    build()
    assert close(step(t, app), [0, 2.05, 1.8]), step(t, app)
    stamp = (t.dir / app).stat().st_mtime_ns
    build()
    assert (t.dir / app).stat().st_mtime_ns == stamp
    time.sleep(1.1)  # make sees whole seconds on some file systems
    np.savez(t.dir / 'bias.npz', bias=np.array([1, -1, 0], 'f4'))
    build()
    assert close(step(t, app), [0.5, 1.25, 1.5]), step(t, app)


def test_make(t):
    """GNU make, with the depfile included."""
    if not shutil.which('make'):
        print('no make: skipped')
        return
    prepare(t)
    t.write('Makefile', MAKE)
    check(t, lambda: step(t, 'make', f'QCC={t.qcc}'), './app')


def test_cmake(t):
    """CMake with ninja and a DEPFILE."""
    if not shutil.which('cmake') or not shutil.which('ninja'):
        print('no cmake: skipped')
        return
    prepare(t)
    t.write('CMakeLists.txt', CMAKE)
    step(t, 'cmake', '-G', 'Ninja', '-S', '.', '-B', 'out', f'-DQCC={t.qcc}')
    check(t, lambda: step(t, 'cmake', '--build', 'out'), './out/app')


def test_meson(t):
    """meson with a depfile."""
    prepare(t)
    t.write('meson.build', MESON)
    t.write('meson_options.txt', "option('qcc', type: 'string')\n")
    step(t, 'meson', 'setup', 'out', f'-Dqcc={t.qcc}')
    check(t, lambda: step(t, 'meson', 'compile', '-C', 'out'), './out/app')


def test_no_libc(t):
    """Whatever the compiler makes of the loops, the object file needs no other: no memset, no memcpy."""
    import numpy as np
    rng = np.random.default_rng(1)
    np.savez(t.dir / 'net.npz', w=rng.normal(size=(32, 8, 3, 3)).astype('f4'), x=rng.normal(size=(4, 8, 12, 12)).astype('f4'))
    t.write('net.ir', NO_LIBC)
    for target, compilers in (('generic', ('gcc', 'clang')), ('x86-64-v3', ('gcc', 'clang')),
                              ('arm64', ('aarch64-linux-gnu-gcc', 'clang --target=aarch64-linux-gnu')),
                              ('arm64+dotprod', ('aarch64-linux-gnu-gcc', 'clang --target=aarch64-linux-gnu')),
                              ('arm64+i8mm', ('aarch64-linux-gnu-gcc', 'clang --target=aarch64-linux-gnu'))):
        t.run('net.ir', '-target', target, '-o', 'net.c')
        for compiler in compilers:
            if not shutil.which(compiler.split()[0]):
                print(f'no {compiler}: skipped')
                continue
            for level in ('-Os', '-O3'):
                step(t, *compiler.split(), level, '-Wall', '-Wextra', '-Werror', '-c', 'net.c')
                needed = step(t, 'nm', '-u', 'net.o').split()
                assert not needed, f'{target}, {compiler} {level}: {needed}'


def test_demo(t):
    """The digits example: the C program gets the accuracy that -eval prints."""
    out = step(t, DIGITS / 'demo.sh', t.qcc, t.dir / 'demo')
    expected = re.search(r'int8 (0\.\d+)', out)[1]
    assert f'int8 accuracy of the C code   {expected}  (' in out, out


if __name__ == '__main__':
    sys.exit(main(globals()))
