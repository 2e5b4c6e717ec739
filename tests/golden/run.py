#!/usr/bin/python3
"""run.py QCC OBSERVE: what PyTorch and NVIDIA's calibrators compute, against qcc, section by section.

A case passes, fails, or is skipped because qcc does not have yet what it needs; the reasons are counted."""
import argparse
import collections
import importlib
import os
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SKIP = 77
try:
    from golden import Failure, Section, Skip, Tools
    import onnx  # noqa: F401, the sections need it
except ImportError as e:
    print(f'skipped: {e}')
    sys.exit(SKIP)

SECTIONS = ['observers', 'calibrators', 'qops', 'seeds', 'models', 'qdq']  # a folder of the data, and a module here


class Count:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, [], collections.Counter()


def run_section(name, root, tools, only, verbose):
    count, data, module = Count(), Section(f'{root}/{name}'), importlib.import_module(name)
    for case in data.cases:
        if only not in case['id']:
            continue
        before = tools.elements, tools.equal
        try:
            module.check(data, case, tools)
            count.passed += 1
        except Skip as e:
            count.skipped[str(e)] += 1
        except Failure as e:
            count.failed.append(case['id'])
            print(f"FAIL {case['id']} {case.get('op', case.get('kind', ''))}: {e}")
        if verbose and tools.elements > before[0]:
            print(f"{case['id']} {case.get('op', case.get('kind', ''))}: {tools.elements - before[0]} elements, "
                  f"{tools.elements - before[0] - (tools.equal - before[1])} differ")
    return count


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('qcc')
    ap.add_argument('observe')
    ap.add_argument('--filter', default='', help='only cases whose id contains this')
    ap.add_argument('-v', action='store_true')
    a = ap.parse_args()
    root = os.environ.get('QCC_GOLDEN') or os.path.join(HERE, '../../../shared/golden')
    if not os.path.isdir(root):
        print(f'skipped: {root} is not there')
        return SKIP
    counts = []
    with tempfile.TemporaryDirectory() as tmp:
        for name in SECTIONS:
            if not os.path.isdir(f'{root}/{name}'):
                print(f'{name}: not there')
                continue
            tools = Tools(a.qcc, a.observe, tmp)
            c = run_section(name, root, tools, a.filter, a.v)
            counts.append(c)
            equal = ''
            if tools.elements:
                equal = f', {100 * tools.equal / tools.elements:.3f}% of {tools.elements} elements equal'
            print(f'{name}: {c.passed} passed, {len(c.failed)} failed, {sum(c.skipped.values())} skipped{equal}')
            for reason, n in c.skipped.most_common():
                print(f'  {n:4} skipped: {reason}')
    failed = sum(len(c.failed) for c in counts)
    skipped = sum(sum(c.skipped.values()) for c in counts)
    print(f'{sum(c.passed for c in counts)} passed, {failed} failed, {skipped} skipped')
    return bool(failed)


if __name__ == '__main__':
    sys.exit(main())
