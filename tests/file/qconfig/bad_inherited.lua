-- RUN: not passtool -config %s -print-qconfig %S/net.ir
-- A mode that does not fit what the rule inherits.
preset "float16_dynamic"
op("conv2d", { mode = "static" })
-- ERR: %s:4:1: error: weights are s8 or u8 in the mode static, not f16
-- ERR: op("conv2d", { mode = "static" })
-- ERR: ^~
