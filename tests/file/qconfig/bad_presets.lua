-- RUN: not passtool -config %s -print-qconfig %S/net.ir
preset "qcc"
preset "fbgemm"
node("a", { mode = 'float', activation = {} })
-- ERR: %s:3:1: error: there is a preset already, 'qcc'
-- ERR: preset "fbgemm"
-- ERR: ^~~~~~
-- ERR: %s:4:29: error: 'activation' must be an observer, such as minmax {}, not a table
-- ERR: node("a", { mode = 'float', activation = {} })
-- ERR:                             ^~~~~~~~~~
