#!/usr/bin/env python3
"""Calibration: data in several files, statistics in their place, recording."""
import os
import re
import shutil
import subprocess

from harness import DIGITS, ROOT, main

OBSERVERS = ['minmax', 'moving_average=0.1', 'histogram', 'histogram,range=int,bins=300', 'max', 'percentile=99.9',
             'entropy,num_bins=500', 'mse,stride=4', 'percentile,torch_hist=false,skip_zeros=true', 'recording']

# Tuning (preset qcc) needs the data itself.
PLAIN = ['-config', 'minmax']


def digits(t):
    """digits.ir here, and its calibration data in two halves."""
    import numpy as np
    shutil.copy(DIGITS / 'digits.npz', t.dir)
    t.write('digits.ir', (DIGITS / 'digits.ir').read_text().replace('calibrate "calib.npz"', ''))
    with np.load(DIGITS / 'calib.npz') as z:
        x = z[z.files[0]]
        np.savez(t.dir / 'all.npz', x=x[:60])
        np.savez(t.dir / 'a.npz', x=x[:25])
        np.savez(t.dir / 'b.npz', x=x[25:60])


def code(t, *args):
    """The C file of the digits."""
    t.run('digits.ir', *PLAIN, *args, '-Wno-record', '-o', 'm.c')
    return t.read('m.c')


def test_statistics_stand_in_for_data(t):
    """The same C byte for byte, whatever the observer."""
    digits(t)
    for o in OBSERVERS:
        t.run('digits.ir', *PLAIN, '-calib', 'all.npz', '-observer', o, '-Wno-record', '-emit', 'calibration', '-o', 's.calib')
        assert code(t, '-calib', 's.calib', '-observer', o) == code(t, '-calib', 'all.npz', '-observer', o), o
        again = t.run('digits.ir', *PLAIN, '-calib', 's.calib', '-observer', o, '-emit', 'calibration').stdout
        assert again.encode() == t.read('s.calib'), o


def test_the_default_reads_what_it_writes(t):
    """Its statistics have the most fields of all; without the data nothing is tuned."""
    digits(t)
    t.run('digits.ir', '-calib', 'all.npz', '-emit', 'calibration', '-o', 's.calib')
    assert 'extremes' in t.read('s.calib').decode()
    assert t.run('digits.ir', '-calib', 's.calib', '-emit', 'calibration').stdout.encode() == t.read('s.calib')
    t.run('digits.ir', '-calib', 's.calib', '-o', 'm.c')


def test_files_follow_each_other(t):
    """Several files of data are one; data goes on where statistics end."""
    digits(t)
    for o in OBSERVERS:
        whole = code(t, '-calib', 'all.npz', '-observer', o)
        assert code(t, '-calib', 'a.npz', '-calib', 'b.npz', '-observer', o) == whole, o
        t.run('digits.ir', *PLAIN, '-calib', 'a.npz', '-observer', o, '-Wno-record', '-emit', 'calibration', '-o', 'a.calib')
        assert code(t, '-calib', 'a.calib', '-calib', 'b.npz', '-observer', o) == whole, o


def test_shards_merge(t):
    """Statistics of parts: exactly those of the whole for least and greatest values, and in any order."""
    digits(t)
    for part in 'ab':
        t.run('digits.ir', *PLAIN, '-calib', f'{part}.npz', '-emit', 'calibration', '-o', f'{part}.calib')
    whole = code(t, '-calib', 'all.npz')
    assert code(t, '-calib', 'a.calib', '-calib', 'b.calib') == whole
    assert code(t, '-calib', 'b.calib', '-calib', 'a.calib') == whole
    assert code(t, '-calib', 'b.npz', '-calib', 'a.calib') == whole
    merged = t.run('digits.ir', *PLAIN, '-calib', 'a.calib', '-calib', 'b.calib', '-emit', 'calibration').stdout
    assert merged == t.run('digits.ir', *PLAIN, '-calib', 'all.npz', '-emit', 'calibration').stdout
    assert 'samples = 60' in merged


def test_results_do_not_depend_on_processors(t):
    """One processor or all of them."""
    digits(t)
    if len(os.sched_getaffinity(0)) < 2:
        return
    for o in OBSERVERS[:6]:
        args = [t.qcc, 'digits.ir', *PLAIN, '-calib', 'all.npz', '-observer', o, '-emit', 'calibration']
        many = subprocess.run(args, cwd=t.dir, capture_output=True, check=True).stdout
        one = subprocess.run(args, cwd=t.dir, capture_output=True, check=True,
                             preexec_fn=lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})).stdout
        assert many == one, o


