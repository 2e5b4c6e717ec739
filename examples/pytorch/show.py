#!/usr/bin/python3
"""Prints what is in an .npz file."""
import sys

import numpy as np

for name, array in np.load(sys.argv[1]).items():
    print(f'{name} {list(array.shape)}')
    print(np.array2string(array, precision=6, suppress_small=True, threshold=40))
