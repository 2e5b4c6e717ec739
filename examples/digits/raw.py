#!/usr/bin/env python3
"""raw.py EVAL.npz IMAGES LABELS: writes x as raw float32 and y as one byte a label, for demo.c. Standard library only."""
import ast
import array
import sys
import zipfile


def read_npy(archive, name):
    """The type and the bytes of one C-ordered, little-endian array."""
    data = archive.read(name + '.npy')
    size_bytes = 2 if data[6] == 1 else 4
    start = 8 + size_bytes
    end = start + int.from_bytes(data[8:start], 'little')
    header = ast.literal_eval(data[start:end].decode('latin-1'))
    assert not header['fortran_order']
    return header['descr'], data[end:]


def main():
    """Converts the two arrays."""
    path, images, labels = sys.argv[1:]
    with zipfile.ZipFile(path) as archive:
        kind, x = read_npy(archive, 'x')
        assert kind == '<f4'
        kind, y = read_npy(archive, 'y')
        assert kind == '<i8'
    with open(images, 'wb') as out:
        out.write(x)
    values = array.array('q', y)
    if sys.byteorder == 'big':
        values.byteswap()
    with open(labels, 'wb') as out:
        out.write(bytes(list(values)))  # of an array itself it would be all eight bytes of each


main()
