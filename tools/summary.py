#!/usr/bin/env python3
"""summary.py LOG.json ...: counts the tests in meson's logs. Ends with a line 'N passed, N failed'.

A program that prints that line itself, or cmocka's counts, is taken at its word; any other test counts as one. A test
that did not end well counts as one failure at least. Skipped tests are named and not counted."""
import json
import os
import re
import sys

OWN = re.compile(r'^(\d+) passed, (\d+) failed$', re.M)
CMOCKA = (re.compile(r'^\[  PASSED  \] (\d+) test', re.M), re.compile(r'^\[  FAILED  \] (\d+) test', re.M))


def count(test):
    """(passed, failed) of one entry of the log."""
    text = test.get('stdout', '') + '\n' + test.get('stderr', '')
    good = test['result'] in ('OK', 'EXPECTEDFAIL')
    own, cmocka = OWN.findall(text), [sum(map(int, c.findall(text))) for c in CMOCKA]
    if own:
        passed, failed = (sum(int(m[i]) for m in own) for i in (0, 1))
    elif any(cmocka):
        passed, failed = cmocka
    else:
        passed, failed = int(good), int(not good)
    return passed, failed if good else max(failed, 1)


def main():
    """Reads the logs: one JSON object a line."""
    passed, failed, bad = 0, 0, []
    for path in sys.argv[1:]:
        entries = 0
        with open(path, encoding='utf-8') as f:
            for line in f:
                test = json.loads(line)
                entries += 1
                if test['result'] == 'SKIP':
                    print('skipped:', test['name'])
                    continue
                p, n = count(test)
                passed, failed = passed + p, failed + n
                if n:
                    bad.append(f"{test['name']} ({n})")
        if not entries and os.path.getsize(path) == 0:
            print('no tests in', os.path.basename(path))
    for name in bad:
        print('failed:', name)
    print(f'{passed} passed, {failed} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
