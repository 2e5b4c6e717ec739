#!/usr/bin/python3
"""run.py QCC: the corpus of bad input (QCC_BAD: the archive or its folder).

For each case the compiler must end with 0 or 1 within the limits of time and memory of the case. 1: a message
on standard error, short and without control characters, and no file left behind. 0: C that compiles without
a warning, holds nothing of the files that lie around the model (the canary), and defines nothing that a
hostile name asked for. `expect` of the case says which of both it must be; `either` leaves it open.
Under sanitizers the C, which is the same as elsewhere, is not compiled."""
import argparse
import concurrent.futures
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

SKIP = 77
CC = ['cc', '-std=c99', '-pedantic', '-trigraphs', '-Wall', '-Wextra', '-Werror', '-c']
PWNED = 'qcc_pwned'  # the symbol that hostile names try to define, and the file that they try to create
CANARY = b'QCC-CANARY'  # in a file that no model may read


class Case:
    """One run: the command line, and what the folder of the run holds before it."""

    def __init__(self, case, qcc, root, tmp):
        self.case, self.qcc, self.root, self.tmp = case, qcc, root, tmp
        self.out = f'{tmp}/out.c'
        self.before = set()
        self.file_limit = 1 << 30
        self.user = None
        self.unlimited = False
        if case['args']:
            fill = {'out': self.out, 'tmp': tmp, 'corpus': root}
            self.args = [re.sub(r'\{(\w+)\}', lambda m: fill[m[1]], a) for a in case['args']]
        else:
            self.args = [f"{root}/{case['file']}"]
            if case['calib']:
                self.args += ['-calib', f"{root}/{case['calib']}"]
            self.args += ['-o', self.out]

    def keep(self):
        """What lies in the folder now is not left behind by the compiler."""
        self.before = set(os.listdir(self.tmp))

    def limits(self):
        limit = self.case['limit']
        if not self.unlimited:
            resource.setrlimit(resource.RLIMIT_AS, (limit['rss_mb'] << 20,) * 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_limit,) * 2)
        if self.user:
            os.setgid(self.user)
            os.setuid(self.user)

    def run(self, env=None, cwd=None):
        return subprocess.run(
            [self.qcc, *self.args],
            capture_output=True,
            timeout=self.case['limit']['seconds'] * (4 if self.unlimited else 1),  # sanitizers are slow
            stdin=subprocess.DEVNULL,
            preexec_fn=self.limits,
            env=env,
            cwd=cwd,
        )

    def check(self):
        """What is wrong with this case, or None."""
        try:
            r = self.run(cwd=self.tmp)
        except subprocess.TimeoutExpired:
            return 'timeout'
        expect = self.case['expect']
        if b'Sanitizer' in r.stderr or b'runtime error' in r.stderr:
            return 'sanitizer: ' + r.stderr[:300].decode(errors='replace')
        if r.returncode not in (0, 1):
            return f'exit {r.returncode}'
        if expect == 'error' and r.returncode == 0:
            return 'accepted'
        if expect == 'ok' and r.returncode:
            return 'refused: ' + r.stderr[:120].decode(errors='replace').strip()
        return self.check_refusal(r.stderr) if r.returncode else self.check_output()

    def check_refusal(self, text):
        left = set(os.listdir(self.tmp)) - self.before
        if not text.strip():
            return 'no message'
        if re.search(rb'[\x00-\x08\x0b-\x1f\x7f]', text):
            return 'control characters in the message'
        if len(text) > 2000 or text.count(b'\n') > 8:
            return f'a message of {len(text)} bytes'
        return 'left behind: ' + ', '.join(sorted(left)) if left else None

    def check_output(self):
        out = self.args[self.args.index('-o') + 1]
        if not os.path.isfile(out):
            return 'no output'
        with open(out, 'rb') as f:
            if CANARY in f.read():
                return 'the canary leaked'
        if self.unlimited:
            return None
        obj = f'{self.tmp}/object.o'
        r = subprocess.run([*CC, out, '-o', obj], capture_output=True)
        if r.returncode:
            return 'the C does not compile: ' + r.stderr[:200].decode(errors='replace')
        symbols = subprocess.run(['nm', obj], capture_output=True, text=True).stdout.split()
        if PWNED in symbols or os.path.exists(f'/tmp/{PWNED}') or PWNED in os.listdir(self.tmp):
            return 'injection'
        return None


# ---- cases that need something set up, or more than one run ----


def copy_model(c):
    """The model that the first argument names, hostile characters in its path and all."""
    os.makedirs(os.path.dirname(c.args[0]), exist_ok=True)
    shutil.copyfile(f'{c.root}/good/cnn.onnx', c.args[0])
    c.keep()


def fifo_model(c):
    os.mkfifo(c.args[0])
    c.keep()


def unreadable_model(c):
    copy_model(c)
    os.chmod(c.args[0], 0)
    if os.getuid() == 0:
        c.user = 65534  # to root nothing is unreadable
        os.chmod(c.tmp, 0o777)


def output_over_model(c):
    copy_model(c)
    why = c.check()
    with open(c.args[0], 'rb') as a, open(f'{c.root}/good/cnn.onnx', 'rb') as b:
        return why or (None if a.read() == b.read() else 'the model was overwritten')


