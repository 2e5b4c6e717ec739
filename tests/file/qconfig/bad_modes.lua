-- RUN: not passtool -config %s -print-qconfig %S/net.ir
-- Observers that do not fit the mode.
node("a", { activation = minmax { dtype = "f16" } })
node("b", { activation = per_channel_minmax {} })
node("c", { activation = noop {} })
node("d", { mode = "dynamic", activation = minmax { quant_max = 100 } })
node("e", { weight = noop { dtype = "f16" } })
node("f", { mode = "weights", weight = noop { dtype = "u8" } })
node("g", { mode = "dynamic", weight = placeholder {} })
node("h", { weight = per_channel_minmax { ch_axis = 1 } })
-- ERR: %s:3:13: error: activations are u8 or s8 in the mode static, not f16 (mode = "float" leaves them in float32)
-- ERR: node("a", { activation = minmax { dtype = "f16" } })
-- ERR:             ^~~~~~~~~~
-- ERR: %s:4:13: error: per_channel_minmax observes channels apart, but an activation has one scale
-- ERR: node("b", { activation = per_channel_minmax {} })
-- ERR:             ^~~~~~~~~~
-- ERR: %s:5:13: error: noop finds no range, which the mode static needs
-- ERR: node("c", { activation = noop {} })
-- ERR:             ^~~~~~~~~~
-- ERR: %s:6:31: error: the mode dynamic takes its operands as u8 from 0 to 255, or to 127 with reduce_range
-- ERR: node("d", { mode = "dynamic", activation = minmax { quant_max = 100 } })
-- ERR:                               ^~~~~~~~~~
-- ERR: %s:7:13: error: weights are s8 or u8 in the mode static, not f16
-- ERR: node("e", { weight = noop { dtype = "f16" } })
-- ERR:             ^~~~~~
-- ERR: %s:8:31: error: noop finds no range, which u8 weights need
-- ERR: node("f", { mode = "weights", weight = noop { dtype = "u8" } })
-- ERR:                               ^~~~~~
-- ERR: %s:9:31: error: placeholder finds no range, which s8 weights need
-- ERR: node("g", { mode = "dynamic", weight = placeholder {} })
-- ERR:                               ^~~~~~
-- ERR: %s:10:13: error: a weight's scales are those of its output channels, which are axis 0, not 1
-- ERR: node("h", { weight = per_channel_minmax { ch_axis = 1 } })
-- ERR:             ^~~~~~
