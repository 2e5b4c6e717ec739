#!/usr/bin/env python3
"""Prints the name by which programs load a shared library: soname.py LIBRARY"""
import re
import subprocess
import sys

text = subprocess.run(['objdump', '-p', sys.argv[1]], check=True, stdout=subprocess.PIPE, text=True).stdout
print(re.search(r'SONAME\s+(\S+)', text).group(1))
