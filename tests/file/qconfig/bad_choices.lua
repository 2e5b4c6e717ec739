-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = histogram { range = 1 }, weight = histogram { bins = "many" } }
node("a", { mode = 3, activation = minmax, weight = "minmax" })
node("b", { activation = histogram { bins = 0 } })
node("c", { activation = fixed { scale = 0 } })
-- ERR: %s:2:36: error: 'range' must be a word, not 1
-- ERR: default { activation = histogram { range = 1 }, weight = histogram { bins = "many" } }
-- ERR:                                    ^~~~~
-- ERR: %s:2:70: error: 'bins' must be a number, not 'many'
-- ERR: default { activation = histogram { range = 1 }, weight = histogram { bins = "many" } }
-- ERR:                                                                      ^~~~
-- ERR: %s:3:13: error: 'mode' must be "static", "dynamic", "weights" or "float", not 3
-- ERR: node("a", { mode = 3, activation = minmax, weight = "minmax" })
-- ERR:             ^~~~
-- ERR: %s:3:23: error: 'activation' must be an observer, such as minmax {}, not a function
-- ERR: node("a", { mode = 3, activation = minmax, weight = "minmax" })
-- ERR:                       ^~~~~~~~~~
-- ERR: %s:3:44: error: 'weight' must be an observer, such as minmax {}, not 'minmax'
-- ERR: node("a", { mode = 3, activation = minmax, weight = "minmax" })
-- ERR:                                            ^~~~~~
-- ERR: %s:4:38: error: the bins of histogram is an integer from 1 to 65536, not 0
-- ERR: node("b", { activation = histogram { bins = 0 } })
-- ERR:                                      ^~~~
-- ERR: %s:5:34: error: the scale of fixed is a number from 1.17549435e-38 to 3.40282347e+38, not 0
-- ERR: node("c", { activation = fixed { scale = 0 } })
-- ERR:                                  ^~~~~
