-- RUN: not passtool -config %s -print-qconfig %S/net.ir
-- Calls of another form.
default "minmax"
op("linear")
node { mode = "float" }
pattern("a*", "float")
op("linaer", { mode = "float" })
minmax("u8")
sharing "all"
preset()
-- ERR: %s:3:1: error: default takes a table: default { activation = minmax {} }
-- ERR: default "minmax"
-- ERR: ^~~~~~~
-- ERR: %s:4:1: error: op takes a name and a table: op("name", { mode = "float" })
-- ERR: op("linear")
-- ERR: ^~
-- ERR: %s:5:1: error: node takes a name and a table: node("name", { mode = "float" })
-- ERR: node { mode = "float" }
-- ERR: ^~~~
-- ERR: %s:6:1: error: pattern takes a name and a table: pattern("name", { mode = "float" })
-- ERR: pattern("a*", "float")
-- ERR: ^~~~~~~
-- ERR: %s:7:5: error: there is no operator 'linaer'; did you mean 'linear'?
-- ERR: op("linaer", { mode = "float" })
-- ERR:     ^~~~~~
-- ERR: %s:8:1: error: minmax takes a table: minmax { dtype = "u8" }
-- ERR: minmax("u8")
-- ERR: ^~~~~~
-- ERR: %s:9:1: error: sharing is "torch" or "moves"
-- ERR: sharing "all"
-- ERR: ^~~~~~~
-- ERR: %s:10:1: error: preset takes a name: preset "fbgemm"
-- ERR: preset()
-- ERR: ^~~~~~
