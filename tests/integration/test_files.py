#!/usr/bin/env python3
"""Output files: all or nothing, whatever goes wrong; the same bytes each time; depfiles."""
import os
import resource
import shutil
import signal
import subprocess
import sys

from harness import DIGITS, TINY, main


def compiled(t, *more, **how):
    """Compiles tiny.ir to m.c and m.h."""
    return t.run('tiny.ir', '-quantize', 'none', '-o', 'm.c', *more, **how)


def test_replaces_what_was_there(t):
    """Contents change, permissions and links stay."""
    t.write('tiny.ir', TINY)
    t.write('m.c', 'old')
    os.chmod(t.dir / 'm.c', 0o640)
    os.mkdir(t.dir / 'real')
    t.write('real/m.h', 'old')
    os.symlink('real/m.h', t.dir / 'm.h')
    compiled(t)
    assert b'm_run' in t.read('m.c') and b'm_run' in t.read('real/m.h')
    assert os.stat(t.dir / 'm.c').st_mode & 0o777 == 0o640
    assert os.path.islink(t.dir / 'm.h')
    assert t.files() == ['m.c', 'm.h', 'real/m.h', 'tiny.ir']


def test_errors_leave_the_old_files(t):
    """A model that is refused costs no earlier output."""
    t.write('tiny.ir', TINY)
    compiled(t)
    before = t.read('m.c'), t.read('m.h')
    t.write('bad.ir', 'model bad {')
    t.fail('bad.ir', '-o', 'm.c', message='bad.ir:1:')
    assert before == (t.read('m.c'), t.read('m.h'))


def test_unwritable_outputs(t):
    """Folders, missing folders, devices that are full, inputs of the run."""
    t.write('tiny.ir', TINY)
    os.mkdir(t.dir / 'folder')
    run = ['tiny.ir', '-quantize', 'none', '-o']
    t.fail(*run, 'folder', message='cannot write folder: it is a directory')
    t.fail(*run, 'none/m.c', message='cannot write none/m.c: No such file or directory')
    t.fail(*run, 'folder/', message='cannot write folder/: it is a directory')
    t.fail(*run, 'tiny.ir/m.c', message='Not a directory')
    t.fail(*run, '/dev/full', message='cannot write /dev/full: No space left on device')
    t.fail(*run, 'tiny.ir', message='cannot write tiny.ir: it is an input of this run')
    assert t.read('tiny.ir').decode() == TINY
    os.link(t.dir / 'tiny.ir', t.dir / 'same.h')
    t.fail(*run, 'same.c', message='cannot write same.h: it is an input of this run')
    os.mkdir(t.dir / 'taken.h')
    t.fail(*run, 'taken.c', message='cannot write taken.h: it is a directory')
    with open('/dev/full', 'w', encoding='utf-8') as full:
        t.fail(*run, '-', message='cannot write standard output: No space left on device', stdout=full)
        t.fail('--help', message='cannot write standard output', stdout=full)
    assert t.run(*run, '/dev/null').stdout == ''


def test_calibration_data_is_an_input(t):
    """-o may not name the -calib file either."""
    t.tiny()
    data = t.read('calib.npz')
    t.fail('tiny.ir', '-calib', 'calib.npz', '-o', 'calib.npz', message='it is an input of this run')
    t.fail('tiny.ir', '-calib', 'calib.npz', '-emit', 'ir', '-o', 'calib.ir', message='cannot write calib.npz')
    assert t.read('calib.npz') == data


