-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default = { activation = minmax {} }
-- ERR: %s:2:1: error: 'default' is a function to call, and cannot be set
-- ERR: default = { activation = minmax {} }
-- ERR: ^~~~~~~