def test_edited_statistics_change_scales(t):
    """A range that a person has put there is the range."""
    t.tiny()
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-emit', 'calibration', '-o', 'tiny.calib')
    text = t.read('tiny.calib').decode()
    first = text.index('min = ')
    edited = text[:first] + 'min = -1\n    max = 1.55\n' + text[text.index('}', first):]
    t.write('tiny.calib', '// by hand\n' + edited)
    ir = t.run('tiny.ir', *PLAIN, '-calib', 'tiny.calib', '-emit', 'ir').stdout
    assert 'scale=0.01, zero=100' in ir, ir


def test_statistics_are_told_by_their_first_word(t):
    """Whatever the file's name."""
    t.tiny()
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-emit', 'calibration', '-o', 'stats.txt')
    t.run('tiny.ir', *PLAIN, '-calib', 'stats.txt', '-o', 'm.c')
    t.write('stats.txt', 'statistics 1 {')
    t.fail('tiny.ir', *PLAIN, '-calib', 'stats.txt', '-o', 'n.c', message='neither an .npy array nor a sound .npz archive')


def test_depfiles_name_them(t):
    """Data and statistics are inputs."""
    t.tiny()
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-emit', 'calibration', '-o', 's.calib', '-MD')
    assert t.read('s.d').decode().startswith('s.calib: \\\n  tiny.ir \\\n  calib.npz\n')
    t.run('tiny.ir', *PLAIN, '-calib', 's.calib', '-calib', 'calib.npz', '-o', 'm.c', '-MD')
    assert 's.calib' in t.read('m.d').decode() and 'calib.npz' in t.read('m.d').decode()


def test_mistakes(t):
    """In the file, at its line; in the options."""
    t.tiny()
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-emit', 'calibration', '-o', 's.calib')
    text = t.read('s.calib').decode()
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-observer', 'histogram', '-o', 'm.c',
           message="s.calib:3:8: error: 'x' was observed by minmax, this run wants histogram")
    t.write('t.calib', text[:-3])
    t.fail('tiny.ir', *PLAIN, '-calib', 't.calib', '-o', 'm.c', message="expected '}' at the end of the statistics")
    t.write('t.calib', text.replace('%x', '%image'))
    t.fail('tiny.ir', *PLAIN, '-calib', 't.calib', '-o', 'm.c', message="t.calib:3:3: error: this run observes no tensor 'image'")
    t.write('t.calib', '')
    t.fail('tiny.ir', *PLAIN, '-calib', 't.calib', '-o', 'm.c', message='t.calib:1')
    t.fail('tiny.ir', *PLAIN, '-calib', 'missing.calib', '-o', 'm.c', message='missing.calib: error: No such file or directory')
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-emit', 'calibration', '-o', 's.calib', message='it is an input of this run')
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-emit', 'calibration', '-eval', 'e.npz', code=2, message='excludes')
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-emit', 'calibration', '-verify', code=2, message='excludes every other -emit')
    t.fail('tiny.ir', *PLAIN, '-emit', 'calibration', '-Wno-float-model',
           message='nothing is calibrated: there is no calibration data (-calib FILE)')
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-quantize', 'none', '-emit', 'calibration',
           message='nothing is calibrated: -quantize none')
    t.run('tiny.ir', *PLAIN, '-calib', 's.calib', '-emit', 'ir', '-o', 'q.ir')
    t.fail('q.ir', '-calib', 's.calib', '-Wno-quantized-model', '-emit', 'calibration',
           message='nothing is calibrated: the model is quantized already')
    t.write('move.ir', 'model move {\n  input %x : f32[1, 4]\n  %y = reshape(%x) { shape = [2, 2] }\n  output %y\n}\n')
    t.fail('move.ir', '-calib', 's.calib', '-emit', 'calibration', message='nothing is calibrated: the model computes nothing')


def test_values_that_are_not_finite(t):
    """Tensor, sample and file are named, and calibration ends there."""
    import numpy as np
    t.write('m.ir', 'model m {\n  input %x : f32[1, 2]\n  %y = mul(%x, %x)\n  %z = mul(%y, %y)\n  output %z\n}\n')
    x = np.ones((9, 2), 'f4')
    np.savez(t.dir / 'a.npz', x=x)
    x[4, 1] = 1e30
    np.savez(t.dir / 'b.npz', x=x)
    for o in ('minmax', 'histogram', 'entropy'):
        t.fail('m.ir', *PLAIN, '-calib', 'a.npz', '-calib', 'b.npz', '-observer', o, '-o', 'm.c',
               message="m.ir:3:8: error: calibration: tensor 'y' takes values that are not finite numbers, in sample 4 of 'b.npz'")