def test_file_size_limit(t):
    """RLIMIT_FSIZE at every size: an error, nothing left."""
    t.write('tiny.ir', TINY)
    compiled(t)
    size = len(t.read('m.c'))
    os.unlink(t.dir / 'm.c')
    os.unlink(t.dir / 'm.h')

    def limit(n):
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n))
    for n in (0, 1, 100, size // 2, size - 1):
        t.fail('tiny.ir', '-quantize', 'none', '-o', 'm.c', message='File too large', preexec_fn=limit(n))
    compiled(t, preexec_fn=limit(size))


def with_fault(t, calls, fault, n):
    """Runs qcc over old files, the nth system call of a kind failing or killing it."""
    for p in t.dir.glob('.qcc-*'):
        p.unlink()
    for name in ('m.c', 'm.h'):
        t.write(name, 'old\n')
    return subprocess.run(['strace', '-f', '-o', '/dev/null', '-e', f'trace={calls}', '-e',
                           f'inject={calls}:{fault}:when={n}', t.qcc, 'tiny.ir', '-quantize', 'none', '-o', 'm.c'],
                          cwd=t.dir, capture_output=True, text=True, timeout=60, check=False,
                          env=dict(os.environ, ASAN_OPTIONS='detect_leaks=0'))  # strace and it exclude each other


def check_fault(t, r, killed):
    """Each file is old or complete; without a kill both are old after an error, and nothing else is left."""
    old = [t.read(name) == b'old\n' for name in ('m.c', 'm.h')]
    whole = [t.read(name).rstrip().endswith(end) for name, end in (('m.c', b'pop\n#endif'), ('m.h', b'#endif'))]
    assert all(o or w for o, w in zip(old, whole)), 'half a file'
    if killed:
        return
    assert not [f for f in t.files() if f.startswith('.qcc')]
    assert r.returncode in (0, 1) and old == [r.returncode == 1] * 2, (r, old)


def test_every_call_fails_once(t):
    """write, fsync, close, rename: each failure is reported and leaves both files as they were, or both new."""
    probe = shutil.which('strace') and subprocess.run(['strace', '-o', '/dev/null', 'true'], capture_output=True, check=False)
    if not probe or probe.returncode:
        print('strace cannot be used: skipped')
        return
    t.write('tiny.ir', TINY)
    for calls, fault in (('write', 'error=ENOSPC'), ('fsync', 'error=EIO'), ('rename', 'error=EACCES'), ('link', 'error=EPERM'),
                         ('fchmod', 'error=EPERM'), ('write', 'signal=KILL'), ('rename', 'signal=KILL'), ('unlink', 'signal=KILL')):
        failures = 0
        for n in range(1, 50):
            r = with_fault(t, calls, fault, n)
            try:
                check_fault(t, r, 'KILL' in fault)
            except AssertionError as e:
                raise AssertionError(f'{calls} {n} {fault}: {e}') from e
            if r.returncode == 0:
                break
            failures += 1
        assert r.returncode == 0, f'{calls} never succeeds: {r.stderr}'
        assert failures >= (0 if calls == 'link' else 2), f'{calls} {fault} did {failures} times what it should'


def test_closed_pipe(t):
    """A reader that goes away is no crash report."""
    p = subprocess.Popen([t.qcc, DIGITS / 'digits.ir', '-quantize', 'none', '-o', '-'], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    p.stdout.close()
    err = p.stderr.read()
    assert p.wait(timeout=60) in (-signal.SIGPIPE, 1), err


def test_same_bytes_each_time(t):
    """From run to run, from folder to folder, with any locale, time zone and number of processors."""
    texts = set()
    for i, how in enumerate(({}, {'cwd': '/'}, {'env': {'LC_ALL': 'de_DE.UTF-8', 'TZ': 'Asia/Tokyo', 'PATH': os.environ['PATH']}},
                             {'preexec_fn': lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})})):
        out = t.dir / str(i)
        out.mkdir()
        t.run(DIGITS / 'digits.ir', '-o', out / 'm.c', '-MD', **how)
        t.run(DIGITS / 'digits.ir', '-emit', 'ir', '-o', out / 'q.ir', **how)
        texts.add((t.read(f'{i}/m.c'), t.read(f'{i}/m.h'), t.read(f'{i}/q.npz')))
    assert len(texts) == 1


def test_depfile(t):
    """Names the outputs and every file that was read."""
    t.tiny()
    t.run('tiny.ir', '-calib', 'calib.npz', '-o', 'm.c', '-MD')
    text = t.read('m.d').decode()
    assert text.startswith('m.c m.h: \\\n  tiny.ir \\\n  calib.npz\n'), text
    os.mkdir(t.dir / 'a b')
    t.write('a b/$#.ir', TINY.replace('model tiny {', 'model tiny {\n  calibrate "../calib.npz"'))
    t.run('a b/$#.ir', '-o', 'm.c', '-MF', 'deps')
    text = t.read('deps').decode()
    assert text.startswith('m.c m.h: \\\n  a\\ b/$$\\#.ir \\\n  a\\ b/../calib.npz\n'), text
    t.run(DIGITS / 'digits.ir', '-emit', 'ir', '-o', 'q.ir', '-MD')
    text = t.read('q.d').decode()
    assert text.startswith('q.ir q.npz: ') and 'digits.npz' in text and 'calib.npz' in text
    t.fail('tiny.ir', '-calib', 'calib.npz', '-o', 'n.c', '-MF', 'none/d', message='cannot write none/d')


def test_depfile_names_external_data(t):
    """What an ONNX model keeps beside it is a dependency too."""
    try:
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        print('no onnx: skipped')
        return
    w = numpy_helper.from_array(np.eye(4, dtype='f4'), 'w')
    graph = helper.make_graph([helper.make_node('MatMul', ['x', 'w'], ['y'])], 'g',
                              [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, 4])],
                              [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 4])], [w])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 13)])
    os.mkdir(t.dir / 'sub')
    onnx.save(model, str(t.dir / 'sub' / 'm.onnx'), save_as_external_data=True, location='w.bin', size_threshold=0)
    t.run('sub/m.onnx', '-quantize', 'none', '-o', 'm.c', '-MD')
    assert t.read('m.d').startswith(b'm.c m.h: \\\n  sub/m.onnx \\\n  sub/w.bin\n'), t.read('m.d')
    t.fail('sub/m.onnx', '-quantize', 'none', '-o', 'sub/w.bin', message='it is an input of this run')


def test_repeated_runs_do_not_pile_up(t):
    """No temporary files stay behind."""
    t.write('tiny.ir', TINY)
    for _ in range(3):
        compiled(t)
    assert t.files() == ['m.c', 'm.h', 'tiny.ir']


if __name__ == '__main__':
    sys.exit(main(globals()))
