-- RUN: not passtool -config %s -print-qconfig %S/net.ir
preset "fbgem"
preset "qcc"
preset "nosuch"
op("xyzzy", { "float" })
op("conv2d", { [1] = 2, [true] = 1 })
node("a", minmax {})
-- ERR: %s:2:9: error: there is no preset 'fbgem'; did you mean 'fbgemm'?
-- ERR: preset "fbgem"
-- ERR:         ^~~~~
-- ERR: %s:3:1: error: there is a preset already, 'qcc'
-- ERR: preset "qcc"
-- ERR: ^~~~~~
-- ERR: %s:4:1: error: there is a preset already, 'qcc'
-- ERR: preset "nosuch"
-- ERR: ^~~~~~
-- ERR: %s:5:5: error: there is no operator 'xyzzy' (qcc -print-ops lists them)
-- ERR: op("xyzzy", { "float" })
-- ERR:     ^~~~~
-- ERR: %s:6:1: error: op takes `key = value`, not a list
-- ERR: op("conv2d", { [1] = 2, [true] = 1 })
-- ERR: ^~
-- ERR: %s:7:1: error: node takes a name and a table: node("name", { mode = "float" })
-- ERR: node("a", minmax {})
-- ERR: ^~~~
