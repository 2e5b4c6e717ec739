#!/usr/bin/env python3
"""make_data.py: writes swish.npz (weights) and inputs.npz (calibration inputs, a few with a glitch); random, from a fixed seed."""
import os

import numpy as np

rng = np.random.default_rng(4)
os.chdir(os.path.dirname(os.path.abspath(__file__)))


def weight(*shape):
    return (rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype('f4')


np.savez('swish.npz', w1=weight(16, 3, 3, 3), b1=weight(16, 1).reshape(16), w2=weight(16, 16, 3, 3), b2=weight(16, 1).reshape(16),
         w3=weight(10, 16), b3=weight(10, 1).reshape(10))
x = rng.normal(size=(32, 3, 16, 16)).astype('f4')
np.savez('eval.npz', x=x[16:])
x[[3, 11], 0, 0, 0] = 60  # a sensor that glitches
np.savez('calib.npz', x=x[:16])
