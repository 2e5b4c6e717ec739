"""models/: whole networks quantized by PyTorch, compared tensor by tensor."""
from golden import Skip


def check(data, case, tools):
    if case['kind'] == 'dynamic':
        raise Skip('dynamic quantization')
    raise Skip("PyTorch's quantization configurations")
