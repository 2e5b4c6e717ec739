#!/usr/bin/env python3
"""Writes a C source with every operation of vir.def as a function that code made in this process can call: vectors are
passed in registers, the work is done by runtime/vec_generic.h.

usage: jit_calls.py vir.def
So an operation without a row of its own in codegen/jit_ops.c has an implementation all the same.
"""
import re
import sys

# kind in vir.def: type of a parameter, of a result
TYPE = {'i': 'jit_i', 'f': 'jit_f', 'q': 'jit_q', 'p': 'jit_p', 'I': 'int32_t', 'F': 'float', 'r': 'const void *',
        'w': 'void *', 'n': 'int32_t', 'm': 'float', 'v': 'void'}
VECTORS = {'i': ('v_s32', 'int32_t'), 'f': ('v_f32', 'float'), 'q': ('v_q', 'uint8_t'), 'p': ('v_p', 'int16_t')}


def conversions(kind):
    generic, element = VECTORS[kind]
    return (f'typedef {element} jit_{kind} __attribute__((vector_size(16)));\n'
            f'static inline {generic} to_{kind}(jit_{kind} x) {{\n'
            f'  {generic} r;\n  memcpy(&r, &x, sizeof r);\n  return r;\n}}\n'
            f'static inline jit_{kind} from_{kind}({generic} x) {{\n'
            f'  jit_{kind} r;\n  memcpy(&r, &x, sizeof r);\n  return r;\n}}\n')


def call(name, result, signature):
    parameters = ', '.join(f'{TYPE[k]} a{i}' for i, k in enumerate(signature))
    arguments = ', '.join(f'to_{k}(a{i})' if k in VECTORS else f'a{i}' for i, k in enumerate(signature))
    value = f'v_{name}({arguments})'
    if result in VECTORS:
        value = f'from_{result}({value})'
    statement = value if result == 'v' else f'return {value}'
    return f'static {TYPE[result]} call_{name}({parameters}) {{ {statement}; }}'


def main():
    with open(sys.argv[1], encoding='utf-8') as f:
        ops = re.findall(r'^VIR_OP\((\w+), (\w), "(\w+)"\)', f.read(), re.M)
    print('#include "codegen/jit_build.h"\n\n#include <string.h>\n\n#include "runtime/vec_generic.h"\n')
    print('\n'.join(conversions(k) for k in VECTORS))
    print('\n'.join(call(*op) for op in ops))
    print('\nconst JitCall jit_calls[VIR_OP_COUNT] = {')
    for name, _, _ in ops:
        print(f'    [VIR_{name}] = (JitCall)call_{name},')
    print('};')


if __name__ == '__main__':
    main()
