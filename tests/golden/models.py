"""models/: whole networks quantized by PyTorch, compared tensor by tensor."""
import recurrent
from golden import Skip


def check(data, case, tools):
    if case['kind'] == 'dynamic':
        return recurrent.model(data, case, tools)
    raise Skip("PyTorch's quantization configurations")
