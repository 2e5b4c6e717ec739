-- RUN: not passtool -config %s -print-qconfig %S/net.ir
default { activation = minmax { dtype = "quint8" }, weight = minmax { dtype = 8 } }
node("a", { activation = minmax { symmetric = 1, quant_min = 300 } })
node("b", { activation = minmax { quant_max = 1.5, eps = -1 } })
node("c", { activation = minmax { reduce_range = "yes", ch_axis = 8 } })
-- ERR: %s:2:33: error: 'dtype' must be "u8", "s8" or "f16", not 'quint8'
-- ERR: default { activation = minmax { dtype = "quint8" }, weight = minmax { dtype = 8 } }
-- ERR:                                 ^~~~~
-- ERR: %s:2:71: error: 'dtype' must be "u8", "s8" or "f16", not 8
-- ERR: default { activation = minmax { dtype = "quint8" }, weight = minmax { dtype = 8 } }
-- ERR:                                                                       ^~~~~
-- ERR: %s:3:35: error: 'symmetric' must be true or false, not 1
-- ERR: node("a", { activation = minmax { symmetric = 1, quant_min = 300 } })
-- ERR:                                   ^~~~~~~~~
-- ERR: %s:3:50: error: 'quant_min' must be an integer from -128 to 255, not 300
-- ERR: node("a", { activation = minmax { symmetric = 1, quant_min = 300 } })
-- ERR:                                                  ^~~~~~~~~
-- ERR: %s:4:35: error: 'quant_max' must be an integer from -128 to 255, not 1.5
-- ERR: node("b", { activation = minmax { quant_max = 1.5, eps = -1 } })
-- ERR:                                   ^~~~~~~~~
-- ERR: %s:4:52: error: 'eps' must be a number, 0 or greater, not -1
-- ERR: node("b", { activation = minmax { quant_max = 1.5, eps = -1 } })
-- ERR:                                                    ^~~
-- ERR: %s:5:57: error: 'ch_axis' must be an integer from 0 to 7, not 8
-- ERR: node("c", { activation = minmax { reduce_range = "yes", ch_axis = 8 } })
-- ERR:                                                         ^~~~~~~
-- ERR: %s:5:35: error: 'reduce_range' must be true or false, not 'yes'
-- ERR: node("c", { activation = minmax { reduce_range = "yes", ch_axis = 8 } })
-- ERR:                                   ^~~~~~~~~~~~