def test_memory_does_not_grow(t):
    """Fifty times the samples, the same memory."""
    import numpy as np
    t.write('m.ir', 'model m {\n  input %x : f32[1, 3, 64, 64]\n  %y = relu(%x)\n  %z = global_avg_pool(%y)\n  output %z\n}\n')
    for o in ('histogram', 'entropy', 'recording'):
        peaks = []
        for n in (20, 1000):
            np.savez(t.dir / 'c.npz', x=np.random.default_rng(n).normal(size=(n, 3, 64, 64)).astype('f4'))
            pid = os.spawnve(os.P_NOWAIT, t.qcc, [t.qcc, str(t.dir / 'm.ir'), '-calib', str(t.dir / 'c.npz'), '-observer', o,
                                                  '-Wno-record', '-emit', 'calibration', '-o', str(t.dir / 'c.calib')], os.environ)
            _, status, usage = os.wait4(pid, 0)
            assert status == 0
            peaks.append(usage.ru_maxrss)
        assert peaks[1] - peaks[0] < 24 << 10, (o, peaks)  # the file has 49 MB


def test_manual_lists_all_observers(t):
    """docs/quantization.md has a row for each, with its parameters and their defaults."""
    rows = {}
    section = (ROOT / 'docs/quantization.md').read_text().split('\n## Observers\n')[1].split('\n#')[0]
    for line in section.splitlines():
        cells = [c.strip() for c in line.strip('|').split('|')]
        if len(cells) == 4 and cells[0].startswith('`'):
            rows[cells[0].strip('`')] = cells
    printed, name = {}, ''
    for line in t.run('-print-observers').stdout.splitlines():
        if line.startswith('  '):
            printed[name].append(line.strip().split(',')[0])
        else:
            name = line.split()[0]
            printed[name] = []
    assert set(printed) == set(rows), set(printed) ^ set(rows)
    for o, parameters in printed.items():
        text = rows[o][2]
        if text == 'the same':
            text = rows['entropy'][2]
        words = {'float': 'float', 'true': 1, 'false': 0, '1/256': 1 / 256}
        want = [(n, words.get(v) if v in words else float(v)) for n, v in (p.split('=') for p in parameters)]
        have = [(n, words.get(v) if v in words else float(v)) for n, v in re.findall(r'`(\w+)` ([\w./]+)', text)]
        assert want == have, (o, want, have)


def test_recording(t):
    """The values of all samples, in the order of the files."""
    import numpy as np
    x = t.tiny(6)
    np.savez(t.dir / 'more.npz', x=x[::-1])
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-calib', 'more.npz', '-observer', 'recording', '-record', 'r.npz', '-o', 'm.c')
    t.run('tiny.ir', *PLAIN, '-quantize', 'none', '-run', 'calib.npz', '-o', 'y.npz')
    with np.load(t.dir / 'r.npz') as r, np.load(t.dir / 'y.npz') as y:
        assert r['x'].shape == (12, 2, 4, 4) and (r['x'] == np.concatenate([x, x[::-1]])).all()
        assert (r['y'] == np.concatenate([y['y'], y['y'][::-1]])).all()
        assert {'x', 'y'} < set(r.files)
    r = t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-observer', 'recording', '-o', 'm.c')
    assert 'the observer recording keeps nothing' in r.stderr and '-Wrecord' in r.stderr
    t.run('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-emit', 'calibration', '-o', 's.calib')
    t.fail('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-record', 'n.npz', '-o', 'm.c', message='no tensor has the observer recording')
    t.fail('tiny.ir', *PLAIN, '-calib', 's.calib', '-observer', 'recording', '-record', 'n.npz', '-o', 'm.c',
           message='-record: there are no samples, only statistics')
    t.fail('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-record', 'n.txt', code=2, message="-record writes an .npz file, not 'n.txt'")
    t.fail('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-observer', 'recording', '-record', 'calib.npz', '-o', 'm.c',
           message='it is an input of this run')
    t.fail('tiny.ir', *PLAIN, '-calib', 'calib.npz', '-observer', 'recording', '-record', 'm.npz', '-emit', 'ir', '-o', 'm.ir',
           code=2, message="two outputs have the same name 'm.npz'")
    bad = np.ones((3, 2, 4, 4), 'f4') * np.float32(3e38)
    np.savez(t.dir / 'bad.npz', x=bad)
    t.fail('tiny.ir', *PLAIN, '-calib', 'bad.npz', '-observer', 'recording', '-record', 'n.npz', '-o', 'm.c', message='not finite')


if __name__ == '__main__':
    raise SystemExit(main(globals()))
