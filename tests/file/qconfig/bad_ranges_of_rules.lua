-- RUN: not passtool -config %s -print-qconfig %S/net.ir
-- What is wrong with types and ranges shows once a rule's gaps are filled.
node("a", { activation = minmax { quant_min = 9, quant_max = 9 } })
node("b", { activation = minmax { dtype = "s8", quant_max = 128 } })
node("c", { weight = histogram { per_channel = true } })
node("d", { weight = histogram { ch_axis = 0 } })
node("e", { activation = minmax { quant_min = 0, quant_max = 1, reduce_range = true } })
-- ERR: %s:3:50: error: the values from 9 to 9 are no range
-- ERR: node("a", { activation = minmax { quant_min = 9, quant_max = 9 } })
-- ERR:                                                  ^~~~~~~~~
-- ERR: %s:4:49: error: s8 takes values from -128 to 127, not from -128 to 128
-- ERR: node("b", { activation = minmax { dtype = "s8", quant_max = 128 } })
-- ERR:                                                 ^~~~~~~~~
-- ERR: %s:5:22: error: histogram cannot observe channels apart
-- ERR: node("c", { weight = histogram { per_channel = true } })
-- ERR:                      ^~~~~~~~~
-- ERR: %s:6:22: error: histogram cannot observe channels apart
-- ERR: node("d", { weight = histogram { ch_axis = 0 } })
-- ERR:                      ^~~~~~~~~
-- ERR: %s:7:50: error: the values from 0 to 0 are no range
-- ERR: node("e", { activation = minmax { quant_min = 0, quant_max = 1, reduce_range = true } })
-- ERR:                                                  ^~~~~~~~~
