-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = minmax { dtype = "u8" }
op("linear", { mode = "float" })
-- ERR: %s:3:1: error: '}' expected (to close '{' at line 2) near 'op'
-- ERR: op("linear", { mode = "float" })
-- ERR: ^~
