#!/usr/bin/env python3
"""Writes the runtime headers as a C source: for each instruction set, its definitions in order, each with what it
needs, so that codegen/runtime_text.c can copy the needed ones into an emitted file.

usage: embed.py HEADER... > runtime_chunks.c     (vec_<isa>.h among them make the instruction sets)

A header consists of an include guard, #include lines, and definitions: functions, typedefs, #define lines, and
#if blocks. A comment belongs to the definition below it. What preamble.h and target_*.h hold goes into every file.
"""
import os
import re
import sys


def goes_everywhere(header):
    """Whether what the header holds is wanted by files that name none of it."""
    return header == 'preamble.h' or header.startswith('target_')


class Chunk:
    """A definition: its text, what it defines, whether it is set apart by a blank line."""

    def __init__(self, text, apart):
        self.text = text
        self.apart = apart
        self.code = re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', ' ', text, flags=re.S)
        self.names = [] if re.search(r'^#include', text, re.M) else self.defined()
        self.always = not self.names

    def defined(self):
        """The names that the chunk defines; none: it is needed wherever its header is."""
        names = re.findall(r'^\s*#\s*define\s+(\w+)', self.code, re.M)
        code = re.sub(r'^\s*#.*?(?<!\\)$', '', self.code, flags=re.M | re.S)
        bare = re.sub(r'__attribute__\s*\(\(.*?\)\)\)?', ' ', code)
        if re.match(r'\s*typedef', bare):
            names += re.findall(r'(\w+)\s*;\s*$', bare, re.M) if '{' not in bare else re.findall(r'}\s*(\w+)\s*;', bare)
        elif re.search(r'\)\s*\{', bare):
            names.append(re.search(r'(\w+)\s*\(', bare).group(1))
        elif bare.strip():
            raise SystemExit(f'embed.py: what is this?\n{self.text}')
        return list(dict.fromkeys(names))


def split(path):
    """The header's #include names and its chunks."""
    with open(path, encoding='utf-8') as f:
        lines = f.read().split('\n')
    guard = next(i for i, line in enumerate(lines) if line.startswith('#ifndef'))
    end = max(i for i, line in enumerate(lines) if line.startswith('#endif'))
    includes, chunks, text, apart, conditions = [], [], [], False, 0
    for line in lines[guard + 2:end]:
        if not text and not line:
            apart = True
            continue
        if not text and line.startswith('#include "'):
            includes.append(line.split('"')[1])
            continue
        if not text and line.startswith('#include'):
            chunk = Chunk('', apart)
            chunk.text = line
            chunks.append(chunk)
            continue
        text.append(line)
        conditions += line.startswith('#if') - line.startswith('#endif')
        code = re.sub(r'/\*.*?\*/', ' ', '\n'.join(text), flags=re.S).strip()
        if conditions or not code or code.startswith('/*') or code.endswith('\\'):
            continue
        open_braces = code.count('{') - code.count('}')
        if open_braces == 0 and (code.startswith('#') or code[-1] in ';}'):
            chunks.append(Chunk('\n'.join(text), apart))
            text, apart = [], False
    if text:
        raise SystemExit(f'embed.py: {path} ends within\n' + '\n'.join(text))
    return includes, chunks


def in_order(name, headers, seen):
    """The chunks of a header behind those that it includes."""
    if name in seen:
        return []
    seen.add(name)
    includes, chunks = headers[name]
    result = []
    for include in includes:
        result += in_order(include, headers, seen)
    for i, chunk in enumerate(chunks):
        chunk.header = name
        chunk.apart |= i == 0
        chunk.always |= goes_everywhere(name)
    return result + chunks


def c_string(text):
    """A C string literal for each line."""
    lines = text.split('\n')
    return '\n'.join('     "' + line.replace('\\', '\\\\').replace('"', '\\"').replace('?', '\\?') + '\\n"'
                     for line in lines)


def main():
    """Prints the C source."""
    headers = {os.path.basename(path): split(path) for path in sys.argv[1:]}
    isas = [name[4:-2] for name in headers if name.startswith('vec_')]
    print('/* Made by tools/embed.py from runtime. */\n#include "codegen/runtime_text.h"\n\n#include <stddef.h>\n')
    for isa in isas:
        chunks = in_order(f'vec_{isa}.h', headers, set())
        owner = {}
        for i, chunk in enumerate(chunks):
            for name in chunk.names:
                if name in owner:
                    raise SystemExit(f'embed.py: {name} is defined twice for {isa}')
                owner[name] = i
        print(f'static const RuntimeChunk chunks_{isa}[] = {{')
        for i, chunk in enumerate(chunks):
            used = {owner[word] for word in re.findall(r'\w+', chunk.code) if word in owner}
            # what defines nothing goes with the rest of its header; the preamble goes with everything
            used |= {j for j, other in enumerate(chunks) if other.always and other.header == chunk.header}
            needs = sorted(used - {i})
            print('    {(const char *const[]){' + ''.join(f'"{n}", ' for n in chunk.names) + 'NULL},')
            print(c_string(chunk.text) + ',')
            print('     (const short[]){' + ''.join(f'{n}, ' for n in needs) + '-1},')
            print(f'     {"true" if goes_everywhere(chunk.header) else "false"}, {"true" if chunk.apart else "false"}}},')
        print('    {NULL, NULL, NULL, false, false},\n};\n')
    print('const RuntimeIsa runtime_isas[] = {')
    for isa in isas:
        print(f'    {{"{isa}", chunks_{isa}, sizeof chunks_{isa} / sizeof *chunks_{isa} - 1}},')
    print('    {NULL, NULL, 0},\n};')


if __name__ == '__main__':
    main()
