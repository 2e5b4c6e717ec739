"""models/: whole networks quantized by PyTorch, compared tensor by tensor."""
import numpy as np
import onnx

import recurrent
from golden import Failure, Skip

FLOAT = 1e-5  # of the largest output: sums in another order


def float_model(data, case, tools):
    """The model that was quantized, as it is: its outputs on the tests."""
    path = data.path(case['onnx'])
    name = onnx.load(path).graph.input[0].name
    for x, want in zip(case['tests'], case['float_outputs']):
        got = next(iter(tools.run_file(path, {name: data.array(x)}).values()))
        want = data.array(want)
        off = np.abs(got.ravel() - want.ravel()).max() / max(1, np.abs(want).max())
        if got.size != want.size or off > FLOAT:
            raise Failure(f'in float the output is off by {off:g}')


def check(data, case, tools):
    if case['kind'] == 'dynamic':
        return recurrent.model(data, case, tools)
    float_model(data, case, tools)
    raise Skip("PyTorch's quantization configurations")