def output_is_symlink(c):
    os.symlink('target.c', f'{c.tmp}/link.c')
    c.keep()


def no_room(c):
    with open(c.out, 'w') as f:
        f.write('old')
    c.keep()
    c.file_limit = 1024
    why = c.check()
    with open(c.out) as f:
        return why or (None if f.read() == 'old' else 'the old output is gone')


def killed(c):
    """Old or complete new, whenever the compiler is killed; nothing else under the output's name."""
    start = time.monotonic()
    why = c.check()
    span = time.monotonic() - start
    if why:
        return why
    with open(c.out, 'rb') as f:
        new = f.read()
    rand = random.Random(1)
    for _ in range(20 if c.unlimited else 200):
        with open(c.out, 'wb') as f:
            f.write(b'old')
        p = subprocess.Popen([c.qcc, *c.args], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rand.uniform(0, min(span, 0.05)))
        p.kill()
        p.wait()
        with open(c.out, 'rb') as f:
            if f.read() not in (b'old', new):
                return 'half an output after a kill'
    return None


def same_everywhere(c):
    """Byte-identical whatever the surroundings."""
    why = c.check()
    if why:
        return why
    with open(c.out, 'rb') as f:
        first = f.read()
    c.run(
        env={'TZ': 'Asia/Kathmandu', 'HOME': '/', 'USER': 'nobody', 'LC_ALL': 'C', 'PATH': '/usr/bin:/bin'},
        cwd='/',
    )
    with open(c.out, 'rb') as f:
        return None if f.read() == first else 'the output depends on the surroundings'


def external_copy(c):
    """The model in a folder of its own, where the data file can be made."""
    folder = f'{c.tmp}/model'
    shutil.copytree(os.path.dirname(c.args[0]), folder, symlinks=True)
    c.args[0] = f'{folder}/{os.path.basename(c.args[0])}'
    c.keep()
    return folder


def external_fifo(c):
    os.mkfifo(external_copy(c) + '/w.bin')


def external_race(c):
    """The data file turns into a link to the canary and back while the compiler runs."""
    folder = external_copy(c)
    data, done = f'{folder}/w.bin', threading.Event()
    with open(f'{folder}/real', 'wb') as f:
        f.write(bytes(65536))
    os.makedirs(f'{c.tmp}/outside')
    with open(f'{c.tmp}/outside/secret', 'wb') as f:
        f.write(CANARY * 4096)
    c.keep()

    def swap():
        while not done.is_set():
            shutil.copyfile(f'{folder}/real', f'{folder}/next')
            os.replace(f'{folder}/next', data)
            os.symlink('../outside/secret', f'{folder}/link')
            os.replace(f'{folder}/link', data)

    t = threading.Thread(target=swap)
    t.start()
    try:
        for _ in range(10 if c.unlimited else 50):
            why = c.check()
            if why:
                return why
            for name in set(os.listdir(c.tmp)) - c.before:
                os.remove(f'{c.tmp}/{name}')
    finally:
        done.set()
        t.join()
    return None


# id -> what to do first; one that returns something has run the case itself
SETUP = {
    'cli/model_fifo': fifo_model,
    'cli/model_noperm': unreadable_model,
    'cli/out_same': output_over_model,
    'cli/out_symlink': output_is_symlink,
    'cli/name_space': copy_model,
    'cli/name_newline': copy_model,
    'cli/rlimit_fsize': no_room,
    'cli/kill_loop': killed,
    'cli/tz_env': same_everywhere,
    'external/setup_fifo': external_fifo,
    'external/setup_swap_race': external_race,
}
RUN_THEMSELVES = {output_over_model, no_room, killed, same_everywhere, external_race}


def run_case(case, qcc, root, unlimited):
    with tempfile.TemporaryDirectory() as tmp:
        c = Case(case, qcc, root, tmp)
        c.unlimited = unlimited
        setup = SETUP.get(case['id'])
        if setup in RUN_THEMSELVES:
            return setup(c)
        if setup:
            setup(c)
        elif case['id'].startswith(('cli/', 'external/setup_')) and case.get('note'):
            return f"the runner does not know how to set it up: {case['note']}"
        return c.check()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('qcc')
    ap.add_argument('--data', default=os.environ.get('QCC_BAD'))
    ap.add_argument('--filter', default='')
    ap.add_argument('--no-memory-limit', action='store_true', help='for sanitizers, which reserve much')
    a = ap.parse_args()
    data = a.data or os.path.join(os.path.dirname(os.path.abspath(__file__)), '../../../shared/bad.tar.xz')
    if not os.path.exists(data):
        print(f'skipped: {data} is not there')
        return SKIP
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        root = data
        if os.path.isfile(data):
            with tarfile.open(data) as t:
                t.extractall(tmp)
            root = f'{tmp}/bad'
        with open(f'{root}/index.json') as f:
            cases = [c for c in json.load(f)['cases'] if a.filter in c['id']]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(
                pool.map(lambda c: run_case(c, os.path.abspath(a.qcc), root, a.no_memory_limit), cases)
            )
    failed = 0
    for case, why in zip(cases, results):
        if why:
            failed += 1
            print(f"FAIL {case['id']} ({case['expect']}: {case['why']}): {why}")
    print(f'{len(cases) - failed} passed, {failed} failed')
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
